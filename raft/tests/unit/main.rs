//! Small things that have a test of their own: what is refused, what is asserted, and the one-line texts.

mod config;
mod face;
mod outbox;
mod reads;

mod storage;
mod trace;

use proto::eraftpb::{Message, MessageType};
use raft::{Config, MemStorage, RawNode, Ready, Storage};

/// A leader of term 1 in a group of `voters`, of which it is the first; its empty entry is everywhere, and committed.
fn leader(config: &Config, voters: &[u64]) -> RawNode<MemStorage> {
    leader_on(config, MemStorage::new(voters), voters)
}

/// The same, on a disk of any kind.
fn leader_on<S: Storage + Writable>(config: &Config, disk: S, voters: &[u64]) -> RawNode<S> {
    let mut node = RawNode::new(config, disk).expect("a good configuration");
    node.campaign().expect("nothing is refused");
    for &voter in voters.iter().filter(|&&voter| voter != config.id) {
        node.step(answer(MessageType::MsgRequestVoteResponse, voter))
            .expect("messages from peers do not fail");
    }
    work(&mut node);
    for &voter in voters.iter().filter(|&&voter| voter != config.id) {
        node.step(Message { index: 1, ..answer(MessageType::MsgAppendResponse, voter) }).expect("no failure");
    }
    work(&mut node);
    node
}

/// An answer of `from`, in term 1.
fn answer(kind: MessageType, from: u64) -> Message {
    Message { msg_type: kind as i32, from, term: 1, ..Message::default() }
}

/// A disk that tests write to.
trait Writable {
    fn memory(&mut self) -> &mut MemStorage;
}

impl Writable for MemStorage {
    fn memory(&mut self) -> &mut MemStorage {
        self
    }
}

/// Does the work there is, in the prescribed order, and returns what it was.
fn work<S: Storage + Writable>(node: &mut RawNode<S>) -> Ready {
    let ready = node.ready();
    let disk = node.storage_mut().memory();
    if let Some(snapshot) = &ready.snapshot {
        disk.apply_snapshot(snapshot.clone());
    }
    disk.append(&ready.entries);
    if let Some(hard_state) = ready.hard_state {
        disk.set_hard_state(hard_state);
    }
    node.advance(ready.clone());
    if let Some(last) = ready.committed_entries.last() {
        node.advance_apply(last.index);
    }
    ready
}
