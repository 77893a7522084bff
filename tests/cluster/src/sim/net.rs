//! The network between the stores: messages on their way, and snapshots that travel in pieces.

use bytes::{Bytes, BytesMut};
use prost::Message as _;
use proto::eraftpb::MessageType;
use proto::raft_serverpb::RaftMessage;
use raft_tests::sim::links::{Fate, Links, Weather};
use raft_tests::sim::queue::Queue;
use raft_tests::sim::rng::{self, Noise};

use super::event::Event;

/// A message on its way.
#[derive(Clone, Debug)]
pub struct Flying {
    /// What the receiver gets: decoded from what the sender encoded, so that no two stores share memory.
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
    flying: Vec<Option<Flying>>,
    free: Vec<usize>,
    /// Messages sent so far.
    pub count: u64,
    buffer: BytesMut,
}

impl Net {
    /// A network in the given weather.
    pub fn new(noise: Noise, weather: Weather) -> Net {
        Net {
            links: Links::new(noise, weather),
            flying: Vec::new(),
            free: Vec::new(),
            count: 0,
            buffer: BytesMut::new(),
        }
    }

    /// Writes a message down, and reads it again: what the receiver will get, and a digest of the bytes between.
    pub fn travel(&mut self, message: &RaftMessage) -> (RaftMessage, u64) {
        message.encode(&mut self.buffer).expect("the buffer grows");
        let wire: Bytes = self.buffer.split().freeze();
        let digest = rng::fold_bytes(0, &wire);
        (RaftMessage::decode(wire).expect("what was just encoded"), digest)
    }

    /// Sends a message at `now`; says whether it is on its way.
    pub fn send(&mut self, now: u64, flying: Flying, queue: &mut Queue<Event>) -> bool {
        let Fate::Arrives { after_us, copy_after_us } = self.links.fate(flying.from as u64, flying.to as u64)
        else {
            return false;
        };
        // A snapshot travels over a connection of its own, where nothing is doubled.
        if let Some(after_us) = copy_after_us.filter(|_| !flying.has_snapshot()) {
            let slot = self.hold(flying.clone());
            queue.push(now + after_us, Event::Deliver { slot });
        }
        let slot = self.hold(flying);
        queue.push(now + after_us, Event::Deliver { slot });
        true
    }

    /// Takes a message off the wire.
    pub fn take(&mut self, slot: usize) -> Flying {
        self.free.push(slot);
        self.flying[slot].take().expect("each message is delivered once")
    }

    /// Positions of sender and receiver of a message.
    pub fn ends(&self, slot: usize) -> (usize, usize) {
        let flying = self.flying[slot].as_ref().expect("each message is delivered once");
        (flying.from, flying.to)
    }

    fn hold(&mut self, flying: Flying) -> usize {
        match self.free.pop() {
            Some(slot) => {
                self.flying[slot] = Some(flying);
                slot
            }
            None => {
                self.flying.push(Some(flying));
                self.flying.len() - 1
            }
        }
    }
}
