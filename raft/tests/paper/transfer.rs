//! Thesis §3.10: leadership transfer.

use proto::eraftpb::{HardState, MessageType};
use raft::{Config, Error, NONE, Role};

use crate::bench::{Cluster, Peer, disk, message, of_kind};

const THREE: &[u64] = &[1, 2, 3];

/// "The prior leader stops accepting new client requests." (thesis §3.10, step 1)
#[test]
fn no_proposals_during_a_transfer() {
    let mut leader = Peer::leader(THREE, &[], 1);
    leader.raw.transfer_leader(2);
    assert_eq!(leader.raw.propose("x"), Err(Error::ProposalDropped));
    assert_eq!(leader.raw.status().transferee, 2);
}

/// "The prior leader fully updates the target server's log to match its own, using the normal log replication mechanism ...
/// [and] sends a TimeoutNow request to the target server." (thesis §3.10, steps 2 and 3)
#[test]
fn the_target_is_brought_up_to_date_first() {
    let mut leader = Peer::leader(THREE, &[], 1);
    leader.raw.transfer_leader(2);
    assert_eq!(of_kind(&leader.work(), MessageType::MsgTimeoutNow), []);
    let answer = proto::eraftpb::Message { index: 1, ..message(MessageType::MsgAppendResponse, 2, 1) };
    let sent = leader.give(answer);
    assert_eq!(of_kind(&sent, MessageType::MsgTimeoutNow).len(), 1);
}

/// "This request has the same effect as the target server's election timer firing: the target server starts a new election
/// (incrementing its term and becoming a candidate)." Without asking for pre-votes, too. (thesis §3.10)
#[test]
fn the_order_starts_an_election() {
    for pre_vote in [false, true] {
        let config = Config { pre_vote, ..Config::new(2) };
        let mut target =
            Peer::with(&config, disk(THREE, &[1], HardState { term: 1, ..HardState::default() }));
        target.give(message(MessageType::MsgHeartbeat, 1, 1));
        let sent = target.give(message(MessageType::MsgTimeoutNow, 1, 1));
        assert_eq!((target.raw.status().role, target.raw.status().term), (Role::Candidate, 2));
        assert_eq!(of_kind(&sent, MessageType::MsgRequestVote).len(), 2);
    }
}

/// "Once the target server ... [is elected], its next message to the prior leader will include its new term number, causing
/// the prior leader to step down. At this point, leadership transfer is complete." (thesis §3.10)
#[test]
fn the_prior_leader_steps_down() {
    let mut cluster = Cluster::new(3);
    cluster.campaign(1);
    cluster.peer(1).raw.transfer_leader(3);
    cluster.settle();
    assert_eq!(cluster.leaders(), [3]);
    assert_eq!(cluster.peer(1).raw.status().leader_id, 3);
}

/// "If leadership transfer does not complete after about an election timeout, the prior leader aborts the transfer and
/// resumes accepting client requests." (thesis §3.10)
#[test]
fn a_transfer_ends_after_an_election_timeout() {
    let mut leader = Peer::leader(THREE, &[], 1);
    leader.raw.transfer_leader(2);
    leader.tick(9);
    assert_eq!(leader.raw.status().transferee, 2);
    leader.tick(1);
    assert_eq!(leader.raw.status().transferee, NONE);
    assert_eq!(leader.raw.propose("x"), Ok(()));
}

/// "the messages [of a transfer] need to include a special flag": voters answer although they hear a leader. (thesis §4.2.3)
#[test]
fn a_transfer_overrides_what_keeps_campaigns_down() {
    let start = |id| {
        let config = Config { check_quorum: true, ..Config::new(id) };
        Peer::with(&config, disk(THREE, &[], HardState::default()))
    };
    let mut cluster = Cluster::of(vec![start(1), start(2), start(3)]);
    cluster.campaign(1);
    cluster.campaign(2);
    assert_eq!(cluster.leaders(), [1], "an ordinary campaign is ignored");

    let mut cluster = Cluster::of(vec![start(1), start(2), start(3)]);
    cluster.campaign(1);
    cluster.peer(1).raw.transfer_leader(2);
    cluster.settle();
    assert_eq!(cluster.leaders(), [2]);
}
