//! The thread driver under a model checker: `make proof`.
//!
//! The checker decides at every lock, wait and thread start who runs next. It finds a lost wake-up as a deadlock, since then
//! everybody waits; a lost or doubled message shows in the counts. An FSM in two places does not compile: there is one `Box`.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use shuttle::scheduler::DfsScheduler;
use shuttle::sync::{Condvar, Mutex};
use shuttle::{Config, Runner, thread};

use super::kit::{Order, Puppet, count, token};
use crate::batch::mailbox::BasicMailbox;
use crate::batch::{Address, BatchConfig, Fsm, PollHandler, Router, Threads, create};

/// Random runs for each test.
const RUNS: usize = 2000;
/// Bound of exhaustive search.
const EXHAUSTIVE_RUNS: usize = 100_000;

const CONFIG: BatchConfig = BatchConfig { batch_size_max: 1, messages_per_round: 1, control_capacity: 9 };

/// What has been handled, as `(FSM, number)`.
#[derive(Clone)]
struct Ledger(Arc<(Mutex<Vec<(Address, u32)>>, Condvar)>);

impl Ledger {
    fn new() -> Ledger {
        Ledger(Arc::new((Mutex::new(Vec::new()), Condvar::new())))
    }

    /// Waits until so many messages have been handled.
    fn wait_for(&self, total: usize) -> Vec<(Address, u32)> {
        let mut entries = self.0.0.lock().unwrap();
        while entries.len() < total {
            entries = self.0.1.wait(entries).unwrap();
        }
        entries.clone()
    }
}

impl PollHandler<Puppet, Puppet> for Ledger {
    fn begin(&mut self, _: usize) {}

    fn handle_control(&mut self, control: &mut Puppet, orders: &mut Vec<Order>) -> Option<usize> {
        self.handle_normal(control, orders)
    }

    fn handle_normal(&mut self, puppet: &mut Puppet, orders: &mut Vec<Order>) -> Option<usize> {
        for order in orders.drain(..) {
            match order {
                Order::Number(number) => {
                    self.0.0.lock().unwrap().push((puppet.address, number));
                    self.0.1.notify_all();
                }
                Order::Stop => puppet.stopped = true,
                _ => {}
            }
        }
        Some(0)
    }

    fn end(&mut self, _: &mut [Box<Puppet>]) {}
}

fn start(pollers: usize, config: BatchConfig) -> (Router<Puppet, Puppet>, Threads<Puppet, Puppet>, Ledger) {
    let ledger = Ledger::new();
    let (router, system) = create(Puppet::new(Address::Control), &config);
    let threads = system.spawn("proof", pollers, || ledger.clone()).unwrap();
    (router, threads, ledger)
}

fn numbers(entries: &[(Address, u32)], address: Address, sender: u32) -> Vec<u32> {
    let own = entries.iter().filter(|(at, number)| *at == address && number / 10 == sender);
    own.map(|(_, number)| number % 10).collect()
}

/// Two senders, two normal FSMs and the control FSM, two pollers: each message is handled once, in the order of its
/// sender.
fn exactly_once(config: BatchConfig) {
    let (router, threads, ledger) = start(2, config);
    router.register(1, Puppet::normal(1), 9);
    router.register(2, Puppet::normal(2), 9);
    let senders: Vec<_> = (0..2)
        .map(|sender| {
            let router = router.clone();
            thread::spawn(move || {
                for i in 0..2 {
                    router.send(1, Order::Number(10 * sender + i)).unwrap();
                    router.send(2, Order::Number(10 * sender + i)).unwrap();
                }
                router.send_control(Order::Number(10 * sender)).unwrap();
            })
        })
        .collect();
    let entries = ledger.wait_for(10);
    for sender in senders {
        sender.join().unwrap();
    }
    threads.shutdown();
    assert_eq!(ledger.wait_for(10).len(), 10);
    for sender in 0..2 {
        assert_eq!(numbers(&entries, Address::Normal(1), sender), [0, 1]);
        assert_eq!(numbers(&entries, Address::Normal(2), sender), [0, 1]);
        assert_eq!(numbers(&entries, Address::Control, sender), [0]);
    }
}

#[test]
fn every_message_is_handled_exactly_once() {
    shuttle::check_random(|| exactly_once(CONFIG), RUNS);
    shuttle::check_pct(|| exactly_once(CONFIG), RUNS, 3);
    let config = BatchConfig { batch_size_max: 3, messages_per_round: 3, ..CONFIG };
    shuttle::check_random(move || exactly_once(config), RUNS);
}

/// The hand-over itself, in every order of steps: two senders and a poller that lays the FSM down. Whoever gets the FSM
/// polls it, until it is laid down for good; then both messages have been read, once.
#[test]
fn a_message_that_meets_a_release_is_not_lost() {
    let hand_over = || {
        let mailbox = BasicMailbox::new(Address::Normal(1), Puppet::normal(1), 9);
        let read = Arc::new(AtomicUsize::new(0));
        let threads: Vec<_> = (0..2)
            .map(|_| {
                let (mailbox, read) = (mailbox.clone(), read.clone());
                thread::spawn(move || {
                    let mut fsm = mailbox.send(Order::Number(1)).unwrap();
                    while let Some(polled) = fsm {
                        let mut orders = Vec::new();
                        mailbox.take_messages(9, &mut orders);
                        read.fetch_add(orders.len(), Ordering::SeqCst);
                        fsm = mailbox.release(polled, 0);
                    }
                })
            })
            .collect();
        for thread in threads {
            thread.join().unwrap();
        }
        assert_eq!(count(&read), 2);
        assert!(mailbox.send(Order::Number(2)).unwrap().is_some(), "the FSM is not in its mailbox");
    };
    let all = DfsScheduler::new(Some(EXHAUSTIVE_RUNS), false);
    let runs = Runner::new(all, Config::new()).run(hand_over);
    assert!(runs < EXHAUSTIVE_RUNS, "there are more orders than were tried");
}

