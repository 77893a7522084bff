//! The graded tests: which part they belong to, what each is worth, and what runs it.
//!
//! A student meets the tests of a part in this order: exact tests, which are read and understood at the desk; simulation,
//! which cannot be fooled; search. Points are all or nothing for each test, and add up to the points of the part.

mod p2aa;
mod p2ab;
mod p2ac;
mod p2c;
mod p3a;

use std::time::Duration;

use verdict::{Failure, FailureKind, Finding, Layers, Plan, Strength, TestInfo, TestKind};

use crate::graded::{Graded, Search, Simulation, Suites, Work};
use crate::search::{self, SearchTest};
use crate::sim::{self, Outcome, SimTest};
use crate::unit::{Check, Fail, story};

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
    /// Wall-clock backstop of one process that runs it, in milliseconds.
    pub limit_ms: u64,
}

/// What runs a test.
pub enum Body {
    /// One exact scene.
    Unit(fn() -> Check),
    /// A simulated group, over so many seeds by default.
    Sim {
        /// What may happen.
        test: SimTest,
        /// Seeds run by default.
        seeds: u64,
    },
    /// Walks, or a search over all orders of a few events.
    Search(SearchTest),
}

/// The parts in the order of the course, with their points.
pub const PARTS: [(&str, u32); 5] = [("2aa", 90), ("2ab", 120), ("2ac", 40), ("2c-raft", 40), ("3a", 60)];

/// Backstop for exact tests; they take milliseconds.
const EXACT_LIMIT_MS: u64 = 3_000;
/// Backstop for a shard of a simulation's seeds, and for a search.
const LONG_LIMIT_MS: u64 = 30_000;

/// Lines of a story that are shown: the last ones.
const STORY_LINES: usize = 40;

/// An exact test.
const fn exact(
    part: &'static str,
    name: &'static str,
    points: u32,
    handout: &'static str,
    about: &'static str,
    body: fn() -> Check,
) -> Test {
    Test { part, name, points, about, handout, body: Body::Unit(body), limit_ms: EXACT_LIMIT_MS }
}

/// A simulated group over seeds. The test's name is the one behind the `::`.
const fn simulated(
    part: &'static str,
    name: &'static str,
    points: u32,
    handout: &'static str,
    about: &'static str,
    body: (SimTest, u64),
) -> Test {
    let (test, seeds) = body;
    Test { part, name, points, about, handout, body: Body::Sim { test, seeds }, limit_ms: LONG_LIMIT_MS }
}

/// Walks, or a search.
const fn searched(
    part: &'static str,
    name: &'static str,
    points: u32,
    handout: &'static str,
    about: &'static str,
    body: SearchTest,
) -> Test {
    Test { part, name, points, about, handout, body: Body::Search(body), limit_ms: LONG_LIMIT_MS }
}

/// Every test of every part, in order.
pub fn all() -> impl Iterator<Item = &'static Test> {
    [p2aa::TESTS, p2ab::TESTS, p2ac::TESTS, p2c::TESTS, p3a::TESTS].into_iter().flatten()
}

/// The tests of one part, in order; none if there is no such part.
pub fn tests(part: &str) -> Vec<&'static Test> {
    all().filter(|test| test.part == part).collect()
}

/// The test with this full name, as in `2aa::one_vote_per_term`.
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
            Body::Search(_) => (TestKind::Search, 0),
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
            Body::Search(test) => Work::Search(test),
        };
        Graded { name: self.full_name(), about: self.about, work }
    }
}

/// The suites of the Raft parts.
pub struct RaftSuites;

impl Suites for RaftSuites {
    fn program(&self) -> &'static str {
        "raft-worker"
    }

    fn tests(&self, part: &str) -> Vec<TestInfo> {
        tests(part).into_iter().map(Test::info).collect()
    }

    fn find(&self, full_name: &str) -> Option<Graded> {
        find(full_name).map(Test::graded)
    }
}

impl Simulation for SimTest {
    fn draw_plan(&self, seed: u64) -> Plan {
        sim::draw_plan(self, seed)
    }

    fn run(&self, plan: &Plan, layers: Layers, audit: bool, trace: bool) -> Outcome {
        sim::run(self, plan, layers, audit, trace)
    }

    fn shrink(&self, plan: &Plan, rule: &str, layers: Layers, budget: Duration) -> Plan {
        sim::shrink(self, plan, rule, layers, budget)
    }
}

