//! What student code may do to the process it runs in, and what the supervisor makes of it.
//!
//! The worker is `examples/hostile.rs`: each of its tests attacks in the way that its name says.

mod common;

use std::time::{Duration, Instant};

use labs::grade::{Options, Silent, Status, TestResult, program, run_part};

use common::{course, hostile};

fn run(test: &str, change: impl FnOnce(&mut Options)) -> TestResult {
    let mut options = Options { test: Some(test.into()), ..Options::bare() };
    change(&mut options);
    let course = course();
    let results = run_part(&course.parts[0], program(hostile()), &course, &options, &Silent);
    let (all, mut results) = results.expect("the supervisor has no trouble of its own");
    assert_eq!((all, results.len()), (14, 1));
    results.remove(0)
}

/// The test costs its own points, and the report says how it died.
fn dies(test: &str, how: &str) {
    let result = run(test, |_| {});
    assert_eq!((result.status, result.points), (Status::Crashed, 0), "{result:?}");
    let died = result.died.clone().unwrap_or_default();
    assert!(died.contains(how), "{died:?} does not say {how:?}: {}", result.printed);
}

#[test]
fn an_honest_test_passes() {
    let result = run("passes", |_| {});
    assert_eq!((result.status, result.points), (Status::Passed, 10));
}

#[test]
fn exit_zero_is_no_verdict() {
    dies("exit", "exited early with status 0");
}

#[test]
fn an_abort_is_named() {
    dies("abort", "aborted (signal 6)");
}

#[test]
fn a_stack_overflow_is_named() {
    dies("overflow", "stack overflow");
}

#[test]
fn a_panic_in_drop_is_named() {
    dies("drop", "a panic in `Drop`?");
}

#[test]
fn an_endless_loop_is_stopped() {
    dies("loop", "did not finish within");
}

#[test]
fn a_sleeper_is_stopped_by_the_clock() {
    dies("sleep", "did not finish within 8 s: it waits for something");
}

#[test]
fn ten_gigabytes_of_output_are_cut_short() {
    let started = Instant::now();
    dies("flood", "printed more than 16 MiB");
    assert!(started.elapsed() < Duration::from_secs(5));
}

#[test]
fn a_verdict_on_stdout_is_only_text() {
    let result = run("forge", |_| {});
    assert_eq!(result.status, Status::Crashed);
    assert!(result.printed.contains("project: 10/10 points"));
    dies("forge", "exited early with status 0");
}

#[test]
fn a_record_without_the_key_is_forged() {
    dies("scribble", "something other than the checks wrote to the result channel");
}

#[test]
fn an_open_hole_is_no_crash() {
    let result = run("open", |_| {});
    assert_eq!(result.status, Status::NotImplemented);
    let missing = result.missing.expect("the hole is named");
    assert_eq!((missing.path.as_str(), missing.handout.as_str()), ("mini::open", "t.md#open"));
}

#[test]
fn shards_add_up_and_the_first_seed_has_a_hash() {
    let result = run("seeds", |_| {});
    assert_eq!((result.status, result.cost.runs, result.seeds), (Status::Passed, 64, 64));
    assert_eq!(result.hash.as_deref(), Some("0123456789abcdef"));
    assert_eq!(run("seeds", |o| o.seeds = Some(1000)).cost.runs, 1000);
    assert_eq!(run("seeds", |o| o.seed = Some(7)).cost.runs, 1);
}

#[test]
fn the_seed_in_flight_is_named() {
    let result = run("hang", |_| {});
    assert_eq!((result.status, result.seed), (Status::Crashed, Some(2)));
}

#[test]
fn a_failing_seed_is_saved_made_smaller_and_run_first_later() {
    let folder = tempfile::tempdir().expect("a folder for the test");
    let keep = |options: &mut Options| {
        options.save = true;
        options.failures = folder.path().join("failures");
        options.shrink_each = Duration::from_secs(1);
        options.shrink_total = Duration::from_secs(1);
    };
    let found = run("rare", keep);
    assert_eq!(
        (found.status, found.seed, found.smaller, found.saved),
        (Status::Failed, Some(17), true, false)
    );
    let failure = found.failure.expect("it failed");
    assert_eq!((failure.passed_before, failure.plan.expect("it has a plan").faults.len()), (17, 0));
    let file = folder.path().join("failures/t-rare.json");
    assert_eq!(found.plan_file, Some(file.clone()));
    let again = run("rare", keep);
    assert_eq!((again.status, again.saved), (Status::Failed, true));

    // A plan of another version of the checks is no reason to fail.
    std::fs::write(&file, "{}").expect("the file can be written");
    assert!(!run("rare", keep).saved);
}
