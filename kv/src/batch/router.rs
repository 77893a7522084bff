//! From an address to a mailbox.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::fsm::{Address, Fsm};
use super::mailbox::{BasicMailbox, SendError};
use super::ready::{Ready, ReadyList};
use crate::sync::RwLock;

/// Brings messages to FSMs, and FSMs with messages to the pollers. Clones are the same router.
///
/// FSMs usually hold a router, and the router holds them: [`Router::shutdown`], which both drivers call when they end,
/// unties that knot.
pub struct Router<N: Fsm, C: Fsm>(Arc<Shared<N, C>>);

struct Shared<N: Fsm, C: Fsm> {
    normals: RwLock<Normals<N>>,
    control: BasicMailbox<C>,
    ready: ReadyList<N, C>,
}

struct Normals<N: Fsm> {
    mailboxes: BTreeMap<u64, BasicMailbox<N>>,
    open: bool,
}

impl<N: Fsm, C: Fsm> Clone for Router<N, C> {
    fn clone(&self) -> Router<N, C> {
        Router(self.0.clone())
    }
}

impl<N: Fsm, C: Fsm> Router<N, C> {
    /// A router that knows only the control FSM.
    pub(crate) fn new(control: Box<C>, control_capacity: usize) -> Router<N, C> {
        let control = BasicMailbox::new(Address::Control, control, control_capacity);
        let normals = RwLock::new(Normals { mailboxes: BTreeMap::new(), open: true });
        Router(Arc::new(Shared { normals, control, ready: ReadyList::new() }))
    }

    /// Makes an FSM reachable. `capacity` messages may wait for it. An FSM that had this address before is closed as by
    /// [`Router::close`]. After [`Router::shutdown`] the FSM is dropped instead.
    pub fn register(&self, address: u64, fsm: Box<N>, capacity: usize) {
        self.publish(BasicMailbox::new(Address::Normal(address), fsm, capacity));
    }

    /// Like [`Router::register`], and `first` is the first message that the FSM gets, whoever else sends to it.
    pub fn register_with(&self, address: u64, fsm: Box<N>, capacity: usize, first: N::Message) {
        let mailbox = BasicMailbox::new(Address::Normal(address), fsm, capacity);
        let idle = mailbox.force_send(first).ok().flatten();
        self.publish(mailbox.clone());
        self.wake(&mailbox, idle);
    }

    fn publish(&self, mailbox: BasicMailbox<N>) {
        let Address::Normal(address) = mailbox.address() else {
            unreachable!("the control FSM is never registered")
        };
        let mut normals = self.0.normals.write().expect("nothing panics while it holds this lock");
        let unreachable =
            if normals.open { normals.mailboxes.insert(address, mailbox) } else { Some(mailbox) };
        drop(normals);
        if let Some(mailbox) = unreachable {
            mailbox.close();
        }
    }

    /// Makes an address unreachable. Its FSM is dropped: at once if it is idle, otherwise when it has got the messages that
    /// were sent before.
    pub fn close(&self, address: u64) {
        let mut normals = self.0.normals.write().expect("nothing panics while it holds this lock");
        let mailbox = normals.mailboxes.remove(&address);
        drop(normals);
        if let Some(mailbox) = mailbox {
            mailbox.close();
        }
    }

    /// Sends a message to a normal FSM.
    ///
    /// # Errors
    /// Gives the message back if the mailbox is full, or if there is none: it is up to the sender to redirect the message
    /// then, to the control FSM for instance.
    pub fn send(&self, address: u64, message: N::Message) -> Result<(), SendError<N::Message>> {
        let Some(mailbox) = self.mailbox(address) else { return Err(SendError::Disconnected(message)) };
        let idle = mailbox.send(message)?;
        self.wake(&mailbox, idle);
        Ok(())
    }

    /// Sends a message to a normal FSM even if its mailbox is full.
    ///
    /// # Errors
    /// Gives the message back if there is no such FSM.
    pub fn force_send(&self, address: u64, message: N::Message) -> Result<(), SendError<N::Message>> {
        let Some(mailbox) = self.mailbox(address) else { return Err(SendError::Disconnected(message)) };
        let idle = mailbox.force_send(message)?;
        self.wake(&mailbox, idle);
        Ok(())
    }

    /// Sends a message to the control FSM.
    ///
    /// # Errors
    /// Gives the message back if the mailbox is full or closed.
    pub fn send_control(&self, message: C::Message) -> Result<(), SendError<C::Message>> {
        let idle = self.0.control.send(message)?;
        self.wake_control(idle);
        Ok(())
    }

    /// Sends a message to the control FSM even if its mailbox is full.
    ///
    /// # Errors
    /// Gives the message back if the mailbox is closed.
    pub fn force_send_control(&self, message: C::Message) -> Result<(), SendError<C::Message>> {
        let idle = self.0.control.force_send(message)?;
        self.wake_control(idle);
        Ok(())
    }

    /// Sends a message to every normal FSM, in the order of their addresses, even where the mailbox is full.
    pub fn broadcast(&self, mut make_message: impl FnMut() -> N::Message) {
        for address in self.addresses() {
            // One that has left in the meantime needs no message.
            let _ = self.force_send(address, make_message());
        }
    }

    /// The addresses of the normal FSMs, in order.
    pub fn addresses(&self) -> Vec<u64> {
        let normals = self.0.normals.read().expect("nothing panics while it holds this lock");
        normals.mailboxes.keys().copied().collect()
    }

    /// Ends it: nobody can be reached any more, idle and waiting FSMs are dropped along with all messages, and pollers
    /// stop after the round that they are in.
    pub fn shutdown(&self) {
        let mut normals = self.0.normals.write().expect("nothing panics while it holds this lock");
        normals.open = false;
        let mailboxes = std::mem::take(&mut normals.mailboxes);
        drop(normals);
        self.0.ready.close();
        self.0.control.close();
        mailboxes.values().for_each(BasicMailbox::close);
    }

    /// The FSMs that wait for a poller.
    pub(crate) fn ready(&self) -> &ReadyList<N, C> {
        &self.0.ready
    }

    /// Forgets the mailbox of an FSM that has left, unless its address has a new owner.
    pub(crate) fn forget(&self, gone: &BasicMailbox<N>) {
        let Address::Normal(address) = gone.address() else { return };
        let mut normals = self.0.normals.write().expect("nothing panics while it holds this lock");
        if normals.mailboxes.get(&address).is_some_and(|mailbox| mailbox.is_same(gone)) {
            normals.mailboxes.remove(&address);
        }
    }

    fn mailbox(&self, address: u64) -> Option<BasicMailbox<N>> {
        let normals = self.0.normals.read().expect("nothing panics while it holds this lock");
        normals.mailboxes.get(&address).cloned()
    }

    fn wake(&self, mailbox: &BasicMailbox<N>, idle: Option<Box<N>>) {
        if let Some(fsm) = idle {
            self.0.ready.push_normal(Ready { fsm, mailbox: mailbox.clone() });
        }
    }

    fn wake_control(&self, idle: Option<Box<C>>) {
        if let Some(fsm) = idle {
            self.0.ready.push_control(Ready { fsm, mailbox: self.0.control.clone() });
        }
    }
}
