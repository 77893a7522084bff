//! Reads that do not go through the log: where they wait, and when a lease may be trusted.

use std::collections::VecDeque;

use proto::raft_cmdpb::RaftCmdRequest;

use super::msg::Callback;
use crate::clock::Micros;
use crate::config::RaftStoreConfig;

/// A read that does not go through the log.
#[derive(Debug)]
pub struct PendingRead {
    /// What to read.
    pub request: RaftCmdRequest,
    /// Gets it.
    pub callback: Callback,
}

/// Reads that do not go through the log, on their way.
///
/// ```text
///   push ──▶ gathered ── one question to Raft a round ──▶ asked ── confirmed at an index ──▶ confirmed ──▶ served
///                │                                         │                                    │
///                └──────────── this peer leads no more: `NotLeader` ────────────────────────────┘
/// ```
#[derive(Debug, Default)]
pub struct PendingReads {
    gathered: Vec<PendingRead>,
    /// In the order of their numbers.
    asked: VecDeque<Asked>,
    /// By the index that each waits for; it rises.
    confirmed: VecDeque<(u64, Vec<PendingRead>)>,
    last_number: u64,
}

/// Reads that Raft was asked about together.
#[derive(Debug)]
struct Asked {
    /// Names them; rises.
    number: u64,
    /// If Raft confirms them, nobody else can lead before this.
    lease_until: Micros,
    reads: Vec<PendingRead>,
}

impl PendingReads {
    /// Adds a read.
    pub fn push(&mut self, request: RaftCmdRequest, callback: Callback) {
        self.gathered.push(PendingRead { request, callback });
    }

    /// Gives the gathered reads a number; `None` if there are none. `lease_until`: what [`LeaseGuard::until`] says now.
    pub fn ask(&mut self, lease_until: Micros) -> Option<u64> {
        if self.gathered.is_empty() {
            return None;
        }
        self.last_number += 1;
        let (number, reads) = (self.last_number, std::mem::take(&mut self.gathered));
        self.asked.push_back(Asked { number, lease_until, reads });
        Some(number)
    }

    /// Raft has confirmed the reads of this number, and with them all that were asked before. Returns until when nobody else can
    /// lead, if they were waiting.
    pub fn confirm(&mut self, number: u64, index: u64) -> Option<Micros> {
        let mut lease_until = None;
        while let Some(asked) = self.asked.pop_front_if(|asked| asked.number <= number) {
            lease_until = Some(asked.lease_until);
            self.confirmed.push_back((index, asked.reads));
        }
        lease_until
    }

    /// Takes out the reads that wait for nothing behind `applied`.
    pub fn take_ready(&mut self, applied: u64) -> Vec<PendingRead> {
        let mut ready = Vec::new();
        while let Some((_, reads)) = self.confirmed.pop_front_if(|(index, _)| *index <= applied) {
            ready.extend(reads);
        }
        ready
    }

    /// Takes out all.
    pub fn take_all(&mut self) -> Vec<PendingRead> {
        let asked = self.asked.drain(..).flat_map(|asked| asked.reads);
        let mut all: Vec<PendingRead> = asked.collect();
        all.extend(self.confirmed.drain(..).flat_map(|(_, reads)| reads));
        all.append(&mut self.gathered);
        all
    }
}

/// Guards the lease against a clock that stood still.
///
/// Raft's lease counts ticks, and the ticks of a process that was stopped come late: it would go on trusting its lease while
/// others, whose ticks went on, elect a new leader. So the lease is trusted only while the ticks that it spans took, by the
/// clock, less than the time in which nobody can be elected.
///
/// That time is an election timeout as the *others* count it. Their ticks may be up to a tenth faster than our clock; a driver
/// must not deliver ticks faster than that, and above all must not make up for ticks that it has missed.
#[derive(Debug)]
pub struct LeaseGuard {
    /// Term in which leadership was offered to another peer. That peer may campaign at any time from then on, whatever others
    /// have heard from us, so there is no lease any more in this term.
    pub offered_in_term: u64,
    /// When the last ticks were.
    ticks: VecDeque<Micros>,
    ticks_max: usize,
    limit_micros: u64,
}

impl LeaseGuard {
    /// A guard that has seen no tick, and trusts nothing yet.
    pub fn new(config: &RaftStoreConfig) -> LeaseGuard {
        let election_ticks = config.raft_election_timeout_ticks;
        let election_micros = u64::from(election_ticks) * config.raft_base_tick_ms * 1000;
        LeaseGuard {
            offered_in_term: 0,
            ticks: VecDeque::new(),
            // As many as Raft's lease lasts: it leaves out the last quarter.
            ticks_max: (election_ticks - election_ticks.div_ceil(4)) as usize,
            limit_micros: election_micros / 10 * 9,
        }
    }

    /// A base tick.
    pub fn on_tick(&mut self, now: Micros) {
        if self.ticks.len() == self.ticks_max {
            self.ticks.pop_front();
        }
        self.ticks.push_back(now);
    }

    /// Whether a lease that Raft believes in may be believed.
    pub fn is_trusted(&self, now: Micros) -> bool {
        now <= self.until()
    }

    /// Until when a lease that Raft believes in now may be believed; long ago if it may not.
    pub fn until(&self) -> Micros {
        match self.ticks.front() {
            Some(first) if self.ticks.len() == self.ticks_max => Micros(first.0 + self.limit_micros),
            _ => Micros(0),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn guard() -> LeaseGuard {
        // Raft's lease is 7 ticks long, the limit 9 ticks.
        LeaseGuard::new(&RaftStoreConfig {
            raft_election_timeout_ticks: 10,
            raft_base_tick_ms: 100,
            ..RaftStoreConfig::default()
        })
    }

    fn at(millis: u64) -> Micros {
        Micros(0).plus_millis(millis)
    }

    #[test]
    fn a_lease_is_trusted_once_enough_ticks_were_seen_and_while_they_keep_coming() {
        let mut guard = guard();
        for tick in 0..6 {
            guard.on_tick(at(tick * 100));
        }
        assert!(!guard.is_trusted(at(510)));
        guard.on_tick(at(600));
        assert!(guard.is_trusted(at(610)));
        assert!(guard.is_trusted(at(900)));
        assert!(!guard.is_trusted(at(901)), "the process stood still");
    }

    #[test]
    fn late_ticks_do_not_bring_back_the_trust() {
        let mut guard = guard();
        for tick in 0..7 {
            guard.on_tick(at(tick * 100));
        }
        for _ in 0..6 {
            guard.on_tick(at(5000));
            assert!(!guard.is_trusted(at(5001)), "the lease may be from before the pause");
        }
        guard.on_tick(at(5000));
        assert!(guard.is_trusted(at(5001)), "all ticks of the lease are from after it");
    }
}
