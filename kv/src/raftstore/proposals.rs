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
        // Terms never fall along a log: behind an entry of `term` there is none of an earlier one any more.
        while let Some(overwritten) = self.waiting.pop_front_if(|head| head.term < term) {
            resolved.stale.push(overwritten.callback);
        }
        let found = self.waiting.pop_front_if(|head| (head.term, head.index) == (term, index));
        resolved.found = found.map(|proposal| proposal.callback);
        if let Some(next) = self.waiting.front() {
            assert!((next.term, next.index) > (term, index), "entry {index}@{term} passed over {next:?}");
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::raftstore::cmd_resp;
    use std::sync::{Arc, Mutex};

    /// Proposals whose answers are collected: the name of each, and whether it was answered or dropped.
    #[derive(Default)]
    struct Fixture {
        pending: PendingProposals,
        ended: Arc<Mutex<Vec<(&'static str, bool)>>>,
    }

    impl Fixture {
        fn with(proposals: &[(&'static str, u64, u64)]) -> Fixture {
            let mut fixture = Fixture::default();
            for &(name, index, term) in proposals {
                let ended = fixture.ended.clone();
                let callback =
                    Callback::new(move |result| ended.lock().unwrap().push((name, result.is_ok())));
                fixture.pending.push(Proposal { index, term, callback });
            }
            fixture
        }

        /// Who is found, and who is stale, when an entry is applied.
        fn apply(&mut self, index: u64, term: u64) -> (Vec<&'static str>, Vec<&'static str>) {
            let resolved = self.pending.resolve(index, term);
            let found = self.answered(resolved.found.into_iter().collect());
            (found, self.answered(resolved.stale))
        }

        fn answered(&self, callbacks: Vec<Callback>) -> Vec<&'static str> {
            self.ended.lock().unwrap().clear();
            callbacks.into_iter().for_each(|callback| callback.respond(cmd_resp::new_response(vec![], 0)));
            self.ended.lock().unwrap().drain(..).map(|(name, _)| name).collect()
        }
    }

    #[test]
    fn an_entry_answers_the_proposal_at_its_index_and_term() {
        let mut fixture = Fixture::with(&[("a", 6, 6), ("b", 8, 6)]);
        assert_eq!(fixture.apply(6, 6), (vec!["a"], vec![]));
        assert_eq!(fixture.apply(7, 6), (vec![], vec![]), "somebody else's");
        assert_eq!(fixture.apply(8, 6), (vec!["b"], vec![]));
        assert!(fixture.pending.is_empty());
    }

    #[test]
    fn an_entry_of_a_later_term_proves_all_earlier_ones_overwritten() {
        let mut fixture = Fixture::with(&[("a", 6, 6), ("b", 7, 6), ("c", 9, 8)]);
        assert_eq!(fixture.apply(6, 7), (vec![], vec!["a", "b"]));
        assert_eq!(fixture.pending.len(), 1);
        assert_eq!(fixture.apply(9, 8), (vec!["c"], vec![]));
    }

    #[test]
    fn an_entry_of_an_earlier_term_at_the_same_index_answers_nobody() {
        // This peer proposed in term 6, and then the entry of term 5 came to stand there.
        let mut fixture = Fixture::with(&[("a", 9, 6)]);
        assert_eq!(fixture.apply(7, 5), (vec![], vec![]));
        assert_eq!(fixture.apply(8, 7), (vec![], vec!["a"]));
    }

    #[test]
    fn both_at_once_when_a_leader_returns() {
        let mut fixture = Fixture::with(&[("old", 9, 6), ("new", 8, 8)]);
        assert_eq!(fixture.apply(7, 6), (vec![], vec![]));
        assert_eq!(fixture.apply(8, 8), (vec!["new"], vec!["old"]));
    }

    #[test]
    fn a_snapshot_takes_out_what_it_covers() {
        let mut fixture = Fixture::with(&[("a", 6, 6), ("b", 9, 6), ("c", 8, 8)]);
        let covered = fixture.pending.take_covered(8);
        assert_eq!(fixture.answered(covered), ["a", "c"]);
        assert_eq!(fixture.pending.len(), 1);
    }

    #[test]
    #[should_panic(expected = "behind")]
    fn proposals_come_in_order() {
        Fixture::with(&[("a", 6, 6), ("b", 6, 6)]);
    }
}
