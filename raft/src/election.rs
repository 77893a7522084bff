//! Elections: asking for votes, giving them, counting them (paper §5.2, §5.4.1; pre-vote: thesis §9.6).

use bytes::Bytes;
use proto::eraftpb::{Entry, EntryType, Message, MessageType};

use crate::config::ReadMode;
use crate::quorum::{self, VoteResult};
use crate::raft::{Raft, message_to};
use crate::role::RoleState;
use crate::storage::Storage;
use crate::types::{LogId, NONE, PeerId};

/// Marks the vote requests of a campaign that the leader asked for: they are answered even by peers that hear a leader.
const FORCED: &[u8] = b"transfer";

impl<S: Storage> Raft<S> {
    /// Campaigns because the election timer ran out, or because the caller wants it. Leaders, and peers that cannot be
    /// elected, do nothing.
    pub(crate) fn hup(&mut self) {
        if self.may_campaign() {
            if self.config.pre_vote {
                self.pre_campaign();
            } else {
                self.campaign(Bytes::new());
            }
        }
    }

    /// Campaigns at once, and without asking first, because the leader hands over (thesis §3.10).
    pub(crate) fn hup_for_transfer(&mut self) {
        if self.may_campaign() {
            self.campaign(Bytes::from_static(FORCED));
        }
    }

    fn may_campaign(&self) -> bool {
        // A membership change that is committed but not applied here could let us win with the voters of a group that is
        // two changes old, and thus without a voter in common with the current one.
        !self.is_leader() && self.is_promotable() && !self.has_unapplied_conf_change()
    }

    /// Whether a membership change is committed and not applied here yet: until it is, this peer does not know the group
    /// that an election is about.
    fn has_unapplied_conf_change(&self) -> bool {
        let from = (self.log.applied + 1).max(self.log.first_index());
        let until = self.log.committed + 1;
        let is_change = |entry: &Entry| entry.entry_type() == EntryType::EntryConfChange;
        self.log.slice(from, until, u64::MAX).is_ok_and(|entries| entries.iter().any(is_change))
    }

    /// Starts an election: enters the next term as a candidate, votes for itself, and asks all other voters. A group of
    /// one elects itself at once.
    ///
    /// The requests name our last entry, so that no voter with a more up-to-date log elects us (paper §5.4.1), and carry
    /// `context`.
    pub(crate) fn campaign(&mut self, context: Bytes) {
        self.become_candidate();
        let result = self.record_vote(self.config.id, true);
        if result == VoteResult::Won {
            self.become_leader();
            return;
        }
        let last = self.log.last_id();
        for voter in self.other_voters() {
            let mut request = message_to(voter, MessageType::MsgRequestVote);
            request.index = last.index;
            request.log_term = last.term;
            request.context = context.clone();
            self.send(request);
        }
    }

    /// Asks all other voters whether they would vote for us in the next term.
    fn pre_campaign(&mut self) {
        self.become_pre_candidate();
        if self.record_vote(self.config.id, true) == VoteResult::Won {
            self.campaign(Bytes::new());
            return;
        }
        let last = self.log.last_id();
        for voter in self.other_voters() {
            let mut request = message_to(voter, MessageType::MsgRequestPreVote);
            request.from = self.config.id;
            request.term = self.term + 1;
            request.index = last.index;
            request.log_term = last.term;
            self.outbox.push(request);
        }
    }

    /// Whether a request for votes is to be ignored because we hear a leader (thesis §4.2.3). Votes proper are withheld only
    /// with check-quorum, where a leader that nobody hears steps down by itself; pre-votes always, as it is what they ask
    /// for (thesis §9.6).
    pub(crate) fn is_leased(&self, request: &Message) -> bool {
        let ticks = self.config.election_ticks;
        let hears_leader = self.leader_id() != NONE && self.election_elapsed.0 < ticks;
        // We may have heard a leader just before a restart, and it counts on that.
        let may_have_heard =
            self.config.read_mode == ReadMode::Lease && self.term > 0 && self.uptime.0 < ticks;
        let applies = self.config.check_quorum || request.msg_type() == MessageType::MsgRequestPreVote;
        applies && (hears_leader || may_have_heard) && request.context != FORCED
    }

