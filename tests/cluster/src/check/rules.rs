//! Every rule of the store, in words that a student can learn from.
//!
//! `S1` to `S22` judge what crosses the seams of a store (the numbers that are missing belong to parts that are still to come);
//! `H` rules judge what clients saw; progress is judged by the laws of the simulation. The promises of Raft itself (`R1`
//! to `R14`) are those of the Raft parts, in `raft_tests::check::rules`: a store can break them all with a correct Raft core, by
//! writing, syncing and sending in the wrong order.

use harness::rules;

rules! {
    APPLY_ATOMIC "S1" Safety "invariant" "handout 2B, applying" "data and applied index change together"
        promised "the changes that committed entries make, and the applied index that counts these entries, reach kvdb in one write \
                  batch"
        why "a crash between two batches leaves data that the applied index denies, so that the entries are applied again, or an \
             index without its data, so that they are lost"
    SAME_DATA "S2" Safety "invariant" "§5.4.3, handout 2B" "same applied index, same data"
        promised "a region's data at an applied index is exactly what the committed log up to it says, on every store, also after a \
                  restart"
        why "replicas that differ give different answers, and which one a client gets depends on who leads"
    RESTARTABLE "S3" Safety "invariant" "handout 2B, restart" "the two databases fit together after any loss"
        promised "whatever unsynced tail each of the two databases loses, what is left is a state to start from: the Raft log reaches \
                  at least to the applied index, has no holes behind the truncated index, and an unfinished snapshot can be resumed"
        why "raftdb and kvdb lose their tails independently; a store that has applied what its log no longer holds can neither \
             start nor be told apart from one that has lost committed entries"
    DISJOINT "S4" Safety "invariant" "handout 2B" "regions of a store do not overlap"
        promised "the key ranges of the regions that a store holds have no key in common"
        why "two Raft groups write the same key, and neither knows of the other"
    EPOCH "S6" Safety "invariant" "handout 3B" "an epoch names one range and one membership"
        promised "a region with the same epoch has the same key range and the same peers, on every store and for ever"
        why "epochs are how stores and clients notice that a region has changed; equal epochs that hide different regions let \
             commands through to the wrong keys"
    CHECKED_AT_APPLY "S7" Safety "invariant" "handout 3B, applying" "epoch and keys are checked when a command is applied"
        promised "a command whose epoch is no longer the region's, or whose keys lie outside its range, has no effect when its turn comes"
        why "the region may have changed between proposing and applying: unchecked, a command writes keys that belong to another \
             region by now"
    TOMBSTONE "S8" Safety "invariant" "handout 3B" "a removed peer never comes back"
        promised "once a store has marked a region as tombstone, that peer neither speaks nor writes again; only a peer with a higher \
                  id may take its place"
        why "a removed peer that lives on votes and acknowledges with a log that nobody keeps up any more"
    DESTROYED "S9" Contract "invariant" "handout 3B" "a removed peer leaves nothing behind"
        promised "of a removed peer neither log entries nor data stay on the store"
        why "left-over data shows up as data of whichever region gets that range next"
    SNAPSHOT "S10" Safety "invariant" "§7, handout 2C" "a snapshot replaces everything at once"
        promised "installing a snapshot takes the region from its old state to exactly the state at the snapshot's index: region state \
                  *Applying*, apply state and the snapshot's Raft state in one batch first; then the data, with what was there before \
                  cleared away; then *Normal*; and no entry is applied in between"
        why "a crash in the middle must end in the old or the new state; anything else is data that no index describes"
    SNAPSHOT_FILE "S11" Contract "invariant" "handout 2C" "a snapshot file stays as long as it is needed"
        promised "a snapshot file is not deleted while it is being read, nor, if it was received, before its installation is safe on disk"
        why "after a crash the store has to install it again; without the file it can never start"
    ANSWERED_ONCE "S12" Contract "invariant" "handout 2B, callbacks" "every command is answered exactly once"
        promised "every command that a running store takes is answered: with its result, or with an error that says what the client \
                  can do; only if a snapshot has taken the place of its entry the outcome may be left open"
        why "a client whose command is forgotten waits for ever, and cannot know whether it took effect"
    ANSWER_TRUE "S13" Safety "invariant" "handout 2B, callbacks" "an answer tells the truth about its own command"
        promised "success is answered only when the very command, found by index *and* term, has been committed and applied on this \
                  store; an error that promises that nothing happened is answered only if nothing ever happens; and a command takes \
                  effect at most once"
        why "a callback that is found by its index alone gets the result of another leader's command: a write that was lost is \
             reported as done, or one that was done is reported as lost, and the client does it again"
    READ_FRESH "S14" Safety "invariant" "§8, handout 2B" "reads are fresh"
        promised "a read shows everything that was known to be committed when it was asked for; one that goes through the log, also \
                  everything that stands before it there"
        why "a leader that has been deposed, and does not know it yet, answers with data that another leader has long overwritten"
    READ_STATE "S15" Safety "invariant" "handout 2B" "a read shows one state"
        promised "a snapshot for reading shows the region's data as of one applied index, with the region of that moment"
        why "data from before and after a write side by side is a state that never was"
    LOG_GC "S16" Safety "invariant" "§7, handout 2C" "the log is the redo log of the data"
        promised "log entries are deleted only up to the truncated index that is safe in kvdb, which is never beyond the applied index, \
                  and whose term is remembered"
        why "kvdb is not synced with every batch: after a power loss the entries are needed again, and whoever has deleted them has \
             lost data that clients were promised"
    OWN_KEYS "S20" Contract "invariant" "handout, data on disk" "everything is written where it belongs"
        promised "raftdb holds Raft logs and Raft states, kvdb holds data, apply states and region states, each under the keys of the \
                  table in *data on disk*; and data is written only inside the store's own regions"
        why "what stands in the wrong place is not found at the next start, or is taken for something else"
    FAIL_STOP "S22" Safety "invariant" "handout, data on disk" "after a failed write or sync the store is silent"
        promised "after a failed write or sync a store sends no message, gives no good answer and writes nothing any more"
        why "nobody knows what is on the disk: whatever the store promises from then on may already be lost"
    NO_LEFTOVERS "S23" Contract "invariant" "handout 2B, saving" "nothing is left behind the end of the log"
        promised "when new entries take the place of old ones, the old ones behind them are deleted in the same write"
        why "they were never committed; whoever finds them on disk later, and takes them for part of the log, has a log that nobody \
             else has"
    LOG_EXPLAINS "H1" Safety "history" "§8" "the log explains every answer"
        promised "every answer that a client got is the one that the committed log gives, at a moment between question and answer"
        why "that is what clients rely on: a replicated store behaves like one that is not replicated"
    WRITTEN_ONCE "H2" Safety "history" "§8" "a write happens once, or not at all"
        promised "a write that was acknowledged is in the log exactly once, between question and answer; one that was refused is not in it; \
                  and nothing is in it that nobody asked for"
        why "a write that happens twice brings back a value that has been overwritten in between"
    LINEARIZABLE "H3" Safety "history" "§8" "clients see one order"
        promised "there is one order of all operations, each between its question and its answer, that explains every answer"
        why "without it, a client that has seen a value can see an older one afterwards, or two clients can disagree about what came \
             first"
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::RULES;

    #[test]
    fn every_rule_has_its_own_id() {
        let ids: BTreeSet<&str> = RULES.iter().map(|rule| rule.id).collect();
        assert_eq!(ids.len(), RULES.len());
    }
}
