//! When an FSM's periodic jobs are due, in base ticks.
//!
//! A job runs only when it was scheduled, and is then due once; whoever runs it schedules it again if there is more to do. So
//! an idle region costs one addition per base tick, and a job never runs twice for one tick, however often it is scheduled.

use crate::config::RaftStoreConfig;

/// A periodic job of a peer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PeerTick {
    /// Raft's own clock.
    Raft,
    /// Look at the length of the log.
    RaftLogGc,
}

/// A periodic job of the store FSM.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StoreTick {
    /// Look for left-over snapshot files.
    SnapGc,
}

/// What kind of jobs a [`Ticker`] keeps: numbers below `COUNT`.
pub trait Job: Copy {
    /// How many kinds there are.
    const COUNT: usize;
    /// Which one this is.
    fn number(self) -> usize;
    /// Base ticks from scheduling it until it is due.
    fn interval(self, config: &RaftStoreConfig) -> u64;
}

impl Job for PeerTick {
    const COUNT: usize = 2;

    fn number(self) -> usize {
        self as usize
    }

    fn interval(self, config: &RaftStoreConfig) -> u64 {
        match self {
            PeerTick::Raft => 1,
            PeerTick::RaftLogGc => u64::from(config.raft_log_gc_ticks),
        }
    }
}

impl Job for StoreTick {
    const COUNT: usize = 1;

    fn number(self) -> usize {
        self as usize
    }

    fn interval(self, config: &RaftStoreConfig) -> u64 {
        match self {
            StoreTick::SnapGc => u64::from(config.snap_gc_ticks),
        }
    }
}

/// The clock of one FSM.
#[derive(Debug)]
pub struct Ticker<J> {
    /// Base ticks so far.
    now: u64,
    /// For each kind of job: when it is due, if it is scheduled.
    due: Vec<Option<u64>>,
    jobs: std::marker::PhantomData<J>,
}

impl<J: Job> Default for Ticker<J> {
    fn default() -> Ticker<J> {
        Ticker { now: 0, due: vec![None; J::COUNT], jobs: std::marker::PhantomData }
    }
}

impl<J: Job> Ticker<J> {
    /// One base tick has passed.
    pub fn tick_clock(&mut self) {
        self.now += 1;
    }

    /// Asks for `job` after its interval. One that is scheduled already keeps its time.
    pub fn schedule(&mut self, job: J, config: &RaftStoreConfig) {
        let due = &mut self.due[job.number()];
        if due.is_none() {
            *due = Some(self.now + job.interval(config).max(1));
        }
    }

    /// Takes `job` off the schedule, and says so, if it is due.
    pub fn is_on_tick(&mut self, job: J) -> bool {
        let due = &mut self.due[job.number()];
        if due.is_some_and(|at| at <= self.now) {
            *due = None;
            return true;
        }
        false
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config() -> RaftStoreConfig {
        RaftStoreConfig { raft_log_gc_ticks: 3, ..RaftStoreConfig::default() }
    }

    fn dues(ticker: &mut Ticker<PeerTick>, ticks: usize) -> Vec<bool> {
        let tick = |_| {
            ticker.tick_clock();
            ticker.is_on_tick(PeerTick::RaftLogGc)
        };
        (0..ticks).map(tick).collect()
    }

    #[test]
    fn a_job_that_nobody_asked_for_is_never_due() {
        assert_eq!(dues(&mut Ticker::default(), 4), [false; 4]);
    }

    #[test]
    fn a_job_is_due_once_after_its_interval() {
        let mut ticker = Ticker::default();
        ticker.schedule(PeerTick::RaftLogGc, &config());
        assert_eq!(dues(&mut ticker, 5), [false, false, true, false, false]);
    }

    #[test]
    fn scheduling_again_neither_doubles_nor_delays_it() {
        let mut ticker = Ticker::default();
        ticker.schedule(PeerTick::RaftLogGc, &config());
        assert_eq!(dues(&mut ticker, 2), [false, false]);
        ticker.schedule(PeerTick::RaftLogGc, &config());
        assert_eq!(dues(&mut ticker, 2), [true, false]);
    }

    #[test]
    fn a_job_that_came_due_unseen_stays_due() {
        let mut ticker = Ticker::default();
        ticker.schedule(PeerTick::Raft, &config());
        ticker.tick_clock();
        ticker.tick_clock();
        assert!(ticker.is_on_tick(PeerTick::Raft));
        assert!(!ticker.is_on_tick(PeerTick::Raft));
    }
}
