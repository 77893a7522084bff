//! The end of the log that is not on disk yet.

use proto::eraftpb::{Entry, Snapshot};

use crate::types::{Index, LogId, Term};

/// Entries, and possibly a snapshot before them, that the caller has not reported as durable. Volatile.
///
/// `entries[i]` has index `offset + i`. A snapshot, if there is one, has index `offset - 1` when it comes in.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Unstable {
    /// Received from the leader, not installed yet.
    pub snapshot: Option<Snapshot>,
    /// Not on disk yet, in order, without gaps.
    pub entries: Vec<Entry>,
    /// Index of the first of `entries`, or of the next one to come.
    pub offset: Index,
}

impl Unstable {
    /// Nothing to write; the disk holds everything below `offset`.
    pub fn new(offset: Index) -> Unstable {
        Unstable { snapshot: None, entries: Vec::new(), offset }
    }

    /// Position of the snapshot, if one is waiting.
    pub fn snapshot_id(&self) -> Option<LogId> {
        let meta = self.snapshot.as_ref()?.metadata.as_ref()?;
        Some(LogId { term: meta.term, index: meta.index })
    }

    /// Last index known here; `None` if the disk knows better.
    pub fn last_index(&self) -> Option<Index> {
        match self.entries.len() as u64 {
            0 => self.snapshot_id().map(|id| id.index),
            count => Some(self.offset + count - 1),
        }
    }

    /// Term of the entry at `index`, if it is here.
    pub fn term(&self, index: Index) -> Option<Term> {
        if index < self.offset {
            return self.snapshot_id().filter(|id| id.index == index).map(|id| id.term);
        }
        self.entries.get((index - self.offset) as usize).map(|entry| entry.term)
    }

    /// Replaces what stands at and after the first of `entries`, on disk or not, by `entries`.
    pub fn truncate_and_append(&mut self, entries: Vec<Entry>) {
        let Some(first) = entries.first().map(|entry| entry.index) else { return };
        if first <= self.offset {
            // What is on disk from `first` on is replaced when the caller writes these.
            self.offset = first;
            self.entries = entries;
        } else {
            self.entries.truncate((first - self.offset) as usize);
            self.entries.extend(entries);
        }
    }

    /// The entries up to `id` are on disk. If `id` has been replaced in the meantime, what is on disk is outdated, and
    /// nothing changes.
    pub fn stable_to(&mut self, id: LogId) {
        let written = id.index >= self.offset && self.term(id.index) == Some(id.term);
        if written {
            self.entries.drain(..(id.index + 1 - self.offset) as usize);
            self.offset = id.index + 1;
        }
    }

    /// The snapshot at `index` is on disk.
    pub fn stable_snapshot_to(&mut self, index: Index) {
        if self.snapshot_id().is_some_and(|id| id.index == index) {
            self.snapshot = None;
        }
    }

    /// Forgets all entries in favour of a snapshot.
    pub fn restore(&mut self, snapshot: Snapshot) {
        self.offset = snapshot.metadata.as_ref().map_or(0, |meta| meta.index) + 1;
        self.entries.clear();
        self.snapshot = Some(snapshot);
    }

    /// Entries `low..high`, all of which must be here.
    pub fn slice(&self, low: Index, high: Index) -> &[Entry] {
        &self.entries[(low - self.offset) as usize..(high - self.offset) as usize]
    }
}
