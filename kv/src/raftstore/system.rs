//! A whole store, put together: two batch systems, their workers, and what they share. With threads in production, without any
//! in simulation; everything else is the same.
//!
//! # Start
//! 1. The databases must belong to this store ([`super::bootstrap`]).
//! 2. Snapshot files: those that are being installed stay, all others go.
//! 3. Peers and apply sides, for every region that kvdb knows. An interrupted installation of a snapshot is taken up again;
//!    what a destroyed peer has left in raftdb goes, and so does data that no region holds.
//! 4. Apply sides are registered before peers, since peers send to them; each peer's first message is `Start`.
//! 5. Pollers begin.

use std::sync::Arc;

use proto::metapb;
use proto::raft_serverpb::{PeerState, RegionLocalState};

use super::bootstrap::check_store_ident;
use super::context::{Fatal, Observer, StoreContext, StoreStats, Transport};
use super::error::{Error, Result};
use super::fsm::apply::{ApplyControl, ApplyFsm};
use super::fsm::handler::{ApplyPoller, RaftPoller};
use super::fsm::peer::PeerFsm;
use super::fsm::store::StoreFsm;
use super::local_reader::LocalReader;
use super::meta::{keys, states};
use super::msg::PeerMsg;
use super::peer::Peer;
use super::peer_storage::{RoundWrites, applying_snapshots, clear_meta};
pub use super::router::RaftRouter;
use super::runner::{RaftLogGcRunner, RegionRunner};
use super::task::{RaftLogGcTask, RegionTask};
use crate::batch::{self, Address, BatchConfig, BatchSystem, ManualPoller, Threads};
use crate::clock::Clock;
use crate::config::RaftStoreConfig;
use crate::engine::{Cf, Engines};
use crate::snap::{SnapFiles, SnapManager};
use crate::worker::Scheduler;
use crate::worker::manual::ManualWorker;
use crate::worker::threads::Worker;

/// What a store is made of.
pub struct StoreBuilder {
    /// Options.
    pub config: RaftStoreConfig,
    /// Its id and address.
    pub store: metapb::Store,
    /// Its databases, which must have been given their identity.
    pub engines: Engines,
    /// Its snapshot files.
    pub snap_files: Arc<dyn SnapFiles>,
    /// Its network.
    pub transport: Arc<dyn Transport>,
    /// Its clock.
    pub clock: Arc<dyn Clock>,
    /// Who wants to know.
    pub observer: Arc<dyn Observer>,
}

/// A store that runs on threads. Dropping it stops it, and returns when all threads have ended.
pub struct ThreadStore {
    router: RaftRouter,
    shared: Shared,
    // Dropped in this order: no FSM runs any more when the workers end.
    _raft: Threads<PeerFsm, StoreFsm>,
    _apply: Threads<ApplyFsm, ApplyControl>,
    _region: Worker,
    _raftlog_gc: Worker,
}

/// A store that does one step when told to, on the caller's thread. Dropping it is a crash: nothing more is written.
pub struct ManualStore {
    router: RaftRouter,
    shared: Shared,
    raft: ManualPoller<PeerFsm, StoreFsm, RaftPoller>,
    apply: ManualPoller<ApplyFsm, ApplyControl, ApplyPoller>,
    region: ManualWorker<RegionRunner>,
    raftlog_gc: ManualWorker<RaftLogGcRunner>,
}

/// A step of a [`ManualStore`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Job {
    /// A round of the raft poller over these FSMs; any of those that [`ManualStore::jobs`] names.
    Raft(Vec<Address>),
    /// A round of the apply poller over these FSMs; any of those that [`ManualStore::jobs`] names.
    Apply(Vec<Address>),
    /// The oldest task of the region worker.
    Region,
    /// The oldest task of the raftlog-gc worker.
    RaftLogGc,
}

/// What both kinds of stores show to others.
struct Shared {
    reader: LocalReader,
    snap_manager: SnapManager,
    fatal: Arc<Fatal>,
    stats: Arc<StoreStats>,
}

/// Everything that is the same with and without threads, before the workers start.
struct Parts {
    router: RaftRouter,
    raft: BatchSystem<PeerFsm, StoreFsm>,
    apply: BatchSystem<ApplyFsm, ApplyControl>,
    shared: Shared,
}

