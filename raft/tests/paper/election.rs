//! §5.1 and §5.2: terms, and the election of a leader.

use proto::eraftpb::{HardState, MessageType};
use raft::{MemStorage, NONE, Role};

use crate::bench::{Cluster, Peer, append, disk, message, of_kind, vote_request};

const THREE: &[u64] = &[1, 2, 3];

/// "When servers start up, they begin as followers." (§5.2)
#[test]
fn servers_start_as_followers() {
    let status = Peer::new(1, THREE).raw.status();
    assert_eq!((status.role, status.term, status.vote, status.leader_id), (Role::Follower, 0, NONE, NONE));
}

/// "If one server's current term is smaller than the other's, then it updates its current term to the larger value." (§5.1)
#[test]
fn the_larger_term_is_adopted() {
    let kinds = [
        MessageType::MsgAppend,
        MessageType::MsgHeartbeat,
        MessageType::MsgRequestVote,
        MessageType::MsgAppendResponse,
        MessageType::MsgHeartbeatResponse,
        MessageType::MsgRequestVoteResponse,
    ];
    for kind in kinds {
        let mut peer = Peer::new(1, THREE);
        peer.give(message(kind, 2, 7));
        assert_eq!(peer.raw.status().term, 7, "{kind:?}");
    }
}

/// "If a candidate or leader discovers that its term is out of date, it immediately reverts to follower state." (§5.1)
#[test]
fn an_outdated_candidate_or_leader_reverts_to_follower() {
    let mut candidate = Peer::new(1, THREE);
    candidate.raw.campaign().expect("nothing is refused");
    candidate.give(message(MessageType::MsgAppendResponse, 2, 5));
    assert_eq!(candidate.raw.status().role, Role::Follower);

    let mut leader = Peer::leader(THREE, &[], 1);
    leader.give(message(MessageType::MsgHeartbeatResponse, 2, 5));
    assert_eq!(leader.raw.status().role, Role::Follower);
}

/// "If a server receives a request with a stale term number, it rejects the request." (§5.1)
#[test]
fn stale_requests_are_rejected() {
    let start = || Peer::on(1, disk(THREE, &[1], HardState { term: 5, ..HardState::default() }));
    for request in [append(2, 3, (1, 1), Vec::new(), 1), vote_request(2, 3, (9, 3))] {
        let mut peer = start();
        let sent = peer.give(request);
        assert!(sent.iter().all(|answer| answer.reject && answer.term == 5), "{sent:?}");
        assert_eq!(sent.len(), 1);
        assert_eq!(peer.raw.status().commit, 0);
        assert_eq!(peer.raw.status().vote, NONE);
    }
}

/// "A server remains in follower state as long as it receives valid RPCs from a leader or candidate." (§5.2)
#[test]
fn a_follower_stays_one_while_it_hears_a_leader() {
    let mut peer = Peer::new(1, THREE);
    for _ in 0..20 {
        peer.tick(9);
        peer.give(message(MessageType::MsgHeartbeat, 2, 1));
    }
    assert_eq!((peer.raw.status().role, peer.raw.status().term), (Role::Follower, 1));
}

/// "Leaders send periodic heartbeats (AppendEntries RPCs that carry no log entries) to all followers in order to maintain
/// their authority." (§5.2)
#[test]
fn leaders_send_periodic_heartbeats() {
    let mut leader = Peer::leader(THREE, &[], 1);
    let sent = of_kind(&leader.tick(6), MessageType::MsgHeartbeat);
    let to: Vec<u64> = sent.iter().map(|heartbeat| heartbeat.to).collect();
    assert_eq!(to, [2, 3, 2, 3, 2, 3], "every second tick, to all others");
    assert!(sent.iter().all(|heartbeat| heartbeat.entries.is_empty()));
}

/// "If a follower receives no communication over a period of time called the election timeout, then it assumes there is no
/// viable leader and begins an election to choose a new leader." (§5.2)
#[test]
fn silence_makes_a_follower_campaign() {
    let mut peer = Peer::new(1, THREE);
    assert_eq!(peer.tick(9), []);
    let requests = of_kind(&peer.tick(10), MessageType::MsgRequestVote);
    assert_eq!(requests.len(), 2);
}

