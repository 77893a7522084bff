//! What the simulated world itself demands of a cluster: progress after faults, bounded work, clean refusals.

use raft_tests::check::Rule;
use verdict::Strength;

const fn live(id: &'static str, title: &'static str, promised: &'static str, why: &'static str) -> Rule {
    Rule { id, title, strength: Strength::Liveness, layer: "liveness", section: "handout 2B", promised, why }
}

const fn contract(
    id: &'static str,
    layer: &'static str,
    title: &'static str,
    promised: &'static str,
    why: &'static str,
) -> Rule {
    Rule { id, title, strength: Strength::Contract, layer, section: "handout 2B", promised, why }
}

/// A leader is elected, and everybody follows it.
pub const LEADER: Rule = live(
    "SL1",
    "a cluster that is well has a leader",
    "Once all stores run and every message arrives, all peers soon follow one leader.",
    "A region without a leader serves nobody.",
);

/// Everybody catches up.
pub const CATCHES_UP: Rule = live(
    "SL2",
    "all peers catch up",
    "Once all stores run and every message arrives, all peers soon have the leader's log, and have applied all of it.",
    "A peer that never catches up is lost to the region: the next failure may cost the quorum.",
);

/// Every request is answered.
pub const ANSWERS: Rule = live(
    "SL3",
    "every request is answered",
    "In a cluster that is well, every request is answered long before its client gives up.",
    "A callback that is kept for ever, or lost, leaves a client waiting for nothing.",
);

/// Logs are compacted.
pub const COMPACTS: Rule = live(
    "SL4",
    "logs are compacted",
    "Where logs are to be compacted, the log of a cluster that is well stays short.",
    "A log that only grows fills the disk, and makes a restart replay everything that ever happened.",
);

/// Work comes to rest.
pub const RESTS: Rule = contract(
    "SB1",
    "budget",
    "a store comes to rest",
    "Without anything from outside, a store has nothing to do after a few rounds.",
    "State machines that wake each other for ever burn a processor and do nothing.",
);

/// No message storm.
pub const STORM: Rule = contract(
    "SB2",
    "budget",
    "no message storm",
    "The number of messages stays in proportion to ticks, requests and elections.",
    "Two peers that answer each other's answers fill the network and do nothing else.",
);

/// The run ends.
pub const ENDS: Rule = contract(
    "SB3",
    "budget",
    "the run comes to rest",
    "A simulated run needs a bounded number of events.",
    "Work without end for a bounded number of requests is a loop somewhere.",
);

/// A store that is sound starts.
pub const STARTS: Rule = contract(
    "SC1",
    "invariant",
    "a store starts from what a crash leaves",
    "Whatever a crash or a power loss leaves of the two databases, the store starts from it.",
    "A store that does not start again after a power loss has lost its replica of everything.",
);

/// A store goes on unless its disk fails.
pub const GOES_ON: Rule = contract(
    "SC2",
    "invariant",
    "a store stops only if its disk fails",
    "As long as its disks work, no message, request or restart makes a store give up.",
    "A store that stops by itself does so on every replica that gets the same input.",
);

/// A store whose disk fails stops.
pub const STOPS: Rule = contract(
    "SC3",
    "invariant",
    "a store whose disk fails stops",
    "After a failed write or sync, a store says so, and does nothing more.",
    "Nobody knows what is on the disk then: whatever the store says may be a promise that it cannot keep.",
);

/// What is wrong is refused.
pub const REFUSES: Rule = contract(
    "SC4",
    "invariant",
    "a request that is wrong is refused",
    "A request that names a region that is not here, the peer of another store, or an epoch that is over gets an error.",
    "The client's view of the cluster is old: it would read or write what does not belong to it any more.",
);

/// Replicas are equal.
pub const EQUAL: Rule = Rule {
    id: "SX1",
    title: "equal logs make equal data",
    strength: Strength::Safety,
    layer: "invariant",
    section: "§5.4.3",
    promised: "Stores that have applied the same entries hold the same data.",
    why: "Whichever replica leads next, it answers from its own data.",
};

/// All of them, for the table of rules.
pub const ALL: [&Rule; 12] = [
    &LEADER,
    &CATCHES_UP,
    &ANSWERS,
    &COMPACTS,
    &RESTS,
    &STORM,
    &ENDS,
    &STARTS,
    &GOES_ON,
    &STOPS,
    &REFUSES,
    &EQUAL,
];
