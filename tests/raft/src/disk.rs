//! A disk that tells what is durable from what was merely written.
//!
//! Writes go into a queue, and are visible to the peer at once; [`Disk::sync`] makes all of them durable, and a crash
//! keeps a *prefix* of the queue. That is how a journal behaves which ends at its first bad record.

use std::collections::VecDeque;
use std::sync::Arc;

use bytes::Bytes;
use proto::eraftpb::{ConfState, Entry, HardState, Snapshot, SnapshotMetadata};
use raft::{Index, LogId, RaftState, Ready, Storage, StorageError, Term, limit_bytes};

/// Everything that one peer keeps on disk: its log, its hard state, and its state machine.
///
/// The state machine is a digest of all commands applied so far (see [`chain`]): two peers that applied the same
/// commands have the same digest. A snapshot carries it as its data.
#[derive(Clone, Debug, Default, Hash)]
pub struct Image {
    /// Term, vote and commit index.
    pub hard_state: HardState,
    /// The log starts behind this entry.
    pub base: LogId,
    /// The log; `entries[0]` has index `base.index + 1`.
    pub entries: Vec<Entry>,
    /// What the state machine has applied.
    pub applied: LogId,
    /// Digest of the commands applied.
    pub digest: u64,
    /// Membership as of `applied`.
    pub conf_state: Arc<ConfState>,
}

/// Digest of a log up to an entry, from the digest `before` it. Equal digests mean equal logs.
pub fn chain(before: u64, entry: &Entry) -> u64 {
    let mut digest = before ^ 0x9e37_79b9_7f4a_7c15;
    for part in [entry.index, entry.term, entry.entry_type as u64, entry.data.len() as u64] {
        digest = mix(digest ^ part);
    }
    let mut chunks = entry.data.chunks_exact(8);
    for chunk in &mut chunks {
        digest = mix(digest ^ u64::from_le_bytes(chunk.try_into().expect("8 bytes")));
    }
    chunks.remainder().iter().fold(digest, |digest, &byte| mix(digest ^ u64::from(byte)))
}

/// Scrambles 64 bits, so that a change of any bit changes all.
pub fn mix(bits: u64) -> u64 {
    let bits = (bits ^ (bits >> 32)).wrapping_mul(0xd6e8_feb8_6659_fd93);
    let bits = (bits ^ (bits >> 29)).wrapping_mul(0xa076_1d64_78bd_642f);
    bits ^ (bits >> 32)
}

/// Digest of the state machine that `snapshot` carries; `None` if its data is not what a peer's disk made.
pub fn snapshot_digest(snapshot: &Snapshot) -> Option<u64> {
    Some(u64::from_be_bytes(snapshot.data.as_ref().try_into().ok()?))
}

/// Index and term that `snapshot` stands at; zeros if it has no metadata.
pub fn snapshot_id(snapshot: &Snapshot) -> LogId {
    snapshot.metadata.as_ref().map_or(LogId::default(), |meta| LogId { term: meta.term, index: meta.index })
}

/// One queued write.
#[derive(Clone, Debug, Hash)]
enum Write {
    Append(Vec<Entry>),
    HardState(HardState),
    Install(Snapshot),
    Compact(LogId),
    Applied {
        id: LogId,
        digest: u64,
        conf_state: Arc<ConfState>,
    },
    /// Several writes of which a crash keeps all or none.
    Batch(Vec<Write>),
}

impl Image {
    /// Index of the last entry.
    pub fn last_index(&self) -> Index {
        self.base.index + self.entries.len() as u64
    }

    /// Term of the entry at `index`, if the log, or the position before it, has it.
    pub fn term(&self, index: Index) -> Option<Term> {
        match index.checked_sub(self.base.index)? {
            0 => Some(self.base.term),
            nth => self.entries.get(nth as usize - 1).map(|entry| entry.term),
        }
    }

