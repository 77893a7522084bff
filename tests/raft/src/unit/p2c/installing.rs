//! What a follower does with a snapshot that is ahead of it.

use proto::eraftpb::MessageType::{MsgAppendResponse, MsgRequestVote, MsgRequestVoteResponse};
use raft::{Index, PeerId, Role, Term};

use crate::unit::fixture::{Peer, Setup};
use crate::unit::msg::{at, describe_entries, describe_log};
use crate::unit::{Check, Promise, ensure, msg};

/// Peer 1, a follower of 2 in term 4, with entries of the given terms.
fn follower(log: &[Term], commit: Index) -> Check<Peer> {
    let mut peer = Setup::raw(1, 3).log(log).hard(4, 0, commit).start()?;
    peer.hears(msg::heartbeat(2, 1, 4, 0))?;
    peer.sends();
    Ok(peer)
}

const REPLACES: Promise = Promise::new(
    "§7",
    "a snapshot that is ahead of a follower replaces its log: the log is empty behind the snapshot, whose index and term \
     are known, and whose index is committed",
    "old entries would stand where the snapshot's should, and the next append be refused",
);

/// Empty logs, short logs, and long logs that differ.
pub fn snapshot_replaces_the_log() -> Check {
    let logs: [&[Term]; 4] = [&[], &[1, 1, 1], &[1; 10], &[1; 14]];
    for log in logs {
        let mut peer = follower(log, 0)?;
        peer.hears(msg::snapshot(2, 1, 4, at(10, 3), &[1, 2, 3]))?;
        let (status, name) =
            (peer.status(), format!("log of {} entries of term 1, snapshot at 10@3", log.len()));
        let right = (status.last, status.commit, status.first_index) == (at(10, 3), 10, 11);
        ensure!(
            REPLACES,
            right,
            "{name}: last {:?}, commit {}, first index {}",
            status.last,
            status.commit,
            status.first_index
        );
        let terms = [9, 10, 11].map(|index| peer.core.log_term(index));
        ensure!(REPLACES, terms == [None, Some(3), None], "{name}: terms of 9, 10 and 11: {terms:?}");
        let disk = peer.core.storage().durable();
        let installed = disk.base == at(10, 3) && disk.entries.is_empty();
        ensure!(
            REPLACES,
            installed,
            "{name}: on disk a snapshot at {}, entries {}",
            disk.base.index,
            describe_entries(&disk.entries)
        );
        ensure!(REPLACES, status.applied == 10, "{name}, installed; status().applied is {}", status.applied);
        ensure!(
            REPLACES,
            peer.applied.is_empty(),
            "{name}; then it applied {}",
            describe_entries(&peer.applied)
        );
    }
    Ok(())
}

const ANSWERED: Promise = Promise::new(
    "§7",
    "a snapshot is answered: the follower now holds the leader's log up to its index",
    "the leader would wait, or send the snapshot again and again",
);

/// The answer, and the append that follows.
pub fn snapshot_is_answered() -> Check {
    let mut peer = follower(&[1], 0)?;
    peer.hears(msg::snapshot(2, 1, 4, at(10, 3), &[1, 2, 3]))?;
    let sent = peer.sends_kind(MsgAppendResponse);
    let right =
        sent.iter().any(|answer| (answer.to, answer.term, answer.reject, answer.index) == (2, 4, false, 10));
    ensure!(ANSWERED, right, "a snapshot at 10@3 was installed; it sent {}", msg::describe_all(&sent));
    peer.hears(msg::append(2, 1, 4, at(10, 3), &[3, 4], 11))?;
    let sent = peer.sends_kind(MsgAppendResponse);
    let right = sent.iter().any(|answer| !answer.reject && answer.index == 12);
    ensure!(ANSWERED, right, "then 2 entries came to follow 10@3; it sent {}", msg::describe_all(&sent));
    let log = describe_log(&peer.log());
    ensure!(
        ANSWERED,
        peer.log() == [at(11, 3), at(12, 4)],
        "then 2 entries came to follow 10@3; on disk: {log}"
    );
    let given = describe_entries(&peer.applied);
    ensure!(ANSWERED, peer.applied == msg::entries(11, &[3]), "11 is committed; it applied {given}");
    Ok(())
}

const MEMBERS: Promise = Promise::new(
    "§7",
    "the snapshot's membership replaces the follower's",
    "the follower would count, and campaign, in a group that does not exist any more",
);

