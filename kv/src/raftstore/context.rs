//! What a store is given to work with.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};

use proto::metapb;
use proto::raft_serverpb::{RaftApplyState, RaftMessage};

use super::meta::store_meta::StoreMeta;
use super::msg::{ApplyMsg, PeerMsg, RaftCommand, StoreMsg};
use super::task::{RaftLogGcTask, RegionTask};
use super::{RegionId, StoreId};
pub use crate::batch::SendError;
use crate::clock::Clock;
use crate::config::RaftStoreConfig;
use crate::engine::Engines;
use crate::snap::SnapManager;
use crate::worker::Scheduler;

/// The network between stores. Sending never waits and never fails visibly: a message that cannot be sent is lost, and the
/// transport reports that to the sending peer as a [`super::msg::SignificantMsg`].
pub trait Transport: Send + Sync {
    /// Sends a message to the store of its `to_peer`. A snapshot message takes its file along, on a connection of its own.
    fn send(&self, message: RaftMessage);
}

/// Where commands go.
pub trait Commands: Send + Sync {
    /// Brings a command to the peer of the region that its header names, or answers it.
    fn send_command(&self, command: RaftCommand);
}

/// The mailboxes of a store.
pub trait Mailboxes: Send + Sync {
    /// To a peer, unless its mailbox is full.
    fn send_peer(&self, region_id: RegionId, message: PeerMsg) -> Result<(), SendError<PeerMsg>>;
    /// To a peer, even if its mailbox is full: for what must not be lost.
    fn force_send_peer(&self, region_id: RegionId, message: PeerMsg) -> Result<(), SendError<PeerMsg>>;
    /// To an apply FSM, even if its mailbox is full.
    fn force_send_apply(&self, region_id: RegionId, message: ApplyMsg) -> Result<(), SendError<ApplyMsg>>;
    /// To the store FSM.
    fn send_store(&self, message: StoreMsg) -> Result<(), SendError<StoreMsg>>;
}

/// What a peer looks like from outside: for the status page, for traces, and for the checks of the simulation.
#[derive(Clone, Debug, PartialEq)]
pub struct PeerStatus {
    /// Its region.
    pub region: metapb::Region,
    /// Itself.
    pub peer: metapb::Peer,
    /// Its Raft state.
    pub raft: raft::Status,
    /// What it has applied and compacted, as far as the peer FSM knows.
    pub apply_state: RaftApplyState,
    /// Whether it is installing a snapshot.
    pub applying_snapshot: bool,
}

/// Something worth telling.
#[derive(Clone, Debug, PartialEq)]
pub enum StoreEvent {
    /// A peer started.
    PeerStarted {
        /// Region.
        region_id: RegionId,
        /// Peer.
        peer_id: u64,
    },
    /// A peer became leader, candidate or follower, or learnt of another leader.
    RoleChanged {
        /// Region.
        region_id: RegionId,
        /// Peer.
        peer_id: u64,
        /// Its term.
        term: u64,
        /// Its role.
        role: raft::Role,
        /// Leader that it knows of; 0 none.
        leader_id: u64,
    },
    /// A snapshot was generated.
    SnapshotGenerated {
        /// Region.
        region_id: RegionId,
        /// Last entry in it.
        index: u64,
    },
    /// A snapshot was installed.
    SnapshotInstalled {
        /// Region.
        region_id: RegionId,
        /// Last entry in it.
        index: u64,
    },
    /// Entries were deleted from the log, up to and including `index`.
    LogCompacted {
        /// Region.
        region_id: RegionId,
        /// Last entry deleted.
        index: u64,
    },
    /// The store cannot go on: a write or sync failed, or the data on disk is corrupt. Nothing follows.
    Fatal {
        /// Why.
        reason: String,
    },
}

/// Told what happens in a store. Must not wait, and must not call back.
pub trait Observer: Send + Sync {
    /// Something worth telling.
    fn on_event(&self, event: StoreEvent);
    /// A peer's state after a round that may have changed it.
    fn on_peer(&self, status: PeerStatus);
    /// A write has come to a place where a crash is worth a test. Named as in TiKV.
    fn on_fail_point(&self, _name: &'static str) {}
}

/// Stops a store for good. After a write or a sync has failed, nobody knows what is on disk, and whatever the store still said
/// could be a lie: no message leaves it any more, no command is answered, and only a restart from the disk helps.
pub struct Fatal {
    stopped: AtomicBool,
    observer: Arc<dyn Observer>,
}

impl Fatal {
    /// A store that runs.
    pub fn new(observer: Arc<dyn Observer>) -> Fatal {
        Fatal { stopped: AtomicBool::new(false), observer }
    }

    /// Stops the store, and tells the observer why; the first reason counts.
    pub fn stop(&self, reason: impl Into<String>) {
        if !self.stopped.swap(true, Ordering::SeqCst) {
            let reason = reason.into();
            log::error!("the store stops: {reason}");
            self.observer.on_event(StoreEvent::Fatal { reason });
        }
    }

    /// Whether the store has been stopped. To be asked after each write, and before anything is told to anybody.
    pub fn is_stopped(&self) -> bool {
        self.stopped.load(Ordering::SeqCst)
    }
}

/// How busy a store is.
#[derive(Debug, Default)]
pub struct StoreStats {
    rounds: AtomicU64,
    slow_rounds: AtomicU64,
    is_busy: AtomicBool,
}

impl StoreStats {
    /// A round of a raft poller has ended; it was slow if it lasted an election timeout or more.
    pub fn on_round(&self, was_slow: bool) {
        self.rounds.fetch_add(1, Ordering::Relaxed);
        if was_slow {
            self.slow_rounds.fetch_add(1, Ordering::Relaxed);
            self.is_busy.store(true, Ordering::Relaxed);
        }
    }

    /// Rounds of the raft pollers so far.
    pub fn rounds(&self) -> u64 {
        self.rounds.load(Ordering::Relaxed)
    }

    /// Those of them that were slow.
    pub fn slow_rounds(&self) -> u64 {
        self.slow_rounds.load(Ordering::Relaxed)
    }

    /// Whether there was a slow round since this was last asked: what the scheduler is told with each heartbeat.
    pub fn take_busy(&self) -> bool {
        self.is_busy.swap(false, Ordering::Relaxed)
    }
}

/// What a store is given; shared by its FSMs.
pub struct StoreContext {
    /// Options.
    pub config: RaftStoreConfig,
    /// This store.
    pub store_id: StoreId,
    /// Its two databases.
    pub engines: Engines,
    /// Its network.
    pub transport: Arc<dyn Transport>,
    /// Its mailboxes.
    pub mailboxes: Arc<dyn Mailboxes>,
    /// Its clock.
    pub clock: Arc<dyn Clock>,
    /// Who wants to know.
    pub observer: Arc<dyn Observer>,
    /// Counters.
    pub stats: Arc<StoreStats>,
    /// Stops the store when its disk fails.
    pub fatal: Arc<Fatal>,
    /// Which region holds which keys on this store. Locked for a moment only, and never together with anything else.
    pub store_meta: Arc<Mutex<StoreMeta>>,
    /// Its snapshot files.
    pub snap_manager: SnapManager,
    /// Snapshots, and ranges to be cleared.
    pub region_scheduler: Scheduler<RegionTask>,
    /// Log entries to be deleted.
    pub raftlog_gc_scheduler: Scheduler<RaftLogGcTask>,
}

impl StoreContext {
    /// Locks what is known about all regions.
    pub fn lock_meta(&self) -> MutexGuard<'_, StoreMeta> {
        self.store_meta.lock().expect("nothing panics while it holds this lock")
    }
}
