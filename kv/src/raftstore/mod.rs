//! The raftstore: many Raft groups on one store.
//!
//! A key range that is replicated as one is a *region*; its replica on a store is a *peer*. The peers of a region are a Raft
//! group: they keep one log, and each applies it to its own copy of the data. A store holds peers of many regions, and does
//! together what costs most: all regions share two databases, a few threads, and one sync a round.
//!
//! # Who owns what
//!
//! Three kinds of state machines (FSMs), each owned by whichever thread polls it ([`crate::batch`]), talk by messages only:
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
//! | on disk | written by | when |
//! |---|---|---|
//! | raftdb: log entries, `RaftLocalState` | the raft poller, for all peers of a round at once | each `Ready`; synced if it promises something |
//! | kvdb: data, `RaftApplyState` | the apply poller, for all regions of a round at once | entries applied; not synced, as the log is the redo log |
//! | kvdb: `RegionLocalState`, states of a snapshot | the raft poller | a `Ready` brings a snapshot; synced before raftdb is written |
//! | kvdb: data of a snapshot, *Normal* | the region worker | the data is in place; synced |
//! | raftdb: deletion of old entries | the raftlog-gc worker | the log was compacted; after kvdb was synced |
//!
//! # A write, from end to end
//!
//! ```text
//!  1  RaftStorage::async_write                 makes a command of the request            client's thread
//!  2  RaftRouter::send_command                 puts it into the mailbox of the PeerFsm
//!  3  Peer::propose_raft_command               checks it, and proposes it to Raft        raft poller, leader
//!  4  Peer::send_proposals                     its callback goes ahead to the ApplyFsm
//!  5  Peer::handle_raft_ready_append           its entry joins the round's batch
//!  6  Peer::send_ahead                         and goes to the other peers: they do 5 and 7, and acknowledge
//!  7  RaftPoller::end                          one write, one sync for all peers of the round
//!  8  Peer::post_raft_ready                    a quorum has it: committed, handed to the ApplyFsm
//!  9  Apply::apply_entry                       epoch and range are checked again; put into a batch   apply poller
//! 10  ApplyContext::write                      data and applied index, in one batch
//! 11  Callback::invoke                         the client is answered
//! 12  Peer::on_apply_res                       Raft learns what is applied                raft poller
//! ```
//!
//! # Where to read on
//!
//! | file | what it tells |
//! |---|---|
//! | `msg.rs`, `task.rs` | everything that FSMs and workers say to each other |
//! | `context.rs`, `router.rs` | what a store is given: engines, network, clock, workers; its addresses |
//! | `operation/` | what peers do, one operation a file: start here |
//! | `peer.rs`, `apply.rs` | the state of a peer, and of its apply side |
//! | `proposals.rs`, `reads.rs` | commands and reads that wait, and how each is answered exactly once |
//! | `local_reader.rs` | reads under a lease, on the reader's thread |
//! | `fsm/` | the three FSMs as tables of messages; the round of a poller |
//! | `peer_storage/` | one peer's log and states on disk, and the snapshot that it makes or installs |
//! | `meta/` | what is kept about regions: keys, values, questions about a region |
//! | `runner/` | background workers: snapshots, ranges to be cleared, log entries to be deleted |
//! | `ticker.rs` | periodic jobs |
//! | `bootstrap.rs`, `system.rs` | first steps of a store; the whole put together, with threads or without |
//!
//! # What always holds
//!
//! 1. What a message or an answer says is as durable as it must be, on this store, before it leaves.
//! 2. `truncated ≤ applied ≤ handed out ≤ committed ≤ last` for each peer; `applied ≤ last` also after a power cut.
//! 3. Data and applied index of a region move in one batch: an entry takes effect once.
//! 4. Log entries are deleted only when kvdb is durable beyond them.
//! 5. Each command is answered exactly once: by its result, by a refusal, or, if nobody can know, by *outcome unknown*.
//! 6. After a failed write or sync a store says nothing more.
//!
//! # What we left out
//!
//! Creating, destroying and splitting peers come later in the course. Of TiKV's raftstore there is no merge, no hibernation, no
//! asynchronous write, no learner, and no SST ingestion.

pub mod apply;
pub mod bootstrap;
pub mod cmd_resp;
pub mod context;
pub mod error;
pub mod fsm;
pub mod local_reader;
pub mod meta;
pub mod msg;
pub mod operation;
pub mod peer;
pub mod peer_storage;
pub mod proposals;
pub mod reads;
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
