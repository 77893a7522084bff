//! The network between the peers: delay, loss, duplication, reordering, cuts.

use std::collections::BTreeMap;

use bytes::{Bytes, BytesMut};
use prost::Message as _;
use proto::eraftpb::{Message, MessageType};
use verdict::Knobs;

use super::event::{Event, Queue};
use super::rng::{self, Noise, Stream};

/// Peers that a run can have at most: those of the start, and those that are added.
pub const MOST_PEERS: usize = 16;
/// A message with a heavy tail takes up to this long.
const SLOW_MOST_US: u64 = 400_000;

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

/// How the network behaves at the moment.
#[derive(Clone, Copy, Debug)]
pub struct Weather {
    /// Shortest delay.
    pub delay_min_us: u64,
    /// Longest usual delay.
    pub delay_max_us: u64,
    /// Per million, see [`Knobs`].
    pub slow_ppm: u32,
    /// Per million, see [`Knobs`].
    pub loss_ppm: u32,
    /// Per million, see [`Knobs`].
    pub duplicate_ppm: u32,
}

impl Weather {
    /// As the knobs say.
    pub fn of(knobs: &Knobs) -> Weather {
        Weather {
            delay_min_us: knobs.delay_min_us,
            delay_max_us: knobs.delay_max_us.max(knobs.delay_min_us),
            slow_ppm: knobs.slow_ppm,
            loss_ppm: knobs.loss_ppm,
            duplicate_ppm: knobs.duplicate_ppm,
        }
    }

    /// The same network without faults, and no slower than is usual in it.
    pub fn calm(self) -> Weather {
        Weather {
            delay_min_us: self.delay_min_us.min(1_000),
            delay_max_us: self.delay_max_us.min(4_500),
            slow_ppm: 0,
            loss_ppm: 0,
            duplicate_ppm: 0,
        }
    }
}

/// Sender, receiver, kind.
type PoolKey = (u64, u64, i32);
/// Messages this far from what a step names differ in more than their commit index and the like.
const ANOTHER: u64 = 256;

/// The network.
pub struct Net {
    noise: Noise,
    /// As of now.
    pub weather: Weather,
    flying: Vec<Option<Flying>>,
    free: Vec<usize>,
    /// Messages sent so far, by link: the counter of its draws.
    sent: Vec<u64>,
    /// How many faults cut the link at the moment.
    cuts: Vec<u32>,
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
            noise,
            weather,
            flying: Vec::new(),
            free: Vec::new(),
            sent: vec![0; MOST_PEERS * MOST_PEERS],
            cuts: vec![0; MOST_PEERS * MOST_PEERS],
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
    pub fn send(&mut self, now: u64, flying: Flying, queue: &mut Queue) -> Sent {
        let link = link(flying.from, flying.message.to);
        self.sent[link] += 1;
        let counter = self.sent[link];
        if self.cuts[link] > 0
            || self.noise.chance(Stream::Fate, link as u64, counter * 3, self.weather.loss_ppm)
        {
            return Sent::Lost;
        }
        if self.noise.chance(Stream::Fate, link as u64, counter * 3 + 1, self.weather.duplicate_ppm) {
            let at = now + self.delay(Stream::Copy, link, counter);
            let slot = self.hold(flying.clone());
            queue.push(at, Event::Deliver { slot });
        }
        let at = now + self.delay(Stream::Delay, link, counter);
        let slot = self.hold(flying);
        queue.push(at, Event::Deliver { slot });
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
        self.free.push(slot);
        self.flying[slot].take().expect("each message is delivered once")
    }

    /// Whom the message is for.
    pub fn receiver(&self, slot: usize) -> u64 {
        self.flying[slot].as_ref().expect("each message is delivered once").message.to
    }

    /// Whether nothing gets from one peer to the other.
    pub fn is_cut(&self, from: u64, to: u64) -> bool {
        self.cuts[link(from, to)] > 0
    }

    /// Cuts the link, or takes one cut back.
    pub fn cut(&mut self, from: u64, to: u64, cut: bool) {
        let cuts = &mut self.cuts[link(from, to)];
        *cuts = if cut { *cuts + 1 } else { cuts.saturating_sub(1) };
    }

    /// Mends every link, and calms the weather.
    pub fn heal(&mut self) {
        self.cuts.fill(0);
        self.weather = self.weather.calm();
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

    fn delay(&self, stream: Stream, link: usize, counter: u64) -> u64 {
        let Weather { delay_min_us, delay_max_us, slow_ppm, .. } = self.weather;
        let usual = delay_min_us
            + self.noise.below(stream, link as u64, counter * 2, delay_max_us - delay_min_us + 1);
        if slow_ppm == 0 || !self.noise.chance(Stream::Fate, link as u64, counter * 3 + 2, slow_ppm) {
            return usual;
        }
        usual + self.noise.below(stream, link as u64, counter * 2 + 1, SLOW_MOST_US)
    }
}

fn link(from: u64, to: u64) -> usize {
    (from as usize % MOST_PEERS) * MOST_PEERS + to as usize % MOST_PEERS
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
