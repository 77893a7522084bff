//! Rounds of a poller: their order, and who stays, rests, makes room or leaves.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;

use proptest::prelude::*;

use super::kit::{Event, Order, Puppet, count, single, token};
use crate::batch::{Address, SendError};

const A: Address = Address::Normal(1);
const B: Address = Address::Normal(2);

#[test]
fn a_round_has_its_order_and_control_goes_first() {
    let (router, mut poller) = single(8, 8);
    router.register(1, Puppet::normal(1), 9);
    router.register(2, Puppet::normal(2), 9);
    router.send(2, Order::Number(5)).unwrap();
    router.send(1, Order::Number(6)).unwrap();
    router.send(2, Order::Number(7)).unwrap();
    router.send_control(Order::Number(8)).unwrap();
    poller.0.top_up();
    poller.0.round();
    let seen = poller.0.handler().take();
    let expected = [
        Event::Begin(3),
        Event::Polled(Address::Control, vec![8]),
        Event::Polled(B, vec![5, 7]),
        Event::Polled(A, vec![6]),
        Event::End(vec![B, A]),
    ];
    assert_eq!(seen, expected);
    assert_eq!(poller.step(), []);
}

#[test]
fn an_fsm_gets_a_limited_number_of_messages_in_a_round_and_the_rest_in_the_next() {
    let (router, mut poller) = single(8, 2);
    router.register(1, Puppet::normal(1), 9);
    for number in 1..=5 {
        router.send(1, Order::Number(number)).unwrap();
    }
    assert_eq!(poller.step(), [(A, vec![1, 2])]);
    assert_eq!(poller.step(), [(A, vec![3, 4])]);
    assert_eq!(poller.step(), [(A, vec![5])]);
    assert_eq!(poller.step(), []);
}

#[test]
fn an_fsm_with_more_to_do_is_polled_without_messages() {
    let (router, mut poller) = single(8, 8);
    router.register(1, Puppet::normal(1), 9);
    router.send(1, Order::Busy(1, 2)).unwrap();
    assert_eq!(poller.step(), [(A, vec![1])]);
    assert_eq!(poller.step(), [(A, vec![])]);
    router.send(1, Order::Number(2)).unwrap();
    assert_eq!(poller.step(), [(A, vec![2])]);
    assert_eq!(poller.step(), []);
}

#[test]
fn messages_left_in_the_vector_wait_for_more() {
    let (router, mut poller) = single(8, 8);
    router.register(1, Puppet::normal(1), 9);
    router.send(1, Order::Wait).unwrap();
    router.send(1, Order::Number(4)).unwrap();
    assert_eq!(poller.step(), [(A, vec![])]);
    assert_eq!(poller.step(), []);
    router.send(1, Order::Number(5)).unwrap();
    assert_eq!(poller.step(), [(A, vec![0, 4, 5])]);
}

#[test]
fn a_stopped_fsm_leaves_when_its_mailbox_is_empty() {
    let dropped = Arc::new(AtomicUsize::new(0));
    let (router, mut poller) = single(8, 1);
    router.register(1, Puppet::counted(1, &dropped), 9);
    router.send(1, Order::Stop).unwrap();
    router.send(1, Order::Number(2)).unwrap();
    assert_eq!(poller.step(), [(A, vec![])]);
    router.send(1, Order::Number(3)).unwrap();
    assert_eq!(poller.step(), [(A, vec![2])]);
    assert_eq!(count(&dropped), 0);
    assert_eq!(poller.step(), [(A, vec![3])]);
    assert_eq!(count(&dropped), 1);
    assert!(matches!(router.send(1, Order::Number(4)), Err(SendError::Disconnected(Order::Number(4)))));
    assert!(router.addresses().is_empty());
}

#[test]
fn what_a_stopped_fsm_will_not_take_is_dropped() {
    let (messages, fsms) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let (router, mut poller) = single(8, 8);
    router.register(1, Puppet::counted(1, &fsms), 9);
    router.send(1, Order::Stop).unwrap();
    router.send(1, Order::Wait).unwrap();
    router.send(1, Order::Token(token(&messages))).unwrap();
    assert_eq!(poller.step(), [(A, vec![])]);
    assert_eq!((count(&messages), count(&fsms)), (1, 1));
}

#[test]
fn closing_while_an_fsm_waits_lets_it_finish() {
    let dropped = Arc::new(AtomicUsize::new(0));
    let (router, mut poller) = single(8, 1);
    router.register(1, Puppet::counted(1, &dropped), 9);
    // It would go on forever, but there is nobody left to talk to it.
    router.send(1, Order::Busy(1, 1000)).unwrap();
    router.send(1, Order::Number(2)).unwrap();
    assert_eq!(poller.step(), [(A, vec![1])]);
    router.close(1);
    assert!(matches!(router.send(1, Order::Number(3)), Err(SendError::Disconnected(Order::Number(3)))));
    assert_eq!(poller.step(), [(A, vec![2])]);
    assert_eq!(count(&dropped), 1);
    assert_eq!(poller.step(), []);
}

