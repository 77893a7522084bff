//! What is proposed before the messages are taken travels together, within the limits.

use proto::eraftpb::{Message, MessageType};
use raft::Config;

use crate::{answer, leader, work};

/// How many entries each append to peer 2 carries, after proposals of the given sizes.
fn lengths(config: &Config, proposals: &[usize]) -> Vec<usize> {
    let mut node = leader(config, &[1, 2]);
    for &bytes in proposals {
        node.propose(vec![b'x'; bytes]).expect("it leads");
    }
    appends(&work(&mut node).messages)
}

fn appends(messages: &[Message]) -> Vec<usize> {
    let appends = messages.iter().filter(|message| message.msg_type() == MessageType::MsgAppend);
    appends.map(|append| append.entries.len()).collect()
}

#[test]
fn proposals_travel_together() {
    assert_eq!(lengths(&Config::new(1), &[10; 100]), [100]);
}

#[test]
fn a_message_keeps_to_its_byte_limit() {
    let config = Config { max_message_bytes: 10, ..Config::new(1) };
    assert_eq!(lengths(&config, &[4, 4, 4, 4]), [2, 2]);
    assert_eq!(lengths(&config, &[11, 1, 9, 1, 1]), [1, 2, 2], "an entry that is too large goes alone");
}

#[test]
fn without_bytes_one_entry_a_message() {
    let config = Config { max_message_bytes: 0, ..Config::new(1) };
    assert_eq!(lengths(&config, &[1, 0, 1]), [1, 1, 1]);
}

#[test]
fn appends_count_once_towards_the_limit() {
    let config = Config { max_inflight_messages: 2, max_message_bytes: 3, ..Config::new(1) };
    let mut node = leader(&config, &[1, 2]);
    for _ in 0..5 {
        node.propose("x").expect("it leads");
    }
    assert_eq!(appends(&work(&mut node).messages), [3, 2]);
    assert!(node.progress(2).expect("a member").paused);
    node.propose("x").expect("it leads");
    assert!(appends(&work(&mut node).messages).is_empty(), "two appends are on their way");
    node.step(Message { index: 4, ..answer(MessageType::MsgAppendResponse, 2) }).expect("no failure");
    assert_eq!(appends(&work(&mut node).messages), [1]);
}

/// An append carries the commit index of the moment at which it is taken.
#[test]
fn the_commit_index_is_the_newest() {
    let mut node = leader(&Config::new(1), &[1, 2]);
    node.propose("a").expect("it leads");
    work(&mut node);
    node.propose("b").expect("it leads");
    node.step(Message { index: 2, ..answer(MessageType::MsgAppendResponse, 2) }).expect("no failure");
    node.propose("c").expect("it leads");
    let messages = work(&mut node).messages;
    let last = messages.last().expect("an append");
    assert_eq!((last.commit, last.index + last.entries.len() as u64), (2, 4));
}

/// What was taken by a `Ready` does not grow any more.
#[test]
fn what_is_handed_out_stays_as_it_is() {
    let mut node = leader(&Config::new(1), &[1, 2]);
    node.propose("a").expect("it leads");
    let ready = node.ready();
    node.propose("b").expect("it leads");
    assert_eq!(appends(&ready.messages), [1]);
    node.storage_mut().append(&ready.entries);
    node.advance(ready);
    assert_eq!(appends(&node.ready().messages), [1]);
}
