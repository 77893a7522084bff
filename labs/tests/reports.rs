//! What a grading looks like: scorecard, explanations, JSON. Judged by the hostile worker's tests.

mod common;

use std::path::PathBuf;
use std::time::Duration;

use labs::grade::build::{CompileError, CompileErrors};
use labs::grade::{Graded, Options, Silent, program, run_part};
use labs::report::{explain, json, scorecard};

use common::{course, hostile};

fn graded(test: &str) -> (Graded, Options) {
    let folder = tempfile::tempdir().expect("a folder for the test");
    let options = Options {
        test: Some(test.into()),
        failures: folder.path().join("failures"),
        save: true,
        shrink_each: Duration::from_secs(1),
        shrink_total: Duration::from_secs(1),
        ..Options::bare()
    };
    let course = course();
    let (_, mut tests) = run_part(&course.parts[0], program(hostile()), &course, &options, &Silent)
        .expect("the supervisor has no trouble of its own");
    for test in &mut tests {
        test.plan_file = test.plan_file.take().map(|_| PathBuf::from("failures/t-rare.json"));
    }
    let points = tests.iter().map(|t| t.points).sum();
    let max = tests.iter().map(|t| t.info.points).sum();
    (Graded { target: "projectt".into(), points, max, whole: false, broken: None, tests }, options)
}

/// The text without colours.
fn plain(text: &str) -> String {
    anstream::adapter::strip_str(text).to_string()
}

fn line(test: &str) -> String {
    plain(&scorecard::line(&graded(test).0.tests[0], 6))
}

#[test]
fn the_scorecard_has_one_line_for_each_test() {
    assert_eq!(line("passes"), "  ✔ passes  10/10  what passes does");
    assert_eq!(line("seeds"), "  ✔ seeds   10/10  what seeds does  64 runs  0123456789abcdef");
    assert_eq!(line("exit"), "  ✘ exit     0/10  what exit does");
    assert_eq!(line("open"), "  · open     0/10  not implemented yet: mini::open, see t.md#open");
}

#[test]
fn the_last_line_and_the_status_tell_the_points() {
    let (full, _) = graded("passes");
    assert_eq!((scorecard::total(&full).as_str(), full.status()), ("projectt: 10/10 points", 0));
    let (none, _) = graded("exit");
    assert_eq!((scorecard::total(&none).as_str(), none.status()), ("projectt: 0/10 points", 1));
}

#[test]
fn an_open_hole_is_not_explained_any_further() {
    let (graded, options) = graded("open");
    assert_eq!(explain::failures(&graded, &options), "");
}

#[test]
fn a_failure_says_what_was_promised_and_how_to_see_it_again() {
    let (graded, options) = graded("rare");
    assert_eq!(
        plain(&explain::failures(&graded, &options)),
        "
✘ t::rare  10 points
  promised    A term has at most one leader.
  seen        Peers 1 and 2 both lead term 3.
  why         Both would commit different entries at the same index.
  read        §5.2, t.md#tests
  rule        R1 one leader per term (invariant)
  story       what led to it, oldest first
    0.010 s  n1  becomes leader of term 3
    0.020 s  n2  becomes leader of term 3
  run         seed 17, after 17 seeds that passed
  size        3 peers, 0 faults, 0 operations, 20 events (made smaller from: 3 peers, 1 fault, 0 operations)
  replay      make projectt PLAN=failures/t-rare.json
              make projectt TEST=rare SEED=17   # as it was found, at its full size
  after a fix make fixcheck PLAN=failures/t-rare.json
  picture     make projectt PLAN=failures/t-rare.json TRACE=1
"
    );
}

#[test]
fn a_process_that_died_is_explained_with_what_it_printed() {
    let (graded, options) = graded("forge");
    let text = plain(&explain::failures(&graded, &options));
    assert!(text.contains("seen        The test's process exited early with status 0."), "{text}");
    assert!(text.contains("│ project: 10/10 points"), "{text}");
    assert!(text.contains("replay      make projectt TEST=forge\n"), "{text}");
}

#[test]
fn json_says_what_the_scorecard_says() {
    let (graded, _) = graded("rare");
    let value: serde_json::Value = serde_json::from_str(&json::render(&graded)).expect("it is JSON");
    assert_eq!(value["schema"], "tinykv/result/1");
    assert_eq!(
        (&value["target"], &value["points"], &value["max"]),
        (&"projectt".into(), &0.into(), &10.into())
    );
    assert_eq!((&value["build"], &value["whole"]), (&"done".into(), &false.into()));
    let test = &value["tests"][0];
    assert_eq!((&test["name"], &test["kind"]), (&"t::rare".into(), &"simulation".into()));
    assert_eq!((&test["status"], &test["seed"]), (&"failed".into(), &17.into()));
    assert_eq!(test["failure"]["findings"][0]["rule"], "R1");
    assert_eq!(test["plan"], "failures/t-rare.json");
    assert!(test.get("died").is_none());
}

#[test]
fn a_compile_error_is_a_report_of_its_own() {
    let error =
        CompileError { at: "raft/src/log.rs:7".into(), message: "no".into(), rendered: "error: no\n".into() };
    let errors = CompileErrors { crate_name: "raft".into(), errors: vec![error] };
    let text = plain(&explain::compile_errors(&errors, true));
    assert_eq!(
        text,
        "error: no\n\n`raft` does not compile (1 error): fix the compile error first, nothing was graded.\n"
    );
    let text = plain(&explain::compile_errors(&errors, false));
    assert!(text.contains("a public item has gone or has another signature"), "{text}");
    let (mut graded, _) = graded("passes");
    (graded.broken, graded.points) = (Some(errors), 0);
    assert_eq!(graded.status(), 2);
    assert!(json::render(&graded).contains("raft/src/log.rs:7"));
}
