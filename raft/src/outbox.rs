//! Messages that wait for the next `Ready`.

use proto::eraftpb::{Message, MessageType};

use crate::types::Index;

/// Messages in the order in which they were made.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Outbox {
    messages: Vec<Message>,
    /// Bytes of entry data in each of them, if it is an append.
    bytes: Vec<u64>,
}

/// Limits on an append that grows while it waits.
#[derive(Clone, Copy, Debug)]
pub struct AppendLimits {
    /// Most entries.
    pub entries: usize,
    /// Most bytes of entry data.
    pub bytes: u64,
}

/// What became of an append.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pushed {
    /// It is a message of its own.
    Queued,
    /// The append before it, to the same peer, was made longer.
    Merged,
}

impl Outbox {
    /// Adds a message.
    pub fn push(&mut self, message: Message) {
        self.messages.push(message);
        self.bytes.push(0);
    }

    /// Adds an append with entries, or lengthens the append to the same peer that waits already, if the entries follow
    /// its own and do not make it longer than `limits`. Proposals that come in together then travel together.
    pub fn push_append(&mut self, mut append: Message, limits: AppendLimits) -> Pushed {
        let bytes = append.entries.iter().map(|entry| entry.data.len() as u64).sum::<u64>();
        let waiting = self.messages.iter_mut().zip(&mut self.bytes).rev().find(|(last, _)| last.to == append.to);
        if let Some((last, last_bytes)) = waiting
            && last.msg_type() == MessageType::MsgAppend
            && last.term == append.term
            && !append.entries.is_empty()
            && !last.entries.is_empty()
            && last_index(last) == append.index
            && last.entries.len() + append.entries.len() <= limits.entries
            && *last_bytes + bytes <= limits.bytes
        {
            last.entries.append(&mut append.entries);
            last.commit = append.commit;
            *last_bytes += bytes;
            return Pushed::Merged;
        }
        self.messages.push(append);
        self.bytes.push(bytes);
        Pushed::Queued
    }

    /// Whether nothing waits.
    pub fn is_empty(&self) -> bool {
        self.messages.is_empty()
    }

    /// Takes everything out.
    pub fn take(&mut self) -> Vec<Message> {
        self.bytes.clear();
        std::mem::take(&mut self.messages)
    }
}

/// Index of the last entry of an append.
fn last_index(append: &Message) -> Index {
    append.index + append.entries.len() as u64
}
