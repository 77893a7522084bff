//! Makes snapshots of regions, installs them, and clears ranges that no region holds any more.

use std::sync::Arc;
use std::sync::mpsc::SyncSender;

use prost::Message;
use proto::eraftpb::{Snapshot, SnapshotMetadata};
use proto::metapb::Region;
use proto::raft_serverpb::{PeerState, RaftSnapshotData, RegionLocalState};

use super::delete_range::delete_range;
use crate::engine::{self, Cf, Engines, WriteBatch};
use crate::raftstore::context::{Fatal, Mailboxes, Observer, StoreEvent};
use crate::raftstore::meta::region::check_key_in_region;
use crate::raftstore::meta::{keys, states};
use crate::raftstore::msg::{CasualMsg, PeerMsg};
use crate::raftstore::peer_storage::{applying_snapshot, conf_state_of};
use crate::raftstore::task::{Job, JobStatus, RegionTask};
use crate::raftstore::{Error, RegionId, Result};
use crate::snap::{self, Block, Built, SnapKey, SnapManager};
use crate::worker::Runnable;

/// Works off [`RegionTask`]s, strictly in order: a range that a region lost is cleared before the next region puts data there.
pub struct RegionRunner {
    engines: Engines,
    snaps: SnapManager,
    mailboxes: Arc<dyn Mailboxes>,
    observer: Arc<dyn Observer>,
    fatal: Arc<Fatal>,
}

impl RegionRunner {
    /// A runner for the store that has these.
    pub fn new(
        engines: Engines,
        snaps: SnapManager,
        mailboxes: Arc<dyn Mailboxes>,
        observer: Arc<dyn Observer>,
        fatal: Arc<Fatal>,
    ) -> RegionRunner {
        RegionRunner { engines, snaps, mailboxes, observer, fatal }
    }

    /// Writes the file of a snapshot, hands the message that goes with it to the waiting peer, and wakes it up. If that fails, the
    /// peer finds its channel closed, and asks again when Raft does.
    fn generate(&self, order: &Order, data: engine::Snapshot, notifier: SyncSender<Snapshot>) {
        let key = order.key();
        let built = self.snaps.build(&key, &order.region, &*data);
        // Not longer than it takes: it pins everything that was overwritten since.
        drop(data);
        match built {
            Ok(built) => {
                let (region_id, index) = (key.region_id, key.index);
                self.observer.on_event(StoreEvent::SnapshotGenerated { region_id, index });
                // Nobody listens if the peer lost interest: it stepped down, or is gone.
                let _ = notifier.try_send(order.message(built));
            }
            Err(snap::Error::Engine(error)) => self.fatal.stop(format!("cannot read {key}: {error}")),
            Err(error) => log::warn!("no snapshot of {key}: {error}"),
        }
        drop(notifier);
        self.wake(key.region_id, CasualMsg::SnapshotGenerated);
    }

    /// Installs the snapshot that a region waits for, reports how that ended by the job, and wakes the peer up.
    fn apply(&self, region_id: RegionId, job: &Job) {
        if job.start() {
            match self.install(region_id, job) {
                Ok(Installed::Now(key)) => {
                    job.end(JobStatus::Finished);
                    // kvdb says Normal for good: nobody will ask for the file again.
                    self.snaps.installed(&key);
                    self.observer.on_event(StoreEvent::SnapshotInstalled { region_id, index: key.index });
                }
                Ok(Installed::Before) => job.end(JobStatus::Finished),
                Ok(Installed::Cancelled) => job.end(JobStatus::Cancelled),
                Err(error) => {
                    job.end(JobStatus::Failed);
                    self.fatal.stop(format!(
                        "region {region_id} cannot install its snapshot: {error}; rebuild this store from its peers"
                    ));
                }
            }
        }
        self.wake(region_id, CasualMsg::SnapshotApplied);
    }

