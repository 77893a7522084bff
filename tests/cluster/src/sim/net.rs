//! The network between the stores: messages on their way, and snapshots that travel in pieces.

use harness::links::{Fate, Links, Weather};
use harness::queue::Queue;
use harness::rng::{self, Noise};
use harness::slab::Slab;
use proto::eraftpb::MessageType;
use proto::raft_serverpb::RaftMessage;

use super::event::Event;

/// A message on its way.
#[derive(Clone, Debug)]
pub struct Flying {
    /// What the receiver gets.
    pub message: RaftMessage,
    /// Position of the sender.
    pub from: usize,
    /// Life of the sender that sent it.
    pub life: u64,
    /// Position of the receiver.
    pub to: usize,
    /// Names the message within the run, from 1; a copy bears the number of its original.
    pub number: u64,
}

impl Flying {
    /// Whether it takes a snapshot along.
    pub fn has_snapshot(&self) -> bool {
        let message = self.message.message.as_ref();
        message.is_some_and(|message| message.msg_type() == MessageType::MsgSnapshot)
    }
}

/// The network.
pub struct Net {
    /// What becomes of messages.
    pub links: Links,
    flying: Slab<Flying>,
    /// Messages sent so far.
    pub count: u64,
}

impl Net {
    /// A network in the given weather.
    pub fn new(noise: Noise, weather: Weather) -> Net {
        Net { links: Links::new(noise, weather), flying: Slab::default(), count: 0 }
    }

    /// Sends a message at `now`; gives it back if it is lost.
    pub fn send(&mut self, now: u64, flying: Flying, queue: &mut Queue<Event>) -> Option<Flying> {
        let Fate::Arrives { after_us, copy_after_us } = self.links.fate(flying.from as u64, flying.to as u64)
        else {
            return Some(flying);
        };
        // A snapshot travels over a connection of its own, where nothing is doubled.
        if let Some(after_us) = copy_after_us.filter(|_| !flying.has_snapshot()) {
            let slot = self.flying.hold(flying.clone());
            queue.push(now + after_us, Event::Deliver { slot });
        }
        let slot = self.flying.hold(flying);
        queue.push(now + after_us, Event::Deliver { slot });
        None
    }

    /// Takes a message off the wire.
    pub fn take(&mut self, slot: usize) -> Flying {
        self.flying.take(slot)
    }

    /// Positions of sender and receiver of a message.
    pub fn ends(&self, slot: usize) -> (usize, usize) {
        let flying = self.flying.get(slot);
        (flying.from, flying.to)
    }
}

/// A digest of all that a message says.
pub fn digest(envelope: &RaftMessage) -> u64 {
    let mut digest = rng::fold(envelope.region_id, u64::from(envelope.is_tombstone));
    let Some(message) = &envelope.message else { return digest };
    let numbers = [
        message.from << 32 | message.to,
        message.msg_type as u64,
        message.term,
        message.log_term,
        message.index,
        message.commit,
        u64::from(message.reject) << 63 | message.reject_hint,
        message.entries.len() as u64,
    ];
    digest = numbers.into_iter().fold(digest, rng::fold);
    for entry in &message.entries {
        digest = rng::fold(rng::fold(digest, entry.term), entry.index);
        digest = rng::fold_bytes(digest, &entry.data);
    }
    let snapshot = message.snapshot.as_ref();
    if let Some(meta) = snapshot.and_then(|snapshot| snapshot.metadata.as_ref()) {
        digest = rng::fold(rng::fold(digest, meta.term), meta.index);
    }
    digest
}
