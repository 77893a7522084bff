//! What is refused or ignored at the face, and what two equal peers have in common.

use std::hash::{DefaultHasher, Hash, Hasher};

use proto::eraftpb::{Message, MessageType};
use raft::{Config, Error, MemStorage, RawNode, Role};

use crate::{answer, leader, work};

#[test]
fn local_messages_do_not_come_from_the_network() {
    use MessageType::*;
    let mut node = leader(&Config::new(1), &[1, 2, 3]);
    for kind in [MsgHup, MsgBeat, MsgPropose, MsgUnreachable, MsgSnapStatus, MsgCheckQuorum] {
        assert_eq!(node.step(answer(kind, 2)), Err(Error::LocalMessage(kind.as_str_name())));
    }
    assert!(!node.has_ready());
}

/// Answers from strangers, and from peers that were removed, change nothing.
#[test]
fn strangers_are_ignored() {
    use MessageType::*;
    let mut node = leader(&Config::new(1), &[1, 2, 3]);
    let before = node.status();
    for kind in [MsgAppendResponse, MsgHeartbeatResponse, MsgRequestVoteResponse] {
        node.step(Message { index: 1, ..answer(kind, 9) }).expect("messages from peers do not fail");
    }
    node.report_unreachable(9);
    node.transfer_leader(9);
    assert_eq!((node.status(), node.progress(9)), (before, None));
    assert!(!node.has_ready());
}

/// A message of a kind that this peer's role does not expect is dropped.
#[test]
fn unexpected_messages_are_dropped() {
    use MessageType::*;
    let mut follower =
        RawNode::new(&Config::new(2), MemStorage::new(&[1, 2, 3])).expect("a good configuration");
    follower.step(answer(MsgHeartbeat, 1)).expect("no failure");
    work(&mut follower);
    for kind in [
        MsgAppendResponse,
        MsgHeartbeatResponse,
        MsgRequestVoteResponse,
        MsgRequestPreVoteResponse,
        MsgReadIndex,
    ] {
        follower.step(answer(kind, 3)).expect("no failure");
        assert!(!follower.has_ready(), "{kind:?}");
    }
    assert_eq!(follower.status().role, Role::Follower);
}

/// Two leaders of one term cannot be; a message that pretends to be from one is ignored.
#[test]
fn a_leader_follows_nobody_in_its_own_term() {
    let mut node = leader(&Config::new(1), &[1, 2, 3]);
    for kind in [MessageType::MsgHeartbeat, MessageType::MsgAppend, MessageType::MsgSnapshot] {
        node.step(answer(kind, 2)).expect("no failure");
        assert_eq!(node.status().role, Role::Leader);
        assert!(!node.has_ready());
    }
}

fn hash(node: &RawNode<MemStorage>) -> u64 {
    let mut hasher = DefaultHasher::new();
    node.hash(&mut hasher);
    hasher.finish()
}

/// Equal inputs make equal peers, and a clone goes its own way from the same state.
#[test]
fn the_same_inputs_make_the_same_peer() {
    let run = || {
        let mut node = leader(&Config::new(1), &[1, 2, 3]);
        node.propose("x").expect("it leads");
        work(&mut node);
        node
    };
    let (one, mut other) = (run(), run());
    assert_eq!(hash(&one), hash(&other));
    let copy = other.clone();
    other.propose("y").expect("it leads");
    assert_ne!(hash(&copy), hash(&other));
    assert_eq!(hash(&one), hash(&copy));
}

/// To a search that fires timeouts as events of their own, peers that differ only in how long they waited are the same.
#[test]
fn waiting_does_not_change_the_hash() {
    let fresh = RawNode::new(&Config::new(2), MemStorage::new(&[1, 2, 3])).expect("a good configuration");
    let mut waited = fresh.clone();
    waited.tick();
    assert_eq!(hash(&fresh), hash(&waited));
}
