//! The manual driver: what is ready, and that only what was chosen is polled.

use std::sync::Arc;
use std::sync::atomic::AtomicUsize;

use super::kit::{Event, Order, Puppet, Recorder, count, token};
use crate::batch::{Address, BatchConfig, ManualPoller, Router, create};

type Puppets = ManualPoller<Puppet, Puppet, Recorder>;

const CONFIG: BatchConfig = BatchConfig { batch_size_max: 2, messages_per_round: 2, control_capacity: 8 };

fn puppets(count: u64) -> (Router<Puppet, Puppet>, Puppets) {
    let (router, system) = create(Puppet::new(Address::Control), &CONFIG);
    for id in 1..=count {
        router.register(id, Puppet::normal(id), 9);
    }
    (router, system.manual(Recorder::default()))
}

fn normals(ids: &[u64]) -> Vec<Address> {
    ids.iter().copied().map(Address::Normal).collect()
}

#[test]
fn ready_is_in_order_of_arrival_with_control_first() {
    let (router, mut puppets) = puppets(4);
    assert!(puppets.is_idle());
    for id in [3, 1, 3, 4] {
        router.send(id, Order::Number(1)).unwrap();
    }
    router.send_control(Order::Number(1)).unwrap();
    let mut expected = normals(&[3, 1, 4]);
    expected.insert(0, Address::Control);
    assert_eq!(puppets.ready(), expected);
    assert!(!puppets.is_idle());
}

#[test]
fn only_what_is_chosen_is_polled_in_the_chosen_order() {
    let (router, mut puppets) = puppets(3);
    for id in 1..=3 {
        router.send(id, Order::Number(id as u32)).unwrap();
    }
    router.send_control(Order::Number(9)).unwrap();
    puppets.poll(&normals(&[3, 1]));
    let [one, three] = [1, 3].map(Address::Normal);
    let expected = [
        Event::Begin(2),
        Event::Polled(three, vec![3]),
        Event::Polled(one, vec![1]),
        Event::End(vec![three, one]),
    ];
    assert_eq!(puppets.handler().take(), expected);
    assert_eq!(puppets.ready(), [Address::Control, Address::Normal(2)]);
    puppets.poll(&[Address::Control]);
    puppets.poll(&normals(&[2]));
    assert_eq!(puppets.handler().take().last(), Some(&Event::Pause), "nothing is left to do");
    assert!(puppets.is_idle());
}

#[test]
fn an_fsm_with_more_to_do_is_ready_again() {
    let (router, mut puppets) = puppets(3);
    router.send(1, Order::Busy(1, 1)).unwrap();
    for number in 1..=3 {
        router.send(2, Order::Number(number)).unwrap();
    }
    router.send(3, Order::Number(1)).unwrap();
    puppets.poll(&normals(&[1, 2]));
    assert_eq!(puppets.ready(), normals(&[3, 1, 2]));
    puppets.poll(&normals(&[2, 1]));
    assert_eq!(puppets.ready(), normals(&[3]));
}

#[test]
#[should_panic(expected = "Normal(2) is not ready")]
fn what_is_not_ready_cannot_be_polled() {
    let (router, mut puppets) = puppets(2);
    router.send(1, Order::Number(1)).unwrap();
    puppets.poll(&normals(&[2]));
}

#[test]
fn an_address_with_an_old_and_a_new_owner_is_ready_twice() {
    let (router, mut puppets) = puppets(1);
    router.send(1, Order::Number(1)).unwrap();
    router.register(1, Puppet::normal(1), 9);
    router.send(1, Order::Number(2)).unwrap();
    assert_eq!(puppets.ready(), normals(&[1, 1]));
    puppets.poll(&normals(&[1]));
    let polled = Event::Polled(Address::Normal(1), vec![1]);
    assert!(puppets.handler().take().contains(&polled));
    assert_eq!(puppets.ready(), normals(&[1]));
}

#[test]
fn dropping_the_driver_drops_everything() {
    let (messages, fsms) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let (router, mut puppets) = puppets(0);
    for id in 1..=3 {
        router.register(id, Puppet::counted(id, &fsms), 9);
    }
    router.send(1, Order::Token(token(&messages))).unwrap();
    assert_eq!(puppets.ready(), normals(&[1]));
    router.send(2, Order::Token(token(&messages))).unwrap();
    drop(puppets);
    assert_eq!((count(&messages), count(&fsms)), (2, 3));
    assert!(router.send(3, Order::Number(1)).is_err());
}

/// Everybody sends to others for a while; the choice of who is polled comes from a small generator.
fn run(seed: u64) -> Vec<Event> {
    let (router, mut puppets) = puppets(8);
    let (mut state, mut events) = (seed, Vec::new());
    let mut draw = |below: usize| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) as usize % below
    };
    for number in 0..500 {
        let _ = router.send(1 + draw(8) as u64, Order::Busy(number, draw(3)));
        let ready = puppets.ready();
        puppets.poll(&[ready[draw(ready.len())]]);
        events.extend(puppets.handler().take());
    }
    events
}

#[test]
fn the_same_choices_give_the_same_run() {
    assert_eq!(run(1), run(1));
    assert_ne!(run(1), run(2));
}
