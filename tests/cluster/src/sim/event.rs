//! What happens in a world of stores.

use harness::links::Report;

/// Something that is going to happen. Stores, clients and the like are told by their positions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event {
    /// A store's clock ticks. One chain of ticks per store, which goes on while the store is down.
    Tick {
        /// Which.
        store: usize,
    },
    /// A store does some of what it has to do.
    Work {
        /// Which.
        store: usize,
        /// Life of the store in which it was due.
        life: u64,
        /// What.
        duty: Duty,
    },
    /// Something arrives at a store.
    Deliver {
        /// Slot of the message in the network.
        slot: usize,
    },
    /// The next piece of a snapshot arrives.
    Piece {
        /// The transfer that it belongs to.
        transfer: usize,
    },
    /// The transport tells a sender how a message fared.
    Report {
        /// The sender.
        store: usize,
        /// Life of the sender.
        life: u64,
        /// Region of the message.
        region: u64,
        /// Peer that the message was for.
        peer: u64,
        /// What became of it.
        what: Report,
    },
    /// A client takes up its next request, or the one at hand again.
    Ask {
        /// Which.
        client: usize,
    },
    /// A request arrives at a store.
    Arrive {
        /// Which.
        attempt: usize,
    },
    /// An answer arrives at a client.
    Answer {
        /// Which.
        attempt: usize,
    },
    /// A client has waited long enough.
    Timeout {
        /// Which.
        client: usize,
        /// The request that it was waiting for.
        request: u64,
    },
    /// A fault of the plan begins.
    Fault {
        /// Its place in the plan.
        index: usize,
    },
    /// A fault ends.
    End(End),
    /// The acts look at the cluster.
    Watch,
}

/// What a store has to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Duty {
    /// Peers and the store itself handle their messages.
    Raft,
    /// Committed entries are applied.
    Apply,
    /// The worker for snapshots and ranges runs a task.
    Region,
    /// The worker that deletes log entries runs a task.
    RaftLogGc,
}

impl Duty {
    /// All of them.
    pub const ALL: [Duty; 4] = [Duty::Raft, Duty::Apply, Duty::Region, Duty::RaftLogGc];
}

/// What ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// A store that is down starts again.
    Down {
        /// Which.
        store: usize,
        /// Life that ended.
        life: u64,
    },
    /// A stopped store goes on.
    Pause {
        /// Which.
        store: usize,
    },
    /// A cut of the plan is mended.
    Cut {
        /// Place of the fault in the plan.
        index: usize,
    },
    /// A clogged store gets its messages.
    Clog {
        /// Which.
        store: usize,
    },
}
