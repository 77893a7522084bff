//! Thesis §6.2, §6.4 and §9.6: what can be switched on beyond the paper.

use proto::eraftpb::{HardState, Message, MessageType};
use raft::{Config, MemStorage, NONE, ReadMode, Role};

use crate::bench::{Cluster, Peer, disk, message, of_kind, vote_request};

const THREE: &[u64] = &[1, 2, 3];

fn cluster(configure: impl Fn(&mut Config)) -> Cluster {
    let start = |id| {
        let mut config = Config::new(id);
        configure(&mut config);
        Peer::with(&config, MemStorage::new(THREE))
    };
    let mut cluster = Cluster::of(THREE.iter().map(|&id| start(id)).collect());
    cluster.campaign(1);
    // A pre-vote takes two rounds, which `campaign` lets happen.
    assert_eq!(cluster.leaders(), [1]);
    cluster
}

fn reads(cluster: &mut Cluster, id: u64) -> Vec<u64> {
    let ready = cluster.peer(id).raw.ready();
    let reads = ready.read_states.iter().map(|read| read.index).collect();
    cluster.peer(id).raw.advance(ready);
    reads
}

/// "a leader in Raft steps down if an election timeout elapses without a successful round of heartbeats to a majority of its
/// cluster" (thesis §6.2)
#[test]
fn an_unheard_leader_steps_down() {
    let mut cluster = cluster(|config| config.check_quorum = true);
    cluster.cut_off = vec![1];
    let leader = cluster.peer(1);
    leader.tick(20);
    assert_eq!((leader.raw.status().role, leader.raw.status().leader_id), (Role::Follower, NONE));
}

/// "The leader saves its current commit index in a local variable readIndex. ... It issues a new round of heartbeats and
/// waits for their acknowledgments from a majority of the cluster." (thesis §6.4)
#[test]
fn a_read_needs_a_round_of_heartbeats() {
    let mut cluster = cluster(|_| ());
    cluster.peer(1).raw.read_index("r");
    let ready = cluster.peer(1).raw.ready();
    assert!(ready.read_states.is_empty());
    let round = of_kind(&ready.messages, MessageType::MsgHeartbeat);
    assert_eq!(round.len(), 2);
    cluster.peer(1).raw.advance(ready);
    let answer =
        Message { context: round[0].context.clone(), ..message(MessageType::MsgHeartbeatResponse, 2, 1) };
    cluster.peer(1).raw.step(answer).expect("messages from peers do not fail");
    assert_eq!(reads(&mut cluster, 1), [1]);
}

/// "... Once these acknowledgments are received, the leader knows that there could not have existed a leader for a greater
/// term at the moment it sent the heartbeats": acknowledgements of earlier heartbeats do not tell. (thesis §6.4)
#[test]
fn earlier_heartbeats_confirm_nothing() {
    let mut cluster = cluster(|_| ());
    cluster.peer(1).raw.read_index("r");
    cluster.peer(1).work();
    for peer in [2, 3] {
        let answer = message(MessageType::MsgHeartbeatResponse, peer, 1);
        cluster.peer(1).raw.step(answer).expect("messages from peers do not fail");
    }
    assert_eq!(reads(&mut cluster, 1), [0; 0]);
}

/// "If the leader has not yet marked an entry from its current term committed, it waits until it has done so." Here the read
/// is dropped, and the caller asks again. (thesis §6.4)
#[test]
fn no_reads_before_an_own_entry_is_committed() {
    let mut leader = Peer::leader(THREE, &[1], 2);
    leader.raw.read_index("r");
    assert!(!leader.raw.has_ready());
}

/// "Followers can ... [ask] the leader for a current readIndex" (thesis §6.4)
#[test]
fn followers_read() {
    let mut cluster = cluster(|_| ());
    cluster.peer(2).raw.read_index("r");
    for _ in 0..2 {
        let sent: Vec<Message> = [2, 1].iter().flat_map(|&id| cluster.peer(id).work()).collect();
        for message in sent {
            cluster.peer(message.to).raw.step(message).expect("messages from peers do not fail");
        }
    }
    // The answers to the heartbeats, and then the leader's answer.
    let sent: Vec<Message> = [2, 3].iter().flat_map(|&id| cluster.peer(id).work()).collect();
    let mut answers = Vec::new();
    for message in sent {
        answers.extend(cluster.peer(1).give(message));
    }
    for answer in of_kind(&answers, MessageType::MsgReadIndexResp) {
        cluster.peer(2).raw.step(answer).expect("messages from peers do not fail");
    }
    assert_eq!(reads(&mut cluster, 2), [1]);
}

