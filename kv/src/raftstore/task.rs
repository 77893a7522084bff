//! What the background workers of a store are asked to do.

use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::sync::mpsc::SyncSender;

use proto::eraftpb::Snapshot;
use proto::metapb;
use proto::raft_serverpb::RaftApplyState;

use super::RegionId;
use crate::engine;

/// For the region worker: snapshots, and ranges to be cleared.
pub enum RegionTask {
    /// Write a region's data to a snapshot file.
    Generate {
        /// The region, as of `snapshot`.
        region: metapb::Region,
        /// What had been applied, as of `snapshot`.
        apply_state: RaftApplyState,
        /// Term of the entry applied last.
        applied_term: u64,
        /// The data.
        snapshot: engine::Snapshot,
        /// Gets the snapshot message; dropped without one if generating failed.
        notifier: SyncSender<Snapshot>,
    },
    /// Replace a region's data by that of the snapshot that its `RegionLocalState` (*Applying*) is waiting for.
    Apply {
        /// Which.
        region_id: RegionId,
        /// Progress, and the way to cancel: a `JobStatus` as its number.
        status: Arc<AtomicUsize>,
    },
    /// Delete all data of `start_key..end_key`, which no region of this store holds any more.
    Destroy {
        /// Region that held it.
        region_id: RegionId,
        /// First key.
        start_key: Vec<u8>,
        /// Key behind the last; empty: to the end.
        end_key: Vec<u8>,
    },
}

impl std::fmt::Debug for RegionTask {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            RegionTask::Generate { region, .. } => write!(f, "Generate(region {})", region.id),
            RegionTask::Apply { region_id, .. } => write!(f, "Apply(region {region_id})"),
            RegionTask::Destroy { region_id, .. } => write!(f, "Destroy(region {region_id})"),
        }
    }
}

/// For the raftlog-gc worker: delete entries. Syncs kvdb first, because the Raft log is its redo log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RaftLogGcTask {
    /// Which region.
    pub region_id: RegionId,
    /// First entry that may still be there; 0: ask the database.
    pub start_index: u64,
    /// First entry to keep.
    pub end_index: u64,
}
