//! One-line texts.

use prost::Message as _;
use proto::eraftpb::{
    ConfChange, ConfChangeType, ConfState, Entry, EntryType, HardState, Message, MessageType, Snapshot,
    SnapshotMetadata,
};
use raft::{Config, LogId, ProgressState, ProgressStatus, Role, brief};

use crate::leader;

fn message(kind: MessageType) -> Message {
    Message {
        msg_type: kind as i32,
        from: 1,
        to: 2,
        term: 3,
        index: 5,
        log_term: 2,
        commit: 4,
        ..Message::default()
    }
}

fn entry(index: u64, term: u64, data: &'static str) -> Entry {
    Entry { index, term, data: data.into(), ..Entry::default() }
}

#[test]
fn messages() {
    use MessageType::*;
    let text = |message: &Message| brief(message).to_string();
    let entries = vec![entry(6, 2, "a"), entry(7, 3, "b")];
    let append = Message { entries: entries.clone(), ..message(MsgAppend) };
    assert_eq!(text(&append), "n1@3 → n2 MsgAppend base=5@2 [6@2 7@3] commit=4");
    assert_eq!(text(&message(MsgAppendResponse)), "n1@3 → n2 MsgAppendResponse match=5");
    let rejection = Message { reject: true, reject_hint: 3, ..message(MsgAppendResponse) };
    assert_eq!(text(&rejection), "n1@3 → n2 MsgAppendResponse rejected=5 hint=3@2");
    assert_eq!(text(&message(MsgRequestVote)), "n1@3 → n2 MsgRequestVote last=5@2");
    assert_eq!(text(&message(MsgRequestVoteResponse)), "n1@3 → n2 MsgRequestVoteResponse granted");
    assert_eq!(text(&message(MsgHeartbeat)), "n1@3 → n2 MsgHeartbeat commit=4");
    assert_eq!(text(&message(MsgTimeoutNow)), "n1@3 → n2 MsgTimeoutNow");
    let read = Message { entries: vec![entry(0, 0, "r")], ..message(MsgReadIndexResp) };
    assert_eq!(text(&read), "n1@3 → n2 MsgReadIndexResp index=5 read=r");
    let propose = Message { entries, ..message(MsgPropose) };
    assert_eq!(text(&propose), "n1@3 → n2 MsgPropose 6@2 a 7@3 b");
    let status = Message { reject: true, ..message(MsgSnapStatus) };
    assert_eq!(text(&status), "n1@3 → n2 MsgSnapStatus failed");
}

/// The leader's stamp takes four bytes, the round of a read eight; anything else is shown as it is.
#[test]
fn contexts() {
    let text = |context: &[u8]| {
        let heartbeat =
            Message { context: context.to_vec().into(), ..message(MessageType::MsgHeartbeatResponse) };
        brief(&heartbeat).to_string().split_off("n1@3 → n2 MsgHeartbeatResponse".len())
    };
    let (stamp, round) = (7_u32.to_be_bytes(), 9_u64.to_be_bytes());
    assert_eq!(text(&[]), "");
    assert_eq!(text(&stamp), " lease=7");
    assert_eq!(text(&round), " round=9");
    assert_eq!(text(&[&stamp[..], &round[..]].concat()), " lease=7 round=9");
    assert_eq!(text(b"other"), " context=other");
}

#[test]
fn entries() {
    let change =
        ConfChange { change_type: ConfChangeType::RemoveNode as i32, node_id: 4, ..ConfChange::default() };
    let mut conf = Entry { data: change.encode_to_vec().into(), ..entry(3, 1, "") };
    conf.set_entry_type(EntryType::EntryConfChange);
    let list = [entry(1, 1, ""), entry(2, 1, "a\n"), conf];
    assert_eq!(brief(&list[..]).to_string(), "[1@1, 2@1 a\\n, 3@1 remove n4]");
    let mut broken = entry(4, 1, "?");
    broken.set_entry_type(EntryType::EntryConfChange);
    assert_eq!(brief(&broken).to_string(), "4@1 (undecodable change)");
}

#[test]
fn states() {
    let conf_state = ConfState { voters: vec![1, 2], learners: vec![3] };
    assert_eq!(brief(&conf_state).to_string(), "voters={n1 n2} learners={n3}");
    let metadata = SnapshotMetadata { conf_state: Some(conf_state), index: 5, term: 2 };
    let snapshot = Snapshot { data: "s".into(), metadata: Some(metadata) };
    assert_eq!(brief(&snapshot).to_string(), "snapshot=5@2 voters={n1 n2} learners={n3}");
    assert_eq!(brief(&HardState { term: 3, vote: 0, commit: 1 }).to_string(), "term=3 vote=none commit=1");
    assert_eq!(LogId { term: 2, index: 5 }.to_string(), "5@2");
    assert_eq!(Role::PreCandidate.to_string(), "pre-candidate");
    let progress = ProgressStatus { matched: 3, next: 5, state: ProgressState::Probe, paused: true };
    assert_eq!(progress.to_string(), "probe match=3 next=5 paused");
}

#[test]
fn status() {
    let mut node = leader(&Config::new(1), &[1, 2, 3]);
    let text = node.status().to_string();
    assert_eq!(text, "n1@1 leader vote=n1 first=1 last=1@1 commit=1 applied=1");
    node.transfer_leader(2);
    assert!(node.status().to_string().ends_with(" transferee=n2"));
}
