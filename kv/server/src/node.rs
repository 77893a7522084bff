//! A store of a cluster: identity, first region, raftstore, heartbeats.
//!
//! # Start
//! 1. The databases are opened. A new store gets its id from the scheduler, and writes it down before anybody else hears it.
//! 2. The store registers with its address, which may be a new one.
//! 3. A store without any region waits until the scheduler has a first region, which is when all stores of the new cluster
//!    have registered. If it has a peer here and nothing has happened to it yet, the store creates that peer.
//! 4. The raftstore starts, then time: ticks and heartbeats.
//!
//! Stopped anywhere, the same steps taken again lead to the same store.

use std::sync::{Arc, mpsc};
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use kv::config::RaftStoreConfig;
use kv::engine::{Cf, Engines};
use kv::raftstore::bootstrap::{
    bootstrap_store, check_store_ident, clear_prepare_bootstrap, prepare_bootstrap,
};
use kv::raftstore::context::{Mailboxes, SendError};
use kv::raftstore::meta::states;
use kv::raftstore::msg::PeerMsg;
use kv::raftstore::system::{RaftRouter, StoreBuilder, ThreadStore};
use kv::raftstore::{INIT_EPOCH_CONF_VER, INIT_EPOCH_VERSION};
use kv::snap::RealFiles;
use kv::storage::Storage;
use kv::storage::raft::RaftStorage;
use proto::metapb::{Region, RegionEpoch, Store};
use proto::raft_serverpb::RaftMessage;
use raft::SnapshotStatus;

use crate::backend::{KV_DIR, open_engine};
use crate::clock::SystemClock;
use crate::config::Config;
use crate::heartbeat;
use crate::metrics::Metrics;
use crate::pd::{self, Pd};
use crate::resolver::Resolver;
use crate::server::Addresses;
use crate::service::RaftStreams;
use crate::status::{Board, Identity};
use crate::stopping::Stopping;
use crate::transport::{RaftInbox, ServerTransport};

/// Directory of the engine that holds Raft logs.
pub const RAFT_DIR: &str = "raft";
/// Directory of snapshot files.
pub const SNAP_DIR: &str = "snap";

/// Wait between questions to a scheduler that does not answer, or has no region yet.
const ASK_AGAIN: Duration = Duration::from_millis(200);

/// A store that runs.
pub struct Node {
    storage: Arc<dyn Storage>,
    streams: Arc<RaftStreams>,
    engines: Engines,
    store: ThreadStore,
    ticks: Ticks,
}

impl Node {
    /// Starts a store, and returns when its raftstore runs.
    ///
    /// # Errors
    /// A directory of another store or cluster, or one that cannot be used; a scheduler that refuses.
    pub async fn start(
        config: &Config,
        addresses: &Addresses,
        board: Arc<Board>,
        metrics: Arc<Metrics>,
        stopping: Stopping,
    ) -> Result<Node> {
        let path = &config.server.path;
        let engines = Engines {
            raft: open_engine(&path.join(RAFT_DIR), &[Cf::Raft])?,
            kv: open_engine(&path.join(KV_DIR), &Cf::ALL)?,
        };
        let mut pd = find_scheduler(&config.server.scheduler, &board).await?;
        let store_id = identify(&engines, &mut pd).await.with_context(|| in_path(config))?;
        let store = Store {
            id: store_id,
            address: addresses.store.clone(),
            status_address: addresses.status.clone(),
            ..Store::default()
        };
        board.set_identity(Identity { store: store.clone(), cluster_id: pd.cluster_id() });
        register(&mut pd, &store, &board).await?;
        create_first_region(&engines, store_id, &mut pd, &board).await?;

        let transport =
            ServerTransport::new((&config.server).into(), Resolver::new(pd.clone()), metrics.clone());
        let transport = Arc::new(transport);
        let builder = StoreBuilder {
            config: config.raftstore.clone(),
            store: store.clone(),
            engines: engines.clone(),
            snap_files: Arc::new(RealFiles::open(path.join(SNAP_DIR))?),
            transport: transport.clone(),
            clock: Arc::new(SystemClock::new()),
            observer: board.clone(),
        };
        let store =
            tokio::task::block_in_place(|| builder.start_threads()).with_context(|| in_path(config))?;
        let (router, snapshots) = (store.router(), store.snap_manager().clone());
        let inbox: Arc<dyn RaftInbox> = Arc::new(Inbox(router.clone()));
        transport.attach(inbox.clone(), snapshots.clone());
        let streams = RaftStreams::new(store_id, inbox, snapshots, metrics, stopping.clone());
        let sources =
            heartbeat::Sources { pd, board, path: path.clone(), snap: store.snap_manager().clone() };
        tokio::spawn(heartbeat::run(sources, config.raftstore.clone(), stopping));
        Ok(Node {
            storage: Arc::new(RaftStorage::new(Arc::new(store.local_reader()))),
            streams: Arc::new(streams),
            engines,
            ticks: Ticks::start(router, &config.raftstore)?,
            store,
        })
    }

    /// Where requests read and write.
    pub fn storage(&self) -> Arc<dyn Storage> {
        self.storage.clone()
    }

    /// Where other stores send to.
    pub fn streams(&self) -> Arc<RaftStreams> {
        self.streams.clone()
    }

    /// Stops the raftstore, and makes safe what it has written, if it `is_sound`. Waits for threads and disk.
    ///
    /// # Errors
    /// Data that could not be made safe.
    pub fn close(self, is_sound: bool) -> Result<()> {
        drop((self.ticks, self.storage, self.streams));
        drop(self.store);
        if is_sound {
            self.engines.raft.sync().context("the raft log may not be safe")?;
            self.engines.kv.sync().context("the data may not be safe")?;
        }
        Ok(())
    }
}

