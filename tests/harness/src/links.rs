//! The links between peers: delay, loss, duplication, reordering, cuts.

use verdict::Knobs;

use crate::rng::{Noise, Stream};

/// Peers that a run can have at most: those of the start, and those that are added.
pub const MOST_PEERS: usize = 16;
/// A message with a heavy tail takes up to this long.
const SLOW_MOST_US: u64 = 400_000;

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

/// What becomes of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// It is lost.
    Lost,
    /// It arrives.
    Arrives {
        /// So long after it was sent.
        after_us: u64,
        /// And a copy of it as well.
        copy_after_us: Option<u64>,
    },
}

/// What the transport tells a sender of how a message fared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Report {
    /// The receiver could not be reached.
    Unreachable,
    /// A snapshot arrived.
    SnapshotArrived,
    /// A snapshot got lost.
    SnapshotLost,
}

/// All links between the peers of a run.
pub struct Links {
    noise: Noise,
    /// As of now.
    pub weather: Weather,
    /// Messages sent so far, by link: the counter of its draws.
    sent: Vec<u64>,
    /// How many faults cut the link at the moment.
    cuts: Vec<u32>,
}

impl Links {
    /// Links in the given weather.
    pub fn new(noise: Noise, weather: Weather) -> Links {
        let every = MOST_PEERS * MOST_PEERS;
        Links { noise, weather, sent: vec![0; every], cuts: vec![0; every] }
    }

    /// Decides over the next message on a link. A cut is met at both ends: ask again when it arrives.
    pub fn fate(&mut self, from: u64, to: u64) -> Fate {
        let link = link(from, to);
        self.sent[link] += 1;
        let counter = self.sent[link];
        if self.cuts[link] > 0
            || self.noise.chance(Stream::Fate, link as u64, counter * 3, self.weather.loss_ppm)
        {
            return Fate::Lost;
        }
        let twice = self.noise.chance(Stream::Fate, link as u64, counter * 3 + 1, self.weather.duplicate_ppm);
        let copy_after_us = twice.then(|| self.delay(Stream::Copy, link, counter));
        Fate::Arrives { after_us: self.delay(Stream::Delay, link, counter), copy_after_us }
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
