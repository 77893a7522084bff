//! A cluster in one process: real stores on memory engines, stepped by hand, wired by lists.

pub mod apply;
pub mod traced;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use kv::clock::{ManualClock, Micros};
use kv::config::{RaftStoreConfig, ReadMode};
use kv::engine::{Cf, Engines, MemEngine};
use kv::raftstore::bootstrap::{bootstrap_store, clear_prepare_bootstrap, prepare_bootstrap};
use kv::raftstore::context::{Commands, Observer, PeerStatus, StoreEvent, Transport};
use kv::raftstore::msg::{Callback, CmdResult, Dropped, RaftCommand};
use kv::raftstore::system::{Job, ManualStore, StoreBuilder};
use kv::snap::{MemFiles, SnapKey};
use kv::storage::raft::RaftStorage;
use kv::storage::{Modify, Reader, Storage};
use proto::kvrpcpb::Context;
use proto::metapb::{Peer, Region, RegionEpoch, Store};
use proto::raft_cmdpb::{RaftCmdRequest, RaftCmdResponse};
use proto::raft_serverpb::RaftMessage;
use raft::{Role, SnapshotStatus};

pub const REGION: u64 = 1;
/// Nothing in these tests takes longer.
const ROUNDS_MAX: usize = 20_000;

/// Messages that have been sent and not been delivered.
#[derive(Default)]
pub struct Wire {
    waiting: Mutex<Vec<RaftMessage>>,
    /// Told of each message.
    pub log: traced::Log,
}

impl Transport for Wire {
    fn send(&self, message: RaftMessage) {
        self.log.add(message.from_peer.unwrap().store_id, "send");
        self.waiting.lock().unwrap().push(message);
    }
}

/// Remembers what it is told.
#[derive(Default)]
pub struct Recorder {
    pub events: Mutex<Vec<StoreEvent>>,
    pub peer: Mutex<Option<PeerStatus>>,
}

impl Observer for Recorder {
    fn on_event(&self, event: StoreEvent) {
        self.events.lock().unwrap().push(event);
    }

    fn on_peer(&self, status: PeerStatus) {
        *self.peer.lock().unwrap() = Some(status);
    }
}

pub struct Node {
    pub engines: Engines,
    pub files: MemFiles,
    pub observer: Arc<Recorder>,
    pub store: Option<ManualStore>,
}

/// What a callback was told, as soon as it was.
pub type Slot<T> = Arc<Mutex<Option<T>>>;

pub struct Cluster {
    pub nodes: BTreeMap<u64, Node>,
    wire: Arc<Wire>,
    pub clock: Arc<ManualClock>,
    pub config: RaftStoreConfig,
    now: u64,
    /// Stores that hear and reach nobody.
    pub cut: BTreeSet<u64>,
    pub snapshots_delivered: usize,
    /// Stores whose apply side gets no time.
    pub lazy: BTreeSet<u64>,
    /// So many of the next snapshot files have a bit flipped on their way.
    pub snapshots_to_spoil: usize,
}

/// Small figures, so that everything happens soon.
pub fn config(read_mode: ReadMode) -> RaftStoreConfig {
    RaftStoreConfig {
        raft_base_tick_ms: 10,
        raft_log_gc_ticks: 5,
        raft_log_gc_threshold: 10,
        read_mode,
        seed: 7,
        ..RaftStoreConfig::default()
    }
}

/// The region that all stores begin with.
pub fn first_region(stores: u64) -> Region {
    let epoch = RegionEpoch { conf_ver: 1, version: 1 };
    let peers = (1..=stores).map(|store_id| Peer { id: store_id * 10, store_id }).collect();
    Region { id: REGION, region_epoch: Some(epoch), peers, ..Region::default() }
}

impl Cluster {
    pub fn new(stores: u64, config: RaftStoreConfig) -> Cluster {
        let memory = |_| Engines { raft: Arc::new(MemEngine::new()), kv: Arc::new(MemEngine::new()) };
        Cluster::on(stores, config, Arc::default(), memory)
    }

    /// A cluster on these engines, and this wire.
    pub fn on(
        stores: u64,
        config: RaftStoreConfig,
        wire: Arc<Wire>,
        mut engines: impl FnMut(u64) -> Engines,
    ) -> Cluster {
        let mut cluster = Cluster {
            nodes: BTreeMap::new(),
            wire,
            clock: Arc::default(),
            config,
            now: 0,
            cut: BTreeSet::new(),
            snapshots_delivered: 0,
            lazy: BTreeSet::new(),
            snapshots_to_spoil: 0,
        };
        for id in 1..=stores {
            let engines = engines(id);
            bootstrap_store(&engines, 1, id).unwrap();
            prepare_bootstrap(&engines, &first_region(stores)).unwrap();
            clear_prepare_bootstrap(&engines).unwrap();
            let node = Node { engines, files: MemFiles::default(), observer: Arc::default(), store: None };
            cluster.nodes.insert(id, node);
            cluster.start(id);
        }
        cluster
    }

