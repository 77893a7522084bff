//! A leader's view of one follower, against the follower itself.
//!
//! The follower of this model has a log that may differ from the leader's behind some index. Messages between the two are
//! lost, doubled and reordered. Whatever happens, the view must stay true, and once the network behaves the follower gets
//! the whole log.

use std::collections::VecDeque;

use proptest::prelude::*;
use raft::{Progress, ProgressState};

/// An append on its way: the entries behind `prev`, up to `last`.
#[derive(Clone, Copy, Debug)]
struct Append {
    prev: u64,
    last: u64,
}

/// An answer on its way.
#[derive(Clone, Copy, Debug)]
enum Answer {
    Accepted(u64),
    Rejected { prev: u64, hint: u64 },
    Alive,
}

#[derive(Clone, Debug)]
enum Step {
    /// The leader appends an entry to its own log, and sends what it may.
    Propose,
    /// The leader sends what it may, at most two entries a message.
    Send,
    /// The append at this position on its way arrives; `copy` leaves it on its way.
    Arrive { at: usize, copy: bool },
    /// The answer at this position arrives.
    Answer { at: usize, copy: bool },
    /// The append at this position is lost.
    Lose { at: usize },
    /// The answer at this position is lost.
    LoseAnswer { at: usize },
    /// The follower answers a heartbeat.
    Heartbeat,
    /// The transport reports a loss.
    Unreachable,
}

fn step() -> impl Strategy<Value = Step> {
    let at = 0..8_usize;
    let copy = || prop::bool::weighted(0.2);
    prop_oneof![
        3 => Just(Step::Propose),
        3 => Just(Step::Send),
        5 => (at.clone(), copy()).prop_map(|(at, copy)| Step::Arrive { at, copy }),
        5 => (at.clone(), copy()).prop_map(|(at, copy)| Step::Answer { at, copy }),
        2 => at.clone().prop_map(|at| Step::Lose { at }),
        1 => at.prop_map(|at| Step::LoseAnswer { at }),
        2 => Just(Step::Heartbeat),
        1 => Just(Step::Unreachable),
    ]
}

const MAX_INFLIGHT: usize = 3;

struct Link {
    progress: Progress,
    leader_last: u64,
    /// The follower holds the leader's log up to here ...
    agrees: u64,
    /// ... and ends here.
    follower_last: u64,
    appends: VecDeque<Append>,
    answers: VecDeque<Answer>,
}

impl Link {
    fn new(leader_last: u64, agrees: u64, extra: u64) -> Link {
        Link {
            progress: Progress::new(leader_last + 1, MAX_INFLIGHT),
            leader_last,
            agrees: agrees.min(leader_last),
            follower_last: agrees.min(leader_last) + extra,
            appends: VecDeque::new(),
            answers: VecDeque::new(),
        }
    }

    fn send(&mut self, allow_empty: bool) -> bool {
        let prev = self.progress.next - 1;
        let last = self.leader_last.min(prev + 2);
        if self.progress.is_paused() || (last == prev && !allow_empty) {
            return false;
        }
        self.progress.on_sent(last);
        self.appends.push_back(Append { prev, last });
        true
    }

    /// What the leader does with an answer, as `replication.rs` does it.
    fn on_answer(&mut self, answer: Answer) {
        match answer {
            Answer::Accepted(index) => {
                let news = self.progress.maybe_update(index);
                match self.progress.state {
                    ProgressState::Probe if self.progress.matched == index => {
                        self.progress.become_replicate()
                    }
                    ProgressState::Replicate => self.progress.free_inflight(index),
                    ProgressState::Probe | ProgressState::Snapshot => {}
                }
                if news {
                    while self.send(false) {}
                }
            }
            Answer::Rejected { prev, hint } => {
                if self.progress.maybe_decrease(prev, hint) {
                    if self.progress.state == ProgressState::Replicate {
                        self.progress.become_probe();
                    }
                    self.send(true);
                }
            }
            Answer::Alive => {
                self.progress.probe_sent = false;
                self.progress.free_oldest_inflight();
                if self.progress.matched < self.leader_last {
                    self.send(true);
                }
            }
        }
    }

    /// What a follower does with an append.
    fn on_append(&mut self, append: Append) {
        if append.prev <= self.agrees {
            if append.last > self.agrees {
                self.agrees = append.last;
                self.follower_last = append.last;
            }
            self.answers.push_back(Answer::Accepted(append.last));
        } else {
            let hint = append.prev.min(self.follower_last);
            self.answers.push_back(Answer::Rejected { prev: append.prev, hint: hint.min(append.prev - 1) });
        }
    }

    fn take(&mut self, step: &Step) {
        match step {
            Step::Propose => {
                self.leader_last += 1;
                self.send(true);
            }
            Step::Send => {
                self.send(true);
            }
            Step::Arrive { at, copy } => {
                if let Some(append) = pick(&mut self.appends, *at, *copy) {
                    self.on_append(append);
                }
            }
            Step::Answer { at, copy } => {
                if let Some(answer) = pick(&mut self.answers, *at, *copy) {
                    self.on_answer(answer);
                }
            }
            Step::Lose { at } => drop(pick(&mut self.appends, *at, false)),
            Step::LoseAnswer { at } => drop(pick(&mut self.answers, *at, false)),
            Step::Heartbeat => self.answers.push_back(Answer::Alive),
            Step::Unreachable => {
                if self.progress.state == ProgressState::Replicate {
                    self.progress.become_probe();
                }
            }
        }
    }

