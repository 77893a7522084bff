//! What is behind the requests: one engine, or the raftstore.

use std::path::Path;
use std::sync::Arc;

use anyhow::{Context, Result};
use kv::engine::{Cf, Engine, FjallEngine};
use kv::storage::{Callback, Error, Modify, Reader, StandaloneStorage, Storage};
use proto::kvrpcpb;
use proto::metapb::Store;

use crate::config::Config;
use crate::metrics::Metrics;
use crate::node::Node;
use crate::server::Addresses;
use crate::service::RaftStreams;
use crate::space::Guarded;
use crate::status::{Board, Identity};
use crate::stopping::Stopping;

/// Directory of the engine that holds users' data.
pub const KV_DIR: &str = "kv";

/// What is behind the requests.
pub struct Backend {
    storage: Arc<dyn Storage>,
    kind: Kind,
}

enum Kind {
    /// One engine, without Raft.
    Standalone(Arc<dyn Engine>),
    /// A store of a cluster.
    Node(Box<Node>),
}

impl Backend {
    /// Opens what `config` names, and returns when it can serve.
    ///
    /// # Errors
    /// See [`crate::server::start`].
    pub async fn open(
        config: &Config,
        addresses: &Addresses,
        board: Arc<Board>,
        metrics: Arc<Metrics>,
        stopping: Stopping,
    ) -> Result<Backend> {
        let (storage, kind) = if config.server.standalone {
            let engine = open_engine(&config.server.path.join(KV_DIR), &Cf::ALL)?;
            let (address, status_address) = (addresses.store.clone(), addresses.status.clone());
            let store = Store { address, status_address, ..Store::default() };
            board.set_identity(Identity { store, cluster_id: 0 });
            let storage: Arc<dyn Storage> =
                Arc::new(Blocking { storage: StandaloneStorage::new(engine.clone()), board: board.clone() });
            (storage, Kind::Standalone(engine))
        } else {
            let node = Node::start(config, addresses, board.clone(), metrics, stopping.clone()).await?;
            (node.storage(), Kind::Node(Box::new(node)))
        };
        let storage = Arc::new(Guarded::new(storage, &config.server, board, stopping));
        Ok(Backend { storage, kind })
    }

    /// Where requests read and write.
    pub fn storage(&self) -> Arc<dyn Storage> {
        self.storage.clone()
    }

    /// Where other stores send to, if there are any.
    pub fn streams(&self) -> Option<Arc<RaftStreams>> {
        match &self.kind {
            Kind::Standalone(_) => None,
            Kind::Node(node) => Some(node.streams()),
        }
    }

    /// Stops it. Writes are made safe only if `is_sound`.
    ///
    /// # Errors
    /// Data that could not be made safe.
    pub async fn close(self, is_sound: bool) -> Result<()> {
        drop(self.storage);
        let close = move || match self.kind {
            Kind::Standalone(engine) if is_sound => engine.sync().context("the data may not be safe"),
            Kind::Standalone(_) => Ok(()),
            Kind::Node(node) => node.close(is_sound),
        };
        tokio::task::spawn_blocking(close).await?
    }
}

/// Opens an engine. It waits for the disk, so not on a thread that serves others.
pub(crate) fn open_engine(path: &Path, cfs: &[Cf]) -> Result<Arc<dyn Engine>> {
    let opened = tokio::task::block_in_place(|| FjallEngine::open(path, cfs));
    Ok(Arc::new(opened.with_context(|| format!("cannot open {}", path.display()))?))
}

/// A storage that waits for the disk, and stops the process when the disk fails.
struct Blocking {
    storage: StandaloneStorage,
    board: Arc<Board>,
}

impl Storage for Blocking {
    fn async_snapshot(&self, context: &kvrpcpb::Context, callback: Callback<Box<dyn Reader>>) {
        tokio::task::block_in_place(|| self.storage.async_snapshot(context, callback));
    }

    fn async_write(
        &self,
        context: &kvrpcpb::Context,
        guard_term: u64,
        modifies: Vec<Modify>,
        callback: Callback<()>,
    ) {
        let board = self.board.clone();
        let watched: Callback<()> = Box::new(move |result| {
            if let Err(Error::Engine(reason)) = &result {
                board.fail(reason.clone());
            }
            callback(result);
        });
        tokio::task::block_in_place(|| self.storage.async_write(context, guard_term, modifies, watched));
    }
}
