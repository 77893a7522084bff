//! One `Ready`: what Raft wants written, sent and applied, in the order that no crash can turn into a lie.
//!
//! # Before the write
//! [`Peer::handle_raft_ready_append`] puts the writes into the batches of the round, together with those of all other peers of
//! the round. The poll handler ([`crate::raftstore::fsm::handler`]) writes them at once. A leader's messages may leave while
//! that goes on ([`Peer::send_ahead`]).
//!
//! # After the write
//! [`Peer::post_raft_ready`] sends the messages, hands the committed entries to the apply side, and reports back to Raft.
//!
//! # With a snapshot in it
//! The `Ready` waits until the apply side is idle, since nothing may be applied to data that is being replaced. Once its
//! writes are down, its messages and entries wait until the data of the snapshot is in place ([`super::snapshot`]); until
//! then no other `Ready` is taken.

use proto::eraftpb::{Entry, Message};
use proto::raft_serverpb::RaftMessage;
use raft::{Ready, SoftState};

use crate::raftstore::context::{StoreContext, StoreEvent};
use crate::raftstore::meta::region::is_initial_msg;
use crate::raftstore::msg::{ApplyMsg, PeerMsg};
use crate::raftstore::peer::{Held, Peer, Writing};
use crate::raftstore::peer_storage::RoundWrites;
use crate::raftstore::ticker::PeerTick;

impl Peer {
    /// Takes the next `Ready`, if there is one to be worked on now (`take_ready`), and puts what it wants written into
    /// `writes`. It is kept in `writing` for [`Peer::post_raft_ready`], which follows once `writes` are down; here nothing is
    /// sent or applied. `on_role_changed` hears of a changed leader or role.
    ///
    /// The store stops if what is on disk cannot be read.
    pub fn handle_raft_ready_append(&mut self, ctx: &StoreContext, writes: &mut RoundWrites) {
        let Some(ready) = self.take_ready() else { return };
        if let Some(soft_state) = &ready.soft_state {
            self.on_role_changed(ctx, *soft_state);
        }
        match self.mut_store().save_ready_state(&ready, writes) {
            Ok(invoke) => self.writing = Some(Writing { ready, invoke }),
            Err(error) => ctx.fatal.stop(format!("{} cannot save its raft state: {error}", self.tag)),
        }
    }

    /// The `Ready` that may be worked on now; `None` if there is none, or if a snapshot is in the way.
    fn take_ready(&mut self) -> Option<Ready> {
        if self.is_applying_snapshot() {
            return None;
        }
        let next = match self.postponed.take() {
            Some(ready) => ready,
            None if self.raft_group.has_ready() => self.raft_group.ready(),
            None => return None,
        };
        if next.snapshot.is_some() && !self.is_apply_idle() {
            // Entries that are still being applied would land in the data of the snapshot.
            self.postponed = Some(next);
            return None;
        }
        Some(next)
    }

    /// Sends the messages of the `Ready` in `writing` already, if none of them rests on its writes: then the other peers write
    /// at the same time as this one (thesis §10.2.1). Otherwise they stay in it, for after the write.
    ///
    /// What a leader says rests on its term, its vote and its commit index. Its new entries are there to be written by others,
    /// too; that it holds them itself counts only with an answer to this message, and answers are heard after the write.
    pub fn send_ahead(&mut self, ctx: &StoreContext) {
        let (leads, commit) = (self.is_leader(), self.raft_group.status().commit);
        let durable = self.get_store().raft_state().hard_state.unwrap_or_default();
        let Some(Writing { ready, .. }) = &mut self.writing else { return };
        let has_voted =
            ready.hard_state.is_some_and(|new| (new.term, new.vote) != (durable.term, durable.vote));
        // A lone voter commits what nobody but itself is about to write.
        let commits_new = ready.entries.first().is_some_and(|first| first.index <= commit);
        if leads && !has_voted && !commits_new {
            let messages = std::mem::take(&mut ready.messages);
            self.send_messages(ctx, messages);
        }
    }

