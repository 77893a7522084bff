//! What the grading supervisor and its workers say to each other.
//!
//! The supervisor (`lab grade`) starts one worker process for each test, or for each shard of a test's seeds, because
//! only a process survives what student code may do: loop for ever, overflow its stack, abort, exit. The two talk over
//! a socketpair that the worker receives as its standard input ([`channel`]): the supervisor sends one [`Job`], the
//! worker answers with [`Record`]s, the last of which is a [`Record::End`]. A worker that stops without one has failed,
//! whatever its exit status. Nothing that student code prints is ever read as a verdict.

pub mod channel;
mod failure;
mod plan;
mod store;
mod trace;

pub use failure::{Failure, FailureKind, Finding, Strength};
pub use plan::{Fault, Knobs, Operation, Plan, Step, Timed};
pub use store::{ClientRequest, FailPoint, Oddity, Request, StoreFault, StoreKnobs};
pub use trace::{Event, EventKind, Trace};

use std::ops::AddAssign;

use serde::{Deserialize, Serialize};

/// What a worker is asked to do. The first and only message of the supervisor.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub enum Job {
    /// Name the tests of one part, in order, with their points; answered by [`Record::Tests`].
    List {
        /// Part, as in `2aa`.
        part: String,
    },
    /// Run one test, or some of its seeds.
    Run(Run),
    /// Find a smaller plan that breaks the same rule as the given one does; answered by [`Record::Failed`] with it.
    Shrink {
        /// Test that failed.
        test: String,
        /// The failing run.
        plan: Plan,
        /// Rule that it broke ([`Finding::rule`]).
        rule: String,
        /// Stop looking after so many milliseconds of wall time.
        budget_ms: u64,
        /// Which checks are on.
        layers: Layers,
    },
}

/// One run of a test, or of a shard of its seeds.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Run {
    /// Full name, as in `2aa::one_vote_per_term`.
    pub test: String,
    /// All seeds of the run derive from this one.
    pub base_seed: u64,
    /// Seeds `first..first + count` of the test; ignored by tests without seeds.
    pub first: u64,
    /// How many.
    pub count: u64,
    /// Replay exactly this run instead of drawing plans from seeds.
    pub plan: Option<Plan>,
    /// Record and send a [`Trace`] of the (single) run.
    pub trace: bool,
    /// Run every passing seed twice, not only a sample, and compare.
    pub audit: bool,
    /// Which checks are on.
    pub layers: Layers,
}

/// Which kinds of checks judge a run. All in grading; one at a time for the kill matrix.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Layers {
    /// The executable specification, transition by transition.
    pub relation: bool,
    /// The invariants with ghost state.
    pub invariants: bool,
    /// Liveness, budgets and the final acts.
    pub liveness: bool,
    /// The same seed twice gives the same run.
    pub determinism: bool,
}

impl Layers {
    /// Every check on.
    pub const ALL: Layers = Layers { relation: true, invariants: true, liveness: true, determinism: true };
}

/// What a worker reports.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub enum Record {
    /// Answer to [`Job::List`].
    Tests(Vec<TestInfo>),
    /// About to run this seed: whatever ends the process now is this seed's doing.
    Seed(u64),
    /// So many seeds of this shard are done, all passed.
    Progress(u64),
    /// A seed passed. Sent for the first seed of the test only.
    TraceHash {
        /// The seed.
        seed: u64,
        /// Digest of every event of the run, as 16 hexadecimal digits.
        hash: String,
    },
    /// The test, or this shard of it, passed.
    Passed {
        /// What was done, for the scorecard.
        cost: Cost,
    },
    /// The test failed.
    Failed(Box<Failure>),
    /// The test ran into a body that the student has not written: the text of its `todo!`, as in `2aa: raft::Raft::tick`.
    NotImplemented(String),
    /// The trace that the job asked for. Comes before the verdict.
    Trace(Box<Trace>),
    /// Nothing follows. A worker that stops without this record has crashed, exited or been killed.
    End,
}

/// One graded test.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct TestInfo {
    /// Full name: part, `::`, name.
    pub name: String,
    /// Points, all or nothing.
    pub points: u32,
    /// What it shows, in one line.
    pub about: String,
    /// Section of the handout, as in `2a.md#votes`.
    pub handout: String,
    /// How it tests.
    pub kind: TestKind,
    /// Seeds run by default; 0 for tests without seeds.
    pub seeds: u64,
    /// Wall-clock backstop for one process, in milliseconds.
    pub limit_ms: u64,
}

/// How a test tests.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum TestKind {
    /// One exact scenario through the public API.
    Unit,
    /// A simulated cluster under faults, over many seeds.
    Simulation,
    /// Random walks or a search over all orders of a few events.
    Search,
}

/// What a passing test did: deterministic counts, never times.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cost {
    /// Runs (seeds, or walks).
    pub runs: u64,
    /// Events handled.
    pub events: u64,
    /// Virtual time, in ticks of 10 ms.
    pub ticks: u64,
    /// Messages sent.
    pub messages: u64,
    /// Entries committed.
    pub committed: u64,
    /// Histories of clients of which the checker for linearizability could not tell within its budget whether they are. The
    /// order of the log has judged them; but this is not the same as being found linearizable.
    pub undecided: u64,
}

impl AddAssign<&Cost> for Cost {
    fn add_assign(&mut self, other: &Cost) {
        self.runs += other.runs;
        self.events += other.events;
        self.ticks += other.ticks;
        self.messages += other.messages;
        self.committed += other.committed;
        self.undecided += other.undecided;
    }
}
