//! The order of the log as judge of histories: H1 and H2, and agreement with the checker that knows no log.

use std::collections::BTreeMap;

use bytes::Bytes;
use harness::rng::Dice;

use super::super::history::{Answer, Call, DataKey, History, Operation, Outcome, Range};
use super::super::linear;
use super::super::log_order::{Applied, Change, check};

fn set(index: u64, at: u64, key: &str, value: Option<&str>) -> Applied {
    let value = value.map(|value| Bytes::copy_from_slice(value.as_bytes()));
    Applied { region_id: 1, index, at, changes: vec![Change::Set(DataKey::new(key.to_owned()), value)] }
}

fn operation(invoked: u64, returned: u64, call: Call, outcome: Outcome) -> Operation {
    Operation { client: 1, call, invoked, returned, outcome }
}

fn put(invoked: u64, returned: u64, value: &'static str) -> Operation {
    let call = Call::Put { key: DataKey::new("k"), value: value.into() };
    operation(invoked, returned, call, Outcome::Ok(Answer::Done))
}

fn delete(invoked: u64, returned: u64) -> Operation {
    operation(invoked, returned, Call::Delete { key: DataKey::new("k") }, Outcome::Ok(Answer::Done))
}

fn get(invoked: u64, returned: u64, value: Option<&'static str>) -> Operation {
    let answer = Answer::Value(value.map(|text: &str| Bytes::copy_from_slice(text.as_bytes())));
    operation(invoked, returned, Call::Get { key: DataKey::new("k") }, Outcome::Ok(answer))
}

fn cas(
    invoked: u64,
    returned: u64,
    from: &'static str,
    to: &'static str,
    done: bool,
    previous: &'static str,
) -> Operation {
    let call = Call::Cas { key: DataKey::new("k"), expected: Some(from.into()), value: to.into() };
    operation(invoked, returned, call, Outcome::Ok(Answer::Swapped { done, previous: Some(previous.into()) }))
}

/// The log sets k to a at moment 5, and to b at 25.
fn log() -> Vec<Applied> {
    vec![set(6, 5, "k", Some("a")), set(7, 25, "k", Some("b"))]
}

#[track_caller]
fn fine(operations: Vec<Operation>, log: &[Applied]) {
    if let Err(violation) = check(&History::new(operations), log) {
        panic!("falsely accused by {}: {}", violation.rule.id, violation.seen);
    }
}

#[track_caller]
fn broken(rule: &str, told: &str, operations: Vec<Operation>, log: &[Applied]) {
    let violation = check(&History::new(operations), log).expect_err("nothing was noticed");
    println!("{}: {}", violation.rule.id, violation.seen);
    assert_eq!(violation.rule.id, rule, "{}", violation.seen);
    assert!(violation.seen.contains(told), "{}", violation.seen);
}

#[test]
fn reads_fit_the_log_between_question_and_answer() {
    let writes = [put(0, 10, "a"), put(20, 30, "b")];
    let with = |reads: &[Operation]| [&writes[..], reads].concat();
    // While b is being written, both are right, and once b was seen, only b.
    fine(
        with(&[
            get(12, 15, Some("a")),
            get(22, 40, Some("a")),
            get(22, 40, Some("b")),
            get(50, 60, Some("b")),
        ]),
        &log(),
    );
    fine(with(&[get(0, 30, None), get(0, 30, Some("a")), get(0, 30, Some("b"))]), &log());
    broken("H1", "known to clients", with(&[get(31, 40, Some("a"))]), &log());
    broken("H1", "known to clients", with(&[get(26, 27, Some("b")), get(28, 29, Some("a"))]), &log());
    broken("H1", "applied later", with(&[get(12, 15, Some("b"))]), &log());
    broken("H1", "never says so", with(&[get(12, 15, Some("z"))]), &log());
}

#[test]
fn a_read_may_miss_what_was_applied_but_told_to_nobody() {
    // Some other store has applied b at 25, and its writer is answered at 40: until then nobody can know.
    fine(vec![put(0, 10, "a"), put(20, 40, "b"), get(30, 35, Some("a"))], &log());
}

#[test]
fn every_acknowledged_write_is_in_the_log_once_and_in_its_time() {
    fine(vec![put(0, 5, "a"), put(25, 25, "b")], &log());
    broken("H2", "lost", vec![put(0, 10, "a"), put(20, 30, "b"), put(40, 50, "c")], &log());
    broken("H2", "outside its time", vec![put(0, 4, "a"), put(20, 30, "b")], &log());
    broken("H2", "outside its time", vec![put(6, 10, "a"), put(20, 30, "b")], &log());
    let twice = [log(), vec![set(8, 28, "k", Some("a"))]].concat();
    broken("H2", "twice", vec![put(0, 10, "a"), put(20, 30, "b")], &twice);
    broken("H2", "nobody asked", vec![put(0, 10, "a")], &log());
}

#[test]
fn a_refused_write_is_not_in_the_log_and_an_unknown_one_may_be() {
    let unknown = Operation { outcome: Outcome::Unknown, ..put(0, 2, "a") };
    let refused = Operation { outcome: Outcome::Failed, ..put(0, 10, "a") };
    let b = put(20, 30, "b");
    fine(vec![unknown.clone(), b.clone()], &log());
    fine(vec![unknown.clone(), b.clone()], &log()[1..]);
    fine(vec![refused.clone(), b.clone()], &log()[1..]);
    broken("H2", "refused", vec![refused, b], &log());
}