#[test]
fn a_new_fsm_at_an_old_address_is_not_mistaken_for_the_old_one() {
    let dropped = Arc::new(AtomicUsize::new(0));
    let (router, mut poller) = single(8, 8);
    router.register(1, Puppet::counted(1, &dropped), 9);
    router.send(1, Order::Number(1)).unwrap();
    router.send(1, Order::Stop).unwrap();
    router.register(1, Puppet::normal(1), 9);
    router.send(1, Order::Number(2)).unwrap();
    assert_eq!(poller.step(), [(A, vec![1]), (A, vec![2])]);
    assert_eq!(count(&dropped), 1, "the old one has stopped");
    router.send(1, Order::Number(3)).unwrap();
    assert_eq!(poller.step(), [(A, vec![3])]);
}

#[test]
fn an_old_owner_leaves_even_if_it_has_more_to_do() {
    let dropped = Arc::new(AtomicUsize::new(0));
    let (router, mut poller) = single(8, 8);
    router.register(1, Puppet::counted(1, &dropped), 9);
    router.send(1, Order::Busy(1, 1000)).unwrap();
    assert_eq!(poller.step(), [(A, vec![1])]);
    router.register(1, Puppet::normal(1), 9);
    poller.step();
    assert_eq!(count(&dropped), 1);
    assert_eq!(router.addresses(), [1]);
}

#[test]
fn the_first_message_can_be_chosen() {
    let (router, mut poller) = single(8, 8);
    router.register_with(1, Puppet::normal(1), 9, Order::Number(1));
    router.send(1, Order::Number(2)).unwrap();
    assert_eq!(poller.step(), [(A, vec![1, 2])]);
    assert_eq!(poller.step(), []);
}

#[test]
fn senders_get_back_what_cannot_be_delivered() {
    let (router, _poller) = single(8, 8);
    assert!(matches!(router.send(7, Order::Number(1)), Err(SendError::Disconnected(Order::Number(1)))));
    assert!(matches!(router.force_send(7, Order::Number(1)), Err(SendError::Disconnected(Order::Number(1)))));
    router.register(7, Puppet::normal(7), 1);
    router.send(7, Order::Number(1)).unwrap();
    assert!(matches!(router.send(7, Order::Number(2)), Err(SendError::Full(Order::Number(2)))));
    router.force_send(7, Order::Number(3)).unwrap();
    router.send_control(Order::Number(1)).unwrap();
    router.send_control(Order::Number(2)).unwrap();
    assert!(matches!(router.send_control(Order::Number(3)), Err(SendError::Full(Order::Number(3)))));
    router.force_send_control(Order::Number(4)).unwrap();
}

#[test]
fn everybody_hears_a_broadcast_even_with_a_full_mailbox() {
    let (router, mut poller) = single(8, 8);
    router.register(2, Puppet::normal(2), 1);
    router.register(1, Puppet::normal(1), 1);
    router.send(2, Order::Number(8)).unwrap();
    let mut number = 0;
    router.broadcast(|| {
        number += 1;
        Order::Number(number)
    });
    assert_eq!(poller.step(), [(B, vec![8, 2]), (A, vec![1])]);
}

#[test]
fn a_stopped_control_fsm_takes_no_more_messages() {
    let (router, mut poller) = single(8, 8);
    router.send_control(Order::Stop).unwrap();
    assert_eq!(poller.step(), [(Address::Control, vec![])]);
    assert!(router.send_control(Order::Number(1)).is_err());
    assert_eq!(poller.step(), []);
}

#[test]
fn a_hot_fsm_keeps_its_place_only_while_there_is_room() {
    let (router, mut poller) = single(1, 8);
    for id in 1..=2 {
        router.register(id, Puppet::normal(id), 9);
        router.send(id, Order::Busy(1, 100)).unwrap();
    }
    let turns: Vec<_> = (0..9).flat_map(|_| poller.who()).collect();
    assert_eq!(turns, [1, 1, 1, 1, 2, 2, 2, 2, 1]);
    let (router, mut poller) = single(2, 8);
    router.register(1, Puppet::normal(1), 9);
    router.send(1, Order::Busy(1, 100)).unwrap();
    let turns: Vec<_> = (0..9).flat_map(|_| poller.who()).collect();
    assert_eq!(turns, [1; 9]);
}

#[test]
fn every_second_hot_fsm_goes_to_the_end_of_the_ready_list() {
    let (router, mut poller) = single(4, 8);
    for id in 1..=3 {
        router.register(id, Puppet::normal(id), 9);
        router.send(id, Order::Busy(1, 100)).unwrap();
    }
    for _ in 0..4 {
        assert_eq!(poller.who(), [1, 2, 3]);
    }
    // 2 went back. It comes in again at once, as nobody else waits, but behind the others.
    assert_eq!(poller.who(), [1, 3, 2]);
}