    pub fn start(&mut self, id: u64) {
        let node = self.nodes.get_mut(&id).unwrap();
        *node.observer.peer.lock().unwrap() = None;
        let builder = StoreBuilder {
            config: self.config.clone(),
            store: Store { id, ..Store::default() },
            engines: node.engines.clone(),
            snap_files: Arc::new(node.files.clone()),
            transport: self.wire.clone(),
            clock: self.clock.clone(),
            observer: node.observer.clone(),
        };
        node.store = Some(builder.start_manual().unwrap());
    }

    pub fn stop(&mut self, id: u64) {
        self.nodes.get_mut(&id).unwrap().store = None;
    }

    /// Does everything that there is to do without a tick.
    pub fn settle(&mut self) {
        for _ in 0..ROUNDS_MAX {
            if !self.step() {
                return;
            }
        }
        panic!("the stores never come to rest");
    }

    /// One step of each store, and the delivery of all messages; false if there was nothing to do.
    pub fn step(&mut self) -> bool {
        let mut busy = false;
        for (id, node) in &mut self.nodes {
            let Some(store) = &mut node.store else { continue };
            let is_lazy = self.lazy.contains(id);
            let may_run = |job: &Job| !is_lazy || !matches!(job, Job::Apply(_));
            if let Some(job) = store.jobs().into_iter().find(may_run) {
                store.run(&job);
                busy = true;
            }
        }
        let messages = std::mem::take(&mut *self.wire.waiting.lock().unwrap());
        busy |= !messages.is_empty();
        messages.into_iter().for_each(|message| self.deliver(message));
        busy
    }

    fn deliver(&mut self, message: RaftMessage) {
        let (from, to) = (message.from_peer.unwrap(), message.to_peer.unwrap());
        let is_cut = self.cut.contains(&from.store_id) || self.cut.contains(&to.store_id);
        let reached = !is_cut && self.nodes[&to.store_id].store.is_some();
        let snapshot = message.message.as_ref().and_then(|inner| inner.snapshot.clone());
        if let Some(snapshot) = snapshot {
            let status = if reached && self.carry(from.store_id, to.store_id, &snapshot) {
                self.snapshots_delivered += 1;
                self.nodes[&to.store_id].store.as_ref().unwrap().router().send_raft_message(message);
                SnapshotStatus::Finish
            } else {
                SnapshotStatus::Failure
            };
            if let Some(sender) = &self.nodes[&from.store_id].store {
                sender.router().report_snapshot(REGION, to.id, status);
            }
        } else if reached {
            self.nodes[&to.store_id].store.as_ref().unwrap().router().send_raft_message(message);
        } else if let Some(sender) = &self.nodes[&from.store_id].store {
            sender.router().report_unreachable(REGION, to.id);
        }
    }

    fn carry(&mut self, from: u64, to: u64, snapshot: &proto::eraftpb::Snapshot) -> bool {
        let Some(sender) = &self.nodes[&from].store else { return false };
        let receiver = self.nodes[&to].store.as_ref().unwrap();
        let Ok(key) = SnapKey::of(snapshot) else { return false };
        let Ok(mut sending) = sender.snap_manager().open_for_sending(&key) else { return false };
        let Ok(mut receiving) = receiver.snap_manager().begin_receiving(snapshot) else { return false };
        let mut flip = u8::from(self.snapshots_to_spoil > 0);
        self.snapshots_to_spoil -= usize::from(flip);
        while let Some(chunk) = sending.next_chunk(64).unwrap() {
            let mut chunk = chunk.to_vec();
            chunk[0] ^= std::mem::take(&mut flip);
            receiving.append(&chunk).unwrap();
        }
        receiving.finish().is_ok()
    }

    /// One base tick for everybody, and all that follows.
    pub fn tick(&mut self) {
        self.tick_only();
        self.settle();
    }

    /// One base tick for everybody, which nobody has noticed yet.
    pub fn tick_only(&mut self) {
        self.now += self.config.raft_base_tick_ms * 1000;
        self.clock.set(Micros(self.now));
        for node in self.nodes.values() {
            if let Some(store) = &node.store {
                store.router().tick();
            }
        }
    }

    /// Time passes, and nobody gets a tick.
    pub fn advance_clock(&self, millis: u64) {
        self.clock.set(Micros(self.now + millis * 1000));
    }

    /// Ticks until `done`.
    pub fn until(&mut self, what: &str, mut done: impl FnMut(&Cluster) -> bool) {
        for _ in 0..2000 {
            if done(self) {
                return;
            }
            self.tick();
        }
        panic!("never: {what}");
    }

    pub fn status(&self, id: u64) -> Option<PeerStatus> {
        let node = &self.nodes[&id];
        node.store.as_ref()?;
        node.observer.peer.lock().unwrap().clone()
    }

    /// The store that leads in the highest term, among those that reach others.
    pub fn leader(&self) -> Option<u64> {
        let leads = |id: &&u64| {
            !self.cut.contains(id) && self.status(**id).is_some_and(|peer| peer.raft.role == Role::Leader)
        };
        self.nodes.keys().filter(leads).max_by_key(|id| self.status(**id).map(|peer| peer.raft.term)).copied()
    }