impl StoreBuilder {
    /// Starts the store on threads of its own.
    ///
    /// # Errors
    /// [`Error::Corrupt`] if the data is not of this store or does not make sense; the engine's; [`Error::Engine`] if the operating
    /// system gives no threads.
    pub fn start_threads(self) -> Result<ThreadStore> {
        let parts = self.prepare()?;
        let started = |error: std::io::Error| Error::Engine(error.into());
        let (region, region_scheduler) =
            Worker::start("region-worker", self.region_runner(&parts)).map_err(started)?;
        let (raftlog_gc, raftlog_gc_scheduler) =
            Worker::start("raftlog-gc", self.raftlog_gc_runner(&parts)).map_err(started)?;
        let ctx = self.context(&parts, region_scheduler, raftlog_gc_scheduler);
        self.register_peers(&ctx, &parts.router)?;
        let apply = parts
            .apply
            .spawn("apply", self.config.apply_pool_size, || ApplyPoller::new(ctx.clone()))
            .map_err(started)?;
        let raft = parts
            .raft
            .spawn("raftstore", self.config.store_pool_size, || RaftPoller::new(ctx.clone()))
            .map_err(started)?;
        Ok(ThreadStore {
            router: parts.router,
            shared: parts.shared,
            _raft: raft,
            _apply: apply,
            _region: region,
            _raftlog_gc: raftlog_gc,
        })
    }

    /// Starts the store without threads.
    ///
    /// # Errors
    /// [`Error::Corrupt`] if the data is not of this store or does not make sense; the engine's.
    pub fn start_manual(self) -> Result<ManualStore> {
        let parts = self.prepare()?;
        let region = ManualWorker::new(self.region_runner(&parts));
        let raftlog_gc = ManualWorker::new(self.raftlog_gc_runner(&parts));
        let ctx = self.context(&parts, region.scheduler(), raftlog_gc.scheduler());
        self.register_peers(&ctx, &parts.router)?;
        Ok(ManualStore {
            router: parts.router,
            shared: parts.shared,
            raft: parts.raft.manual(RaftPoller::new(ctx.clone())),
            apply: parts.apply.manual(ApplyPoller::new(ctx)),
            region,
            raftlog_gc,
        })
    }

    /// Checks whose data it is, and creates what depends on nothing.
    fn prepare(&self) -> Result<Parts> {
        match check_store_ident(&self.engines)? {
            Some(ident) if ident.store_id == self.store.id => {}
            Some(ident) => {
                let what = format!("the data is of store {}, not of {}", ident.store_id, self.store.id);
                return Err(Error::Corrupt(what));
            }
            None => return Err(Error::Corrupt("the store has not been bootstrapped".to_owned())),
        }
        let applying = applying_snapshots(&*self.engines.kv)?;
        let snap_manager = SnapManager::open(self.snap_files.clone(), self.config.snap_limits(), &applying)
            .map_err(|error| Error::Corrupt(format!("snapshot files: {error}")))?;
        let config = BatchConfig {
            batch_size_max: self.config.batch_size_max,
            messages_per_round: self.config.messages_per_round,
            control_capacity: self.config.mailbox_capacity,
        };
        let (peers, raft) = batch::create(Box::new(StoreFsm::default()), &config);
        let (applies, apply) = batch::create(Box::new(ApplyControl), &config);
        let fatal = Arc::new(Fatal::new(self.observer.clone()));
        let router = RaftRouter { peers, applies };
        let reader = LocalReader {
            store_id: self.store.id,
            store_meta: Arc::default(),
            kv: Arc::downgrade(&self.engines.kv),
            clock: self.clock.clone(),
            fatal: fatal.clone(),
            router: router.clone(),
        };
        let shared = Shared { reader, snap_manager, fatal, stats: Arc::default() };
        Ok(Parts { router, raft, apply, shared })
    }

    fn region_runner(&self, parts: &Parts) -> RegionRunner {
        RegionRunner::new(
            self.engines.clone(),
            parts.shared.snap_manager.clone(),
            Arc::new(parts.router.clone()),
            self.observer.clone(),
            parts.shared.fatal.clone(),
        )
    }

    fn raftlog_gc_runner(&self, parts: &Parts) -> RaftLogGcRunner {
        RaftLogGcRunner::new(self.engines.clone(), self.observer.clone(), parts.shared.fatal.clone())
    }

    fn context(
        &self,
        parts: &Parts,
        region_scheduler: Scheduler<RegionTask>,
        raftlog_gc_scheduler: Scheduler<RaftLogGcTask>,
    ) -> Arc<StoreContext> {
        Arc::new(StoreContext {
            config: self.config.clone(),
            store_id: self.store.id,
            engines: self.engines.clone(),
            transport: self.transport.clone(),
            mailboxes: Arc::new(parts.router.clone()),
            clock: self.clock.clone(),
            observer: self.observer.clone(),
            stats: parts.shared.stats.clone(),
            fatal: parts.shared.fatal.clone(),
            store_meta: parts.shared.reader.store_meta.clone(),
            snap_manager: parts.shared.snap_manager.clone(),
            region_scheduler,
            raftlog_gc_scheduler,
        })
    }

    /// Creates the peers of all regions that are here, and makes them reachable.
    fn register_peers(&self, ctx: &StoreContext, router: &RaftRouter) -> Result<()> {
        for state in states::load_region_states(&*self.engines.kv)? {
            if state.state() == PeerState::Tombstone {
                forget_log(&self.engines, &state)?;
            } else if let Some(region) = state.region {
                register_peer(ctx, router, region)?;
            }
        }
        clear_stale_data(ctx);
        router.start_store(self.store.clone());
        Ok(())
    }
}

