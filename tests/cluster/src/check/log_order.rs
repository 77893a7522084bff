//! Does the committed log explain what clients saw?
//!
//! The simulation sees every entry when it is applied, so the order of all writes is known, and need not be guessed as
//! [`super::linear`] must. What is left is exact and cheap:
//!
//! 1. Every write in the log is somebody's, between question and answer, and every acknowledged write is in the log: each once.
//! 2. Every read fits the state after some entry, no earlier than what the client could know when it asked, and no later than
//!    what was applied when it was answered.
//!
//! Given the order of the log, a history passes exactly if it is linearizable in that order. The words name index and moment.

use std::collections::BTreeMap;

use bytes::Bytes;
use kv::engine::Cf;
use raft::Index;

use super::ghost::Group;
use super::history::{Answer, Call, DataKey, History, Operation, Outcome, Range, milliseconds, value_text};
use super::model::data_key;
use super::observe::Micros;
use super::rules::{LOG_EXPLAINS, WRITTEN_ONCE};
use super::{Verdict, Violation};

/// An entry that some store has applied, and that had a right to take effect.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Applied {
    /// Region.
    pub region_id: u64,
    /// Index in its log.
    pub index: Index,
    /// When the first store applied it.
    pub at: Micros,
    /// What it changed, in order.
    pub changes: Vec<Change>,
}

/// One change of an entry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// A key was set, or removed.
    Set(DataKey, Option<Bytes>),
    /// All keys of a range were removed.
    Clear {
        /// Family.
        cf: Cf,
        /// First key.
        start: Bytes,
        /// Key behind the last; empty: to the end.
        end: Bytes,
    },
}

/// What some regions have applied, in the order of time.
pub(super) fn applied<'a>(groups: impl Iterator<Item = &'a Group>) -> Vec<Applied> {
    let mut log: Vec<Applied> = Vec::new();
    for entry in groups.flat_map(|group| group.log()).filter(|entry| entry.is_effective) {
        let requests = entry.request.iter().flat_map(|request| &request.requests);
        let change = |request: &proto::raft_cmdpb::Request| {
            if let Some(put) = &request.put {
                return Some(Change::Set(data_key(&put.cf, &put.key)?, Some(put.value.clone())));
            }
            if let Some(delete) = &request.delete {
                return Some(Change::Set(data_key(&delete.cf, &delete.key)?, None));
            }
            let range = request.delete_range.as_ref()?;
            let DataKey { cf, key: start } = data_key(&range.cf, &range.start_key)?;
            Some(Change::Clear { cf, start, end: range.end_key.clone() })
        };
        let changes: Vec<Change> = requests.filter_map(change).collect();
        if !changes.is_empty() {
            log.push(Applied { region_id: entry.region_id, index: entry.index, at: entry.at, changes });
        }
    }
    log.sort_by_key(|entry| entry.at);
    log
}

/// Judges a history by the log.
///
/// # Errors
/// H1 or H2, and what the log says instead.
pub fn check(history: &History, log: &[Applied]) -> Verdict {
    let replay = Replay::of(history, log);
    let places = match_writes(history, log)?;
    let mut events: Vec<(Micros, bool, usize)> = Vec::new();
    for (number, operation) in history.operations.iter().enumerate() {
        events.push((operation.invoked, false, number));
        events.push((operation.returned, true, number));
    }
    // At the same moment questions come before answers: such operations overlap.
    events.sort_unstable();
    // How much of the log clients can know of, as a count of entries.
    let mut shown = 0;
    let mut known = vec![0; history.operations.len()];
    for (_, is_answer, number) in events {
        if !is_answer {
            known[number] = shown;
            continue;
        }
        let operation = &history.operations[number];
        let Outcome::Ok(answer) = &operation.outcome else { continue };
        let place = match places[number] {
            Some(place) => replay.swap(operation, answer, place).map(|()| place)?,
            None => replay.read(operation, answer, known[number])?,
        };
        shown = shown.max(place);
    }
    Ok(())
}

/// The data after each entry. A place counts entries: after none, after the first, and so on.
struct Replay<'a> {
    log: &'a [Applied],
    versions: BTreeMap<DataKey, Vec<(usize, Option<Bytes>)>>,
}

