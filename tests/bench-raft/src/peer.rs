//! The `raft` crate (raft-rs) behind the trait.

use raft_rs::eraftpb::{Entry, Message};
use raft_rs::storage::MemStorage;
use raft_rs::{Config, RawNode};

use crate::cluster::Node;

/// One of the peer's nodes.
pub struct Peer {
    node: RawNode<MemStorage>,
}

/// What the peer offers to tune here.
#[derive(Clone, Copy)]
pub struct Tuning {
    /// Lengthens an append that waits to be sent, in place of sending another. Off by default.
    pub batch_append: bool,
}

impl Node for Peer {
    type Message = Message;
    type Tuning = Tuning;

    fn new(id: u64, voters: &[u64], tuning: Tuning) -> Peer {
        let config = Config {
            id,
            election_tick: 10,
            heartbeat_tick: 2,
            max_size_per_msg: 1 << 20,
            max_inflight_msgs: 256,
            batch_append: tuning.batch_append,
            ..Config::default()
        };
        let storage = MemStorage::new_with_conf_state((voters.to_vec(), Vec::new()));
        let logger = slog::Logger::root(slog::Discard, slog::o!());
        Peer { node: RawNode::new(&config, storage, &logger).expect("a fresh node starts") }
    }

    fn campaign(&mut self) {
        self.node.campaign().expect("a fresh node may campaign");
    }

    fn tick(&mut self) {
        self.node.tick();
    }

    fn propose(&mut self, command: Vec<u8>) {
        self.node.propose(Vec::new(), command).expect("the leader takes commands");
    }

    fn step(&mut self, message: Message) {
        self.node.step(message).expect("messages of members never fail");
    }

    fn receiver(message: &Message) -> u64 {
        message.to
    }

    fn work(&mut self, out: &mut Vec<Message>, apply: &mut dyn FnMut(&[u8])) -> bool {
        if !self.node.has_ready() {
            return false;
        }
        let mut apply_all = |entries: Vec<Entry>| entries.iter().for_each(|entry| apply(&entry.data));
        let mut ready = self.node.ready();
        assert!(ready.snapshot().get_metadata().index == 0, "nothing is compacted here");
        out.append(&mut ready.take_messages());
        apply_all(ready.take_committed_entries());
        {
            let mut storage = self.node.store().wl();
            storage.append(ready.entries()).expect("entries follow the log");
            if let Some(hard_state) = ready.hs() {
                storage.set_hardstate(hard_state.clone());
            }
        }
        out.append(&mut ready.take_persisted_messages());
        let mut light = self.node.advance(ready);
        if let Some(commit) = light.commit_index() {
            self.node.store().wl().mut_hard_state().commit = commit;
        }
        out.append(&mut light.take_messages());
        apply_all(light.take_committed_entries());
        self.node.advance_apply();
        true
    }

    fn compact(&mut self, keep: u64) {
        let mut storage = self.node.store().wl();
        let last = storage.hard_state().commit;
        storage.compact(last + 1 - keep).expect("the entry is in the log");
    }
}
