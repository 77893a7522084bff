//! The mailbox of an FSM: its messages, and the FSM itself while it is idle.

use std::collections::VecDeque;
use std::sync::Arc;

use super::fsm::{Address, Fsm, FsmState};
use crate::sync::{Mutex, lock};

/// Why a message did not reach a mailbox. Gives it back.
#[derive(Debug, thiserror::Error)]
pub enum SendError<T> {
    /// There are too many messages before it: try again later, or let the client do so.
    #[error("the mailbox is full")]
    Full(T),
    /// There is no such FSM (any more).
    #[error("there is no such mailbox")]
    Disconnected(T),
}

impl<T> SendError<T> {
    /// The message.
    pub fn into_inner(self) -> T {
        match self {
            SendError::Full(message) | SendError::Disconnected(message) => message,
        }
    }
}

/// The queue of an FSM, and the FSM while nobody polls it. Clones are the same mailbox.
///
/// One lock guards both. Adding a message and finding the FSM idle is therefore one step, as is seeing the queue empty and
/// laying the FSM down: no wake-up can fall between them. (TiKV has a lock-free queue and an atomic state, and must look
/// again after each release.) No message and no FSM is dropped under the lock: their destructors may send.
pub(crate) struct BasicMailbox<F: Fsm> {
    address: Address,
    capacity: usize,
    contents: Arc<Mutex<Contents<F>>>,
}

struct Contents<F: Fsm> {
    queue: VecDeque<F::Message>,
    fsm: FsmState<F>,
    open: bool,
}

impl<F: Fsm> Clone for BasicMailbox<F> {
    fn clone(&self) -> BasicMailbox<F> {
        BasicMailbox { address: self.address, capacity: self.capacity, contents: self.contents.clone() }
    }
}

impl<F: Fsm> BasicMailbox<F> {
    /// A mailbox with an idle FSM, in which `capacity` messages may wait.
    pub(crate) fn new(address: Address, fsm: Box<F>, capacity: usize) -> BasicMailbox<F> {
        let contents = Contents { queue: VecDeque::new(), fsm: FsmState::Idle(fsm), open: true };
        BasicMailbox { address, capacity, contents: Arc::new(Mutex::new(contents)) }
    }

    /// Whose it is.
    pub(crate) fn address(&self) -> Address {
        self.address
    }

    /// Whether both are the same mailbox, and not just two of the same address.
    pub(crate) fn is_same(&self, other: &BasicMailbox<F>) -> bool {
        Arc::ptr_eq(&self.contents, &other.contents)
    }

    /// Adds a message, unless `capacity` messages wait. Returns the FSM if it was idle: the caller must put it on the
    /// ready list.
    pub(crate) fn send(&self, message: F::Message) -> Result<Option<Box<F>>, SendError<F::Message>> {
        self.add(message, self.capacity)
    }

    /// Like [`BasicMailbox::send`], however many messages wait.
    pub(crate) fn force_send(&self, message: F::Message) -> Result<Option<Box<F>>, SendError<F::Message>> {
        self.add(message, usize::MAX)
    }

    fn add(&self, message: F::Message, limit: usize) -> Result<Option<Box<F>>, SendError<F::Message>> {
        let mut contents = lock(&self.contents);
        if !contents.open {
            return Err(SendError::Disconnected(message));
        }
        if contents.queue.len() >= limit {
            return Err(SendError::Full(message));
        }
        contents.queue.push_back(message);
        Ok(contents.fsm.notify())
    }

    /// Moves up to `max` messages, oldest first.
    pub(crate) fn take_messages(&self, max: usize, into: &mut Vec<F::Message>) {
        let mut contents = lock(&self.contents);
        let count = max.min(contents.queue.len());
        into.extend(contents.queue.drain(..count));
    }

    /// Puts messages back in front of the others, in the same order.
    pub(crate) fn put_back(&self, messages: &mut Vec<F::Message>) {
        if messages.is_empty() {
            return;
        }
        let mut contents = lock(&self.contents);
        for message in messages.drain(..).rev() {
            contents.queue.push_front(message);
        }
    }

    /// Lays the FSM down, or gives it back if more than `seen` messages wait by now. In a closed mailbox nothing can wake
    /// it up any more: there it is dropped instead, with the messages that it would not take.
    pub(crate) fn release(&self, fsm: Box<F>, seen: usize) -> Option<Box<F>> {
        let mut contents = lock(&self.contents);
        if contents.queue.len() > seen {
            return Some(fsm);
        }
        if contents.open {
            contents.fsm = FsmState::Idle(fsm);
            return None;
        }
        contents.fsm = FsmState::Dropped;
        let refused = std::mem::take(&mut contents.queue);
        drop(contents);
        drop((fsm, refused));
        None
    }

    /// Drops a stopped FSM and closes the mailbox, or gives the FSM back if messages wait: it must answer them.
    pub(crate) fn retire(&self, fsm: Box<F>) -> Option<Box<F>> {
        let mut contents = lock(&self.contents);
        if !contents.queue.is_empty() {
            return Some(fsm);
        }
        contents.open = false;
        contents.fsm = FsmState::Dropped;
        drop(contents);
        drop(fsm);
        None
    }

    /// Takes no more messages. An idle FSM is dropped, with any message that it would not take; one that is notified still
    /// gets the messages that are here.
    pub(crate) fn close(&self) {
        let mut contents = lock(&self.contents);
        contents.open = false;
        if let Some(fsm) = contents.fsm.notify() {
            contents.fsm = FsmState::Dropped;
            let refused = std::mem::take(&mut contents.queue);
            drop(contents);
            drop((fsm, refused));
        }
    }

    /// Whether it takes messages.
    pub(crate) fn is_open(&self) -> bool {
        lock(&self.contents).open
    }

    /// The end of a notified FSM at shutdown: drops it and all messages, and takes no more.
    pub(crate) fn discard(&self, fsm: Box<F>) {
        let mut contents = lock(&self.contents);
        contents.open = false;
        contents.fsm = FsmState::Dropped;
        let unread = std::mem::take(&mut contents.queue);
        drop(contents);
        drop((fsm, unread));
    }
}
