//! What can go wrong, and what the caller should do about it.

use crate::types::{Index, PeerId};

/// Result of an operation on the core.
pub type Result<T> = std::result::Result<T, Error>;

/// Why the core refused an operation. The core's state is unchanged by a refused operation.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The configuration cannot work; the text says which field, and why. Fix it and start again.
    #[error("invalid configuration: {0}")]
    InvalidConfig(String),
    /// Not the leader, or the leader is handing over: propose again, to the leader (`Status::leader_id`).
    #[error("proposal dropped: this peer is not a leader that accepts proposals now")]
    ProposalDropped,
    /// Another membership change is still on its way: propose again once it is applied.
    #[error("a membership change is pending at index {0}")]
    ConfChangePending(Index),
    /// A local message (`MsgHup`, `MsgBeat`, ...) came in through `RawNode::step`: drop it, nobody may send one.
    #[error("local message {0} arrived from the network")]
    LocalMessage(&'static str),
    /// An answer from somebody who is not a member: drop it.
    #[error("peer {0} is not a member of the group")]
    UnknownPeer(PeerId),
    /// The storage cannot answer.
    #[error(transparent)]
    Storage(#[from] StorageError),
}

/// Why [`Storage`](crate::Storage) cannot answer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StorageError {
    /// The entry is part of a snapshot already: send the snapshot.
    #[error("entry compacted into the snapshot")]
    Compacted,
    /// The entry does not exist (yet).
    #[error("entry not in the log")]
    Unavailable,
    /// The snapshot is still being made: ask again later.
    #[error("snapshot temporarily unavailable")]
    SnapshotTemporarilyUnavailable,
    /// The medium failed; the text is the cause. Stop the peer.
    #[error("storage failed: {0}")]
    Failed(String),
}
