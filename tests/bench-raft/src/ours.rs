//! Our core behind the trait.

use proto::eraftpb::Message;
use raft::{Config, MemStorage, RawNode, Storage as _};

use crate::cluster::Node;

/// One of our nodes.
pub struct Ours {
    node: RawNode<MemStorage>,
}

impl Node for Ours {
    type Message = Message;
    type Tuning = ();

    fn new(id: u64, voters: &[u64], (): ()) -> Ours {
        let config = Config { max_message_bytes: 1 << 20, max_inflight_messages: 256, ..Config::new(id) };
        Ours { node: RawNode::new(&config, MemStorage::new(voters)).expect("a fresh node starts") }
    }

    fn campaign(&mut self) {
        self.node.campaign().expect("a fresh node may campaign");
    }

    fn tick(&mut self) {
        self.node.tick();
    }

    fn propose(&mut self, command: Vec<u8>) {
        self.node.propose(command).expect("the leader takes commands");
    }

    fn step(&mut self, message: Message) {
        self.node.step(message).expect("messages of peers never fail");
    }

    fn receiver(message: &Message) -> u64 {
        message.to
    }

    fn work(&mut self, out: &mut Vec<Message>, apply: &mut dyn FnMut(&[u8])) -> bool {
        if !self.node.has_ready() {
            return false;
        }
        let mut ready = self.node.ready();
        assert!(ready.snapshot.is_none(), "nothing is compacted here");
        let storage = self.node.storage_mut();
        storage.append(&ready.entries);
        if let Some(hard_state) = ready.hard_state.take() {
            storage.set_hard_state(hard_state);
        }
        out.append(&mut ready.messages);
        for entry in &ready.committed_entries {
            apply(&entry.data);
        }
        let applied = ready.committed_entries.last().map(|entry| entry.index);
        self.node.advance(ready);
        if let Some(index) = applied {
            self.node.advance_apply(index);
        }
        true
    }

    fn compact(&mut self, keep: u64) {
        let storage = self.node.storage_mut();
        let index = storage.last_index().expect("memory answers") - keep;
        storage.compact(index, Vec::new().into()).expect("the entry is in the log");
    }
}