impl<'a> Replay<'a> {
    fn of(history: &History, log: &'a [Applied]) -> Replay<'a> {
        let initial =
            history.initial.iter().map(|(key, value)| (key.clone(), vec![(0, Some(value.clone()))]));
        let mut versions: BTreeMap<DataKey, Vec<(usize, Option<Bytes>)>> = initial.collect();
        for (place, entry) in (1..).zip(log) {
            for change in &entry.changes {
                match change {
                    Change::Set(key, value) => {
                        versions.entry(key.clone()).or_default().push((place, value.clone()));
                    }
                    Change::Clear { cf, start, end } => {
                        let range = Range {
                            cf: *cf,
                            start: start.clone(),
                            end: end.clone(),
                            limit: usize::MAX,
                            reverse: false,
                        };
                        let cleared = versions.iter_mut().filter(|(key, _)| range.contains(key));
                        cleared.for_each(|(_, versions)| versions.push((place, None)));
                    }
                }
            }
        }
        Replay { log, versions }
    }

    fn version(&self, key: &DataKey, place: usize) -> Option<&(usize, Option<Bytes>)> {
        let versions = self.versions.get(key)?;
        versions[..versions.partition_point(|&(since, _)| since <= place)].last()
    }

    fn value(&self, key: &DataKey, place: usize) -> Option<&Bytes> {
        self.version(key, place)?.1.as_ref()
    }

    fn scan(&self, range: &Range, place: usize) -> Vec<(Bytes, Bytes)> {
        let first = DataKey { cf: range.cf, key: range.start.clone() };
        let keys = self.versions.range(first..).map(|(key, _)| key).take_while(|key| range.contains(key));
        let pair = |key: &DataKey| Some((key.key.clone(), self.value(key, place)?.clone()));
        let mut pairs: Vec<(Bytes, Bytes)> = keys.filter_map(pair).collect();
        if range.reverse {
            pairs.reverse();
        }
        pairs.truncate(range.limit);
        pairs
    }

    /// A compare-and-swap that stands at `place` found what it expected. Other writes need nothing.
    fn swap(&self, operation: &Operation, answer: &Answer, place: usize) -> Verdict {
        let (Call::Cas { key, expected, .. }, Answer::Swapped { previous, .. }) = (&operation.call, answer)
        else {
            return Ok(());
        };
        let found = self.value(key, place - 1);
        if found == expected.as_ref() && found == previous.as_ref() {
            return Ok(());
        }
        let entry = &self.log[place - 1];
        let found = value_text(found.map(|value| &value[..]));
        Err(explains(format!(
            "{operation}. The log has it at index {} of region {}, and there {key} was {found} before",
            entry.index, entry.region_id
        )))
    }

    /// The earliest place at which a read fits.
    fn read(&self, operation: &Operation, answer: &Answer, known: usize) -> Result<usize, Violation> {
        let fits = |place: usize| match (&operation.call, answer) {
            (Call::Get { key }, Answer::Value(value)) => self.value(key, place) == value.as_ref(),
            (Call::Cas { key, expected, .. }, Answer::Swapped { done: false, previous }) => {
                self.value(key, place) == previous.as_ref() && previous != expected
            }
            (Call::Scan(range), Answer::Pairs(pairs)) => self.scan(range, place) == *pairs,
            _ => false,
        };
        let last = self.log.partition_point(|entry| entry.at <= operation.returned);
        (known..=last).find(|&place| fits(place)).ok_or_else(|| {
            let earlier = (0..known).rev().find(|&place| fits(place));
            let later = (last + 1..=self.log.len()).find(|&place| fits(place));
            explains(format!("{operation}. {}", self.tell(operation, known, last, earlier, later)))
        })
    }

    fn tell(
        &self,
        operation: &Operation,
        known: usize,
        last: usize,
        earlier: Option<usize>,
        later: Option<usize>,
    ) -> String {
        let at = |place: usize| match place.checked_sub(1).map(|place| &self.log[place]) {
            Some(entry) => format!("index {} of region {}", entry.index, entry.region_id),
            None => "the start".to_owned(),
        };
        let now = match &operation.call {
            Call::Get { key } | Call::Cas { key, .. } => self.tell_value(key, last, operation),
            Call::Scan(range) => {
                let pairs = Answer::Pairs(self.scan(range, last));
                format!("The log has, as of {}: {pairs}", at(last))
            }
            _ => String::new(),
        };
        match (earlier, later) {
            (Some(place), _) => format!(
                "That was so as of {}, but {} was known to clients before this was asked for. {now}",
                at(place),
                at(known)
            ),
            (None, Some(place)) => {
                format!("That is so only from {} on, which was applied later. {now}", at(place))
            }
            (None, None) => format!("The log never says so. {now}"),
        }
    }

    fn tell_value(&self, key: &DataKey, place: usize, operation: &Operation) -> String {
        let Some((since, value)) = self.version(key, place) else {
            return format!("The log never sets {key}");
        };
        let value = value_text(value.as_deref());
        let Some(entry) = since.checked_sub(1).map(|since| &self.log[since]) else {
            return format!("{key} was {value} from the start");
        };
        let when = match operation.invoked.checked_sub(entry.at) {
            Some(before) => format!("{} before this was asked for", milliseconds(before)),
            None => format!("{} after this was asked for", milliseconds(entry.at - operation.invoked)),
        };
        format!(
            "The log has {key} = {value} since index {} of region {}, applied {when}",
            entry.index, entry.region_id
        )
    }
}

/// For each operation, how many entries the log had with its own.
fn match_writes(history: &History, log: &[Applied]) -> Result<Vec<Option<usize>>, Violation> {
    let mut places = vec![None; history.operations.len()];
    let mut written: BTreeMap<(&DataKey, Option<&Bytes>), Vec<usize>> = BTreeMap::new();
    for (place, entry) in (1..).zip(log) {
        for change in &entry.changes {
            if let Change::Set(key, value) = change {
                written.entry((key, value.as_ref())).or_default().push(place);
            }
        }
    }
    let mut asked: BTreeMap<(&DataKey, Option<&Bytes>), Vec<usize>> = BTreeMap::new();
    for (number, operation) in history.operations.iter().enumerate() {
        if let Some(write) = write(operation) {
            asked.entry(write).or_default().push(number);
        }
    }
    for (write, points) in written {
        let mut waiting = asked.get(&write).cloned().unwrap_or_default();
        for place in points {
            let entry = &log[place - 1];
            // Whoever must be served first: earliest deadline first finds an assignment if there is one.
            let deadline = |number: usize| match &history.operations[number] {
                Operation { outcome: Outcome::Ok(_), returned, .. } => *returned,
                _ => Micros::MAX,
            };
            let open = waiting.iter().enumerate().filter(|&(_, &number)| {
                history.operations[number].invoked <= entry.at && entry.at <= deadline(number)
            });
            let Some((at, number)) =
                open.map(|(at, &number)| (at, number)).min_by_key(|&(_, number)| deadline(number))
            else {
                return Err(unasked(history, write, entry));
            };
            waiting.remove(at);
            places[number] = Some(place);
        }
    }
    let is_missing = |number: &usize| {
        let operation = &history.operations[*number];
        write(operation).is_some() && matches!(operation.outcome, Outcome::Ok(_)) && places[*number].is_none()
    };
    match (0..places.len()).find(is_missing) {
        Some(number) => Err(once(format!(
            "{}. No entry of the log that was applied in that time says so: the write is lost",
            history.operations[number]
        ))),
        None => Ok(places),
    }
}

/// What an operation sets, or may have set.
fn write(operation: &Operation) -> Option<(&DataKey, Option<&Bytes>)> {
    match (&operation.call, &operation.outcome) {
        (_, Outcome::Failed) | (Call::Cas { .. }, Outcome::Ok(Answer::Swapped { done: false, .. })) => None,
        (Call::Put { key, value } | Call::Cas { key, value, .. }, _) => Some((key, Some(value))),
        (Call::Delete { key }, _) => Some((key, None)),
        (Call::Get { .. } | Call::Scan(_), _) => None,
    }
}

fn unasked(history: &History, (key, value): (&DataKey, Option<&Bytes>), entry: &Applied) -> Violation {
    let asks = |operation: &&Operation| match &operation.call {
        Call::Put { key: at, value: to } | Call::Cas { key: at, value: to, .. } => {
            at == key && Some(to) == value
        }
        Call::Delete { key: at } => at == key && value.is_none(),
        Call::Get { .. } | Call::Scan(_) => false,
    };
    let mut asking = history.operations.iter().filter(asks);
    let refused = asking.clone().find(|operation| operation.outcome == Outcome::Failed);
    let why = match (refused, asking.next()) {
        (Some(refused), _) => format!("it was refused as without effect ({refused})"),
        (None, Some(other)) => format!("it takes effect twice, or outside its time ({other})"),
        (None, None) => "nobody asked for it".to_owned(),
    };
    let what = match value {
        Some(value) => format!("{key} = {}", value_text(Some(value))),
        None => format!("the deletion of {key}"),
    };
    once(format!(
        "The log has {what} at index {} of region {}, applied at {}, and {why}",
        entry.index,
        entry.region_id,
        milliseconds(entry.at)
    ))
}

fn explains(seen: String) -> Violation {
    Violation { rule: &LOG_EXPLAINS, node: 0, seen }
}

fn once(seen: String) -> Violation {
    Violation { rule: &WRITTEN_ONCE, node: 0, seen }
}
