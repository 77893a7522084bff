//! The three state machines as the batch systems see them: for each a table of its messages, and no logic. What happens on a
//! message stands in [`super::operation`].
//!
//! | file | FSM | polled by |
//! |---|---|---|
//! | `peer.rs` | one for each region: Raft and the log | the raft pollers |
//! | `store.rs` | one: messages without a peer, ticks of the store | the raft pollers, as their control FSM |
//! | `apply.rs` | one for each region: the data | the apply pollers |
//! | `handler.rs` | what a poller does in a round, and the only place that writes the databases for Raft | |

pub mod apply;
pub mod handler;
pub mod peer;
pub mod store;
