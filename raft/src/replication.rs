//! The leader's side of replication: appending, sending, counting answers, heartbeats (paper §5.3, §5.4.2).

use bytes::Bytes;
use proto::eraftpb::{Entry, EntryType, Message, MessageType};

use crate::error::{Error, Result};
use crate::progress::Progress;
use crate::raft::{Raft, message_to};
use crate::role::RoleState;
use crate::status::ProgressState;
use crate::storage::Storage;
use crate::types::{LogId, NONE, PeerId};

impl<S: Storage> Raft<S> {
    /// Appends what a client proposed, and has it sent to all others (`send_later`).
    ///
    /// # Errors
    /// `ProposalDropped` unless this is a leader, still a member, and not handing over; `ConfChangePending` for a membership
    /// change while another is pending. Nothing is appended then.
    pub(crate) fn handle_propose(&mut self, entries: Vec<Entry>) -> Result<()> {
        let accepts =
            self.is_leader() && self.transferee() == NONE && self.membership.contains(self.config.id);
        if !accepts || entries.is_empty() {
            return Err(Error::ProposalDropped);
        }
        if entries.iter().any(|entry| entry.entry_type() == EntryType::EntryConfChange) {
            self.admit_conf_change(&entries)?;
        }
        self.append_entries(entries);
        self.send_later();
        Ok(())
    }

    /// Has our new entries sent when the messages are next taken. What was proposed until then travels together.
    fn send_later(&mut self) {
        if let Some(leader) = self.role.leader_mut() {
            leader.unsent = true;
        }
    }

    /// Sends what `send_later` put off.
    pub(crate) fn send_proposed(&mut self) {
        let unsent = self.role.leader_mut().is_some_and(|leader| std::mem::take(&mut leader.unsent));
        if unsent {
            for peer in self.other_members() {
                while self.maybe_send_append(peer, false) {}
            }
        }
    }

    /// Adds entries behind our last one, numbered and of our term. We are a voter like any other: what we hold counts, and
    /// in a group of one it is committed at once.
    pub(crate) fn append_entries(&mut self, mut entries: Vec<Entry>) {
        let mut index = self.log.last_index();
        for entry in &mut entries {
            index += 1;
            entry.index = index;
            entry.term = self.term;
        }
        self.log.append(entries);
        let id = self.config.id;
        if let Some(ours) = self.role.leader_mut().and_then(|leader| leader.progress.get_mut(&id)) {
            ours.maybe_update(index);
        }
        // Nobody else holds it yet: only a group of one has a majority already.
        if self.membership.quorum() == 1 {
            self.maybe_commit();
        }
    }

    /// Raises the commit index to what a majority holds, if that is of our own term (paper §5.4.2). Returns whether it rose.
    pub(crate) fn maybe_commit(&mut self) -> bool {
        let index = self.quorum_index();
        self.log.maybe_commit(index, self.term)
    }

    /// Sends every other member what it lacks, as far as it may be sent to now; with nothing to send, our commit index.
    pub(crate) fn bcast_append(&mut self) {
        for peer in self.other_members() {
            self.send_append(peer);
        }
    }

    /// Sends `to` what it lacks, or else our commit index; nothing if it may not be sent to now.
    pub(crate) fn send_append(&mut self, to: PeerId) {
        self.maybe_send_append(to, true);
    }

    /// Sends `to` the entries from its `next` on, as many as fit into a message, along with the entry before them, which it
    /// must hold to take them, and our commit index. An append without entries is sent only if `allow_empty`.
    ///
    /// A peer whose next entry is compacted gets a snapshot instead. Returns whether an append was sent: it is not to peers
    /// that are paused (see [`Progress`]), or that nothing can be sent to.
    fn maybe_send_append(&mut self, to: PeerId, allow_empty: bool) -> bool {
        let RoleState::Leader(leader) = &mut self.role else { return false };
        let Some(progress) = leader.progress.get_mut(&to).filter(|progress| !progress.is_paused()) else {
            return false;
        };
        let prev = progress.next - 1;
        let entries = self.log.entries_from(progress.next, self.config.max_message_bytes);
        let (Ok(log_term), Ok(entries)) = (self.log.term(prev), entries) else {
            self.send_snapshot(to);
            return false;
        };
        if entries.is_empty() && !allow_empty {
            return false;
        }
        let last = prev + entries.len() as u64;
        let mut append = message_to(to, MessageType::MsgAppend);
        append.from = self.config.id;
        append.term = self.term;
        append.index = prev;
        append.log_term = log_term;
        append.commit = self.log.committed;
        append.entries = entries;
        self.outbox.push(append);
        progress.on_sent(last);
        true
    }

    /// Handles a follower's answer to an append, or to a snapshot.
    ///
    /// A success says that its log equals ours up to `index`: take note, commit what a majority holds now and tell all
    /// others, and go on sending. A refusal says that it does not hold the entry before `entries`: go back, no further than
    /// the hint needs, and try again. Answers that were overtaken, or from strangers, change nothing (they may come twice,
    /// late and in any order).
    pub(crate) fn handle_append_response(&mut self, answer: &Message) {
        let Some(was_paused) = self.on_response_from(answer.from) else { return };
        if answer.reject {
            // Entries of higher terms than the follower's at the hint cannot be in its log: skip them all at once.
            let hint = self.log.last_agreeable(answer.reject_hint, answer.log_term).index;
            self.on_rejected(answer.from, answer.index, hint);
            return;
        }
        if !self.on_accepted(answer.from, answer.index) {
            return;
        }
        if self.maybe_commit() {
            self.bcast_append();
        } else if was_paused {
            // What was committed while it was paused has not been told to it.
            self.send_append(answer.from);
        }
        while self.maybe_send_append(answer.from, false) {}
        if self.transferee() == answer.from {
            self.maybe_finish_transfer();
        }
    }

