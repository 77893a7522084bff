//! What the simulated world itself demands: progress after faults, bounded work, commands applied once.

use verdict::Strength;

use crate::check::Rule;

const fn live(
    id: &'static str,
    title: &'static str,
    section: &'static str,
    promised: &'static str,
    why: &'static str,
) -> Rule {
    Rule { id, title, strength: Strength::Liveness, layer: "liveness", section, promised, why }
}

const fn budget(id: &'static str, title: &'static str, promised: &'static str, why: &'static str) -> Rule {
    Rule {
        id,
        title,
        strength: Strength::Contract,
        layer: "budget",
        section: "handout 2A, the host loop",
        promised,
        why,
    }
}

/// A leader is elected, and stays, once nothing is in its way.
pub const L1: Rule = live(
    "L1",
    "a leader is elected and stays",
    "§5.2",
    "Once all peers run and every message arrives, they soon agree on one leader, and as long as its heartbeats arrive \
     nobody campaigns again.",
    "A group without a leader, or with a new one every moment, serves nobody.",
);

/// A new leader commits what it inherited without waiting for a client.
pub const L2: Rule = live(
    "L2",
    "a new leader commits its whole log",
    "§8",
    "A new leader appends an empty entry of its own term, so that everything before it gets committed even if no client \
     comes.",
    "Entries of old terms are committed only under an entry of the leader's own term (§5.4.2): without one, commands that \
     clients wait for stay uncommitted for as long as nobody proposes another.",
);

/// Everybody catches up.
pub const L3: Rule = live(
    "L3",
    "all peers catch up with the leader",
    "§5.3",
    "The leader retries until every peer's log, commit index and state machine equal its own, however far they lag.",
    "A peer that never catches up is lost to the group: the next failure may cost the quorum.",
);

/// What a leader took, it commits, or another leader replaces it.
pub const L4: Rule = live(
    "L4",
    "every accepted command has a fate",
    "§5.3",
    "What a leader took is committed at the place it got, unless a later leader replaces it.",
    "The caller keeps the client's request under (index, term), and answers when that entry is applied or replaced. If \
     neither happens, the client waits for ever; if another entry of the same term stands there, the wrong client is answered.",
);

/// A command is applied at most once, and only if somebody asked for it.
pub const ONCE: Rule = Rule {
    id: "L6",
    title: "a command is applied at most once",
    strength: Strength::Safety,
    layer: "liveness",
    section: "§8",
    promised: "Each proposal enters the log at most once; a refused one never does.",
    why: "A client that was refused tries elsewhere, and the command would take effect twice.",
};

/// `ready` comes to rest.
pub const L5_READY: Rule = budget(
    "L5a",
    "ready() comes to rest",
    "After a few rounds of ready and advance without any input, has_ready() is false.",
    "The caller loops while has_ready() is true: a Ready that comes back for ever is an endless loop.",
);

/// No message storm.
pub const L5_STORM: Rule = budget(
    "L5b",
    "no message storm",
    "The number of messages stays in proportion to ticks, entries and elections.",
    "Two peers that answer each other's answers fill the network and do nothing else.",
);

/// The log grows by what clients and elections add.
pub const L5_LOG: Rule = budget(
    "L5c",
    "the log does not grow by itself",
    "A log holds one entry for each accepted proposal, and one for each new leader.",
    "A log that grows without proposals eats the disk.",
);

/// The run ends.
pub const L5_EVENTS: Rule = budget(
    "L5d",
    "the run comes to rest",
    "A simulated run needs a bounded number of events.",
    "Work without end for a bounded number of requests is a loop somewhere.",
);

/// All of them, for the table of rules.
pub const ALL: [&Rule; 9] = [&L1, &L2, &L3, &L4, &L5_READY, &L5_STORM, &L5_LOG, &L5_EVENTS, &ONCE];
