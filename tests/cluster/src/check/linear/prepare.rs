//! From operations to what the search needs: small numbers instead of keys and values, and only what can matter.
//!
//! # Operations of unknown outcome
//!
//! Such an operation may take effect at any later time, or never, which is what makes the search expensive. Most need not be
//! kept open:
//!
//! - A read is dropped: it has no effect and no answer.
//! - A write whose value nobody saw is dropped, if nobody else wrote that value. Take any legal order that contains it. No
//!   operation between it and the next change of its key saw the key (it would have seen the value), so without it they would
//!   all give the same answers. A compare-and-swap of unknown outcome in between, which might take effect now, is left out of
//!   the order just as well if it has had none.
//! - A write whose value somebody saw did happen, before the earliest answer that shows it: that is its end.
//!
//! Deletes, and writes of values that have several writers, stay open.

use std::collections::{BTreeMap, BTreeSet};

use super::super::history::{Answer, Call, DataKey, History, Operation, Outcome, Range};
use super::super::observe::Micros;
use super::{Breakage, broken, is_answered};

/// A value as a number: equal values of a task have equal numbers.
pub(super) type Value = u32;

/// The number of a key's absence.
pub(super) const ABSENT: Value = 0;

/// Keys that must be judged together.
#[derive(Debug)]
pub(super) struct Component {
    /// Which.
    pub keys: Vec<DataKey>,
}

/// What an operation needs, and does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Effect {
    /// Each of these keys has this value. Changes nothing.
    Read(Vec<(usize, Value)>),
    /// Sets a key.
    Write { key: usize, value: Value },
    /// Sets a key that has the value `from`. If it has another one, the operation is impossible (`certain`), or has no effect.
    Swap { key: usize, from: Value, to: Value, certain: bool },
    /// No state explains the answer.
    Impossible,
}

/// An operation, for the search.
#[derive(Clone, Debug)]
pub(super) struct Op {
    /// Position in the history.
    pub source: usize,
    /// When it was asked for.
    pub invoked: Micros,
    /// Must have happened by then; `None`: may happen at any time after `invoked`, or never.
    pub returned: Option<Micros>,
    /// What it does.
    pub effect: Effect,
}

/// What is to be searched.
#[derive(Debug)]
pub(super) struct Task {
    /// The operations.
    pub ops: Vec<Op>,
    /// The value of each key before the first of them.
    pub initial: Vec<Value>,
}

/// All keys of a history, those together that a scan saw together.
pub(super) fn components(history: &History) -> Vec<Component> {
    let keys: Vec<DataKey> = keys(history).into_iter().collect();
    let mut group: Vec<usize> = (0..keys.len()).collect();
    for operation in history.operations.iter().filter(|operation| is_answered(operation)) {
        let (Call::Scan(range), Outcome::Ok(Answer::Pairs(pairs))) = (&operation.call, &operation.outcome)
        else {
            continue;
        };
        let seen: Vec<usize> = (0..keys.len()).filter(|&key| covers(range, pairs, &keys[key])).collect();
        let Some(&first) = seen.first() else { continue };
        let joined: BTreeSet<usize> = seen.iter().map(|&key| group[key]).collect();
        let target = group[first];
        group.iter_mut().filter(|group| joined.contains(group)).for_each(|group| *group = target);
    }
    let mut found: BTreeMap<usize, Vec<DataKey>> = BTreeMap::new();
    for (key, group) in keys.into_iter().zip(group) {
        found.entry(group).or_default().push(key);
    }
    found.into_values().map(|keys| Component { keys }).collect()
}

fn keys(history: &History) -> BTreeSet<DataKey> {
    let mut keys: BTreeSet<DataKey> = history.initial.keys().cloned().collect();
    for operation in &history.operations {
        match &operation.call {
            Call::Get { key } | Call::Put { key, .. } | Call::Delete { key } | Call::Cas { key, .. } => {
                keys.insert(key.clone());
            }
            Call::Scan(range) => {
                if let Outcome::Ok(Answer::Pairs(pairs)) = &operation.outcome {
                    keys.extend(pairs.iter().map(|(key, _)| DataKey { cf: range.cf, key: key.clone() }));
                }
            }
        }
    }
    keys
}

