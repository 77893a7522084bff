//! Everything that FSMs say to each other.
//!
//! | message | from → to | may be lost |
//! |---|---|---|
//! | [`PeerMsg::RaftMessage`] | network → peer (or store, if there is no such peer) | yes |
//! | [`PeerMsg::RaftCommand`] | storage → peer | no: its callback is always called |
//! | [`PeerMsg::Tick`] | driver → every peer | yes |
//! | [`PeerMsg::ApplyRes`] | apply → peer | no |
//! | [`PeerMsg::SignificantMsg`] | transport → peer | no |
//! | [`PeerMsg::CasualMsg`] | workers → peer | yes |
//! | [`ApplyMsg`] | peer → apply | no |
//! | [`StoreMsg`] | network, driver, peers → store | only raft messages and ticks |

use std::sync::mpsc::SyncSender;

use proto::eraftpb::{Entry, Snapshot};
use proto::metapb;
use proto::raft_cmdpb::{RaftCmdRequest, RaftCmdResponse};
use proto::raft_serverpb::{RaftApplyState, RaftMessage};
use raft::SnapshotStatus;

use super::{RegionId, StoreId};
use crate::engine;

/// Answer to a command.
#[derive(Clone)]
pub struct CmdResult {
    /// What travels to the client.
    pub response: RaftCmdResponse,
    /// For a `Snap` command: the data, as of the applied index at which the command took its turn.
    pub snapshot: Option<RegionSnapshot>,
}

/// A view of one region's data.
#[derive(Clone)]
pub struct RegionSnapshot {
    /// All data of the store; readers stay within `region`.
    pub snapshot: engine::Snapshot,
    /// The region at that moment: its range and epoch.
    pub region: metapb::Region,
    /// Term in which the read was served.
    pub term: u64,
    /// What had been applied.
    pub applied_index: u64,
}

/// Answers one command, exactly once: [`Callback::invoke`] takes the callback itself. A callback that is dropped instead
/// answers [`Dropped`], which callers treat as *outcome unknown*: right for a store that stops, and for a command whose entry
/// was covered by a snapshot before this peer could apply it ([`Callback::outcome_unknown`]); otherwise a bug.
pub struct Callback(Option<Answer>);

type Answer = Box<dyn FnOnce(std::result::Result<CmdResult, Dropped>) + Send>;

/// The callback was dropped without an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Dropped;

impl Callback {
    /// A callback that calls `answer`.
    pub fn new(answer: impl FnOnce(std::result::Result<CmdResult, Dropped>) + Send + 'static) -> Callback {
        Callback(Some(Box::new(answer)))
    }

    /// A callback that nobody listens to, for commands that a store proposes to itself.
    pub fn none() -> Callback {
        Callback(None)
    }

    /// Answers.
    pub fn invoke(mut self, result: CmdResult) {
        if let Some(answer) = self.0.take() {
            answer(Ok(result));
        }
    }

    /// Gives up: nobody can tell whether the command took effect. The caller hears [`Dropped`].
    pub fn outcome_unknown(self) {
        drop(self);
    }

    /// Answers with a response without data.
    pub fn respond(self, response: RaftCmdResponse) {
        self.invoke(CmdResult { response, snapshot: None });
    }
}

impl Drop for Callback {
    fn drop(&mut self) {
        if let Some(answer) = self.0.take() {
            answer(Err(Dropped));
        }
    }
}

impl std::fmt::Debug for Callback {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(if self.0.is_some() { "Callback" } else { "Callback(none)" })
    }
}

/// A command for one region, which its header names.
#[derive(Debug)]
pub struct RaftCommand {
    /// What to do.
    pub request: RaftCmdRequest,
    /// If not 0: refuse with `StaleCommand` unless proposed in exactly this term. What makes a write depend on a read.
    pub guard_term: u64,
    /// Gets the answer.
    pub callback: Callback,
}

