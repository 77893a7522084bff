//! One peer with its workers, driven by hand: what the raftstore does around a peer storage, in few lines.

use std::sync::{Arc, Mutex};

use kv::engine::{Cf, Engine, WriteBatch};
use kv::raftstore::context::{Fatal, Mailboxes, Observer, PeerStatus, SendError, StoreEvent};
use kv::raftstore::meta::{keys, states};
use kv::raftstore::msg::{ApplyMsg, PeerMsg, StoreMsg};
use kv::raftstore::peer_storage::{ApplySnapResult, PeerStorage, RoundWrites, applying_snapshots};
use kv::raftstore::runner::{RaftLogGcRunner, RegionRunner};
use kv::raftstore::task::{RaftLogGcTask, RegionTask};
use kv::raftstore::{Error, Result};
use kv::snap::{SnapKey, SnapLimits, SnapManager, SnapPin};
use kv::worker::manual::ManualWorker;
use kv::worker::{Runnable, Scheduler};
use proto::eraftpb::Snapshot;
use proto::metapb::Region;
use proto::raft_serverpb::RaftTruncatedState;
use raft::{Ready, Storage};

use crate::disk::Disk;
use crate::model::{REGION, in_region, unknown_region, write_of};

pub const CACHE_BYTES: u64 = 1000;

pub fn limits() -> SnapLimits {
    SnapLimits { sending_max: 2, receiving_max: 2, bytes_max: 1 << 20 }
}

/// Remembers what it was told.
#[derive(Default)]
pub struct Listener(Mutex<Vec<StoreEvent>>);

impl Listener {
    pub fn events(&self) -> Vec<StoreEvent> {
        self.0.lock().unwrap().clone()
    }
}

impl Observer for Listener {
    fn on_event(&self, event: StoreEvent) {
        self.0.lock().unwrap().push(event);
    }

    fn on_peer(&self, _: PeerStatus) {}
}

/// Mailboxes that nobody reads.
pub struct Nowhere;

impl Mailboxes for Nowhere {
    fn send_peer(&self, _: u64, _: PeerMsg) -> std::result::Result<(), SendError<PeerMsg>> {
        Ok(())
    }
    fn force_send_peer(&self, _: u64, _: PeerMsg) -> std::result::Result<(), SendError<PeerMsg>> {
        Ok(())
    }
    fn force_send_apply(&self, _: u64, _: ApplyMsg) -> std::result::Result<(), SendError<ApplyMsg>> {
        Ok(())
    }
    fn send_store(&self, _: StoreMsg) -> std::result::Result<(), SendError<StoreMsg>> {
        Ok(())
    }
}

pub struct Node {
    pub disk: Disk,
    pub storage: PeerStorage,
    pub snaps: SnapManager,
    pub worker: ManualWorker<RegionRunner>,
    pub gc: RaftLogGcRunner,
    pub listener: Arc<Listener>,
    pub fatal: Arc<Fatal>,
    pin: Option<SnapPin>,
}

impl Node {
    /// Starts a store on this disk: the region that kvdb knows, or a peer that a message creates.
    pub fn start(disk: Disk) -> Result<Node> {
        let known = states::load_region_state(&*disk.kv, REGION)?;
        let region = known.and_then(|state| state.region).unwrap_or_else(unknown_region);
        Node::start_as(disk, region)
    }

    /// Starts a store whose region is this one, whatever kvdb says.
    pub fn start_as(disk: Disk, region: Region) -> Result<Node> {
        let applying = applying_snapshots(&*disk.kv)?;
        let files = Arc::new(disk.files.clone());
        let snaps =
            SnapManager::open(files, limits(), &applying).map_err(|e| Error::Invalid(e.to_string()))?;
        let listener = Arc::new(Listener::default());
        let fatal = Arc::new(Fatal::new(listener.clone()));
        let runner = RegionRunner::new(
            disk.engines(),
            snaps.clone(),
            Arc::new(Nowhere),
            listener.clone(),
            fatal.clone(),
        );
        let worker = ManualWorker::new(runner);
        let gc = RaftLogGcRunner::new(disk.engines(), listener.clone(), fatal.clone());
        let storage = open(&disk, region, worker.scheduler())?;
        Ok(Node { disk, storage, snaps, worker, gc, listener, fatal, pin: None })
    }

