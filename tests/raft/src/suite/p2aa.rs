//! Part 2aa, leader election: 90 points.

use harness::suite::{Test, exact, searched, simulated};

use crate::core::Face;
use crate::search::SearchTest;
use crate::sim::{Profile, SimTest};
use crate::unit::p2aa::{campaign, group, roles, terms, timers, votes};

const PART: &str = "2aa";
const START: &str = "2a-election.md#start";
const CAMPAIGN: &str = "2a-election.md#campaign";
const VOTES: &str = "2a-election.md#votes";
const ROLES: &str = "2a-election.md#roles";
const TERMS: &str = "2a-election.md#terms";
const TIMERS: &str = "2a-election.md#timers";
const HEARTBEATS: &str = "2a-election.md#heartbeats";
const SIMULATION: &str = "2a-election.md#simulation";
const SEARCH: &str = "2a-election.md#search";

/// Seeds run by default.
const SEEDS: u64 = 60;

/// The tests, in order.
#[rustfmt::skip]
pub static TESTS: &[Test] = &[
    exact(PART, "starts_as_follower", 1, START, "a fresh peer is a follower of nobody in term 0", campaign::starts_as_follower),
    exact(PART, "restart_keeps_term_and_vote", 1, START, "a restarted peer is in the term, and has the vote, that its disk names", campaign::restart_keeps_term_and_vote),
    exact(PART, "vote_survives_a_crash", 1, START, "a vote is stored before it is told", campaign::vote_survives_a_crash),
    exact(PART, "campaign_asks_everybody", 1, CAMPAIGN, "a candidate raises its term, votes for itself and asks all others", campaign::campaign_asks_everybody),
    exact(PART, "majority_wins", 2, CAMPAIGN, "a majority of all members elects, and nothing less", campaign::majority_wins),
    exact(PART, "single_peer_leads_at_once", 1, CAMPAIGN, "a group of one elects itself", campaign::single_peer_leads_at_once),
    exact(PART, "refusals_do_not_count", 1, CAMPAIGN, "refused votes elect nobody", campaign::refusals_do_not_count),
    exact(PART, "refusal_is_no_defeat", 1, CAMPAIGN, "a refused vote does not end a campaign", campaign::refusal_is_no_defeat),
    exact(PART, "repeated_grant_counts_once", 1, CAMPAIGN, "a vote that arrives twice counts once", campaign::repeated_grant_counts_once),
    exact(PART, "strangers_have_no_vote", 1, CAMPAIGN, "votes of peers that are no members do not count", campaign::strangers_have_no_vote),
    exact(PART, "non_member_never_campaigns", 1, CAMPAIGN, "a peer outside of its group never campaigns", campaign::non_member_never_campaigns),
    exact(PART, "candidate_tries_again", 1, CAMPAIGN, "a candidate that nobody answers starts another election", campaign::candidate_tries_again),
    exact(PART, "late_grant_is_not_counted", 1, CAMPAIGN, "votes of an earlier election do not count", campaign::late_grant_is_not_counted),
    exact(PART, "free_vote_is_given", 1, VOTES, "a free vote is given, stored and told", votes::free_vote_is_given),
    exact(PART, "one_vote_per_term", 2, VOTES, "a peer votes for one candidate in a term", votes::one_vote_per_term),
    exact(PART, "refused_candidate_is_told", 1, VOTES, "a refused candidate is told so", votes::refused_candidate_is_told),
    exact(PART, "same_candidate_is_granted_again", 1, VOTES, "a candidate that asks twice gets the same answer", votes::same_candidate_is_granted_again),
    exact(PART, "new_term_frees_the_vote", 1, VOTES, "each term brings a new vote", votes::new_term_frees_the_vote),
    exact(PART, "votes_from_any_role", 1, VOTES, "whoever hears a candidate of a higher term can vote for it", votes::votes_from_any_role),
    exact(PART, "candidate_keeps_its_own_vote", 1, VOTES, "candidates and leaders vote for themselves only", votes::candidate_keeps_its_own_vote),
    exact(PART, "stale_candidate_gets_nothing", 1, VOTES, "a candidate of an older term gets no vote", votes::stale_candidate_gets_nothing),
    exact(PART, "vote_is_kept_when_a_candidate_gives_up", 1, VOTES, "a vote stays given for its whole term", votes::vote_is_kept_when_a_candidate_gives_up),
    exact(PART, "higher_term_makes_a_follower", 1, TERMS, "any message of a higher term makes a follower", terms::higher_term_makes_a_follower),
    exact(PART, "leader_is_known_only_from_its_own_messages", 1, TERMS, "who leads is known from heartbeats alone", terms::leader_is_known_only_from_its_own_messages),
    exact(PART, "older_terms_change_nothing", 1, TERMS, "messages of older terms change nothing", terms::older_terms_change_nothing),
    exact(PART, "deposed_leader_learns_of_its_end", 1, TERMS, "a leader of an older term is told the current one", terms::deposed_leader_learns_of_its_end),
    exact(PART, "messages_carry_the_term", 1, TERMS, "every message carries its sender's term", terms::messages_carry_the_term),
    exact(PART, "candidate_follows_the_winner", 1, ROLES, "a candidate follows the leader of its term", roles::candidate_follows_the_winner),
    exact(PART, "late_votes_do_not_depose", 1, ROLES, "votes that come after the election change nothing", roles::late_votes_do_not_depose),
    exact(PART, "leader_does_not_campaign", 1, ROLES, "a leader does not campaign against itself", roles::leader_does_not_campaign),
    exact(PART, "leader_stays_leader", 1, ROLES, "a leader has no election timeout", roles::leader_stays_leader),
    exact(PART, "leader_follows_nobody_in_its_term", 1, ROLES, "a leader follows no second leader of its term", roles::leader_follows_nobody_in_its_term),
    exact(PART, "heartbeat_is_answered", 1, HEARTBEATS, "a follower answers heartbeats", roles::heartbeat_is_answered),
    exact(PART, "heartbeat_context_comes_back", 1, HEARTBEATS, "the answer to a heartbeat brings its context back", roles::heartbeat_context_comes_back),
    exact(PART, "beat_sends_heartbeats", 1, HEARTBEATS, "MsgBeat makes a leader send heartbeats at once", roles::beat_sends_heartbeats),
    exact(PART, "timeout_is_in_range", 1, TIMERS, "a peer campaigns after one to two election timeouts of silence", timers::timeout_is_in_range),
    exact(PART, "timeout_is_random", 1, TIMERS, "election timeouts differ, from peer to peer and from time to time", timers::timeout_is_random),
    exact(PART, "heartbeat_restarts_the_wait", 1, TIMERS, "a heartbeat keeps a follower from campaigning", timers::heartbeat_restarts_the_wait),
    exact(PART, "new_leader_restarts_the_wait", 1, TIMERS, "the leader of a new term keeps a peer from campaigning", timers::new_leader_restarts_the_wait),
    exact(PART, "given_vote_restarts_the_wait", 1, TIMERS, "a peer that gives its vote waits for the outcome", timers::given_vote_restarts_the_wait),
    exact(PART, "refused_vote_does_not_restart_the_wait", 1, TIMERS, "a refused candidate does not keep others from campaigning", timers::refused_vote_does_not_restart_the_wait),
    exact(PART, "old_messages_do_not_restart_the_wait", 1, TIMERS, "a deposed leader does not keep others from campaigning", timers::old_messages_do_not_restart_the_wait),
    exact(PART, "leader_sends_heartbeats", 1, HEARTBEATS, "a leader sends a heartbeat to everybody, once an interval", timers::leader_sends_heartbeats),
    exact(PART, "only_leaders_send_heartbeats", 1, HEARTBEATS, "followers and candidates send no heartbeats", timers::only_leaders_send_heartbeats),
    exact(PART, "undisturbed_campaign_wins", 1, ROLES, "in groups of one to seven a campaign makes one leader of all", group::undisturbed_campaign_wins),
    exact(PART, "leadership_changes_hands", 1, ROLES, "each peer in turn is elected", group::leadership_changes_hands),
    exact(PART, "majority_must_be_reachable", 1, ROLES, "a candidate wins if it reaches a majority, and only then", group::majority_must_be_reachable),
    exact(PART, "split_vote_elects_nobody", 1, ROLES, "a split vote elects nobody, a later term somebody", group::split_vote_elects_nobody),
    exact(PART, "rivals_settle_on_one", 1, ROLES, "of two candidates of a term at most one wins", group::rivals_settle_on_one),
    exact(PART, "lost_votes_are_made_up_for", 1, ROLES, "lost votes elect nobody, and do no harm later", group::lost_votes_are_made_up_for),
    exact(PART, "group_elects_and_keeps_a_leader", 1, TIMERS, "a healthy group elects a leader by itself, and keeps it", group::group_elects_and_keeps_a_leader),
    simulated(PART, "elections_of_three", 12, SIMULATION, "three peers elect leaders through losses, delays, partitions and crashes", &SimTest { name: "2aa::elections_of_three", face: Face::Bare, profile: Profile::ELECTION.of(&[3]) }, SEEDS),
    simulated(PART, "elections_of_five", 12, SIMULATION, "so do five", &SimTest { name: "2aa::elections_of_five", face: Face::Bare, profile: Profile::ELECTION.of(&[5]) }, SEEDS),
    searched(PART, "election_walks", 13, SEARCH, "random walks and searches find no order of events that elects two leaders", &SearchTest::election("2aa::election_walks")),
];