#[test]
fn deletes_have_no_names_and_are_matched_by_time() {
    let log: Vec<Applied> = (0..3).map(|n| set(6 + n, 10 * n + 5, "k", None)).collect();
    fine(vec![delete(0, 30), delete(0, 8), delete(0, 18)], &log);
    broken("H2", "twice", vec![delete(0, 30), delete(0, 18)], &log);
    let unknown = Operation { outcome: Outcome::Unknown, ..delete(0, 1) };
    fine(vec![unknown.clone(), delete(0, 30), delete(0, 18)], &log);
    broken("H2", "lost", vec![delete(0, 8), delete(0, 8), delete(0, 30), unknown], &log);
}

#[test]
fn a_compare_and_swap_found_what_it_says() {
    fine(vec![put(0, 10, "a"), cas(20, 30, "a", "b", true, "a"), cas(40, 50, "a", "c", false, "b")], &log());
    broken("H1", "was a before", vec![put(0, 10, "a"), cas(20, 30, "x", "b", true, "x")], &log());
    broken("H1", "", vec![put(0, 10, "a"), put(20, 30, "b"), cas(40, 50, "c", "d", false, "a")], &log());
    broken("H2", "lost", vec![put(0, 10, "a"), put(20, 30, "b"), cas(40, 50, "b", "c", true, "b")], &log());
}

#[test]
fn a_scan_is_of_one_moment() {
    let log = vec![
        set(6, 5, "k", Some("a")),
        set(7, 15, "l", Some("a")),
        set(8, 25, "k", Some("b")),
        set(9, 35, "l", Some("b")),
    ];
    let put = |at: u64, key: &'static str, value: &'static str| {
        let call = Call::Put { key: DataKey::new(key), value: value.into() };
        operation(at - 1, at + 1, call, Outcome::Ok(Answer::Done))
    };
    let scan = |pairs: &[(&'static str, &'static str)]| {
        let range = Range {
            cf: ::kv::engine::Cf::Default,
            start: Bytes::new(),
            end: Bytes::new(),
            limit: 9,
            reverse: false,
        };
        let pairs = pairs.iter().map(|&(key, value)| (key.into(), value.into())).collect();
        operation(0, 100, Call::Scan(range), Outcome::Ok(Answer::Pairs(pairs)))
    };
    let writes = [put(5, "k", "a"), put(15, "l", "a"), put(25, "k", "b"), put(35, "l", "b")];
    for pairs in [&[][..], &[("k", "a")], &[("k", "b"), ("l", "a")], &[("k", "b"), ("l", "b")]] {
        fine([&writes[..], &[scan(pairs)]].concat(), &log);
    }
    for pairs in [&[("l", "a")][..], &[("k", "a"), ("l", "b")], &[("k", "b")]] {
        broken("H1", "never says so", [&writes[..], &[scan(pairs)]].concat(), &log);
    }
}

#[test]
fn a_cleared_range_is_empty() {
    let clear = Change::Clear { cf: ::kv::engine::Cf::Default, start: "a".into(), end: "l".into() };
    let log =
        vec![set(6, 5, "k", Some("a")), Applied { region_id: 1, index: 7, at: 25, changes: vec![clear] }];
    fine(vec![put(0, 10, "a"), get(10, 20, Some("a")), get(30, 40, None)], &log);
}

/// A run of a store without faults, as clients and log see it; and the same with one answer changed.
fn run(seed: u64) -> (History, Vec<Applied>) {
    let mut dice = Dice::new(seed, 41);
    let mut data: BTreeMap<DataKey, Bytes> = BTreeMap::new();
    let (mut log, mut operations) = (Vec::new(), Vec::new());
    for number in 1..=40 {
        let at = number * 10;
        let key = DataKey::new(format!("k{}", dice.below(2)));
        let call = match dice.below(5) {
            0 | 1 => Call::Get { key },
            2 => Call::Delete { key },
            _ => Call::Put { key, value: Bytes::from(format!("v{number}")) },
        };
        match &call {
            Call::Put { key, value } => log.push(Applied {
                region_id: 1,
                index: number,
                at,
                changes: vec![Change::Set(key.clone(), Some(value.clone()))],
            }),
            Call::Delete { key } => {
                let changes = vec![Change::Set(key.clone(), None)];
                log.push(Applied { region_id: 1, index: number, at, changes });
            }
            _ => {}
        }
        let answer = linear::execute(&call, &mut data);
        let outcome = if dice.one_in(12) { Outcome::Unknown } else { Outcome::Ok(answer) };
        let (before, after) = (dice.below(30), dice.below(30));
        operations.push(operation(at.saturating_sub(before), at + after, call, outcome));
    }
    if dice.one_in(2) {
        let other = operations[dice.below(40) as usize].clone();
        let at = dice.below(40) as usize;
        if matches!(other.outcome, Outcome::Ok(Answer::Value(_)))
            && matches!(operations[at].call, Call::Get { .. })
        {
            operations[at].outcome = other.outcome;
        }
    }
    (History::new(operations), log)
}

#[test]
fn whatever_the_log_explains_is_linearizable() {
    let (mut good, mut bad) = (0, 0);
    for seed in 0..3_000 {
        let (history, log) = run(seed);
        let linear = linear::check(&history, linear::BUDGET);
        match check(&history, &log) {
            Ok(()) => {
                good += 1;
                assert_eq!(linear, linear::Verdict::Ok, "seed {seed}");
            }
            // The other way round it need not be: clients do not see the order of writes that nobody reads.
            Err(_) => bad += 1,
        }
    }
    assert!(good > 1_500 && bad > 100, "{good} good, {bad} bad");
}
