//! §5.4: why a committed entry stays. §8: the empty entry of a new leader.

use proto::eraftpb::{HardState, Message, MessageType};
use raft::Role;

use crate::bench::{Cluster, Peer, append, disk, entries, message, of_kind, vote_request};

const THREE: &[u64] = &[1, 2, 3];

/// "Raft determines which of two logs is more up-to-date by comparing the index and term of the last entries in the logs. If
/// the logs have last entries with different terms, then the log with the later term is more up-to-date. If the logs end with
/// the same term, then whichever log is longer is more up-to-date." And: "the voter denies its vote if its own log is more
/// up-to-date than that of the candidate." (§5.4.1)
#[test]
fn outdated_candidates_get_no_vote() {
    // Ours ends with index 3 of term 2.
    let cases =
        [((3, 2), true), ((4, 2), true), ((2, 2), false), ((9, 1), false), ((1, 3), true), ((0, 0), false)];
    for (last, granted) in cases {
        let mut peer = Peer::on(1, disk(THREE, &[1, 2, 2], HardState { term: 3, ..HardState::default() }));
        let answer = peer.give(vote_request(2, 4, last));
        assert_eq!(!answer[0].reject, granted, "last entry {last:?}");
    }
}

/// "the RPC includes information about the candidate's log" (§5.4.1)
#[test]
fn vote_requests_name_the_last_entry() {
    let mut peer = Peer::on(1, disk(THREE, &[1, 2, 2], HardState { term: 3, ..HardState::default() }));
    peer.raw.campaign().expect("nothing is refused");
    let sent = peer.work();
    assert!(sent.iter().all(|request| (request.index, request.log_term) == (3, 2)));
}

/// "Raft never commits log entries from previous terms by counting replicas. Only log entries from the leader's current term
/// are committed by counting replicas; once an entry from the current term has been committed in this way, then all prior
/// entries are committed indirectly because of the Log Matching Property." (§5.4.2, figure 8)
#[test]
fn old_entries_are_not_committed_by_counting() {
    let mut leader = Peer::leader(THREE, &[1, 2], 4);
    for index in 0..3 {
        for follower in [2, 3] {
            leader.give(Message { index, ..message(MessageType::MsgAppendResponse, follower, 4) });
        }
        assert_eq!(leader.raw.status().commit, 0, "all hold {index}, of an old term");
    }
    leader.give(Message { index: 3, ..message(MessageType::MsgAppendResponse, 2, 4) });
    assert_eq!(leader.raw.status().commit, 3);
}

/// "Leader Completeness: if a log entry is committed in a given term, then that entry will be present in the logs of the
/// leaders for all higher-numbered terms." (Figure 3)
#[test]
fn leaders_hold_what_is_committed() {
    let mut cluster = Cluster::new(5);
    cluster.campaign(1);
    cluster.cut_off = vec![4, 5];
    cluster.propose(1, "committed");
    cluster.cut_off = vec![1];
    for id in [4, 5, 4, 5] {
        cluster.campaign(id);
        assert!(cluster.leaders().iter().all(|&leader| leader == 1), "{id} misses a committed entry");
    }
    cluster.campaign(2);
    cluster.cut_off.clear();
    cluster.campaign(2);
    for id in 1..=5 {
        assert!(cluster.peer(id).applied.iter().any(|entry| entry.data == "committed"), "{id}");
    }
}

/// "State Machine Safety: if a server has applied a log entry at a given index to its state machine, no other server will
/// ever apply a different log entry for the same index." (Figure 3)
#[test]
fn an_uncommitted_entry_is_not_applied_anywhere() {
    let mut cluster = Cluster::new(5);
    cluster.campaign(1);
    cluster.cut_off = vec![3, 4, 5];
    cluster.propose(1, "lost");
    cluster.cut_off = vec![1, 2];
    cluster.campaign(3);
    cluster.propose(3, "kept");
    cluster.cut_off.clear();
    cluster.peer(3).raw.tick();
    cluster.peer(3).raw.tick();
    cluster.settle();
    let kept = cluster.peer(3).applied.clone();
    assert!(kept.iter().any(|entry| entry.data == "kept"));
    for id in 1..=5 {
        assert_eq!(cluster.peer(id).applied, kept, "{id}");
    }
}

/// "If leaderCommit > commitIndex, set commitIndex = min(leaderCommit, index of last new entry)." (Figure 2)
#[test]
fn followers_commit_only_what_is_known_to_match() {
    let cases =
        [((1, 1), 0, 3, 1), ((1, 1), 1, 3, 2), ((0, 0), 0, 3, 0), ((3, 1), 0, 3, 3), ((3, 1), 1, 3, 3)];
    for (prev, new, leader_commit, commit) in cases {
        let mut follower =
            Peer::on(2, disk(THREE, &[1, 1, 1], HardState { term: 1, ..HardState::default() }));
        follower.give(append(1, 2, prev, entries(prev.0 + 1, &vec![1; new]), leader_commit));
        assert_eq!(
            follower.raw.status().commit,
            commit,
            "{new} entries after {prev:?}, commit {leader_commit}"
        );
    }
}

/// The commit index never falls: an old append with a lower one changes nothing. ("increases monotonically", figure 2)
#[test]
fn the_commit_index_increases_monotonically() {
    let mut follower = Peer::new(2, THREE);
    follower.give(append(1, 1, (0, 0), entries(1, &[1, 1, 1]), 3));
    follower.give(append(1, 1, (0, 0), entries(1, &[1]), 1));
    follower.give(Message { commit: 2, ..message(MessageType::MsgHeartbeat, 1, 1) });
    assert_eq!(follower.raw.status().commit, 3);
}

/// "Raft handles this by having each leader commit a blank no-op entry into the log at the start of its term." (§8)
#[test]
fn a_leader_starts_with_an_empty_entry() {
    let mut peer = Peer::on(1, disk(THREE, &[1], HardState { term: 1, ..HardState::default() }));
    peer.raw.campaign().expect("nothing is refused");
    peer.work();
    let sent = peer.give(message(MessageType::MsgRequestVoteResponse, 2, 2));
    for append in of_kind(&sent, MessageType::MsgAppend) {
        assert_eq!(append.entries.len(), 1);
        assert_eq!((append.entries[0].term, append.entries[0].index), (2, 2));
        assert!(append.entries[0].data.is_empty());
    }
}

/// "Persistent state on all servers: currentTerm, votedFor, log[]", and after a restart a server is a follower with all of it.
/// (Figure 2)
#[test]
fn a_restart_keeps_term_vote_and_log() {
    let mut leader = Peer::leader(THREE, &[1, 2], 4);
    leader.raw.propose("x").expect("it leads");
    leader.work();
    let (before, log) = (leader.raw.status(), leader.log());
    let after = leader.restart();
    let status = after.raw.status();
    assert_eq!((status.term, status.vote, status.last), (before.term, before.vote, before.last));
    assert_eq!((status.role, after.log()), (Role::Follower, log));
}