    fn check(&self, matched_before: u64) {
        self.progress.check();
        let progress = &self.progress;
        assert!(progress.matched <= self.agrees, "believes {} of {}", progress.matched, self.agrees);
        assert!(progress.matched >= matched_before, "what matches never decreases");
        assert!(progress.next <= self.leader_last + 1, "nothing is sent that is not there");
    }
}

fn pick<T: Copy>(on_their_way: &mut VecDeque<T>, at: usize, copy: bool) -> Option<T> {
    let at = at % on_their_way.len().max(1);
    if copy { on_their_way.get(at).copied() } else { on_their_way.remove(at) }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 3000, failure_persistence: None, ..ProptestConfig::default() })]

    /// The view stays true, and never blocks for ever.
    #[test]
    fn the_view_stays_true(
        (leader_last, agrees, extra) in (0..8_u64, 0..8_u64, 0..8_u64),
        steps in prop::collection::vec(step(), 0..60),
    ) {
        let mut link = Link::new(leader_last, agrees, extra);
        for step in &steps {
            let matched = link.progress.matched;
            link.take(step);
            link.check(matched);
        }

        // Now nothing is lost any more: a few heartbeats, and the follower has it all, and the leader knows.
        for round in 0..40 {
            link.take(&Step::Heartbeat);
            while !link.appends.is_empty() || !link.answers.is_empty() {
                link.take(&Step::Arrive { at: 0, copy: false });
                link.take(&Step::Answer { at: 0, copy: false });
            }
            if link.progress.matched == link.leader_last {
                return Ok(());
            }
            assert!(round < 39, "no progress: {:?} of {}", link.progress, link.leader_last);
        }
    }

    /// In `Replicate` no more appends than allowed are out; in `Probe` one.
    #[test]
    fn the_limits_hold(proposals in 1..20_u64, heartbeats in 0..3_u64) {
        let mut link = Link::new(1, 1, 0);
        link.take(&Step::Propose);
        for _ in 0..proposals {
            link.take(&Step::Propose);
        }
        assert_eq!(link.appends.len(), 1, "a probe");
        link.take(&Step::Arrive { at: 0, copy: false });
        link.take(&Step::Answer { at: 0, copy: false });
        assert!(link.appends.len() <= MAX_INFLIGHT, "{}", link.appends.len());
        for _ in 0..proposals {
            link.take(&Step::Propose);
        }
        assert!(link.appends.len() <= MAX_INFLIGHT, "{}", link.appends.len());
        for _ in 0..heartbeats {
            link.on_answer(Answer::Alive);
        }
        assert!(link.appends.len() <= MAX_INFLIGHT + heartbeats as usize, "one more for each sign of life");
    }
}

/// A snapshot under way: nothing is sent until it has arrived or failed, whatever is heard in between.
#[test]
fn snapshots_block_appends() {
    let mut progress = Progress::new(5, MAX_INFLIGHT);
    progress.become_snapshot(4);
    assert!(progress.is_paused());
    progress.probe_sent = false;
    progress.free_oldest_inflight();
    assert!(progress.is_paused());

    let mut arrived = progress.clone();
    arrived.become_probe();
    assert_eq!((arrived.next, arrived.is_paused()), (5, false), "taken to have arrived");

    let mut failed = progress.clone();
    failed.pending_snapshot = 0;
    failed.become_probe();
    assert_eq!((failed.next, failed.is_paused()), (1, false), "back to what is known");
}

/// Refusals that were overtaken by what has been learned since change nothing: following them would only cost time.
#[test]
fn overtaken_refusals_change_nothing() {
    let mut probe = Progress::new(9, MAX_INFLIGHT);
    assert!(probe.maybe_decrease(8, 4));
    let after = probe.clone();
    assert_eq!(after.next, 5);
    for rejected in [8, 3, 0] {
        assert!(
            !probe.maybe_decrease(rejected, 0),
            "only the answer to the last probe counts, not that for {rejected}"
        );
    }
    assert_eq!(probe, after);

    let mut replicate = Progress::new(9, MAX_INFLIGHT);
    assert!(replicate.maybe_update(6));
    replicate.become_replicate();
    replicate.on_sent(8);
    let after = replicate.clone();
    for rejected in [6, 2] {
        assert!(!replicate.maybe_decrease(rejected, 0), "{rejected} is known to match");
    }
    assert_eq!(replicate, after);
    assert!(replicate.maybe_decrease(8, 0));
    assert_eq!(replicate.next, 7);
}

/// A change of state forgets what was on its way.
#[test]
fn a_change_of_state_empties_the_window() {
    let mut progress = Progress::new(1, 1);
    assert!(progress.maybe_update(1));
    progress.become_replicate();
    progress.on_sent(2);
    assert!(progress.is_paused());
    progress.become_probe();
    assert!(!progress.is_paused());
    progress.become_replicate();
    assert!(!progress.is_paused());
}
