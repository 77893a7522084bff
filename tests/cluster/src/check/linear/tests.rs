//! The checker against the dumb one on random histories; and both against checkers that are broken on purpose.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use harness::rng::Dice;

use super::super::history::{Answer, Call, DataKey, History, Operation, Outcome, Range};
use super::{BROKEN, BUDGET, Breakage, Verdict, brute, check, known_bad};

/// A random history: operations with random times, executed in some order within them, and some of them changed afterwards.
pub fn random(seed: u64) -> History {
    let mut dice = Dice::new(seed, 17);
    let keys = dice.range(1, 3);
    let values = if dice.one_in(3) { 2 } else { 100 };
    let mut data: BTreeMap<DataKey, Bytes> = BTreeMap::new();
    for key in 0..keys {
        if dice.one_in(3) {
            data.insert(key_of(key), value_of(dice.below(values)));
        }
    }
    let initial = Arc::new(data.clone());
    let count = dice.range(2, 7);
    let spread = dice.pick(&[3, 8, 20]);
    // The true order is that of the middles.
    let mut times: Vec<(u64, u64, u64)> = (0..count)
        .map(|_| {
            let middle = 10 + dice.below(spread * 2);
            (middle, middle - dice.below(spread.min(10)), middle + dice.below(spread))
        })
        .collect();
    times.sort_unstable();
    let mut operations = Vec::new();
    for (client, (_, invoked, returned)) in (0..).zip(times) {
        let call = random_call(&mut dice, keys, values);
        let mut copy = data.clone();
        let answer = brute::execute(&call, &mut copy);
        let outcome = match dice.below(10) {
            0 => Outcome::Failed,
            1 | 2 => Outcome::Unknown,
            _ => Outcome::Ok(answer),
        };
        if outcome != Outcome::Failed && (outcome != Outcome::Unknown || dice.one_in(2)) {
            data = copy;
        }
        operations.push(Operation { client, call, invoked, returned, outcome });
    }
    if !dice.one_in(5) {
        spoil(&mut dice, &mut operations, keys, values);
    }
    let by_end = |operation: &Operation| (operation.returned, operation.client);
    operations.sort_by_key(by_end);
    History { operations, initial }
}

fn key_of(key: u64) -> DataKey {
    DataKey::new(format!("k{key}"))
}

fn value_of(value: u64) -> Bytes {
    Bytes::from(format!("v{value}"))
}

fn random_value(dice: &mut Dice, values: u64) -> Option<Bytes> {
    (!dice.one_in(4)).then(|| value_of(dice.below(values)))
}

fn random_call(dice: &mut Dice, keys: u64, values: u64) -> Call {
    let key = key_of(dice.below(keys));
    match dice.below(8) {
        0 | 1 => Call::Get { key },
        2 | 3 => Call::Put { key, value: value_of(dice.below(values)) },
        4 => Call::Delete { key },
        5 | 6 => {
            let small = values.min(3);
            Call::Cas { key, expected: random_value(dice, small), value: value_of(dice.below(values)) }
        }
        _ => Call::Scan(Range {
            cf: key.cf,
            start: key.key,
            end: if dice.one_in(2) { Bytes::new() } else { Bytes::from_static(b"k2") },
            limit: dice.range(1, 3) as usize,
            reverse: dice.one_in(2),
        }),
    }
}

/// Changes one answer, or the times of one operation.
fn spoil(dice: &mut Dice, operations: &mut [Operation], keys: u64, values: u64) {
    let at = dice.below(operations.len() as u64) as usize;
    let other = operations[dice.below(operations.len() as u64) as usize].clone();
    let operation = &mut operations[at];
    match &mut operation.outcome {
        Outcome::Ok(Answer::Value(value)) => *value = random_value(dice, values.min(4)),
        Outcome::Ok(Answer::Swapped { done, previous }) => match dice.below(3) {
            0 => *done = !*done,
            1 => *previous = random_value(dice, values.min(4)),
            _ => (*done, *previous) = (false, random_value(dice, values.min(4))),
        },
        Outcome::Ok(Answer::Pairs(pairs)) => match dice.below(4) {
            0 => drop(pairs.pop()),
            1 => pairs.reverse(),
            2 => pairs.push((key_of(dice.below(keys)).key, value_of(dice.below(values)))),
            _ => pairs.iter_mut().take(1).for_each(|pair| pair.1 = value_of(dice.below(values.min(4)))),
        },
        _ if dice.one_in(2) => {
            let length = operation.returned - operation.invoked;
            (operation.invoked, operation.returned) = (other.returned + 1, other.returned + 1 + length);
        }
        _ => operation.outcome = Outcome::Failed,
    }
}