    /// Finishes the `Ready` in `writing`, if there is one; its writes are durable now. The storage takes over what they say
    /// (`post_ready`), the messages still in it go out, the committed entries go to the apply side, Raft hears that the `Ready`
    /// is done, and its reads are served. If Raft has more to do at once, the peer is woken up.
    ///
    /// If the `Ready` has brought a snapshot, [`Peer::on_snapshot_accepted`] hears of it, and messages and entries are `held`.
    pub fn post_raft_ready(&mut self, ctx: &StoreContext) {
        let Some(Writing { mut ready, invoke }) = self.writing.take() else { return };
        let messages = std::mem::take(&mut ready.messages);
        let committed = std::mem::take(&mut ready.committed_entries);
        let read_states = std::mem::take(&mut ready.read_states);
        if let Some(installing) = self.mut_store().post_ready(invoke) {
            self.on_snapshot_accepted(ctx, installing);
            self.held = Some(Held { messages, committed });
        } else {
            self.send_messages(ctx, messages);
            self.apply_committed(ctx, committed);
        }
        self.raft_group.advance(ready);
        self.on_read_states(ctx, read_states);
        if self.raft_group.has_ready() {
            // More was committed than one `Ready` takes; or only now, as a lone leader's log counts once it is written. The next
            // round goes on with it.
            self.wake(ctx);
        }
    }

    /// Sees to it that this peer is polled again.
    pub fn wake(&self, ctx: &StoreContext) {
        if ctx.mailboxes.force_send_peer(self.region_id, PeerMsg::Noop).is_err() {
            log::debug!("{} is gone", self.tag);
        }
    }

    /// Sends what Raft says to other peers.
    pub fn send_messages(&self, ctx: &StoreContext, messages: Vec<Message>) {
        if self.pending_remove {
            return;
        }
        for message in messages {
            if let Some(message) = self.raft_message(message) {
                ctx.transport.send(message);
            }
        }
    }

    /// The envelope around a message; `None` if nobody knows where its receiver is.
    fn raft_message(&self, message: Message) -> Option<RaftMessage> {
        let region = self.region();
        let Some(to_peer) = self.get_peer_from_cache(message.to) else {
            log::debug!("{} does not know where peer {} is", self.tag, message.to);
            return None;
        };
        let mut envelope = RaftMessage {
            region_id: self.region_id,
            from_peer: Some(self.peer),
            to_peer: Some(to_peer),
            region_epoch: region.region_epoch,
            ..RaftMessage::default()
        };
        if self.get_store().is_initialized() && is_initial_msg(&message) {
            // A store without this peer learns from the range whether it may create one.
            envelope.start_key = region.start_key.clone();
            envelope.end_key = region.end_key.clone();
        }
        envelope.message = Some(message);
        Some(envelope)
    }

    /// Hands committed entries, if there are any, to the apply side: each once, in order, and without a gap;
    /// `last_applying_idx` says how far that is. Adds the length of their data to `raft_log_size_hint`.
    pub fn apply_committed(&mut self, ctx: &StoreContext, entries: Vec<Entry>) {
        let (Some(first), Some(last)) = (entries.first(), entries.last()) else { return };
        assert_eq!(first.index, self.last_applying_idx + 1, "{} hands on entries with a gap", self.tag);
        self.last_applying_idx = last.index;
        self.raft_log_size_hint += entries.iter().map(|entry| entry.data.len() as u64).sum::<u64>();
        let apply = ApplyMsg::Apply { term: self.term(), entries };
        if ctx.mailboxes.force_send_apply(self.region_id, apply).is_err() {
            log::debug!("{} has no apply side any more", self.tag);
        }
    }

    /// Who leads has changed, or what we are.
    fn on_role_changed(&mut self, ctx: &StoreContext, soft_state: SoftState) {
        self.revoke_lease(ctx);
        if self.is_leader() {
            self.ticker.schedule(PeerTick::RaftLogGc, &ctx.config);
        }
        ctx.observer.on_event(StoreEvent::RoleChanged {
            region_id: self.region_id,
            peer_id: self.peer_id(),
            term: self.term(),
            role: soft_state.role,
            leader_id: soft_state.leader_id,
        });
    }
}
