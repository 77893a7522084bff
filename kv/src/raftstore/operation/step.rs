//! Messages of other peers: which of them Raft gets to see.

use proto::raft_serverpb::RaftMessage;

use crate::raftstore::context::StoreContext;
use crate::raftstore::peer::Peer;

/// Whether a message is for this store, and complete.
pub fn is_valid(ctx: &StoreContext, message: &RaftMessage) -> bool {
    let to_store = message.to_peer.as_ref().map_or(0, |peer| peer.store_id);
    if to_store != ctx.store_id {
        log::warn!("a message for store {to_store} came to store {}", ctx.store_id);
        return false;
    }
    message.from_peer.is_some() && message.region_epoch.is_some() && message.message.is_some()
}

impl Peer {
    /// Handles a message of another peer: drops it if it is not for this peer, or if its snapshot cannot be installed here, and
    /// hands it to Raft otherwise.
    pub fn on_raft_message(&mut self, ctx: &StoreContext, mut message: RaftMessage) {
        if !is_valid(ctx, &message) || self.pending_remove || !self.is_for_this_peer(&message) {
            return;
        }
        let snapshot = match self.admit_snapshot(ctx, &message) {
            Ok(pin) => pin,
            Err(refusal) => return log::info!("{refusal}"),
        };
        if let Some(from) = message.from_peer.take() {
            self.peer_cache.insert(from.id, from);
        }
        let first_index_before = self.raft_group.status().first_index;
        if let Some(inner) = message.message.take()
            && let Err(error) = self.raft_group.step(inner)
        {
            log::debug!("{} drops a message: {error}", self.tag);
        }
        if let Some(pin) = snapshot {
            self.on_snapshot_stepped(ctx, pin, first_index_before);
        }
    }

    /// Whether the message is meant for this peer, and not for one that was, or will be, in its place.
    fn is_for_this_peer(&self, message: &RaftMessage) -> bool {
        let meant = message.to_peer.as_ref().map_or(0, |peer| peer.id);
        if message.is_tombstone || meant != self.peer_id() {
            // Destroying and replacing peers comes with membership changes.
            log::info!("{} drops a message for peer {meant}", self.tag);
            return false;
        }
        true
    }
}
