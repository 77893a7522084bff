//! Snapshots, as the peer that makes or installs one sees them. The work on the data itself is the region worker's.

use std::sync::Arc;
use std::sync::mpsc::{TryRecvError, sync_channel};

use prost::Message;
use proto::eraftpb::Snapshot;
use proto::raft_serverpb::{PeerState, RaftSnapshotData, RaftTruncatedState, RegionLocalState};
use raft::StorageError;

use super::round::SnapWork;
use super::{InvokeContext, PeerStorage, RoundWrites, SnapState};
use crate::engine::Cf;
use crate::raftstore::meta::{keys, states};
use crate::raftstore::msg::GenSnapTask;
use crate::raftstore::task::{Job, JobStatus, RegionTask};
use crate::raftstore::{Error, Result};

impl PeerStorage {
    /// The snapshot that Raft may send, if one has been generated and is still of use. Otherwise asks for one, unless that is
    /// under way: the peer finds the request by [`PeerStorage::take_gen_snap_task`], and hands it to the apply side. If generating
    /// fails, or is forgotten, the channel to the notifier ends, and the next call asks again.
    ///
    /// # Errors
    /// `SnapshotTemporarilyUnavailable`, always but when there is one.
    pub(super) fn generated_snapshot(&self) -> raft::Result<Snapshot> {
        let unavailable = || Err(StorageError::SnapshotTemporarilyUnavailable.into());
        let work = &mut *self.snap.borrow_mut();
        match &work.state {
            SnapState::Applying(_) | SnapState::ApplyAborted => return unavailable(),
            SnapState::Generating(receiver) => match receiver.try_recv() {
                Err(TryRecvError::Empty) => return unavailable(),
                Ok(snapshot) if self.is_of_use(&snapshot) => {
                    *work = SnapWork::default();
                    return Ok(snapshot);
                }
                Ok(_) | Err(TryRecvError::Disconnected) => {
                    log::warn!("{}: attempt {} gave no snapshot of use", self.tag, work.attempts);
                }
            },
            SnapState::Relax => {}
        }
        let (notifier, receiver) = sync_channel(1);
        work.state = SnapState::Generating(receiver);
        work.task = Some(GenSnapTask { region_id: self.region_id(), notifier });
        work.attempts += 1;
        unavailable()
    }

    /// The request for a snapshot that the peer must hand to the apply side, once.
    pub fn take_gen_snap_task(&mut self) -> Option<GenSnapTask> {
        self.snap.get_mut().task.take()
    }

    /// Whether a follower can go on from `snapshot`: the log still holds the entries behind it, and it was made by the present
    /// members, as otherwise a new one would not find itself in it.
    fn is_of_use(&self, snapshot: &Snapshot) -> bool {
        let index = snapshot.metadata.as_ref().map_or(0, |meta| meta.index);
        let conf_ver = |region: &proto::metapb::Region| region.region_epoch.map_or(0, |epoch| epoch.conf_ver);
        let region = RaftSnapshotData::decode(&snapshot.data[..]).ok().and_then(|data| data.region);
        index >= self.truncated_index()
            && region.is_some_and(|region| conf_ver(&region) >= conf_ver(&self.region))
    }

    /// Starts to replace the peer by `snapshot`: adds to the round's writes that all its old states and entries go, that the region
    /// is the snapshot's, and is *Applying*, and puts into `ctx` what the states are then. The data follows later, by
    /// [`PeerStorage::post_ready`].
    ///
    /// # Crash
    ///
    /// kvdb is synced before raftdb is written. If the power goes before that sync, nothing has happened: the snapshot was not
    /// acknowledged, and comes again. If it goes between the two, kvdb says *Applying*, while raftdb still has the old log, which
    /// may even end before the applied index. Therefore the Raft state goes into kvdb as well, by itself, without the entries that
    /// may follow in the same `Ready`; the next start takes it in place of the old log if its commit index is the higher one. After
    /// both, the next start finds *Applying*, and puts the data in place again, from the beginning.
    ///
    /// # Errors
    /// [`Error::Invalid`] if this is no snapshot of this region; the engine's.
    pub fn apply_snapshot(
        &mut self,
        ctx: &mut InvokeContext,
        snapshot: &Snapshot,
        writes: &mut RoundWrites,
    ) -> Result<()> {
        let region = self.region_of(snapshot)?;
        let meta = snapshot.metadata.clone().unwrap_or_default();
        self.clear_meta(writes)?;

        let region_id = self.region_id();
        let applying = RegionLocalState { state: PeerState::Applying.into(), region: Some(region.clone()) };
        writes.kv.put_msg(Cf::Raft, keys::region_state_key(region_id), &applying);
        // Nothing below the snapshot will ever be on disk.
        let deleted = states::encode_raft_gc_index(meta.index);
        writes.raft.put(Cf::Raft, keys::raft_gc_key(region_id), deleted);

        ctx.raft_state.last_index = meta.index;
        let hard_state = ctx.raft_state.hard_state.get_or_insert_default();
        hard_state.commit = hard_state.commit.max(meta.index);
        ctx.last_term = meta.term;
        ctx.apply_state.applied_index = meta.index;
        ctx.apply_state.truncated_state = Some(RaftTruncatedState { index: meta.index, term: meta.term });
        ctx.snap_region = Some(region);
        Ok(())
    }

    fn region_of(&self, snapshot: &Snapshot) -> Result<proto::metapb::Region> {
        let invalid = |what: &str| Error::Invalid(format!("{}: snapshot {what}", self.tag));
        let data =
            RaftSnapshotData::decode(&snapshot.data[..]).map_err(|error| invalid(&error.to_string()))?;
        let region = data.region.ok_or_else(|| invalid("without a region"))?;
        if region.id != self.region_id() {
            return Err(invalid(&format!("of region {}", region.id)));
        }
        Ok(region)
    }

    /// Has the region worker put the data of the snapshot in place that kvdb says is *Applying*.
    pub(super) fn schedule_applying_snapshot(&mut self) {
        let job = Arc::new(Job::default());
        *self.snap.get_mut() =
            SnapWork { state: SnapState::Applying(Arc::clone(&job)), ..SnapWork::default() };
        self.schedule(RegionTask::Apply { region_id: self.region_id(), job });
    }

    /// Whether a snapshot's data is still being put in place: until then, the peer must neither apply nor tick, nor take another
    /// `Ready`. Notices the end. An attempt that failed has stopped the store, so it goes on for ever.
    pub fn check_applying_snap(&mut self) -> bool {
        let work = self.snap.get_mut();
        let SnapState::Applying(job) = &work.state else { return false };
        work.state = match job.status() {
            JobStatus::Finished => SnapState::Relax,
            JobStatus::Cancelled => SnapState::ApplyAborted,
            JobStatus::Pending | JobStatus::Running | JobStatus::Cancelling | JobStatus::Failed => {
                return true;
            }
        };
        false
    }

    /// As [`PeerStorage::check_applying_snap`], but as of its last call.
    pub fn is_applying_snapshot(&self) -> bool {
        matches!(self.snap.borrow().state, SnapState::Applying(_))
    }

    /// For a peer that goes away: stops putting a snapshot's data in place. Returns whether nobody touches the data any more; if
    /// not, the peer must wait, and ask again.
    pub fn cancel_applying_snap(&mut self) -> bool {
        if let SnapState::Applying(job) = &self.snap.get_mut().state
            && !job.cancel()
        {
            return false;
        }
        !self.check_applying_snap()
    }
}
