//! Snapshots and appends that are behind what a follower has; compaction; a whole group.

use proto::eraftpb::MessageType::{MsgAppendResponse, MsgSnapshot};
use raft::{Index, Term};

use crate::unit::fixture::{Peer, Setup};
use crate::unit::msg::{at, describe_entries, describe_log};
use crate::unit::net::Net;
use crate::unit::{Check, Promise, ensure, msg};

fn follower(log: &[Term], commit: Index) -> Check<Peer> {
    let mut peer = Setup::raw(1, 3).log(log).hard(4, 0, commit).start()?;
    peer.hears(msg::heartbeat(2, 1, 4, 0))?;
    peer.sends();
    Ok(peer)
}

const OLD: Promise = Promise::new(
    "§7",
    "a snapshot that is not ahead of the commit index is not installed: nothing changes, and the leader is told what the \
     follower holds",
    "the state machine would be set back, and committed entries be lost",
);

/// Snapshots below and at the commit index; the follower's own log is whole, or begins at 5.
pub fn old_snapshot_is_not_installed() -> Check {
    for (index, term, compacted) in [(2, 1, false), (4, 2, false), (5, 2, false), (2, 1, true), (4, 2, true)]
    {
        let mut peer = follower(&[1, 1, 1, 2, 2, 3], 5)?;
        if compacted {
            peer.compacts(4);
        }
        let before = (peer.status(), peer.log());
        peer.answer = peer.core.step(msg::snapshot(2, 1, 4, at(index, term), &[1, 2, 3]));
        let ready = peer.core.ready();
        ensure!(OLD, ready.snapshot.is_none(), "commit 5, a snapshot at {index} came; it is to be installed");
        let told = ready.messages.iter().any(|message| {
            let within = (index..=5).contains(&message.index);
            msg::is(message, MsgAppendResponse) && message.to == 2 && !message.reject && within
        });
        let all = msg::describe_all(&ready.messages);
        ensure!(OLD, told, "commit 5, a snapshot at {index} came; it sent {all}");
        peer.writes(&ready);
        peer.core.advance(ready);
        peer.round()?;
        let same = (peer.status(), peer.log()) == before;
        ensure!(
            OLD,
            same,
            "commit 5, a snapshot at {index} came; {}, log {}",
            peer.describe(),
            describe_log(&peer.log())
        );
    }
    Ok(())
}

const KEEPS: Promise = Promise::new(
    "§7",
    "if a follower holds the snapshot's last entry, with its term, the entries behind it are kept: they are right, and may \
     have been acknowledged",
    "a committed entry could be lost",
);

/// A snapshot in the middle of a log that agrees with it.
pub fn matching_entries_behind_a_snapshot_are_kept() -> Check {
    let mut peer = follower(&[1, 1, 1, 2, 2, 2], 2)?;
    peer.hears(msg::snapshot(2, 1, 4, at(4, 2), &[1, 2, 3]))?;
    let (status, log) = (peer.status(), describe_log(&peer.log()));
    let kept = status.last == at(6, 2) && peer.log().ends_with(&[at(5, 2), at(6, 2)]);
    ensure!(
        KEEPS,
        kept,
        "log 1@1 .. 4@2 5@2 6@2, a snapshot at 4@2 came; on disk now {log}, {}",
        peer.describe()
    );
    ensure!(KEEPS, status.commit == 4, "a snapshot at 4@2 came: 4 is committed; {}", peer.describe());
    let peer = peer.restarts()?;
    ensure!(
        KEEPS,
        peer.status().last == at(6, 2),
        "after a restart the log ends at {}",
        peer.status().last.index
    );
    Ok(())
}

const DIVERGENT: Promise = Promise::new(
    "§7",
    "a snapshot ahead of the commit index is installed also if the follower's log is longer, unless it holds the \
     snapshot's last entry: what it has there is not the leader's",
    "the follower would keep entries that are not the group's, for ever",
);

