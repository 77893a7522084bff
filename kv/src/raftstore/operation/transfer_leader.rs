//! Handing leadership to another peer.
//!
//! # Propose
//! Not an entry: the leader tells Raft, and answers at once. Whether leadership moves is for Raft to see; it may fail silently.

use proto::raft_cmdpb::{AdminCmdType, RaftCmdRequest};

use super::check::missing;
use crate::raftstore::cmd_resp;
use crate::raftstore::error::Error;
use crate::raftstore::meta::region::find_peer_by_id;
use crate::raftstore::msg::Callback;
use crate::raftstore::peer::Peer;

impl Peer {
    /// Asks Raft to hand over to the peer that the request names, and says that it was asked.
    pub fn propose_transfer_leader(&mut self, request: &RaftCmdRequest, callback: Callback) {
        let admin = request.admin_request.as_ref().and_then(|admin| admin.transfer_leader.as_ref());
        let Some(target) = admin.and_then(|transfer| transfer.peer.as_ref()) else {
            return self.refuse(callback, &missing());
        };
        if find_peer_by_id(self.region(), target.id).is_none() {
            let stranger = Error::Invalid(format!("peer {} is not in region {}", target.id, self.region_id));
            return self.refuse(callback, &stranger);
        }
        log::info!("{} hands over to peer {}", self.tag, target.id);
        self.raft_group.transfer_leader(target.id);
        let answer = cmd_resp::empty_admin(AdminCmdType::TransferLeader);
        callback.respond(cmd_resp::new_admin_response(answer, self.term()));
    }
}
