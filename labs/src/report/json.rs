//! The result as JSON, for programs: schema `tinykv/result/1`.
//!
//! ```json
//! {
//!   "schema": "tinykv/result/1",       // a change that readers must know of changes the number
//!   "harness": "0.1.0",                // version of the grader
//!   "target": "project2aa",
//!   "points": 84, "max": 90,
//!   "whole": true,                     // false: only the tests that were asked for
//!   "build": "done",                   // or "broken"; then `errors` says why, and `tests` is empty
//!   "errors": [{ "at": "raft/src/log.rs:12", "message": "…", "rendered": "…" }],
//!   "tests": [{
//!     "name": "2aa::one_vote_per_term", "kind": "unit",            // unit, simulation, search
//!     "about": "…", "handout": "2a.md#votes",
//!     "status": "passed",              // passed, failed, crashed, not-implemented
//!     "points": 6, "max": 6,
//!     "seeds": 64,                     // 0 for tests without seeds
//!     "hash": "0123456789abcdef",      // trace hash of the first seed, if the test passed and has one
//!     "cost": { "runs": 64, "events": 0, "ticks": 0, "messages": 0, "committed": 0 },
//!     "failure": { … },                // verdict::Failure, if status is failed
//!     "died": "exited early with status 0",                        // if status is crashed
//!     "missing": { "path": "raft::…", "handout": "2a.md#tick" },   // if status is not-implemented
//!     "seed": 17, "plan": "failures/2aa-chaos.json"                // of the failing run, if it has them
//!   }]
//! }
//! ```
//!
//! Fields that do not apply are left out. Texts may come from student code: escape them wherever they are shown.

use serde::Serialize;
use verdict::{Cost, Failure, TestKind};

use crate::grade::build::CompileError;
use crate::grade::{Graded, Missing, Status, TestResult};

/// Names the format.
pub const SCHEMA: &str = "tinykv/result/1";

#[derive(Serialize)]
struct Report<'a> {
    schema: &'a str,
    harness: &'a str,
    target: &'a str,
    points: u32,
    max: u32,
    whole: bool,
    build: &'a str,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    errors: &'a [CompileError],
    tests: Vec<Test<'a>>,
}

#[derive(Serialize)]
struct Test<'a> {
    name: &'a str,
    kind: &'a str,
    about: &'a str,
    handout: &'a str,
    status: Status,
    points: u32,
    max: u32,
    seeds: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    hash: Option<&'a str>,
    cost: Cost,
    #[serde(skip_serializing_if = "Option::is_none")]
    failure: Option<&'a Failure>,
    #[serde(skip_serializing_if = "Option::is_none")]
    died: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    missing: Option<&'a Missing>,
    #[serde(skip_serializing_if = "Option::is_none")]
    seed: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    plan: Option<String>,
}

/// The result of a grading as JSON.
pub fn render(graded: &Graded) -> String {
    let report = Report {
        schema: SCHEMA,
        harness: env!("CARGO_PKG_VERSION"),
        target: &graded.target,
        points: graded.points,
        max: graded.max,
        whole: graded.whole,
        build: if graded.broken.is_some() { "broken" } else { "done" },
        errors: graded.broken.as_ref().map_or(&[], |broken| &broken.errors),
        tests: graded.tests.iter().map(test).collect(),
    };
    serde_json::to_string_pretty(&report).expect("a report has nothing that JSON cannot hold")
}

fn test(result: &TestResult) -> Test<'_> {
    Test {
        name: &result.info.name,
        kind: match result.info.kind {
            TestKind::Unit => "unit",
            TestKind::Simulation => "simulation",
            TestKind::Search => "search",
        },
        about: &result.info.about,
        handout: &result.info.handout,
        status: result.status,
        points: result.points,
        max: result.info.points,
        seeds: result.seeds,
        hash: result.hash.as_deref(),
        cost: result.cost,
        failure: result.failure.as_ref(),
        died: result.died.as_deref(),
        missing: result.missing.as_ref(),
        seed: result.seed,
        plan: result.plan_file.as_ref().map(|file| file.display().to_string()),
    }
}