/// "To begin an election, a follower increments its current term and transitions to candidate state. It then votes for itself
/// and issues RequestVote RPCs in parallel to each of the other servers in the cluster." (§5.2)
#[test]
fn a_campaign() {
    let mut peer = Peer::on(1, disk(&[1, 2, 3, 4, 5], &[], HardState { term: 4, ..HardState::default() }));
    peer.raw.campaign().expect("nothing is refused");
    let sent = peer.work();
    let status = peer.raw.status();
    assert_eq!((status.term, status.role, status.vote), (5, Role::Candidate, 1));
    let to: Vec<u64> = sent.iter().map(|request| request.to).collect();
    assert_eq!(to, [2, 3, 4, 5]);
    assert!(
        sent.iter().all(|request| request.msg_type() == MessageType::MsgRequestVote && request.term == 5)
    );
}

/// "A candidate wins an election if it receives votes from a majority of the servers in the full cluster for the same term."
/// (§5.2)
#[test]
fn a_majority_wins() {
    for size in 1..=7_u64 {
        let voters: Vec<u64> = (1..=size).collect();
        for yes in 0..size {
            let mut peer = Peer::new(1, &voters);
            peer.raw.campaign().expect("nothing is refused");
            for &voter in &voters[1..=yes as usize] {
                peer.give(message(MessageType::MsgRequestVoteResponse, voter, 1));
            }
            let won = (yes + 1) * 2 > size;
            assert_eq!(peer.raw.status().role == Role::Leader, won, "{yes} other votes of {size}");
        }
    }
}

/// "... for the same term": an answer of an earlier campaign counts for nothing. (§5.2)
#[test]
fn votes_of_another_term_do_not_count() {
    let mut peer = Peer::new(1, THREE);
    peer.raw.campaign().expect("nothing is refused");
    peer.raw.campaign().expect("nothing is refused");
    peer.give(message(MessageType::MsgRequestVoteResponse, 2, 1));
    assert_eq!(peer.raw.status().role, Role::Candidate);
}

/// "Each server will vote for at most one candidate in a given term, on a first-come-first-served basis." (§5.2)
#[test]
fn one_vote_in_a_term() {
    let mut peer = Peer::new(1, THREE);
    let first = peer.give(vote_request(2, 1, (0, 0)));
    let second = peer.give(vote_request(3, 1, (5, 1)));
    let again = peer.give(vote_request(2, 1, (0, 0)));
    assert_eq!((first[0].reject, second[0].reject, again[0].reject), (false, true, false));
    assert_eq!(peer.raw.status().vote, 2);
}

/// ... and the vote is among the "persistent state on all servers", "updated on stable storage before responding to RPCs".
/// (Figure 2)
#[test]
fn votes_are_durable_before_they_are_sent() {
    let mut peer = Peer::new(1, THREE);
    peer.raw.step(vote_request(2, 1, (0, 0))).expect("messages from peers do not fail");
    let ready = peer.raw.ready();
    assert_eq!(
        ready.hard_state,
        Some(HardState { term: 1, vote: 2, commit: 0 }),
        "in the same Ready as the answer"
    );
    assert_eq!((ready.messages.len(), ready.must_sync), (1, true));

    let mut peer = Peer::new(1, THREE);
    peer.give(vote_request(2, 1, (0, 0)));
    let mut peer = peer.restart();
    let answer = peer.give(vote_request(3, 1, (0, 0)));
    assert!(answer[0].reject);
}

/// "Once a candidate wins an election, it becomes leader. It then sends heartbeat messages to all of the other servers to
/// establish its authority and prevent new elections." Here its first, empty entry does that. (§5.2)
#[test]
fn a_new_leader_shows_itself() {
    let mut peer = Peer::new(1, THREE);
    peer.raw.campaign().expect("nothing is refused");
    let sent = peer.give(message(MessageType::MsgRequestVoteResponse, 2, 1));
    let to: Vec<u64> = of_kind(&sent, MessageType::MsgAppend).iter().map(|append| append.to).collect();
    assert_eq!(to, [2, 3]);
}

/// "If the leader's term (included in its RPC) is at least as large as the candidate's current term, then the candidate
/// recognizes the leader as legitimate and returns to follower state." (§5.2)
#[test]
fn a_candidate_recognizes_a_leader() {
    for (term, heartbeat) in [(1, true), (1, false), (2, true), (2, false)] {
        let mut peer = Peer::new(1, THREE);
        peer.raw.campaign().expect("nothing is refused");
        let kind = if heartbeat { MessageType::MsgHeartbeat } else { MessageType::MsgAppend };
        peer.give(message(kind, 2, term));
        let status = peer.raw.status();
        assert_eq!((status.role, status.leader_id, status.term), (Role::Follower, 2, term));
    }
}

