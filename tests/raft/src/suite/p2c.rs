//! The raft half of part 2c, snapshots: 40 points.

use super::{Test, exact};
use crate::unit::p2c::{behind, installing, sending};

const PART: &str = "2c-raft";
const SENDING: &str = "2c-snapshots.md#send";
const INSTALLING: &str = "2c-snapshots.md#restore";
const COMPACTION: &str = "2c-snapshots.md#compaction";

/// The tests, in order.
#[rustfmt::skip]
pub static TESTS: &[Test] = &[
    exact(PART, "follower_behind_the_log_gets_a_snapshot", 2, SENDING, "who needs compacted entries gets a snapshot", sending::follower_behind_the_log_gets_a_snapshot),
    exact(PART, "follower_within_the_log_gets_entries", 1, SENDING, "who needs entries of the log gets entries", sending::follower_within_the_log_gets_entries),
    exact(PART, "busy_storage_is_asked_again", 1, SENDING, "a storage that is still making its snapshot is asked again", sending::busy_storage_is_asked_again),
    exact(PART, "one_snapshot_at_a_time", 1, SENDING, "there is one snapshot on its way to a follower, not two", sending::one_snapshot_at_a_time),
    exact(PART, "failed_snapshot_is_sent_again", 1, SENDING, "a snapshot that failed is sent again", sending::failed_snapshot_is_sent_again),
    exact(PART, "entries_follow_the_snapshot", 1, SENDING, "after the snapshot come the entries behind it", sending::entries_follow_the_snapshot),
    exact(PART, "snapshot_replaces_the_log", 2, INSTALLING, "a snapshot replaces a log that is behind, or differs", installing::snapshot_replaces_the_log),
    exact(PART, "snapshot_is_answered", 1, INSTALLING, "a snapshot is answered, and entries fit behind it", installing::snapshot_is_answered),
    exact(PART, "snapshot_brings_the_members", 1, INSTALLING, "a snapshot brings its membership", installing::snapshot_brings_the_members),
    exact(PART, "snapshot_is_handed_out_once", 1, INSTALLING, "a snapshot is handed out once", installing::snapshot_is_handed_out_once),
    exact(PART, "snapshot_and_entries_come_together", 1, INSTALLING, "a snapshot and entries may come in one Ready", installing::snapshot_and_entries_come_together),
    exact(PART, "snapshot_counts_as_log", 1, INSTALLING, "in elections a snapshot counts as log", installing::snapshot_counts_as_log),
    exact(PART, "snapshot_makes_a_follower", 1, INSTALLING, "a snapshot is the word of a leader", installing::snapshot_makes_a_follower),
    exact(PART, "old_snapshot_is_not_installed", 1, INSTALLING, "an old snapshot is not installed, but answered", behind::old_snapshot_is_not_installed),
    exact(PART, "matching_entries_behind_a_snapshot_are_kept", 1, INSTALLING, "entries behind a snapshot that the log agrees with are kept", behind::matching_entries_behind_a_snapshot_are_kept),
    exact(PART, "longer_log_that_differs_gives_way", 1, INSTALLING, "a longer log that differs gives way", behind::longer_log_that_differs_gives_way),
    exact(PART, "snapshot_of_an_older_term_changes_nothing", 1, INSTALLING, "a snapshot of an older term changes nothing", behind::snapshot_of_an_older_term_changes_nothing),
    exact(PART, "append_below_the_snapshot_is_accepted", 1, COMPACTION, "an append that begins below the snapshot is not refused", behind::append_below_the_snapshot_is_accepted),
    exact(PART, "log_shrinks_when_the_host_compacts", 1, COMPACTION, "what is compacted is no longer in the log", behind::log_shrinks_when_the_host_compacts),
    exact(PART, "absent_peer_catches_up_by_snapshot", 1, SENDING, "a peer that was away for long catches up", behind::absent_peer_catches_up_by_snapshot),
    exact(PART, "one_snapshot_is_enough", 1, SENDING, "one snapshot brings a peer up to date", behind::one_snapshot_is_enough),
];
