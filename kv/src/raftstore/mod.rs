//! The raftstore: many Raft groups on one store.
//!
//! A key range that is replicated as one is a *region*; its replica on a store is a *peer*. Three kinds of state machines
//! (FSMs), each owned by whichever thread polls it, talk by messages only:
//!
//! ```text
//!  commands, raft messages, ticks            committed entries, proposals, snapshot tasks
//!      │                                         ┌──────────────────────────┐
//!      ▼                                         │                          ▼
//!  PeerFsm (one per region: Raft, log) ──────────┘        ApplyFsm (one per region: data)
//!      ▲   │ StoreMsg: create, destroy                          │
//!      │   ▼                                                    │ ApplyRes
//!  StoreFsm (one: messages without a peer)        ◄─────────────┘ (to the PeerFsm)
//! ```
//!
//! | file | what it tells |
//! |---|---|
//! | `msg.rs`, `task.rs` | everything that FSMs and workers say to each other |
//! | `meta/` | what is kept about regions: keys, values, questions about a region |
//! | `context.rs` | what a store is given: engines, network, clock, workers |
//! | `runner/` | background workers: snapshots, ranges to be cleared, log entries to be deleted |
//! | `peer_storage/` | one peer's log and states on disk, and the snapshot that it makes or installs |

pub mod apply;
pub mod bootstrap;
pub mod cmd_resp;
pub mod context;
pub mod error;
pub mod fsm;
pub mod meta;
pub mod msg;
pub mod operation;
pub mod peer;
pub mod peer_storage;
pub mod proposals;
pub mod router;
pub mod runner;
pub mod system;
pub mod task;
pub mod ticker;

pub use context::StoreContext;
pub use error::{Error, Result};

/// Id of a region. 0 means none.
pub type RegionId = u64;
/// Id of a store. 0 means none.
pub type StoreId = u64;

/// Index of the last log entry, applied and truncated, of a region that was bootstrapped or split off, not created by a
/// message (those start at 0).
pub const RAFT_INIT_LOG_INDEX: u64 = 5;
/// Term of that entry.
pub const RAFT_INIT_LOG_TERM: u64 = 5;
/// First `conf_ver` of a region.
pub const INIT_EPOCH_CONF_VER: u64 = 1;
/// First `version` of a region.
pub const INIT_EPOCH_VERSION: u64 = 1;
