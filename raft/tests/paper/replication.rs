//! §5.3: replication of the log.

use proto::eraftpb::{HardState, Message, MessageType};
use raft::{LogId, Role};

use crate::bench::{Cluster, Peer, append, disk, entries, message, of_kind};

const THREE: &[u64] = &[1, 2, 3];

fn ids(terms: &[u64]) -> Vec<LogId> {
    (1..).zip(terms).map(|(index, &term)| LogId { term, index }).collect()
}

fn accepted(from: u64, term: u64, index: u64) -> Message {
    Message { index, ..message(MessageType::MsgAppendResponse, from, term) }
}

/// "The leader appends the command to its log as a new entry, then issues AppendEntries RPCs in parallel to each of the other
/// servers to replicate the entry." (§5.3)
#[test]
fn commands_are_appended_and_sent() {
    let mut leader = Peer::leader(THREE, &[], 1);
    leader.give(accepted(2, 1, 1));
    leader.give(accepted(3, 1, 1));
    leader.raw.propose("x").expect("it leads");
    let sent = of_kind(&leader.work(), MessageType::MsgAppend);
    assert_eq!(leader.log(), ids(&[1, 1]));
    assert_eq!(sent.iter().map(|append| append.to).collect::<Vec<_>>(), [2, 3]);
    assert!(sent.iter().all(|append| append.entries.len() == 1 && append.entries[0].data == "x"));
}

/// "When the entry has been safely replicated, the leader applies the entry to its state machine and returns the result of
/// that execution to the client." (§5.3)
#[test]
fn replicated_entries_are_applied() {
    let mut leader = Peer::leader(THREE, &[], 1);
    leader.give(accepted(2, 1, 1));
    leader.raw.propose("x").expect("it leads");
    leader.work();
    assert!(!leader.applied.iter().any(|entry| entry.data == "x"));
    leader.give(accepted(2, 1, 2));
    assert!(leader.applied.iter().any(|entry| entry.data == "x"));
}

/// "If followers crash or run slowly, or if network packets are lost, the leader retries AppendEntries RPCs indefinitely
/// (even after it has responded to the client) until all followers eventually store all log entries." (§5.3)
#[test]
fn lost_appends_are_sent_again() {
    let mut cluster = Cluster::new(3);
    cluster.campaign(1);
    cluster.cut_off = vec![3];
    cluster.propose(1, "x");
    assert_eq!(cluster.peer(1).applied.last().expect("applied").data, "x");
    cluster.cut_off.clear();
    cluster.peer(1).raw.tick();
    cluster.peer(1).raw.tick();
    cluster.settle();
    assert_eq!(cluster.peer(3).log(), cluster.peer(1).log());
}

/// "Each log entry stores a state machine command along with the term number when the entry was received by the leader. ...
/// Each log entry also has an integer index identifying its position in the log." (§5.3)
#[test]
fn entries_carry_term_and_index() {
    let mut leader = Peer::leader(THREE, &[1, 2], 4);
    leader.raw.propose("x").expect("it leads");
    leader.work();
    assert_eq!(leader.log(), ids(&[1, 2, 4, 4]));
}

/// "A log entry is committed once the leader that created the entry has replicated it on a majority of the servers." (§5.3)
#[test]
fn a_majority_commits() {
    for size in 1..=7_u64 {
        let voters: Vec<u64> = (1..=size).collect();
        for copies in 0..size {
            let mut leader = Peer::leader(&voters, &[], 1);
            for &voter in &voters[1..=copies as usize] {
                leader.give(accepted(voter, 1, 1));
            }
            let committed = (copies + 1) * 2 > size;
            assert_eq!(leader.raw.status().commit == 1, committed, "{copies} other copies of {size}");
        }
    }
}

/// "This also commits all preceding entries in the leader's log, including entries created by previous leaders." (§5.3)
#[test]
fn preceding_entries_are_committed_along() {
    let mut leader = Peer::leader(THREE, &[1, 2, 2], 3);
    assert_eq!(leader.raw.status().commit, 0);
    leader.give(accepted(2, 3, 4));
    assert_eq!(leader.raw.status().commit, 4);
    assert_eq!(leader.applied.iter().map(|entry| entry.index).collect::<Vec<_>>(), [1, 2, 3, 4]);
}

