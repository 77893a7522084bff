//! A fast hash for states and messages. Not for anything that an enemy chooses.

use std::hash::{Hash, Hasher};

use proto::eraftpb::Message;

use crate::disk::mix;

/// Folds whatever is hashed into 64 bits.
#[derive(Clone, Copy, Debug, Default)]
pub struct Fold(u64);

impl Hasher for Fold {
    fn finish(&self) -> u64 {
        mix(self.0)
    }

    fn write(&mut self, bytes: &[u8]) {
        let mut chunks = bytes.chunks_exact(8);
        for chunk in &mut chunks {
            self.write_u64(u64::from_le_bytes(chunk.try_into().expect("8 bytes")));
        }
        for &byte in chunks.remainder() {
            self.write_u64(u64::from(byte));
        }
    }

    fn write_u8(&mut self, value: u8) {
        self.write_u64(u64::from(value));
    }

    fn write_u32(&mut self, value: u32) {
        self.write_u64(u64::from(value));
    }

    fn write_u64(&mut self, value: u64) {
        self.0 = (self.0.rotate_left(23) ^ value).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        self.0 ^= self.0 >> 31;
    }

    fn write_usize(&mut self, value: usize) {
        self.write_u64(value as u64);
    }
}

/// Names a message by its contents.
pub fn key_of(message: &Message) -> u64 {
    let mut fold = Fold::default();
    message.hash(&mut fold);
    fold.finish()
}

/// States that were seen: a set of digests, at most half full.
#[derive(Debug)]
pub struct Seen {
    slots: Vec<u64>,
    count: usize,
}

impl Seen {
    /// An empty set.
    pub fn new() -> Seen {
        Seen { slots: vec![0; 1 << 12], count: 0 }
    }

    /// Adds a digest; returns false if it was there.
    pub fn insert(&mut self, digest: u64) -> bool {
        if self.count * 2 >= self.slots.len() {
            let old = std::mem::take(&mut self.slots);
            self.slots = vec![0; old.len() * 2];
            self.count = 0;
            old.into_iter().filter(|&digest| digest != 0).for_each(|digest| {
                self.insert(digest);
            });
        }
        let digest = digest.max(1);
        let mask = self.slots.len() - 1;
        let mut at = digest as usize & mask;
        while self.slots[at] != 0 {
            if self.slots[at] == digest {
                return false;
            }
            at = (at + 1) & mask;
        }
        self.slots[at] = digest;
        self.count += 1;
        true
    }
}