impl Search for SearchTest {
    fn run(&self, base_seed: u64, layers: Layers) -> search::Outcome {
        search::run(self, base_seed, layers)
    }
}

/// Runs an exact test. A panic of the code under test passes through; the story so far can then still be taken from
/// [`story::take`].
///
/// # Errors
/// The broken promise, ready to be shown.
pub fn run_exact(full_name: &str, about: &str, body: fn() -> Check) -> Result<(), Box<Failure>> {
    story::take();
    body().map_err(|fail| Box::new(failure(full_name, about, fail)))
}

fn failure(full_name: &str, about: &str, fail: Fail) -> Failure {
    let Fail { promised, seen, section, why } = fail;
    let finding = Finding {
        rule: full_name.to_owned(),
        title: about.to_owned(),
        strength: Strength::Contract,
        layer: "exact".to_owned(),
        section: section.to_owned(),
        promised,
        seen,
        why,
        node: 0,
    };
    let mut story = story::take();
    let events = story.len() as u64;
    story.drain(..story.len().saturating_sub(STORY_LINES));
    Failure {
        kind: FailureKind::Broken,
        findings: vec![finding],
        events,
        story,
        seed: None,
        plan: None,
        passed_before: 0,
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn names_are_unique_and_can_be_found() {
        let names: BTreeSet<String> = all().map(Test::full_name).collect();
        assert_eq!(names.len(), all().count(), "two tests have the same name");
        for name in &names {
            let found = find(name).expect("a registered name is found");
            assert_eq!(&found.full_name(), name);
            let plain = found.name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_');
            assert!(plain, "{name} is not a name");
        }
        assert!(find("2aa::no_such_test").is_none());
        assert!(find("starts_as_follower").is_none());
    }

    #[test]
    fn every_test_belongs_to_exactly_one_part() {
        for test in all() {
            let parts = PARTS.iter().filter(|(part, _)| *part == test.part).count();
            assert_eq!(parts, 1, "{} belongs to {parts} parts", test.full_name());
        }
        let counted: usize = PARTS.iter().map(|(part, _)| tests(part).len()).sum();
        assert_eq!(counted, all().count());
    }

    #[test]
    fn points_add_up() {
        for (part, points) in PARTS {
            let sum: u32 = tests(part).iter().map(|test| test.points).sum();
            assert_eq!(sum, points, "part {part}");
            assert!(tests(part).iter().all(|test| test.points > 0), "part {part} has a test without points");
        }
    }

    #[test]
    fn exact_tests_come_first_then_simulation_then_search() {
        for (part, _) in PARTS {
            let kinds: Vec<u8> = tests(part)
                .iter()
                .map(|test| match test.body {
                    Body::Unit(_) => 0,
                    Body::Sim { .. } => 1,
                    Body::Search(_) => 2,
                })
                .collect();
            assert!(kinds.is_sorted(), "part {part}: {kinds:?}");
            assert!(kinds.contains(&0) && kinds.contains(&1), "part {part} lacks a kind of test");
        }
    }

    #[test]
    fn bodies_carry_the_name_of_their_test() {
        for test in all() {
            match &test.body {
                Body::Unit(_) => {}
                Body::Sim { test: sim, seeds } => {
                    assert_eq!(sim.name, test.full_name());
                    assert!(*seeds > 0, "{} runs no seed", test.full_name());
                }
                Body::Search(search) => assert_eq!(search.name, test.full_name()),
            }
        }
    }

    #[test]
    fn every_test_says_what_it_shows_and_where_that_is_taught() {
        for test in all() {
            assert!(!test.about.is_empty() && !test.about.ends_with('.'), "{}", test.full_name());
            let (file, anchor) = test.handout.split_once('#').expect("a file and an anchor");
            assert!(file.ends_with(".md") && !anchor.is_empty(), "{}", test.full_name());
        }
    }

    #[test]
    fn the_reference_passes_every_exact_test() {
        for test in all() {
            let Body::Unit(body) = test.body else { continue };
            if let Err(failure) = run_exact(&test.full_name(), test.about, body) {
                let finding = &failure.findings[0];
                let story = failure.story.join("\n  ");
                panic!(
                    "{}\n  promised: {}\n  seen: {}\n  {story}",
                    finding.rule, finding.promised, finding.seen
                );
            }
        }
    }
}