/// "The leader keeps track of the highest index it knows to be committed, and it includes that index in future AppendEntries
/// RPCs (including heartbeats) so that the other servers eventually find out." (§5.3)
#[test]
fn the_commit_index_travels() {
    let mut leader = Peer::leader(THREE, &[], 1);
    let sent = leader.give(accepted(2, 1, 1));
    assert!(of_kind(&sent, MessageType::MsgAppend).iter().any(|append| append.to == 2 && append.commit == 1));
    let heartbeats = of_kind(&leader.tick(2), MessageType::MsgHeartbeat);
    assert!(heartbeats.iter().any(|heartbeat| heartbeat.to == 2 && heartbeat.commit == 1));
}

/// "Once a follower learns that a log entry is committed, it applies the entry to its local state machine (in log order)."
/// (§5.3)
#[test]
fn followers_apply_in_log_order() {
    let mut follower = Peer::new(2, THREE);
    follower.give(append(1, 1, (0, 0), entries(1, &[1, 1, 1]), 0));
    assert!(follower.applied.is_empty());
    follower.give(append(1, 1, (3, 1), Vec::new(), 2));
    follower.give(append(1, 1, (3, 1), Vec::new(), 3));
    assert_eq!(follower.applied, entries(1, &[1, 1, 1]));
}

/// "When sending an AppendEntries RPC, the leader includes the index and term of the entry in its log that immediately
/// precedes the new entries." (§5.3)
#[test]
fn appends_name_the_preceding_entry() {
    let mut leader = Peer::leader(THREE, &[1, 2], 4);
    leader.give(accepted(2, 4, 3));
    leader.raw.propose("x").expect("it leads");
    let sent = leader.work();
    let append = sent.iter().find(|append| append.to == 2).expect("an append to 2");
    assert_eq!((append.index, append.log_term), (3, 4));
}

/// "If the follower does not find an entry in its log with the same index and term, then it refuses the new entries." (§5.3)
#[test]
fn followers_refuse_what_does_not_fit() {
    let cases =
        [((0, 0), true), ((1, 1), true), ((2, 2), true), ((2, 1), false), ((3, 2), false), ((3, 3), false)];
    for (prev, fits) in cases {
        let mut follower = Peer::on(2, disk(THREE, &[1, 2], HardState { term: 2, ..HardState::default() }));
        let sent = follower.give(append(1, 3, prev, entries(prev.0 + 1, &[3]), 0));
        assert_eq!(!sent[0].reject, fits, "after {prev:?}");
        if !fits {
            assert_eq!(follower.log(), ids(&[1, 2]), "a refused append changes nothing");
        }
    }
}

/// "... conflicting entries in follower logs will be overwritten with entries from the leader's log": "if an existing entry
/// conflicts with a new one (same index but different terms), delete the existing entry and all that follow it." (§5.3,
/// figure 2)
#[test]
fn conflicting_entries_are_overwritten() {
    // Terms of the log before; what the new entries follow; their terms; terms of the log after.
    let cases = [
        ("1 2 2", (1, 1), "3", "1 3"),
        ("1 2 2", (0, 0), "3 3 3 3", "3 3 3 3"),
        ("1 2 2", (3, 2), "3", "1 2 2 3"),
        ("1 2 2", (0, 0), "1 2 3", "1 2 3"),
        ("1 2 2", (0, 0), "1", "1 2 2"),
    ];
    let terms = |text: &str| text.split(' ').map(|term| term.parse().expect("a term")).collect::<Vec<u64>>();
    for (before, prev, new, after) in cases {
        let mut follower =
            Peer::on(2, disk(THREE, &terms(before), HardState { term: 2, ..HardState::default() }));
        follower.give(append(1, 3, prev, entries(prev.0 + 1, &terms(new)), 0));
        assert_eq!(follower.log(), ids(&terms(after)), "{before:?} and {new:?} after {prev:?}");
    }
}