/// Whether a scan with this answer says something about `key`: one that its limit has cut short says nothing about what lies
/// behind its last pair.
pub(super) fn covers(range: &Range, pairs: &[(bytes::Bytes, bytes::Bytes)], key: &DataKey) -> bool {
    if !range.contains(key) {
        // A pair that does not belong there is to be noticed, not overlooked.
        return range.cf == key.cf && pairs.iter().any(|(found, _)| *found == key.key);
    }
    if pairs.len() < range.limit || broken(Breakage::ScanIgnoresLimit) {
        return true;
    }
    pairs.last().is_some_and(|(last, _)| if range.reverse { key.key >= *last } else { key.key <= *last })
}

/// The operations of a history that concern `keys`.
pub(super) fn task(history: &History, keys: &[DataKey]) -> Task {
    let mut values = Values::default();
    let initial = |key: &DataKey| history.initial.get(key).filter(|_| !broken(Breakage::EmptyStart));
    let initial: Vec<Value> =
        keys.iter().map(|key| values.number(initial(key).map(|value| &value[..]))).collect();
    let mut ops = Vec::new();
    for (source, operation) in history.operations.iter().enumerate() {
        let Some(effect) = effect(operation, keys, &mut values) else { continue };
        let is_open = operation.outcome != Outcome::Failed && !is_answered(operation);
        let is_open = is_open || (operation.outcome == Outcome::Failed && broken(Breakage::FailedIsUnknown));
        let returned = (!is_open || broken(Breakage::UnknownIsDone)).then_some(operation.returned);
        ops.push(Op { source, invoked: operation.invoked, returned, effect });
    }
    close(&mut ops, &initial);
    if broken(Breakage::NoRealTime) {
        ops.iter_mut().for_each(|op| (op.invoked, op.returned) = (0, op.returned.map(|_| Micros::MAX)));
    }
    Task { ops, initial }
}

/// What `operation` needs and does; `None` if it concerns no key of `keys`, or cannot matter.
fn effect(operation: &Operation, keys: &[DataKey], values: &mut Values) -> Option<Effect> {
    let place = |key: &DataKey| keys.binary_search(key).ok();
    let answer = match &operation.outcome {
        Outcome::Ok(answer) => Some(answer),
        Outcome::Unknown if !broken(Breakage::UnknownIsFailed) => None,
        Outcome::Failed if broken(Breakage::FailedIsUnknown) => None,
        Outcome::Unknown | Outcome::Failed => return None,
    };
    match (&operation.call, answer) {
        (Call::Get { key }, Some(Answer::Value(value))) => {
            Some(Effect::Read(vec![(place(key)?, values.number(value.as_deref()))]))
        }
        (Call::Put { key, value }, None | Some(Answer::Done)) => {
            Some(Effect::Write { key: place(key)?, value: values.number(Some(value)) })
        }
        (Call::Delete { key }, None | Some(Answer::Done)) => {
            Some(Effect::Write { key: place(key)?, value: ABSENT })
        }
        (Call::Cas { key, expected, value }, answer) => {
            let swap = [expected.as_deref(), Some(value)].map(|value| values.number(value));
            let told = match answer {
                None => None,
                Some(Answer::Swapped { done, previous }) => Some((*done, values.number(previous.as_deref()))),
                Some(_) => return place(key).map(|_| Effect::Impossible),
            };
            swap_effect(place(key)?, swap, told)
        }
        (Call::Scan(range), Some(Answer::Pairs(pairs))) => scan(range, pairs, keys, values),
        (Call::Get { .. } | Call::Scan(_), None) => None,
        (Call::Get { key } | Call::Put { key, .. } | Call::Delete { key }, Some(_)) => {
            place(key).map(|_| Effect::Impossible)
        }
        (Call::Scan(_), Some(_)) => Some(Effect::Impossible),
    }
}

fn swap_effect(key: usize, [from, to]: [Value; 2], told: Option<(bool, Value)>) -> Option<Effect> {
    if broken(Breakage::SwapAlwaysSets) && told.is_none_or(|(done, _)| done) {
        return Some(Effect::Write { key, value: to });
    }
    match told {
        None if broken(Breakage::UnknownSwapIsFailed) => None,
        None => Some(Effect::Swap { key, from, to, certain: false }),
        Some((true, previous)) if previous == from => Some(Effect::Swap { key, from, to, certain: true }),
        Some((false, _)) if broken(Breakage::RefusedSwapIsFree) => None,
        Some((false, previous)) if previous != from => Some(Effect::Read(vec![(key, previous)])),
        Some(_) => Some(Effect::Impossible),
    }
}

