//! Every rule, in words that a student can learn from.
//!
//! `R1` to `R26` are the classic promises of Raft and of our API; the others judge single transitions. `W` rules are good
//! practice only: they never fail a run, and are named as the probable cause when something else does.

use verdict::Strength::{self, Contract, Liveness, Safety, Should};

/// Something that every correct peer, or group, keeps to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rule {
    /// Name, as in `R13`.
    pub id: &'static str,
    /// In a few words.
    pub title: &'static str,
    /// How hard it is.
    pub strength: Strength,
    /// Which kind of check found it: `relation` (one transition) or `invariant` (the whole group, over time).
    pub layer: &'static str,
    /// Section of the Raft paper, the thesis or the handout.
    pub section: &'static str,
    /// What is promised.
    pub promised: &'static str,
    /// What goes wrong without it.
    pub why: &'static str,
}

/// Declares the rules, and [`RULES`], the list of all.
macro_rules! rules {
    ($($name:ident $id:literal $strength:ident $layer:literal $section:literal $title:literal
        promised $promised:literal
        why $why:literal)*) => {
        $(
            #[doc = $title]
            pub const $name: Rule = Rule {
                id: $id,
                title: $title,
                strength: $strength,
                layer: $layer,
                section: $section,
                promised: $promised,
                why: $why,
            };
        )*

        /// All rules, in the order of their declaration.
        pub const RULES: &[&Rule] = &[$(&$name),*];
    };
}

