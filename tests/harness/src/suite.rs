//! Graded tests: which part they belong to, what each is worth, and what runs it.
//!
//! A student meets the tests of a part in this order: exact tests, which are read and understood at the desk; simulation,
//! which cannot be fooled; search. Points are all or nothing for each test, and add up to the points of the part.

use verdict::{Cost, Layers, TestInfo, TestKind};

use crate::exact::Check;
use crate::judge::Verdict;
use crate::simulation::Simulation;

/// Backstop for exact tests; they take milliseconds.
const EXACT_LIMIT_MS: u64 = 3_000;

/// The tests of this part are never graded: what the reference does beyond the course, for soaking.
pub const SOAK: &str = "soak";

/// The graded tests of one package.
pub struct Suites {
    /// Name of the worker's program, for its own errors.
    pub program: &'static str,
    /// The parts in the order of the course, with their points.
    pub parts: &'static [(&'static str, u32)],
    /// Every test of every part, in order.
    pub tests: &'static [&'static [Test]],
    /// Wall-clock backstop of one process that runs a search, or a shard of a simulation's seeds, in milliseconds.
    pub limit_ms: u64,
}

/// One graded test.
pub struct Test {
    /// Part, as in `2aa`.
    pub part: &'static str,
    /// Name within the part, as in `one_vote_per_term`.
    pub name: &'static str,
    /// What it is worth.
    pub points: u32,
    /// What it shows, in one line.
    pub about: &'static str,
    /// Section of the handout, as in `2a-election.md#votes`.
    pub handout: &'static str,
    /// What runs it.
    pub body: Body,
}

/// What runs a test.
pub enum Body {
    /// One exact scene. A panic of the code under test passes through.
    Exact(fn() -> Check),
    /// Runs that plans decide, drawn from so many seeds by default.
    Simulation(&'static dyn Simulation, u64),
    /// Walks, or a search over all orders of a few events, as a whole.
    Search(&'static dyn Search),
}

/// Walks, or a search.
pub trait Search: Sync {
    /// Full name of the test: part, `::`, name.
    fn name(&self) -> &'static str;
    /// Runs all of it: how it went, and what was done.
    fn run(&self, base_seed: u64, layers: Layers) -> (Verdict, Cost);
}

/// An exact test.
pub const fn exact(
    part: &'static str,
    name: &'static str,
    points: u32,
    handout: &'static str,
    about: &'static str,
    body: fn() -> Check,
) -> Test {
    Test { part, name, points, about, handout, body: Body::Exact(body) }
}

/// A simulation, over so many seeds by default. Its own name is the full one.
pub const fn simulated(
    part: &'static str,
    name: &'static str,
    points: u32,
    handout: &'static str,
    about: &'static str,
    simulation: &'static dyn Simulation,
    seeds: u64,
) -> Test {
    Test { part, name, points, about, handout, body: Body::Simulation(simulation, seeds) }
}

/// Walks, or a search. Its own name is the full one.
pub const fn searched(
    part: &'static str,
    name: &'static str,
    points: u32,
    handout: &'static str,
    about: &'static str,
    search: &'static dyn Search,
) -> Test {
    Test { part, name, points, about, handout, body: Body::Search(search) }
}

impl Suites {
    /// Every test of every part, in order.
    pub fn all(&self) -> impl Iterator<Item = &'static Test> {
        self.tests.iter().copied().flatten()
    }

    /// The tests of one part, in order; none if there is no such part.
    pub fn of_part(&self, part: &str) -> impl Iterator<Item = &'static Test> {
        self.all().filter(move |test| test.part == part)
    }

    /// The test with this full name, as in `2aa::one_vote_per_term`.
    pub fn find(&self, full_name: &str) -> Option<&'static Test> {
        let (part, name) = full_name.split_once("::")?;
        self.all().find(|test| test.part == part && test.name == name)
    }

    /// What the supervisor needs to know of a test.
    pub fn info(&self, test: &Test) -> TestInfo {
        let (kind, seeds, limit_ms) = match test.body {
            Body::Exact(_) => (TestKind::Unit, 0, EXACT_LIMIT_MS),
            Body::Simulation(_, seeds) => (TestKind::Simulation, seeds, self.limit_ms),
            Body::Search(_) => (TestKind::Search, 0, self.limit_ms),
        };
        TestInfo {
            name: test.full_name(),
            points: test.points,
            about: test.about.to_owned(),
            handout: test.handout.to_owned(),
            kind,
            seeds,
            limit_ms,
        }
    }
}

impl Test {
    /// Part, `::`, name.
    pub fn full_name(&self) -> String {
        format!("{}::{}", self.part, self.name)
    }
}
