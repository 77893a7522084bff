//! The state of one peer, its clock, its changes of role, and the table that says who handles which message.

use std::collections::BTreeMap;

use proto::eraftpb::{ConfState, Entry, HardState, Message, MessageType};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use crate::config::Config;
use crate::error::{Error, Result};
use crate::log::RaftLog;
use crate::membership::Membership;
use crate::outbox::Outbox;
use crate::progress::Progress;
use crate::ready::{ReadState, SoftState};
use crate::role::{Candidate, Follower, Leader, RoleState};
use crate::status::{ProgressStatus, Role, Status};
use crate::storage::Storage;
use crate::types::{Index, NONE, PeerId, Term, Ticks};

/// One peer of a Raft group.
///
/// Invariants ([`Raft::check`]):
/// 1. a leader and a candidate are voters, unless a leader is about to learn of its removal;
/// 2. a candidate (not a pre-candidate) and a leader voted for themselves;
/// 3. a leader knows the progress of exactly the members, and holds all of its own log.
#[derive(Clone, Debug, Hash)]
pub struct Raft<S: Storage> {
    pub(crate) config: Config,

    // ---- persisted in the hard state, with the log's commit index ----
    /// Current term. Never decreases.
    pub(crate) term: Term,
    /// Candidate voted for in `term`, or [`NONE`].
    pub(crate) vote: PeerId,
    /// The log, most of it persisted.
    pub log: RaftLog<S>,

    // ---- persisted by the caller, who gets it from `apply_conf_change` and from snapshots ----
    /// The group as of the last applied index.
    pub(crate) membership: Membership,

    // ---- volatile ----
    pub(crate) role: RoleState,
    /// Ticks since the last sign of a leader or candidate worth waiting for; for a leader, since its last quorum check.
    pub(crate) election_elapsed: Ticks,
    /// Ticks since a leader's last heartbeat.
    pub(crate) heartbeat_elapsed: Ticks,
    /// A follower campaigns after so many ticks: drawn anew for each term.
    pub(crate) election_timeout: Ticks,
    /// Ticks since the start.
    pub(crate) uptime: Ticks,
    pub(crate) outbox: Outbox,
    /// Confirmed reads that wait for the next `Ready`.
    pub(crate) read_states: Vec<ReadState>,
}

impl<S: Storage> Raft<S> {
    /// Starts a peer from what is on disk, as a follower.
    ///
    /// # Errors
    /// `InvalidConfig`, or what the storage reports.
    pub fn new(config: &Config, storage: S) -> Result<Raft<S>> {
        config.validate()?;
        let state = storage.initial_state()?;
        let mut log = RaftLog::new(storage)?;
        log.commit_to(state.hard_state.commit);
        if config.applied > log.committed {
            let why = format!("applied {} is beyond the commit index {}", config.applied, log.committed);
            return Err(Error::InvalidConfig(why));
        }
        log.applied_to(config.applied);
        let mut raft = Raft {
            config: config.clone(),
            term: state.hard_state.term,
            vote: state.hard_state.vote,
            log,
            membership: Membership::from_conf_state(&state.conf_state),
            role: RoleState::default(),
            election_elapsed: Ticks(0),
            heartbeat_elapsed: Ticks(0),
            election_timeout: Ticks(0),
            uptime: Ticks(0),
            outbox: Outbox::default(),
            read_states: Vec::new(),
        };
        raft.become_follower(raft.term, NONE);
        raft.check();
        Ok(raft)
    }

    /// Advances the logical clock by one tick.
    pub fn tick(&mut self) {
        self.uptime.0 = self.uptime.0.saturating_add(1);
        if let Some(leader) = self.role.leader_mut() {
            leader.lease.tick();
            self.tick_heartbeat();
            self.tick_leadership();
        } else {
            self.tick_election();
        }
        self.check();
    }

    /// A tick of anybody but the leader: campaigns when nothing worth waiting for was heard for the whole election timeout
    /// (paper §5.2), and waits a whole timeout again before the next campaign. Peers that cannot be elected only count.
    fn tick_election(&mut self) {
        self.election_elapsed.0 += 1;
        if self.election_elapsed >= self.election_timeout && self.is_promotable() {
            self.election_elapsed = Ticks(0);
            self.hup();
        }
    }

