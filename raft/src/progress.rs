//! What a leader knows of another peer's log, and how fast it may send to it.

use std::collections::VecDeque;

use crate::status::{ProgressState, ProgressStatus};
use crate::types::Index;

/// A leader's view of one peer.
///
/// Invariants ([`Progress::check`]):
/// 1. `matched < next`;
/// 2. in `Replicate`, at most the configured number of appends is on its way.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Progress {
    /// The peer's log is known to equal ours up to here. Never decreases while we lead.
    pub matched: Index,
    /// Next entry to send.
    pub next: Index,
    /// How to send it.
    pub state: ProgressState,
    /// In `Probe`: the one append is out.
    pub probe_sent: bool,
    /// In `Snapshot`: index of the snapshot on its way.
    pub pending_snapshot: Index,
    /// The peer was heard from since the last quorum check.
    pub recent_active: bool,
    /// In `Replicate`: last index of each append on its way, ascending.
    inflight: VecDeque<Index>,
    max_inflight: usize,
}

impl Progress {
    /// A peer of whose log nothing is known; sending starts at `next`.
    pub fn new(next: Index, max_inflight: usize) -> Progress {
        Progress {
            matched: 0,
            next,
            state: ProgressState::Probe,
            probe_sent: false,
            pending_snapshot: 0,
            recent_active: false,
            inflight: VecDeque::new(),
            max_inflight,
        }
    }

    /// What others may see of it.
    pub fn status(&self) -> ProgressStatus {
        ProgressStatus { matched: self.matched, next: self.next, state: self.state, paused: self.is_paused() }
    }

    /// Sends one append at a time from now on, starting after what is known to match. A snapshot on its way is taken to
    /// have arrived; if it has not, the probe will tell.
    pub fn become_probe(&mut self) {
        let snapshot = if self.state == ProgressState::Snapshot { self.pending_snapshot } else { 0 };
        self.reset(ProgressState::Probe);
        self.next = self.matched.max(snapshot) + 1;
    }

    /// Sends without waiting from now on.
    pub fn become_replicate(&mut self) {
        self.reset(ProgressState::Replicate);
        self.next = self.matched + 1;
    }

    /// Sends nothing until the snapshot at `index` has arrived or failed.
    pub fn become_snapshot(&mut self, index: Index) {
        self.reset(ProgressState::Snapshot);
        self.pending_snapshot = index;
    }

    fn reset(&mut self, state: ProgressState) {
        self.state = state;
        self.probe_sent = false;
        self.pending_snapshot = 0;
        self.inflight.clear();
    }

    /// Whether no append may be sent now.
    pub fn is_paused(&self) -> bool {
        match self.state {
            ProgressState::Probe => self.probe_sent,
            ProgressState::Replicate => self.inflight.len() >= self.max_inflight,
            ProgressState::Snapshot => true,
        }
    }

    /// Takes note of an append with entries up to `last` (the entry before `next` if it had none).
    pub fn on_sent(&mut self, last: Index) {
        match self.state {
            ProgressState::Probe => self.probe_sent = true,
            // The follower will most likely accept: go on behind it. If not, its rejection takes `next` back.
            ProgressState::Replicate if last >= self.next => {
                self.next = last + 1;
                self.inflight.push_back(last);
            }
            ProgressState::Replicate | ProgressState::Snapshot => {}
        }
    }

    /// The peer holds our log up to `index`. Returns whether that is news; old answers change nothing.
    pub fn maybe_update(&mut self, index: Index) -> bool {
        self.next = self.next.max(index + 1);
        if index <= self.matched {
            return false;
        }
        self.matched = index;
        self.probe_sent = false;
        true
    }

    /// The peer refused the append behind `rejected`; its log may agree with ours at or below `hint`. Takes `next` back,
    /// and returns whether it did: answers that were overtaken change nothing.
    pub fn maybe_decrease(&mut self, rejected: Index, hint: Index) -> bool {
        if self.state == ProgressState::Replicate {
            if rejected <= self.matched {
                return false;
            }
            self.next = self.matched + 1;
            return true;
        }
        // A probe goes out once: only the answer to the last one counts.
        if self.next - 1 != rejected {
            return false;
        }
        self.next = rejected.min(hint + 1).max(self.matched + 1);
        self.probe_sent = false;
        true
    }

    /// Appends up to `index` have been answered.
    pub fn free_inflight(&mut self, index: Index) {
        while self.inflight.front().is_some_and(|&last| last <= index) {
            self.inflight.pop_front();
        }
    }

    /// Gives up waiting for the oldest answer, so that a lost one cannot stop us for ever.
    pub fn free_oldest_inflight(&mut self) {
        if self.inflight.len() >= self.max_inflight {
            self.inflight.pop_front();
        }
    }

    /// Asserts the invariants above.
    pub fn check(&self) {
        debug_assert!(self.matched < self.next, "1: matched {} but next {}", self.matched, self.next);
        debug_assert!(
            self.inflight.len() <= self.max_inflight,
            "2: {} appends in flight",
            self.inflight.len()
        );
    }
}
