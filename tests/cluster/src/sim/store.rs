//! One simulated store: the real raftstore, storage layer and request handlers on a manual driver, with simulated disks.

use std::sync::Arc;

use harness::plan::TICK_US;
use kv::batch::Address;
use kv::clock::ManualClock;
use kv::config::{RaftStoreConfig, ReadMode};
use kv::engine::Engines;
use kv::raftstore::bootstrap::{bootstrap_store, clear_prepare_bootstrap, prepare_bootstrap};
use kv::raftstore::context::Commands;
use kv::raftstore::msg::RaftCommand;
use kv::raftstore::system::{Job, ManualStore, RaftRouter, StoreBuilder};
use kv::raftstore::{INIT_EPOCH_CONF_VER, INIT_EPOCH_VERSION, Result};
use kv::service::RawService;
use kv::storage::raft::RaftStorage;
use proto::metapb::{Peer, Region, RegionEpoch};
use verdict::Knobs;

use super::event::{Duty, Event};
use super::seam::{DiskSeam, Seam};
use crate::check::observe::Db;
use crate::disk::{Disk, Gate, OpenGate, SimEngine};
use crate::files::{Directory, SimFiles};

/// The region that all stores hold.
pub const REGION: u64 = 7;
const CLUSTER: u64 = 42;

/// A store through all its lives.
pub struct Store {
    /// Its id.
    pub id: u64,
    /// The process; none while it is down.
    pub running: Option<Box<Running>>,
    /// What is left of its databases; none while it runs.
    pub disks: Option<Disks>,
    /// Its snapshot files.
    pub directory: Directory,
    /// How often it was started.
    pub life: u64,
    /// How many pauses hold it at the moment.
    pub paused: u32,
    /// What came up while it was paused.
    pub backlog: Vec<Event>,
    /// How many clogs hold its messages back at the moment.
    pub clogs: u32,
    /// Slots of the messages that are held back.
    pub clogged: Vec<usize>,
    /// What it is about to do.
    pub due: [bool; Duty::ALL.len()],
    /// For how long it will be down when its fuse has burnt down, or its disk has failed.
    pub down_ms: u64,
    /// Length of its ticks.
    pub tick_us: u64,
    /// Its clock runs as if its ticks were always so long.
    pub clock_us: u64,
    /// Work done since something last came in from outside or was applied.
    pub busy_rounds: u32,
    /// What it had applied then.
    pub applied: u64,
    /// Draws made for its duties.
    pub draws: u64,
}

/// The two disks of a store.
#[derive(Default)]
pub struct Disks {
    /// Of raftdb.
    pub raft: Disk,
    /// Of kvdb.
    pub kv: Disk,
}

/// A process that runs a store.
pub struct Running {
    /// The store itself.
    pub store: ManualStore,
    /// Its mailboxes.
    pub router: RaftRouter,
    /// Its request handlers.
    pub service: RawService,
    /// Its clock.
    pub clock: Arc<ManualClock>,
    /// raftdb.
    pub raft: Arc<SimEngine>,
    /// kvdb.
    pub kv: Arc<SimEngine>,
}

/// The first region of a cluster with so many stores. A peer's id is never that of its store.
pub fn first_region(stores: u64) -> Region {
    Region {
        id: REGION,
        region_epoch: Some(RegionEpoch { conf_ver: INIT_EPOCH_CONF_VER, version: INIT_EPOCH_VERSION }),
        peers: (1..=stores).map(|store_id| Peer { id: peer_of(store_id), store_id }).collect(),
        ..Region::default()
    }
}

/// Id of the peer that a store has.
pub fn peer_of(store: u64) -> u64 {
    store + 100
}

impl Disks {
    /// The disks of a store that has joined the cluster, and has never run.
    pub fn new(store: u64, region: &Region) -> Disks {
        let disks = Disks::default().bootstrap(store, region, Arc::new(OpenGate));
        disks.expect("the disks are empty and sound")
    }

    /// Has a store join the cluster, or do so again.
    ///
    /// # Errors
    /// The store's.
    pub fn bootstrap(self, store: u64, region: &Region, gate: Arc<dyn Gate>) -> Result<Disks> {
        let [raft, kv] = [self.raft, self.kv].map(|disk| Arc::new(SimEngine::open(disk, gate.clone())));
        let engines = Engines { raft: raft.clone(), kv: kv.clone() };
        bootstrap_store(&engines, CLUSTER, store)?;
        prepare_bootstrap(&engines, region)?;
        clear_prepare_bootstrap(&engines)?;
        Ok(Disks { raft: raft.disk(), kv: kv.disk() })
    }
}