/// A long log with another term at the snapshot's index.
pub fn longer_log_that_differs_gives_way() -> Check {
    let mut peer = follower(&[1; 12], 2)?;
    peer.hears(msg::snapshot(2, 1, 4, at(8, 3), &[1, 2, 3]))?;
    let status = peer.status();
    let right = (status.last, status.commit) == (at(8, 3), 8) && peer.log().is_empty();
    let log = describe_log(&peer.log());
    ensure!(
        DIVERGENT,
        right,
        "12 entries of term 1, a snapshot at 8@3 came; {}, on disk {log}",
        peer.describe()
    );
    Ok(())
}

const STALE: Promise = Promise::new(
    "§5.1",
    "a snapshot of an older term changes nothing, and its sender is told the current one",
    "a deposed leader would replace a log that is not its own any more",
);

/// A deposed leader's snapshot.
pub fn snapshot_of_an_older_term_changes_nothing() -> Check {
    let mut peer = follower(&[1, 1], 1)?;
    let before = (peer.status(), peer.log());
    peer.hears(msg::snapshot(3, 1, 3, at(10, 3), &[1, 2, 3]))?;
    let same = (peer.status(), peer.log()) == before;
    ensure!(
        STALE,
        same,
        "in term 4 a snapshot of term 3 came; {}, log {}",
        peer.describe(),
        describe_log(&peer.log())
    );
    let sent = peer.sends();
    let told = sent.iter().any(|message| message.to == 3 && message.term == 4);
    ensure!(STALE, told, "in term 4 a snapshot of term 3 came from 3; it sent {}", msg::describe_all(&sent));
    Ok(())
}

const BELOW: Promise = Promise::new(
    "§5.3, §7",
    "an append that begins below the follower's snapshot is not refused: what the snapshot covers is committed, and equal \
     in every leader's log",
    "the leader would go further back, and fall back on a snapshot that the follower does not need",
);

/// Appends that begin, or end, in what is compacted.
pub fn append_below_the_snapshot_is_accepted() -> Check {
    let appends = [
        msg::append(2, 1, 4, at(5, 1), &[], 10),
        msg::append(2, 1, 4, at(5, 1), &[3, 3], 10),
        msg::append(2, 1, 4, at(8, 3), &[3, 3, 3, 3, 4], 10),
        msg::append(2, 1, 4, at(9, 3), &[], 10),
    ];
    for append in appends {
        let mut peer =
            Setup::raw(1, 3).compacted(at(10, 3)).log(&[3, 3]).hard(4, 0, 10).applied(10).start()?;
        let (heard, end) = (msg::describe(&append), msg::end_of(&append));
        peer.hears(append)?;
        let sent = peer.sends_kind(MsgAppendResponse);
        let within = |index: Index| (end.min(10)..=end.max(10)).contains(&index);
        let right = sent.len() == 1 && sent.iter().all(|answer| !answer.reject && within(answer.index));
        ensure!(
            BELOW,
            right,
            "snapshot at 10@3, log 11@3 12@3, it heard {heard}; it sent {}",
            msg::describe_all(&sent)
        );
        let log = peer.log();
        let kept = log.starts_with(&[at(11, 3), at(12, 3)]);
        ensure!(BELOW, kept, "log 11@3 12@3, it heard {heard}; now {}", describe_log(&log));
    }
    Ok(())
}

const COMPACTED: Promise = Promise::new(
    "§7",
    "what the host has compacted is no longer in the log; the term of the last compacted entry is still known",
    "memory would grow for ever, or appends behind the snapshot be refused",
);