/// "Once the leader's heartbeats were acknowledged by a majority, the leader would extend its lease to start + election
/// timeout / clock drift bound, since the followers shouldn't time out before then." (thesis §6.4.1)
#[test]
fn a_lease_ends_before_an_election_can() {
    let mut cluster = cluster(|config| {
        config.check_quorum = true;
        config.read_mode = ReadMode::Lease;
    });
    cluster.peer(1).tick(1);
    let beats = cluster.peer(1).tick(1);
    for beat in beats {
        let to = beat.to;
        for answer in cluster.peer(to).give(beat) {
            cluster.peer(1).give(answer);
        }
    }
    let served = |cluster: &mut Cluster| {
        cluster.peer(1).raw.read_index("r");
        !reads(cluster, 1).is_empty()
    };
    assert!(served(&mut cluster), "the round has just been answered");
    cluster.peer(1).tick(6);
    assert!(served(&mut cluster), "well before the election timeout");
    cluster.peer(1).tick(4);
    assert!(!served(&mut cluster), "an election timeout after the round was sent");
}

/// "When leadership is transferred the lease must end: the leader would give up its lease", as the order to campaign
/// overrides what the followers promised. (thesis §6.4.1)
#[test]
fn a_transfer_ends_the_lease() {
    let mut cluster = cluster(|config| {
        config.check_quorum = true;
        config.read_mode = ReadMode::Lease;
    });
    cluster.peer(1).raw.tick();
    cluster.peer(1).raw.tick();
    cluster.settle();
    cluster.peer(1).raw.transfer_leader(2);
    cluster.peer(1).raw.transfer_leader(1);
    cluster.peer(1).work();
    cluster.peer(1).raw.read_index("r");
    assert_eq!(reads(&mut cluster, 1), [0; 0]);
}

/// "In the Pre-Vote algorithm, a candidate only increments its term if it first learns from a majority of the cluster that
/// they would be willing to grant the candidate their votes" (thesis §9.6)
#[test]
fn pre_votes_come_before_the_term() {
    let config = Config { pre_vote: true, ..Config::new(1) };
    let mut peer = Peer::with(&config, disk(THREE, &[1], HardState { term: 3, ..HardState::default() }));
    let sent = peer.tick(100);
    assert_eq!((peer.raw.status().term, peer.raw.status().role), (3, Role::PreCandidate));
    assert!(sent.iter().all(|ask| ask.msg_type() == MessageType::MsgRequestPreVote && ask.term == 4));
    peer.give(message(MessageType::MsgRequestPreVoteResponse, 2, 4));
    assert_eq!((peer.raw.status().term, peer.raw.status().role), (4, Role::Candidate));
}

/// "... (if the candidate's log is sufficiently up-to-date, and the voters have not received heartbeats from a valid leader
/// for at least a baseline election timeout)" (thesis §9.6)
#[test]
fn who_grants_a_pre_vote() {
    let ask = |last: (u64, u64), waited: u32| {
        let mut peer = Peer::on(1, disk(THREE, &[1, 1], HardState { term: 1, ..HardState::default() }));
        peer.give(message(MessageType::MsgHeartbeat, 3, 1));
        peer.tick(waited);
        let request = Message { msg_type: MessageType::MsgRequestPreVote as i32, ..vote_request(2, 2, last) };
        let sent = peer.give(request);
        assert_eq!(peer.raw.status().term, 1, "nothing changes");
        sent.iter()
            .any(|answer| answer.msg_type() == MessageType::MsgRequestPreVoteResponse && !answer.reject)
    };
    assert!(ask((2, 1), 10), "up to date, and no leader is heard");
    assert!(!ask((1, 1), 10), "not up to date");
    assert!(!ask((2, 1), 9), "the leader was heard");
}

/// "The Pre-Vote algorithm solves the issue of a partitioned server disrupting the cluster when it rejoins." (thesis §9.6)
#[test]
fn a_rejoining_server_does_not_disrupt() {
    let mut cluster = cluster(|config| config.pre_vote = true);
    cluster.cut_off = vec![3];
    cluster.peer(3).tick(200);
    cluster.cut_off.clear();
    cluster.peer(3).raw.campaign().expect("nothing is refused");
    cluster.settle();
    assert_eq!(cluster.leaders(), [1]);
    assert_eq!(cluster.peer(3).raw.status().term, 1);
}
