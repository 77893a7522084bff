//! The replicated log: what is on disk, what is not yet, and how far it is committed and applied.

use proto::eraftpb::{Entry, Snapshot};

use crate::error::{Result, StorageError};
use crate::storage::{Storage, limit_bytes};
use crate::types::{Index, LogId, Term};
use crate::unstable::Unstable;

/// One peer's log.
///
/// ```text
///    snapshot │ first                                             last
///    ─────────┼───────────────────────────┬─────────────────────────┤
///             │     on disk: `storage`    │  not yet: `unstable`    │
///    ─────────┴──────┬──────────┬─────────┴───────┬─────────────────┘
///                 applied    applying         committed
/// ```
///
/// Invariants ([`RaftLog::check`]):
/// 1. `applied ≤ applying ≤ committed ≤ last_index()`;
/// 2. the unstable entries follow each other and what is on disk without a gap.
#[derive(Clone, Debug, Hash)]
pub struct RaftLog<S: Storage> {
    storage: S,
    unstable: Unstable,
    /// Highest index known to be stored by a majority. Persisted in the hard state, and may fall behind in a crash.
    pub committed: Index,
    /// Highest index handed out for applying. Volatile.
    pub applying: Index,
    /// Highest index that the caller's state machine has applied. The caller persists it.
    pub applied: Index,
}

impl<S: Storage> RaftLog<S> {
    /// Opens the log that `storage` holds. Everything up to its snapshot counts as committed and applied.
    ///
    /// # Errors
    /// What the storage reports.
    pub fn new(storage: S) -> Result<RaftLog<S>> {
        let snapshot = storage.first_index()? - 1;
        let unstable = Unstable::new(storage.last_index()? + 1);
        Ok(RaftLog { storage, unstable, committed: snapshot, applying: snapshot, applied: snapshot })
    }

    /// First index whose entry is still in the log.
    pub fn first_index(&self) -> Index {
        match self.unstable.snapshot_id() {
            Some(id) => id.index + 1,
            None => self.storage.first_index().expect("storage knows its first index"),
        }
    }

    /// Last index of the log; that of the snapshot if no entry follows it.
    pub fn last_index(&self) -> Index {
        match self.unstable.last_index() {
            Some(index) => index,
            None => self.unstable.offset - 1,
        }
    }

    /// Term and index of the last entry.
    pub fn last_id(&self) -> LogId {
        let index = self.last_index();
        LogId { term: self.term(index).expect("the last entry has a term"), index }
    }

    /// Term of the entry at `index`. Known for the whole log, and for the last index of the snapshot before it.
    ///
    /// # Errors
    /// `Compacted` below that, `Unavailable` beyond the last entry.
    pub fn term(&self, index: Index) -> Result<Term> {
        if let Some(term) = self.unstable.term(index) {
            return Ok(term);
        }
        if index > self.last_index() {
            return Err(StorageError::Unavailable.into());
        }
        if index + 1 < self.first_index() {
            return Err(StorageError::Compacted.into());
        }
        self.storage.term(index)
    }

    /// Whether the log holds the entry that `id` names.
    pub fn matches(&self, id: LogId) -> bool {
        self.term(id.index).is_ok_and(|term| term == id.term)
    }

    /// Entries from `low` on, cut to `max_bytes` of data, but not to nothing if there are any.
    ///
    /// # Errors
    /// `Compacted` if the snapshot covers `low`.
    pub fn entries_from(&self, low: Index, max_bytes: u64) -> Result<Vec<Entry>> {
        self.slice(low, self.last_index() + 1, max_bytes)
    }

    /// Entries `low..high`, cut to `max_bytes` of data, but not to nothing if there are any.
    ///
    /// # Errors
    /// `Compacted` if the snapshot covers `low`.
    pub fn slice(&self, low: Index, high: Index, max_bytes: u64) -> Result<Vec<Entry>> {
        if low < self.first_index() {
            return Err(StorageError::Compacted.into());
        }
        if low >= high {
            return Ok(Vec::new());
        }
        let offset = self.unstable.offset;
        if low >= offset {
            let entries = self.unstable.slice(low, high);
            return Ok(entries[..limit_bytes(entries, max_bytes)].to_vec());
        }
        let mut entries = self.storage.entries(low, high.min(offset), max_bytes)?;
        let all_on_disk_taken = entries.len() as u64 == offset.min(high) - low;
        if high > offset && all_on_disk_taken {
            entries.extend_from_slice(self.unstable.slice(offset, high));
            entries.truncate(limit_bytes(&entries, max_bytes));
        }
        Ok(entries)
    }

    /// Whether a log that ends with `other` is at least as up to date as ours: its last term is higher, or equal with a
    /// last index that is not lower (paper §5.4.1).
    pub fn is_up_to_date(&self, other: LogId) -> bool {
        // `LogId` is ordered by term first.
        other >= self.last_id()
    }

    /// Adds entries behind `entries[0].index - 1`, and drops what stood there. Nothing committed may be dropped.
    ///
    /// A leader appends behind its last entry; a follower only through [`RaftLog::try_append`].
    pub fn append(&mut self, entries: Vec<Entry>) {
        let Some(first) = entries.first() else { return };
        assert!(first.index > self.committed, "entry {} would replace a committed one", first.index);
        assert!(first.index <= self.last_index() + 1, "entry {} leaves a gap", first.index);
        self.unstable.truncate_and_append(entries);
    }

