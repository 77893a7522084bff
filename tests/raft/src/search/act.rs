//! What may happen in a search.

/// One step: something happens at one peer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Step {
    /// What happens.
    pub act: Act,
    /// The peer dies while it handles what comes of it.
    pub fuse: Option<Fuse>,
}

/// What may happen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Act {
    /// The message with this key arrives; with `again`, a copy of it stays in the network.
    Deliver {
        /// Names the message by its contents, so that a step means the same when others are left out.
        key: u64,
        /// A copy stays.
        again: bool,
    },
    /// The message with this key is lost.
    Lose {
        /// Names the message.
        key: u64,
    },
    /// An election timer runs out.
    Campaign(u64),
    /// A heartbeat interval passes at a leader.
    Beat(u64),
    /// So long a time passes at a leader that a hand-over must have ended.
    Wait(u64),
    /// A client proposes a command.
    Propose(u64),
    /// From now on its writes stay unsynced, and its messages unsent.
    Hold(u64),
    /// It syncs, sends and goes on.
    Release(u64),
    /// From now on its state machine lags behind; or no more, and catches up.
    Lag(u64),
    /// It dies, and starts again from its disk.
    Crash {
        /// Who.
        node: u64,
        /// So many unsynced writes survive.
        keep: u8,
    },
    /// It drops the log that it has applied.
    Compact(u64),
    /// It is asked to hand leadership to another.
    Transfer {
        /// Who is asked.
        at: u64,
        /// Who shall lead.
        to: u64,
    },
    /// It is asked to propose that a peer joins, leaves, or becomes a learner.
    Change {
        /// Who is asked.
        at: u64,
        /// `proto::eraftpb::ConfChangeType`.
        kind: i32,
        /// Who joins or leaves.
        node: u64,
    },
    /// It is told that its snapshot arrived, or not.
    Report {
        /// Who is told.
        at: u64,
        /// Whom the snapshot was for.
        peer: u64,
        /// It failed.
        failed: bool,
    },
}

/// Where a peer dies while it handles a `Ready`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fuse {
    /// Before it has written anything.
    BeforeWrite,
    /// After writing, before the sync: so many writes survive.
    BeforeSync(u8),
    /// After the sync, before it has sent anything.
    BeforeSend,
    /// After sending, before it has applied anything.
    BeforeApply,
}