    /// Does `write`, and returns the first index of the log that may have changed.
    fn apply(&mut self, write: &Write) -> Index {
        match write {
            Write::Append(entries) => return self.append(entries),
            Write::HardState(hard_state) => self.hard_state = *hard_state,
            Write::Install(snapshot) => return self.install(snapshot),
            Write::Compact(id) => self.compact(*id),
            Write::Applied { id, digest, conf_state } => {
                (self.applied, self.digest, self.conf_state) = (*id, *digest, conf_state.clone());
            }
            Write::Batch(writes) => {
                return writes.iter().fold(Index::MAX, |first, write| first.min(self.apply(write)));
            }
        }
        Index::MAX
    }

    fn append(&mut self, entries: &[Entry]) -> Index {
        let Some(first) = entries.first() else { return Index::MAX };
        // Rules check what a Ready hands out before it is written: these cases never get here with the checks on.
        let keep = first.index.saturating_sub(self.base.index + 1) as usize;
        self.entries.truncate(keep);
        self.entries.extend(entries.iter().filter(|entry| entry.index > self.base.index).cloned());
        first.index
    }

    fn install(&mut self, snapshot: &Snapshot) -> Index {
        self.base = snapshot_id(snapshot);
        self.entries.clear();
        self.applied = self.base;
        self.digest = snapshot_digest(snapshot).unwrap_or_default();
        let conf_state = snapshot.metadata.as_ref().and_then(|meta| meta.conf_state.clone());
        self.conf_state = Arc::new(conf_state.unwrap_or_default());
        self.hard_state.term = self.hard_state.term.max(self.base.term);
        self.hard_state.commit = self.hard_state.commit.max(self.base.index);
        0
    }

    fn compact(&mut self, id: LogId) {
        let drop = id.index.saturating_sub(self.base.index) as usize;
        self.entries.drain(..drop.min(self.entries.len()));
        self.base = id;
    }
}

/// A disk; see the head of this file.
#[derive(Clone, Debug, Hash)]
pub struct Disk {
    view: Image,
    durable: Image,
    queue: VecDeque<Write>,
    /// First index of the durable log that may have changed since the checks last looked.
    changed: Index,
    /// While set, [`Storage::snapshot`] says that the snapshot is still being made.
    pub snapshot_busy: bool,
}

impl Disk {
    /// The disk of a peer of a fresh group.
    pub fn new(voters: &[u64]) -> Disk {
        Disk::with_conf_state(ConfState { voters: voters.to_vec(), learners: Vec::new() })
    }

    /// The disk of a peer of a fresh group with the given members. A peer that joins later starts with an empty one.
    pub fn with_conf_state(conf_state: ConfState) -> Disk {
        let image = Image { conf_state: Arc::new(conf_state), ..Image::default() };
        Disk::from_image(image)
    }

    /// A disk on which `image` is durable.
    pub fn from_image(image: Image) -> Disk {
        Disk { view: image.clone(), durable: image, queue: VecDeque::new(), changed: 0, snapshot_busy: false }
    }

    fn push(&mut self, write: Write) {
        self.view.apply(&write);
        self.queue.push_back(write);
    }

    /// Writes entries: they replace what stands at and after the first of them.
    pub fn append(&mut self, entries: &[Entry]) {
        if !entries.is_empty() {
            self.push(Write::Append(entries.to_vec()));
        }
    }

    /// Writes term, vote and commit index.
    pub fn set_hard_state(&mut self, hard_state: HardState) {
        self.push(Write::HardState(hard_state));
    }

    /// Writes what `ready` hands out, as one batch: a crash keeps all of it or none.
    pub fn write_ready(&mut self, ready: &Ready) {
        let mut batch = Vec::new();
        batch.extend(ready.snapshot.clone().map(Write::Install));
        if !ready.entries.is_empty() {
            batch.push(Write::Append(ready.entries.clone()));
        }
        batch.extend(ready.hard_state.map(Write::HardState));
        if !batch.is_empty() {
            self.push(Write::Batch(batch));
        }
    }