fn in_path(config: &Config) -> String {
    format!("cannot use the directory {}", config.server.path.display())
}

/// Waits for the scheduler. It is asked for ever: stores and scheduler may be started in any order.
async fn find_scheduler(address: &str, board: &Board) -> Result<Pd> {
    loop {
        match Pd::connect(address).await {
            Ok(pd) => return Ok(pd),
            Err(error @ pd::Error::Refused(_)) => return Err(error.into()),
            Err(error) => board.set_phase(&format!("waiting: {error}")),
        }
        tokio::time::sleep(ASK_AGAIN).await;
    }
}

/// Who this store is. A new one gets an id, and writes it down before it registers: a store that stops in between has used up
/// an id, and nothing else.
async fn identify(engines: &Engines, pd: &mut Pd) -> Result<u64> {
    let cluster_id = pd.cluster_id();
    let known = tokio::task::block_in_place(|| check_store_ident(engines))?;
    if let Some(ident) = known.as_ref().filter(|ident| ident.cluster_id != cluster_id) {
        bail!(
            "it belongs to cluster {}, and the scheduler serves cluster {cluster_id}: check --scheduler and --path",
            ident.cluster_id
        );
    }
    let store_id = match known {
        Some(ident) => ident.store_id,
        None => pd.alloc_id().await?,
    };
    tokio::task::block_in_place(|| bootstrap_store(engines, cluster_id, store_id))?;
    Ok(store_id)
}

async fn register(pd: &mut Pd, store: &Store, board: &Board) -> Result<()> {
    loop {
        match pd.put_store(store.clone()).await {
            Err(error @ pd::Error::Unavailable { .. }) => board.set_phase(&format!("waiting: {error}")),
            registered => return Ok(registered?),
        }
        tokio::time::sleep(ASK_AGAIN).await;
    }
}

/// Creates the peer of the first region, if this store has no region and should have that one.
async fn create_first_region(engines: &Engines, store_id: u64, pd: &mut Pd, board: &Board) -> Result<()> {
    let prepared = states::load_prepare_bootstrap(&*engines.kv)?;
    let has_regions = !states::load_region_states(&*engines.kv)?.is_empty();
    if prepared.is_none() && !has_regions {
        let region = first_region(pd, board).await?;
        if is_untouched(&region) && region.peers.iter().any(|peer| peer.store_id == store_id) {
            tokio::task::block_in_place(|| prepare_bootstrap(engines, &region))?;
        }
    }
    // The scheduler decided on the region before any store heard of it, so the cluster has taken it.
    Ok(tokio::task::block_in_place(|| clear_prepare_bootstrap(engines))?)
}

/// A region that has been split, or has changed its members, is not created: its peers tell this store what to do.
fn is_untouched(region: &Region) -> bool {
    region.region_epoch == Some(RegionEpoch { conf_ver: INIT_EPOCH_CONF_VER, version: INIT_EPOCH_VERSION })
}

async fn first_region(pd: &mut Pd, board: &Board) -> Result<Region> {
    loop {
        match pd.region_at(b"").await {
            Ok(info) => return Ok(info.region),
            Err(error @ pd::Error::Refused(_)) => return Err(error.into()),
            Err(error) => board.set_phase(&format!("waiting: {error}")),
        }
        tokio::time::sleep(ASK_AGAIN).await;
    }
}

/// The raftstore as the transport sees it.
struct Inbox(RaftRouter);

impl RaftInbox for Inbox {
    fn deliver(&self, message: RaftMessage) -> Result<(), Box<RaftMessage>> {
        match self.0.send_peer(message.region_id, PeerMsg::RaftMessage(Box::new(message))) {
            Err(SendError::Full(PeerMsg::RaftMessage(message))) => Err(message),
            Err(SendError::Disconnected(PeerMsg::RaftMessage(message))) => {
                self.0.send_raft_message(*message);
                Ok(())
            }
            _ => Ok(()),
        }
    }

    fn report_unreachable(&self, region_id: u64, to_peer_id: u64) {
        self.0.report_unreachable(region_id, to_peer_id);
    }

    fn report_store_unreachable(&self, store_id: u64) {
        self.0.report_store_unreachable(store_id);
    }

    fn report_snapshot(&self, region_id: u64, to_peer_id: u64, status: SnapshotStatus) {
        self.0.report_snapshot(region_id, to_peer_id, status);
    }
}

/// A thread that tells the raftstore that time passes. Dropping it stops it.
struct Ticks {
    stop: Option<mpsc::Sender<()>>,
    thread: Option<thread::JoinHandle<()>>,
}

impl Ticks {
    /// Not on the runtime: were its threads busy for a while, the store would call elections for that alone. A tick that came
    /// late is not made up for.
    fn start(router: RaftRouter, config: &RaftStoreConfig) -> Result<Ticks> {
        let length = Duration::from_millis(config.raft_base_tick_ms);
        let (stop, stopped) = mpsc::channel::<()>();
        let tick = move || {
            while stopped.recv_timeout(length) == Err(mpsc::RecvTimeoutError::Timeout) {
                router.tick();
            }
        };
        let thread = thread::Builder::new().name("ticks".to_owned()).spawn(tick)?;
        Ok(Ticks { stop: Some(stop), thread: Some(thread) })
    }
}

impl Drop for Ticks {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            // A panic of that thread has told its reason.
            drop(thread.join());
        }
    }
}