/// What a peer FSM handles.
#[derive(Debug)]
pub enum PeerMsg {
    /// From a peer of the same region on another store.
    RaftMessage(Box<RaftMessage>),
    /// From this store's clients, or from the store itself.
    RaftCommand(Box<RaftCommand>),
    /// One base tick has passed.
    Tick,
    /// The apply side has applied entries.
    ApplyRes(Box<ApplyRes>),
    /// How a message that was sent has fared.
    SignificantMsg(SignificantMsg),
    /// Hints; losing one does no harm.
    CasualMsg(CasualMsg),
    /// The first message of every peer FSM.
    Start,
    /// Only wakes the FSM up.
    Noop,
}

/// How a message that was sent has fared. Never lost: Raft would take a peer for dead, or wait for ever.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SignificantMsg {
    /// A snapshot has been sent, or has got lost.
    SnapshotStatus {
        /// Raft id of the receiver.
        to_peer_id: u64,
        /// How it ended.
        status: SnapshotStatus,
    },
    /// A message could not be delivered.
    Unreachable {
        /// Raft id of the receiver.
        to_peer_id: u64,
    },
}

/// Hints from workers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CasualMsg {
    /// The snapshot that this peer waits for has been generated, or could not be.
    SnapshotGenerated,
    /// The snapshot that this peer installs has been applied, or the attempt has ended.
    SnapshotApplied,
}

/// What the store FSM handles.
#[derive(Debug)]
pub enum StoreMsg {
    /// For a region without a peer here: may create one, or tells the sender that its peer is gone.
    RaftMessage(Box<RaftMessage>),
    /// One base tick has passed.
    Tick,
    /// A store cannot be reached; told at a limited rate.
    StoreUnreachable {
        /// Which.
        store_id: StoreId,
    },
    /// The first message.
    Start {
        /// This store.
        store: metapb::Store,
    },
}

/// A command that waits for its entry to be applied.
#[derive(Debug)]
pub struct Proposal {
    /// Index at which it was proposed.
    pub index: u64,
    /// Term in which it was proposed: another term at this index means that it was overwritten.
    pub term: u64,
    /// Gets the answer.
    pub callback: Callback,
}

/// What an apply FSM handles.
#[derive(Debug)]
pub enum ApplyMsg {
    /// The peer starts, or starts again after a snapshot: what it has applied so far.
    Registration(Box<Registration>),
    /// Commands that were proposed; they arrive before their entries.
    Proposals(Vec<Proposal>),
    /// Committed entries, each handed out once, in order.
    Apply {
        /// Raft term of the peer when it handed them over.
        term: u64,
        /// The entries.
        entries: Vec<Entry>,
    },
    /// Make a snapshot of the region as applied so far.
    Snapshot(GenSnapTask),
    /// The peer goes away: answer what waits, forget the rest, confirm.
    Destroy,
    /// Only wakes the FSM up.
    Noop,
}

/// State with which an apply FSM starts.
#[derive(Clone, Debug, PartialEq)]
pub struct Registration {
    /// Raft id of the peer.
    pub peer_id: u64,
    /// The region.
    pub region: metapb::Region,
    /// What has been applied.
    pub apply_state: RaftApplyState,
    /// Term of the entry applied last.
    pub applied_term: u64,
    /// Raft term of the peer.
    pub term: u64,
}

/// Asks for a snapshot.
#[derive(Clone, Debug)]
pub struct GenSnapTask {
    /// Region.
    pub region_id: RegionId,
    /// Gets the snapshot message; dropped without one if generating failed.
    pub notifier: SyncSender<Snapshot>,
}

/// What the apply side has done.
#[derive(Clone, Debug)]
pub enum ApplyRes {
    /// Entries were applied and written.
    Applied {
        /// State after it.
        apply_state: RaftApplyState,
        /// Term of the entry applied last.
        applied_term: u64,
        /// What the peer must follow up, in order.
        results: Vec<ExecResult>,
        /// Bytes written.
        written_bytes: u64,
    },
    /// The apply FSM is gone, as asked by [`ApplyMsg::Destroy`].
    Destroyed,
}

/// What the peer must follow up once a command has been applied.
#[derive(Clone, Debug, PartialEq)]
pub enum ExecResult {
    /// The log may be deleted up to the truncated state.
    CompactLog {
        /// Last index that may be deleted.
        truncated_index: u64,
        /// First index of the log before.
        first_index: u64,
    },
}