/// "The leader maintains a nextIndex for each follower, which is the index of the next log entry the leader will send to that
/// follower. When a leader first comes to power, it initializes all nextIndex values to the index just after the last one in
/// its log." (§5.3)
#[test]
fn sending_starts_behind_the_leaders_log() {
    let mut peer = Peer::on(1, disk(THREE, &[1, 1, 2], HardState { term: 2, ..HardState::default() }));
    peer.raw.campaign().expect("nothing is refused");
    peer.work();
    let sent = peer.give(message(MessageType::MsgRequestVoteResponse, 2, 3));
    assert!(sent.iter().all(|append| append.index == 3 && append.entries.len() == 1));
}

/// "After a rejection, the leader decrements nextIndex and retries the AppendEntries RPC. Eventually nextIndex will reach a
/// point where the leader and follower logs match." (§5.3)
#[test]
fn the_leader_finds_where_the_logs_match() {
    let logs: [&[u64]; 6] =
        [&[], &[1], &[1, 1, 2, 2, 2], &[1, 1, 1, 1, 1, 1], &[2, 2], &[1, 1, 3, 3, 3, 3, 4]];
    for log in logs {
        let start = |id, terms: &[u64]| {
            Peer::on(id, disk(THREE, terms, HardState { term: 5, ..HardState::default() }))
        };
        let mut cluster = Cluster::of(vec![start(1, &[1, 1, 3, 5]), start(2, log), start(3, &[1, 1, 3, 5])]);
        cluster.campaign(1);
        assert_eq!(cluster.leaders(), [1]);
        assert_eq!(cluster.peer(2).log(), ids(&[1, 1, 3, 5, 6]), "starting from {log:?}");
    }
}

/// "... one AppendEntries RPC will be required for each term with conflicting entries, rather than one RPC per entry." (§5.3)
#[test]
fn a_whole_term_is_skipped_at_once() {
    let mut ours = vec![1];
    ours.extend([9; 50]);
    let mut theirs = vec![1];
    theirs.extend([2; 50]);
    let mut leader = Peer::leader(THREE, &ours, 10);
    let mut follower = Peer::on(2, disk(THREE, &theirs, HardState { term: 10, ..HardState::default() }));
    leader.tick(2);
    let mut sent = leader.give(message(MessageType::MsgHeartbeatResponse, 2, 10));
    let mut appends = 0;
    while let Some(append) = sent.into_iter().find(|message| message.to == 2) {
        appends += 1;
        let answers = follower.give(append);
        sent = answers.into_iter().flat_map(|answer| leader.give(answer)).collect();
    }
    assert_eq!(follower.log(), leader.log());
    assert!(appends <= 4, "{appends} appends");
}

/// "A leader never overwrites or deletes entries in its own log" (§5.3, Leader Append-Only)
#[test]
fn leaders_only_append() {
    let mut leader = Peer::leader(THREE, &[1, 2], 3);
    let before = leader.log();
    leader.give(append(2, 3, (1, 1), entries(2, &[3, 3]), 3));
    assert_eq!((leader.log(), leader.raw.status().role), (before, Role::Leader));
}

/// "Raft can accept, replicate, and apply new log entries as long as a majority of the servers are up; ... and a single slow
/// follower will not impact performance." (§5.3)
#[test]
fn a_slow_follower_does_not_matter() {
    let mut cluster = Cluster::new(5);
    cluster.campaign(1);
    cluster.cut_off = vec![4, 5];
    for _ in 0..10 {
        cluster.propose(1, "x");
    }
    assert_eq!(cluster.peer(2).raw.status().commit, 11);
}

/// "If a follower or candidate crashes, then future RequestVote and AppendEntries RPCs sent to it will fail. Raft handles
/// these failures by retrying indefinitely; ... Raft RPCs are idempotent, so this causes no harm." (§5.5)
#[test]
fn appends_are_idempotent() {
    let mut follower = Peer::new(2, THREE);
    let request = append(1, 1, (0, 0), entries(1, &[1, 1]), 0);
    let first = follower.give(request.clone());
    let log = follower.log();
    let second = follower.give(request);
    assert_eq!((first, log), (second, follower.log()));
    let commit = append(1, 1, (2, 1), Vec::new(), 2);
    follower.give(commit.clone());
    follower.give(commit);
    assert_eq!(follower.applied.len(), 2, "each is applied once");
}