    /// A follower's append: takes `entries`, which follow `prev` in the leader's log, if we hold `prev`, and returns the
    /// last index that is now known to match the leader's log; `None` if we do not hold `prev`.
    ///
    /// Only entries that *conflict* (same index, another term) are replaced, with all that follow them. An old message
    /// must not shorten a log that is longer, and right (paper §5.3).
    pub fn try_append(&mut self, prev: LogId, entries: Vec<Entry>) -> Option<Index> {
        if !self.matches(prev) {
            return None;
        }
        let last_new = prev.index + entries.len() as u64;
        let held = |entry: &Entry| self.matches(LogId { term: entry.term, index: entry.index });
        let known = entries.iter().take_while(|entry| held(entry)).count();
        let new = if known == 0 { entries } else { entries[known..].to_vec() };
        self.append(new);
        Some(last_new)
    }

    /// The highest index at or below `index` whose entry here has a term of at most `term`: below it the logs may agree,
    /// between it and `index` they cannot. Also returns that entry's term; 0 if it is compacted.
    pub fn last_agreeable(&self, index: Index, term: Term) -> LogId {
        let mut index = index.min(self.last_index());
        loop {
            match self.term(index) {
                Ok(ours) if ours > term => index -= 1,
                Ok(ours) => return LogId { term: ours, index },
                Err(_) => return LogId { term: 0, index },
            }
        }
    }

    /// Raises the commit index to `index`; never lowers it. The entry must be in the log.
    pub fn commit_to(&mut self, index: Index) {
        if index > self.committed {
            assert!(index <= self.last_index(), "commit {index} beyond the last entry {}", self.last_index());
            self.committed = index;
        }
    }

    /// A leader's commit rule: raises the commit index to `index`, which a majority has stored, if the entry there is of
    /// `term`, the leader's own (paper §5.4.2). Returns whether it did.
    pub fn maybe_commit(&mut self, index: Index, term: Term) -> bool {
        // An entry of an older term may be stored by a majority and still be overwritten (figure 8). It is committed by
        // an entry of our own term behind it.
        let own = self.matches(LogId { term, index });
        if index <= self.committed || !own {
            return false;
        }
        self.commit_to(index);
        true
    }

    /// Whether there are committed entries to hand out.
    pub fn has_next_committed(&self) -> bool {
        // A snapshot that is not installed yet comes before everything else.
        self.committed > self.applying && self.unstable.snapshot.is_none()
    }

    /// Hands out committed entries for applying, each once and in order: as many as fit into `max_bytes`, at least one if
    /// there is one.
    pub fn next_committed_entries(&mut self, max_bytes: u64) -> Vec<Entry> {
        if !self.has_next_committed() {
            return Vec::new();
        }
        let entries = self
            .slice(self.applying + 1, self.committed + 1, max_bytes)
            .expect("committed entries stay in the log until they are applied");
        self.applying += entries.len() as u64;
        entries
    }

    /// The state machine has applied everything up to `index`.
    pub fn applied_to(&mut self, index: Index) {
        assert!(index <= self.committed, "applied {index} before it was committed ({})", self.committed);
        self.applied = self.applied.max(index);
        self.applying = self.applying.max(index);
    }

    /// Entries that are not on disk yet.
    pub fn unstable_entries(&self) -> &[Entry] {
        &self.unstable.entries
    }

    /// Snapshot that is not installed yet.
    pub fn unstable_snapshot(&self) -> Option<&Snapshot> {
        self.unstable.snapshot.as_ref()
    }

    /// The entries up to `id` are on disk.
    pub fn stable_to(&mut self, id: LogId) {
        self.unstable.stable_to(id);
    }

    /// The snapshot at `index` is installed.
    pub fn stable_snapshot_to(&mut self, index: Index) {
        self.unstable.stable_snapshot_to(index);
    }

    /// Replaces the whole log by a snapshot. What it covers counts as committed, and as handed out for applying.
    pub fn restore(&mut self, snapshot: Snapshot) {
        self.unstable.restore(snapshot);
        self.committed = self.unstable.offset - 1;
        self.applying = self.committed;
    }

    /// The disk below.
    pub fn storage(&self) -> &S {
        &self.storage
    }

    /// The disk below, for the caller, who writes it.
    pub fn storage_mut(&mut self) -> &mut S {
        &mut self.storage
    }

    /// Asserts the invariants above.
    pub fn check(&self) {
        debug_assert!(
            self.applied <= self.applying,
            "1: applied {} > applying {}",
            self.applied,
            self.applying
        );
        debug_assert!(
            self.applying <= self.committed,
            "1: applying {} > committed {}",
            self.applying,
            self.committed
        );
        debug_assert!(
            self.committed <= self.last_index(),
            "1: committed {} > last {}",
            self.committed,
            self.last_index()
        );
        debug_assert!(
            self.unstable.entries.windows(2).all(|pair| pair[0].index + 1 == pair[1].index),
            "2: gap"
        );
    }
}
