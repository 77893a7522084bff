//! What the tests share: FSMs that do as their messages say, and a handler that writes everything down.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::batch::poller::Poller;
use crate::batch::{Address, BatchConfig, Fsm, PollHandler, Router, create};

/// What FSMs are told to do.
#[derive(Debug)]
pub(super) enum Order {
    /// Remember this number.
    Number(u32),
    /// Remember this number, and have something to do in so many rounds after this one.
    Busy(u32, usize),
    /// Leave this order and those behind it alone until more orders than now are waiting.
    Wait,
    /// Stop.
    Stop,
    /// Just die with the message.
    Token(#[allow(dead_code)] Token),
}

/// Something that counts when it is dropped.
#[derive(Debug)]
pub(super) struct Token(Arc<AtomicUsize>);

impl Drop for Token {
    fn drop(&mut self) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

pub(super) fn token(dropped: &Arc<AtomicUsize>) -> Token {
    Token(dropped.clone())
}

/// An FSM that does as it is told.
#[derive(Debug)]
pub(super) struct Puppet {
    pub(super) address: Address,
    busy: usize,
    pub(super) stopped: bool,
    /// Counts its own end.
    _token: Option<Token>,
}

impl Puppet {
    pub(super) fn new(address: Address) -> Box<Puppet> {
        Box::new(Puppet { address, busy: 0, stopped: false, _token: None })
    }

    pub(super) fn normal(id: u64) -> Box<Puppet> {
        Puppet::new(Address::Normal(id))
    }

    /// A normal FSM that counts in `dropped` when it ends.
    pub(super) fn counted(id: u64, dropped: &Arc<AtomicUsize>) -> Box<Puppet> {
        Box::new(Puppet { _token: Some(token(dropped)), ..*Puppet::normal(id) })
    }
}

impl Fsm for Puppet {
    type Message = Order;

    fn is_stopped(&self) -> bool {
        self.stopped
    }
}

/// What a handler saw.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Event {
    Begin(usize),
    /// An FSM was polled, and was told these numbers.
    Polled(Address, Vec<u32>),
    /// A round ended with these normal FSMs.
    End(Vec<Address>),
    Pause,
}

/// Writes everything down.
#[derive(Default)]
pub(super) struct Recorder {
    events: Vec<Event>,
}

impl Recorder {
    fn work(&mut self, puppet: &mut Puppet, orders: &mut Vec<Order>) -> Option<usize> {
        let mut numbers = Vec::new();
        let mut waits = false;
        puppet.busy = puppet.busy.saturating_sub(1);
        while !orders.is_empty() && !waits {
            match orders.remove(0) {
                Order::Number(number) => numbers.push(number),
                Order::Busy(number, rounds) => {
                    numbers.push(number);
                    puppet.busy = rounds;
                }
                Order::Wait => {
                    waits = true;
                    orders.insert(0, Order::Number(0));
                }
                Order::Stop => puppet.stopped = true,
                Order::Token(_) => {}
            }
        }
        self.events.push(Event::Polled(puppet.address, numbers));
        (puppet.busy == 0).then_some(orders.len())
    }

    /// Events since the last call.
    pub(super) fn take(&mut self) -> Vec<Event> {
        std::mem::take(&mut self.events)
    }
}

impl PollHandler<Puppet, Puppet> for Recorder {
    fn begin(&mut self, batch_size: usize) {
        self.events.push(Event::Begin(batch_size));
    }

    fn handle_control(&mut self, control: &mut Puppet, orders: &mut Vec<Order>) -> Option<usize> {
        self.work(control, orders)
    }

    fn handle_normal(&mut self, normal: &mut Puppet, orders: &mut Vec<Order>) -> Option<usize> {
        self.work(normal, orders)
    }

    fn end(&mut self, normals: &mut [Box<Puppet>]) {
        self.events.push(Event::End(normals.iter().map(|puppet| puppet.address).collect()));
    }

    fn pause(&mut self) {
        self.events.push(Event::Pause);
    }
}

/// A batch system of puppets with one poller, which is stepped by hand.
pub(super) fn single(batch_size_max: usize, messages_per_round: usize) -> (Router<Puppet, Puppet>, Stepper) {
    let config = BatchConfig { batch_size_max, messages_per_round, control_capacity: 2 };
    let (router, _) = create(Puppet::new(Address::Control), &config);
    let poller = Poller::new(router.clone(), Recorder::default(), config);
    (router, Stepper(poller))
}

/// A poller as the thread driver uses it, round by round.
pub(super) struct Stepper(pub(super) Poller<Puppet, Puppet, Recorder>);

impl Stepper {
    /// One round: who was polled with what.
    pub(super) fn step(&mut self) -> Vec<(Address, Vec<u32>)> {
        self.0.top_up();
        self.0.round();
        let polled = self.0.handler().take().into_iter().filter_map(|event| match event {
            Event::Polled(address, numbers) => Some((address, numbers)),
            _ => None,
        });
        polled.collect()
    }

    /// One round: the numbers of the normal FSMs that were polled.
    pub(super) fn who(&mut self) -> Vec<u64> {
        let normals = self.step().into_iter().filter_map(|(address, _)| match address {
            Address::Normal(id) => Some(id),
            Address::Control => None,
        });
        normals.collect()
    }
}

pub(super) fn count(counter: &Arc<AtomicUsize>) -> usize {
    counter.load(Ordering::SeqCst)
}
