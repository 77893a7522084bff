//! The thread driver. No test here depends on time: each waits for a count to be reached, or for threads to end, and only
//! one that fails gives up after a while.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;

use super::kit::{Order, Puppet, Recorder, count, token};
use crate::batch::{Address, BatchConfig, Fsm, PollHandler, Router, SendError, create};

const CONFIG: BatchConfig = BatchConfig { batch_size_max: 16, messages_per_round: 8, control_capacity: 8 };

/// Only a test that fails waits so long.
const GIVE_UP: Duration = Duration::from_secs(60);

/// Lets tests wait for a number of events.
#[derive(Clone, Default)]
struct Tally(Arc<(Mutex<usize>, Condvar)>);

impl Tally {
    fn add(&self, more: usize) {
        *self.0.0.lock().unwrap() += more;
        self.0.1.notify_all();
    }

    fn wait_for(&self, total: usize) {
        let mut count = self.0.0.lock().unwrap();
        while *count < total {
            let (changed, waited) = self.0.1.wait_timeout(count, GIVE_UP).unwrap();
            count = changed;
            assert!(!waited.timed_out(), "{count} of {total} events, and no more for {GIVE_UP:?}");
        }
        assert_eq!(*count, total);
    }
}

/// Puppets that may block their thread.
struct Gate {
    recorder: Recorder,
    reached: Tally,
    opened: Tally,
}

impl PollHandler<Puppet, Puppet> for Gate {
    fn begin(&mut self, batch_size: usize) {
        self.recorder.begin(batch_size);
    }

    fn handle_control(&mut self, control: &mut Puppet, orders: &mut Vec<Order>) -> Option<usize> {
        self.recorder.handle_control(control, orders)
    }

    fn handle_normal(&mut self, normal: &mut Puppet, orders: &mut Vec<Order>) -> Option<usize> {
        self.reached.add(1);
        self.opened.wait_for(1);
        self.recorder.handle_normal(normal, orders)
    }

    fn end(&mut self, normals: &mut [Box<Puppet>]) {
        self.recorder.end(normals);
    }
}

#[test]
fn a_shutdown_finishes_the_round_and_drops_the_rest() {
    let (messages, fsms) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let (reached, opened) = (Tally::default(), Tally::default());
    let config = BatchConfig { batch_size_max: 1, messages_per_round: 1, control_capacity: 1 };
    let (router, system) = create(Puppet::new(Address::Control), &config);
    for id in 1..=3 {
        router.register(id, Puppet::counted(id, &fsms), 9);
        for _ in 0..3 {
            router.send(id, Order::Token(token(&messages))).unwrap();
        }
    }
    let make = || Gate { recorder: Recorder::default(), reached: reached.clone(), opened: opened.clone() };
    let threads = system.spawn("test", 1, make).unwrap();
    // The poller is in the middle of its first round now, and is let go only when the shutdown is under way.
    reached.wait_for(1);
    let (watched, gate) = (router.clone(), opened.clone());
    let opener = std::thread::Builder::new().spawn(move || {
        while watched.send(3, Order::Number(1)).is_ok() {
            std::thread::yield_now();
        }
        gate.add(1);
    });
    threads.shutdown();
    opener.unwrap().join().unwrap();
    reached.wait_for(1);
    assert_eq!((count(&messages), count(&fsms)), (9, 3));
    assert!(router.addresses().is_empty());
}

/// Counts how often it has nothing to do.
struct Idler(Tally);

impl PollHandler<Puppet, Puppet> for Idler {
    fn begin(&mut self, _: usize) {}

    fn handle_control(&mut self, _: &mut Puppet, _: &mut Vec<Order>) -> Option<usize> {
        Some(0)
    }

    fn handle_normal(&mut self, _: &mut Puppet, orders: &mut Vec<Order>) -> Option<usize> {
        orders.clear();
        Some(0)
    }

    fn end(&mut self, _: &mut [Box<Puppet>]) {}

    fn pause(&mut self) {
        self.0.add(1);
    }
}

#[test]
fn a_poller_says_when_it_goes_to_sleep() {
    let paused = Tally::default();
    let (router, system) = create(Puppet::new(Address::Control), &CONFIG);
    router.register(1, Puppet::normal(1), 9);
    let threads = system.spawn("test", 1, || Idler(paused.clone())).unwrap();
    for times in 1..=3 {
        paused.wait_for(times);
        router.send(1, Order::Number(1)).unwrap();
    }
    threads.shutdown();
}

/// Fails when it is polled.
struct Faulty;

impl PollHandler<Puppet, Puppet> for Faulty {
    fn begin(&mut self, _: usize) {}

    fn handle_control(&mut self, _: &mut Puppet, _: &mut Vec<Order>) -> Option<usize> {
        Some(0)
    }

    fn handle_normal(&mut self, _: &mut Puppet, _: &mut Vec<Order>) -> Option<usize> {
        panic!("as planned")
    }