    /// A tick of the leader: sends heartbeats every `heartbeat_ticks`, so that nobody campaigns while it lives.
    fn tick_heartbeat(&mut self) {
        self.heartbeat_elapsed.0 += 1;
        if self.heartbeat_elapsed.0 >= self.config.heartbeat_ticks {
            self.heartbeat_elapsed = Ticks(0);
            self.bcast_heartbeat();
        }
    }

    /// A tick of the leader, once in `election_ticks`: does a quorum still hear us, and has a hand-over taken too long?
    fn tick_leadership(&mut self) {
        self.election_elapsed.0 += 1;
        if self.election_elapsed.0 < self.config.election_ticks {
            return;
        }
        self.election_elapsed = Ticks(0);
        if self.transferee() != NONE {
            self.abort_leader_transfer();
        }
        if self.config.check_quorum {
            self.check_quorum();
        }
    }

    /// Handles one message: from another peer, or a local one (`MsgHup`, `MsgBeat`, `MsgPropose`, ...).
    ///
    /// # Errors
    /// `ProposalDropped` or `ConfChangePending` for a refused proposal. Messages from peers never fail: what cannot be used
    /// is dropped, as the network might have done.
    pub fn step(&mut self, message: Message) -> Result<()> {
        let handled = if is_local(message.msg_type()) {
            self.step_local(message)
        } else {
            if self.admit(&message) {
                self.step_peer(message);
            }
            Ok(())
        };
        self.check();
        handled
    }

    /// The table of local messages.
    fn step_local(&mut self, message: Message) -> Result<()> {
        match message.msg_type() {
            MessageType::MsgHup => self.hup(),
            MessageType::MsgBeat => self.bcast_heartbeat(),
            MessageType::MsgPropose => return self.handle_propose(message.entries),
            MessageType::MsgUnreachable => self.on_unreachable(message.from),
            MessageType::MsgSnapStatus => self.on_snapshot_status(message.from, message.reject),
            MessageType::MsgCheckQuorum => self.check_quorum(),
            kind => unreachable!("{kind:?} is not local"),
        }
        Ok(())
    }

    /// The table of messages from peers. Here the message's term is our own.
    fn step_peer(&mut self, message: Message) {
        use MessageType::*;
        match message.msg_type() {
            MsgRequestVote | MsgRequestPreVote => self.handle_vote_request(&message),
            MsgRequestVoteResponse | MsgRequestPreVoteResponse => self.handle_vote_response(&message),
            MsgHeartbeat => {
                if self.follow(message.from) {
                    self.handle_heartbeat(&message);
                }
            }
            MsgAppend => {
                if self.follow(message.from) {
                    self.handle_append(message);
                }
            }
            MsgSnapshot => {
                if self.follow(message.from) {
                    self.handle_snapshot(message);
                }
            }
            MsgHeartbeatResponse => {
                self.handle_heartbeat_response(&message);
                self.on_heartbeat_context(&message);
            }
            MsgAppendResponse => self.handle_append_response(&message),
            MsgTransferLeader => self.handle_transfer_leader(message),
            MsgTimeoutNow => self.handle_timeout_now(&message),
            MsgReadIndex => self.handle_read_index(message),
            MsgReadIndexResp => self.handle_read_index_response(message),
            MsgHup | MsgBeat | MsgPropose | MsgUnreachable | MsgSnapStatus | MsgCheckQuorum => {
                unreachable!("local messages have a table of their own")
            }
        }
    }

    /// Compares the message's term with our own, and says whether the message is for our term, after adopting a higher one
    /// (paper §5.1). Pre-votes are asked and granted for a term that nobody has entered yet.
    fn admit(&mut self, message: &Message) -> bool {
        use MessageType::*;
        let kind = message.msg_type();
        if message.term > self.term {
            if matches!(kind, MsgRequestVote | MsgRequestPreVote) && self.is_leased(message) {
                return false;
            }
            let only_asked =
                kind == MsgRequestPreVote || (kind == MsgRequestPreVoteResponse && !message.reject);
            if !only_asked {
                self.on_higher_term(message);
            }
            return true;
        }
        if message.term < self.term {
            self.on_stale_message(message);
            return false;
        }
        true
    }

    /// Adopts the higher term of `message`, as a follower. Of its leader, if the message is one that only leaders send;
    /// else of nobody yet.
    fn on_higher_term(&mut self, message: &Message) {
        if is_from_leader(message.msg_type()) {
            self.become_follower(message.term, message.from);
            return;
        }
        let waited = self.election_elapsed;
        let was_leader = self.is_leader();
        self.become_follower(message.term, NONE);
        if !was_leader {
            // Only a granted vote is worth waiting for. A peer that keeps asking in vain must not keep us from campaigning.
            self.election_elapsed = waited;
        }
    }

