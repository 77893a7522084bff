//! What an operator can set, with units in the names. Defaults suit a small cluster on one machine.

/// How reads are served.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ReadMode {
    /// Every read is an entry of the Raft log: the plainest way, and the one that the course starts from.
    Log,
    /// The leader asks a quorum whether it still leads (§6.4 of Ongaro's thesis), then reads locally.
    #[default]
    Index,
    /// The leader reads locally while its lease lasts, and asks a quorum otherwise.
    Lease,
}

/// The raftstore's options. A tick is `raft_base_tick_ms` long.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RaftStoreConfig {
    /// Length of a tick, in milliseconds.
    pub raft_base_tick_ms: u64,
    /// Ticks without a word from the leader before a follower campaigns; each wait is drawn between this and twice this.
    pub raft_election_timeout_ticks: u32,
    /// Ticks between a leader's heartbeats.
    pub raft_heartbeat_ticks: u32,
    /// Longest append message, in bytes; one entry always fits.
    pub raft_message_bytes_max: u64,
    /// Appends to one follower that may be under way.
    pub raft_inflight_messages_max: usize,
    /// A larger command is refused, in bytes.
    pub raft_entry_bytes_max: u64,
    /// Ticks between two looks at the length of the log.
    pub raft_log_gc_ticks: u32,
    /// Compact once all followers have so many entries more than the first.
    pub raft_log_gc_threshold: u64,
    /// Compact up to the applied entry when the log holds so many, even if a follower still needs them.
    pub raft_log_gc_count_limit: u64,
    /// The same by size, in bytes.
    pub raft_log_gc_bytes_limit: u64,
    /// Entries kept in memory for each region, in bytes.
    pub entry_cache_bytes_max: u64,
    /// Ticks between two looks at left-over snapshot files.
    pub snap_gc_ticks: u32,
    /// A snapshot file that nobody came for is deleted after so many milliseconds.
    pub snap_keep_ms: u64,
    /// Ticks between heartbeats of a store to the scheduler.
    pub store_heartbeat_ticks: u32,
    /// Ticks between heartbeats of a region to the scheduler.
    pub region_heartbeat_ticks: u32,
    /// How reads are served.
    pub read_mode: ReadMode,
    /// Messages that an FSM handles in one round.
    pub messages_per_round: usize,
    /// FSMs that a poller handles in one round.
    pub batch_size_max: usize,
    /// Messages that may wait at one peer before commands are refused.
    pub mailbox_capacity: usize,
    /// Threads for the Raft side.
    pub store_pool_size: usize,
    /// Threads for the apply side.
    pub apply_pool_size: usize,
    /// Seed of the election timeouts; each peer mixes in its own id.
    pub seed: u64,
}

impl Default for RaftStoreConfig {
    fn default() -> RaftStoreConfig {
        RaftStoreConfig {
            raft_base_tick_ms: 100,
            raft_election_timeout_ticks: 10,
            raft_heartbeat_ticks: 2,
            raft_message_bytes_max: 1 << 20,
            raft_inflight_messages_max: 256,
            raft_entry_bytes_max: 8 << 20,
            raft_log_gc_ticks: 50,
            raft_log_gc_threshold: 50,
            raft_log_gc_count_limit: 100_000,
            raft_log_gc_bytes_limit: 64 << 20,
            entry_cache_bytes_max: 16 << 20,
            snap_gc_ticks: 600,
            snap_keep_ms: 4 * 3600 * 1000,
            store_heartbeat_ticks: 100,
            region_heartbeat_ticks: 100,
            read_mode: ReadMode::Index,
            messages_per_round: 256,
            batch_size_max: 256,
            mailbox_capacity: 4096,
            store_pool_size: 1,
            apply_pool_size: 1,
            seed: 0,
        }
    }
}
