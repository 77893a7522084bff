//! One peer's log and states on disk: what Raft reads through [`raft::Storage`], and the one place that writes a `Ready`.
//!
//! | file | what it tells |
//! |---|---|
//! | `init.rs` | what a peer finds on disk when it starts, the checks on it, and what a new region starts with |
//! | `entries.rs` | log entries: appending, and reading them back |
//! | `cache.rs` | the end of the log, in memory |
//! | `round.rs` | what a round collects for both databases, and for memory after them |
//! | `ready.rs` | one `Ready` as part of a round |
//! | `snapshot.rs` | making a snapshot, and installing one |
//! | `clear.rs` | forgetting a peer's log and states, and data outside its region |
//!
//! # One round
//!
//! ```text
//! for each peer with a Ready:  ctx = storage.save_ready_state(&ready, &mut writes)?      batches only
//! kvdb.write(writes.kv), kvdb.sync()        if there is anything in it
//! raftdb.write(writes.raft), raftdb.sync()  sync if writes.sync_raft
//! for each such peer:          storage.post_ready(ctx)                                   memory only
//!                              then messages, then committed entries, then `advance`
//! ```
//!
//! kvdb goes first because installing a snapshot deletes log entries: see [`PeerStorage::apply_snapshot`]. If a write or a sync
//! fails, the store must stop: the entry cache already shows what was to be written.

mod cache;
mod clear;
mod entries;
mod init;
mod ready;
mod round;
mod snapshot;

pub use clear::clear_meta;
pub use init::{applying_snapshot, applying_snapshots, write_initial_apply_state, write_initial_raft_state};
pub use round::{ApplySnapResult, InvokeContext, RoundWrites, SnapState};

pub use crate::raftstore::task::JobStatus;

use std::cell::RefCell;

use proto::eraftpb::{ConfState, Entry, Snapshot};
use proto::metapb::Region;
use proto::raft_serverpb::{RaftApplyState, RaftLocalState, RaftTruncatedState};
use raft::{RaftState, StorageError};

use super::RegionId;
use super::task::RegionTask;
use crate::engine::Engines;
use crate::worker::Scheduler;
use cache::EntryCache;
use round::SnapWork;

/// One peer's log and states.
///
/// ```text
///     deleted │ still on disk, not needed │ the log
///  ───────────┼───────────────────────────┼──────────────┬───────────────┤
///       raft_gc_key                truncated_index  applied_index    last_index
/// ```
///
/// Invariants ([`PeerStorage::check`]):
/// 1. `truncated_index ≤ applied_index ≤ last_index`;
/// 2. `commit ≤ last_index`;
/// 3. `last_term ≤ term`.
pub struct PeerStorage {
    engines: Engines,
    region_scheduler: Scheduler<RegionTask>,
    /// Region and peer, for messages to people.
    tag: String,

    // ---- kvdb, written by the apply side, and by the installation of a snapshot ----
    /// Under `region_state_key`. No peers: created by a message, and waiting for its first snapshot.
    region: Region,
    /// Under `apply_state_key`. Behind what the apply side has written, until it reports.
    apply_state: RaftApplyState,

    // ---- raftdb, written with each `Ready` ----
    /// Under `raft_state_key`.
    raft_state: RaftLocalState,

    // ---- derived ----
    /// Term of the entry at `applied_index`.
    applied_term: u64,
    /// Term of the entry at `last_index`.
    last_term: u64,

    // ---- volatile ----
    cache: EntryCache,
    snap: RefCell<SnapWork>,
}

impl PeerStorage {
    /// The region, as far as this peer knows: without peers (and range) until its first snapshot, if a message created it.
    pub fn region(&self) -> &Region {
        &self.region
    }

    /// The apply side has changed the region. Memory only: kvdb has it already.
    pub fn set_region(&mut self, region: Region) {
        assert_eq!(region.id, self.region_id(), "{}: another region", self.tag);
        self.region = region;
    }

    /// Id of the region.
    pub fn region_id(&self) -> RegionId {
        self.region.id
    }

