//! Part 2ac, `RawNode`: 40 points.

use harness::suite::{Test, exact, searched, simulated};

use crate::core::Face;
use crate::search::SearchTest;
use crate::sim::{Profile, SimTest};
use crate::unit::p2ac::{handing, news, restart};

const PART: &str = "2ac";
const READY: &str = "2a-rawnode.md#ready";
const ADVANCE: &str = "2a-rawnode.md#advance";
const RESTART: &str = "2a-rawnode.md#restart";
const STEP: &str = "2a-rawnode.md#step";
const SIMULATION: &str = "2a-rawnode.md#simulation";
const SEARCH: &str = "2a-rawnode.md#search";

/// Seeds run by default.
const SEEDS: u64 = 60;

/// The tests, in order.
#[rustfmt::skip]
pub static TESTS: &[Test] = &[
    exact(PART, "idle_peer_has_no_ready", 1, READY, "without news there is no Ready", news::idle_peer_has_no_ready),
    exact(PART, "message_alone_is_news", 1, READY, "a message alone makes a Ready", news::message_alone_is_news),
    exact(PART, "hard_state_alone_is_news", 1, READY, "a new term alone makes a Ready", news::hard_state_alone_is_news),
    exact(PART, "entry_alone_is_news", 1, READY, "a new entry alone makes a Ready", news::entry_alone_is_news),
    exact(PART, "committed_entry_alone_is_news", 1, READY, "a committed entry alone makes a Ready", news::committed_entry_alone_is_news),
    exact(PART, "hard_state_comes_on_change_only", 2, READY, "a Ready has a hard state if it changed, and only then", news::hard_state_comes_on_change_only),
    exact(PART, "soft_state_comes_on_change_only", 1, READY, "a Ready has a soft state if it changed, and only then", news::soft_state_comes_on_change_only),
    exact(PART, "soft_state_alone_is_news", 1, READY, "a new role alone makes a Ready", news::soft_state_alone_is_news),
    exact(PART, "must_sync_is_set_for_what_must_last", 1, READY, "must_sync is set for terms, votes and entries", news::must_sync_is_set_for_what_must_last),
    exact(PART, "messages_are_handed_out_once", 1, READY, "messages are handed out once", news::messages_are_handed_out_once),
    exact(PART, "messages_made_in_between_are_kept", 1, ADVANCE, "messages made before advance() are not lost", news::messages_made_in_between_are_kept),
    exact(PART, "entries_are_handed_out_until_stored", 1, ADVANCE, "entries are handed out until they are stored", handing::entries_are_handed_out_until_stored),
    exact(PART, "entries_appended_in_between_are_kept", 2, ADVANCE, "entries appended before advance() are not lost", handing::entries_appended_in_between_are_kept),
    exact(PART, "entries_replaced_in_between_are_kept", 1, ADVANCE, "entries replaced before advance() are written in their new form", handing::entries_replaced_in_between_are_kept),
    exact(PART, "committed_entries_are_handed_out_once", 1, ADVANCE, "committed entries are handed out once, however slow the state machine", handing::committed_entries_are_handed_out_once),
    exact(PART, "committed_entries_are_on_disk", 1, ADVANCE, "what is to be applied is on disk by then", handing::committed_entries_are_on_disk),
    exact(PART, "committed_entries_respect_the_limit", 1, READY, "a Ready hands out no more committed entries than configured", handing::committed_entries_respect_the_limit),
    exact(PART, "local_messages_are_refused", 1, STEP, "local messages from the network are refused", handing::local_messages_are_refused),
    exact(PART, "refused_proposal_is_an_error", 1, STEP, "a proposal that is refused is reported", handing::refused_proposal_is_an_error),
    exact(PART, "restart_resumes_after_applied", 2, RESTART, "a restart hands out what is committed and not applied", restart::restart_resumes_after_applied),
    exact(PART, "restart_takes_members_from_storage", 1, RESTART, "the members are those that the storage names", restart::restart_takes_members_from_storage),
    exact(PART, "promises_survive_a_crash", 1, RESTART, "what was promised to others survives a crash", restart::promises_survive_a_crash),
    exact(PART, "group_works_through_ready", 1, READY, "a group driven by Readys replicates", handing::group_works_through_ready),
    simulated(PART, "ready_of_three", 5, SIMULATION, "three peers behind RawNode replicate through losses, partitions and crashes", &SimTest { name: "2ac::ready_of_three", face: Face::Raw, profile: Profile::REPLICATION.of(&[3]) }, SEEDS),
    simulated(PART, "ready_of_five", 4, SIMULATION, "so do five", &SimTest { name: "2ac::ready_of_five", face: Face::Raw, profile: Profile::REPLICATION.of(&[5]) }, SEEDS),
    searched(PART, "ready_walks", 5, SEARCH, "random walks and searches find no order of events that breaks the contract of Ready", &SearchTest::ready("2ac::ready_walks")),
];
