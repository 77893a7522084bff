//! The network between the peers: messages on their way.

use std::collections::BTreeMap;

use bytes::{Bytes, BytesMut};
use harness::links::{Fate, Links, Weather};
use harness::queue::Queue;
use harness::rng::{self, Noise};
use harness::slab::Slab;
use prost::Message as _;
use proto::eraftpb::{Message, MessageType};

use super::event::Event;

/// A message on its way.
#[derive(Clone, Debug)]
pub struct Flying {
    /// What the receiver gets: decoded from what the sender encoded, so that no two peers share memory.
    pub message: Message,
    /// The sender; what the message itself says is checked elsewhere.
    pub from: u64,
    /// Names the message within the run, from 1; a copy bears the number of its original.
    pub number: u64,
    /// Life of the sender that sent it.
    pub life: u64,
}

/// Sender, receiver, kind.
type PoolKey = (u64, u64, i32);
/// Messages this far from what a step names differ in more than their commit index and the like.
const ANOTHER: u64 = 256;

/// The network.
pub struct Net {
    /// What becomes of messages.
    pub links: Links,
    flying: Slab<Flying>,
    /// Messages sent so far.
    pub count: u64,
    buffer: BytesMut,
    /// In a schedule: every message ever sent, and whether it was delivered.
    pool: BTreeMap<PoolKey, Vec<(Flying, bool)>>,
}

/// What became of a message at its sender's end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sent {
    /// It is on its way.
    Flying,
    /// It is lost already.
    Lost,
}

impl Net {
    /// A network in the given weather.
    pub fn new(noise: Noise, weather: Weather) -> Net {
        Net {
            links: Links::new(noise, weather),
            flying: Slab::default(),
            count: 0,
            buffer: BytesMut::new(),
            pool: BTreeMap::new(),
        }
    }

    /// Writes a message down, and reads it again: what the receiver will get, and a digest of the bytes between.
    pub fn travel(&mut self, message: &Message) -> (Message, u64) {
        message.encode(&mut self.buffer).expect("the buffer grows");
        let wire: Bytes = self.buffer.split().freeze();
        let digest = rng::fold_bytes(0, &wire);
        (Message::decode(wire).expect("what was just encoded"), digest)
    }

    /// Sends a message at `now`. Loss, delay and a copy are decided here; a cut is met at both ends.
    pub fn send(&mut self, now: u64, flying: Flying, queue: &mut Queue<Event>) -> Sent {
        let Fate::Arrives { after_us, copy_after_us } = self.links.fate(flying.from, flying.message.to)
        else {
            return Sent::Lost;
        };
        if let Some(after_us) = copy_after_us {
            let slot = self.flying.hold(flying.clone());
            queue.push(now + after_us, Event::Deliver { slot });
        }
        let slot = self.flying.hold(flying);
        queue.push(now + after_us, Event::Deliver { slot });
        Sent::Flying
    }

    /// Keeps a message until a step of the schedule delivers it.
    pub fn keep(&mut self, flying: Flying) {
        let Message { to, msg_type, .. } = flying.message;
        self.pool.entry((flying.from, to, msg_type)).or_default().push((flying, false));
    }

    /// The message with these sender, receiver and kind that is nearest to what a step names: the very one, still on
    /// its way or as another copy; or else one that is still on its way.
    pub fn find(&mut self, key: PoolKey, distance: impl Fn(&Message) -> u64) -> Option<Flying> {
        let alike = self.pool.get_mut(&key)?;
        let rank = |(flying, delivered): &(Flying, bool)| (distance(&flying.message), *delivered);
        let (flying, delivered) = alike
            .iter_mut()
            .filter(|(flying, delivered)| !delivered || distance(&flying.message) < ANOTHER)
            .min_by_key(|held| rank(held))?;
        *delivered = true;
        Some(flying.clone())
    }

    /// Takes a message off the wire.
    pub fn take(&mut self, slot: usize) -> Flying {
        self.flying.take(slot)
    }

    /// Whom the message is for.
    pub fn receiver(&self, slot: usize) -> u64 {
        self.flying.get(slot).message.to
    }
}

/// A message in words, as short as it can be told.
pub fn describe(message: &Message) -> String {
    let Message { term, log_term, index, commit, .. } = *message;
    let no = if message.reject { "no" } else { "yes" };
    match message.msg_type() {
        MessageType::MsgAppend => {
            let entries = match (message.entries.first(), message.entries.last()) {
                (Some(first), Some(last)) if first.index == last.index => {
                    format!("entry {}@{}", first.index, first.term)
                }
                (Some(first), Some(last)) => {
                    format!("entries {}@{}..{}@{}", first.index, first.term, last.index, last.term)
                }
                _ => "no entries".to_owned(),
            };
            format!("MsgAppend(term {term}, after {index}@{log_term}: {entries}, commit {commit})")
        }
        MessageType::MsgAppendResponse if message.reject => format!(
            "MsgAppendResponse(term {term}, no: nothing fits after {index}, try {}@{log_term})",
            message.reject_hint
        ),
        MessageType::MsgAppendResponse => format!("MsgAppendResponse(term {term}, yes: have {index})"),
        MessageType::MsgRequestVote => format!("MsgRequestVote(term {term}, log ends {index}@{log_term})"),
        MessageType::MsgRequestVoteResponse => format!("MsgRequestVoteResponse(term {term}, {no})"),
        MessageType::MsgRequestPreVote => {
            format!("MsgRequestPreVote(term {term}, log ends {index}@{log_term})")
        }
        MessageType::MsgRequestPreVoteResponse => format!("MsgRequestPreVoteResponse(term {term}, {no})"),
        MessageType::MsgSnapshot => {
            let meta = message.snapshot.as_ref().and_then(|s| s.metadata.as_ref());
            let (index, log_term) = meta.map_or((0, 0), |meta| (meta.index, meta.term));
            format!("MsgSnapshot(term {term}, state at {index}@{log_term})")
        }
        MessageType::MsgHeartbeat => format!("MsgHeartbeat(term {term}, commit {commit})"),
        other => format!("{}(term {term})", other.as_str_name()),
    }
}
