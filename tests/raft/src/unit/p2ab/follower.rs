//! What a follower does with an append.

use proto::eraftpb::Message;
use proto::eraftpb::MessageType::MsgAppendResponse;
use raft::{Index, LogId, NONE, Term};

use crate::unit::fixture::{Peer, Setup};
use crate::unit::msg::{at, describe_log, ids};
use crate::unit::{Check, Promise, ensure, msg, story};

/// Log before; position before the new entries, and their terms; log after. Logs as the terms of their entries.
type Replacement = (&'static [Term], LogId, &'static [Term], &'static [Term]);
/// Log before; position before the new entries, and their terms; the leader's commit index; the follower's, after.
type Commit = (&'static [Term], LogId, &'static [Term], Index, Index);

/// Peer 1, a follower of peer 2 in term 5, with entries of the given terms.
fn follower(log: &[Term], commit: Index) -> Check<Peer> {
    let mut peer = Setup::bare(1, 3).log(log).hard(5, NONE, commit).start()?;
    peer.hears(msg::heartbeat(2, 1, 5, 0))?;
    peer.sends();
    Ok(peer)
}

/// The follower's answer to an append of its leader.
fn answer(promise: Promise, peer: &mut Peer, append: Message) -> Check<Message> {
    let heard = msg::describe(&append);
    peer.hears(append)?;
    let sent = peer.sends_kind(MsgAppendResponse);
    ensure!(promise, sent.len() == 1, "it heard {heard}, and sent {}", msg::describe_all(&sent));
    let right = (sent[0].to, sent[0].term) == (2, 5);
    ensure!(promise, right, "it heard {heard}, and sent {}", msg::describe(&sent[0]));
    Ok(sent[0].clone())
}

const TAKES: Promise = Promise::new(
    "§5.3",
    "a follower that holds the entry before the new ones stores them, and answers with the last index that it now shares \
     with the leader: that of the entry before them plus their number",
    "the leader would not know what it may commit",
);

/// Appends that fit.
pub fn matching_append_is_taken() -> Check {
    let cases: [Replacement; 5] = [
        (&[], at(0, 0), &[5], &[5]),
        (&[], at(0, 0), &[1, 2, 5], &[1, 2, 5]),
        (&[1, 1], at(2, 1), &[2, 5, 5], &[1, 1, 2, 5, 5]),
        (&[1, 1], at(2, 1), &[], &[1, 1]),
        (&[1, 4], at(1, 1), &[4, 4], &[1, 4, 4]),
    ];
    for (log, prev, new, expected) in cases {
        let mut peer = follower(log, 0)?;
        let answer = answer(TAKES, &mut peer, msg::append(2, 1, 5, prev, new, 0))?;
        let (ours, seen) = (describe_log(&ids(log)), describe_log(&peer.log()));
        let name = format!("log {ours}, {} entries came to follow {}@{}", new.len(), prev.index, prev.term);
        ensure!(TAKES, peer.log() == ids(expected), "{name}; on disk: {seen}");
        let right = !answer.reject && answer.index == prev.index + new.len() as u64;
        ensure!(TAKES, right, "{name}; it answered {}", msg::describe(&answer));
    }
    Ok(())
}

const COVERED: Promise = Promise::new(
    "§5.3",
    "the answer names the last index that *this* append showed to match, not the follower's last entry: what it holds \
     behind that may not be the leader's",
    "the leader would count entries as stored that its followers do not hold, and lose what it committed",
);

/// Short appends to a follower with a long log that differs at the end.
pub fn success_names_what_was_covered() -> Check {
    let cases: [(LogId, &[Term], Index); 4] =
        [(at(2, 1), &[], 2), (at(1, 1), &[1], 2), (at(0, 0), &[1], 1), (at(2, 1), &[1], 3)];
    for (prev, new, expected) in cases {
        let mut peer = follower(&[1, 1, 1, 3, 3, 3], 0)?;
        let answer = answer(COVERED, &mut peer, msg::append(2, 1, 5, prev, new, 0))?;
        let right = !answer.reject && answer.index == expected;
        let name = format!("its log has 6 entries, the append ended at {expected}");
        ensure!(COVERED, right, "{name}; it answered {}", msg::describe(&answer));
    }
    Ok(())
}

const CHECKS: Promise = Promise::new(
    "§5.3",
    "a follower that does not hold the entry before the new ones refuses them: it answers with reject and the index of \
     that entry, and its log stays as it is",
    "logs would have gaps, or differ below entries that are equal",
);

/// Gaps, and other terms at the place before the new entries.
pub fn append_that_does_not_fit_is_refused() -> Check {
    let cases: [(&[Term], LogId, &[Term]); 6] = [
        (&[], at(1, 1), &[5]),
        (&[1, 1], at(3, 1), &[5]),
        (&[1, 1], at(7, 4), &[]),
        (&[1, 2, 2], at(3, 1), &[5]),
        (&[1, 2, 2], at(3, 3), &[5, 5]),
        (&[3, 3, 3], at(1, 1), &[]),
    ];
    for (log, prev, new) in cases {
        let mut peer = follower(log, 0)?;
        let answer = answer(CHECKS, &mut peer, msg::append(2, 1, 5, prev, new, 9))?;
        let (ours, seen) = (describe_log(&ids(log)), describe_log(&peer.log()));
        let name = format!("log {ours}, {} entries came to follow {}@{}", new.len(), prev.index, prev.term);
        let right = answer.reject && answer.index == prev.index;
        ensure!(CHECKS, right, "{name}; it answered {}", msg::describe(&answer));
        ensure!(CHECKS, peer.log() == ids(log), "{name}; on disk: {seen}");
        ensure!(CHECKS, peer.commit() == 0, "{name}, with commit 9; {}", peer.describe());
    }
    Ok(())
}

const REPLACES: Promise = Promise::new(
    "§5.3",
    "an entry that conflicts with a new one (same index, another term) is deleted with all that follow it, and the new \
     ones take their place, on disk too",
    "logs would differ for ever",
);

/// Conflicts at several places.
pub fn conflicting_entries_are_replaced() -> Check {
    let cases: [Replacement; 6] = [
        (&[1, 1, 1], at(2, 1), &[2], &[1, 1, 2]),
        (&[1, 1, 1, 1], at(1, 1), &[2], &[1, 2]),
        (&[1, 1, 1, 1], at(1, 1), &[1, 4, 4], &[1, 1, 4, 4]),
        (&[3, 3, 3], at(0, 0), &[5], &[5]),
        (&[1, 2, 3, 3, 3], at(2, 2), &[4, 4], &[1, 2, 4, 4]),
        (&[1, 1, 2, 2, 2], at(0, 0), &[1, 1, 3], &[1, 1, 3]),
    ];
    for (log, prev, new, expected) in cases {
        let mut peer = follower(log, 0)?;
        let answer = answer(REPLACES, &mut peer, msg::append(2, 1, 5, prev, new, 0))?;
        let (ours, seen) = (describe_log(&ids(log)), describe_log(&peer.log()));
        let sent = describe_log(
            &(prev.index + 1..).zip(new).map(|(index, &term)| at(index, term)).collect::<Vec<_>>(),
        );
        ensure!(REPLACES, peer.log() == ids(expected), "log {ours}, {sent} came; on disk: {seen}");
        ensure!(
            REPLACES,
            peer.status().last == ids(expected)[expected.len() - 1],
            "log {ours}, {sent} came; {:?}",
            peer.status()
        );
        ensure!(REPLACES, !answer.reject, "log {ours}, {sent} came; it answered {}", msg::describe(&answer));
        let peer = peer.restarts()?;
        ensure!(
            REPLACES,
            peer.log() == ids(expected),
            "{sent} were acknowledged; after a crash: {}",
            describe_log(&peer.log())
        );
    }
    Ok(())
}

/// The entries in conflict are not on disk yet when the new ones come.
pub fn unwritten_conflicts_are_replaced() -> Check {
    let cases: [Replacement; 4] = [
        (&[1, 1, 1], at(2, 1), &[2], &[1, 1, 2]),
        (&[1, 1, 1], at(1, 1), &[2], &[1, 2]),
        (&[1, 1, 1, 1], at(2, 1), &[2], &[1, 1, 2]),
        (&[1, 1, 1, 1, 1], at(1, 1), &[1, 2, 2], &[1, 1, 2, 2]),
    ];
    for (unwritten, prev, new, expected) in cases {
        let mut peer = Setup::bare(1, 3).log(&[1]).start()?;
        let (old, new) = (
            msg::append(3, 1, 1, at(1, 1), unwritten, 0),
            msg::append(2, 1, 2, at(prev.index + 1, prev.term), new, 0),
        );
        let heard = format!("{}; then {}", msg::describe(&old), msg::describe(&new));
        story::note(format!("peer 1 hears, before anything is written, {heard}"));
        peer.answer = peer.core.step(old);
        peer.answer = peer.core.step(new);
        peer.round()?;
        let expected: Vec<LogId> = ids(&[&[1][..], expected].concat());
        let seen = describe_log(&peer.log());
        ensure!(REPLACES, peer.log() == expected, "log 1@1, it heard {heard}; on disk: {seen}");
        let last = peer.status().last;
        ensure!(REPLACES, last == expected[expected.len() - 1], "log 1@1, it heard {heard}; last {last:?}");
        let peer = peer.restarts()?;
        let seen = describe_log(&peer.log());
        ensure!(REPLACES, peer.log() == expected, "log 1@1, it heard {heard}; after a crash: {seen}");
    }
    Ok(())
}

const KEEPS: Promise = Promise::new(
    "§5.3",
    "entries are deleted only if they conflict: an append that is older than what the follower holds must not shorten its \
     log",
    "entries that the leader counts as stored, and perhaps committed, would be gone: a message came late, that is all",
);

/// Old appends come late, or twice.
pub fn late_append_does_not_shorten_the_log() -> Check {
    let cases: [(LogId, &[Term]); 6] = [
        (at(0, 0), &[1]),
        (at(1, 1), &[1, 2]),
        (at(2, 1), &[]),
        (at(0, 0), &[]),
        (at(2, 1), &[2, 2]),
        (at(4, 2), &[]),
    ];
    for (prev, new) in cases {
        let mut peer = follower(&[1, 1, 2, 2, 5], 0)?;
        let append = msg::append(2, 1, 5, prev, new, 0);
        let heard = msg::describe(&append);
        for _ in 0..2 {
            let answer = answer(KEEPS, &mut peer, append.clone())?;
            let seen = describe_log(&peer.log());
            let same = peer.log() == ids(&[1, 1, 2, 2, 5]) && peer.status().last == at(5, 5);
            ensure!(KEEPS, same, "log 1@1 2@1 3@2 4@2 5@5, it heard {heard}; now {seen}");
            ensure!(
                KEEPS,
                !answer.reject,
                "it heard {heard}, which fits; it answered {}",
                msg::describe(&answer)
            );
        }
    }
    Ok(())
}

const COMMIT: Promise = Promise::new(
    "§5.3, figure 2",
    "an append raises the commit index to min(leader's commit, index of its last entry): behind that, the follower's log \
     is not known to be the leader's",
    "a follower would apply entries that the leader is about to replace",
);

/// Commit indexes below, at and behind what the append covers.
pub fn commit_stops_at_the_last_new_entry() -> Check {
    let cases: [Commit; 8] = [
        (&[1, 1, 1], at(1, 1), &[], 3, 1),
        (&[1, 1, 1], at(1, 1), &[1], 3, 2),
        (&[1, 1, 1], at(3, 1), &[], 3, 3),
        (&[1, 1, 1], at(3, 1), &[], 9, 3),
        (&[1, 1, 1], at(3, 1), &[5, 5], 4, 4),
        (&[1, 1, 1], at(3, 1), &[5, 5], 9, 5),
        (&[1, 1, 1], at(0, 0), &[1], 2, 1),
        (&[1, 1, 4], at(2, 1), &[5], 9, 3),
    ];
    for (log, prev, new, commit, expected) in cases {
        let mut peer = follower(log, 0)?;
        let append = msg::append(2, 1, 5, prev, new, commit);
        let heard = msg::describe(&append);
        answer(COMMIT, &mut peer, append)?;
        let ours = describe_log(&ids(log));
        ensure!(
            COMMIT,
            peer.commit() == expected,
            "log {ours}, it heard {heard}; commit {}, not {expected}",
            peer.commit()
        );
        let given: Vec<Index> = peer.applied.iter().map(|entry| entry.index).collect();
        let right = given.iter().copied().eq(1..=expected);
        ensure!(COMMIT, right, "commit {expected}; the state machine was given {given:?}");
    }
    Ok(())
}

const NEVER_BACK: Promise = Promise::new(
    "§5.3",
    "the commit index never goes back",
    "what is committed has been applied, and cannot be taken back",
);

/// Appends and heartbeats with lower commit indexes.
pub fn commit_never_falls() -> Check {
    let mut peer = follower(&[1, 1, 1, 1], 3)?;
    let heard = [
        msg::append(2, 1, 5, at(4, 1), &[], 1),
        msg::append(2, 1, 5, at(3, 1), &[1], 0),
        msg::append(2, 1, 5, at(1, 1), &[1], 2),
        msg::heartbeat(2, 1, 5, 1),
        msg::heartbeat(2, 1, 5, 0),
    ];
    for message in heard {
        let name = msg::describe(&message);
        peer.hears(message)?;
        ensure!(NEVER_BACK, peer.commit() == 3, "3 was committed, it heard {name}; {}", peer.describe());
    }
    Ok(())
}

const BEAT_COMMIT: Promise = Promise::new(
    "§5.3",
    "a heartbeat brings the leader's commit index, as far as the follower holds the entries",
    "followers would apply the last write only when a client writes again",
);

/// Heartbeats with rising commit indexes, and one that no correct leader sends.
pub fn heartbeat_raises_the_commit() -> Check {
    let mut peer = follower(&[1, 1, 1], 0)?;
    for commit in [1, 3] {
        peer.hears(msg::heartbeat(2, 1, 5, commit))?;
        ensure!(
            BEAT_COMMIT,
            peer.commit() == commit,
            "a heartbeat with commit {commit} came; {}",
            peer.describe()
        );
    }
    if peer.survives(msg::heartbeat(2, 1, 5, 7)) {
        ensure!(
            BEAT_COMMIT,
            peer.commit() <= 3,
            "its log ends at 3, a heartbeat said commit 7; {}",
            peer.describe()
        );
        peer.round()?;
    }
    Ok(())
}

const APPLIES: Promise = Promise::new(
    "§5.3",
    "a follower gives committed entries to its state machine, each once, in the order of the log",
    "state machines would differ",
);

/// Entries and commit indexes come in pieces, some of them twice.
pub fn follower_applies_in_order() -> Check {
    let mut peer = follower(&[], 0)?;
    let heard = [
        msg::append(2, 1, 5, at(0, 0), &[1, 1, 2], 0),
        msg::append(2, 1, 5, at(3, 2), &[5], 2),
        msg::append(2, 1, 5, at(3, 2), &[5], 2),
        msg::append(2, 1, 5, at(4, 5), &[5, 5], 5),
        msg::append(2, 1, 5, at(6, 5), &[], 6),
        msg::append(2, 1, 5, at(4, 5), &[5, 5], 6),
    ];
    for message in heard {
        peer.hears(message)?;
    }
    let seen = msg::describe_entries(&peer.applied);
    let right = peer.applied == msg::entries(1, &[1, 1, 2, 5, 5, 5]);
    ensure!(APPLIES, right, "6 entries are committed; the state machine was given {seen}");
    Ok(())
}

const GIVEN_ONCE: Promise = Promise::new(
    "handout",
    "committed entries are handed out once, in order, in batches of at most max_ready_bytes, and whatever did not fit into \
     one batch is in the next: also while the state machine has not caught up",
    "writes would be applied twice, or not at all",
);

/// Four committed entries, in batches of several sizes; the state machine is slow.
pub fn committed_entries_are_given_once() -> Check {
    for limit in [1, 7, 1 << 20] {
        let mut setup = Setup::bare(1, 3).log(&[1; 4]);
        setup.config.max_ready_bytes = limit;
        let mut peer = setup.start()?;
        peer.answer = peer.core.step(msg::heartbeat(2, 1, 1, 4));
        let mut given: Vec<Index> = Vec::new();
        for _ in 0..8 {
            let ready = peer.core.ready();
            given.extend(ready.committed_entries.iter().map(|entry| entry.index));
            peer.writes(&ready);
            peer.core.advance(ready);
        }
        ensure!(
            GIVEN_ONCE,
            given == [1, 2, 3, 4],
            "1 to 4 are committed, max_ready_bytes {limit}; given: {given:?}"
        );
        peer.core.advance_apply(4);
        let applied = peer.status().applied;
        ensure!(GIVEN_ONCE, applied == 4, "everything is applied; status().applied is {applied}");
    }
    Ok(())
}

const NOT_WRITTEN_YET: Promise = Promise::new(
    "handout",
    "entries that come while earlier ones are being written are still to be written then",
    "they would be acknowledged, and on no disk",
);

/// One append is being written while the next one comes.
pub fn entries_that_come_during_a_write_are_written() -> Check {
    let mut peer = follower(&[1], 0)?;
    peer.answer = peer.core.step(msg::append(2, 1, 5, at(1, 1), &[5], 0));
    let first = peer.core.ready();
    peer.answer = peer.core.step(msg::append(2, 1, 5, at(2, 5), &[5, 5], 0));
    peer.writes(&first);
    peer.core.advance(first);
    peer.round()?;
    let seen = describe_log(&peer.log());
    let right = peer.log() == ids(&[1, 5, 5, 5]);
    ensure!(NOT_WRITTEN_YET, right, "3@5 and 4@5 came while 2@5 was being written; on disk: {seen}");
    Ok(())
}
