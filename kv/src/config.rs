//! What an operator can set, with units in the names. Defaults suit a small cluster on one machine.

use serde::{Deserialize, Serialize};

use crate::snap::SnapLimits;

/// How reads are served.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
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
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
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
    /// Snapshots that may be sent at once.
    pub snap_sending_max: usize,
    /// Snapshots that may be received at once.
    pub snap_receiving_max: usize,
    /// All snapshot files together, in bytes.
    pub snap_bytes_max: u64,
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
            snap_sending_max: 16,
            snap_receiving_max: 16,
            snap_bytes_max: 100 << 30,
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

/// Options that cannot work. Lists all of them, each with what to do about it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}", .0.join("\n"))]
pub struct InvalidConfig(pub Vec<String>);

/// Largest entry that a store takes, in bytes: it travels in one message, and is copied several times on its way.
const ENTRY_BYTES_LIMIT: u64 = 256 << 20;
/// More threads than this have never helped.
const POOL_SIZE_LIMIT: usize = 64;

impl RaftStoreConfig {
    /// How much may go on with snapshots at once.
    pub fn snap_limits(&self) -> SnapLimits {
        SnapLimits {
            sending_max: self.snap_sending_max,
            receiving_max: self.snap_receiving_max,
            bytes_max: self.snap_bytes_max,
        }
    }

    /// Checks that the options make sense, each alone and together.
    ///
    /// # Errors
    /// [`InvalidConfig`] names every option that does not.
    pub fn validate(&self) -> Result<(), InvalidConfig> {
        let mut problems = self.zeros();
        let (election, heartbeat) = (self.raft_election_timeout_ticks, self.raft_heartbeat_ticks);
        if election <= heartbeat {
            problems.push(format!(
                "raft_election_timeout_ticks is {election}, and must be more than raft_heartbeat_ticks ({heartbeat}), or \
                 followers campaign against a live leader: make it at least {}",
                heartbeat.saturating_mul(5).max(2)
            ));
        }
        if self.raft_entry_bytes_max > ENTRY_BYTES_LIMIT {
            problems.push(format!("raft_entry_bytes_max is more than {ENTRY_BYTES_LIMIT}: lower it"));
        }
        if self.raft_log_gc_count_limit < self.raft_log_gc_threshold {
            problems.push(format!(
                "raft_log_gc_count_limit is {}, below raft_log_gc_threshold ({}), so every log would be cut off under \
                 followers that keep up: raise it",
                self.raft_log_gc_count_limit, self.raft_log_gc_threshold
            ));
        }
        for (name, size) in
            [("store_pool_size", self.store_pool_size), ("apply_pool_size", self.apply_pool_size)]
        {
            if size > POOL_SIZE_LIMIT {
                problems.push(format!("{name} is {size}: {POOL_SIZE_LIMIT} threads are the most"));
            }
        }
        if problems.is_empty() { Ok(()) } else { Err(InvalidConfig(problems)) }
    }

    /// Complaints about options that are 0 and must not be.
    fn zeros(&self) -> Vec<String> {
        let positive = [
            ("raft_base_tick_ms", self.raft_base_tick_ms, "time would stand still"),
            ("raft_heartbeat_ticks", self.raft_heartbeat_ticks.into(), "a leader would flood its followers"),
            ("snap_sending_max", self.snap_sending_max as u64, "a follower that lags would never catch up"),
            ("snap_receiving_max", self.snap_receiving_max as u64, "a peer that lags would never catch up"),
            ("snap_bytes_max", self.snap_bytes_max, "no snapshot would have room"),
            ("raft_message_bytes_max", self.raft_message_bytes_max, "every entry would travel alone"),
            (
                "raft_inflight_messages_max",
                self.raft_inflight_messages_max as u64,
                "nothing would ever be sent",
            ),
            ("raft_entry_bytes_max", self.raft_entry_bytes_max, "every write would be refused"),
            ("raft_log_gc_ticks", self.raft_log_gc_ticks.into(), "the log would be looked at all the time"),
            ("raft_log_gc_threshold", self.raft_log_gc_threshold, "every follower would need snapshots"),
            ("raft_log_gc_bytes_limit", self.raft_log_gc_bytes_limit, "every log would be cut off at once"),
            ("snap_gc_ticks", self.snap_gc_ticks.into(), "snapshot files would be looked at all the time"),
            ("snap_keep_ms", self.snap_keep_ms, "snapshots would be deleted before they are sent"),
            ("store_heartbeat_ticks", self.store_heartbeat_ticks.into(), "the scheduler would be flooded"),
            ("region_heartbeat_ticks", self.region_heartbeat_ticks.into(), "the scheduler would be flooded"),
            ("messages_per_round", self.messages_per_round as u64, "no message would ever be handled"),
            ("batch_size_max", self.batch_size_max as u64, "no region would ever be served"),
            ("mailbox_capacity", self.mailbox_capacity as u64, "every request would be refused"),
            ("store_pool_size", self.store_pool_size as u64, "no region would ever be served"),
            ("apply_pool_size", self.apply_pool_size as u64, "nothing would ever be applied"),
        ];
        let zeros = positive.iter().filter(|(_, value, _)| *value == 0);
        zeros.map(|(name, _, why)| format!("{name} is 0, and {why}: make it at least 1")).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn problems(change: impl FnOnce(&mut RaftStoreConfig)) -> Vec<String> {
        let mut config = RaftStoreConfig::default();
        change(&mut config);
        config.validate().err().map_or_else(Vec::new, |InvalidConfig(problems)| problems)
    }

    #[test]
    fn the_defaults_are_fine() {
        assert_eq!(problems(|_| {}), Vec::<String>::new());
    }

    #[test]
    fn impossible_ticks_are_refused() {
        let told = problems(|config| config.raft_election_timeout_ticks = 2);
        assert!(told[0].contains("more than raft_heartbeat_ticks (2)"), "{told:?}");
        assert!(told[0].contains("at least 10"), "{told:?}");
        assert_eq!(problems(|config| config.raft_base_tick_ms = 0).len(), 1);
        assert_eq!(problems(|config| config.raft_heartbeat_ticks = 0).len(), 1);
        assert_eq!(problems(|config| config.raft_election_timeout_ticks = 0).len(), 1);
    }

    #[test]
    fn all_problems_are_told_at_once() {
        let told = problems(|config| {
            config.raft_inflight_messages_max = 0;
            config.mailbox_capacity = 0;
            config.store_pool_size = 1000;
            config.raft_log_gc_count_limit = 1;
            config.raft_entry_bytes_max = u64::MAX;
        });
        assert_eq!(told.len(), 5, "{told:?}");
    }
}
