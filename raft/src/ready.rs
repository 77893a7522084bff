//! What [`RawNode::ready`](crate::RawNode::ready) hands to the caller.

use bytes::Bytes;
use proto::eraftpb::{Entry, HardState, Message, Snapshot};

use crate::status::Role;
use crate::types::{Index, PeerId};

/// Work for the caller, in this order:
///
/// 1. install `snapshot`, append `entries`, store `hard_state`; sync if `must_sync`;
/// 2. send `messages`;
/// 3. apply `committed_entries` (now, or later on another thread), and answer `read_states` once applied that far;
/// 4. [`advance`](crate::RawNode::advance), and [`advance_apply`](crate::RawNode::advance_apply) as the state machine
///    moves.
///
/// Sending before the sync is unsafe: a vote or an acknowledgement that a crash can take back elects two leaders, or
/// loses a committed entry. Only a leader may, if term and vote are on disk and none of `entries` is committed: its appends
/// promise nothing, and the next `step` comes after the write anyway (thesis §10.2.1).
#[derive(Clone, Debug, Default)]
pub struct Ready {
    /// Leader and role, if either changed since the last `Ready`. Not persisted.
    pub soft_state: Option<SoftState>,
    /// Term, vote and commit index, if any changed since the last `Ready`. Goes to disk.
    pub hard_state: Option<HardState>,
    /// A snapshot that replaces the log and the state machine. Goes to disk before `entries`.
    pub snapshot: Option<Snapshot>,
    /// Entries that are not on disk yet. The first of them replaces what stands there, and all that follows it.
    pub entries: Vec<Entry>,
    /// The writes must be synced before `messages` go out: term, vote, entries or a snapshot changed. A changed commit
    /// index alone may be lost.
    pub must_sync: bool,
    /// For other peers, after the writes: all that wait.
    pub messages: Vec<Message>,
    /// For the state machine, each once and in order. Some may also be in `entries`: write first.
    pub committed_entries: Vec<Entry>,
    /// Reads that may be served once the state machine has applied their index.
    pub read_states: Vec<ReadState>,
}

/// What other parts of the store like to know at once. Volatile.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct SoftState {
    /// Leader of the current term; [`NONE`](crate::NONE) if not known.
    pub leader_id: PeerId,
    /// What this peer is.
    pub role: Role,
}

/// A confirmed read (thesis §6.4).
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ReadState {
    /// The read sees everything up to this index; serve it once that is applied.
    pub index: Index,
    /// What [`RawNode::read_index`](crate::RawNode::read_index) was given.
    pub context: Bytes,
}

/// How sending a snapshot ended, for [`RawNode::report_snapshot`](crate::RawNode::report_snapshot).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum SnapshotStatus {
    /// It arrived.
    Finish,
    /// It did not; the core sends another.
    Failure,
}
