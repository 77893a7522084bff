//! The manual driver: everything on the caller's thread, in the order that the caller chooses.

use std::collections::VecDeque;

use super::fsm::{Address, Fsm};
use super::poller::{PollHandler, Poller};
use super::ready::{Arrivals, Ready};
use super::{BatchSystem, Router};

/// A batch system without threads: whoever holds it says which of the ready FSMs is polled next. The same messages and the
/// same choices give the same run. Dropping it shuts the batch system down.
pub struct ManualPoller<N: Fsm, C: Fsm, H: PollHandler<N, C>> {
    router: Router<N, C>,
    poller: Poller<N, C, H>,
    control: Option<Ready<C>>,
    /// In the order of their arrival.
    normals: VecDeque<Ready<N>>,
}

impl<N: Fsm, C: Fsm> BatchSystem<N, C> {
    /// Starts the manual driver.
    pub fn manual<H: PollHandler<N, C>>(self, handler: H) -> ManualPoller<N, C, H> {
        ManualPoller {
            router: self.router.clone(),
            poller: Poller::new(self.router, handler, self.config),
            control: None,
            normals: VecDeque::new(),
        }
    }
}

impl<N: Fsm, C: Fsm, H: PollHandler<N, C>> ManualPoller<N, C, H> {
    /// The FSMs that could be polled now: the control FSM, then the others in the order in which they became ready. An
    /// address comes twice if it was closed and registered anew while its first FSM was waiting.
    pub fn ready(&mut self) -> Vec<Address> {
        self.collect();
        let control = self.control.iter().map(|ready| ready.mailbox.address());
        control.chain(self.normals.iter().map(|ready| ready.mailbox.address())).collect()
    }

    /// Whether no FSM is ready.
    pub fn is_idle(&mut self) -> bool {
        self.collect();
        self.control.is_none() && self.normals.is_empty()
    }

    /// Polls these FSMs, and no others, in one round, in this order. Each must be one of [`ManualPoller::ready`]. Those
    /// that have more to do after it are ready again, behind those that were ready before.
    pub fn poll(&mut self, choice: &[Address]) {
        self.collect();
        let mut control = None;
        let mut normals = Vec::with_capacity(choice.len());
        for address in choice {
            match address {
                Address::Control => control = self.control.take(),
                Address::Normal(_) => {
                    let position = self.normals.iter().position(|ready| ready.mailbox.address() == *address);
                    let position = position.unwrap_or_else(|| panic!("{address:?} is not ready"));
                    normals.extend(self.normals.remove(position));
                }
            }
        }
        let kept = self.poller.poll_once(Arrivals { control, normals });
        self.add(kept);
        if self.is_idle() {
            self.poller.pause();
        }
    }

    /// The handler, to look at or to change between rounds.
    pub fn handler(&mut self) -> &mut H {
        self.poller.handler()
    }

    fn collect(&mut self) {
        if self.router.ready().is_empty() {
            return;
        }
        if let Some(arrivals) = self.router.ready().take(usize::MAX) {
            self.add(arrivals);
        }
    }

    fn add(&mut self, Arrivals { control, normals }: Arrivals<N, C>) {
        if control.is_some() {
            self.control = control;
        }
        self.normals.extend(normals);
    }
}

impl<N: Fsm, C: Fsm, H: PollHandler<N, C>> Drop for ManualPoller<N, C, H> {
    fn drop(&mut self) {
        self.router.shutdown();
        self.control.take().into_iter().for_each(Ready::discard);
        self.normals.drain(..).for_each(Ready::discard);
    }
}
