//! The table of the peer FSM: who handles which message. (TinyKV has it as `peer_msg_handler`.)

use crate::batch::Fsm;
use crate::raftstore::context::StoreContext;
use crate::raftstore::error::Error;
use crate::raftstore::msg::{CasualMsg, PeerMsg};
use crate::raftstore::peer::Peer;
use crate::raftstore::peer_storage::RoundWrites;

/// The raft side of one region's replica, as its poller sees it.
pub struct PeerFsm {
    /// State and behaviour.
    pub peer: Peer,
    is_stopped: bool,
}

impl Fsm for PeerFsm {
    type Message = PeerMsg;

    fn is_stopped(&self) -> bool {
        self.is_stopped
    }
}

impl PeerFsm {
    /// An FSM for this peer.
    pub fn new(peer: Peer) -> PeerFsm {
        PeerFsm { peer, is_stopped: false }
    }

    /// Handles one message.
    pub fn on_msg(&mut self, ctx: &StoreContext, message: PeerMsg) {
        let peer = &mut self.peer;
        match message {
            PeerMsg::RaftMessage(message) => peer.on_raft_message(ctx, *message),
            PeerMsg::RaftCommand(command) => peer.propose_raft_command(ctx, *command),
            PeerMsg::Tick => peer.on_base_tick(ctx),
            PeerMsg::ApplyRes(res) => peer.on_apply_res(ctx, *res),
            PeerMsg::SignificantMsg(message) => peer.on_significant_msg(message),
            PeerMsg::CasualMsg(CasualMsg::SnapshotApplied) => {
                peer.maybe_finish_snapshot(ctx);
            }
            // Raft asks for the snapshot again when the next heartbeat is answered.
            PeerMsg::CasualMsg(CasualMsg::SnapshotGenerated) | PeerMsg::Noop => {}
            PeerMsg::Start => peer.on_start(ctx),
        }
    }

    /// All messages of the round are handled: collects what they have brought about, and sends what need not wait for the
    /// write.
    pub fn collect_ready(&mut self, ctx: &StoreContext, writes: &mut RoundWrites) {
        let peer = &mut self.peer;
        peer.ask_read_index(ctx);
        // Ahead of the entries that this round may commit.
        peer.send_proposals(ctx);
        peer.handle_raft_ready_append(ctx, writes);
        peer.send_ahead(ctx);
    }

    /// What was collected is durable: acts on it.
    pub fn post_ready(&mut self, ctx: &StoreContext) {
        let peer = &mut self.peer;
        peer.post_raft_ready(ctx);
        peer.send_gen_snap_task(ctx);
        peer.tell_status(ctx);
        peer.check();
    }

    /// The store has stopped: nothing is answered any more, so that nothing wrong is.
    pub fn refuse(message: PeerMsg) {
        if let PeerMsg::RaftCommand(command) = message {
            command.callback.outcome_unknown();
        }
    }
}

/// What a command is told that found no peer, or no room in its mailbox.
pub fn undeliverable(region_id: u64, is_full: bool) -> Error {
    if is_full {
        return Error::ServerIsBusy(format!("region {region_id} has too many commands waiting"));
    }
    Error::RegionNotFound(region_id)
}
