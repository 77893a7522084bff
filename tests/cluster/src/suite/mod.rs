//! The graded tests: which part they belong to, what each is worth, and what runs it.
//!
//! A student meets the tests of a part in this order: exact tests, which are read and understood at the desk; then simulated
//! clusters. Points are all or nothing for each test, and add up to the points of the part.

mod p1;
mod p2b;
mod p2b_sim;
mod p2c;
mod p2c_sim;

use raft_tests::graded::{Graded, Suites, Work};
use raft_tests::suite::run_exact;
use verdict::{TestInfo, TestKind};

use crate::sim::profile::{Profile, StoreTest};
use crate::unit::Check;

/// One graded test.
pub struct Test {
    /// Part, as in `2b`.
    pub part: &'static str,
    /// Name within the part, as in `basic`.
    pub name: &'static str,
    /// What it is worth.
    pub points: u32,
    /// What it shows, in one line.
    pub about: &'static str,
    /// Section of the handout, as in `1-standalone.md#get`.
    pub handout: &'static str,
    /// What runs it.
    pub body: Body,
    /// Wall-clock backstop of one process that runs it, in milliseconds.
    pub limit_ms: u64,
}

/// What runs a test.
pub enum Body {
    /// One exact scene.
    Unit(fn() -> Check),
    /// A simulated cluster, over so many seeds by default.
    Sim {
        /// What may happen.
        test: StoreTest,
        /// Seeds run by default.
        seeds: u64,
    },
}

/// The parts in the order of the course, with their points. `2c-store` and `2c-raft` together are project2c.
pub const PARTS: [(&str, u32); 3] = [("1", 60), ("2b", 200), ("2c-store", 80)];

/// Backstop for exact tests; they take milliseconds.
const EXACT_LIMIT_MS: u64 = 3_000;
/// Backstop for a shard of a simulation's seeds.
const LONG_LIMIT_MS: u64 = 60_000;

/// An exact test.
pub const fn exact(
    part: &'static str,
    name: &'static str,
    points: u32,
    handout: &'static str,
    about: &'static str,
    body: fn() -> Check,
) -> Test {
    Test { part, name, points, about, handout, body: Body::Unit(body), limit_ms: EXACT_LIMIT_MS }
}

/// A simulated cluster over seeds.
const fn simulated(
    part: &'static str,
    full_name: &'static str,
    points: u32,
    handout: &'static str,
    about: &'static str,
    (profile, seeds): (Profile, u64),
) -> Test {
    let (_, name) = full_name.split_at(part.len() + "::".len());
    let body = Body::Sim { test: StoreTest { name: full_name, profile }, seeds };
    Test { part, name, points, about, handout, body, limit_ms: LONG_LIMIT_MS }
}

/// Every test of every part, in order.
pub fn all() -> impl Iterator<Item = &'static Test> {
    [p1::TESTS, p2b::EXACT, p2b_sim::SIMULATED, p2c::EXACT, p2c_sim::SIMULATED].into_iter().flatten()
}

/// The tests of one part, in order; none if there is no such part.
pub fn tests(part: &str) -> Vec<&'static Test> {
    all().filter(|test| test.part == part).collect()
}

/// The test with this full name, as in `2b::basic`.
pub fn find(full_name: &str) -> Option<&'static Test> {
    let (part, name) = full_name.split_once("::")?;
    all().find(|test| test.part == part && test.name == name)
}

impl Test {
    /// Part, `::`, name.
    pub fn full_name(&self) -> String {
        format!("{}::{}", self.part, self.name)
    }

    /// What the supervisor needs to know of it.
    pub fn info(&self) -> TestInfo {
        let (kind, seeds) = match &self.body {
            Body::Unit(_) => (TestKind::Unit, 0),
            Body::Sim { seeds, .. } => (TestKind::Simulation, *seeds),
        };
        TestInfo {
            name: self.full_name(),
            points: self.points,
            about: self.about.to_owned(),
            handout: self.handout.to_owned(),
            kind,
            seeds,
            limit_ms: self.limit_ms,
        }
    }

    /// Ready to be run by a worker.
    pub fn graded(&'static self) -> Graded {
        let work = match &self.body {
            Body::Unit(body) => Work::Exact(Box::new(|| run_exact(&self.full_name(), self.about, *body))),
            Body::Sim { test, .. } => Work::Simulation(test),
        };
        Graded { name: self.full_name(), about: self.about, work }
    }
}

/// The suites of the parts that build the store.
pub struct ClusterSuites;

impl Suites for ClusterSuites {
    fn program(&self) -> &'static str {
        "cluster-worker"
    }

    fn tests(&self, part: &str) -> Vec<TestInfo> {
        tests(part).into_iter().map(Test::info).collect()
    }

    fn find(&self, full_name: &str) -> Option<Graded> {
        find(full_name).map(Test::graded)
    }
}

#[cfg(test)]
mod tests;