impl Store {
    /// A store that has never run.
    pub fn new(id: u64, disks: Disks, tick_us: u64) -> Store {
        Store {
            id,
            running: None,
            disks: Some(disks),
            directory: Directory::default(),
            life: 0,
            paused: 0,
            backlog: Vec::new(),
            clogs: 0,
            clogged: Vec::new(),
            due: [false; Duty::ALL.len()],
            down_ms: 0,
            tick_us,
            clock_us: tick_us,
            busy_rounds: 0,
            applied: 0,
            draws: 0,
        }
    }

    /// Whether its process runs, paused or not.
    pub fn is_up(&self) -> bool {
        self.running.is_some()
    }
}

/// Commands pass the seam on their way from the storage layer to the raftstore.
struct WatchedCommands {
    seam: Seam,
    commands: Box<dyn Commands>,
}

impl Commands for WatchedCommands {
    fn send_command(&self, command: RaftCommand) {
        self.commands.send_command(self.seam.watch(command));
    }
}

impl Running {
    /// Starts a store from its disks. With `beside`, reads under a lease are served beside the peers.
    ///
    /// # Errors
    /// The store's, with which it refuses to start.
    pub fn start(
        store: u64,
        disks: &Disks,
        directory: &Directory,
        seam: &Seam,
        (config, beside): (RaftStoreConfig, bool),
        clock: Arc<ManualClock>,
    ) -> Result<Box<Running>> {
        let open = |disk: &Disk, db| {
            let gate = DiskSeam { seam: seam.clone(), db };
            Arc::new(SimEngine::open(disk.clone(), Arc::new(gate)))
        };
        let (raft, kv) = (open(&disks.raft, Db::Raft), open(&disks.kv, Db::Kv));
        let engines = Engines { raft: raft.clone(), kv: kv.clone() };
        let store = StoreBuilder {
            config,
            store: proto::metapb::Store { id: store, ..proto::metapb::Store::default() },
            engines,
            snap_files: Arc::new(SimFiles::open(directory.clone(), Arc::new(seam.clone()))),
            transport: Arc::new(seam.clone()),
            clock: clock.clone(),
            observer: Arc::new(seam.clone()),
        };
        let store = store.start_manual()?;
        let router = store.router();
        let commands: Box<dyn Commands> =
            if beside { Box::new(store.local_reader()) } else { Box::new(router.clone()) };
        let commands = WatchedCommands { seam: seam.clone(), commands };
        let service = RawService::new(Arc::new(RaftStorage::new(Arc::new(commands))));
        Ok(Box::new(Running { store, router, service, clock, raft, kv }))
    }

    /// Does some of a duty, if there is anything to do: with many state machines ready, `choose` may leave some out.
    pub fn work(&mut self, duty: Duty, choose: impl FnOnce(Vec<Address>) -> Vec<Address>) {
        let (ready, job): (_, fn(_) -> _) = match duty {
            Duty::Raft => (self.store.raft_ready(), Job::Raft),
            Duty::Apply => (self.store.apply_ready(), Job::Apply),
            Duty::Region => return self.store.run(&Job::Region),
            Duty::RaftLogGc => return self.store.run(&Job::RaftLogGc),
        };
        if !ready.is_empty() {
            self.store.run(&job(choose(ready)));
        }
    }

    /// Its process ends here: what its disks hold.
    pub fn stop(self: Box<Self>) -> Disks {
        let disks = Disks { raft: self.raft.disk(), kv: self.kv.disk() };
        drop(self.service);
        drop(self.store);
        disks
    }
}

/// The configuration of a store in one life.
pub fn config(knobs: &Knobs, seed: u64) -> RaftStoreConfig {
    let store = &knobs.store;
    let compacts = store.log_gc_ticks > 0;
    RaftStoreConfig {
        raft_base_tick_ms: TICK_US / 1_000,
        raft_election_timeout_ticks: knobs.election_ticks,
        raft_heartbeat_ticks: knobs.heartbeat_ticks,
        raft_message_bytes_max: knobs.max_message_bytes,
        raft_inflight_messages_max: knobs.max_inflight_messages as usize,
        raft_log_gc_ticks: if compacts { store.log_gc_ticks } else { u32::MAX },
        raft_log_gc_threshold: if compacts { knobs.compact_entries } else { u64::MAX },
        raft_log_gc_count_limit: if compacts { store.log_gc_count_limit } else { u64::MAX },
        entry_cache_bytes_max: store.entry_cache_bytes,
        read_mode: match store.read_mode {
            0 => ReadMode::Log,
            1 => ReadMode::Index,
            _ => ReadMode::Lease,
        },
        messages_per_round: store.messages_per_round.max(1) as usize,
        batch_size_max: store.batch_size_max.max(1) as usize,
        seed,
        ..RaftStoreConfig::default()
    }
}