    /// Answers whoever is behind, so that it learns of our term and steps down or stops asking; uses nothing of what it
    /// says. Answers of an earlier term are dropped.
    fn on_stale_message(&mut self, message: &Message) {
        use MessageType::*;
        let kind = match message.msg_type() {
            MsgAppend | MsgHeartbeat | MsgSnapshot => MsgAppendResponse,
            MsgRequestVote => MsgRequestVoteResponse,
            MsgRequestPreVote => MsgRequestPreVoteResponse,
            _ => return,
        };
        let mut answer = message_to(message.from, kind);
        answer.reject = true;
        answer.index = message.index;
        self.send(answer);
    }

    /// Becomes a follower of `leader` ([`NONE`]: not known yet) in `term`, which is our own or a higher one.
    pub(crate) fn become_follower(&mut self, term: Term, leader: PeerId) {
        self.reset(term);
        self.role = RoleState::Follower(Follower { leader_id: leader });
    }

    /// Enters the next term as a candidate that has voted for itself (paper §5.2).
    pub(crate) fn become_candidate(&mut self) {
        assert!(!self.is_leader(), "a leader does not campaign");
        self.reset(self.term + 1);
        self.vote = self.config.id;
        self.role = RoleState::Candidate(Candidate::default());
    }

    /// Starts to ask whether an election could be won. Neither term nor vote change (thesis §9.6).
    pub(crate) fn become_pre_candidate(&mut self) {
        assert!(!self.is_leader(), "a leader does not campaign");
        self.role = RoleState::Candidate(Candidate { votes: BTreeMap::new(), pre_vote: true });
    }

    /// Leads the current term: nothing is known of the others' logs. An empty entry is appended and sent to all others: it
    /// tells them who leads, and commits all entries of earlier terms with it (paper §5.4.2, §8).
    pub(crate) fn become_leader(&mut self) {
        assert_eq!(self.role(), Role::Candidate, "only a candidate is elected");
        self.reset(self.term);
        let last = self.log.last_index();
        let max_inflight = self.config.max_inflight_messages;
        let progress = self.membership.peers().map(|peer| (peer, Progress::new(last + 1, max_inflight)));
        self.role = RoleState::Leader(Leader {
            progress: progress.collect(),
            // The tail may hold a membership change that we do not know to be applied: wait for all of it.
            pending_conf_index: last,
            ..Leader::default()
        });
        self.append_entries(vec![Entry::default()]);
        self.bcast_append();
    }

    /// Starts afresh in `term`: a new term has no vote yet, and the election timer starts again, with a timeout of its own.
    fn reset(&mut self, term: Term) {
        assert!(term >= self.term, "term regression {} → {term}", self.term);
        if term > self.term {
            self.term = term;
            self.vote = NONE;
        }
        self.election_elapsed = Ticks(0);
        self.heartbeat_elapsed = Ticks(0);
        self.election_timeout = self.draw_election_timeout();
    }

    /// An election timeout from `election_ticks..2 * election_ticks`, at random: different for each peer and each term, so
    /// that votes are rarely split (paper §5.2), and the same for the same seed.
    fn draw_election_timeout(&self) -> Ticks {
        let seed = self.config.seed ^ self.config.id.rotate_left(48) ^ self.term.rotate_left(16);
        let ticks = self.config.election_ticks;
        Ticks(ChaCha8Rng::seed_from_u64(seed).random_range(ticks..2 * ticks))
    }

    /// Whether this peer may campaign: it is a voter, and no snapshot waits to be installed.
    pub(crate) fn is_promotable(&self) -> bool {
        self.membership.is_voter(self.config.id) && self.log.unstable_snapshot().is_none()
    }

    /// What this peer is.
    pub fn role(&self) -> Role {
        self.role.role()
    }

    /// Whether this peer leads.
    pub(crate) fn is_leader(&self) -> bool {
        self.role.leader().is_some()
    }

    /// Leader of the term, or [`NONE`] if not known.
    pub fn leader_id(&self) -> PeerId {
        if self.is_leader() { self.config.id } else { self.role.followed() }
    }

