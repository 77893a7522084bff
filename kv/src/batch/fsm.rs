//! What the batch system runs, and where it is at any time.

/// A finite state machine: something that changes only when it is polled with messages.
pub trait Fsm: Send + 'static {
    /// What it is told.
    type Message: Send + 'static;

    /// Whether it is done for good. It still gets the messages that wait for it, then it is dropped.
    fn is_stopped(&self) -> bool;
}

/// The name of an FSM within its batch system.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Address {
    /// The one control FSM.
    Control,
    /// A normal FSM, by the number under which it is registered.
    Normal(u64),
}

/// Who owns the FSM of a mailbox. There is one `Box`, so it can never be in two places.
///
/// ```text
///              a message arrives: to the ready list
///            ┌─────────────────────────────────────┐
///            │                                     ▼
///   Idle (the mailbox owns it)        Notified (the ready list or a poller owns it)
///            │          ▲                          │ │
///            │          └──────────────────────────┘ │
///            │            released by the poller     │ stopped, or the mailbox is closed,
///            │                                       │ and no message waits
///            │  the mailbox is closed                ▼
///            └────────────────────────────────▶ Dropped
/// ```
#[derive(Debug)]
pub(crate) enum FsmState<F> {
    /// Nothing to do: the mailbox keeps it.
    Idle(Box<F>),
    /// Waiting for a poller, or with one.
    Notified,
    /// Gone.
    Dropped,
}

impl<F> FsmState<F> {
    /// Takes the FSM out if the mailbox has it; whoever gets it must bring it to a poller.
    pub(crate) fn notify(&mut self) -> Option<Box<F>> {
        match std::mem::replace(self, FsmState::Notified) {
            FsmState::Idle(fsm) => Some(fsm),
            other => {
                *self = other;
                None
            }
        }
    }
}
