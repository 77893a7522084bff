//! The raft half of part 2c, snapshots: 40 points.

use harness::suite::{Test, exact, searched, simulated};

use crate::core::Face;
use crate::search::SearchTest;
use crate::sim::{Profile, SimTest};
use crate::unit::p2c::{behind, installing, sending};

const PART: &str = "2c-raft";
const SEND: &str = "2c-snapshots.md#send";
const RESTORE: &str = "2c-snapshots.md#restore";
const COMPACTION: &str = "2c-snapshots.md#compaction";
const SIMULATION: &str = "2c-snapshots.md#simulation";
const SEARCH: &str = "2c-snapshots.md#search";

/// Seeds run by default.
const SEEDS: u64 = 60;

/// The tests, in order.
#[rustfmt::skip]
pub static TESTS: &[Test] = &[
    exact(PART, "follower_behind_the_log_gets_a_snapshot", 2, SEND, "who needs compacted entries gets a snapshot", sending::follower_behind_the_log_gets_a_snapshot),
    exact(PART, "follower_within_the_log_gets_entries", 1, SEND, "who needs entries of the log gets entries", sending::follower_within_the_log_gets_entries),
    exact(PART, "busy_storage_is_asked_again", 1, SEND, "a storage that is still making its snapshot is asked again", sending::busy_storage_is_asked_again),
    exact(PART, "one_snapshot_at_a_time", 1, SEND, "there is one snapshot on its way to a follower, not two", sending::one_snapshot_at_a_time),
    exact(PART, "failed_snapshot_is_sent_again", 1, SEND, "a snapshot that failed is sent again", sending::failed_snapshot_is_sent_again),
    exact(PART, "entries_follow_the_snapshot", 1, SEND, "after the snapshot come the entries behind it", sending::entries_follow_the_snapshot),
    exact(PART, "snapshot_replaces_the_log", 2, RESTORE, "a snapshot replaces a log that is behind, or differs", installing::snapshot_replaces_the_log),
    exact(PART, "snapshot_is_answered", 1, RESTORE, "a snapshot is answered, and entries fit behind it", installing::snapshot_is_answered),
    exact(PART, "snapshot_brings_the_members", 1, RESTORE, "a snapshot brings its membership", installing::snapshot_brings_the_members),
    exact(PART, "snapshot_is_handed_out_once", 1, RESTORE, "a snapshot is handed out once", installing::snapshot_is_handed_out_once),
    exact(PART, "snapshot_and_entries_come_together", 1, RESTORE, "a snapshot and entries may come in one Ready", installing::snapshot_and_entries_come_together),
    exact(PART, "newer_snapshot_is_not_lost", 1, RESTORE, "a snapshot that comes while another is installed is not lost", installing::newer_snapshot_is_not_lost),
    exact(PART, "snapshot_counts_as_log", 1, RESTORE, "in elections a snapshot counts as log", installing::snapshot_counts_as_log),
    exact(PART, "snapshot_makes_a_follower", 1, RESTORE, "a snapshot is the word of a leader", installing::snapshot_makes_a_follower),
    exact(PART, "old_snapshot_is_not_installed", 1, RESTORE, "an old snapshot is not installed, but answered", behind::old_snapshot_is_not_installed),
    exact(PART, "matching_entries_behind_a_snapshot_are_kept", 1, RESTORE, "entries behind a snapshot that the log agrees with are kept", behind::matching_entries_behind_a_snapshot_are_kept),
    exact(PART, "longer_log_that_differs_gives_way", 1, RESTORE, "a longer log that differs gives way", behind::longer_log_that_differs_gives_way),
    exact(PART, "snapshot_of_an_older_term_changes_nothing", 1, RESTORE, "a snapshot of an older term changes nothing", behind::snapshot_of_an_older_term_changes_nothing),
    exact(PART, "append_below_the_snapshot_is_accepted", 1, COMPACTION, "an append that begins below the snapshot is not refused", behind::append_below_the_snapshot_is_accepted),
    exact(PART, "log_shrinks_when_the_host_compacts", 1, COMPACTION, "what is compacted is no longer in the log", behind::log_shrinks_when_the_host_compacts),
    exact(PART, "absent_peer_catches_up_by_snapshot", 1, SEND, "a peer that was away for long catches up", behind::absent_peer_catches_up_by_snapshot),
    exact(PART, "one_snapshot_is_enough", 1, SEND, "one snapshot brings a peer up to date", behind::one_snapshot_is_enough),
    simulated(PART, "snapshots_of_three", 6, SIMULATION, "three peers compact their logs, and bring each other up to date by snapshots", &SimTest { name: "2c-raft::snapshots_of_three", face: Face::Raw, profile: Profile::SNAPSHOT.of(&[3]) }, SEEDS),
    simulated(PART, "snapshots_of_five", 5, SIMULATION, "so do five", &SimTest { name: "2c-raft::snapshots_of_five", face: Face::Raw, profile: Profile::SNAPSHOT.of(&[5]) }, SEEDS),
    searched(PART, "snapshot_walks", 5, SEARCH, "random walks and searches find no order of events in which a snapshot loses an entry", &SearchTest::snapshot("2c-raft::snapshot_walks")),
];