    fn end(&mut self, _: &mut [Box<Puppet>]) {}
}

#[test]
fn a_panic_goes_on_in_whoever_shuts_down() {
    let (messages, fsms) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let (router, system) = create(Puppet::new(Address::Control), &CONFIG);
    router.register(1, Puppet::counted(1, &fsms), 9);
    router.send(1, Order::Token(token(&messages))).unwrap();
    let threads = system.spawn("test", 2, || Faulty).unwrap();
    // Its FSM dies with it, and so does its mailbox.
    let gone = || matches!(router.send(1, Order::Number(1)), Err(SendError::Disconnected(_)));
    let mut attempts = 0..10_000_000;
    while !gone() && attempts.next().is_some() {
        std::thread::yield_now();
    }
    assert!(gone());
    let panic = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| threads.shutdown())).unwrap_err();
    assert_eq!(panic.downcast_ref(), Some(&"as planned"));
    assert_eq!((count(&messages), count(&fsms)), (1, 1));
}

/// A walker goes from FSM to FSM until it has no steps left.
struct Walker {
    steps_left: u32,
    state: u64,
    /// The FSM that sent it, and how many that one had sent to this one before.
    from: u64,
    ticket: u64,
    done: Tally,
}

/// A place that walkers pass through.
struct Place {
    address: u64,
    passed: u64,
    /// Walkers sent, by target.
    sent: BTreeMap<u64, u64>,
    /// Walkers that came, by sender: what the next ticket of that sender must be.
    came: BTreeMap<u64, u64>,
}

impl Place {
    fn new(address: u64) -> Box<Place> {
        Box::new(Place { address, passed: 0, sent: BTreeMap::new(), came: BTreeMap::new() })
    }
}

impl Fsm for Place {
    type Message = Walker;

    fn is_stopped(&self) -> bool {
        false
    }
}

const PLACES: u64 = 4000;

struct Roads {
    router: Router<Place, Place>,
    passed: Arc<AtomicUsize>,
}

impl Roads {
    fn walk(&self, place: &mut Place, walkers: &mut Vec<Walker>) -> Option<usize> {
        for mut walker in walkers.drain(..) {
            let expected = place.came.entry(walker.from).or_default();
            assert_eq!(walker.ticket, *expected, "{} to {}: out of order", walker.from, place.address);
            *expected += 1;
            place.passed += 1;
            self.passed.fetch_add(1, Ordering::Relaxed);
            if walker.steps_left == 0 {
                walker.done.add(1);
                continue;
            }
            walker.state = walker.state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            // Four places are much busier than the others.
            let draw = walker.state >> 33;
            let target = if draw.is_multiple_of(8) { draw / 8 % 4 } else { draw / 8 % PLACES };
            let ticket = place.sent.entry(target).or_default();
            (walker.from, walker.ticket) = (place.address, *ticket);
            walker.steps_left -= 1;
            *ticket += 1;
            let sent = self.router.force_send(target, walker);
            assert!(sent.is_ok());
        }
        Some(0)
    }
}

impl PollHandler<Place, Place> for Roads {
    fn begin(&mut self, batch_size: usize) {
        assert!(batch_size <= CONFIG.batch_size_max + 1);
    }

    fn handle_control(&mut self, control: &mut Place, walkers: &mut Vec<Walker>) -> Option<usize> {
        self.walk(control, walkers)
    }

    fn handle_normal(&mut self, place: &mut Place, walkers: &mut Vec<Walker>) -> Option<usize> {
        self.walk(place, walkers)
    }

    fn end(&mut self, _: &mut [Box<Place>]) {}
}

/// 4,000 FSMs, 2,000 walkers, 100 steps each, two poll threads: every step is taken once, in order between any two places,
/// and nothing is left over.
#[test]
fn walkers_take_every_step_exactly_once() {
    const WALKERS: u64 = 2000;
    const STEPS: u32 = 100;
    let done = Tally::default();
    let passed = Arc::new(AtomicUsize::new(0));
    let (router, system) = create(Place::new(u64::MAX), &CONFIG);
    for address in 0..PLACES {
        router.register(address, Place::new(address), 16);
    }
    let threads = system.spawn("test", 2, || Roads { router: router.clone(), passed: passed.clone() });
    for id in 0..WALKERS {
        let done = done.clone();
        // The control FSM is where they start: it has tickets for all of them.
        let walker = Walker { steps_left: STEPS, state: id, from: u64::MAX - 1, ticket: id, done };
        assert!(router.force_send_control(walker).is_ok());
    }
    done.wait_for(WALKERS as usize);
    threads.unwrap().shutdown();
    assert_eq!(count(&passed), WALKERS as usize * (STEPS as usize + 1));
    assert_eq!(Arc::strong_count(&done.0), 1, "a walker is left somewhere");
}
