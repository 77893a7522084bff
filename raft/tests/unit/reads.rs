//! Reads that wait for a quorum, through the public face.

use bytes::Bytes;
use proto::eraftpb::{Message, MessageType};
use raft::{Config, MemStorage, RawNode};

use crate::{answer, leader, work};

/// The context of the heartbeats that the node sends now.
fn round(node: &mut RawNode<MemStorage>) -> Bytes {
    let ready = work(node);
    let heartbeat = ready.messages.iter().find(|message| message.msg_type() == MessageType::MsgHeartbeat);
    heartbeat.expect("a round of heartbeats").context.clone()
}

fn acknowledge(node: &mut RawNode<MemStorage>, from: u64, context: &Bytes) -> Vec<(u64, Bytes)> {
    let answer = Message { context: context.clone(), ..answer(MessageType::MsgHeartbeatResponse, from) };
    node.step(answer).expect("messages from peers do not fail");
    work(node).read_states.into_iter().map(|read| (read.index, read.context)).collect()
}

const FIVE: &[u64] = &[1, 2, 3, 4, 5];

#[test]
fn a_quorum_confirms() {
    let mut node = leader(&Config::new(1), FIVE);
    node.read_index("a");
    let first = round(&mut node);
    assert_eq!(acknowledge(&mut node, 2, &first), []);
    assert_eq!(acknowledge(&mut node, 2, &first), [], "twice the same is one");
    assert_eq!(acknowledge(&mut node, 9, &first), [], "a stranger");
    assert_eq!(acknowledge(&mut node, 3, &first), [(1, "a".into())]);
    assert_eq!(acknowledge(&mut node, 4, &first), [], "once");
}

#[test]
fn the_youngest_confirms_all() {
    let mut node = leader(&Config::new(1), FIVE);
    node.read_index("a");
    let first = round(&mut node);
    node.read_index("b");
    let second = round(&mut node);
    assert_eq!(acknowledge(&mut node, 2, &second), []);
    assert_eq!(acknowledge(&mut node, 3, &first), [], "of the older round there is one answer");
    assert_eq!(acknowledge(&mut node, 4, &second), [(1, "a".into()), (1, "b".into())]);
}

#[test]
fn the_older_leaves_the_younger() {
    let mut node = leader(&Config::new(1), &[1, 2, 3]);
    node.read_index("a");
    let first = round(&mut node);
    node.read_index("b");
    let second = round(&mut node);
    assert_eq!(acknowledge(&mut node, 2, &first), [(1, "a".into())]);
    assert_eq!(acknowledge(&mut node, 2, &second), [(1, "b".into())]);
}

/// A name that is used again gets a round of its own: answers to the first round say nothing about the second read.
#[test]
fn names_may_be_used_again() {
    let mut node = leader(&Config::new(1), &[1, 2, 3]);
    node.read_index("a");
    let first = round(&mut node);
    assert_eq!(acknowledge(&mut node, 2, &first).len(), 1);
    node.read_index("a");
    let second = round(&mut node);
    assert_ne!(first, second);
    assert_eq!(acknowledge(&mut node, 3, &first), []);
    assert_eq!(acknowledge(&mut node, 3, &second).len(), 1);
}

/// The same read asked for twice while it waits is one read.
#[test]
fn a_waiting_read_is_not_doubled() {
    let mut node = leader(&Config::new(1), &[1, 2, 3]);
    node.read_index("a");
    node.read_index("a");
    let context = round(&mut node);
    assert_eq!(acknowledge(&mut node, 2, &context).len(), 1);
}

/// Who is not the leader any more forgets the reads.
#[test]
fn a_deposed_leader_forgets_its_reads() {
    let mut node = leader(&Config::new(1), &[1, 2, 3]);
    node.read_index("a");
    let context = round(&mut node);
    let heartbeat = Message { term: 2, ..answer(MessageType::MsgHeartbeat, 2) };
    node.step(heartbeat).expect("messages from peers do not fail");
    work(&mut node);
    assert_eq!(acknowledge(&mut node, 3, &context), []);
}
