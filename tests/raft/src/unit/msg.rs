//! Messages, made and described.

use proto::eraftpb::{
    ConfChange, ConfChangeType, ConfState, Entry, EntryType, Message, MessageType, Snapshot, SnapshotMetadata,
};
use raft::{Index, LogId, PeerId, Term};

/// Names a position of a log; (0, 0) is before the first entry.
pub fn at(index: Index, term: Term) -> LogId {
    LogId { term, index }
}

/// An entry of `term` at `index`, with data that names both.
pub fn entry(index: Index, term: Term) -> Entry {
    let data = format!("{index}@{term}").into_bytes().into();
    Entry { entry_type: EntryType::EntryNormal as i32, term, index, data }
}

/// Entries of the given terms, the first at index `first`.
pub fn entries(first: Index, terms: &[Term]) -> Vec<Entry> {
    (first..).zip(terms).map(|(index, &term)| entry(index, term)).collect()
}

/// The ids of a log with entries of the given terms, the first at index 1.
pub fn ids(terms: &[Term]) -> Vec<LogId> {
    (1..).zip(terms).map(|(index, &term)| at(index, term)).collect()
}

fn message(msg_type: MessageType, from: PeerId, to: PeerId, term: Term) -> Message {
    Message { msg_type: msg_type as i32, from, to, term, ..Message::default() }
}

/// A local message, as a host passes it to its own peer.
pub fn local(msg_type: MessageType, id: PeerId) -> Message {
    message(msg_type, id, id, 0)
}

/// `from` asks for a vote; its log ends at `last`.
pub fn vote(from: PeerId, to: PeerId, term: Term, last: LogId) -> Message {
    let asked = message(MessageType::MsgRequestVote, from, to, term);
    Message { index: last.index, log_term: last.term, ..asked }
}

/// `from` gives its vote.
pub fn grant(from: PeerId, to: PeerId, term: Term) -> Message {
    message(MessageType::MsgRequestVoteResponse, from, to, term)
}

/// `from` refuses its vote.
pub fn refuse(from: PeerId, to: PeerId, term: Term) -> Message {
    Message { reject: true, ..grant(from, to, term) }
}

/// A heartbeat.
pub fn heartbeat(from: PeerId, to: PeerId, term: Term, commit: Index) -> Message {
    Message { commit, ..message(MessageType::MsgHeartbeat, from, to, term) }
}

/// The answer to a heartbeat.
pub fn heartbeat_ok(from: PeerId, to: PeerId, term: Term) -> Message {
    message(MessageType::MsgHeartbeatResponse, from, to, term)
}

/// Entries of the given terms, to follow `prev`.
pub fn append(from: PeerId, to: PeerId, term: Term, prev: LogId, terms: &[Term], commit: Index) -> Message {
    let carried = entries(prev.index + 1, terms);
    let sent = message(MessageType::MsgAppend, from, to, term);
    Message { index: prev.index, log_term: prev.term, entries: carried, commit, ..sent }
}

/// `from` holds the leader's log up to `index`.
pub fn append_ok(from: PeerId, to: PeerId, term: Term, index: Index) -> Message {
    Message { index, ..message(MessageType::MsgAppendResponse, from, to, term) }
}

/// `from` does not hold the entry at `index`; the logs may agree at or below `hint`.
pub fn append_reject(from: PeerId, to: PeerId, term: Term, index: Index, hint: LogId) -> Message {
    let answer = append_ok(from, to, term, index);
    Message { reject: true, reject_hint: hint.index, log_term: hint.term, ..answer }
}

/// The state machine up to `at`, in a group of the given voters.
pub fn snapshot_of(at: LogId, voters: &[PeerId]) -> Snapshot {
    let conf_state = Some(ConfState { voters: voters.to_vec(), learners: Vec::new() });
    let metadata = Some(SnapshotMetadata { conf_state, index: at.index, term: at.term });
    Snapshot { data: format!("state {}@{}", at.index, at.term).into_bytes().into(), metadata }
}

