//! Linearizable reads without a log entry (thesis §6.4).

use std::collections::BTreeSet;

use bytes::{Buf as _, Bytes};
use proto::eraftpb::{Entry, Message, MessageType};

use crate::config::ReadMode;
use crate::quorum;
use crate::raft::{Raft, message_to};
use crate::read_only::PendingRead;
use crate::ready::ReadState;
use crate::storage::Storage;
use crate::types::{NONE, PeerId};

impl<S: Storage> Raft<S> {
    /// Starts a read on behalf of our own caller: as leader here, else at the leader we know. A read that cannot be started
    /// is dropped; the caller asks again.
    pub(crate) fn read_index(&mut self, context: Bytes) {
        if self.is_leader() {
            self.start_read(self.config.id, context);
            return;
        }
        let leader = self.leader_id();
        if leader != NONE {
            let mut request = message_to(leader, MessageType::MsgReadIndex);
            request.entries = vec![Entry { data: context, ..Entry::default() }];
            self.send(request);
        }
    }

    /// Handles a follower's read. It is for the leader of the term; nobody else passes it on.
    pub(crate) fn handle_read_index(&mut self, mut request: Message) {
        if self.is_leader()
            && let Some(entry) = request.entries.pop()
        {
            self.start_read(request.from, entry.data);
        }
    }

    fn start_read(&mut self, from: PeerId, context: Bytes) {
        if !self.has_committed_own_entry() {
            // Earlier leaders may have committed more than we know.
            return;
        }
        let index = self.log.committed;
        if self.is_quorum(&BTreeSet::new()) || self.has_lease() {
            self.answer_read(from, context, index);
            return;
        }
        if let Some(leader) = self.role.leader_mut() {
            leader.reads.push(from, context, index);
        }
        self.bcast_heartbeat();
    }

    /// Whether `peers` and ourselves are a quorum.
    fn is_quorum(&self, peers: &BTreeSet<PeerId>) -> bool {
        let votes = peers.iter().copied().chain([self.config.id]).map(|peer| (peer, true)).collect();
        quorum::vote_result(self.membership.voters(), &votes) == quorum::VoteResult::Won
    }

    fn has_lease(&self) -> bool {
        // A quarter of the time is left for clocks that run faster than ours.
        let ticks = self.config.election_ticks - self.config.election_ticks.div_ceil(4);
        let lease = self.role.leader().map(|leader| &leader.lease);
        self.config.read_mode == ReadMode::Lease
            && lease.is_some_and(|lease| lease.holds(ticks, |peers| self.is_quorum(peers)))
    }

    /// What goes out with every heartbeat and comes back with its answer: the lease's stamp, if there are leases, and the
    /// round of the youngest waiting read.
    pub(crate) fn heartbeat_context(&self) -> Bytes {
        let Some(leader) = self.role.leader() else { return Bytes::new() };
        let read = leader.reads.last_round().unwrap_or_default();
        if self.config.read_mode == ReadMode::Quorum {
            return read;
        }
        [&leader.lease.stamp().to_be_bytes(), read.as_ref()].concat().into()
    }

    /// A heartbeat came back: the peer still followed us when it was sent, and when it saw the read that it carried.
    pub(crate) fn on_heartbeat_context(&mut self, answer: &Message) {
        let mut read = answer.context.clone();
        let Some(leader) = self.role.leader_mut() else { return };
        if self.config.read_mode == ReadMode::Lease
            && let Some((stamp, _)) = answer.context.split_first_chunk()
        {
            leader.lease.confirm(answer.from, u32::from_be_bytes(*stamp));
            read.advance(stamp.len());
        }
        if read.is_empty() {
            return;
        }
        let mut reads = std::mem::take(&mut leader.reads);
        let confirmed = reads.ack(answer.from, &read, |acks| self.is_quorum(acks));
        if let Some(leader) = self.role.leader_mut() {
            leader.reads = reads;
        }
        for PendingRead { from, context, index, .. } in confirmed {
            self.answer_read(from, context, index);
        }
    }

    fn answer_read(&mut self, from: PeerId, context: Bytes, index: u64) {
        if from == self.config.id {
            self.read_states.push(ReadState { index, context });
            return;
        }
        let mut answer = message_to(from, MessageType::MsgReadIndexResp);
        answer.index = index;
        answer.entries = vec![Entry { data: context, ..Entry::default() }];
        self.send(answer);
    }

    /// Handles the leader's answer to a read that we passed on.
    pub(crate) fn handle_read_index_response(&mut self, mut answer: Message) {
        if let Some(entry) = answer.entries.pop() {
            self.read_states.push(ReadState { index: answer.index, context: entry.data });
        }
    }
}
