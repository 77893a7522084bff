//! The FSMs that wait for a poller.

use std::collections::VecDeque;

use super::fsm::Fsm;
use super::mailbox::BasicMailbox;
use crate::sync::{Condvar, Mutex, MutexGuard, lock};

/// An FSM on its way to a poller.
pub(crate) struct Ready<F: Fsm> {
    pub(crate) fsm: Box<F>,
    pub(crate) mailbox: BasicMailbox<F>,
}

impl<F: Fsm> Ready<F> {
    /// It will not be polled again: drops it with its messages.
    pub(crate) fn discard(self) {
        self.mailbox.discard(self.fsm);
    }
}

/// FSMs that change hands together.
pub(crate) struct Arrivals<N: Fsm, C: Fsm> {
    pub(crate) control: Option<Ready<C>>,
    pub(crate) normals: Vec<Ready<N>>,
}

/// The FSMs that wait for a poller, in the order of their arrival; the control FSM goes first.
pub(crate) struct ReadyList<N: Fsm, C: Fsm> {
    waiting: Mutex<Waiting<N, C>>,
    arrived: Condvar,
}

struct Waiting<N: Fsm, C: Fsm> {
    control: Option<Ready<C>>,
    normals: VecDeque<Ready<N>>,
    /// Pollers that wait for an arrival. Waking somebody up costs a system call even if nobody sleeps.
    sleepers: usize,
    open: bool,
}

impl<N: Fsm, C: Fsm> ReadyList<N, C> {
    /// An empty list.
    pub(crate) fn new() -> ReadyList<N, C> {
        let waiting = Waiting { control: None, normals: VecDeque::new(), sleepers: 0, open: true };
        ReadyList { waiting: Mutex::new(waiting), arrived: Condvar::new() }
    }

    /// Adds a normal FSM at the end. After [`ReadyList::close`] it is discarded.
    pub(crate) fn push_normal(&self, ready: Ready<N>) {
        let mut waiting = lock(&self.waiting);
        if !waiting.open {
            drop(waiting);
            return ready.discard();
        }
        waiting.normals.push_back(ready);
        self.wake_one(waiting);
    }

    /// Adds the control FSM. After [`ReadyList::close`] it is discarded.
    pub(crate) fn push_control(&self, ready: Ready<C>) {
        let mut waiting = lock(&self.waiting);
        if !waiting.open {
            drop(waiting);
            return ready.discard();
        }
        assert!(waiting.control.is_none(), "the control FSM is in two places");
        waiting.control = Some(ready);
        self.wake_one(waiting);
    }

    fn wake_one(&self, waiting: MutexGuard<'_, Waiting<N, C>>) {
        let sleeps = waiting.sleepers > 0;
        drop(waiting);
        if sleeps {
            self.arrived.notify_one();
        }
    }

    /// Whether nobody waits.
    pub(crate) fn is_empty(&self) -> bool {
        let waiting = lock(&self.waiting);
        waiting.control.is_none() && waiting.normals.is_empty()
    }

    /// Takes the control FSM and up to `max` normal ones, if there are any. `None` once the list is closed.
    pub(crate) fn take(&self, max: usize) -> Option<Arrivals<N, C>> {
        lock(&self.waiting).take(max)
    }

    /// Like [`ReadyList::take`], but waits until there is something.
    pub(crate) fn wait(&self, max: usize) -> Option<Arrivals<N, C>> {
        let mut waiting = lock(&self.waiting);
        while waiting.open && waiting.control.is_none() && waiting.normals.is_empty() {
            waiting.sleepers += 1;
            waiting = self.arrived.wait(waiting).expect("nothing panics while it holds this lock");
            waiting.sleepers -= 1;
        }
        waiting.take(max)
    }

    /// Sends the pollers home, and discards whoever waits.
    pub(crate) fn close(&self) {
        let mut waiting = lock(&self.waiting);
        waiting.open = false;
        let control = waiting.control.take();
        let normals = std::mem::take(&mut waiting.normals);
        drop(waiting);
        self.arrived.notify_all();
        control.into_iter().for_each(Ready::discard);
        normals.into_iter().for_each(Ready::discard);
    }
}

impl<N: Fsm, C: Fsm> Waiting<N, C> {
    fn take(&mut self, max: usize) -> Option<Arrivals<N, C>> {
        let count = max.min(self.normals.len());
        self.open.then(|| Arrivals {
            control: self.control.take(),
            normals: self.normals.drain(..count).collect(),
        })
    }
}
