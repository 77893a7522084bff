//! Membership change, one peer at a time (thesis §4.1).
//!
//! Any majority of a group and any majority of the group with one peer more or less have a peer in common, so no joint
//! configuration is needed, as long as changes do not overtake each other. A change takes effect when it is applied.

use proto::eraftpb::{ConfChange, ConfChangeType, ConfState, Entry, EntryType};

use crate::error::{Error, Result};
use crate::raft::Raft;
use crate::storage::Storage;
use crate::types::{NONE, PeerId};

impl<S: Storage> Raft<S> {
    /// Decides whether the membership change among the proposed `entries` may be appended, and takes note of where it will
    /// stand.
    ///
    /// # Errors
    /// `ConfChangePending` while one that was appended earlier is not applied here yet, or if `entries` hold two: two changes
    /// on their way at once could let two majorities form that share no peer.
    pub(crate) fn admit_conf_change(&mut self, entries: &[Entry]) -> Result<()> {
        let is_change = |entry: &Entry| entry.entry_type() == EntryType::EntryConfChange;
        let applied = self.log.applied;
        let last = self.log.last_index();
        let Some(leader) = self.role.leader_mut() else { return Err(Error::ProposalDropped) };
        let first = entries.iter().position(is_change);
        let alone = entries.iter().filter(|entry| is_change(entry)).count() == 1;
        match first {
            Some(position) if leader.pending_conf_index <= applied && alone => {
                leader.pending_conf_index = last + 1 + position as u64;
                Ok(())
            }
            _ => Err(Error::ConfChangePending(leader.pending_conf_index)),
        }
    }

    /// Carries out a membership change that has been applied, and returns the group that results.
    pub(crate) fn apply_conf_change(&mut self, change: &ConfChange) -> ConfState {
        let peer = change.node_id;
        if peer != NONE {
            match change.change_type() {
                ConfChangeType::AddNode => self.add_node(peer),
                ConfChangeType::AddLearnerNode => self.add_learner(peer),
                ConfChangeType::RemoveNode => self.remove_node(peer),
            }
        }
        self.check();
        self.membership.to_conf_state()
    }

    /// Makes `peer` a voter. Adding a member again changes nothing of what a leader knows of its log.
    fn add_node(&mut self, peer: PeerId) {
        self.membership.add_voter(peer);
        self.track(peer);
    }

    fn add_learner(&mut self, peer: PeerId) {
        self.membership.add_learner(peer);
        self.track(peer);
    }

    /// Takes `peer` out. A leader forgets it, gives up handing over to it, and commits what the smaller group has stored; a
    /// leader that has removed itself tells the others what is committed, and steps down (thesis §4.2.2).
    fn remove_node(&mut self, peer: PeerId) {
        self.membership.remove(peer);
        let Some(leader) = self.role.leader_mut() else { return };
        leader.progress.remove(&peer);
        if leader.transferee == peer {
            self.abort_leader_transfer();
        }
        if self.maybe_commit() || peer == self.config.id {
            self.bcast_append();
        }
        if peer == self.config.id {
            self.become_follower(self.term, NONE);
        }
    }
}
