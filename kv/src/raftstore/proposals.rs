//! Commands that wait for their entries to be applied, by index and term: what makes sure that each is answered exactly once.
//!
//! A proposal names the place in the log where its leader put it. Whether it stayed there is known when an entry of that
//! place, or of a later term before it, is applied:
//!
//! | what is applied | a proposal at the same index | a proposal behind it |
//! |---|---|---|
//! | an entry of the proposal's term | is answered by its result | waits on |
//! | an entry of a later term | was overwritten: `StaleCommand` | was overwritten: `StaleCommand` |
//! | nothing, as a snapshot took the place of the log | nobody knows | waits on |

use std::collections::VecDeque;

use super::msg::{Callback, Proposal};

/// The commands of one peer that wait, in the order in which they were proposed.
///
/// Invariant: terms never fall, and within a term indexes rise.
#[derive(Debug, Default)]
pub struct PendingProposals {
    waiting: VecDeque<Proposal>,
}

/// What became of proposals when an entry was applied.
#[derive(Debug, Default)]
pub struct Resolved {
    /// Waited for exactly this entry.
    pub found: Option<Callback>,
    /// Were overwritten by it; they never take effect.
    pub stale: Vec<Callback>,
}

impl PendingProposals {
    /// Adds a command that has just been proposed.
    pub fn push(&mut self, proposal: Proposal) {
        if let Some(last) = self.waiting.back() {
            assert!(
                (last.term, last.index) < (proposal.term, proposal.index),
                "proposal {}@{} behind {}@{}",
                proposal.index,
                proposal.term,
                last.index,
                last.term
            );
        }
        self.waiting.push_back(proposal);
    }

    /// The entry at `index`, of `term`, is being applied: takes out the proposal that waited for it, and all those that it
    /// proves overwritten. Every callback is handed out once; those that may still be applied stay.
    pub fn resolve(&mut self, index: u64, term: u64) -> Resolved {
        let mut resolved = Resolved::default();
        while let Some(head) = self.waiting.front() {
            // Terms never fall along a log: behind an entry of `term` there is none of an earlier one any more.
            let overwritten = head.term < term || (head.term == term && head.index < index);
            let found = head.term == term && head.index == index;
            if !overwritten && !found {
                break;
            }
            let callback = self.waiting.pop_front().map(|head| head.callback);
            if found {
                resolved.found = callback;
                break;
            }
            resolved.stale.extend(callback);
        }
        resolved
    }

    /// A snapshot has taken the place of the log up to `index`: takes out the proposals of which nobody can tell any more
    /// whether they took effect.
    pub fn take_covered(&mut self, index: u64) -> Vec<Callback> {
        let covered = |proposal: &Proposal| proposal.index <= index;
        let (covered, waiting) = std::mem::take(&mut self.waiting).into_iter().partition(covered);
        self.waiting = waiting;
        Vec::from(covered).into_iter().map(|proposal: Proposal| proposal.callback).collect()
    }

    /// The peer goes away: takes out all.
    pub fn take_all(&mut self) -> Vec<Callback> {
        self.waiting.drain(..).map(|proposal| proposal.callback).collect()
    }

    /// How many wait.
    pub fn len(&self) -> usize {
        self.waiting.len()
    }

    /// Whether none waits.
    pub fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }
}