    /// Peer that leadership is being handed to, or [`NONE`].
    pub(crate) fn transferee(&self) -> PeerId {
        self.role.leader().map_or(NONE, |leader| leader.transferee)
    }

    /// Puts a message into the outbox, from us and of our term.
    pub(crate) fn send(&mut self, mut message: Message) {
        if message.msg_type() == MessageType::MsgTimeoutNow
            && let Some(leader) = self.role.leader_mut()
        {
            leader.lease.give_up();
        }
        message.from = self.config.id;
        message.term = self.term;
        self.outbox.push(message);
    }

    /// Takes the messages made so far. They may go out once everything before them is durable.
    pub fn take_messages(&mut self) -> Vec<Message> {
        self.send_proposed();
        self.outbox.take()
    }

    /// Hands out committed entries, each once, as many as `Config::max_ready_bytes` allows.
    pub fn next_committed_entries(&mut self) -> Vec<Entry> {
        self.log.next_committed_entries(self.config.max_ready_bytes)
    }

    /// Takes the reads confirmed so far.
    pub fn take_read_states(&mut self) -> Vec<ReadState> {
        std::mem::take(&mut self.read_states)
    }

    /// Whether messages or confirmed reads wait to be taken.
    pub fn has_output(&self) -> bool {
        let unsent = self.role.leader().is_some_and(|leader| leader.unsent);
        unsent || !self.outbox.is_empty() || !self.read_states.is_empty()
    }

    /// The group as of the last applied change.
    pub fn conf_state(&self) -> ConfState {
        self.membership.to_conf_state()
    }

    /// What must be on disk before the next message goes out.
    pub fn hard_state(&self) -> HardState {
        HardState { term: self.term, vote: self.vote, commit: self.log.committed }
    }

    /// Leader and role.
    pub fn soft_state(&self) -> SoftState {
        SoftState { leader_id: self.leader_id(), role: self.role() }
    }

    /// This peer at this moment.
    pub fn status(&self) -> Status {
        Status {
            id: self.config.id,
            term: self.term,
            vote: self.vote,
            role: self.role(),
            leader_id: self.leader_id(),
            commit: self.log.committed,
            applied: self.log.applied,
            first_index: self.log.first_index(),
            last: self.log.last_id(),
            transferee: self.transferee(),
        }
    }

    /// What the leader knows of `peer`; `None` if this is no leader, or `peer` no member.
    pub fn progress(&self, peer: PeerId) -> Option<ProgressStatus> {
        Some(self.role.leader()?.progress.get(&peer)?.status())
    }

    /// Index of the last entry that a quorum has stored, as far as the leader knows.
    pub(crate) fn quorum_index(&self) -> Index {
        let Some(leader) = self.role.leader() else { return 0 };
        let voters = self.membership.voters().iter();
        let mut matched: Vec<Index> =
            voters.map(|voter| leader.progress.get(voter).map_or(0, |progress| progress.matched)).collect();
        crate::quorum::committed_index(&mut matched)
    }

    /// Asserts the invariants above, and those of log and progress.
    pub fn check(&self) {
        self.log.check();
        let id = self.config.id;
        match &self.role {
            RoleState::Follower(_) => {}
            RoleState::Candidate(candidate) => {
                debug_assert!(candidate.pre_vote || self.vote == id, "2: candidate voted for {}", self.vote);
            }
            RoleState::Leader(leader) => {
                debug_assert!(self.vote == id, "2: leader voted for {}", self.vote);
                debug_assert!(
                    leader.progress.keys().all(|&peer| self.membership.contains(peer)),
                    "3: not a member"
                );
                leader.progress.values().for_each(Progress::check);
            }
        }
    }
}

/// A message of the given kind, to be filled in and sent.
pub(crate) fn message_to(to: PeerId, kind: MessageType) -> Message {
    Message { to, msg_type: kind as i32, ..Message::default() }
}

/// Whether only leaders send messages of this kind.
fn is_from_leader(kind: MessageType) -> bool {
    matches!(kind, MessageType::MsgAppend | MessageType::MsgHeartbeat | MessageType::MsgSnapshot)
}

/// Whether messages of this kind come from our own process, and never from a peer. They carry no term.
pub(crate) fn is_local(kind: MessageType) -> bool {
    use MessageType::*;
    matches!(kind, MsgHup | MsgBeat | MsgPropose | MsgUnreachable | MsgSnapStatus | MsgCheckQuorum)
}