/// Some FSMs are flooded, or busy without an end. Whoever else gets a message is polled within a bounded number of rounds:
/// at most all others that were ready come first, and a place in the batch becomes free at least every fourth round.
#[test]
fn nobody_starves_beside_hot_fsms() {
    for batch_size_max in 1..=5 {
        for hot in 1..=6 {
            let (router, mut poller) = single(batch_size_max, 2);
            for id in 0..10 {
                router.register(id, Puppet::normal(id), 1000);
            }
            let mut waiting: BTreeMap<u64, usize> = BTreeMap::new();
            for round in 0..400_usize {
                for id in 0..hot {
                    router.send(id, Order::Busy(1, 2)).unwrap();
                    router.send(id, Order::Number(1)).unwrap();
                }
                let quiet = hot + (round as u64 * 7) % (10 - hot);
                router.send(quiet, Order::Number(1)).unwrap();
                waiting.entry(quiet).or_insert(round);
                for id in poller.who() {
                    waiting.remove(&id);
                }
                let longest = waiting.values().map(|since| round - since).max().unwrap_or(0);
                assert!(longest <= 4 * 10, "batch of {batch_size_max}, {hot} hot, waited {longest} rounds");
            }
        }
    }
}

#[test]
fn after_a_shutdown_nothing_is_left() {
    let (messages, fsms) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let (router, mut poller) = single(1, 1);
    for id in 1..=4 {
        router.register(id, Puppet::counted(id, &fsms), 9);
    }
    // 1 is in the batch and has a message, 2 waits for a place, 3 sleeps over a message, 4 never did anything.
    router.send(3, Order::Wait).unwrap();
    poller.step();
    router.send(1, Order::Busy(1, 9)).unwrap();
    poller.step();
    for id in [1, 2] {
        router.send(id, Order::Token(token(&messages))).unwrap();
    }
    router.send_control(Order::Token(token(&messages))).unwrap();
    router.shutdown();
    assert_eq!((count(&messages), count(&fsms)), (2, 3));
    drop(poller);
    assert_eq!((count(&messages), count(&fsms)), (3, 4));
    assert!(router.send(1, Order::Stop).is_err() && router.send_control(Order::Stop).is_err());
    router.register(5, Puppet::counted(5, &fsms), 9);
    router.register_with(5, Puppet::counted(5, &fsms), 9, Order::Token(token(&messages)));
    assert_eq!((count(&messages), count(&fsms)), (4, 6));
    assert!(router.addresses().is_empty());
}

/// What a random FSM may be told.
#[derive(Clone, Copy, Debug)]
enum Told {
    Number,
    Busy(usize),
    Stop,
    Close,
}

proptest! {
    /// Whatever happens in a round, and in whatever mixture: FSMs are polled once a round at most, each gets its messages
    /// in order, and none is lost with an FSM that lives.
    #[test]
    fn no_mixture_loses_an_fsm_or_a_message(
        batch_size_max in 1..4_usize,
        messages_per_round in 1..3_usize,
        steps in prop::collection::vec(
            prop::collection::vec((0..5_u64, prop_oneof![
                6 => Just(Told::Number),
                2 => (0..6_usize).prop_map(Told::Busy),
                1 => Just(Told::Stop),
                1 => Just(Told::Close),
            ]), 0..6),
            1..30,
        ),
    ) {
        let (router, mut poller) = single(batch_size_max, messages_per_round);
        let mut sent: BTreeMap<u64, Vec<u32>> = BTreeMap::new();
        let mut got: BTreeMap<u64, Vec<u32>> = BTreeMap::new();
        let mut next = 0;
        for id in 0..5 {
            router.register(id, Puppet::normal(id), 1000);
        }
        for step in steps.iter().map(Some).chain(std::iter::repeat_n(None, 200)) {
            for (id, told) in step.into_iter().flatten() {
                next += 1;
                let order = match told {
                    Told::Number => Order::Number(next),
                    Told::Busy(rounds) => Order::Busy(next, *rounds),
                    Told::Stop => Order::Stop,
                    Told::Close => {
                        router.close(*id);
                        continue;
                    }
                };
                let counts = !matches!(order, Order::Stop);
                if router.send(*id, order).is_ok() && counts {
                    sent.entry(*id).or_default().push(next);
                }
            }
            let polled = poller.step();
            let distinct: BTreeSet<_> = polled.iter().map(|(address, _)| address).collect();
            prop_assert_eq!(distinct.len(), polled.len());
            for (address, numbers) in polled {
                let Address::Normal(id) = address else { continue };
                got.entry(id).or_default().extend(numbers);
            }
        }
        sent.retain(|_, numbers| !numbers.is_empty());
        got.retain(|_, numbers| !numbers.is_empty());
        prop_assert_eq!(sent, got);
        prop_assert_eq!(poller.step(), vec![]);
    }
}