    /// Replaces the data of a region that is *Applying* by that of its snapshot, and makes it *Normal*.
    ///
    /// # Crash
    ///
    /// Old data is deleted, and new data written, without a sync; then comes one batch that makes the region *Normal* and forgets
    /// the snapshot's Raft state; then the sync. Batches survive in order: if the power goes, either the last one is lost, and
    /// the next start finds *Applying* and does all of it again from the file, which is still there; or it survives, and so does
    /// everything before it. Only then does the job say *Finished*, and only then may the file go.
    ///
    /// # Errors
    /// The engine's, and those of a file that is gone or corrupt. The peer has acknowledged the snapshot by now, so it cannot go
    /// on without it.
    fn install(&self, region_id: RegionId, job: &Job) -> Result<Installed> {
        let kvdb = &*self.engines.kv;
        let state = states::load_region_state(kvdb, region_id)?.unwrap_or_default();
        if state.state() != PeerState::Applying {
            return Ok(Installed::Before);
        }
        let (region, Some(key)) = (state.region.unwrap_or_default(), applying_snapshot(kvdb, region_id)?)
        else {
            return Err(Error::Corrupt(format!("region {region_id} is Applying without an apply state")));
        };
        if !self.replace_data(&region, &key, job)? {
            return Ok(Installed::Cancelled);
        }
        let mut batch = WriteBatch::new();
        let normal = RegionLocalState { state: PeerState::Normal.into(), region: Some(region) };
        batch.put_msg(Cf::Raft, keys::region_state_key(region_id), &normal);
        batch.delete(Cf::Raft, keys::snapshot_raft_state_key(region_id));
        kvdb.write(batch)?;
        kvdb.sync()?;
        Ok(Installed::Now(key))
    }

    /// Deletes what stands in the region's range, and writes what is in the file. Returns false if the job was cancelled.
    fn replace_data(&self, region: &Region, key: &SnapKey, job: &Job) -> Result<bool> {
        let kvdb = &*self.engines.kv;
        // First, so that a file that is not there costs no data.
        let mut file = self.snaps.open_for_applying(key).map_err(unusable)?;
        if !delete_range(kvdb, &region.start_key, &region.end_key, || !job.is_cancelling())? {
            return Ok(false);
        }
        while let Some(block) = file.next_block().map_err(unusable)? {
            if job.is_cancelling() {
                return Ok(false);
            }
            kvdb.write(to_batch(block, region)?)?;
        }
        Ok(!job.is_cancelling())
    }

    fn destroy(&self, region_id: RegionId, start: &bytes::Bytes, end: &bytes::Bytes) {
        if let Err(error) = delete_range(&*self.engines.kv, start, end, || true) {
            self.fatal.stop(format!("cannot clear a range that was region {region_id}'s: {error}"));
        }
    }

    fn wake(&self, region_id: RegionId, message: CasualMsg) {
        // A peer with a full mailbox is awake, and one that is gone needs nothing.
        let _ = self.mailboxes.send_peer(region_id, PeerMsg::CasualMsg(message));
    }
}

impl Runnable for RegionRunner {
    type Task = RegionTask;

    fn run(&mut self, task: RegionTask) {
        if self.fatal.is_stopped() {
            return;
        }
        match task {
            RegionTask::Generate { region, apply_state, applied_term, snapshot, notifier } => {
                let order = Order { region, index: apply_state.applied_index, term: applied_term };
                self.generate(&order, snapshot, notifier);
            }
            RegionTask::Apply { region_id, job } => self.apply(region_id, &job),
            RegionTask::Destroy { region_id, start_key, end_key } => {
                self.destroy(region_id, &start_key, &end_key);
            }
            RegionTask::DeleteStaleSnapshots { now, keep_ms } => self.snaps.delete_stale(now, keep_ms),
        }
    }
}

/// How an installation ended.
enum Installed {
    /// The data is in place, and durable.
    Now(SnapKey),
    /// There was nothing to install.
    Before,
    /// It was told to stop.
    Cancelled,
}

/// What a snapshot is to be made of: a region, as of an applied entry.
struct Order {
    region: Region,
    index: u64,
    term: u64,
}

impl Order {
    fn key(&self) -> SnapKey {
        SnapKey { region_id: self.region.id, term: self.term, index: self.index }
    }

    /// What Raft sends: position, members, and what the file holds.
    fn message(&self, built: Built) -> Snapshot {
        let data = RaftSnapshotData {
            region: Some(self.region.clone()),
            file_size: built.file_size,
            meta: Some(built.meta),
            ..RaftSnapshotData::default()
        };
        let metadata = SnapshotMetadata {
            conf_state: Some(conf_state_of(&self.region)),
            index: self.index,
            term: self.term,
        };
        Snapshot { data: data.encode_to_vec().into(), metadata: Some(metadata) }
    }
}

/// A block as writes. Its keys must be the region's: others' data is not for this file to touch.
fn to_batch(block: Block, region: &Region) -> Result<WriteBatch> {
    let mut batch = WriteBatch::new();
    for (key, value) in block.pairs {
        check_key_in_region(&key, region).map_err(|_| {
            Error::Corrupt(format!("its file holds the key {key:?}, which is not in the region"))
        })?;
        batch.put(block.cf, key, value);
    }
    Ok(batch)
}

fn unusable(error: snap::Error) -> Error {
    Error::Corrupt(error.to_string())
}
