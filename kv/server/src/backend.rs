//! What is behind the requests: one engine, or the raftstore.

use std::path::Path;
use std::sync::Arc;

use anyhow::{Context, Result};
use kv::engine::{Cf, Engine, FjallEngine};
use kv::storage::{Callback, Error, Modify, Reader, StandaloneStorage, Storage};
use proto::kvrpcpb;
use tokio::sync::watch;

use crate::config::Config;
use crate::metrics::Metrics;
use crate::server::Addresses;
use crate::service::RaftStreams;
use crate::status::{Board, Identity};

/// What is behind the requests.
pub struct Backend {
    storage: Arc<dyn Storage>,
    streams: Option<Arc<RaftStreams>>,
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
        _metrics: Arc<Metrics>,
        _stopping: watch::Receiver<bool>,
    ) -> Result<Backend> {
        if config.server.standalone {
            return standalone(&config.server.path, addresses, board);
        }
        anyhow::bail!("not yet")
    }

    /// Where requests read and write.
    pub fn storage(&self) -> Arc<dyn Storage> {
        self.storage.clone()
    }

    /// Where other stores send to, if there are any.
    pub fn streams(&self) -> Option<Arc<RaftStreams>> {
        self.streams.clone()
    }

    /// Stops it. Writes are made safe only if `is_sound`.
    ///
    /// # Errors
    /// Data that could not be made safe.
    pub async fn close(self, _is_sound: bool) -> Result<()> {
        Ok(())
    }
}

/// Directory of the engine that holds users' data.
const KV_DIR: &str = "kv";

fn standalone(path: &Path, addresses: &Addresses, board: Arc<Board>) -> Result<Backend> {
    let engine = open_engine(&path.join(KV_DIR), &Cf::ALL)?;
    let store = proto::metapb::Store {
        address: addresses.store.clone(),
        status_address: addresses.status.clone(),
        ..proto::metapb::Store::default()
    };
    board.set_identity(Identity { store, cluster_id: 0 });
    let storage = Arc::new(Blocking { storage: StandaloneStorage::new(engine), board });
    Ok(Backend { storage, streams: None })
}

fn open_engine(path: &Path, cfs: &[Cf]) -> Result<Arc<dyn Engine>> {
    let engine = FjallEngine::open(path, cfs).with_context(|| format!("cannot open {}", path.display()))?;
    Ok(Arc::new(engine))
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
