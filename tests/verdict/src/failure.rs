//! Why a test failed, told so that a student can learn from it.

use serde::{Deserialize, Serialize};

use crate::plan::Plan;

/// A failed test.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Failure {
    /// What kind of failure this is.
    pub kind: FailureKind,
    /// What was broken, the cause first.
    pub findings: Vec<Finding>,
    /// The last events that matter, oldest first, one line each.
    pub story: Vec<String>,
    /// Seed of the run; `None` for tests without seeds.
    pub seed: Option<u64>,
    /// The run, ready to be replayed; `None` for tests without one.
    pub plan: Option<Plan>,
    /// How many events the run had up to the failure.
    pub events: u64,
    /// How many seeds passed before this one failed.
    pub passed_before: u64,
}

/// How a test ended badly.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum FailureKind {
    /// Student code broke a promise.
    Broken,
    /// Student code panicked.
    Panicked,
    /// Two runs of the same seed differed.
    NotDeterministic,
    /// The checks ran into their own bug. Not the student's fault; please report it.
    Harness,
}

/// One broken promise.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Finding {
    /// Rule, as in `R13`, or the name of the test for exact tests.
    pub rule: String,
    /// Short name of the rule, as in `leader counts only entries of its own term`.
    pub title: String,
    /// How hard the rule is.
    pub strength: Strength,
    /// Which layer found it: `relation`, `invariant`, `liveness`, `budget`, `determinism`, `exact`, `panic`.
    pub layer: String,
    /// Section of the Raft paper, the thesis or the handout: `§5.4.2`.
    pub section: String,
    /// What was promised, in words.
    pub promised: String,
    /// What was seen instead, in words.
    pub seen: String,
    /// Why it matters: what goes wrong later.
    pub why: String,
    /// Peer at fault; 0 if none alone.
    pub node: u64,
}

/// How hard a rule is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Strength {
    /// Data can be lost or two leaders elected: fails the run.
    Safety,
    /// The API's contract is broken: fails the run.
    Contract,
    /// Progress that must happen did not: fails the run.
    Liveness,
    /// Good practice; never fails a run by itself, named as the probable cause when something else does.
    Should,
}
