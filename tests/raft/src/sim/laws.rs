//! What the simulated world itself demands: progress after faults, bounded work, commands applied once.

use harness::rules;

rules! {
    L1 "L1" Liveness "liveness" "§5.2" "a leader is elected and stays"
        promised "Once all peers run and every message arrives, they soon agree on one leader, and as long as its heartbeats arrive \
                  nobody campaigns again."
        why "A group without a leader, or with a new one every moment, serves nobody."
    L2 "L2" Liveness "liveness" "§8" "a new leader commits its whole log"
        promised "A new leader appends an empty entry of its own term, so that everything before it gets committed even if no client \
                  comes."
        why "Entries of old terms are committed only under an entry of the leader's own term (§5.4.2): without one, commands that \
             clients wait for stay uncommitted for as long as nobody proposes another."
    L3 "L3" Liveness "liveness" "§5.3" "all peers catch up with the leader"
        promised "The leader retries until every peer's log, commit index and state machine equal its own, however far they lag."
        why "A peer that never catches up is lost to the group: the next failure may cost the quorum."
    L4 "L4" Liveness "liveness" "§5.3" "every accepted command has a fate"
        promised "What a leader took is committed at the place it got, unless a later leader replaces it."
        why "The caller keeps the client's request under (index, term), and answers when that entry is applied or replaced. If \
             neither happens, the client waits for ever; if another entry of the same term stands there, the wrong client is answered."
    ONCE "L6" Safety "liveness" "§8" "a command is applied at most once"
        promised "Each proposal enters the log at most once; a refused one never does."
        why "A client that was refused tries elsewhere, and the command would take effect twice."
    L5_READY "L5a" Contract "budget" "handout 2A, the host loop" "ready() comes to rest"
        promised "After a few rounds of ready and advance without any input, has_ready() is false."
        why "The caller loops while has_ready() is true: a Ready that comes back for ever is an endless loop."
    L5_STORM "L5b" Contract "budget" "handout 2A, the host loop" "no message storm"
        promised "The number of messages stays in proportion to ticks, entries and elections."
        why "Two peers that answer each other's answers fill the network and do nothing else."
    L5_LOG "L5c" Contract "budget" "handout 2A, the host loop" "the log does not grow by itself"
        promised "A log holds one entry for each accepted proposal, and one for each new leader."
        why "A log that grows without proposals eats the disk."
    L5_EVENTS "L5d" Contract "budget" "handout 2A, the host loop" "the run comes to rest"
        promised "A simulated run needs a bounded number of events."
        why "Work without end for a bounded number of requests is a loop somewhere."
}