/// Whether somebody closes the mailbox, stops the FSM or shuts down while others send: each message is handled, given back
/// or dropped, and in the end no message and no FSM is left.
fn accounts(end: impl Fn(&Router<Puppet, Puppet>) + Send + 'static) {
    let (messages, fsms) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let (router, threads, _) = start(2, CONFIG);
    router.register(1, Puppet::counted(1, &fsms), 9);
    let refused = Arc::new(AtomicUsize::new(0));
    let senders: Vec<_> = (0..2)
        .map(|_| {
            let (router, messages, refused) = (router.clone(), messages.clone(), refused.clone());
            thread::spawn(move || {
                for _ in 0..2 {
                    if let Err(back) = router.send(1, Order::Token(token(&messages))) {
                        assert!(matches!(back.into_inner(), Order::Token(_)));
                        refused.fetch_add(1, Ordering::SeqCst);
                    }
                }
            })
        })
        .collect();
    let ender = {
        let router = router.clone();
        thread::spawn(move || end(&router))
    };
    for thread in senders.into_iter().chain([ender]) {
        thread.join().unwrap();
    }
    threads.shutdown();
    assert!(router.send(1, Order::Stop).is_err());
    assert!(count(&refused) <= 4);
    assert_eq!((count(&messages), count(&fsms)), (4, 1));
}

#[test]
fn nothing_is_left_when_a_mailbox_is_closed_under_fire() {
    shuttle::check_random(|| accounts(|router| router.close(1)), RUNS);
}

#[test]
fn nothing_is_left_when_an_fsm_stops_under_fire() {
    shuttle::check_random(|| accounts(|router| drop(router.send(1, Order::Stop))), RUNS);
}

#[test]
fn nothing_is_left_when_all_is_shut_down_under_fire() {
    shuttle::check_random(|| accounts(Router::shutdown), RUNS);
}

/// An address gets a new owner while the old one is leaving: the new one stays reachable.
#[test]
fn a_new_owner_survives_the_old_one() {
    let succession = || {
        let (router, threads, ledger) = start(2, CONFIG);
        router.register(1, Puppet::normal(1), 9);
        router.send(1, Order::Stop).unwrap();
        router.register(1, Puppet::normal(1), 9);
        router.send(1, Order::Number(1)).unwrap();
        ledger.wait_for(1);
        assert_eq!(router.addresses(), [1]);
        threads.shutdown();
    };
    shuttle::check_random(succession, RUNS);
}

/// The first message of an FSM is the one that it is registered with, however fast others are.
#[test]
fn the_chosen_message_is_the_first() {
    let registration = || {
        let (router, threads, ledger) = start(1, CONFIG);
        let other = router.clone();
        let sender = thread::spawn(move || (0..3).any(|_| other.send(1, Order::Number(1)).is_ok()));
        router.register_with(1, Puppet::normal(1), 9, Order::Number(0));
        let total = 1 + usize::from(sender.join().unwrap());
        assert_eq!(ledger.wait_for(total)[0], (Address::Normal(1), 0));
        threads.shutdown();
    };
    shuttle::check_random(registration, RUNS);
}

/// Two pollers never work on the same FSM: if they did, they would meet in its handler.
#[test]
fn an_fsm_has_one_poller_at_a_time() {
    shuttle::check_random(
        || {
            let polled = Arc::new(AtomicUsize::new(0));
            let (router, system) = create(Box::new(Lonely(polled.clone())), &CONFIG);
            router.register(1, Box::new(Lonely(polled.clone())), 9);
            let ledger = Arc::new((Mutex::new(0), Condvar::new()));
            let threads = system.spawn("proof", 2, || Watch(ledger.clone())).unwrap();
            let other = router.clone();
            let sender = thread::spawn(move || other.send(1, ()).unwrap());
            router.send(1, ()).unwrap();
            router.send(1, ()).unwrap();
            sender.join().unwrap();
            let mut handled = ledger.0.lock().unwrap();
            while *handled < 3 {
                handled = ledger.1.wait(handled).unwrap();
            }
            drop(handled);
            threads.shutdown();
        },
        RUNS,
    );
}

/// Knows whether it is being polled.
struct Lonely(Arc<AtomicUsize>);

impl Fsm for Lonely {
    type Message = ();

    fn is_stopped(&self) -> bool {
        false
    }
}

/// Counts handled messages, and stays with an FSM for a while.
struct Watch(Arc<(Mutex<usize>, Condvar)>);

impl PollHandler<Lonely, Lonely> for Watch {
    fn begin(&mut self, _: usize) {}

    fn handle_control(&mut self, _: &mut Lonely, _: &mut Vec<()>) -> Option<usize> {
        Some(0)
    }

    fn handle_normal(&mut self, fsm: &mut Lonely, messages: &mut Vec<()>) -> Option<usize> {
        assert_eq!(fsm.0.fetch_add(1, Ordering::SeqCst), 0);
        thread::yield_now();
        *self.0.0.lock().unwrap() += messages.drain(..).count();
        self.0.1.notify_all();
        fsm.0.fetch_sub(1, Ordering::SeqCst);
        Some(0)
    }

    fn end(&mut self, _: &mut [Box<Lonely>]) {}
}