rules! {
    ONE_LEADER "R1" Safety "invariant" "§5.2" "at most one leader in a term"
        promised "at most one peer ever leads a given term"
        why "two leaders of one term put different entries at the same index and term, and both get them committed"
    LEADER_APPEND_ONLY "R2" Safety "relation" "§5.3" "a leader only appends to its log"
        promised "a leader never overwrites or deletes entries of its own log; it only appends new ones"
        why "followers may have stored and acknowledged what the leader now denies: committed entries get lost"
    LOG_MATCHING "R3" Safety "invariant" "§5.3" "same index and term, same log"
        promised "if two logs hold an entry with the same index and term, they are equal up to that entry"
        why "all of Raft compares logs by index and term only; if equal names hide different contents, nobody notices that \
             state machines go apart"
    LEADER_COMPLETENESS "R4" Safety "invariant" "§5.4" "a leader has all that earlier terms committed"
        promised "whoever becomes leader of a term holds every entry that was committed in an earlier term"
        why "the new leader makes all others delete the committed entry, after a client was told that it is safe"
    STATE_MACHINE_SAFETY "R5" Safety "invariant" "§5.4.3" "committed once, committed for ever"
        promised "once an entry is committed or applied at an index, no other entry is ever committed or applied there"
        why "two replicas apply different commands at the same place, and their data differs for ever"
    TERM_MONOTONIC "R6" Safety "relation" "§5.1" "the term never goes back"
        promised "a peer's term never decreases, not even through a restart"
        why "the peer enters a term a second time, can vote in it a second time, and two leaders get elected"
    COMMIT_MONOTONIC "R7" Safety "relation" "§5.3" "applied ≤ commit ≤ last, and none goes back"
        promised "commit and applied indexes never decrease while a peer runs, and applied ≤ commit ≤ last index"
        why "what is committed has been applied and told to clients; a commit index that goes back, or beyond the log, makes \
             replicas apply entries twice, or apply what is not there"
    RESTART "R8" Contract "invariant" "figure 2, handout" "a restarted peer is what its disk says"
        promised "after a restart, term, vote, commit, log, membership and applied index are those on disk, and the peer is a \
                  follower"
        why "a peer that forgets its term or vote votes twice in one term; one that forgets its log or group breaks what it \
             has acknowledged"
    TERM_DURABLE "R9" Safety "invariant" "figure 2" "the term is on disk before a message of that term goes out"
        promised "a peer sends a message of a term only when that term, or a later one, is durable on its disk"
        why "after a crash the peer returns to the earlier term and acts again in the one it has already spoken in: it can \
             vote twice"
    VOTE_DURABLE "R10" Safety "invariant" "figure 2" "a vote is on disk before it is given"
        promised "a granted vote goes out, and a leader speaks, only when the vote (the leader's for itself) is durable"
        why "after a crash the peer has forgotten whom it voted for, votes again in the same term, and two leaders get elected"
    ENTRIES_DURABLE "R11" Safety "invariant" "figure 2" "entries are on disk before they are acknowledged"
        promised "a successful append response goes out only when the log up to its index is durable"
        why "the leader counts the entry as stored; a crash of this peer loses it, and with it possibly a committed command"
    COMMITTED_DURABLE "R12" Safety "invariant" "§5.3" "committed means stored by a majority"
        promised "when an entry is first treated as committed, it is durable on a majority of the voters"
        why "a minority can be lost, or outvoted, and the entry with it, after clients were told that it is safe"
    COMMIT_OWN_TERM "R13" Safety "relation" "§5.4.2" "a leader counts only entries of its own term"
        promised "a leader raises its commit index by counting replicas only to an entry of its own term"
        why "an entry of an earlier term can be stored by a majority and still be overwritten by a later leader (figure 8)"
    ONE_VOTE "R14" Safety "invariant" "§5.2" "one vote per term"
        promised "a peer gives its vote in a term to at most one candidate, restarts included, and never takes it back"
        why "two candidates can both reach a majority: two leaders in one term"
    UP_TO_DATE_VOTE "R15" Safety "relation" "§5.4.1" "no vote for a log that is behind"
        promised "a vote goes only to a candidate whose last entry has a higher term than the voter's, or the same term and an \
                  index that is not lower"
        why "a candidate without a committed entry could win, and would make all others delete it"
    FOLLOWER_COMMIT "R16" Safety "relation" "figure 2" "a follower commits only what it knows to match"
        promised "a follower raises its commit index only on its leader's word, and at most to min(leader's commit, last entry \
                  that this message proves to match)"
        why "entries behind the ones in the message may be leftovers of an earlier leader; committing them applies what was \
             never agreed on"
    ACK_PROVED "R17" Safety "relation" "§5.3" "an acknowledgement covers only what was proved"
        promised "a successful append response names an index up to which the log is known to match the leader's: at most the \
                  last index of an append (or snapshot) of that term, or the commit index"
        why "the leader counts a leftover tail of an earlier leader as a copy of its own entries, and commits entries that a \
             majority does not have"
    CONFLICT_ONLY "R18" Safety "relation" "§5.3" "only a conflict truncates the log"
        promised "a follower deletes entries only if one of the received entries has the same index and another term, and then \
                  everything from there on; an old message must not shorten a log that is right"
        why "appends arrive late and twice: an old one would delete entries that were acknowledged in between"
    APPEND_HONEST "R19" Safety "relation" "§5.3" "an append describes the leader's log"
        promised "an append carries a contiguous piece of the sender's log, the true term of the entry before it, and a commit \
                  index that is not beyond the sender's"
        why "followers take these values as the truth and build their logs on them"
    STALE_IGNORED "R20" Safety "relation" "§5.1" "messages of an older term change nothing"
        promised "a message of an older term is refused or dropped; it changes nothing in the receiver"
        why "a deposed leader or an earlier election reaches into the present one: stale votes and acknowledgements get counted"
    SNAPSHOT_SOUND "R21" Safety "relation" "§7" "a snapshot never loses anything"
        promised "a snapshot is installed only if it is ahead of the commit index and the log does not hold its last entry; it \
                  stands for exactly the committed entries up to its index, and is handed out for installing"
        why "an old snapshot would take the state machine back, and one that covers a prefix of the log would delete the \
             acknowledged entries behind it"
    COMPACTION "R22" Contract "relation" "§7" "the log starts behind the snapshot"
        promised "first_index never decreases, and never passes the commit index by more than one"
        why "entries that are not in a snapshot yet would be gone"
    ONE_CONF_CHANGE "R23" Safety "invariant" "thesis §4.1" "one membership change at a time"
        promised "a leader appends a membership change only when all earlier ones in its log are applied, and the group that \
                  results from applying one differs by exactly that peer"
        why "two changes at once allow two majorities without a common member: two leaders, two histories"
    TRANSFER "R24" Contract "relation" "thesis §3.10" "leadership is handed to a voter that is up to date"
        promised "during a hand-over proposals are refused, TimeoutNow goes only to the chosen voter and only when it holds the \
                  whole log, and the leader gives up after an election timeout"
        why "the chosen peer would lose the election, or the group would refuse writes for ever"
    READY "R25" Contract "relation" "handout" "Ready hands out everything once, in order, without a gap"
        promised "each change of state, each entry, each committed entry, each message and each snapshot comes out of exactly \
                  one Ready, in order and without gaps; has_ready() says whether there is anything"
        why "what is handed out twice is written, sent or applied twice; what is left out is lost, or never applied"
    ELECTION_TIMER "R26" Contract "relation" "§5.2" "the election timer"
        promised "a follower campaigns after election_ticks to 2 * election_ticks ticks without a message of its leader and \
                  without giving a vote, at a moment that is drawn at random"
        why "followers that campaign too early depose a healthy leader; ones that do not campaign leave the group without one; \
             equal timeouts split the votes again and again"
    MAJORITY "R27" Safety "relation" "§5.2" "a leader has a majority of votes"
        promised "a candidate becomes leader only when a majority of the voters, itself included, granted their votes in this \
                  very term"
        why "less than a majority, counted votes of another term, or votes of non-members allow two leaders at once"
    TERM_STEP "R28" Contract "relation" "§5.1" "the term rises for a reason"
        promised "a peer's term rises only to the term of a message it receives, or by one when it campaigns"
        why "needless terms depose leaders that work"
    VOTE_ASKED "R29" Safety "relation" "§5.2" "a vote answers a request"
        promised "a vote is given to the candidate that asks for it in this term, or to oneself when campaigning; a new term \
                  starts without a vote"
        why "a vote that nobody asked for, or that is left over from an older term, can complete a majority twice, or block \
             elections for ever"
    STEP_DOWN "R30" Contract "relation" "figure 4" "a leader leads until it learns of a higher term"
        promised "a leader stays leader of its term until it sees a higher one (or loses its quorum, or is removed), and never \
                  campaigns"
        why "a leader that steps down without need stops the group for an election"
    LEADER_KNOWN "R31" Contract "relation" "§5.2" "leader_id names the leader of the current term"
        promised "Status::leader_id is the peer that leads the current term, or NONE while that is not known"
        why "clients and proposals are sent to a peer that does not lead"
    LOG_OWNED "R32" Safety "relation" "§5.3" "a log changes only by its leader's word"
        promised "a follower's log changes only by an append or snapshot of the current leader whose preceding entry it holds, and \
                  then to exactly what the leader sent; a leader's new entries are of its own term"
        why "logs that agree at one entry would differ before it, and nobody could notice"
    COMMIT_QUORUM "R33" Safety "relation" "§5.3" "a leader commits what a majority has acknowledged"
        promised "a leader raises its commit index only to what a majority of the voters, itself included, acknowledged in this \
                  very term"
        why "an entry that a majority does not hold can be lost with the peers that hold it"
    MESSAGE_FORM "R34" Contract "relation" "handout" "messages say who, to whom and in which term"
        promised "a message carries its sender, another peer as receiver, and the sender's term at the time; local kinds never \
                  leave the peer"
        why "a receiver ignores, or worse, believes a message that says the wrong term or sender"
    LEADER_ONLY "R35" Safety "relation" "§5.2" "only the leader speaks as leader"
        promised "appends, heartbeats, snapshots and TimeoutNow are sent only by the leader of the term that they name"
        why "receivers take the sender of such a message for the leader of the term, and follow it"
    REQUEST_HONEST "R36" Safety "relation" "§5.4.1" "a candidate names its true last entry"
        promised "a vote request is sent by a candidate of the term, and names the index and term of the last entry of its log"
        why "voters decide by these two numbers whether the candidate holds all that is committed"
    HEARTBEAT_COMMIT "R37" Safety "relation" "handout" "a heartbeat commits only what the follower is known to hold"
        promised "the commit index in a heartbeat is at most what the receiver has acknowledged in this term"
        why "a heartbeat names no log position: the receiver would commit whatever its log holds there"
    PROGRESS "R38" Safety "relation" "figure 2" "matched is what was acknowledged"
        promised "a leader's `matched` of a peer is at most what the peer acknowledged in this very term, and never decreases"
        why "commit is decided by these numbers: a value from an earlier term, or a guess, commits what is not stored"
    PROPOSAL "R39" Contract "relation" "handout" "a proposal is appended or refused"
        promised "propose returns Ok only if the entry was appended to the leader's log, and an error changes nothing"
        why "clients wait for an answer that never comes, or repeat a command that was taken"
    MUST_SYNC "R40" Safety "relation" "figure 2" "must_sync says when to sync"
        promised "must_sync is true if term, vote, entries or snapshot are among the writes"
        why "messages go out before what they promise is durable"
    READ_FRESH "R41" Safety "invariant" "thesis §6.4" "a read sees what was committed before it"
        promised "the index of a confirmed read is at least what the group had committed when the read was asked for"
        why "a client reads a value that was overwritten before it asked"
    APPLIED "R42" Contract "relation" "handout" "applied is what the caller reported"
        promised "Status::applied moves only by advance_apply"
        why "entries are handed out again, or never"
    RANDOM_TIMER "R43" Liveness "invariant" "§5.2" "election timeouts are random"
        promised "election timeouts are drawn anew, at random, for each peer and each campaign"
        why "peers that time out together split the votes, and do so again in each term"

    GIVE_FREE_VOTE "W1" Should "relation" "§5.2" "a free vote is given"
        promised "a peer that has not voted in the term votes for a candidate that is up to date"
        why "if votes are withheld, elections take more rounds than they need, or never end"
    ANSWER_VOTE "W2" Should "relation" "§5.2" "a stale candidate learns of the newer term"
        promised "a vote request is answered, also if it is refused"
        why "a candidate or leader of an older term never learns that it is behind"
    CANDIDATE_YIELDS "W3" Should "relation" "§5.2" "a candidate follows the leader of its term"
        promised "a candidate that hears the leader of its term becomes its follower"
        why "it campaigns again and deposes the leader"
    TAKE_APPEND "W4" Should "relation" "§5.3" "a matching append is taken"
        promised "a follower that holds the entry before an append takes the append's entries"
        why "the follower never catches up"
    FOLLOW_COMMIT "W5" Should "relation" "§5.3" "a follower follows the leader's commit"
        promised "a follower raises its commit index to min(leader's commit, last entry proved to match)"
        why "the follower applies late, or never"
    NEXT_BEHIND "W6" Should "relation" "§5.3" "next is behind matched"
        promised "a leader's `next` for a peer stays above `matched`"
        why "entries that the peer has acknowledged are sent again and again"
    VOTERS_CAMPAIGN "W7" Should "relation" "thesis §4.2" "only voters campaign"
        promised "a peer that is not a voter of its own group does not campaign"
        why "removed peers and learners depose leaders with ever higher terms"
    SYNC_NEEDED "W8" Should "relation" "handout" "sync only when needed"
        promised "must_sync is false if at most the commit index changed"
        why "a sync costs milliseconds"
    NO_ANSWER_LOST "W9" Should "relation" "§5.3" "an append is answered"
        promised "an append of the current leader is answered, with success or refusal"
        why "without an answer the leader cannot commit, or find the place where the logs agree"
}