fn agrees(history: &History) -> bool {
    let expected = brute::is_linearizable(history);
    match check(history, BUDGET) {
        Verdict::Ok => expected,
        Verdict::Illegal(_) => !expected,
        Verdict::Unknown { .. } => false,
    }
}

#[test]
fn agrees_with_the_dumb_checker_on_random_histories() {
    let mut illegal = 0;
    for seed in 0..40_000 {
        let history = random(seed);
        assert!(agrees(&history), "seed {seed}: {:?}\n{}", check(&history, BUDGET), show(&history));
        illegal += u64::from(!brute::is_linearizable(&history));
    }
    assert!((8_000..32_000).contains(&illegal), "{illegal} of 40000 were illegal: too one-sided");
}

fn show(history: &History) -> String {
    let initial = history.initial.iter().map(|(key, value)| format!("initially {key} = {value:?}"));
    let lines = initial.chain(history.operations.iter().map(|operation| operation.to_string()));
    lines.collect::<Vec<_>>().join("\n")
}

/// Histories that are long enough for the search to go back, and to find the same state in several ways.
fn long(seed: u64, operations: u64, clients: u64) -> History {
    let mut dice = Dice::new(seed, 23);
    let mut data: BTreeMap<DataKey, Bytes> = BTreeMap::new();
    let mut free = vec![0u64; clients as usize];
    let mut moment = 0;
    let mut done = Vec::new();
    for number in 0..operations {
        let client = number % clients;
        moment += dice.range(1, 3);
        let invoked = free[client as usize].min(moment);
        let returned = moment + dice.below(4 * clients);
        free[client as usize] = returned + 1;
        let key = key_of(dice.below(2));
        let call = match dice.below(8) {
            0..=3 => Call::Get { key },
            4 => Call::Delete { key },
            5 => Call::Cas { expected: data.get(&key).cloned(), key, value: value_of(number) },
            6 => Call::Scan(Range {
                cf: key.cf,
                start: Bytes::new(),
                end: Bytes::new(),
                limit: 5,
                reverse: false,
            }),
            _ => Call::Put { key, value: value_of(number) },
        };
        let answer = brute::execute(&call, &mut data);
        let outcome = if dice.one_in(50) { Outcome::Unknown } else { Outcome::Ok(answer) };
        done.push(Operation { client, call, invoked, returned, outcome });
    }
    History::new(done)
}

#[test]
fn long_histories_take_few_steps() {
    for seed in 0..20 {
        assert_eq!(check(&long(seed, 2_000, 4), BUDGET), Verdict::Ok, "seed {seed}");
        assert_eq!(check(&long(seed, 400, 8), BUDGET), Verdict::Ok, "seed {seed}");
    }
}

#[test]
fn a_budget_that_runs_out_is_no_verdict() {
    let history = long(1, 200, 4);
    assert!(matches!(check(&history, 50), Verdict::Unknown { steps } if steps >= 50));
}

/// Whether the tests notice that the checker is broken like that.
fn is_noticed(how: Breakage) -> Option<String> {
    BROKEN.set(Some(how));
    let noticed = find_difference();
    BROKEN.set(None);
    noticed
}

fn find_difference() -> Option<String> {
    for case in known_bad::cases() {
        let (bad, good) = case.histories();
        if !matches!(check(&bad, BUDGET), Verdict::Illegal(_)) || check(&good, BUDGET) != Verdict::Ok {
            return Some(case.name.to_owned());
        }
    }
    if let Some(seed) = (0..40_000).find(|&seed| !agrees(&random(seed))) {
        return Some(format!("random history {seed}"));
    }
    if let Some(seed) = (0..20).find(|&seed| check(&long(seed, 400, 8), BUDGET) != Verdict::Ok) {
        return Some(format!("long history {seed}"));
    }
    (check(&long(1, 200, 4), 50) == Verdict::Ok).then(|| "the budget".to_owned())
}

#[test]
fn every_breakage_of_the_checker_is_noticed() {
    use Breakage::*;
    let all = [
        CacheWithoutSet,
        CacheWithoutState,
        NoRealTime,
        TouchingIsLater,
        UnknownIsFailed,
        UnknownIsDone,
        FailedIsUnknown,
        DropObserved,
        SharedValues,
        SwapsSeeNothing,
        ReadsAlwaysFit,
        SwapAlwaysSets,
        RefusedSwapIsFree,
        UnknownSwapIsFailed,
        ScanSeesNoAbsence,
        ScanIgnoresLimit,
        ScanIgnoresOrder,
        KeysOnly,
        NoUndo,
        EmptyStart,
        BudgetIsOk,
        NoBacktracking,
    ];
    assert_eq!(find_difference(), None, "the checker itself is wrong");
    for how in all {
        let noticed = is_noticed(how);
        println!("{how:?}: {noticed:?}");
        assert!(noticed.is_some(), "{how:?} goes unnoticed");
    }
}
