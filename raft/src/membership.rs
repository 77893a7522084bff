//! Who belongs to the group.

use std::collections::BTreeSet;

use proto::eraftpb::ConfState;

use crate::quorum;
use crate::types::PeerId;

/// The group as of the last applied index. Followers need it to campaign, leaders to count.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Membership {
    voters: BTreeSet<PeerId>,
    /// Receive the log, and count for nothing (thesis §4.2.1).
    learners: BTreeSet<PeerId>,
}

impl Membership {
    /// The persisted form, taken apart.
    pub fn from_conf_state(conf_state: &ConfState) -> Membership {
        Membership {
            voters: conf_state.voters.iter().copied().collect(),
            learners: conf_state.learners.iter().copied().collect(),
        }
    }

    /// The persisted form; ids in ascending order.
    pub fn to_conf_state(&self) -> ConfState {
        ConfState {
            voters: self.voters.iter().copied().collect(),
            learners: self.learners.iter().copied().collect(),
        }
    }

    /// The peers whose votes and logs count.
    pub fn voters(&self) -> &BTreeSet<PeerId> {
        &self.voters
    }

    /// All members, voters first.
    pub fn peers(&self) -> impl Iterator<Item = PeerId> + '_ {
        self.voters.iter().chain(&self.learners).copied()
    }

    /// Whether `peer` votes.
    pub fn is_voter(&self, peer: PeerId) -> bool {
        self.voters.contains(&peer)
    }

    /// Whether `peer` belongs to the group at all.
    pub fn contains(&self, peer: PeerId) -> bool {
        self.voters.contains(&peer) || self.learners.contains(&peer)
    }

    /// How many voters make a decision.
    pub fn quorum(&self) -> usize {
        quorum::majority(self.voters.len())
    }

    /// Makes `peer` a voter; a learner is promoted.
    pub fn add_voter(&mut self, peer: PeerId) {
        self.learners.remove(&peer);
        self.voters.insert(peer);
    }

    /// Makes `peer` a learner. A voter stays a voter: demotion is a removal first.
    pub fn add_learner(&mut self, peer: PeerId) {
        if !self.voters.contains(&peer) {
            self.learners.insert(peer);
        }
    }

    /// Takes `peer` out.
    pub fn remove(&mut self, peer: PeerId) {
        self.voters.remove(&peer);
        self.learners.remove(&peer);
    }
}