/// A snapshot with other members; then a campaign.
pub fn snapshot_brings_the_members() -> Check {
    let mut peer = follower(&[], 0)?;
    let voters: [PeerId; 5] = [1, 2, 5, 6, 7];
    peer.hears(msg::snapshot(2, 1, 4, at(10, 3), &voters))?;
    let known = peer.core.conf_state().voters;
    ensure!(MEMBERS, known == voters, "the snapshot's voters: {voters:?}; conf_state() says {known:?}");
    peer.campaigns()?;
    let mut asked: Vec<PeerId> = peer.sends_kind(MsgRequestVote).iter().map(|request| request.to).collect();
    asked.sort_unstable();
    asked.dedup();
    ensure!(MEMBERS, asked == voters[1..], "members {voters:?}; 1 asked {asked:?}");
    for (voter, role) in [(3, Role::Candidate), (5, Role::Candidate), (7, Role::Leader)] {
        peer.hears(msg::grant(voter, 1, 5))?;
        ensure!(MEMBERS, peer.role() == role, "members {voters:?}, {voter} granted; {}", peer.describe());
    }
    for member in [2, 5, 6, 7] {
        ensure!(MEMBERS, peer.progress(member).is_some(), "leader of {voters:?} knows nothing of {member}");
    }
    ensure!(MEMBERS, peer.progress(3).is_none(), "3 is no member of {voters:?}, and is tracked");
    Ok(())
}

const ONCE: Promise = Promise::new(
    "handout",
    "a snapshot is handed out in the next Ready, alone if need be, and in no later one; nothing is applied before it",
    "the state machine would be set back again and again, or never hear of the snapshot",
);

/// By hand, Ready by Ready.
pub fn snapshot_is_handed_out_once() -> Check {
    let mut peer = follower(&[1, 1, 1], 0)?;
    peer.answer = peer.core.step(msg::snapshot(2, 1, 4, at(10, 3), &[1, 2, 3]));
    ensure!(ONCE, peer.core.has_ready(), "a snapshot came, and has_ready() is false");
    let mut handed = Vec::new();
    for _ in 0..4 {
        if !peer.core.has_ready() {
            break;
        }
        let ready = peer.core.ready();
        if let Some(meta) = ready.snapshot.as_ref().and_then(|snapshot| snapshot.metadata.as_ref()) {
            handed.push(at(meta.index, meta.term));
            ensure!(ONCE, ready.must_sync, "a Ready with a snapshot, and must_sync is not set");
        }
        let early = describe_entries(&ready.committed_entries);
        ensure!(
            ONCE,
            ready.committed_entries.is_empty(),
            "the snapshot covers all that is committed; to apply: {early}"
        );
        peer.writes(&ready);
        peer.core.advance(ready);
    }
    ensure!(
        ONCE,
        handed == [at(10, 3)],
        "a snapshot at 10@3 came; the Readys brought {}",
        describe_log(&handed)
    );
    peer.core.advance_apply(10);
    ensure!(ONCE, !peer.core.has_ready(), "everything is handed out, and has_ready() is true");
    Ok(())
}

const TOGETHER: Promise = Promise::new(
    "handout",
    "entries that come behind a snapshot, before it is installed, are kept; so is a snapshot that comes while older entries \
     are being written",
    "the log would have a gap, or entries from before the snapshot",
);

/// An append follows before the host looks; and a snapshot comes between `ready()` and `advance()`.
pub fn snapshot_and_entries_come_together() -> Check {
    let mut peer = follower(&[1], 0)?;
    peer.answer = peer.core.step(msg::snapshot(2, 1, 4, at(10, 3), &[1, 2, 3]));
    peer.answer = peer.core.step(msg::append(2, 1, 4, at(10, 3), &[4, 4], 11));
    peer.round()?;
    let (base, log) = (peer.core.storage().durable().base, describe_log(&peer.log()));
    let right = base == at(10, 3) && peer.log() == [at(11, 4), at(12, 4)];
    ensure!(
        TOGETHER,
        right,
        "snapshot at 10@3, then 11@4 12@4; on disk: snapshot at {}, log {log}",
        base.index
    );
    let given = describe_entries(&peer.applied);
    ensure!(
        TOGETHER,
        peer.applied == msg::entries(11, &[4]),
        "11 is committed; applied behind the snapshot: {given}"
    );
    let mut peer = follower(&[], 0)?;
    peer.answer = peer.core.step(msg::append(2, 1, 4, at(0, 0), &[1, 1, 1], 0));
    let first = peer.core.ready();
    peer.answer = peer.core.step(msg::snapshot(2, 1, 4, at(10, 3), &[1, 2, 3]));
    peer.writes(&first);
    peer.core.advance(first);
    peer.round()?;
    let (base, log) = (peer.core.storage().durable().base, describe_log(&peer.log()));
    let right = base == at(10, 3) && peer.log().is_empty() && peer.status().last == at(10, 3);
    ensure!(
        TOGETHER,
        right,
        "3 entries, then a snapshot at 10@3; on disk: snapshot at {}, log {log}",
        base.index
    );
    Ok(())
}

