//! What a peer shows of itself: read-only, cheap, and enough to check it from outside.

use crate::types::{Index, LogId, PeerId, Term};

/// What a peer is (paper §5.1, figure 4).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Role {
    /// Answers others.
    #[default]
    Follower,
    /// Asks whether it could win an election, without raising its term (thesis §9.6).
    PreCandidate,
    /// Asks for votes.
    Candidate,
    /// Replicates its log to all others.
    Leader,
}

/// One peer at one moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Status {
    /// This peer.
    pub id: PeerId,
    /// Current term.
    pub term: Term,
    /// Candidate voted for in `term`, or [`NONE`](crate::NONE).
    pub vote: PeerId,
    /// What it is.
    pub role: Role,
    /// Leader of `term`, or [`NONE`](crate::NONE) if not known.
    pub leader_id: PeerId,
    /// Highest index known to be committed.
    pub commit: Index,
    /// Highest index that the caller reported as applied.
    pub applied: Index,
    /// First entry in the log; what came before is in a snapshot.
    pub first_index: Index,
    /// Last entry in the log, whether on disk or not.
    pub last: LogId,
    /// Peer that leadership is being handed to, or [`NONE`](crate::NONE).
    pub transferee: PeerId,
}

/// What a leader knows of one peer's log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ProgressStatus {
    /// The peer's log is known to equal the leader's up to here.
    pub matched: Index,
    /// Next entry to send to it.
    pub next: Index,
    /// How it is being sent to.
    pub state: ProgressState,
    /// No append may be sent now: a probe is out, too many messages are, or a snapshot is.
    pub paused: bool,
}

/// How a peer is being sent to.
///
/// ```text
///               success                     next entry compacted
///     Probe ───────────────▶ Replicate ───────────────────────┐
///       ▲                        │                            ▼
///       │◀───────────────────────┘ rejected, unreachable   Snapshot
///       │◀────────────────────────────────────────────────────┘ arrived, failed
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ProgressState {
    /// Where the logs agree is not known: one append at a time, until one succeeds.
    #[default]
    Probe,
    /// The peer keeps up: appends follow each other without waiting for the answers.
    Replicate,
    /// A snapshot is on its way: no appends until it has arrived or failed.
    Snapshot,
}
