//! What happens in a world of Raft groups.

use harness::links::Report;

/// Something that is going to happen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event {
    /// A peer's timer ticks. One chain of ticks per peer, which goes on while the peer is down.
    Tick {
        /// Position of the peer.
        node: usize,
    },
    /// A message arrives.
    Deliver {
        /// Slot of the message in the network.
        slot: usize,
    },
    /// A slow sync is done.
    DiskDone {
        /// Position of the peer.
        node: usize,
        /// Life of the peer that asked for it.
        life: u64,
    },
    /// A slow apply is done.
    ApplyDone {
        /// Position of the peer.
        node: usize,
        /// Life of the peer that asked for it.
        life: u64,
    },
    /// The transport tells a sender how a message fared.
    Report {
        /// Position of the sender.
        node: usize,
        /// Life of the sender.
        life: u64,
        /// Whom the message was for.
        to: u64,
        /// What became of it.
        what: Report,
    },
    /// A fault of the plan begins.
    Fault {
        /// Its place in the plan.
        index: usize,
    },
    /// A fault ends.
    End {
        /// Which.
        what: End,
    },
    /// An operation of the plan is due, for the `attempt`th time.
    Operation {
        /// Its place in the plan.
        index: usize,
        /// 0 at first.
        attempt: u32,
    },
    /// The acts look at the group.
    Watch,
    /// A peer that was removed from the group is taken away.
    Destroy {
        /// Position of the peer.
        node: usize,
    },
}

/// What ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// A peer starts again.
    Crash {
        /// Position of the peer.
        node: usize,
        /// Life that ended in the crash.
        life: u64,
    },
    /// A stopped peer goes on.
    Pause {
        /// Position of the peer.
        node: usize,
    },
    /// A cut of the plan is mended.
    Cut {
        /// Place of the fault in the plan.
        index: usize,
    },
}