/// A snapshot on its way.
pub fn snapshot(from: PeerId, to: PeerId, term: Term, at: LogId, voters: &[PeerId]) -> Message {
    Message { snapshot: Some(snapshot_of(at, voters)), ..message(MessageType::MsgSnapshot, from, to, term) }
}

/// Please hand leadership to `target`.
pub fn transfer(target: PeerId, to: PeerId, term: Term) -> Message {
    message(MessageType::MsgTransferLeader, target, to, term)
}

/// Campaign at once.
pub fn timeout_now(from: PeerId, to: PeerId, term: Term) -> Message {
    message(MessageType::MsgTimeoutNow, from, to, term)
}

/// Adds a voter.
pub fn add(node_id: PeerId) -> ConfChange {
    ConfChange { change_type: ConfChangeType::AddNode as i32, node_id, ..ConfChange::default() }
}

/// Removes a member.
pub fn remove(node_id: PeerId) -> ConfChange {
    ConfChange { change_type: ConfChangeType::RemoveNode as i32, node_id, ..ConfChange::default() }
}

/// Where the snapshot in a message stands; (0, 0) if there is none.
pub fn snapshot_id(message: &Message) -> LogId {
    let meta = message.snapshot.as_ref().and_then(|snapshot| snapshot.metadata.as_ref());
    meta.map_or(at(0, 0), |meta| at(meta.index, meta.term))
}

/// The last index that an append covers: that of its last entry, or the one before it if there are none.
pub fn end_of(append: &Message) -> Index {
    append.index + append.entries.len() as u64
}

/// Whether it is of this kind.
pub fn is(message: &Message, kind: MessageType) -> bool {
    message.msg_type == kind as i32
}

/// Those of the given kind.
pub fn of_kind(messages: &[Message], kind: MessageType) -> Vec<&Message> {
    messages.iter().filter(|message| is(message, kind)).collect()
}

/// Entries as `[4@2 5@2]`: index and term of each.
pub fn describe_entries(entries: &[Entry]) -> String {
    let ids: Vec<String> = entries.iter().map(|entry| format!("{}@{}", entry.index, entry.term)).collect();
    format!("[{}]", ids.join(" "))
}

/// A log as `[1@1 2@1 3@4]`: index and term of each entry.
pub fn describe_log(log: &[LogId]) -> String {
    let ids: Vec<String> = log.iter().map(|id| format!("{}@{}", id.index, id.term)).collect();
    format!("[{}]", ids.join(" "))
}

/// A message in a line, with the fields that its kind uses.
pub fn describe(message: &Message) -> String {
    let kind = message.msg_type();
    let details = match kind {
        MessageType::MsgAppend => format!(
            " after {}@{}: {}, commit {}",
            message.index,
            message.log_term,
            describe_entries(&message.entries),
            message.commit
        ),
        MessageType::MsgAppendResponse if message.reject => {
            format!(" rejects {}, hint {}@{}", message.index, message.reject_hint, message.log_term)
        }
        MessageType::MsgAppendResponse => format!(" holds up to {}", message.index),
        MessageType::MsgRequestVote | MessageType::MsgRequestPreVote => {
            format!(", log ends at {}@{}", message.index, message.log_term)
        }
        MessageType::MsgRequestVoteResponse | MessageType::MsgRequestPreVoteResponse => {
            (if message.reject { " refused" } else { " granted" }).to_owned()
        }
        MessageType::MsgHeartbeat => format!(", commit {}", message.commit),
        MessageType::MsgSnapshot => {
            let id = snapshot_id(message);
            format!(" at {}@{}", id.index, id.term)
        }
        MessageType::MsgPropose => format!(" {} entries", message.entries.len()),
        _ => String::new(),
    };
    let name = kind.as_str_name();
    format!("{name} {}->{} term {}{details}", message.from, message.to, message.term)
}

/// Several messages in a line, for *what was seen*.
pub fn describe_all(messages: &[Message]) -> String {
    if messages.is_empty() {
        return "nothing".to_owned();
    }
    messages.iter().map(describe).collect::<Vec<_>>().join("; ")
}
