//! Counting, checked exhaustively for small groups against definitions that need no counting: a majority is a set of voters
//! that shares a member with every other such set.

use std::collections::{BTreeMap, BTreeSet};

use raft::quorum::{VoteResult, committed_index, majority, vote_result};

/// All majorities of voters `0..size`, as bit sets: those that hold more than half of them.
fn majorities(size: u32) -> Vec<u32> {
    (0..1_u32 << size).filter(|set| 2 * set.count_ones() > size).collect()
}

fn members(set: u32) -> BTreeSet<u64> {
    (0..32_u64).filter(|bit| set >> bit & 1 == 1).collect()
}

/// Every two sets of `majority(n)` voters share one, and with one voter fewer not every two do (paper §5.2).
#[test]
fn majority_is_the_smallest_that_overlaps() {
    for size in 1..=9_u32 {
        let overlap = |count: usize| {
            let sets: Vec<u32> =
                (0..1 << size).filter(|set: &u32| set.count_ones() as usize == count).collect();
            sets.iter().all(|a| sets.iter().all(|b| a & b != 0))
        };
        let count = majority(size as usize);
        assert!(overlap(count), "{count} of {size}");
        assert!(!overlap(count - 1), "{} of {size} would do as well", count - 1);
    }
}

/// All ways in which up to seven voters can have answered: yes, no, or not yet. Won: some majority said yes. Lost: no
/// majority can still come to say yes.
#[test]
fn votes_of_up_to_seven_voters() {
    for size in 0..=7_u32 {
        let voters: BTreeSet<u64> = (0..u64::from(size)).collect();
        let majorities = majorities(size);
        for code in 0..3_u32.pow(size) {
            let mut votes = BTreeMap::new();
            let (mut yes, mut open, mut rest) = (0_u32, 0_u32, code);
            for voter in 0..size {
                match rest % 3 {
                    0 => open |= 1 << voter,
                    1 => drop(votes.insert(u64::from(voter), false)),
                    _ => {
                        yes |= 1 << voter;
                        votes.insert(u64::from(voter), true);
                    }
                }
                rest /= 3;
            }
            let within = |set: u32| majorities.iter().any(|majority| majority & set == *majority);
            let expected = match (within(yes), within(yes | open)) {
                (true, _) => VoteResult::Won,
                (false, true) => VoteResult::Pending,
                (false, false) => VoteResult::Lost,
            };
            assert_eq!(vote_result(&voters, &votes), expected, "{votes:?} of {voters:?}");
        }
    }
}

/// Votes of strangers (learners, removed peers) count for nothing, whatever they are.
#[test]
fn strangers_do_not_vote() {
    for size in 1..=4_u32 {
        for (voters, voted) in (0..1_u32 << 6)
            .filter(|set| set.count_ones() == size)
            .flat_map(|set| (0..64).map(move |v| (set, v)))
        {
            let voters = members(voters);
            let votes: BTreeMap<u64, bool> = (0..6).map(|peer| (peer, voted >> peer & 1 == 1)).collect();
            let among: BTreeMap<u64, bool> = votes
                .iter()
                .filter(|(peer, _)| voters.contains(peer))
                .map(|(&peer, &vote)| (peer, vote))
                .collect();
            assert_eq!(vote_result(&voters, &votes), vote_result(&voters, &among), "{votes:?} of {voters:?}");
        }
    }
}

/// The highest index for which some majority holds it and everything below.
fn committed_by_definition(matched: &[u64], majorities: &[u32]) -> u64 {
    let held_by = |majority: u32| {
        let members = (0..matched.len()).filter(|&voter| majority >> voter & 1 == 1);
        members.map(|voter| matched[voter]).min().unwrap_or(0)
    };
    majorities.iter().map(|&majority| held_by(majority)).max().unwrap_or(0)
}

/// All ways in which up to seven voters can hold up to three (for seven: up to two) entries.
#[test]
fn matched_indexes_of_up_to_seven_voters() {
    for size in 0..=7_u32 {
        let values: u64 = if size < 7 { 4 } else { 3 };
        let majorities = majorities(size);
        for code in 0..values.pow(size) {
            let mut rest = code;
            let mut next = || {
                let value = rest % values;
                rest /= values;
                value
            };
            let matched: Vec<u64> = (0..size).map(|_| next()).collect();
            let expected = committed_by_definition(&matched, &majorities);
            assert_eq!(committed_index(&mut matched.clone()), expected, "{matched:?}");
        }
    }
}

/// Large and uneven values, in all orders of five.
#[test]
fn the_order_does_not_matter() {
    let values = [u64::MAX, 1 << 40, 77, 3, 0];
    let majorities = majorities(5);
    for code in 0..5_usize.pow(5) {
        let matched: Vec<u64> = (0..5).map(|i| values[code / 5_usize.pow(i) % 5]).collect();
        assert_eq!(
            committed_index(&mut matched.clone()),
            committed_by_definition(&matched, &majorities),
            "{matched:?}"
        );
    }
}
