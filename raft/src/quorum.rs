//! Counting: when is an election won, and what has a majority stored? Pure functions.

use std::collections::{BTreeMap, BTreeSet};

use crate::types::{Index, PeerId};

/// Where an election stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum VoteResult {
    /// Open: the votes still to come decide.
    Pending,
    /// A majority said yes.
    Won,
    /// So many said no that a majority cannot come together any more.
    Lost,
}

/// The smallest number of `voters` such that any two sets of that size share a member (paper §5.2). 1 of 1, 2 of 2 and
/// of 3, 3 of 4 and of 5.
pub fn majority(voters: usize) -> usize {
    voters / 2 + 1
}

/// Where an election among `voters` stands after the given `votes` (true: granted). Votes of anybody else count for
/// nothing.
pub fn vote_result(voters: &BTreeSet<PeerId>, votes: &BTreeMap<PeerId, bool>) -> VoteResult {
    let count = |answer| voters.iter().filter(|&voter| votes.get(voter) == Some(&answer)).count();
    let needed = majority(voters.len());
    if count(true) >= needed {
        VoteResult::Won
    } else if voters.len() - count(false) < needed {
        VoteResult::Lost
    } else {
        VoteResult::Pending
    }
}

/// The highest index that a majority has stored, given what each voter has stored up to; 0 if there are no voters. The
/// slice is sorted on the way.
pub fn committed_index(matched: &mut [Index]) -> Index {
    if matched.is_empty() {
        return 0;
    }
    // Sorted downwards, the entry at position `majority - 1` is stored by that voter and by all before it.
    matched.sort_unstable_by(|a, b| b.cmp(a));
    matched[majority(matched.len()) - 1]
}
