//! The worker as its supervisor sees it: jobs in, records out, over a socketpair that is its standard input.

use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::process::{Child, Command, Stdio};

use verdict::channel::{Channel, Key};
use verdict::{Job, Layers, Record, Run};

fn start(job: &Job) -> (Child, Channel<UnixStream>) {
    let (ours, theirs) = UnixStream::pair().expect("a socketpair");
    let mut command = Command::new(env!("CARGO_BIN_EXE_raft-worker"));
    let child = command.stdin(Stdio::from(OwnedFd::from(theirs))).spawn().expect("the worker starts");
    let mut channel = Channel::open(ours, Key::new([7; 32])).expect("the worker listens");
    channel.send(job).expect("the worker listens");
    (child, channel)
}

fn answers(job: &Job) -> Vec<Record> {
    let (mut child, mut channel) = start(job);
    let mut records = Vec::new();
    loop {
        match channel.receive().expect("an authentic record") {
            Record::End => break,
            record => records.push(record),
        }
    }
    assert!(child.wait().expect("the worker ends").success());
    records
}

fn run(test: &str, first: u64, count: u64) -> Run {
    let test = test.to_owned();
    Run { test, base_seed: 1, first, count, plan: None, trace: false, audit: false, layers: Layers::ALL }
}

#[test]
fn lists_the_tests_of_a_part() {
    let records = answers(&Job::List { part: "2ab".to_owned() });
    let [Record::Tests(tests)] = records.as_slice() else { panic!("{records:?}") };
    assert!(tests.iter().all(|test| test.name.starts_with("2ab::")) && tests.len() > 10);
}

#[test]
fn runs_seeds_and_names_each_before_it_runs() {
    let records = answers(&Job::Run(run("2ac::ready_of_three", 5, 3)));
    let seeds: Vec<u64> = records
        .iter()
        .filter_map(|record| match record {
            Record::Seed(seed) => Some(*seed),
            _ => None,
        })
        .collect();
    assert_eq!(seeds, [5, 6, 7]);
    assert!(matches!(records.last(), Some(Record::Passed { cost }) if cost.runs == 3), "{records:?}");
}

#[test]
fn two_processes_have_the_same_trace_hash() {
    let hash = || {
        let records = answers(&Job::Run(run("2ab::replication_of_three", 0, 1)));
        records.into_iter().find_map(|record| match record {
            Record::TraceHash { hash, .. } => Some(hash),
            _ => None,
        })
    };
    let once = hash();
    assert!(once.is_some() && once == hash());
}

#[test]
fn sends_the_trace_that_is_asked_for() {
    let records = answers(&Job::Run(Run { trace: true, ..run("2aa::elections_of_three", 1, 1) }));
    assert!(records.iter().any(|record| matches!(record, Record::Trace(trace) if trace.events.len() > 50)));
}

#[test]
fn an_exact_test_passes() {
    let records = answers(&Job::Run(run("2aa::starts_as_follower", 0, 1)));
    assert!(matches!(records.last(), Some(Record::Passed { .. })), "{records:?}");
}