    pub fn elect(&mut self) -> u64 {
        self.until("a leader", |cluster| cluster.leader().is_some());
        self.leader().unwrap()
    }

    pub fn context(&self, id: u64) -> Context {
        let region = first_region(self.nodes.len() as u64);
        Context {
            region_id: REGION,
            region_epoch: region.region_epoch,
            peer: region.peers.iter().find(|peer| peer.store_id == id).copied(),
            term: 0,
        }
    }

    fn storage(&self, id: u64) -> RaftStorage {
        RaftStorage::new(Arc::new(self.nodes[&id].store.as_ref().unwrap().router()))
    }

    /// Starts a write at this store.
    pub fn write(&self, id: u64, modifies: Vec<Modify>) -> Slot<kv::storage::Result<()>> {
        let (slot, callback) = slot();
        self.storage(id).async_write(&self.context(id), 0, modifies, Box::new(callback));
        slot
    }

    pub fn put(&self, id: u64, key: &str, value: &str) -> Slot<kv::storage::Result<()>> {
        self.write(id, vec![put(key, value)])
    }

    /// Starts a read at this store.
    pub fn read(&self, id: u64) -> Slot<kv::storage::Result<Box<dyn Reader>>> {
        let (slot, callback) = slot();
        self.storage(id).async_snapshot(&self.context(id), Box::new(callback));
        slot
    }

    /// Writes, and expects it to succeed.
    pub fn must_put(&mut self, id: u64, key: &str, value: &str) {
        let slot = self.put(id, key, value);
        self.until("the write is answered", |_| slot.lock().unwrap().is_some());
        take(&slot).unwrap();
    }

    /// Reads, and expects it to succeed.
    pub fn must_get(&mut self, id: u64, key: &str) -> Option<Bytes> {
        let slot = self.read(id);
        self.until("the read is answered", |_| slot.lock().unwrap().is_some());
        take(&slot).unwrap().get_cf(Cf::Default, key.as_bytes()).unwrap()
    }

    /// Starts a read at this store that need not go to the peer if there is a lease.
    pub fn read_locally(&self, id: u64) -> Slot<kv::storage::Result<Box<dyn Reader>>> {
        let (slot, callback) = slot();
        let storage = RaftStorage::new(Arc::new(self.nodes[&id].store.as_ref().unwrap().local_reader()));
        storage.async_snapshot(&self.context(id), Box::new(callback));
        slot
    }

    /// Starts any command at this store.
    pub fn command(&self, id: u64, request: RaftCmdRequest) -> Slot<Result<RaftCmdResponse, Dropped>> {
        let (slot, answer) = slot();
        let callback = Callback::new(move |result: Result<CmdResult, Dropped>| {
            answer(result.map(|result| result.response));
        });
        let command = RaftCommand { request, guard_term: 0, callback };
        self.nodes[&id].store.as_ref().unwrap().router().send_command(command);
        slot
    }

    /// What the engine of a store holds, Raft or not.
    pub fn on_disk(&self, id: u64, key: &str) -> Option<Bytes> {
        self.nodes[&id].engines.kv.get(Cf::Default, key.as_bytes()).unwrap()
    }

    /// Runs the steps of one store only, until it rests. Messages stay on the wire.
    pub fn run_alone(&mut self, id: u64) {
        let store = self.nodes.get_mut(&id).unwrap().store.as_mut().unwrap();
        for _ in 0..ROUNDS_MAX {
            let Some(job) = store.jobs().first().cloned() else { return };
            store.run(&job);
        }
        panic!("store {id} never comes to rest");
    }

    /// Runs the raft side of one store only.
    pub fn run_raft(&mut self, id: u64) {
        let store = self.nodes.get_mut(&id).unwrap().store.as_mut().unwrap();
        for _ in 0..ROUNDS_MAX {
            let raft = store.jobs().into_iter().find(|job| matches!(job, Job::Raft(_)));
            let Some(job) = raft else { return };
            store.run(&job);
        }
        panic!("store {id} never comes to rest");
    }
}

pub fn put(key: &str, value: &str) -> Modify {
    let bytes = |text: &str| Bytes::copy_from_slice(text.as_bytes());
    Modify::Put { cf: Cf::Default, key: bytes(key), value: bytes(value) }
}

pub fn delete(key: &str) -> Modify {
    Modify::Delete { cf: Cf::Default, key: Bytes::copy_from_slice(key.as_bytes()) }
}

/// A slot, and what fills it, once.
pub fn slot<T: Send + 'static>() -> (Slot<T>, impl FnOnce(T) + Send + 'static) {
    let slot = Slot::default();
    let filled = slot.clone();
    let fill = move |value| {
        let before = filled.lock().unwrap().replace(value);
        assert!(before.is_none(), "answered twice");
    };
    (slot, fill)
}

/// What the slot was filled with.
pub fn take<T>(slot: &Slot<T>) -> T {
    let value = slot.lock().unwrap().take();
    value.expect("there is no answer yet")
}
