//! What a peer is, with the state that belongs to it: a follower *cannot* hold stale progress.

use std::collections::BTreeMap;

use crate::progress::Progress;
use crate::read_only::{Lease, ReadQueue};
use crate::status::Role;
use crate::types::{Index, NONE, PeerId};

/// Role with its state.
#[derive(Clone, Debug, Hash)]
pub enum RoleState {
    /// Answers others.
    Follower(Follower),
    /// Asks for votes, or (pre-vote) whether it would get them.
    Candidate(Candidate),
    /// Replicates its log.
    Leader(Leader),
}

/// State of a follower.
#[derive(Clone, Debug, Default, Hash)]
pub struct Follower {
    /// Leader of the term, or [`NONE`] until it shows itself.
    pub leader_id: PeerId,
}

/// State of a candidate.
#[derive(Clone, Debug, Default, Hash)]
pub struct Candidate {
    /// Answers so far; true means granted.
    pub votes: BTreeMap<PeerId, bool>,
    /// Only asking: the term is not raised yet (thesis §9.6).
    pub pre_vote: bool,
}

/// State of a leader.
#[derive(Clone, Debug, Default, Hash)]
pub struct Leader {
    /// What is known of each member's log, our own included.
    pub progress: BTreeMap<PeerId, Progress>,
    /// Entries were proposed since the last appends were made.
    pub unsent: bool,
    /// Peer that leadership is being handed to, or [`NONE`]. Proposals are refused meanwhile.
    pub transferee: PeerId,
    /// Index of the last membership change in the log, or an index behind which none is. Until it is applied, no other
    /// may be proposed.
    pub pending_conf_index: Index,
    /// Reads that wait for a quorum to confirm that we still lead.
    pub reads: ReadQueue,
    /// When a quorum last confirmed that we lead. Only for [`ReadMode::Lease`](crate::ReadMode::Lease).
    pub lease: Lease,
}

impl Default for RoleState {
    fn default() -> RoleState {
        RoleState::Follower(Follower::default())
    }
}

impl RoleState {
    /// The role without its state.
    pub fn role(&self) -> Role {
        match self {
            RoleState::Follower(_) => Role::Follower,
            RoleState::Candidate(candidate) if candidate.pre_vote => Role::PreCandidate,
            RoleState::Candidate(_) => Role::Candidate,
            RoleState::Leader(_) => Role::Leader,
        }
    }

    /// The leader's state, if this is a leader.
    pub fn leader(&self) -> Option<&Leader> {
        match self {
            RoleState::Leader(leader) => Some(leader),
            RoleState::Follower(_) | RoleState::Candidate(_) => None,
        }
    }

    /// The leader's state, if this is a leader, to change.
    pub fn leader_mut(&mut self) -> Option<&mut Leader> {
        match self {
            RoleState::Leader(leader) => Some(leader),
            RoleState::Follower(_) | RoleState::Candidate(_) => None,
        }
    }

    /// Whom a follower follows; [`NONE`] for other roles.
    pub fn followed(&self) -> PeerId {
        match self {
            RoleState::Follower(follower) => follower.leader_id,
            RoleState::Candidate(_) | RoleState::Leader(_) => NONE,
        }
    }
}
