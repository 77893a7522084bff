//! What is on disk: the [`Storage`] trait, and [`MemStorage`], its simplest implementation.

use proto::eraftpb::{ConfState, Entry, HardState, Snapshot};

use crate::error::{Result, StorageError};
use crate::types::{Index, Term};

/// What a peer finds on disk when it starts.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct RaftState {
    /// Term, vote and commit index; all 0 on the first start.
    pub hard_state: HardState,
    /// Membership as of the last applied index.
    pub conf_state: ConfState,
}

/// The part of the log that is on disk. The core only reads it; the caller writes what [`Ready`](crate::Ready) hands out.
///
/// The log is one contiguous run of entries `first_index()..=last_index()`. What came before is in the snapshot, whose
/// index is `first_index() - 1`; only the *term* of that index is still known.
pub trait Storage {
    /// State as of the last write.
    fn initial_state(&self) -> Result<RaftState>;

    /// Entries `low..high`, cut to `max_bytes` of entry data, but never to nothing if `low < high`.
    ///
    /// # Errors
    /// `Compacted` if `low < first_index()`, `Unavailable` if `high > last_index() + 1`.
    fn entries(&self, low: Index, high: Index, max_bytes: u64) -> Result<Vec<Entry>>;

    /// Term of the entry at `index`, which may be `first_index() - 1`.
    ///
    /// # Errors
    /// `Compacted` below that, `Unavailable` above `last_index()`.
    fn term(&self, index: Index) -> Result<Term>;

    /// Index of the first entry that is still there; 1 while nothing was compacted.
    fn first_index(&self) -> Result<Index>;

    /// Index of the last entry; `first_index() - 1` if there is none.
    fn last_index(&self) -> Result<Index>;

    /// A snapshot to send to a peer that needs entries below `first_index()`.
    ///
    /// # Errors
    /// `SnapshotTemporarilyUnavailable` while it is being made: the core asks again later.
    fn snapshot(&self) -> Result<Snapshot>;
}

/// Keeps everything in memory. For tests, benchmarks and examples: what it holds is lost with the process.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct MemStorage {
    hard_state: HardState,
    conf_state: ConfState,
    snapshot: Snapshot,
    /// `entries[0]` has index `snapshot.index + 1`.
    entries: Vec<Entry>,
}

impl MemStorage {
    /// An empty log of a group with the given voters.
    pub fn new(voters: &[u64]) -> MemStorage {
        let conf_state = ConfState { voters: voters.to_vec(), learners: Vec::new() };
        MemStorage {
            hard_state: HardState::default(),
            conf_state,
            snapshot: Snapshot::default(),
            entries: Vec::new(),
        }
    }

    /// Sets term, vote and commit index.
    pub fn set_hard_state(&mut self, hard_state: HardState) {
        self.hard_state = hard_state;
    }

    /// Sets the membership, as applied.
    pub fn set_conf_state(&mut self, conf_state: ConfState) {
        self.conf_state = conf_state;
    }

    /// Writes `entries`, replacing what stands at and after the first of them.
    ///
    /// # Panics
    /// If they would leave a gap, or overwrite the snapshot.
    pub fn append(&mut self, entries: &[Entry]) {
        let Some(first) = entries.first() else { return };
        let base = self.snapshot_index() + 1;
        assert!(first.index >= base, "entry {} is in the snapshot at {}", first.index, base - 1);
        let keep = (first.index - base) as usize;
        assert!(
            keep <= self.entries.len(),
            "gap between {} and {}",
            self.entries.len() as u64 + base,
            first.index
        );
        self.entries.truncate(keep);
        self.entries.extend_from_slice(entries);
    }

    /// Replaces log and membership by a snapshot.
    pub fn apply_snapshot(&mut self, snapshot: Snapshot) {
        let meta = snapshot.metadata.clone().unwrap_or_default();
        self.conf_state = meta.conf_state.unwrap_or_default();
        self.hard_state.term = self.hard_state.term.max(meta.term);
        self.hard_state.commit = self.hard_state.commit.max(meta.index);
        self.snapshot = snapshot;
        self.entries.clear();
    }

    /// Drops the entries up to `index`, which must be applied, and keeps `data` as the state at `index`.
    ///
    /// # Errors
    /// As [`Storage::term`], if `index` is not in the log.
    pub fn compact(&mut self, index: Index, data: bytes::Bytes) -> Result<()> {
        let term = self.term(index)?;
        let dropped = index - self.snapshot_index();
        self.entries.drain(..dropped as usize);
        let metadata =
            proto::eraftpb::SnapshotMetadata { conf_state: Some(self.conf_state.clone()), index, term };
        self.snapshot = Snapshot { data, metadata: Some(metadata) };
        Ok(())
    }

    fn snapshot_index(&self) -> Index {
        self.snapshot.metadata.as_ref().map_or(0, |meta| meta.index)
    }

    fn snapshot_term(&self) -> Term {
        self.snapshot.metadata.as_ref().map_or(0, |meta| meta.term)
    }
}

impl Storage for MemStorage {
    fn initial_state(&self) -> Result<RaftState> {
        Ok(RaftState { hard_state: self.hard_state, conf_state: self.conf_state.clone() })
    }

    fn entries(&self, low: Index, high: Index, max_bytes: u64) -> Result<Vec<Entry>> {
        let base = self.snapshot_index() + 1;
        if low < base {
            return Err(StorageError::Compacted.into());
        }
        if high > base + self.entries.len() as u64 {
            return Err(StorageError::Unavailable.into());
        }
        let wanted = &self.entries[(low - base) as usize..(high.max(low) - base) as usize];
        Ok(wanted[..limit_bytes(wanted, max_bytes)].to_vec())
    }

    fn term(&self, index: Index) -> Result<Term> {
        let base = self.snapshot_index();
        if index < base {
            return Err(StorageError::Compacted.into());
        }
        if index == base {
            return Ok(self.snapshot_term());
        }
        let entry = self.entries.get((index - base - 1) as usize).ok_or(StorageError::Unavailable)?;
        Ok(entry.term)
    }

    fn first_index(&self) -> Result<Index> {
        Ok(self.snapshot_index() + 1)
    }

    fn last_index(&self) -> Result<Index> {
        Ok(self.snapshot_index() + self.entries.len() as u64)
    }

    fn snapshot(&self) -> Result<Snapshot> {
        Ok(self.snapshot.clone())
    }
}

/// How many of `entries`, from the front, fit into `max_bytes` of data: at least one, if there is one. An entry without
/// data counts as one byte.
pub fn limit_bytes(entries: &[Entry], max_bytes: u64) -> usize {
    let mut bytes = 0;
    let fits = |entry: &&Entry| {
        bytes += entry.data.len().max(1) as u64;
        bytes <= max_bytes
    };
    entries.iter().take_while(fits).count().max(1).min(entries.len())
}
