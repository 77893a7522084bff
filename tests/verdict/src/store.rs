//! What plans say of clusters of whole stores, beyond what they say of Raft groups.

use serde::{Deserialize, Serialize};

/// Parameters of stores and their clients, drawn for each run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct StoreKnobs {
    /// Clients, each with one request under way at a time.
    pub clients: u64,
    /// Keys that they work on.
    pub keys: u64,
    /// Length of a value, in bytes; at least what makes it unique.
    pub value_bytes: u64,
    /// A client gives up on an answer after so many virtual milliseconds.
    pub timeout_ms: u64,
    /// A state machine with something to do waits up to so many microseconds for its poller.
    pub poll_us: u64,
    /// A task waits up to so many microseconds for its worker.
    pub task_us: u64,
    /// See `RaftStoreConfig`.
    pub messages_per_round: u64,
    /// See `RaftStoreConfig`.
    pub batch_size_max: u64,
    /// See `RaftStoreConfig`. 0: no log is ever compacted.
    pub log_gc_ticks: u32,
    /// See `RaftStoreConfig`: compacted beyond this even if a follower still needs it.
    pub log_gc_count_limit: u64,
    /// See `RaftStoreConfig`.
    pub entry_cache_bytes: u64,
    /// Bytes that travel in one piece of a snapshot.
    pub chunk_bytes: u64,
    /// Per million: a piece of a snapshot is lost, and the transfer with it.
    pub snapshot_loss_ppm: u32,
    /// How reads are served: 0 through the log, 1 by read index, 2 by lease, 3 by lease beside the peers. Never other than 0 in a student's run.
    pub read_mode: u8,
}

impl Default for StoreKnobs {
    fn default() -> StoreKnobs {
        StoreKnobs {
            clients: 4,
            keys: 8,
            value_bytes: 16,
            timeout_ms: 3_000,
            poll_us: 100,
            task_us: 1_000,
            messages_per_round: 256,
            batch_size_max: 256,
            log_gc_ticks: 0,
            log_gc_count_limit: 100_000,
            entry_cache_bytes: 16 << 20,
            chunk_bytes: 1 << 20,
            snapshot_loss_ppm: 0,
            read_mode: 0,
        }
    }
}

/// What goes wrong with stores only. Stores are numbered from 1.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub enum StoreFault {
    /// The power fails: of what is not synced, each database keeps a prefix of its own.
    PowerLoss {
        /// Who.
        node: u64,
        /// For how long, in virtual milliseconds.
        down_ms: u64,
    },
    /// The power fails at a write boundary: after so many more calls of a store to its disks (writes, syncs, changes of files).
    PowerLossAtWrite {
        /// Who.
        node: u64,
        /// How many calls still go through.
        calls: u64,
        /// For how long, in virtual milliseconds.
        down_ms: u64,
    },
    /// The power fails at a named place in a write.
    PowerLossAt {
        /// Who.
        node: u64,
        /// Where.
        point: FailPoint,
        /// How often the place is passed before.
        passes: u64,
        /// For how long, in virtual milliseconds.
        down_ms: u64,
    },
    /// All stores stop at once, and start again together.
    AllDown {
        /// They lose their power; otherwise only their processes die.
        power: bool,
        /// For how long, in virtual milliseconds.
        down_ms: u64,
    },
    /// After so many more writes and syncs of a store, one fails. The store has to stop; it starts again later.
    DiskFailure {
        /// Who.
        node: u64,
        /// How many calls still go through.
        calls: u64,
        /// For how long it is down, in virtual milliseconds.
        down_ms: u64,
    },
    /// Nothing reaches the current leader; what it sends still arrives.
    DeafLeader {
        /// For how long, in virtual milliseconds.
        for_ms: u64,
    },
    /// Messages to and from a store are held back, and arrive all at once in the end.
    Clog {
        /// Who.
        node: u64,
        /// For how long, in virtual milliseconds.
        for_ms: u64,
    },
}

/// Named places in a store's writes, in the order in which a write passes them. The names are those of TiKV's fail points.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FailPoint {
    /// A command is about to enter the raftstore.
    RaftkvAsyncWrite,
    /// A round has collected its writes, and has written nothing.
    RaftBeforeSave,
    /// kvdb has what the round has for it, and is synced; raftdb has nothing. Only rounds that take a snapshot come by.
    RaftBetweenSave,
    /// Both databases have what the round has for them; nothing that rests on it was said.
    RaftAfterSave,
    /// A command is carried out, and its answer about to leave the raftstore.
    RaftkvAsyncWriteFinish,
}

impl FailPoint {
    /// All of them.
    pub const ALL: [FailPoint; 5] = [
        FailPoint::RaftkvAsyncWrite,
        FailPoint::RaftBeforeSave,
        FailPoint::RaftBetweenSave,
        FailPoint::RaftAfterSave,
        FailPoint::RaftkvAsyncWriteFinish,
    ];

    /// The name under which stores know it.
    pub fn name(self) -> &'static str {
        match self {
            FailPoint::RaftkvAsyncWrite => "raftkv_async_write",
            FailPoint::RaftBeforeSave => "raft_before_save",
            FailPoint::RaftBetweenSave => "raft_between_save",
            FailPoint::RaftAfterSave => "raft_after_save",
            FailPoint::RaftkvAsyncWriteFinish => "raftkv_async_write_finish",
        }
    }
}

/// One request of a client: what for, and how it misbehaves.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct ClientRequest {
    /// Who asks, from 1. A client has one request under way at a time: the next waits for its answer.
    pub client: u64,
    /// What for.
    pub request: Request,
    /// How it misbehaves.
    #[serde(default)]
    pub oddity: Oddity,
}

/// What a client asks for. Keys are numbered from 0; each value is written once in a run.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub enum Request {
    /// The value of a key.
    Get {
        /// Which.
        key: u64,
    },
    /// Sets a key.
    Put {
        /// Which.
        key: u64,
    },
    /// Removes a key.
    Delete {
        /// Which.
        key: u64,
    },
    /// Sets a key if it has the value that this client saw last.
    Cas {
        /// Which.
        key: u64,
    },
    /// Pairs of a range.
    Scan {
        /// First key.
        from: u64,
        /// Key behind the last.
        to: u64,
        /// At most so many pairs.
        limit: u64,
        /// From the highest key downwards.
        reverse: bool,
    },
}

/// How a request is wrong: a store has to refuse it, and nothing else.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Oddity {
    /// It is not.
    #[default]
    None,
    /// It goes to a store at random, not to the leader.
    AnyStore,
    /// It names an epoch that is over.
    StaleEpoch,
    /// It names the peer of another store.
    OtherStore,
    /// It names a region that does not exist.
    OtherRegion,
}