fn register_peer(ctx: &StoreContext, router: &RaftRouter, region: metapb::Region) -> Result<()> {
    let region_id = region.id;
    let own = Peer::find_own(&region, ctx.store_id)?;
    let peer = Peer::new(ctx, region, own)?;
    ctx.lock_meta().set_region(peer.region().clone());
    let capacity = ctx.config.mailbox_capacity;
    router.applies.register(region_id, Box::new(ApplyFsm::new(peer.registration())), capacity);
    router.peers.register_with(region_id, Box::new(PeerFsm::new(peer)), capacity, PeerMsg::Start);
    Ok(())
}

/// Deletes the log of a peer that was destroyed.
///
/// # Crash
/// Destroying a peer writes kvdb first, so its log may be left. Deleting it again does no harm, and the tombstone stays.
fn forget_log(engines: &Engines, tombstone: &RegionLocalState) -> Result<()> {
    let Some(region) = &tombstone.region else { return Ok(()) };
    if states::load_raft_state(&*engines.raft, region.id)?.is_none() {
        return Ok(());
    }
    let mut writes = RoundWrites::default();
    clear_meta(engines, region.id, &mut writes)?;
    writes.kv.put_msg(Cf::Raft, keys::region_state_key(region.id), tombstone);
    engines.kv.write(writes.kv)?;
    engines.kv.sync()?;
    engines.raft.write(writes.raft)?;
    Ok(engines.raft.sync()?)
}

/// Has the data deleted that no region holds: what a region has given up, when the store stopped before it was cleared away.
fn clear_stale_data(ctx: &StoreContext) {
    let meta = ctx.lock_meta();
    let gaps = meta.gaps();
    drop(meta);
    for (start_key, end_key) in gaps {
        let task = RegionTask::Destroy { region_id: 0, start_key, end_key };
        if ctx.region_scheduler.schedule(task).is_err() {
            log::debug!("stale data stays: the store stops");
        }
    }
}

/// What any store offers.
macro_rules! offer {
    ($store:ty) => {
        impl $store {
            /// Its addresses.
            pub fn router(&self) -> RaftRouter {
                self.router.clone()
            }

            /// Its addresses, for commands, with reads served at once while a lease allows it (`ReadMode::Lease`).
            pub fn local_reader(&self) -> LocalReader {
                self.shared.reader.clone()
            }

            /// Its snapshot files, for the transport.
            pub fn snap_manager(&self) -> &SnapManager {
                &self.shared.snap_manager
            }

            /// How busy it is.
            pub fn stats(&self) -> &StoreStats {
                &self.shared.stats
            }

            /// Whether it has stopped because of a failure of its disk.
            pub fn is_stopped(&self) -> bool {
                self.shared.fatal.is_stopped()
            }
        }
    };
}

offer!(ThreadStore);
offer!(ManualStore);

impl ManualStore {
    /// The steps that could be taken now, each with all the FSMs that could take part; empty if there is nothing to do.
    pub fn jobs(&mut self) -> Vec<Job> {
        let mut jobs = Vec::new();
        let (raft, apply) = (self.raft.ready(), self.apply.ready());
        if !raft.is_empty() {
            jobs.push(Job::Raft(raft));
        }
        if !apply.is_empty() {
            jobs.push(Job::Apply(apply));
        }
        if self.region.pending() > 0 {
            jobs.push(Job::Region);
        }
        if self.raftlog_gc.pending() > 0 {
            jobs.push(Job::RaftLogGc);
        }
        jobs
    }

    /// Whether there is a job of each kind, in the order of [`Job`]: what [`ManualStore::jobs`] would name, at less cost.
    pub fn has_jobs(&mut self) -> [bool; 4] {
        [
            !self.raft.is_idle(),
            !self.apply.is_idle(),
            self.region.pending() > 0,
            self.raftlog_gc.pending() > 0,
        ]
    }

    /// The FSMs that a round of the raft poller could take now.
    pub fn raft_ready(&mut self) -> Vec<Address> {
        self.raft.ready()
    }

    /// The FSMs that a round of the apply poller could take now.
    pub fn apply_ready(&mut self) -> Vec<Address> {
        self.apply.ready()
    }

    /// Takes a step: one of [`ManualStore::jobs`], or one with only some of its FSMs.
    pub fn run(&mut self, job: &Job) {
        match job {
            Job::Raft(choice) => self.raft.poll(choice),
            Job::Apply(choice) => self.apply.poll(choice),
            Job::Region => {
                self.region.run_one();
            }
            Job::RaftLogGc => {
                self.raftlog_gc.run_one();
            }
        }
    }
}
