//! What a round of the poller collects: writes for both databases, and what memory takes over once they are durable.

use std::sync::Arc;
use std::sync::mpsc::Receiver;

use proto::eraftpb::Snapshot;
use proto::metapb::Region;
use proto::raft_serverpb::{RaftApplyState, RaftLocalState};

use super::PeerStorage;
use crate::engine::{Cf, WriteBatch};
use crate::raftstore::RegionId;
use crate::raftstore::meta::keys;
use crate::raftstore::msg::GenSnapTask;
use crate::raftstore::task::Job;

/// Writes of one round, of all its peers. Whoever owns it writes `kv` first, and syncs it, if there is anything in it; then
/// `raft`, synced if `sync_raft`; and only then acts on any of it.
#[derive(Debug, Default)]
pub struct RoundWrites {
    /// For kvdb: installations of snapshots, and peers that go away.
    pub kv: WriteBatch,
    /// For raftdb.
    pub raft: WriteBatch,
    /// Whether some peer has promised something that rests on `raft`.
    pub sync_raft: bool,
}

impl RoundWrites {
    /// Whether there is nothing to write.
    pub fn is_empty(&self) -> bool {
        self.kv.is_empty() && self.raft.is_empty()
    }
}

/// The states of one peer as they will be once the round's writes are durable.
#[derive(Clone, Debug, PartialEq)]
pub struct InvokeContext {
    /// Its region.
    pub region_id: RegionId,
    /// Hard state and last index.
    pub raft_state: RaftLocalState,
    /// Changed only by a snapshot.
    pub apply_state: RaftApplyState,
    /// Term of the last entry.
    pub last_term: u64,
    /// Region as of the snapshot, if there is one.
    pub snap_region: Option<Region>,
}

impl InvokeContext {
    /// The states as they are now.
    pub fn new(storage: &PeerStorage) -> InvokeContext {
        InvokeContext {
            region_id: storage.region_id(),
            raft_state: storage.raft_state,
            apply_state: storage.apply_state,
            last_term: storage.last_term,
            snap_region: None,
        }
    }

    /// Adds the Raft state to the writes for raftdb.
    pub(super) fn save_raft_state_to(&self, raft: &mut WriteBatch) {
        raft.put_msg(Cf::Raft, keys::raft_state_key(self.region_id), &self.raft_state);
    }

    /// Adds the Raft state as it is at the snapshot, without the entries that follow it, to the writes for kvdb.
    pub(super) fn save_snapshot_raft_state_to(&self, kv: &mut WriteBatch) {
        let last_index = self.apply_state.applied_index;
        let mut hard_state = self.raft_state.hard_state.unwrap_or_default();
        // Entries that follow in the same `Ready` may be committed already, but they are not in this database.
        hard_state.commit = last_index;
        let copy = RaftLocalState { hard_state: Some(hard_state), last_index };
        kv.put_msg(Cf::Raft, keys::snapshot_raft_state_key(self.region_id), &copy);
    }

    /// Adds the apply state to the writes for kvdb.
    pub(super) fn save_apply_state_to(&self, kv: &mut WriteBatch) {
        kv.put_msg(Cf::Raft, keys::apply_state_key(self.region_id), &self.apply_state);
    }
}

/// A snapshot is down: its data is being put in place.
#[derive(Clone, Debug, PartialEq)]
pub struct ApplySnapResult {
    /// The region before.
    pub prev_region: Region,
    /// The region now.
    pub region: Region,
}

/// What a peer has to do with snapshots at the moment.
///
/// ```text
///            Raft asks for one                    a Ready brings one
///  Relax ─────────────────────► Generating  Relax ──────────────────► Applying ──► Relax
///    ▲     taken, or failed         │                                    │ cancelled
///    └──────────────────────────────┘                                    └──► ApplyAborted
/// ```
#[derive(Debug, Default)]
pub enum SnapState {
    /// Nothing.
    #[default]
    Relax,
    /// It waits for one that it can send.
    Generating(Receiver<Snapshot>),
    /// It waits until the data of one that it received is in place.
    Applying(Arc<Job>),
    /// It was told to stop installing one, because it goes away.
    ApplyAborted,
}

/// Snapshot state behind `&self`: Raft asks its storage for a snapshot, and asking starts one.
#[derive(Debug, Default)]
pub(super) struct SnapWork {
    pub(super) state: SnapState,
    /// Waits to be handed to the apply side.
    pub(super) task: Option<GenSnapTask>,
    /// Attempts since the last one that gave a snapshot.
    pub(super) attempts: u32,
}