/// "If the term in the RPC is smaller than the candidate's current term, then the candidate rejects the RPC and continues in
/// candidate state." (§5.2)
#[test]
fn a_candidate_ignores_old_leaders() {
    let mut peer = Peer::on(1, disk(THREE, &[], HardState { term: 4, ..HardState::default() }));
    peer.raw.campaign().expect("nothing is refused");
    peer.work();
    let sent = peer.give(append(2, 4, (0, 0), Vec::new(), 0));
    assert!(sent[0].reject);
    assert_eq!((peer.raw.status().role, peer.raw.status().leader_id), (Role::Candidate, NONE));
}

/// "When this happens [no candidate obtains a majority], each candidate will time out and start a new election by
/// incrementing its term and initiating another round of RequestVote RPCs." (§5.2)
#[test]
fn an_undecided_campaign_is_repeated() {
    let mut peer = Peer::new(1, THREE);
    let sent = peer.tick(100);
    let terms: Vec<u64> =
        of_kind(&sent, MessageType::MsgRequestVote).iter().map(|request| request.term).collect();
    let rounds = terms.len() as u64 / 2;
    assert_eq!(terms, (1..=rounds).flat_map(|term| [term, term]).collect::<Vec<_>>());
    assert!((5..=10).contains(&rounds), "{rounds} rounds of 10 to 19 ticks in 100");
}

/// "Election timeouts are chosen randomly from a fixed interval (e.g., 150-300ms)." (§5.2)
#[test]
fn timeouts_are_random() {
    let mut seen = [false; 20];
    for seed in 0..300 {
        let config = raft::Config { seed, ..raft::Config::new(1) };
        let mut peer = Peer::with(&config, MemStorage::new(THREE));
        let ticks = (1..100).find(|_| !peer.tick(1).is_empty()).expect("it campaigns some day");
        assert!((10..20).contains(&ticks), "after {ticks} ticks");
        seen[ticks] = true;
    }
    assert!(seen[10..].iter().all(|&seen| seen), "every timeout occurs: {seen:?}");
}

/// "This spreads out the servers so that in most cases only a single server will time out." (§5.2)
#[test]
fn timeouts_differ_between_servers() {
    let mut alone = 0;
    for seed in 0..100 {
        let first_campaign = |id| {
            let mut peer =
                Peer::with(&raft::Config { seed, ..raft::Config::new(id) }, MemStorage::new(THREE));
            (1..100).find(|_| !peer.tick(1).is_empty()).expect("it campaigns some day")
        };
        let mut ticks = [first_campaign(1), first_campaign(2), first_campaign(3)];
        ticks.sort_unstable();
        alone += u32::from(ticks[0] < ticks[1]);
    }
    assert!(alone > 50, "one campaigned alone in {alone} of 100 elections");
}

/// "Each candidate restarts its randomized election timeout at the start of an election" (§5.2)
#[test]
fn a_new_campaign_draws_a_new_timeout() {
    let mut differ = 0;
    for seed in 0..50 {
        let mut peer = Peer::with(&raft::Config { seed, ..raft::Config::new(1) }, MemStorage::new(THREE));
        let mut next = || (1..100).find(|_| !peer.tick(1).is_empty()).expect("it campaigns some day");
        differ += u32::from(next() != next());
    }
    assert!(differ > 30, "only {differ} of 50 second timeouts differ from the first");
}

/// Granting a vote restarts the election timer, refusing one does not: "If election timeout elapses without receiving
/// AppendEntries RPC from current leader or granting vote to candidate: convert to candidate." (Figure 2)
#[test]
fn only_granted_votes_restart_the_timer() {
    let ticks_until_campaign = |last: (u64, u64)| {
        let mut peer = Peer::on(1, disk(THREE, &[1, 1], HardState { term: 1, ..HardState::default() }));
        peer.tick(9);
        peer.give(vote_request(2, 2, last));
        (1..100).find(|_| !of_kind(&peer.tick(1), MessageType::MsgRequestVote).is_empty()).expect("some day")
    };
    assert!(ticks_until_campaign((2, 1)) >= 10, "granted");
    assert!(ticks_until_campaign((1, 1)) <= 10, "refused");
}

/// "Election Safety: at most one leader can be elected in a given term." (Figure 3)
#[test]
fn one_leader_in_a_term() {
    let mut cluster = Cluster::new(5);
    for id in 1..=5 {
        cluster.peer(id).raw.campaign().expect("nothing is refused");
    }
    cluster.settle();
    assert!(cluster.leaders().len() <= 1);
    cluster.campaign(3);
    assert_eq!(cluster.leaders(), [3]);
}
