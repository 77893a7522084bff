//! A run, written down: everything that decides it, so that it can be replayed, edited and shrunk.

use serde::{Deserialize, Serialize};

use crate::store::{ClientRequest, StoreFault, StoreKnobs};

/// Everything that decides one simulated run. The same plan gives the same run, to the byte, for the same code.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Plan {
    /// Version of this format.
    pub version: u32,
    /// Test that the run belongs to.
    pub test: String,
    /// Seed of delays, losses, duplicates and timeouts. Each draw is keyed by what it is for, so that removing a fault
    /// from the plan leaves the rest of the run as undisturbed as the code under test allows.
    pub noise: u64,
    /// The group and its surroundings.
    pub knobs: Knobs,
    /// Faults, by time.
    pub faults: Vec<Timed<Fault>>,
    /// What clients ask for, by time.
    pub operations: Vec<Timed<Operation>>,
    /// If not empty, nothing happens but these steps, in this order: faults, operations, ticks and arrivals by time are
    /// left out. Found by shrinking; what no step delivers is lost.
    #[serde(default)]
    pub schedule: Vec<Step>,
}

/// One step of an explicit schedule. A step that cannot be taken (the peer is down, no such message) is skipped.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Step {
    /// So many ticks at one peer.
    Tick {
        /// Who.
        node: u64,
        /// How many.
        times: u32,
    },
    /// The election timer of a peer runs out.
    Campaign {
        /// Who.
        node: u64,
    },
    /// A message arrives: the one like this, or another copy of it; or else the most similar one that is still on its way.
    Deliver {
        /// Sender.
        from: u64,
        /// Receiver.
        to: u64,
        /// `MessageType`, as its number.
        kind: i32,
        /// Its term.
        term: u64,
        /// Its index.
        index: u64,
        /// How many entries it carries.
        entries: u64,
        /// Whether it is a refusal.
        reject: bool,
        /// Its commit index, the hint of a refusal, or the index of a snapshot.
        detail: u64,
    },
    /// Commands are proposed to a peer.
    Propose {
        /// To whom.
        node: u64,
        /// How many.
        count: u64,
    },
    /// A peer is asked to hand leadership over.
    Transfer {
        /// Who is asked.
        node: u64,
        /// To whom.
        to: u64,
    },
    /// A membership change is proposed to a peer.
    Change {
        /// To whom it is proposed.
        node: u64,
        /// Who is added or removed.
        peer: u64,
        /// Added, not removed.
        add: bool,
    },
    /// What a peer writes stays unsynced until `Synced`: its `Ready`s wait in between.
    SlowDisk {
        /// Who.
        node: u64,
        /// How many `Ready`s still get through before.
        after: u32,
    },
    /// The writes of a peer are synced.
    Synced {
        /// Who.
        node: u64,
    },
    /// Committed entries wait until `Applied`.
    SlowApply {
        /// Who.
        node: u64,
        /// How many times entries are still applied at once before.
        after: u32,
    },
    /// The committed entries of a peer are applied.
    Applied {
        /// Who.
        node: u64,
    },
    /// A peer dies.
    Crash {
        /// Who.
        node: u64,
        /// How many unsynced writes survive.
        keep: u64,
    },
    /// A peer will die after so many more seam calls.
    CrashAtSeam {
        /// Who.
        node: u64,
        /// How many calls still go through.
        calls: u64,
        /// How many unsynced writes survive.
        keep: u64,
    },
    /// A peer starts, or starts again.
    Start {
        /// Who.
        node: u64,
    },
    /// The transport tells a sender how its message fared.
    Report {
        /// The sender.
        node: u64,
        /// Whom the message was for.
        to: u64,
        /// 0 unreachable, 1 the snapshot arrived, 2 the snapshot got lost.
        what: u8,
    },
    /// A peer that was removed from the group is taken away.
    Destroy {
        /// Who.
        node: u64,
    },
    /// A peer has no snapshot ready from now on, or has one again.
    Busy {
        /// Who.
        node: u64,
        /// None ready.
        busy: bool,
    },
}

/// Something that happens at a moment of virtual time.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Timed<T> {
    /// Virtual microseconds since the start.
    pub at_us: u64,
    /// What happens.
    pub what: T,
}