    /// The table of vote requests: votes proper, and pre-votes.
    pub(crate) fn handle_vote_request(&mut self, request: &Message) {
        match request.msg_type() {
            MessageType::MsgRequestPreVote => self.handle_pre_vote(request),
            _ => self.handle_request_vote(request),
        }
    }

    /// Answers a candidate of our term. It gets our vote if no other candidate has it already, no leader of the term is
    /// known, and its log is at least as up to date as ours (paper §5.2, §5.4.1); giving the vote starts the election timer
    /// anew. Asked again, the same candidate gets the same answer.
    fn handle_request_vote(&mut self, request: &Message) {
        let candidate = request.from;
        let free = self.vote == NONE && self.leader_id() == NONE;
        let last = LogId { term: request.log_term, index: request.index };
        let granted = (self.vote == candidate || free) && self.log.is_up_to_date(last);
        if granted {
            self.vote = candidate;
            self.election_elapsed.0 = 0;
        }
        let mut answer = message_to(candidate, MessageType::MsgRequestVoteResponse);
        answer.reject = !granted;
        self.send(answer);
    }

    /// Answers whether we would vote for the sender in the term that it names. Changes nothing here.
    fn handle_pre_vote(&mut self, request: &Message) {
        let last = LogId { term: request.log_term, index: request.index };
        let granted = request.term > self.term && self.log.is_up_to_date(last);
        let mut answer = message_to(request.from, MessageType::MsgRequestPreVoteResponse);
        answer.reject = !granted;
        answer.from = self.config.id;
        // A granted pre-vote is for the asked term; a refusal tells ours.
        answer.term = if granted { request.term } else { self.term };
        self.outbox.push(answer);
    }

    /// The table of answers to vote requests.
    pub(crate) fn handle_vote_response(&mut self, answer: &Message) {
        let RoleState::Candidate(candidate) = &self.role else { return };
        let pre_vote = answer.msg_type() == MessageType::MsgRequestPreVoteResponse;
        if candidate.pre_vote != pre_vote {
            return;
        }
        if pre_vote {
            self.count_pre_vote(answer);
        } else {
            self.handle_request_vote_response(answer);
        }
    }

    /// Counts the answer of one voter to our campaign of this term: becomes leader with a majority; becomes a follower when
    /// a majority has refused; else goes on waiting.
    fn handle_request_vote_response(&mut self, answer: &Message) {
        match self.record_vote(answer.from, !answer.reject) {
            VoteResult::Won => self.become_leader(),
            VoteResult::Lost => self.become_follower(self.term, NONE),
            VoteResult::Pending => {}
        }
    }

    fn count_pre_vote(&mut self, answer: &Message) {
        // An answer for another term than the next one belongs to an earlier question.
        if !answer.reject && answer.term != self.term + 1 {
            return;
        }
        match self.record_vote(answer.from, !answer.reject) {
            VoteResult::Won => self.campaign(Bytes::new()),
            VoteResult::Lost => self.become_follower(self.term, NONE),
            VoteResult::Pending => {}
        }
    }

    /// All voters but ourselves.
    fn other_voters(&self) -> Vec<PeerId> {
        self.membership.voters().iter().copied().filter(|&voter| voter != self.config.id).collect()
    }

    /// Takes note of a vote, the first answer of a voter counting, and says where the election stands.
    fn record_vote(&mut self, voter: PeerId, granted: bool) -> VoteResult {
        let RoleState::Candidate(candidate) = &mut self.role else { return VoteResult::Pending };
        candidate.votes.entry(voter).or_insert(granted);
        quorum::vote_result(self.membership.voters(), &candidate.votes)
    }

    /// Steps down unless a quorum, with ourselves, was heard from since the last time (thesis §6.2).
    pub(crate) fn check_quorum(&mut self) {
        let id = self.config.id;
        let membership = &self.membership;
        let Some(leader) = self.role.leader_mut() else { return };
        let mut active = 0;
        for (&peer, progress) in &mut leader.progress {
            if membership.is_voter(peer) && (peer == id || progress.recent_active) {
                active += 1;
            }
            progress.recent_active = false;
        }
        if active < membership.quorum() {
            self.become_follower(self.term, NONE);
        }
    }
}
