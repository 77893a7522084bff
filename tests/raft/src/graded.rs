//! Graded tests as a worker runs them, whatever package they are in.

use std::time::Duration;

use verdict::{Failure, Layers, Plan, TestInfo};

use crate::search;
use crate::sim::Outcome;

/// The graded tests of one package, as its worker sees them.
pub trait Suites: Sync {
    /// Name of the worker's program, for its own errors.
    fn program(&self) -> &'static str;
    /// The tests of one part, in order; none if there is no such part.
    fn tests(&self, part: &str) -> Vec<TestInfo>;
    /// The test with this full name, as in `2aa::one_vote_per_term`.
    fn find(&self, full_name: &str) -> Option<Graded>;
}

/// One test, ready to be run.
pub struct Graded {
    /// Full name.
    pub name: String,
    /// What it shows, in one line.
    pub about: &'static str,
    /// What runs it.
    pub work: Work,
}

/// What runs a test.
pub enum Work {
    /// One exact scene: the broken promise is an error, ready to be shown. A panic of the code under test passes through; the
    /// story so far can then still be taken from [`take`](crate::unit::story::take).
    Exact(Box<dyn Fn() -> Result<(), Box<Failure>>>),
    /// Runs that plans decide, drawn from seeds.
    Simulation(&'static dyn Simulation),
    /// Walks, or a search, as a whole.
    Search(&'static dyn Search),
}

/// Simulated runs.
pub trait Simulation: Sync {
    /// The plan of a seed.
    fn draw_plan(&self, seed: u64) -> Plan;
    /// Plays a plan and judges the run. With `audit`, a run that passes is played twice and compared.
    fn run(&self, plan: &Plan, layers: Layers, audit: bool, trace: bool) -> Outcome;
    /// A smaller plan that breaks the same rule, or the plan itself.
    fn shrink(&self, plan: &Plan, rule: &str, layers: Layers, budget: Duration) -> Plan;
}

/// Walks, or a search.
pub trait Search: Sync {
    /// Runs all of it.
    fn run(&self, base_seed: u64, layers: Layers) -> search::Outcome;
}
