//! A verdict in words: which operation cannot be explained, what most likely went wrong, and how far an order gets.

use bytes::Bytes;

use super::super::history::{Answer, Call, DataKey, History, Operation, Outcome, milliseconds, value_text};
use super::super::observe::Micros;
use super::is_answered;
use super::prepare::covers;

/// So many operations of the longest order are told.
const TOLD: usize = 4;

/// Tells why no order of the operations on `keys` gets past the operation `stuck`.
pub(super) fn tell(history: &History, keys: &[DataKey], prefix: &[usize], stuck: usize) -> String {
    let operation = &history.operations[stuck];
    let mut told = format!("No order of the operations explains this: {operation}.");
    for line in diagnoses(history, keys, operation) {
        told.push(' ');
        told.push_str(&line);
    }
    let last: Vec<String> =
        prefix.iter().rev().take(TOLD).rev().map(|&at| history.operations[at].to_string()).collect();
    told.push_str(&match last.as_slice() {
        [] => " Not even one operation can come before it.".to_owned(),
        last => format!(
            " The longest order that explains all answers until then ends, after {} operation(s), with: {}.",
            prefix.len(),
            last.join("; ")
        ),
    });
    told
}

/// What is wrong with each value that the operation was told, as far as simple reasons go.
fn diagnoses(history: &History, keys: &[DataKey], operation: &Operation) -> Vec<String> {
    let seen = seen(keys, operation);
    let found: Vec<String> =
        seen.iter().filter_map(|(key, value)| diagnose(history, operation, key, value.as_ref())).collect();
    if found.is_empty() && seen.len() > 1 {
        return vec![
            "Each pair alone was true at some moment, but there is no moment at which all of them were: the scan is torn."
                .to_owned(),
        ];
    }
    found
}

/// Keys and values that the operation says were there.
fn seen(keys: &[DataKey], operation: &Operation) -> Vec<(DataKey, Option<Bytes>)> {
    match (&operation.call, &operation.outcome) {
        (Call::Get { key }, Outcome::Ok(Answer::Value(value))) if keys.contains(key) => {
            vec![(key.clone(), value.clone())]
        }
        (Call::Cas { key, .. }, Outcome::Ok(Answer::Swapped { previous, .. })) if keys.contains(key) => {
            vec![(key.clone(), previous.clone())]
        }
        (Call::Scan(range), Outcome::Ok(Answer::Pairs(pairs))) => {
            let value =
                |key: &DataKey| pairs.iter().find(|pair| pair.0 == key.key).map(|pair| pair.1.clone());
            keys.iter().filter(|key| covers(range, pairs, key)).map(|key| (key.clone(), value(key))).collect()
        }
        _ => Vec::new(),
    }
}

/// A write of a key: an operation that set it, or might have, and what to.
type Write<'a> = (&'a Operation, Option<&'a Bytes>);

fn writes<'a>(history: &'a History, key: &DataKey) -> Vec<Write<'a>> {
    let write = |operation: &'a Operation| match (&operation.call, &operation.outcome) {
        (Call::Cas { .. }, Outcome::Ok(Answer::Swapped { done: false, .. })) => None,
        (Call::Put { key: at, value } | Call::Cas { key: at, value, .. }, _) if at == key => {
            Some((operation, Some(value)))
        }
        (Call::Delete { key: at }, _) if at == key => Some((operation, None)),
        _ => None,
    };
    history.operations.iter().filter_map(write).collect()
}

fn diagnose(history: &History, reader: &Operation, key: &DataKey, value: Option<&Bytes>) -> Option<String> {
    let writes = writes(history, key);
    let effective = |write: &&Write<'_>| write.0.outcome != Outcome::Failed;
    let mine: Vec<&Write<'_>> = writes.iter().filter(|write| write.1 == value).collect();
    let told = value_text(value.map(|value| &value[..]));
    let is_initial = history.initial.get(key) == value;
    if !is_initial && !mine.iter().any(effective_ref(&effective)) {
        return Some(match mine.first() {
            Some((refused, _)) => {
                format!("The only write of {told} to {key} was refused as without effect ({refused}).")
            }
            None if value.is_none() => format!("{key} was never absent."),
            None => format!("Nobody ever wrote {told} to {key}."),
        });
    }
    if !is_initial
        && mine.iter().filter(|write| effective(write)).all(|write| write.0.invoked > reader.returned)
    {
        return Some(format!("{key} = {told} was asked for only later: the answer comes from the future."));
    }
    // The last moment at which the value may have been written, if all its writers have ended; none: it was there first.
    let written =
        match mine.iter().filter(|write| effective(write)).map(|write| ended(history, key, write)).max() {
            Some(at) => Some(at?),
            None => None,
        };
    let replaced = writes.iter().find_map(|write| {
        let is_other = write.1 != value && effective(&write) && written.is_none_or(|at| write.0.invoked > at);
        let end = ended(history, key, write).filter(|&end| is_other && end < reader.invoked)?;
        Some((write, end))
    });
    let ((by, to), end) = replaced?;
    let what = match (value, to) {
        (None, _) => "lost",
        (Some(_), None) => "back from the dead",
        (Some(_), Some(_)) => "stale",
    };
    Some(format!(
        "{key} = {told} is {what}: it was certain {} before this was asked for that another write had come after it ({by}).",
        milliseconds(reader.invoked - end)
    ))
}

fn effective_ref<'a>(effective: &'a impl Fn(&&Write<'_>) -> bool) -> impl FnMut(&&Write<'_>) -> bool + 'a {
    move |write| effective(write)
}

/// When a write had taken effect for certain: it was answered, or its value was seen and is nobody else's. `None` if it may
/// still take effect.
fn ended(history: &History, key: &DataKey, write: &Write<'_>) -> Option<Micros> {
    let answered = is_answered(write.0).then_some(write.0.returned);
    let same = writes(history, key).into_iter().filter(|other| other.1 == write.1).count();
    let shows = |reader: &&Operation| {
        let keys = std::slice::from_ref(key);
        write.1.is_some()
            && same == 1
            && seen(keys, reader).iter().any(|(_, value)| value.as_ref() == write.1)
    };
    let seen = history.operations.iter().filter(shows).map(|reader| reader.returned).min();
    match (answered, seen) {
        (Some(a), Some(b)) => Some(a.min(b)),
        (a, b) => a.or(b),
    }
}
