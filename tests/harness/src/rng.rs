//! Keyed draws: what a seed decides is a pure function of *what the draw is for*.
//!
//! A shared generator would couple everything: one fault less in the plan, and every later delay, loss and timeout of
//! the run is another. Here each draw is `hash(noise, stream, entity, counter)`, so that a shrunk plan replays the
//! rest of its run as undisturbed as the code under test allows.

/// What a draw is for. The number is part of the key: never reuse one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u64)]
pub enum Stream {
    /// Drawing a plan.
    Plan = 1,
    /// Drawing the noise seed of a plan.
    Noise = 2,
    /// How long a message travels.
    Delay = 3,
    /// Whether a message is lost, duplicated or slow.
    Fate = 4,
    /// How long the copy of a message travels.
    Copy = 5,
    /// Whether and how long a sync or an apply takes.
    Disk = 6,
    /// As `Disk`, for applying.
    Apply = 7,
    /// How many unsynced writes survive a crash.
    Keep = 8,
    /// `Config::seed` of one incarnation of a peer.
    Timeout = 10,
    /// When a peer's ticks start.
    Phase = 11,
    /// Which leader a client believes in, how long it waits.
    Client = 12,
    /// What the sender learns of a lost message.
    Report = 13,
    /// Whether the storage has no snapshot ready.
    Busy = 14,
    /// Where the final crash strikes.
    Fuse = 16,
}

/// Source of all chance in one run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Noise(pub u64);

impl Noise {
    /// 64 bits for the given purpose, the same at every call.
    pub fn draw(self, stream: Stream, entity: u64, counter: u64) -> u64 {
        let key = mix(self.0 ^ (stream as u64).wrapping_mul(0xD6E8_FEB8_6659_FD93));
        let key = mix(key ^ entity.wrapping_mul(0xA24B_AED4_963E_E407));
        mix(key ^ counter.wrapping_mul(0x9FB2_1C65_1E98_DF25))
    }

    /// A number below `limit`, or 0 if `limit` is 0.
    pub fn below(self, stream: Stream, entity: u64, counter: u64, limit: u64) -> u64 {
        scale(self.draw(stream, entity, counter), limit)
    }

    /// True with the given chance per million.
    pub fn chance(self, stream: Stream, entity: u64, counter: u64, ppm: u32) -> bool {
        ppm > 0 && self.below(stream, entity, counter, 1_000_000) < u64::from(ppm)
    }
}

/// Maps 64 random bits to `0..limit`, evenly enough for any limit that occurs here.
pub fn scale(bits: u64, limit: u64) -> u64 {
    ((u128::from(bits) * u128::from(limit)) >> 64) as u64
}

/// Spreads every bit of the input over the output (two multiply-and-fold rounds).
pub fn mix(x: u64) -> u64 {
    let x = (x ^ (x >> 32)).wrapping_mul(0xE703_7ED1_A0B4_28DB);
    let x = (x ^ (x >> 29)).wrapping_mul(0x8EBC_6AF0_9C88_C6E3);
    x ^ (x >> 32)
}

/// Folds `value` into a running digest.
pub fn fold(digest: u64, value: u64) -> u64 {
    (digest.rotate_left(23) ^ value).wrapping_mul(0x9E6C_63D0_876A_3F6B) ^ (digest >> 31)
}

/// Folds bytes into a running digest, eight at a time.
pub fn fold_bytes(digest: u64, bytes: &[u8]) -> u64 {
    let mut digest = fold(digest, bytes.len() as u64);
    let mut chunks = bytes.chunks_exact(8);
    for chunk in &mut chunks {
        digest = fold(digest, u64::from_le_bytes(chunk.try_into().expect("chunks of eight")));
    }
    let mut tail = [0; 8];
    tail[..chunks.remainder().len()].copy_from_slice(chunks.remainder());
    fold(digest, u64::from_le_bytes(tail))
}

/// Digest of a name, for keys.
pub fn name(text: &str) -> u64 {
    mix(fold_bytes(0x51, text.as_bytes()))
}

/// A sequence of draws for making one plan: the plan is written out, so its draws need no keys of their own.
pub struct Dice {
    noise: Noise,
    entity: u64,
    next: u64,
}

impl Dice {
    /// Dice of `seed`, for the thing called `entity`.
    pub fn new(seed: u64, entity: u64) -> Dice {
        Dice { noise: Noise(seed), entity, next: 0 }
    }

    /// A number below `limit`.
    pub fn below(&mut self, limit: u64) -> u64 {
        self.next += 1;
        self.noise.below(Stream::Plan, self.entity, self.next, limit)
    }

    /// A number of `low..=high`.
    pub fn range(&mut self, low: u64, high: u64) -> u64 {
        low + self.below(high - low + 1)
    }

    /// True once in `n`.
    pub fn one_in(&mut self, n: u64) -> bool {
        self.below(n) == 0
    }

    /// One of the given values.
    pub fn pick<T: Copy>(&mut self, values: &[T]) -> T {
        values[self.below(values.len() as u64) as usize]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn draws_depend_on_every_part_of_the_key_and_on_nothing_else() {
        let noise = Noise(7);
        let base = noise.draw(Stream::Delay, 1, 1);
        assert_eq!(base, Noise(7).draw(Stream::Delay, 1, 1));
        for other in [
            Noise(8).draw(Stream::Delay, 1, 1),
            noise.draw(Stream::Fate, 1, 1),
            noise.draw(Stream::Delay, 2, 1),
            noise.draw(Stream::Delay, 1, 2),
        ] {
            assert_ne!(base, other);
        }
    }

    #[test]
    fn draws_are_even() {
        let noise = Noise(1);
        let mut buckets = [0u32; 16];
        for counter in 0..160_000 {
            buckets[noise.below(Stream::Fate, counter % 5, counter, 16) as usize] += 1;
        }
        assert!(buckets.iter().all(|&n| (9_500..10_500).contains(&n)), "{buckets:?}");
        let hits = (0..1_000_000).filter(|&n| noise.chance(Stream::Fate, 3, n, 1_000)).count();
        assert!((850..1_150).contains(&hits), "{hits}");
    }
}