/// One get for each of the keys that the scan says something about.
fn scan(
    range: &Range,
    pairs: &[(bytes::Bytes, bytes::Bytes)],
    keys: &[DataKey],
    values: &mut Values,
) -> Option<Effect> {
    let in_order = |pair: &[(bytes::Bytes, bytes::Bytes)]| match range.reverse {
        true => pair[0].0 > pair[1].0,
        false => pair[0].0 < pair[1].0,
    };
    let within = |key: &bytes::Bytes| range.contains(&DataKey { cf: range.cf, key: key.clone() });
    let orderly = pairs.windows(2).all(in_order) || broken(Breakage::ScanIgnoresOrder);
    if pairs.len() > range.limit || !orderly || !pairs.iter().all(|(key, _)| within(key)) {
        return Some(Effect::Impossible);
    }
    let mut reads = Vec::new();
    for (place, key) in keys.iter().enumerate() {
        let found = pairs.iter().find(|(found, _)| range.cf == key.cf && *found == key.key);
        match found {
            Some((_, value)) => reads.push((place, values.number(Some(value)))),
            None if broken(Breakage::ScanSeesNoAbsence) => {}
            None if covers(range, pairs, key) => reads.push((place, ABSENT)),
            None => {}
        }
    }
    (!reads.is_empty()).then_some(Effect::Read(reads))
}

/// Numbers for values.
#[derive(Default)]
struct Values(BTreeMap<Vec<u8>, Value>);

impl Values {
    fn number(&mut self, value: Option<&[u8]>) -> Value {
        let Some(value) = value else { return ABSENT };
        if let Some(&number) = self.0.get(value) {
            return number;
        }
        let number = self.0.len() as Value + 1;
        self.0.insert(value.to_vec(), number);
        number
    }
}

/// Drops open operations that cannot matter, and gives the others an end if there is one; see the head of this file.
fn close(ops: &mut Vec<Op>, initial: &[Value]) {
    let writers = writers(ops, initial);
    // What is dropped or closed may decide about others, so it is repeated until nothing changes.
    loop {
        let seen = seen(ops);
        let mut changed = false;
        ops.retain_mut(|op| {
            let Some((key, value)) = op.returned.is_none().then(|| op.effect.sets()).flatten() else {
                return true;
            };
            let is_unique = writers.get(&(key, value)) == Some(&1) || broken(Breakage::SharedValues);
            if value == ABSENT || !is_unique {
                return true;
            }
            match seen.get(&(key, value)) {
                Some(Some(at)) if *at >= op.invoked && !broken(Breakage::DropObserved) => {
                    op.returned = Some(*at);
                    if let Effect::Swap { certain, .. } = &mut op.effect {
                        *certain = true;
                    }
                    changed = true;
                    true
                }
                // Seen by an operation that is open itself, or before it was asked for: the search will tell.
                Some(_) if !broken(Breakage::DropObserved) => true,
                _ => {
                    changed = true;
                    false
                }
            }
        });
        if !changed {
            return;
        }
    }
}

/// How many operations set a key to a value; its value at the start counts as one.
fn writers(ops: &[Op], initial: &[Value]) -> BTreeMap<(usize, Value), usize> {
    let mut writers: BTreeMap<(usize, Value), usize> = BTreeMap::new();
    for key in initial.iter().copied().enumerate().chain(ops.iter().filter_map(|op| op.effect.sets())) {
        *writers.entry(key).or_default() += 1;
    }
    writers
}

/// For each value of a key that an operation depends on, the earliest answer that shows it; `None` if no answer does.
fn seen(ops: &[Op]) -> BTreeMap<(usize, Value), Option<Micros>> {
    let mut seen: BTreeMap<(usize, Value), Option<Micros>> = BTreeMap::new();
    for op in ops {
        let reads: &[(usize, Value)] = match &op.effect {
            Effect::Read(reads) => reads,
            Effect::Swap { .. } if broken(Breakage::SwapsSeeNothing) => &[],
            Effect::Swap { key, from, .. } => &[(*key, *from)],
            Effect::Write { .. } | Effect::Impossible => &[],
        };
        for &read in reads {
            let earliest = seen.entry(read).or_default();
            *earliest = match (*earliest, op.returned) {
                (Some(a), Some(b)) => Some(a.min(b)),
                (a, b) => a.or(b),
            };
        }
    }
    seen
}

impl Effect {
    /// The key that it sets, and to what.
    pub fn sets(&self) -> Option<(usize, Value)> {
        match *self {
            Effect::Write { key, value } | Effect::Swap { key, to: value, .. } => Some((key, value)),
            Effect::Read(_) | Effect::Impossible => None,
        }
    }
}