    /// Writes a snapshot: it replaces log, state machine and membership.
    pub fn install_snapshot(&mut self, snapshot: Snapshot) {
        self.push(Write::Install(snapshot));
    }

    /// Writes the state machine: everything up to `id` is applied, `digest` sums it up, and the membership is
    /// `conf_state`, if that has changed. All or nothing.
    pub fn set_applied(&mut self, id: LogId, digest: u64, conf_state: Option<ConfState>) {
        let conf_state = conf_state.map_or_else(|| self.view.conf_state.clone(), Arc::new);
        self.push(Write::Applied { id, digest, conf_state });
    }

    /// Drops the entries up to `index`, which must be applied.
    pub fn compact(&mut self, index: Index) {
        assert!(index <= self.view.applied.index, "compacting {index}, which is not applied");
        if index > self.view.base.index {
            let term = self.view.term(index).expect("applied entries behind the base are in the log");
            self.push(Write::Compact(LogId { term, index }));
        }
    }

    /// Makes every write so far durable.
    pub fn sync(&mut self) {
        self.settle(usize::MAX);
    }

    /// Writes that a crash may lose.
    pub fn unsynced(&self) -> usize {
        self.queue.len()
    }

    /// The process dies: the first `keep` unsynced writes survive.
    pub fn crash(&mut self, keep: usize) {
        self.settle(keep);
        self.queue.clear();
        self.view = self.durable.clone();
        self.changed = 0;
    }

    fn settle(&mut self, writes: usize) {
        for write in self.queue.drain(..writes.min(self.queue.len())) {
            self.changed = self.changed.min(self.durable.apply(&write));
        }
    }

    /// What would survive a crash now.
    pub fn durable(&self) -> &Image {
        &self.durable
    }

    /// What the peer sees.
    pub fn view(&self) -> &Image {
        &self.view
    }

    /// First index of the durable log that may have changed since the last call.
    pub(crate) fn take_changed(&mut self) -> Index {
        std::mem::replace(&mut self.changed, Index::MAX)
    }
}

impl Storage for Disk {
    fn initial_state(&self) -> raft::Result<RaftState> {
        let conf_state = self.view.conf_state.as_ref().clone();
        Ok(RaftState { hard_state: self.view.hard_state, conf_state })
    }

    fn entries(&self, low: Index, high: Index, max_bytes: u64) -> raft::Result<Vec<Entry>> {
        if low <= self.view.base.index {
            return Err(StorageError::Compacted.into());
        }
        if high > self.view.last_index() + 1 {
            return Err(StorageError::Unavailable.into());
        }
        let base = self.view.base.index + 1;
        let wanted = &self.view.entries[(low - base) as usize..(high.max(low) - base) as usize];
        Ok(wanted[..limit_bytes(wanted, max_bytes)].to_vec())
    }

    fn term(&self, index: Index) -> raft::Result<Term> {
        if index < self.view.base.index {
            return Err(StorageError::Compacted.into());
        }
        Ok(self.view.term(index).ok_or(StorageError::Unavailable)?)
    }

    fn first_index(&self) -> raft::Result<Index> {
        Ok(self.view.base.index + 1)
    }

    fn last_index(&self) -> raft::Result<Index> {
        Ok(self.view.last_index())
    }

    fn snapshot(&self) -> raft::Result<Snapshot> {
        if self.snapshot_busy {
            return Err(StorageError::SnapshotTemporarilyUnavailable.into());
        }
        let LogId { term, index } = self.view.applied;
        let metadata =
            SnapshotMetadata { conf_state: Some(self.view.conf_state.as_ref().clone()), index, term };
        Ok(Snapshot {
            data: Bytes::copy_from_slice(&self.view.digest.to_be_bytes()),
            metadata: Some(metadata),
        })
    }
}
