//! The dumbest possible checker: tries every order of the operations on a map. For histories of a handful of operations.

use std::collections::BTreeMap;

use bytes::Bytes;

use super::super::history::{Answer, Call, DataKey, History, Operation, Outcome};

/// Whether some order of the operations, within their times, explains every answer.
pub fn is_linearizable(history: &History) -> bool {
    let operations: Vec<&Operation> =
        history.operations.iter().filter(|operation| operation.outcome != Outcome::Failed).collect();
    assert!(operations.len() <= 12, "this takes for ever");
    search(&operations, &mut vec![false; operations.len()], &history.initial)
}

fn search(operations: &[&Operation], done: &mut [bool], data: &BTreeMap<DataKey, Bytes>) -> bool {
    let must = |at: usize| matches!(operations[at].outcome, Outcome::Ok(_));
    if (0..operations.len()).all(|at| done[at] || !must(at)) {
        return true;
    }
    for at in 0..operations.len() {
        let is_after = |other: usize| must(other) && operations[other].returned < operations[at].invoked;
        if done[at] || (0..operations.len()).any(|other| !done[other] && is_after(other)) {
            continue;
        }
        let mut next = data.clone();
        let answer = execute(&operations[at].call, &mut next);
        if operations[at].outcome != Outcome::Unknown && operations[at].outcome != Outcome::Ok(answer) {
            continue;
        }
        done[at] = true;
        if search(operations, done, &next) {
            return true;
        }
        done[at] = false;
    }
    false
}

/// Does what is asked for, and answers.
pub fn execute(call: &Call, data: &mut BTreeMap<DataKey, Bytes>) -> Answer {
    match call {
        Call::Get { key } => Answer::Value(data.get(key).cloned()),
        Call::Put { key, value } => {
            data.insert(key.clone(), value.clone());
            Answer::Done
        }
        Call::Delete { key } => {
            data.remove(key);
            Answer::Done
        }
        Call::Cas { key, expected, value } => {
            let previous = data.get(key).cloned();
            let done = previous == *expected;
            if done {
                data.insert(key.clone(), value.clone());
            }
            Answer::Swapped { done, previous }
        }
        Call::Scan(range) => Answer::Pairs(range.of(data)),
    }
}
