//! What clients asked for and what they were told: the record that linearizability is judged by.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use bytes::Bytes;
use kv::engine::Cf;

use super::observe::Micros;

/// A key of a column family. Keys of different families never meet.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct DataKey {
    /// Column family.
    pub cf: Cf,
    /// Key in it.
    pub key: Bytes,
}

impl DataKey {
    /// A key of the default family.
    pub fn new(key: impl Into<Bytes>) -> DataKey {
        DataKey { cf: Cf::Default, key: key.into() }
    }
}

/// What a client asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Call {
    /// The value of a key.
    Get {
        /// Which.
        key: DataKey,
    },
    /// Sets a key.
    Put {
        /// Which.
        key: DataKey,
        /// To what. Histories are judged far faster if no value is written twice.
        value: Bytes,
    },
    /// Removes a key.
    Delete {
        /// Which.
        key: DataKey,
    },
    /// Sets a key if it has the expected value.
    Cas {
        /// Which.
        key: DataKey,
        /// What it must be; `None`: absent.
        expected: Option<Bytes>,
        /// What it becomes then.
        value: Bytes,
    },
    /// Pairs of a range, at one moment.
    Scan(Range),
}

/// The range of a scan.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Range {
    /// Column family.
    pub cf: Cf,
    /// First key.
    pub start: Bytes,
    /// Key behind the last; empty: to the end.
    pub end: Bytes,
    /// At most so many pairs.
    pub limit: usize,
    /// From the highest key downwards.
    pub reverse: bool,
}

impl Range {
    /// Whether `key` lies within the bounds.
    pub fn contains(&self, key: &DataKey) -> bool {
        self.cf == key.cf && key.key >= self.start && (self.end.is_empty() || key.key < self.end)
    }

    /// What such a scan finds in `data`.
    pub fn of(&self, data: &BTreeMap<DataKey, Bytes>) -> Vec<(Bytes, Bytes)> {
        let first = DataKey { cf: self.cf, key: self.start.clone() };
        let within = data.range(first..).take_while(|(key, _)| self.contains(key));
        let pairs = within.map(|(key, value)| (key.key.clone(), value.clone()));
        let pairs: Box<dyn Iterator<Item = _>> = if self.reverse {
            Box::new(pairs.collect::<Vec<_>>().into_iter().rev())
        } else {
            Box::new(pairs)
        };
        pairs.take(self.limit).collect()
    }
}

/// What a client was told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// To a get: the value, if there is one.
    Value(Option<Bytes>),
    /// To a put or delete: done.
    Done,
    /// To a compare-and-swap.
    Swapped {
        /// Whether the key had the expected value, and was set.
        done: bool,
        /// The value before.
        previous: Option<Bytes>,
    },
    /// To a scan: pairs, in the order asked for.
    Pairs(Vec<(Bytes, Bytes)>),
}

/// How an operation ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// With an answer.
    Ok(Answer),
    /// With an error that promises that nothing has happened, and nothing will.
    Failed,
    /// Without an answer, or with one that leaves open whether it takes effect, now or later.
    Unknown,
}

/// One operation of one client.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Operation {
    /// Who asked.
    pub client: u64,
    /// What for.
    pub call: Call,
    /// When it was asked for.
    pub invoked: Micros,
    /// When the outcome was known.
    pub returned: Micros,
    /// Which.
    pub outcome: Outcome,
}

/// Operations of all clients of a run.
#[derive(Clone, Debug, Default)]
pub struct History {
    /// In the order in which they ended.
    pub operations: Vec<Operation>,
    /// What the keys held before the first of them.
    pub initial: Arc<BTreeMap<DataKey, Bytes>>,
}

impl History {
    /// A history on an empty store.
    pub fn new(operations: Vec<Operation>) -> History {
        History { operations, initial: Arc::default() }
    }

    /// Records an operation that has ended. What is still under way when the run ends is to be recorded as unknown.
    pub fn push(&mut self, operation: Operation) {
        debug_assert!(operation.invoked <= operation.returned);
        self.operations.push(operation);
    }
}

/// `k3` for a key that can be printed, hexadecimal otherwise; so many bytes at most.
pub(super) fn text(bytes: &[u8]) -> String {
    const SHOWN: usize = 24;
    let shown = &bytes[..bytes.len().min(SHOWN)];
    let more = if bytes.len() > SHOWN { "…" } else { "" };
    match std::str::from_utf8(shown) {
        Ok(text) if text.chars().all(|letter| letter.is_ascii_graphic()) && !text.is_empty() => {
            format!("{text}{more}")
        }
        _ => format!("0x{}{more}", shown.iter().map(|byte| format!("{byte:02x}")).collect::<String>()),
    }
}

/// A value, or that there is none.
pub(super) fn value_text(value: Option<&[u8]>) -> String {
    value.map_or("nothing".to_owned(), text)
}

impl fmt::Display for DataKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.cf {
            Cf::Default => f.write_str(&text(&self.key)),
            cf => write!(f, "{}:{}", cf.name(), text(&self.key)),
        }
    }
}

impl fmt::Display for Call {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Call::Get { key } => write!(f, "get {key}"),
            Call::Put { key, value } => write!(f, "put {key} = {}", text(value)),
            Call::Delete { key } => write!(f, "delete {key}"),
            Call::Cas { key, expected, value } => {
                write!(
                    f,
                    "compare-and-swap {key} from {} to {}",
                    value_text(expected.as_deref()),
                    text(value)
                )
            }
            Call::Scan(Range { start, end, limit, reverse, .. }) => {
                let end = if end.is_empty() { "the end".to_owned() } else { text(end) };
                let start = if start.is_empty() { "the start".to_owned() } else { text(start) };
                let order = if *reverse { " backwards" } else { "" };
                write!(f, "scan from {start} to {end}{order}, at most {limit} pairs")
            }
        }
    }
}

impl fmt::Display for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Answer::Value(value) => f.write_str(&value_text(value.as_deref())),
            Answer::Done => f.write_str("done"),
            Answer::Swapped { done, previous } => {
                let done = if *done { "swapped" } else { "not swapped" };
                write!(f, "{done}, the value was {}", value_text(previous.as_deref()))
            }
            Answer::Pairs(pairs) => {
                let pairs: Vec<String> =
                    pairs.iter().map(|(key, value)| format!("{}={}", text(key), text(value))).collect();
                write!(f, "[{}]", pairs.join(" "))
            }
        }
    }
}

impl fmt::Display for Operation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Operation { client, call, invoked, returned, outcome } = self;
        write!(f, "client {client}: {call}, asked at {}, ", milliseconds(*invoked))?;
        match outcome {
            Outcome::Ok(answer) => write!(f, "answered at {}: {answer}", milliseconds(*returned)),
            Outcome::Failed => write!(f, "refused at {}", milliseconds(*returned)),
            Outcome::Unknown => f.write_str("outcome unknown"),
        }
    }
}

/// A moment, as `12.345 ms`.
pub(super) fn milliseconds(at: Micros) -> String {
    format!("{}.{:03} ms", at / 1000, at % 1000)
}