/// Parameters drawn for each run ("swarm testing": tiny batches and odd timeouts find more than more faults do).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Knobs {
    /// Peers of the group at the start: ids `1..=nodes`.
    pub nodes: u64,
    /// End of the first act (faults), in virtual milliseconds. The later acts follow.
    pub chaos_ms: u64,
    /// See `raft::Config`.
    pub election_ticks: u32,
    /// See `raft::Config`.
    pub heartbeat_ticks: u32,
    /// See `raft::Config`. 0: one entry per message.
    pub max_message_bytes: u64,
    /// See `raft::Config`.
    pub max_inflight_messages: u64,
    /// See `raft::Config`.
    pub max_ready_bytes: u64,
    /// All peers tick at the same instant (what exposes timers that are not random).
    pub aligned_ticks: bool,
    /// Percent of the normal length of a tick, for each peer in turn.
    pub tick_percent: Vec<u64>,
    /// Shortest delay of a message, in microseconds.
    pub delay_min_us: u64,
    /// Longest usual delay.
    pub delay_max_us: u64,
    /// Per million: a message takes up to 400 ms.
    pub slow_ppm: u32,
    /// Per million: a message is lost.
    pub loss_ppm: u32,
    /// Per million: a message arrives twice.
    pub duplicate_ppm: u32,
    /// Per million: a `Ready` stays unsynced for up to 30 ms while the peer goes on.
    pub slow_disk_ppm: u32,
    /// Per million: applying lags up to 30 ms behind.
    pub slow_apply_ppm: u32,
    /// Compact the log when it has so many applied entries; 0 never.
    pub compact_entries: u64,
    /// A peer that compacts keeps so many entries behind its applied index.
    pub compact_keep: u64,
    /// See `raft::Config`. Never in a student's run.
    #[serde(default)]
    pub pre_vote: bool,
    /// See `raft::Config`. Never in a student's run.
    #[serde(default)]
    pub check_quorum: bool,
    /// What else is drawn for clusters of whole stores.
    #[serde(default)]
    pub store: StoreKnobs,
}

/// What goes wrong. Peers are numbered from 1.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub enum Fault {
    /// The process dies: nothing unsynced survives beyond a seeded prefix of its writes; it starts again later.
    Crash {
        /// Who.
        node: u64,
        /// For how long, in virtual milliseconds.
        down_ms: u64,
    },
    /// The process dies after so many more seam calls (writes, syncs, sends, applies) of its own.
    CrashAtSeam {
        /// Who.
        node: u64,
        /// How many calls still go through.
        calls: u64,
        /// For how long, in virtual milliseconds.
        down_ms: u64,
    },
    /// The current leader dies, whoever it is.
    CrashLeader {
        /// For how long, in virtual milliseconds.
        down_ms: u64,
    },
    /// The process is stopped and goes on later as if nothing had happened.
    Pause {
        /// Who.
        node: u64,
        /// For how long, in virtual milliseconds.
        for_ms: u64,
    },
    /// The group is split in two: a set bit names a peer on the one side (bit 0 is peer 1).
    Partition {
        /// The one side.
        side: u64,
        /// For how long, in virtual milliseconds.
        for_ms: u64,
    },
    /// Nothing gets from one peer to another; the other way works.
    CutOneWay {
        /// Sender.
        from: u64,
        /// Receiver.
        to: u64,
        /// For how long, in virtual milliseconds.
        for_ms: u64,
    },
    /// The current leader is cut off from all others.
    IsolateLeader {
        /// For how long, in virtual milliseconds.
        for_ms: u64,
    },
    /// An election timer runs out now (a tick storm at one peer).
    Campaign {
        /// Who.
        node: u64,
    },
    /// What happens to whole stores only.
    Store(StoreFault),
}

/// What a client asks for.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub enum Operation {
    /// Propose so many commands at once, to whoever leads; retried elsewhere after a refusal.
    Propose {
        /// How many.
        count: u64,
    },
    /// Propose to this peer, leader or not.
    ProposeTo {
        /// Whom.
        node: u64,
    },
    /// Ask the leader to hand over.
    Transfer {
        /// To whom.
        to: u64,
    },
    /// Ask for adding a peer.
    AddNode {
        /// Whom.
        node: u64,
    },
    /// Ask for removing a peer.
    RemoveNode {
        /// Whom.
        node: u64,
    },
    /// Ask the leader for a read index. Never in a student's run.
    ReadIndex,
    /// A request to a cluster of whole stores.
    Client(ClientRequest),
}