const NEWER: Promise = Promise::new(
    "handout",
    "a newer snapshot that comes while an older one is being installed is handed out next",
    "its entries are gone from the log, and its state never reaches the state machine: acknowledged writes are lost",
);

/// Two snapshots, the second between `ready()` and `advance()` of the first.
pub fn newer_snapshot_is_not_lost() -> Check {
    let mut peer = follower(&[1], 0)?;
    peer.answer = peer.core.step(msg::snapshot(2, 1, 4, at(10, 3), &[1, 2, 3]));
    ensure!(NEWER, peer.core.has_ready(), "a snapshot came, and has_ready() is false");
    let first = peer.core.ready();
    peer.answer = peer.core.step(msg::snapshot(2, 1, 4, at(20, 4), &[1, 2, 3]));
    peer.writes(&first);
    let applied = peer.applies(&first);
    peer.core.advance(first);
    if applied > 0 {
        peer.core.advance_apply(applied);
    }
    peer.round()?;
    let (base, last) = (peer.core.storage().durable().base, peer.status().last);
    ensure!(
        NEWER,
        base == at(20, 4) && last == at(20, 4),
        "snapshots at 10@3 and 20@4 came; on disk a snapshot at {}, last {last:?}",
        base.index
    );
    Ok(())
}

const RESTARTS: Promise = Promise::new(
    "§7, §5.4.1",
    "after a snapshot, and after a restart from it, the snapshot's last entry counts as the log's last: in elections and in \
     the commit index",
    "a peer with nothing but a snapshot could elect a leader that lacks committed entries, or be elected by nobody",
);

/// Votes, before and after a restart.
pub fn snapshot_counts_as_log() -> Check {
    let mut peer = follower(&[1], 0)?;
    peer.hears(msg::snapshot(2, 1, 4, at(10, 3), &[1, 2, 3]))?;
    for restarted in [false, true] {
        if restarted {
            peer = peer.restarts()?;
        }
        let status = peer.status();
        let right =
            (status.last, status.commit, status.applied, status.first_index) == (at(10, 3), 10, 10, 11);
        ensure!(RESTARTS, right, "snapshot at 10@3, restarted: {restarted}; {status:?}");
        peer.sends();
        let term = peer.term();
        peer.hears(msg::vote(3, 1, term + 1, at(9, 3)))?;
        peer.hears(msg::vote(3, 1, term + 2, at(10, 3)))?;
        let sent = peer.sends_kind(MsgRequestVoteResponse);
        let granted: Vec<bool> = sent.iter().map(|answer| !answer.reject).collect();
        ensure!(
            RESTARTS,
            granted == [false, true],
            "candidates with logs up to 9@3 and 10@3; granted {granted:?}"
        );
        peer.campaigns()?;
        let asked = peer.sends_kind(MsgRequestVote);
        let right = asked.iter().all(|request| (request.index, request.log_term) == (10, 3));
        ensure!(
            RESTARTS,
            right,
            "its log ends with the snapshot at 10@3; it sent {}",
            msg::describe_all(&asked)
        );
    }
    Ok(())
}

const LEADERS_WORD: Promise = Promise::new(
    "§5.2, §7",
    "a snapshot is the word of a leader: whoever gets one of its own or a higher term follows the sender",
    "a candidate would go on campaigning against the leader of its term",
);

/// A candidate, and a leader of an older term.
pub fn snapshot_makes_a_follower() -> Check {
    for (leads, term) in [(false, 1), (false, 3), (true, 2)] {
        let mut peer = Setup::raw(1, 3).start()?;
        if leads {
            peer.wins()?;
        } else {
            peer.campaigns()?;
        }
        peer.hears(msg::snapshot(2, 1, term, at(10, 1), &[1, 2, 3]))?;
        let status = peer.status();
        let follows =
            status.role == Role::Follower && (status.term, status.leader_id, status.commit) == (term, 2, 10);
        ensure!(
            LEADERS_WORD,
            follows,
            "in term 1 it got a snapshot of term {term} from 2; {}",
            peer.describe()
        );
    }
    Ok(())
}
