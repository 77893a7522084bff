//! Handing leadership to a chosen peer (thesis §3.10).

use proto::eraftpb::{Message, MessageType};

use crate::raft::{Raft, message_to};
use crate::storage::Storage;
use crate::types::{NONE, Ticks};

impl<S: Storage> Raft<S> {
    /// Handles the wish that `message.from` shall lead. A follower passes it on, unchanged, to the leader it knows.
    ///
    /// The leader refuses new proposals from now on, brings the peer's log up to date, and then tells it to campaign at
    /// once. A second wish replaces the first, unless it names the same peer. Wishes for ourselves, for strangers and for
    /// learners are dropped; one for ourselves ends the hand-over under way.
    pub(crate) fn handle_transfer_leader(&mut self, mut message: Message) {
        let target = message.from;
        if !self.is_leader() {
            message.to = self.leader_id();
            message.term = self.term;
            if message.to != NONE {
                self.outbox.push(message);
            }
            return;
        }
        if !self.membership.is_voter(target) || target == self.transferee() {
            return;
        }
        self.abort_leader_transfer();
        if target == self.config.id {
            return;
        }
        // The hand-over has to be done within an election timeout: the clock that counts it starts now.
        self.election_elapsed = Ticks(0);
        if let Some(leader) = self.role.leader_mut() {
            leader.transferee = target;
        }
        if !self.maybe_finish_transfer() {
            self.send_append(target);
        }
    }

    /// Tells the chosen peer to campaign, if its log is up to date; else it could not win. Returns whether it did.
    ///
    /// Proposals stay refused: they would only make the peer's log stale again. The hand-over ends when we hear of the new
    /// term, or when it is aborted.
    pub(crate) fn maybe_finish_transfer(&mut self) -> bool {
        let target = self.transferee();
        let caught_up = self.is_caught_up(target);
        if caught_up {
            self.send(message_to(target, MessageType::MsgTimeoutNow));
        }
        caught_up
    }

    /// Gives up handing over: we go on leading, and take proposals again. Called when an election timeout has passed, so that
    /// a dead peer cannot block the group, and when the chosen peer is removed.
    pub(crate) fn abort_leader_transfer(&mut self) {
        if let Some(leader) = self.role.leader_mut() {
            leader.transferee = NONE;
        }
    }

    /// Handles the leader's order to campaign at once. Peers that cannot be elected (any more) ignore it.
    pub(crate) fn handle_timeout_now(&mut self, _message: &Message) {
        self.hup_for_transfer();
    }
}
