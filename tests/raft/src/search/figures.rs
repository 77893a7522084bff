//! Logs to start from, out of the Raft paper.

use raft::Term;

use super::world::Start;

const LEADER: &[Term] = &[1, 1, 1, 4, 4, 5, 5, 6, 6, 6];
const A: &[Term] = &[1, 1, 1, 4, 4, 5, 5, 6, 6];
const B: &[Term] = &[1, 1, 1, 4];
const C: &[Term] = &[1, 1, 1, 4, 4, 5, 5, 6, 6, 6, 6];
const D: &[Term] = &[1, 1, 1, 4, 4, 5, 5, 6, 6, 6, 7, 7];
const E: &[Term] = &[1, 1, 1, 4, 4, 4, 4];
const F: &[Term] = &[1, 1, 1, 2, 2, 2, 3, 3, 3, 3, 3];

/// Figure 7: the leader at the top, and pairs of followers.
pub const STARTS: [Start; 7] = [
    Start::Logs { term: 7, logs: &[LEADER, A, B] },
    Start::Logs { term: 7, logs: &[LEADER, C, A] },
    Start::Logs { term: 7, logs: &[LEADER, D, B] },
    Start::Logs { term: 7, logs: &[LEADER, E, A] },
    Start::Logs { term: 7, logs: &[LEADER, F, A] },
    Start::Logs { term: 7, logs: &[LEADER, E, F] },
    FIGURE_8,
];

/// Figure 8 with three peers, between (b) and (c): peer 1 is about to lead again and to copy its entry of term 2 to peer 2,
/// while peer 3 holds one of term 3 in the same place.
pub const FIGURE_8: Start = Start::Logs { term: 3, logs: &[&[1, 2], &[1], &[1, 3]] };
