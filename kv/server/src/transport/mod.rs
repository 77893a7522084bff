//! Messages between stores.
//!
//! ```text
//!  raft threads ── send ──▶ queue of the target store ──▶ its connection ──▶ stream `Raft` of the other store
//!               (never waits)    (bounded)                (a task)                │
//!                                                                                 ▼
//!               unreachable, snapshot status ◀── reports ──┘              mailbox of the peer
//! ```
//!
//! One connection for each other store carries all messages of all regions, in order. A snapshot takes its file along on a
//! connection of its own, so that heartbeats never wait behind gigabytes. What cannot be sent is dropped and reported:
//! Raft repeats what matters.

mod connection;
mod snapshot;

pub use snapshot::receive as receive_snapshot;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use kv::raftstore::context::Transport;
use kv::snap::SnapManager;
use proto::eraftpb::MessageType;
use proto::raft_serverpb::RaftMessage;
use raft::SnapshotStatus;
use tokio::sync::mpsc::{self, error::TrySendError};
use tonic::Status;

use crate::config::ServerConfig;
use crate::metrics::Metrics;
use crate::resolver::Resolver;

/// The raftstore as the network sees it.
pub trait RaftInbox: Send + Sync {
    /// Hands over a message from another store. Gives it back if there is no room for it now.
    fn deliver(&self, message: RaftMessage) -> Result<(), Box<RaftMessage>>;
    /// A message to this peer could not be delivered.
    fn report_unreachable(&self, region_id: u64, to_peer_id: u64);
    /// A store cannot be reached at all; told once for each attempt.
    fn report_store_unreachable(&self, store_id: u64);
    /// How sending a snapshot to this peer ended.
    fn report_snapshot(&self, region_id: u64, to_peer_id: u64, status: SnapshotStatus);
}

/// Options of the transport.
#[derive(Clone, Debug)]
pub struct TransportConfig {
    /// Messages that may wait for one store.
    pub queue_capacity: usize,
    /// Longest wait between attempts to connect.
    pub reconnect_max: Duration,
    /// Length of a piece of a snapshot.
    pub chunk_bytes: usize,
    /// Longest message.
    pub message_bytes_max: usize,
}

impl From<&ServerConfig> for TransportConfig {
    fn from(config: &ServerConfig) -> TransportConfig {
        TransportConfig {
            queue_capacity: config.raft_queue_capacity,
            reconnect_max: Duration::from_millis(config.reconnect_ms_max),
            chunk_bytes: config.snapshot_chunk_bytes,
            message_bytes_max: config.request_bytes_max,
        }
    }
}

/// The way to all other stores.
pub struct ServerTransport {
    shared: Arc<Shared>,
    queues: Mutex<BTreeMap<u64, mpsc::Sender<RaftMessage>>>,
}

/// What all connections use.
struct Shared {
    config: TransportConfig,
    resolver: Resolver,
    metrics: Arc<Metrics>,
    store: OnceLock<Attached>,
    runtime: tokio::runtime::Handle,
}

/// The store behind the transport.
struct Attached {
    inbox: Arc<dyn RaftInbox>,
    snapshots: SnapManager,
}

impl ServerTransport {
    /// A transport whose tasks run on the current runtime.
    pub fn new(config: TransportConfig, resolver: Resolver, metrics: Arc<Metrics>) -> ServerTransport {
        let runtime = tokio::runtime::Handle::current();
        let shared = Shared { config, resolver, metrics, store: OnceLock::new(), runtime };
        ServerTransport { shared: Arc::new(shared), queues: Mutex::default() }
    }

    /// Says who is told about failures, and where snapshot files are. A store is started after its transport: what it sends
    /// in between can only fail silently.
    pub fn attach(&self, inbox: Arc<dyn RaftInbox>, snapshots: SnapManager) {
        let is_first = self.shared.store.set(Attached { inbox, snapshots }).is_ok();
        assert!(is_first, "a transport serves one store");
    }

    fn queue_to(&self, store_id: u64) -> mpsc::Sender<RaftMessage> {
        let mut queues = self.queues.lock().unwrap_or_else(PoisonError::into_inner);
        let start = || {
            let (sender, receiver) = mpsc::channel(self.shared.config.queue_capacity);
            self.shared.runtime.spawn(connection::run(self.shared.clone(), store_id, receiver));
            sender
        };
        queues.entry(store_id).or_insert_with(start).clone()
    }
}

impl Transport for ServerTransport {
    fn send(&self, message: RaftMessage) {
        let metrics = &self.shared.metrics;
        if is_snapshot(&message) {
            self.shared.runtime.spawn(snapshot::send(self.shared.clone(), message));
            return;
        }
        match self.queue_to(store_of(&message)).try_send(message) {
            Ok(()) => metrics.raft_sent.add(1),
            Err(TrySendError::Full(lost) | TrySendError::Closed(lost)) => {
                metrics.raft_dropped.add(1);
                self.shared.report_unreachable(&lost);
            }
        }
    }
}

impl Shared {
    fn report_unreachable(&self, lost: &RaftMessage) {
        if let Some(store) = self.store.get() {
            store.inbox.report_unreachable(lost.region_id, peer_of(lost));
        }
    }

    fn report_snapshot(&self, sent: &RaftMessage, status: SnapshotStatus) {
        if let Some(store) = self.store.get() {
            store.inbox.report_snapshot(sent.region_id, peer_of(sent), status);
        }
    }
}

fn is_snapshot(message: &RaftMessage) -> bool {
    message.message.as_ref().is_some_and(|message| message.msg_type() == MessageType::MsgSnapshot)
}

fn store_of(message: &RaftMessage) -> u64 {
    message.to_peer.map_or(0, |peer| peer.store_id)
}

fn peer_of(message: &RaftMessage) -> u64 {
    message.to_peer.map_or(0, |peer| peer.id)
}

/// Whether a message from another store has what it needs to be handled, and is meant for `store_id`.
///
/// # Errors
/// `FailedPrecondition` for a message for another store: the sender's address of that store is out of date.
/// `InvalidArgument` for what no store would send.
pub fn check_message(message: &RaftMessage, store_id: u64) -> Result<(), Status> {
    let senseless = |what: &str| Err(Status::invalid_argument(format!("a raft message without {what}")));
    if message.region_id == 0 {
        return senseless("region");
    }
    if message.message.is_none() && !message.is_tombstone {
        return senseless("content");
    }
    let (Some(_), Some(to)) = (&message.from_peer, &message.to_peer) else {
        return senseless("sender or receiver");
    };
    if to.store_id != store_id {
        return Err(Status::failed_precondition(format!(
            "this is store {store_id}, and the message is for store {}",
            to.store_id
        )));
    }
    Ok(())
}
