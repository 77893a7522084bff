//! The hand-over between mailbox and poller, step by step.

use std::sync::Arc;
use std::sync::atomic::AtomicUsize;

use super::kit::{Order, Puppet, count, token};
use crate::batch::fsm::{Address, Fsm};
use crate::batch::mailbox::{BasicMailbox, SendError};

fn mailbox(capacity: usize) -> BasicMailbox<Puppet> {
    BasicMailbox::new(Address::Normal(1), Puppet::normal(1), capacity)
}

fn numbers(mailbox: &BasicMailbox<Puppet>, max: usize) -> Vec<u32> {
    let mut orders = Vec::new();
    mailbox.take_messages(max, &mut orders);
    orders.iter().map(number).collect()
}

fn number(order: &Order) -> u32 {
    let Order::Number(number) = order else { panic!("{order:?}") };
    *number
}

#[test]
fn the_fsm_is_handed_over_once_and_messages_keep_their_order() {
    let mailbox = mailbox(10);
    let fsm = mailbox.send(Order::Number(1)).unwrap().expect("it was idle");
    assert!(mailbox.send(Order::Number(2)).unwrap().is_none());
    assert!(mailbox.force_send(Order::Number(3)).unwrap().is_none());
    assert_eq!(numbers(&mailbox, 2), [1, 2]);
    assert_eq!(numbers(&mailbox, 2), [3]);
    assert!(mailbox.release(fsm, 0).is_none());
    assert!(mailbox.send(Order::Number(4)).unwrap().is_some());
}

#[test]
fn a_message_that_came_meanwhile_keeps_the_fsm_awake() {
    let mailbox = mailbox(10);
    let fsm = mailbox.send(Order::Number(1)).unwrap().unwrap();
    assert_eq!(numbers(&mailbox, 9), [1]);
    assert!(mailbox.send(Order::Number(2)).unwrap().is_none());
    let fsm = mailbox.release(fsm, 0).expect("a message waits");
    // As many as the FSM has seen, and left: it wants to sleep until there are more.
    assert!(mailbox.release(fsm, 1).is_none());
    assert!(mailbox.send(Order::Number(3)).unwrap().is_some());
    assert_eq!(numbers(&mailbox, 9), [2, 3]);
}

#[test]
fn messages_that_are_put_back_come_first_again() {
    let mailbox = mailbox(10);
    let mut orders = Vec::new();
    for number in 1..=3 {
        mailbox.send(Order::Number(number)).unwrap();
    }
    mailbox.take_messages(2, &mut orders);
    mailbox.put_back(&mut orders);
    assert!(orders.is_empty());
    assert_eq!(numbers(&mailbox, 9), [1, 2, 3]);
}

#[test]
fn a_full_mailbox_gives_the_message_back_but_not_a_forced_one() {
    let mailbox = mailbox(2);
    let _fsm = mailbox.send(Order::Number(1)).unwrap();
    mailbox.send(Order::Number(2)).unwrap();
    let refused = mailbox.send(Order::Number(3)).unwrap_err();
    assert!(matches!(refused, SendError::Full(_)));
    assert_eq!(number(&refused.into_inner()), 3);
    mailbox.force_send(Order::Number(4)).unwrap();
    assert_eq!(numbers(&mailbox, 9), [1, 2, 4]);
    assert!(mailbox.send(Order::Number(5)).is_ok());
}

#[test]
fn closing_an_idle_mailbox_drops_the_fsm() {
    let dropped = Arc::new(AtomicUsize::new(0));
    let mailbox = BasicMailbox::new(Address::Normal(1), Puppet::counted(1, &dropped), 10);
    mailbox.close();
    assert_eq!(count(&dropped), 1);
    for refused in [mailbox.send(Order::Number(1)), mailbox.force_send(Order::Number(1))] {
        let refused = refused.unwrap_err();
        assert!(matches!(refused, SendError::Disconnected(_)));
        assert_eq!(number(&refused.into_inner()), 1);
    }
}

#[test]
fn an_fsm_under_way_gets_what_was_sent_before_the_mailbox_closed() {
    let dropped = Arc::new(AtomicUsize::new(0));
    let mailbox = BasicMailbox::new(Address::Normal(1), Puppet::counted(1, &dropped), 10);
    let fsm = mailbox.send(Order::Number(1)).unwrap().unwrap();
    mailbox.close();
    let fsm = mailbox.release(fsm, 0).expect("it has not got its message");
    assert_eq!(numbers(&mailbox, 9), [1]);
    assert!(mailbox.release(fsm, 0).is_none());
    assert_eq!(count(&dropped), 1);
    mailbox.close();
    assert_eq!(count(&dropped), 1);
}

#[test]
fn a_closed_mailbox_drops_what_its_fsm_will_not_take() {
    let dropped = Arc::new(AtomicUsize::new(0));
    let mailbox = mailbox(10);
    let fsm = mailbox.send(Order::Token(token(&dropped))).unwrap().unwrap();
    mailbox.close();
    assert!(mailbox.release(fsm, 1).is_none());
    assert_eq!(count(&dropped), 1);
}

#[test]
fn closing_drops_what_an_idle_fsm_would_not_take() {
    let dropped = Arc::new(AtomicUsize::new(0));
    let mailbox = mailbox(10);
    let fsm = mailbox.send(Order::Token(token(&dropped))).unwrap().unwrap();
    assert!(mailbox.release(fsm, 1).is_none());
    assert_eq!(count(&dropped), 0);
    mailbox.close();
    assert_eq!(count(&dropped), 1);
}

#[test]
fn a_stopped_fsm_stays_until_its_mailbox_is_empty() {
    let mailbox = mailbox(10);
    let fsm = mailbox.send(Order::Number(1)).unwrap().unwrap();
    let fsm = mailbox.retire(fsm).expect("a message waits");
    assert!(mailbox.send(Order::Number(2)).unwrap().is_none());
    assert_eq!(numbers(&mailbox, 9), [1, 2]);
    assert!(mailbox.retire(fsm).is_none());
    assert!(matches!(mailbox.send(Order::Number(3)), Err(SendError::Disconnected(_))));
}

/// A message that is sent to the mailbox in which it dies.
struct Echo(Option<BasicMailbox<Chamber>>);

struct Chamber;

impl Fsm for Chamber {
    type Message = Echo;

    fn is_stopped(&self) -> bool {
        false
    }
}

impl Drop for Echo {
    fn drop(&mut self) {
        if let Some(mailbox) = self.0.take() {
            assert!(mailbox.send(Echo(None)).is_err());
        }
    }
}

#[test]
fn nothing_is_dropped_under_the_lock() {
    let unread = || {
        let mailbox = BasicMailbox::new(Address::Normal(1), Box::new(Chamber), 10);
        let fsm = mailbox.send(Echo(Some(mailbox.clone()))).ok().flatten().unwrap();
        (mailbox, fsm)
    };
    let (mailbox, fsm) = unread();
    mailbox.discard(fsm);
    let (mailbox, fsm) = unread();
    assert!(mailbox.release(fsm, 1).is_none());
    mailbox.close();
    let (mailbox, fsm) = unread();
    mailbox.close();
    assert!(mailbox.release(fsm, 1).is_none());
}
