//! The face that the core shows to its caller: inputs, and [`Ready`], the work that they make.

use bytes::Bytes;
use prost::Message as _;
use proto::eraftpb::{ConfChange, ConfState, Entry, EntryType, HardState, Message, MessageType};

use crate::config::Config;
use crate::error::{Error, Result};
use crate::raft::{Raft, is_local, message_to};
use crate::ready::{Ready, SnapshotStatus, SoftState};
use crate::snapshot::position;
use crate::status::{ProgressStatus, Status};
use crate::storage::Storage;
use crate::types::{Index, LogId, PeerId, Term};

/// One peer of a Raft group, as its caller sees it. See the crate's guide for the loop around it.
#[derive(Clone, Debug, Hash)]
pub struct RawNode<S: Storage> {
    raft: Raft<S>,
    /// What the last `Ready` that had any said of them: news is what differs.
    soft_state: SoftState,
    hard_state: HardState,
}

impl<S: Storage> RawNode<S> {
    /// Starts a peer from what is on disk.
    ///
    /// # Errors
    /// `InvalidConfig`, or what the storage reports.
    pub fn new(config: &Config, storage: S) -> Result<RawNode<S>> {
        let raft = Raft::new(config, storage)?;
        Ok(RawNode { soft_state: raft.soft_state(), hard_state: raft.hard_state(), raft })
    }

    /// Advances the logical clock by one tick.
    pub fn tick(&mut self) {
        self.raft.tick();
    }

    /// Campaigns now, as if the election timer had run out.
    ///
    /// # Errors
    /// None yet: a peer that may not campaign does nothing.
    pub fn campaign(&mut self) -> Result<()> {
        self.raft.step(message_to(0, MessageType::MsgHup))
    }

    /// Proposes a command. It is committed when it comes out of a `Ready`, and may be lost without a trace before that.
    ///
    /// # Errors
    /// `ProposalDropped` unless this peer leads, and is not handing over.
    pub fn propose(&mut self, data: impl Into<Bytes>) -> Result<()> {
        let entry = Entry { data: data.into(), ..Entry::default() };
        self.raft.step(Message { entries: vec![entry], ..message_to(0, MessageType::MsgPropose) })
    }

    /// Proposes a membership change. It takes effect through [`RawNode::apply_conf_change`], when its entry is applied.
    ///
    /// # Errors
    /// As [`RawNode::propose`], and `ConfChangePending` while another change is on its way.
    pub fn propose_conf_change(&mut self, change: &ConfChange) -> Result<()> {
        let entry = Entry {
            entry_type: EntryType::EntryConfChange as i32,
            data: change.encode_to_vec().into(),
            ..Entry::default()
        };
        self.raft.step(Message { entries: vec![entry], ..message_to(0, MessageType::MsgPropose) })
    }

    /// Carries out a membership change whose entry has been applied, and returns the group that results, for the disk.
    pub fn apply_conf_change(&mut self, change: &ConfChange) -> ConfState {
        self.raft.apply_conf_change(change)
    }

    /// Handles a message from another peer.
    ///
    /// # Errors
    /// `LocalMessage` for a kind that no peer may send: drop it.
    pub fn step(&mut self, message: Message) -> Result<()> {
        if is_local(message.msg_type()) {
            return Err(Error::LocalMessage(message.msg_type().as_str_name()));
        }
        self.raft.step(message)
    }

    /// Asks for handing leadership to `target`. May fail silently: watch who leads.
    pub fn transfer_leader(&mut self, target: PeerId) {
        let message = Message { from: target, ..message_to(0, MessageType::MsgTransferLeader) };
        self.raft.handle_transfer_leader(message);
    }

    /// Asks for an index that a linearizable read may wait for; it comes in a later `Ready`, named by `context`, or never.
    pub fn read_index(&mut self, context: impl Into<Bytes>) {
        self.raft.read_index(context.into());
    }

    /// Reports how sending a snapshot to `peer` ended.
    pub fn report_snapshot(&mut self, peer: PeerId, status: SnapshotStatus) {
        self.raft.on_snapshot_status(peer, status == SnapshotStatus::Failure);
    }

    /// Reports that the last message to `peer` could not be sent.
    pub fn report_unreachable(&mut self, peer: PeerId) {
        self.raft.on_unreachable(peer);
    }

    /// Whether there is work for the caller: whether [`RawNode::ready`] would hand out anything.
    pub fn has_ready(&self) -> bool {
        let raft = &self.raft;
        raft.soft_state() != self.soft_state
            || raft.hard_state() != self.hard_state
            || raft.log.unstable_snapshot().is_some()
            || !raft.log.unstable_entries().is_empty()
            || raft.log.has_next_committed()
            || raft.has_output()
    }

    /// Hands out the work that has come up since the last `Ready`. Messages, committed entries and read states are handed
    /// out once. The next `Ready` may be taken when this one is done, and reported by [`RawNode::advance`].
    pub fn ready(&mut self) -> Ready {
        let (soft_state, hard_state) = (self.raft.soft_state(), self.raft.hard_state());
        let entries = self.raft.log.unstable_entries().to_vec();
        let snapshot = self.raft.log.unstable_snapshot().cloned();
        let vote_changed = (hard_state.term, hard_state.vote) != (self.hard_state.term, self.hard_state.vote);
        let ready = Ready {
            soft_state: (soft_state != self.soft_state).then_some(soft_state),
            hard_state: (hard_state != self.hard_state).then_some(hard_state),
            must_sync: vote_changed || !entries.is_empty() || snapshot.is_some(),
            committed_entries: self.raft.next_committed_entries(),
            messages: self.raft.take_messages(),
            read_states: self.raft.take_read_states(),
            snapshot,
            entries,
        };
        self.soft_state = soft_state;
        self.hard_state = hard_state;
        ready
    }

    /// Reports that the last `Ready`'s writes are durable and its messages sent. What came up in between stays for the next.
    pub fn advance(&mut self, ready: Ready) {
        if let Some(snapshot) = &ready.snapshot {
            self.raft.log.stable_snapshot_to(position(snapshot).index);
        }
        if let Some(last) = ready.entries.last() {
            self.raft.log.stable_to(LogId { term: last.term, index: last.index });
        }
        self.raft.check();
    }

    /// Reports that the state machine has applied everything up to `index`.
    pub fn advance_apply(&mut self, index: Index) {
        self.raft.log.applied_to(index);
    }

    /// This peer at this moment.
    pub fn status(&self) -> Status {
        self.raft.status()
    }

    /// What the leader knows of `peer`; `None` if this is no leader, or `peer` no member.
    pub fn progress(&self, peer: PeerId) -> Option<ProgressStatus> {
        self.raft.progress(peer)
    }

    /// Term of the entry at `index`, on disk or not; `None` if the log does not hold it.
    pub fn log_term(&self, index: Index) -> Option<Term> {
        self.raft.log.term(index).ok()
    }

    /// The group as of the last applied change.
    pub fn conf_state(&self) -> ConfState {
        self.raft.conf_state()
    }

    /// The disk below.
    pub fn storage(&self) -> &S {
        self.raft.log.storage()
    }

    /// The disk below, for the caller, who writes it.
    pub fn storage_mut(&mut self) -> &mut S {
        self.raft.log.storage_mut()
    }
}
