//! Part 2c in the store, log compaction and snapshots: the exact tests, 35 of 80 points.

use harness::suite::{Test, exact};

use crate::unit::p2c::{compact, generate, install, states};

const PART: &str = "2c-store";
const COMPACT: &str = "2c-store.md#compact";
const GENERATE: &str = "2c-store.md#generate";
const INSTALL: &str = "2c-store.md#install";

/// The tests, in order.
#[rustfmt::skip]
pub static EXACT: &[Test] = &[
    exact(PART, "when_and_how_far_by_the_table", 2, COMPACT, "when the log is compacted, and how far", compact::when_and_how_far_by_the_table),
    exact(PART, "compact_log_truncates", 2, COMPACT, "CompactLog moves the truncated state, and the entries go from disk", compact::compact_log_truncates),
    exact(PART, "truncated_index_never_moves_back", 2, COMPACT, "the truncated index never moves back, nor too far", compact::truncated_index_never_moves_back),
    exact(PART, "kvdb_is_synced_before_entries_go", 2, COMPACT, "kvdb is synced before entries are deleted", compact::kvdb_is_synced_before_entries_go),
    exact(PART, "deleted_index_is_kept", 1, COMPACT, "it is written how far the log is deleted", compact::deleted_index_is_kept),
    exact(PART, "worker_deletes_no_more_than_it_may", 1, COMPACT, "the worker deletes no more than its task, and kvdb, allow", compact::worker_deletes_no_more_than_it_may),
    exact(PART, "leader_compacts_by_itself", 1, COMPACT, "a leader compacts its log by itself", compact::leader_compacts_by_itself),
    exact(PART, "snapshot_is_asked_for_once", 1, GENERATE, "a snapshot is asked for once, however often Raft asks", generate::snapshot_is_asked_for_once),
    exact(PART, "failed_attempt_is_repeated", 1, GENERATE, "a failed attempt is repeated", generate::failed_attempt_is_repeated),
    exact(PART, "old_snapshot_is_not_sent", 2, GENERATE, "a snapshot that the log does not follow any more is not sent", generate::old_snapshot_is_not_sent),
    exact(PART, "snapshot_is_of_one_moment", 2, GENERATE, "a snapshot holds exactly what its index says", generate::snapshot_is_of_one_moment),
    exact(PART, "snapshot_bears_the_term_of_its_entry", 1, GENERATE, "a snapshot bears the term of its entry", generate::snapshot_bears_the_term_of_its_entry),
    exact(PART, "lost_snapshot_is_sent_again", 1, GENERATE, "a snapshot that got lost is sent again", generate::lost_snapshot_is_sent_again),
    exact(PART, "snapshot_replaces_the_states", 2, INSTALL, "a snapshot replaces log, states and region in one round", states::snapshot_replaces_the_states),
    exact(PART, "new_peer_gets_its_states", 1, INSTALL, "so it does for a peer that had none", states::new_peer_gets_its_states),
    exact(PART, "data_is_asked_for", 1, INSTALL, "the worker is asked for the data, after a restart too", states::data_is_asked_for),
    exact(PART, "entries_follow_the_snapshot", 1, INSTALL, "entries of the same Ready follow the snapshot", states::entries_follow_the_snapshot),
    exact(PART, "power_cut_between_the_databases", 2, INSTALL, "a power cut between the two databases leaves the old peer or the new one", states::power_cut_between_the_databases),
    exact(PART, "snapshot_of_another_region_is_refused", 1, INSTALL, "a snapshot of another region is refused", states::snapshot_of_another_region_is_refused),
    exact(PART, "snapshot_replaces_the_data", 2, INSTALL, "the data becomes exactly that of the snapshot", install::snapshot_replaces_the_data),
    exact(PART, "nothing_is_left_behind", 1, INSTALL, "nothing of the installation is left behind", install::nothing_is_left_behind),
    exact(PART, "peer_waits_for_its_data", 1, INSTALL, "a peer waits for its data, and then goes on", install::peer_waits_for_its_data),
    exact(PART, "raft_is_told_that_it_is_applied", 1, INSTALL, "Raft and the leader hear that the snapshot is in place", install::raft_is_told_that_it_is_applied),
    exact(PART, "kvdb_is_durable_before_the_log_goes", 1, INSTALL, "kvdb is durable before the old log goes", install::kvdb_is_durable_before_the_log_goes),
    exact(PART, "power_cut_anywhere_in_an_installation", 2, INSTALL, "a power cut anywhere in an installation loses nothing", install::power_cut_anywhere_in_an_installation),
];