/// The host compacts, step by step.
pub fn log_shrinks_when_the_host_compacts() -> Check {
    let mut peer = Setup::raw(1, 3).log(&[1, 1, 1, 2, 2, 2]).hard(2, 0, 6).start()?;
    for index in [3, 5, 6] {
        peer.compacts(index);
        let status = peer.status();
        let right = status.first_index == index + 1 && status.last == at(6, 2);
        ensure!(
            COMPACTED,
            right,
            "compacted up to {index}; first index {}, last {:?}",
            status.first_index,
            status.last
        );
        let terms = [index - 1, index].map(|index| peer.core.log_term(index));
        let known = Some(if index == 3 { 1 } else { 2 });
        ensure!(
            COMPACTED,
            terms == [None, known],
            "compacted up to {index}; terms of {} and {index}: {terms:?}",
            index - 1
        );
    }
    peer.hears(msg::append(2, 1, 2, at(6, 2), &[2], 6))?;
    let refused = peer.sends_kind(MsgAppendResponse).iter().any(|answer| answer.reject);
    ensure!(
        COMPACTED,
        !refused && peer.log() == [at(7, 2)],
        "compacted up to 6, then 7@2 came; log {}",
        describe_log(&peer.log())
    );
    Ok(())
}

const CATCHES_UP: Promise = Promise::new(
    "§7",
    "a peer that was away while the log was compacted gets a snapshot, then entries, and is as good as any other",
    "it would count for nothing for ever",
);

/// A peer misses fifty entries.
pub fn absent_peer_catches_up_by_snapshot() -> Check {
    let mut net = Net::raw(3)?;
    net.elect(1)?;
    net.propose(1, "a")?;
    net.isolate(3);
    for number in 0..50 {
        net.propose(1, &format!("p{number}"))?;
    }
    net.beats(1, 1)?;
    for id in [1, 2] {
        let applied = net.peer(id).status().applied;
        net.peer(id).compacts(applied);
    }
    net.heal();
    net.beats(1, 4)?;
    net.propose(1, "b")?;
    net.beats(1, 2)?;
    let digests: Vec<u64> = net.peers.values().map(|peer| peer.core.storage().durable().digest).collect();
    let same = digests.windows(2).all(|pair| pair[0] == pair[1]);
    ensure!(
        CATCHES_UP,
        same,
        "54 entries are committed; commits {:?}, and state machines differ",
        net.commits()
    );
    let base = net.peer(3).core.storage().durable().base.index;
    ensure!(
        CATCHES_UP,
        base >= 50,
        "3 was away for 50 entries, which are compacted; its snapshot is at {base}"
    );
    net.isolate(2);
    net.elect(3)?;
    net.propose(3, "c")?;
    net.beats(3, 1)?;
    let given = net.given(1);
    ensure!(
        CATCHES_UP,
        given.last().is_some_and(|last| last == "c"),
        "3 leads, c was proposed; {}",
        net.describe()
    );
    Ok(())
}

const NO_STORM: Promise = Promise::new(
    "§7",
    "bringing one peer up to date takes one snapshot",
    "the network would be full of snapshots",
);

/// How many snapshots an absent peer is sent, in a network that loses nothing.
pub fn one_snapshot_is_enough() -> Check {
    let mut net = Net::start((1..=3).map(|id| Setup::raw(id, 3).seed(id)))?;
    net.elect(1)?;
    net.isolate(3);
    for number in 0..10 {
        net.propose(1, &format!("p{number}"))?;
    }
    net.peer(1).compacts(11);
    net.heal();
    let mut snapshots = 0;
    for _ in 0..30 {
        net.peer(1).tick(1)?;
        for _ in 0..1000 {
            let sent = net.collect();
            if sent.is_empty() {
                break;
            }
            for message in sent {
                snapshots += u32::from(msg::is(&message, MsgSnapshot));
                net.peer(message.to).hears(message)?;
            }
        }
    }
    let (first, third) = (net.peer(1).log(), net.peer(3).status());
    ensure!(
        NO_STORM,
        third.last == at(11, 1),
        "11 entries of term 1; 3 has {:?}, 1 has {}",
        third.last,
        describe_log(&first)
    );
    ensure!(NO_STORM, snapshots == 1, "3 was sent {snapshots} snapshots");
    let given = describe_entries(&net.peer(3).applied);
    let again = net.peer(3).applied.iter().any(|entry| entry.index > 1);
    ensure!(NO_STORM, !again, "3 had entry 1 before the snapshot, which covers 11; it applied {given}");
    Ok(())
}
