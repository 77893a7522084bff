//! The addresses of a store: what brings messages and commands to its FSMs.

use proto::metapb;
use proto::raft_serverpb::RaftMessage;
use raft::SnapshotStatus;

use super::RegionId;
use super::cmd_resp;
use super::context::{Commands, Mailboxes, SendError};
use super::fsm::apply::{ApplyControl, ApplyFsm};
use super::fsm::peer::{PeerFsm, undeliverable};
use super::fsm::store::StoreFsm;
use super::msg::{ApplyMsg, PeerMsg, RaftCommand, SignificantMsg, StoreMsg};
use crate::batch::Router;

/// Reaches everything in a store. Cheap to clone; used by the network, by the storage layer, and by the FSMs themselves.
#[derive(Clone)]
pub struct RaftRouter {
    pub(super) peers: Router<PeerFsm, StoreFsm>,
    pub(super) applies: Router<ApplyFsm, ApplyControl>,
}

impl RaftRouter {
    /// Delivers a message from another store: to the region's peer, or to the store FSM if there is none. A message for which
    /// there is no room is lost, as in the network.
    pub fn send_raft_message(&self, message: RaftMessage) {
        let region_id = message.region_id;
        let sent = self.peers.send(region_id, PeerMsg::RaftMessage(Box::new(message)));
        if let Err(SendError::Disconnected(PeerMsg::RaftMessage(message))) = sent
            && self.peers.send_control(StoreMsg::RaftMessage(message)).is_err()
        {
            log::debug!("[region {region_id}] a message is lost: the store FSM has too many, or is gone");
        }
    }

    /// A message from this store to a peer of the region could not be delivered.
    pub fn report_unreachable(&self, region_id: RegionId, to_peer_id: u64) {
        self.send_significant(region_id, SignificantMsg::Unreachable { to_peer_id });
    }

    /// A snapshot that this store sent to a peer of the region has arrived, or got lost. Each snapshot message must be reported,
    /// or Raft would wait for ever.
    pub fn report_snapshot(&self, region_id: RegionId, to_peer_id: u64, status: SnapshotStatus) {
        self.send_significant(region_id, SignificantMsg::SnapshotStatus { to_peer_id, status });
    }

    /// Another store cannot be reached at all.
    pub fn report_store_unreachable(&self, store_id: super::StoreId) {
        if self.peers.send_control(StoreMsg::StoreUnreachable { store_id }).is_err() {
            log::debug!("nobody hears that store {store_id} cannot be reached");
        }
    }

    /// One base tick has passed. Ticks must not come faster than `raft_base_tick_ms` apart, and those missed must not be made up
    /// for: followers would count an election timeout that has not passed.
    pub fn tick(&self) {
        self.peers.broadcast(|| PeerMsg::Tick);
        if self.peers.send_control(StoreMsg::Tick).is_err() {
            log::debug!("the store FSM misses a tick");
        }
    }

    /// The regions with a peer here.
    pub fn regions(&self) -> Vec<RegionId> {
        self.peers.addresses()
    }

    fn send_significant(&self, region_id: RegionId, message: SignificantMsg) {
        if self.peers.force_send(region_id, PeerMsg::SignificantMsg(message)).is_err() {
            log::debug!("[region {region_id}] nobody is left to hear of {message:?}");
        }
    }

    /// Sends the first message of the store FSM.
    pub(super) fn start_store(&self, store: metapb::Store) {
        if self.peers.force_send_control(StoreMsg::Start { store }).is_err() {
            log::debug!("the store stops before it starts");
        }
    }
}

impl Commands for RaftRouter {
    fn send_command(&self, command: RaftCommand) {
        let region_id = command.request.header.as_ref().map_or(0, |header| header.region_id);
        let Err(unsent) = self.peers.send(region_id, PeerMsg::RaftCommand(Box::new(command))) else { return };
        let is_full = matches!(unsent, SendError::Full(_));
        if let PeerMsg::RaftCommand(command) = unsent.into_inner() {
            let refusal = undeliverable(region_id, is_full);
            command.callback.respond(cmd_resp::new_error(&refusal, 0));
        }
    }
}

impl Mailboxes for RaftRouter {
    fn send_peer(&self, region_id: RegionId, message: PeerMsg) -> Result<(), SendError<PeerMsg>> {
        self.peers.send(region_id, message)
    }

    fn force_send_peer(&self, region_id: RegionId, message: PeerMsg) -> Result<(), SendError<PeerMsg>> {
        self.peers.force_send(region_id, message)
    }

    fn force_send_apply(&self, region_id: RegionId, message: ApplyMsg) -> Result<(), SendError<ApplyMsg>> {
        self.applies.force_send(region_id, message)
    }

    fn send_store(&self, message: StoreMsg) -> Result<(), SendError<StoreMsg>> {
        self.peers.send_control(message)
    }
}
