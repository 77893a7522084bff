//! Runs thousands of state machines on a few threads, or on none. Knows nothing of Raft.
//!
//! Each peer of a store is an [`Fsm`]: it changes only when it is polled with messages, so it needs no lock and never waits.
//! Every FSM has a mailbox. The FSM itself travels: it lies in its mailbox while there is nothing to do, and a message
//! brings it to a poller.
//!
//! ```text
//!             send                  idle FSM + message
//!   Router ──────────▶ mailbox ─────────────────────────▶ ready list
//!                        ▲                                    │ fetch: up to batch_size_max
//!                        │ release: no more messages          ▼
//!                        └────────────────────────────────  Poller: begin, handle …, end
//!                                                             │ ▲
//!                                                             └─┘ next round: messages left, or more to do
//! ```
//!
//! Whoever holds the `Box` of an FSM owns it, and there is only one `Box`: [`fsm`] has the states and the steps between
//! them.
//!
//! A poller works in rounds over a *batch* of FSMs, because a round is what is written to disk at once: the handler gathers
//! what all FSMs of the batch want written and writes and syncs it in [`PollHandler::end`].
//!
//! | file | content |
//! |---|---|
//! | [`fsm`] | what an FSM is, and who owns it when |
//! | `mailbox` | its messages; the hand-over between mailbox and poller |
//! | [`router`] | from addresses to mailboxes |
//! | `ready` | the FSMs that wait for a poller |
//! | [`poller`] | one round; when an FSM stays, rests, makes room or leaves |
//! | [`threads`] | driver for production: a pool of threads, each with a poller |
//! | [`manual`] | driver for simulation: one poller, and the caller says whose turn it is |
//!
//! # Fairness
//! An FSM gets at most [`BatchConfig::messages_per_round`] messages in a round, and the batch is filled up after each one.
//! An FSM that is polled round after round is *hot*; every second hot FSM goes back to the end of the ready list.
//!
//! # Left out
//! TiKV's low-priority queue, its growing and shrinking thread pool, and the cache of mailboxes in each clone of the router.

pub mod fsm;
mod mailbox;
pub mod manual;
pub mod poller;
mod ready;
pub mod router;
pub mod threads;

pub use fsm::{Address, Fsm};
pub use mailbox::SendError;
pub use manual::ManualPoller;
pub use poller::PollHandler;
pub use router::Router;
pub use threads::Threads;

/// Sizes of a batch system.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BatchConfig {
    /// Normal FSMs that a poller works on at the same time; at least 1.
    pub batch_size_max: usize,
    /// Messages that an FSM gets in one round; at least 1.
    pub messages_per_round: usize,
    /// Messages that may wait at the control FSM.
    pub control_capacity: usize,
}

/// A batch system that has not been started: its FSMs can be registered and sent to, but nobody polls them yet.
pub struct BatchSystem<N: Fsm, C: Fsm> {
    router: Router<N, C>,
    config: BatchConfig,
}

/// A batch system with its control FSM.
pub fn create<N: Fsm, C: Fsm>(control: Box<C>, config: &BatchConfig) -> (Router<N, C>, BatchSystem<N, C>) {
    assert!(config.batch_size_max > 0, "a batch of no FSMs");
    assert!(config.messages_per_round > 0, "a round without messages");
    let router = Router::new(control, config.control_capacity);
    (router.clone(), BatchSystem { router, config: *config })
}

#[cfg(test)]
mod tests;
