//! The Raft consensus algorithm, as a state machine driven by ticks and messages.
//!
//! Raft keeps a log of commands equal on several peers, so that a service survives the failure of some of them (*In Search
//! of an Understandable Consensus Algorithm*, Ongaro and Ousterhout, extended version: "the paper"; *Consensus: Bridging
//! Theory and Practice*, Ongaro: "the thesis"). This crate is the algorithm and nothing else: no thread, clock, socket or
//! file. Its caller counts the ticks, carries the messages and writes the disk, which is why a test can do all of that
//! instead, in any order that it likes.
//!
//! # The loop around it
//!
//! ```text
//! let mut node = RawNode::new(&config, storage)?;
//! loop {
//!     // 1. Inputs, whenever they come:
//!     node.tick();                         // every 10 ms, say
//!     node.step(message)?;                 // a message from a peer
//!     node.propose(command)?;              // a client's command, on the leader
//!
//!     // 2. The work that they make:
//!     if node.has_ready() {
//!         let mut ready = node.ready();
//!         // a. Write in one batch: snapshot, entries, hard state. Sync if `must_sync`.
//!         // b. Only then send: what a message promises must survive a crash of the sender.
//!         send(std::mem::take(&mut ready.messages));
//!         // c. Apply `committed_entries`, now or on another thread.
//!         // d. Report back.
//!         node.advance(ready);
//!         node.advance_apply(applied);
//!     }
//! }
//! ```
//!
//! Inputs may come in while a `Ready` is being worked on. The next `Ready` is taken when the last one is done.
//!
//! # Where to read on
//!
//! | file | what it tells |
//! |---|---|
//! | `raw_node.rs`, `ready.rs` | the face to the caller |
//! | `raft.rs` | the state of a peer, its clock, its changes of role, the table of messages |
//! | `election.rs` | asking for votes, giving and counting them |
//! | `replication.rs` | the leader: appending, sending, counting answers |
//! | `follower.rs` | the follower: taking appends and heartbeats |
//! | `log.rs`, `unstable.rs` | the log, and the end of it that is not on disk yet |
//! | `progress.rs` | what a leader knows of a peer's log, and how fast it may send |
//! | `quorum.rs`, `membership.rs` | counting votes and copies; who belongs to the group |
//! | `snapshot.rs` | snapshots for peers that are too far behind |
//! | `leader_transfer.rs`, `conf_change.rs` | handing over; adding and removing peers |
//! | `read_index.rs`, `read_only.rs` | reads without a log entry |
//! | `config.rs`, `storage.rs`, `status.rs`, `types.rs`, `error.rs` | what goes in and what can be seen |
//!
//! # Messages
//!
//! | message | from → to | carries | answered by |
//! |---|---|---|---|
//! | `MsgHup` | local | | a campaign |
//! | `MsgBeat` | local | | heartbeats to all |
//! | `MsgPropose` | local, at the leader | `entries` without index and term | appends to all |
//! | `MsgRequestVote` | candidate → voters | `index`, `log_term`: its last entry | `MsgRequestVoteResponse` |
//! | `MsgRequestVoteResponse` | voter → candidate | `reject` | |
//! | `MsgAppend` | leader → member | `index`, `log_term`: the entry before; `entries`; `commit` | `MsgAppendResponse` |
//! | `MsgAppendResponse` | member → leader | `index`: matches up to here; or `reject`, `index`: refused, `reject_hint`, `log_term`: try here | more appends |
//! | `MsgHeartbeat` | leader → member | `commit`, capped by what the member holds; `context` | `MsgHeartbeatResponse` |
//! | `MsgHeartbeatResponse` | member → leader | `context` | an append, if something is missing |
//! | `MsgSnapshot` | leader → member | `snapshot` | `MsgAppendResponse` |
//! | `MsgTransferLeader` | anybody → leader | `from`: who shall lead | `MsgTimeoutNow`, once caught up |
//! | `MsgTimeoutNow` | leader → chosen member | | a campaign |
//! | `MsgUnreachable`, `MsgSnapStatus` | local | `from`: the peer; `reject`: failed | |
//! | `MsgCheckQuorum` | local, at the leader | | steps down if nobody hears it |
//! | `MsgRequestPreVote`, `MsgRequestPreVoteResponse` | as votes | `term`: the one that would be entered | |
//! | `MsgReadIndex`, `MsgReadIndexResp` | member → leader → member | `entries[0].data`: names the read; `index` | |
//!
//! Every message from a peer carries its sender's term. A higher one makes the receiver a follower in that term first; a
//! lower one is answered, so that its sender learns of ours, and otherwise ignored.
//!
//! # What always holds
//!
//! 1. At most one leader in a term (§5.2): a peer votes once in a term, and its vote is on disk before it is sent.
//! 2. A leader never changes or drops an entry of its own log (§5.3).
//! 3. Two logs that hold the same index and term are equal up to there (§5.3, Log Matching).
//! 4. A leader's log holds every entry that was committed in an earlier term (§5.4, Leader Completeness).
//! 5. `applied ≤ committed ≤ last`, and none of the three but the last ever falls.
//! 6. What is acknowledged is durable: messages leave after the writes that they speak of.
//!
//! Each type's doc lists its own invariants, and `check` asserts them in the same order.
//!
//! # How it differs from the paper
//!
//! - Heartbeats are messages of their own, without a log position; a heartbeat alone never makes a log grow.
//! - Refused appends come back with a hint, so that a leader skips a whole conflicting term at once (the end of §5.3).
//! - Appends are pipelined: the next one leaves before the last one is answered.
//! - A membership change takes effect when it is *applied*, not when it is appended (thesis §4.1). So that no two changes
//!   overlap, the next one may be proposed only once the last is applied, and nobody campaigns with one unapplied.
//!
//! # What we left out
//!
//! Joint consensus (§6): single-step changes suffice. Merging snapshots into chunks (§7): the caller sends them as it likes.
//! Client sessions (§8): a matter for the state machine. Forwarding proposals: the caller knows who leads.

mod conf_change;
mod config;
mod election;
mod error;
mod follower;
mod leader_transfer;
mod log;
mod membership;
mod outbox;
mod progress;
pub mod quorum;
mod raft;
mod raw_node;
mod read_index;
mod read_only;
mod ready;
mod replication;
mod role;
mod snapshot;
mod status;
mod storage;
mod trace;
mod types;
mod unstable;

pub use config::{Config, ReadMode};
pub use error::{Error, Result, StorageError};
pub use log::RaftLog;
pub use membership::Membership;
pub use progress::Progress;
pub use raft::Raft;
pub use raw_node::RawNode;
pub use ready::{ReadState, Ready, SnapshotStatus, SoftState};
pub use status::{ProgressState, ProgressStatus, Role, Status};
pub use storage::{MemStorage, RaftState, Storage, limit_bytes};
pub use trace::{Brief, brief};
pub use types::{Index, LogId, NONE, PeerId, Term, Ticks};
