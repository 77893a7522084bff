//! Part 2ab, log replication: 120 points.

use harness::suite::{Test, exact, searched, simulated};

use crate::core::Face;
use crate::search::SearchTest;
use crate::sim::{Profile, SimTest};
use crate::unit::p2ab::{answers, catch_up, commit, flow, follower, group, leader, leaders_word, votes};

const PART: &str = "2ab";
const LOG: &str = "2a-replication.md#log";
const APPEND: &str = "2a-replication.md#append";
const CONFLICTS: &str = "2a-replication.md#conflicts";
const COMMIT: &str = "2a-replication.md#commit";
const RESPONSES: &str = "2a-replication.md#responses";
const VOTES: &str = "2a-replication.md#votes";
const FLOW: &str = "2a-replication.md#flow-control";
const SIMULATION: &str = "2a-replication.md#simulation";
const SEARCH: &str = "2a-replication.md#search";

/// Seeds run by default.
const SEEDS: u64 = 60;

/// The tests, in order.
#[rustfmt::skip]
pub static TESTS: &[Test] = &[
    exact(PART, "restart_keeps_the_log", 1, LOG, "a restarted peer has the log that is on its disk", leader::restart_keeps_the_log),
    exact(PART, "no_term_behind_the_end", 1, LOG, "the log has no terms behind its last entry", leader::no_term_behind_the_end),
    exact(PART, "new_leader_appends_an_empty_entry", 2, APPEND, "a new leader appends an empty entry, and sends it", leader::new_leader_appends_an_empty_entry),
    exact(PART, "proposal_is_appended_and_sent", 1, APPEND, "a proposal is appended, and sent to everybody", leader::proposal_is_appended_and_sent),
    exact(PART, "proposals_in_one_message_follow_each_other", 1, APPEND, "entries proposed together get consecutive indexes", leader::proposals_in_one_message_follow_each_other),
    exact(PART, "only_a_leader_takes_proposals", 1, APPEND, "everybody but the leader refuses proposals", leader::only_a_leader_takes_proposals),
    exact(PART, "matching_append_is_taken", 1, APPEND, "a follower stores entries that fit, and says how far", follower::matching_append_is_taken),
    exact(PART, "success_names_what_was_covered", 3, APPEND, "an answer promises no more than the append covered", follower::success_names_what_was_covered),
    exact(PART, "append_that_does_not_fit_is_refused", 1, CONFLICTS, "a follower refuses entries that do not fit", follower::append_that_does_not_fit_is_refused),
    exact(PART, "conflicting_entries_are_replaced", 2, CONFLICTS, "entries in conflict with the leader's are replaced", follower::conflicting_entries_are_replaced),
    exact(PART, "unwritten_conflicts_are_replaced", 1, CONFLICTS, "entries in conflict are replaced also before they are written", follower::unwritten_conflicts_are_replaced),
    exact(PART, "late_append_does_not_shorten_the_log", 2, CONFLICTS, "an old append does not shorten a log that is right", follower::late_append_does_not_shorten_the_log),
    exact(PART, "entries_that_come_during_a_write_are_written", 1, LOG, "entries that come during a write are still to be written", follower::entries_that_come_during_a_write_are_written),
    exact(PART, "commit_stops_at_the_last_new_entry", 2, COMMIT, "a follower commits no further than the append reaches", follower::commit_stops_at_the_last_new_entry),
    exact(PART, "commit_never_falls", 1, COMMIT, "the commit index never goes back", follower::commit_never_falls),
    exact(PART, "heartbeat_raises_the_commit", 1, COMMIT, "a heartbeat brings the commit index", follower::heartbeat_raises_the_commit),
    exact(PART, "follower_applies_in_order", 1, COMMIT, "a follower applies each entry once, in order", follower::follower_applies_in_order),
    exact(PART, "committed_entries_are_given_once", 1, COMMIT, "committed entries are handed out once, however they are batched", follower::committed_entries_are_given_once),
    exact(PART, "candidate_follows_an_append", 1, APPEND, "a candidate follows whoever sends appends in its term", leaders_word::candidate_follows_an_append),
    exact(PART, "higher_append_deposes_a_leader", 1, APPEND, "an append of a higher term ends a leadership", leaders_word::higher_append_deposes_a_leader),
    exact(PART, "old_append_changes_nothing", 2, APPEND, "an append of an older term changes nothing, and is answered", leaders_word::old_append_changes_nothing),
    exact(PART, "leader_takes_no_append_of_its_term", 1, APPEND, "a leader takes no append of its own term", leaders_word::leader_takes_no_append_of_its_term),
    exact(PART, "append_restarts_the_wait", 1, APPEND, "an append keeps a follower from campaigning", leaders_word::append_restarts_the_wait),
    exact(PART, "old_append_does_not_restart_the_wait", 1, APPEND, "a deposed leader's append does not", leaders_word::old_append_does_not_restart_the_wait),
    exact(PART, "majority_commits", 1, COMMIT, "a majority commits, and nothing less", commit::majority_commits),
    exact(PART, "commit_is_what_a_majority_holds", 1, COMMIT, "the commit index is the highest that a majority holds", commit::commit_is_what_a_majority_holds),
    exact(PART, "single_peer_commits_at_once", 1, COMMIT, "a group of one commits at once", commit::single_peer_commits_at_once),
    exact(PART, "old_terms_are_not_counted", 3, COMMIT, "entries of older terms are not committed by counting", commit::old_terms_are_not_counted),
    exact(PART, "answers_count_once_and_from_members_only", 1, COMMIT, "a majority is counted in members", commit::answers_count_once_and_from_members_only),
    exact(PART, "followers_learn_of_the_commit", 1, COMMIT, "followers learn of a commit without a new proposal", commit::followers_learn_of_the_commit),
    exact(PART, "lost_commit_news_is_made_up_for", 1, COMMIT, "followers learn of a commit also if the news gets lost", commit::lost_commit_news_is_made_up_for),
    exact(PART, "heartbeat_commit_stays_within_match", 2, COMMIT, "a heartbeat's commit index stays within what its receiver holds", commit::heartbeat_commit_stays_within_match),
    exact(PART, "leader_applies_in_order", 1, COMMIT, "a leader applies each entry once, in order", commit::leader_applies_in_order),
    exact(PART, "nothing_is_applied_before_it_is_committed", 1, COMMIT, "nothing is applied before it is committed", commit::nothing_is_applied_before_it_is_committed),
    exact(PART, "late_success_does_not_lower_match", 1, RESPONSES, "an old success changes nothing", answers::late_success_does_not_lower_match),
    exact(PART, "late_refusal_changes_nothing", 1, RESPONSES, "an old refusal changes nothing", answers::late_refusal_changes_nothing),
    exact(PART, "old_answers_are_not_counted", 1, RESPONSES, "answers of an older term are not counted", answers::old_answers_are_not_counted),
    exact(PART, "match_is_forgotten_at_each_election", 2, RESPONSES, "each election starts with nothing known of the others' logs", answers::match_is_forgotten_at_each_election),
    exact(PART, "followers_ignore_answers", 1, RESPONSES, "answers mean something to leaders only", answers::followers_ignore_answers),
    exact(PART, "higher_answer_deposes", 1, RESPONSES, "an answer of a higher term ends a leadership", answers::higher_answer_deposes),
    exact(PART, "answers_in_any_order", 1, RESPONSES, "match and commit only grow, whatever the order of the answers", answers::answers_in_any_order),
    exact(PART, "followers_of_figure_7_catch_up", 1, RESPONSES, "every follower of figure 7 gets the leader's log", catch_up::followers_of_figure_7_catch_up),
    exact(PART, "refused_append_is_tried_again_at_once", 1, RESPONSES, "after a refusal the leader tries again at once", catch_up::refused_append_is_tried_again_at_once),
    exact(PART, "leader_goes_back_no_further_than_needed", 1, RESPONSES, "a leader goes back no further than the hint says", catch_up::leader_goes_back_no_further_than_needed),
    exact(PART, "lost_appends_are_sent_again", 1, FLOW, "lost appends are sent again", catch_up::lost_appends_are_sent_again),
    exact(PART, "lost_answers_are_made_up_for", 1, FLOW, "lost answers do no harm", catch_up::lost_answers_are_made_up_for),
    exact(PART, "returning_follower_catches_up", 1, FLOW, "a follower that was away catches up", catch_up::returning_follower_catches_up),
    exact(PART, "appends_respect_the_byte_limit", 1, FLOW, "appends are no longer than configured", flow::appends_respect_the_byte_limit),
    exact(PART, "unanswered_appends_are_limited", 1, FLOW, "a follower that does not answer is not buried", flow::unanswered_appends_are_limited),
    exact(PART, "acknowledged_appends_make_room", 1, FLOW, "an acknowledged append makes room for the next", flow::acknowledged_appends_make_room),
    exact(PART, "silent_follower_holds_up_nobody", 1, FLOW, "a follower that is silent holds up nobody else", flow::silent_follower_holds_up_nobody),
    exact(PART, "vote_needs_an_up_to_date_log", 3, VOTES, "votes go to up-to-date candidates only", votes::vote_needs_an_up_to_date_log),
    exact(PART, "request_names_the_last_entry", 1, VOTES, "a candidate names the last entry of its log", votes::request_names_the_last_entry),
    exact(PART, "refusal_adopts_the_term_and_keeps_the_vote", 1, VOTES, "a refused candidate still brings its term", votes::refusal_adopts_the_term_and_keeps_the_vote),
    exact(PART, "leader_steps_down_even_if_it_refuses", 1, VOTES, "a leader steps down for any higher term", votes::leader_steps_down_even_if_it_refuses),
    exact(PART, "proposals_reach_everybody", 1, COMMIT, "under two leaders all peers apply the same", group::proposals_reach_everybody),
    exact(PART, "minority_leader_gives_way", 1, COMMIT, "a leader without a majority commits nothing, and gives way", group::minority_leader_gives_way),
    exact(PART, "newer_uncommitted_entries_are_replaced", 1, VOTES, "newer entries that are not committed give way too", group::newer_uncommitted_entries_are_replaced),
    exact(PART, "new_leader_commits_what_was_left", 1, COMMIT, "a new leader commits what its predecessor left", group::new_leader_commits_what_was_left),
    exact(PART, "peer_without_committed_entries_is_not_elected", 1, VOTES, "who missed committed entries is not elected", group::peer_without_committed_entries_is_not_elected),
    exact(PART, "returning_peer_does_not_stop_the_group", 1, COMMIT, "a peer that comes back costs an election at most", group::returning_peer_does_not_stop_the_group),
    exact(PART, "committed_entries_survive_crashes", 1, COMMIT, "what is committed survives crashes", group::committed_entries_survive_crashes),
    exact(PART, "cut_off_candidate_follows", 1, VOTES, "a candidate that was cut off follows the winner", group::cut_off_candidate_follows),
    simulated(PART, "replication_of_three", 16, SIMULATION, "three peers replicate a log through losses, delays, partitions and crashes", &SimTest { name: "2ab::replication_of_three", face: Face::Bare, profile: Profile::REPLICATION.of(&[3]) }, SEEDS),
    simulated(PART, "replication_of_five", 14, SIMULATION, "so do five", &SimTest { name: "2ab::replication_of_five", face: Face::Bare, profile: Profile::REPLICATION.of(&[5]) }, SEEDS),
    searched(PART, "replication_walks", 14, SEARCH, "random walks and searches find no order of events that loses a committed entry", &SearchTest::replication("2ab::replication_walks")),
];