    /// A member answered: it is alive. Returns whether it was paused before; `None` if this is no leader, or the peer no
    /// member.
    fn on_response_from(&mut self, peer: PeerId) -> Option<bool> {
        let progress = self.role.leader_mut()?.progress.get_mut(&peer)?;
        progress.recent_active = true;
        Some(progress.is_paused())
    }

    /// The peer's log equals ours up to `index`. Returns whether that is news, or ends the probing: then the peer is sent to
    /// without waiting from now on.
    fn on_accepted(&mut self, peer: PeerId, index: u64) -> bool {
        let Some(progress) = self.role.leader_mut().and_then(|leader| leader.progress.get_mut(&peer)) else {
            return false;
        };
        let news = progress.maybe_update(index);
        match progress.state {
            // The logs agree at `matched`, which is where a probe goes back to.
            ProgressState::Probe if progress.matched == index => {
                progress.become_replicate();
                return true;
            }
            ProgressState::Snapshot if progress.matched >= progress.pending_snapshot => {
                progress.become_replicate()
            }
            ProgressState::Replicate => progress.free_inflight(index),
            ProgressState::Probe | ProgressState::Snapshot => {}
        }
        news
    }

    /// The peer refused the append behind `rejected`; its log may agree with ours at or below `hint`. If that is news, it is
    /// probed from there, at once.
    fn on_rejected(&mut self, peer: PeerId, rejected: u64, hint: u64) {
        let Some(progress) = self.role.leader_mut().and_then(|leader| leader.progress.get_mut(&peer)) else {
            return;
        };
        if progress.maybe_decrease(rejected, hint) {
            if progress.state == ProgressState::Replicate {
                progress.become_probe();
            }
            self.send_append(peer);
        }
    }

    /// As leader, sends a heartbeat to every other member, with the `heartbeat_context` of this moment.
    pub(crate) fn bcast_heartbeat(&mut self) {
        if !self.is_leader() {
            return;
        }
        let context = self.heartbeat_context();
        for peer in self.other_members() {
            self.send_heartbeat(peer, context.clone());
        }
    }

    /// Sends one heartbeat. It carries our commit index, but none beyond what the peer is known to hold: what it holds
    /// behind that may not be ours.
    pub(crate) fn send_heartbeat(&mut self, to: PeerId, context: Bytes) {
        let Some(matched) = self.progress(to).map(|progress| progress.matched) else { return };
        let mut heartbeat = message_to(to, MessageType::MsgHeartbeat);
        heartbeat.commit = matched.min(self.log.committed);
        heartbeat.context = context;
        self.send(heartbeat);
    }

    /// Handles a follower's answer to a heartbeat. It is alive, and may have missed messages: one more append may go out,
    /// and does if the follower is not known to hold all of our log.
    pub(crate) fn handle_heartbeat_response(&mut self, answer: &Message) {
        if self.on_response_from(answer.from).is_none() {
            return;
        }
        let last = self.log.last_index();
        let Some(progress) = self.role.leader_mut().and_then(|leader| leader.progress.get_mut(&answer.from))
        else {
            return;
        };
        progress.probe_sent = false;
        progress.free_oldest_inflight();
        if progress.matched < last {
            self.send_append(answer.from);
        }
    }

    /// The last append to `peer` got lost: its log is not known any more beyond what it has acknowledged.
    pub(crate) fn on_unreachable(&mut self, peer: PeerId) {
        let Some(progress) = self.role.leader_mut().and_then(|leader| leader.progress.get_mut(&peer)) else {
            return;
        };
        if progress.state == ProgressState::Replicate {
            progress.become_probe();
        }
    }

    /// All members but ourselves.
    pub(crate) fn other_members(&self) -> Vec<PeerId> {
        self.membership.peers().filter(|&peer| peer != self.config.id).collect()
    }

    /// Whether `peer` is known to hold our whole log.
    pub(crate) fn is_caught_up(&self, peer: PeerId) -> bool {
        self.progress(peer).is_some_and(|progress| progress.matched == self.log.last_index())
    }

    /// Whether an entry of our own term is committed: before that, the commit index may be behind what earlier leaders
    /// committed.
    pub(crate) fn has_committed_own_entry(&self) -> bool {
        self.log.matches(LogId { term: self.term, index: self.log.committed })
    }

    /// Starts to track a member that joined.
    pub(crate) fn track(&mut self, peer: PeerId) {
        let next = self.log.last_index() + 1;
        let max_inflight = self.config.max_inflight_messages;
        let Some(leader) = self.role.leader_mut() else { return };
        let progress = leader.progress.entry(peer).or_insert_with(|| Progress::new(next, max_inflight));
        // Counts as heard from, or the next quorum check could depose us before it had a chance to answer.
        progress.recent_active = true;
    }
}
