//! What a store is given to work with.

use std::sync::Arc;

use proto::metapb;
use proto::raft_serverpb::{RaftApplyState, RaftMessage};

use super::msg::{ApplyMsg, PeerMsg, StoreMsg};
use super::task::{RaftLogGcTask, RegionTask};
use super::{RegionId, StoreId};
pub use crate::batch::SendError;
use crate::clock::Clock;
use crate::config::RaftStoreConfig;
use crate::engine::Engines;
use crate::worker::Scheduler;

/// The network between stores. Sending never waits and never fails visibly: a message that cannot be sent is lost, and the
/// transport reports that to the sending peer as a [`super::msg::SignificantMsg`].
pub trait Transport: Send + Sync {
    /// Sends a message to the store of its `to_peer`. A snapshot message takes its file along, on a connection of its own.
    fn send(&self, message: RaftMessage);
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
    /// Snapshots, and ranges to be cleared.
    pub region_scheduler: Scheduler<RegionTask>,
    /// Log entries to be deleted.
    pub raftlog_gc_scheduler: Scheduler<RaftLogGcTask>,
}
