//! Part 3a, leader transfer and membership change: 60 points.

use harness::suite::{Test, exact, searched, simulated};

use crate::core::Face;
use crate::search::SearchTest;
use crate::sim::{Profile, SimTest};
use crate::unit::p3a::{joint, members, pending, transfer, transfer_ends};

const PART: &str = "3a";
const TRANSFER: &str = "3a-membership.md#transfer";
const CONF_CHANGE: &str = "3a-membership.md#conf-change";
const SIMULATION: &str = "3a-membership.md#simulation";
const SEARCH: &str = "3a-membership.md#search";

/// Seeds run by default.
const SEEDS: u64 = 60;

/// The tests, in order.
#[rustfmt::skip]
pub static TESTS: &[Test] = &[
    exact(PART, "caught_up_target_is_told_at_once", 1, TRANSFER, "a target that is up to date is told to campaign at once", transfer::caught_up_target_is_told_at_once),
    exact(PART, "lagging_target_catches_up_first", 2, TRANSFER, "a target that lags is brought up to date first", transfer::lagging_target_catches_up_first),
    exact(PART, "no_proposals_during_a_transfer", 2, TRANSFER, "while it hands over a leader refuses proposals", transfer::no_proposals_during_a_transfer),
    exact(PART, "second_target_replaces_the_first", 1, TRANSFER, "a second target replaces the first", transfer::second_target_replaces_the_first),
    exact(PART, "transfer_to_self_or_stranger_does_nothing", 1, TRANSFER, "a transfer to itself, or to a stranger, does nothing", transfer::transfer_to_self_or_stranger_does_nothing),
    exact(PART, "follower_passes_the_request_on", 2, TRANSFER, "a follower passes the request on to its leader", transfer::follower_passes_the_request_on),
    exact(PART, "timeout_now_starts_a_campaign", 1, TRANSFER, "the order to campaign is obeyed at once", transfer::timeout_now_starts_a_campaign),
    exact(PART, "old_or_misdirected_order_is_ignored", 1, TRANSFER, "an old order, or one to a stranger, is not obeyed", transfer::old_or_misdirected_order_is_ignored),
    exact(PART, "transfer_is_given_up_after_a_while", 2, TRANSFER, "a hand-over that takes too long is given up", transfer_ends::transfer_is_given_up_after_a_while),
    exact(PART, "hand_over_has_its_full_time", 1, TRANSFER, "a hand-over has an election timeout, whenever it begins", transfer_ends::hand_over_has_its_full_time),
    exact(PART, "repeated_request_prolongs_nothing", 1, TRANSFER, "asking again does not prolong a hand-over", transfer_ends::repeated_request_prolongs_nothing),
    exact(PART, "transfer_ends_when_the_target_is_removed", 2, TRANSFER, "a hand-over to a removed peer is given up", transfer_ends::transfer_ends_when_the_target_is_removed),
    exact(PART, "next_leadership_starts_without_a_transfer", 1, TRANSFER, "a new leadership knows of no hand-over", transfer_ends::next_leadership_starts_without_a_transfer),
    exact(PART, "leadership_moves_to_the_target", 1, TRANSFER, "in a healthy group the target leads next", transfer_ends::leadership_moves_to_the_target),
    exact(PART, "change_travels_as_an_entry_of_its_type", 1, CONF_CHANGE, "a change is an entry of its own type", members::change_travels_as_an_entry_of_its_type),
    exact(PART, "change_takes_effect_when_applied", 2, CONF_CHANGE, "a change takes effect when it is applied", members::change_takes_effect_when_applied),
    exact(PART, "empty_change_changes_nothing", 1, CONF_CHANGE, "a change that names nobody changes nothing", pending::empty_change_changes_nothing),
    exact(PART, "new_member_gets_the_log_and_counts", 1, CONF_CHANGE, "a new member gets the log, and counts", members::new_member_gets_the_log_and_counts),
    exact(PART, "adding_a_member_again_changes_nothing", 2, CONF_CHANGE, "adding a member again changes nothing", members::adding_a_member_again_changes_nothing),
    exact(PART, "removed_member_counts_for_nothing", 2, CONF_CHANGE, "a removed member counts for nothing", members::removed_member_counts_for_nothing),
    exact(PART, "removal_commits_what_the_smaller_group_holds", 2, CONF_CHANGE, "a removal commits what the smaller group holds", members::removal_commits_what_the_smaller_group_holds),
    exact(PART, "leader_can_remove_itself", 1, CONF_CHANGE, "a leader that removes itself steps down, and stays quiet", members::leader_can_remove_itself),
    exact(PART, "one_change_at_a_time", 2, CONF_CHANGE, "there is one change on its way, not two", pending::one_change_at_a_time),
    exact(PART, "new_leader_waits_for_inherited_changes", 2, CONF_CHANGE, "a new leader waits for the changes that it inherited", pending::new_leader_waits_for_inherited_changes),
    exact(PART, "only_a_leader_takes_changes", 1, CONF_CHANGE, "only a leader takes changes", pending::only_a_leader_takes_changes),
    exact(PART, "no_campaign_before_a_change_is_applied", 1, CONF_CHANGE, "who has yet to apply a committed change does not campaign", pending::no_campaign_before_a_change_is_applied),
    exact(PART, "group_changes_peer_by_peer", 1, CONF_CHANGE, "a group grows and shrinks peer by peer", joint::group_changes_peer_by_peer),
    exact(PART, "membership_survives_a_restart", 1, CONF_CHANGE, "the membership survives a restart", joint::membership_survives_a_restart),
    exact(PART, "learner_gets_the_log_and_does_not_count", 1, CONF_CHANGE, "a learner gets the log, and does not count", joint::learner_gets_the_log_and_does_not_count),
    simulated(PART, "transfers", 7, SIMULATION, "leadership moves on request, through losses, partitions and crashes", &SimTest { name: "3a::transfers", face: Face::Raw, profile: Profile { transfers: true, ..Profile::SNAPSHOT } }, SEEDS),
    simulated(PART, "membership", 6, SIMULATION, "peers join and leave, through losses, partitions and crashes", &SimTest { name: "3a::membership", face: Face::Raw, profile: Profile::MEMBERSHIP }, SEEDS),
    searched(PART, "membership_walks", 7, SEARCH, "random walks and searches find no order of changes that splits the group", &SearchTest::membership("3a::membership_walks")),
];