    /// A round of the poller: kvdb, synced, if it has writes; then raftdb; then memory.
    pub fn round(&mut self, ready: &Ready) -> Result<Option<ApplySnapResult>> {
        let mut writes = RoundWrites::default();
        let ctx = self.storage.save_ready_state(ready, &mut writes)?;
        self.write(writes)?;
        Ok(self.storage.post_ready(ctx))
    }

    pub fn write(&self, writes: RoundWrites) -> Result<()> {
        if !writes.kv.is_empty() {
            self.disk.kv.write(writes.kv)?;
            self.disk.kv.sync()?;
        }
        self.disk.raft.write(writes.raft)?;
        if writes.sync_raft {
            self.disk.raft.sync()?;
        }
        Ok(())
    }

    /// The apply side: one batch for each entry up to `index`, not synced.
    pub fn apply_to(&mut self, index: u64) -> Result<()> {
        for index in self.storage.applied_index() + 1..=index {
            let entry = &self.storage.entries(index, index + 1, u64::MAX)?[0];
            let mut state = *self.storage.apply_state();
            state.applied_index = index;
            let mut batch = WriteBatch::new();
            let (cf, key, value) = write_of(index);
            if in_region(&key, self.storage.region()) {
                batch.put(cf, key, value);
            }
            batch.put_msg(Cf::Raft, keys::apply_state_key(REGION), &state);
            self.disk.kv.write(batch)?;
            self.storage.set_applied(state, entry.term);
        }
        Ok(())
    }

    /// The apply side executes a compaction; the collector follows.
    pub fn compact_to(&mut self, index: u64) -> Result<()> {
        self.truncate_to(index)?;
        self.gc.run(RaftLogGcTask { region_id: REGION, end_index: index + 1 });
        self.alive()
    }

    /// The apply side executes a compaction.
    pub fn truncate_to(&mut self, index: u64) -> Result<()> {
        let mut state = *self.storage.apply_state();
        let term = self.storage.term(index)?;
        state.truncated_state = Some(RaftTruncatedState { index, term });
        let mut batch = WriteBatch::new();
        batch.put_msg(Cf::Raft, keys::apply_state_key(REGION), &state);
        self.disk.kv.write(batch)?;
        self.storage.set_applied(state, self.storage.applied_term());
        Ok(())
    }

    /// The file of a snapshot arrives, and the peer that gets its message keeps it.
    pub fn receive(&mut self, snapshot: &Snapshot, file: &[u8]) -> kv::snap::Result<()> {
        let mut receiver = self.snaps.begin_receiving(snapshot)?;
        for chunk in file.chunks(100) {
            receiver.append(chunk)?;
        }
        receiver.finish()?;
        self.pin = self.snaps.pin(&SnapKey::of(snapshot)?);
        assert!(self.pin.is_some());
        Ok(())
    }

    /// The peer loses interest in the file that it has pinned.
    pub fn unpin(&mut self) {
        self.pin = None;
    }

    /// The region worker does all it has to do.
    pub fn work(&mut self) -> Result<()> {
        while self.worker.run_one() {}
        self.alive()
    }

    pub fn schedule(&self, task: RegionTask) {
        self.worker.scheduler().schedule(task).unwrap();
    }

    /// Whether the store has not been stopped.
    pub fn alive(&self) -> Result<()> {
        if self.fatal.is_stopped() { Err(Error::Invalid("stopped".to_owned())) } else { Ok(()) }
    }

    /// Everything dies; what was written is there at the next start.
    pub fn restart(self) -> Node {
        Node::start(self.disk.after_kill()).unwrap()
    }

    /// The power goes, and nothing that was not synced survives.
    pub fn restart_after_power_loss(self) -> Node {
        Node::start(self.disk.after_power_loss(0, 0, usize::MAX)).unwrap()
    }
}

pub fn open(disk: &Disk, region: Region, scheduler: Scheduler<RegionTask>) -> Result<PeerStorage> {
    let tag = "store 1, region 7, peer 1".to_owned();
    PeerStorage::new(disk.engines(), region, scheduler, tag, CACHE_BYTES)
}