    /// Whether it has ever known the members of its region: whether it has, or has had, any data.
    pub fn is_initialized(&self) -> bool {
        !self.region.peers.is_empty()
    }

    /// Hard state and last index, as written.
    pub fn raft_state(&self) -> &RaftLocalState {
        &self.raft_state
    }

    /// What the apply side has written, as far as it has reported.
    pub fn apply_state(&self) -> &RaftApplyState {
        &self.apply_state
    }

    /// Last index that has been applied.
    pub fn applied_index(&self) -> u64 {
        self.apply_state.applied_index
    }

    /// Term of the entry at `applied_index`.
    pub fn applied_term(&self) -> u64 {
        self.applied_term
    }

    /// Last index that is not part of the log any more; entries up to it may still be on disk.
    pub fn truncated_index(&self) -> u64 {
        self.truncated().index
    }

    /// Term of the entry at `truncated_index`.
    pub fn truncated_term(&self) -> u64 {
        self.truncated().term
    }

    /// Last index of the log, as written.
    pub fn last_written_index(&self) -> u64 {
        self.raft_state.last_index
    }

    /// The apply side has applied and written entries. Memory only: kvdb has it already.
    pub fn set_applied(&mut self, apply_state: RaftApplyState, applied_term: u64) {
        assert!(
            apply_state.applied_index >= self.applied_index(),
            "{}: applied index regression {} → {}",
            self.tag,
            self.applied_index(),
            apply_state.applied_index
        );
        self.apply_state = apply_state;
        self.applied_term = applied_term;
        self.check();
    }

    /// Drops entries below `index` from memory; they are read from disk if somebody still asks.
    pub fn compact_cache_to(&mut self, index: u64) {
        self.cache.compact_to(index);
    }

    /// Asserts the invariants that the type lists, in debug builds.
    pub fn check(&self) {
        let (truncated, applied, last) =
            (self.truncated_index(), self.applied_index(), self.raft_state.last_index);
        let hard_state = self.raft_state.hard_state.unwrap_or_default();
        debug_assert!(truncated <= applied, "{}: truncated {truncated} > applied {applied}", self.tag);
        debug_assert!(applied <= last, "{}: applied {applied} > last {last}", self.tag);
        debug_assert!(hard_state.commit <= last, "{}: commit {} > last {last}", self.tag, hard_state.commit);
        debug_assert!(
            self.last_term <= hard_state.term,
            "{}: the last entry is of term {}, but the term is {}",
            self.tag,
            self.last_term,
            hard_state.term
        );
    }

    fn truncated(&self) -> RaftTruncatedState {
        self.apply_state.truncated_state.unwrap_or_default()
    }
}

impl raft::Storage for PeerStorage {
    fn initial_state(&self) -> raft::Result<RaftState> {
        let mut hard_state = self.raft_state.hard_state.unwrap_or_default();
        // The commit index is written without a sync, so kvdb may remember more; what is applied is committed.
        hard_state.commit = hard_state.commit.max(self.applied_index());
        Ok(RaftState { hard_state, conf_state: conf_state_of(&self.region) })
    }

    fn entries(&self, low: u64, high: u64, max_bytes: u64) -> raft::Result<Vec<Entry>> {
        self.load_entries(low, high, max_bytes)
    }

    fn term(&self, index: u64) -> raft::Result<u64> {
        self.load_term(index)
    }

    fn first_index(&self) -> raft::Result<u64> {
        Ok(self.truncated_index() + 1)
    }

    fn last_index(&self) -> raft::Result<u64> {
        Ok(self.raft_state.last_index)
    }

    fn snapshot(&self) -> raft::Result<Snapshot> {
        self.generated_snapshot()
    }
}

/// The members of a region in Raft's words.
pub fn conf_state_of(region: &Region) -> ConfState {
    ConfState { voters: region.peers.iter().map(|peer| peer.id).collect(), learners: Vec::new() }
}

/// What Raft is told when the engine cannot answer.
fn failed(error: impl std::fmt::Display) -> raft::Error {
    StorageError::Failed(error.to_string()).into()
}
