//! Part 2b, the replicated store: the exact tests, 90 of 200 points.

use harness::suite::{Test, exact};

use crate::unit::p2b::{apply, log, propose, read, ready, restart, save, write};

const PART: &str = "2b";
const LOG: &str = "2b-store.md#log";
const SAVE: &str = "2b-store.md#save";
const PROPOSE: &str = "2b-store.md#propose";
const READY: &str = "2b-store.md#ready";
const APPLY: &str = "2b-store.md#apply";
const WRITE: &str = "2b-store.md#write";
const READ: &str = "2b-store.md#read";
const RESTART: &str = "2b-store.md#restart";

/// The tests, in order.
#[rustfmt::skip]
pub static EXACT: &[Test] = &[
    exact(PART, "entries_are_written", 2, LOG, "all entries of a Ready are in the log, after a power cut too", log::entries_are_written),
    exact(PART, "last_index_is_saved", 1, LOG, "the Raft state says where the log ends", log::last_index_is_saved),
    exact(PART, "old_tail_is_deleted", 2, LOG, "nothing of an overruled log stays behind the new entries", log::old_tail_is_deleted),
    exact(PART, "last_term_moves", 2, LOG, "the term of the last entry is known", log::last_term_moves),
    exact(PART, "memory_agrees_with_the_disk", 2, LOG, "entries read from memory are those on disk", log::memory_agrees_with_the_disk),
    exact(PART, "no_entries_change_nothing", 1, LOG, "without entries the log stays as it is", log::no_entries_change_nothing),
    exact(PART, "other_regions_are_left_alone", 1, LOG, "a peer writes under the keys of its region", log::other_regions_are_left_alone),
    exact(PART, "vote_is_saved", 2, SAVE, "term and vote survive a power cut, without any entry", save::vote_is_saved),
    exact(PART, "vote_of_a_new_peer_is_saved", 1, SAVE, "so does the vote of a peer without a log", save::vote_of_a_new_peer_is_saved),
    exact(PART, "commit_alone_is_saved", 1, SAVE, "a commit index that changes alone is written", save::commit_alone_is_saved),
    exact(PART, "entries_and_hard_state_are_saved", 2, SAVE, "entries and hard state of one Ready are both saved", save::entries_and_hard_state_are_saved),
    exact(PART, "sync_is_asked_for", 2, SAVE, "a Ready that must be synced asks for it", save::sync_is_asked_for),
    exact(PART, "sync_is_never_taken_back", 1, SAVE, "no other peer of the round can take that back", save::sync_is_never_taken_back),
    exact(PART, "writes_of_other_peers_stay", 1, SAVE, "the other peers of a round keep their writes", save::writes_of_other_peers_stay),
    exact(PART, "follower_names_the_leader", 2, PROPOSE, "a follower answers NotLeader, with the leader if it knows one", propose::follower_names_the_leader),
    exact(PART, "old_term_is_stale", 1, PROPOSE, "a command of a term long past is stale", propose::old_term_is_stale),
    exact(PART, "other_store_is_refused", 1, PROPOSE, "a command for another store is refused", propose::other_store_is_refused),
    exact(PART, "other_epoch_is_refused", 1, PROPOSE, "a command for another version of the region is refused, with the present one", propose::other_epoch_is_refused),
    exact(PART, "impossible_keys_are_refused", 2, PROPOSE, "keys that the region cannot hold never get into the log", propose::impossible_keys_are_refused),
    exact(PART, "impossible_commands_are_refused", 1, PROPOSE, "nor do commands that are none", propose::impossible_commands_are_refused),
    exact(PART, "too_large_is_refused", 1, PROPOSE, "nor do commands that are too large, by the byte", propose::too_large_is_refused),
    exact(PART, "entry_holds_the_command", 1, PROPOSE, "the entry holds the command as it came", propose::entry_holds_the_command),
    exact(PART, "each_command_waits_for_its_entry", 2, PROPOSE, "each command is answered for its own entry", propose::each_command_waits_for_its_entry),
    exact(PART, "nothing_is_answered_before_a_majority_has_it", 1, PROPOSE, "no command is answered before a majority has it", propose::nothing_is_answered_before_a_majority_has_it),
    exact(PART, "nothing_is_sent_before_it_is_durable", 3, READY, "what a message claims is on disk when it is sent", ready::nothing_is_sent_before_it_is_durable),
    exact(PART, "promises_survive_a_power_cut_anywhere", 3, READY, "votes and acknowledgements survive a power cut after any write", ready::promises_survive_a_power_cut_anywhere),
    exact(PART, "nothing_is_applied_before_it_is_durable", 1, READY, "data never gets ahead of the log", ready::nothing_is_applied_before_it_is_durable),
    exact(PART, "nothing_leaves_between_the_halves", 1, READY, "nothing leaves a peer between the two halves of a round", ready::nothing_leaves_between_the_halves),
    exact(PART, "messages_and_committed_entries_go_together", 2, READY, "a Ready may have both messages and committed entries", ready::messages_and_committed_entries_go_together),
    exact(PART, "committed_entries_are_handed_on_in_order", 2, READY, "committed entries are handed on once, in order, all of them", ready::committed_entries_are_handed_on_in_order),
    exact(PART, "lone_peer_goes_on_by_itself", 2, READY, "a peer that has more to do is polled again", ready::lone_peer_goes_on_by_itself),
    exact(PART, "a_round_may_commit_and_propose", 1, READY, "a round may commit one entry and propose another", ready::a_round_may_commit_and_propose),
    exact(PART, "data_and_applied_index_survive_together", 3, APPLY, "data and applied index are in one batch", apply::data_and_applied_index_survive_together),
    exact(PART, "applied_index_moves_with_every_entry", 2, APPLY, "the applied index moves with every entry", apply::applied_index_moves_with_every_entry),
    exact(PART, "restart_applies_what_is_missing", 2, APPLY, "a restart applies what is missing, and nothing twice", apply::restart_applies_what_is_missing),
    exact(PART, "old_values_do_not_come_back", 1, APPLY, "no batch brings old values back", apply::old_values_do_not_come_back),
    exact(PART, "overwritten_commands_are_stale", 3, APPLY, "commands whose entries were overwritten are told so", apply::overwritten_commands_are_stale),
    exact(PART, "command_survives_its_leader", 1, APPLY, "commands that the next leader carries on are answered with success", apply::command_survives_its_leader),
    exact(PART, "pending_commands_by_the_table", 3, APPLY, "what an applied entry means for every command that waits", apply::pending_commands_by_the_table),
    exact(PART, "answers_come_after_the_write", 2, APPLY, "an answer comes after the write that it speaks of", apply::answers_come_after_the_write),
    exact(PART, "epoch_is_checked_again", 1, APPLY, "the epoch is checked again when a command is applied", apply::epoch_is_checked_again),
    exact(PART, "put_goes_to_its_family", 2, WRITE, "a put goes to the column family that it names", write::put_goes_to_its_family),
    exact(PART, "delete_goes_to_its_family", 2, WRITE, "so does a delete", write::delete_goes_to_its_family),
    exact(PART, "all_requests_are_carried_out", 1, WRITE, "all requests of a command are carried out, in order", write::all_requests_are_carried_out),
    exact(PART, "delete_range_deletes_the_range", 1, WRITE, "a range deletion deletes the range", write::delete_range_deletes_the_range),
    exact(PART, "refused_command_changes_nothing", 2, WRITE, "a command is carried out as a whole, or not at all", apply::refused_command_changes_nothing),
    exact(PART, "reads_take_their_turn", 3, READ, "a read sees what stands before it in the log, and no more", read::reads_take_their_turn),
    exact(PART, "get_reads_its_family", 1, READ, "a get reads the column family that it names", read::get_reads_its_family),
    exact(PART, "snap_stands_still", 1, READ, "a view of the data stands still", read::snap_stands_still),
    exact(PART, "deposed_leader_answers_no_read", 2, READ, "a leader that was deposed answers no read", read::deposed_leader_answers_no_read),
    exact(PART, "reads_of_others_are_passed_over", 1, READ, "a read changes nothing where nobody waits for it", read::reads_of_others_are_passed_over),
    exact(PART, "store_goes_on_after_a_restart", 1, RESTART, "a store that starts again goes on", restart::store_goes_on_after_a_restart),
    exact(PART, "acknowledged_writes_survive_power_cuts", 3, RESTART, "acknowledged writes survive a power cut after any write", restart::acknowledged_writes_survive_power_cuts),
    exact(PART, "follower_replays_its_log", 1, RESTART, "data that was lost comes back from the log", restart::follower_replays_its_log),
    exact(PART, "failing_disk_silences_the_store", 1, READY, "after a failed write no client is answered", restart::failing_disk_silences_the_store),
    exact(PART, "failing_disk_silences_a_follower", 1, READY, "after a failed write no peer is answered", restart::failing_disk_silences_a_follower),
];
