//! When a leader sends a snapshot, and what it does until it has arrived.

use proto::eraftpb::Message;
use proto::eraftpb::MessageType::{MsgHeartbeat, MsgSnapshot};
use raft::SnapshotStatus;

use crate::unit::fixture::{HEARTBEAT, Peer, Setup};
use crate::unit::mate::Mate;
use crate::unit::msg::{at, describe_log};
use crate::unit::{Check, Promise, ensure, msg};

/// The leader of term 2 in a group of three: a snapshot at 5@1, entries 6@1 to 8@1, its empty entry at 9@2.
fn leader() -> Check<Peer> {
    let mut peer = Setup::raw(1, 3).compacted(at(5, 1)).log(&[1, 1, 1]).start()?;
    peer.wins()?;
    Ok(peer)
}

/// Lets heartbeats pass, and answers each of them for peer 2; everything else to 2 is collected.
fn beats(peer: &mut Peer, intervals: u32) -> Check<Vec<Message>> {
    let mut others = Vec::new();
    for _ in 0..intervals * HEARTBEAT {
        peer.tick(1)?;
        for message in peer.sends() {
            if message.to != 2 {
                continue;
            }
            if msg::is(&message, MsgHeartbeat) {
                let context = message.context.clone();
                peer.hears(Message { context, ..msg::heartbeat_ok(2, 1, peer.term()) })?;
            } else {
                others.push(message);
            }
        }
    }
    others.extend(peer.sends().into_iter().filter(|message| message.to == 2));
    Ok(others)
}

/// Follower 2, which has nothing, refuses everything; returns what it was sent, the snapshot last.
fn until_snapshot(promise: Promise, peer: &mut Peer) -> Check<Message> {
    for _ in 0..60 {
        for message in beats(peer, 1)? {
            if msg::is(&message, MsgSnapshot) {
                return Ok(message);
            }
            if message.index > 0 {
                peer.hears(msg::append_reject(2, 1, 2, message.index, at(0, 0)))?;
            }
        }
    }
    Err(promise.broken(
        "the log begins at 6, follower 2 holds nothing, and got no snapshot in 60 intervals".to_owned(),
    ))
}

const SENDS: Promise = Promise::new(
    "§7",
    "a follower whose next entry is compacted gets a snapshot: the one that the storage hands out, whole",
    "a peer that was away too long would never catch up",
);

/// A follower with nothing at all.
pub fn follower_behind_the_log_gets_a_snapshot() -> Check {
    let mut peer = leader()?;
    let message = until_snapshot(SENDS, &mut peer)?;
    let meta = message.snapshot.clone().unwrap_or_default().metadata.unwrap_or_default();
    let (id, voters) = (at(meta.index, meta.term), meta.conf_state.unwrap_or_default().voters);
    let applied = peer.status().applied;
    let right = id.index >= 5 && id.index <= applied && peer.core.log_term(id.index) == Some(id.term);
    ensure!(
        SENDS,
        right && voters == [1, 2, 3],
        "applied {applied}; it sent a snapshot at {}@{}, voters {voters:?}",
        id.index,
        id.term
    );
    ensure!(SENDS, message.term == 2, "leader of term 2 sent {}", msg::describe(&message));
    let mut peer = leader()?;
    let mut mates = [Mate::new(2, &[]), Mate::new(3, &[1; 8])];
    peer.serves_for(4, &mut mates)?;
    peer.proposes("a")?;
    peer.serves_for(2, &mut mates)?;
    let log = describe_log(&mates[0].log());
    let whole = mates[0].base().index >= 5 && mates[0].last() == at(10, 2) && mates[0].commit == 10;
    ensure!(
        SENDS,
        whole,
        "10 entries are committed; 2 has a snapshot at {}, log {log}",
        mates[0].base().index
    );
    let none = msg::of_kind(&mates[1].heard, MsgSnapshot).is_empty();
    ensure!(SENDS, none, "3 holds the log up to 8, and was sent a snapshot");
    Ok(())
}

const PREFERS_LOG: Promise = Promise::new(
    "§7",
    "a follower whose next entry is still in the log gets entries, and no snapshot",
    "snapshots are a thousand times dearer than entries",
);

/// Followers at and behind the compacted index.
pub fn follower_within_the_log_gets_entries() -> Check {
    for held in 5..=8 {
        let mut peer = leader()?;
        let mut mates = [Mate::new(2, &vec![1; held])];
        peer.serves_for(3, &mut mates)?;
        let snapshots = msg::of_kind(&mates[0].heard, MsgSnapshot).len();
        ensure!(
            PREFERS_LOG,
            snapshots == 0,
            "the log begins at 6, 2 holds it up to {held}; {snapshots} snapshots"
        );
        ensure!(
            PREFERS_LOG,
            mates[0].last() == at(9, 2),
            "2 held the log up to {held}; now {}",
            mates[0].last().index
        );
    }
    Ok(())
}

const BUSY: Promise = Promise::new(
    "handout",
    "while the storage has no snapshot ready (temporarily unavailable), none is sent, and the leader asks again later",
    "the peer would crash, or the follower wait for ever, because making a snapshot takes a while",
);

/// The storage is busy for some time.
pub fn busy_storage_is_asked_again() -> Check {
    let mut peer = leader()?;
    peer.core.storage_mut().snapshot_busy = true;
    let mut mates = [Mate::new(2, &[])];
    peer.serves_for(4, &mut mates)?;
    let sent = msg::of_kind(&mates[0].heard, MsgSnapshot).len();
    ensure!(BUSY, sent == 0, "the storage had no snapshot, and {sent} were sent");
    peer.core.storage_mut().snapshot_busy = false;
    peer.serves_for(4, &mut mates)?;
    ensure!(
        BUSY,
        mates[0].last() == at(9, 2),
        "4 heartbeats after it was ready, 2 holds {}",
        mates[0].last().index
    );
    Ok(())
}

const ONE_AT_A_TIME: Promise = Promise::new(
    "handout",
    "while a snapshot is on its way to a follower it gets no second one, whatever heartbeats pass",
    "snapshots are big: the network, and the follower's disk, would be full of them",
);

/// A snapshot that takes its time; the follower is alive.
pub fn one_snapshot_at_a_time() -> Check {
    let mut peer = leader()?;
    until_snapshot(ONE_AT_A_TIME, &mut peer)?;
    peer.proposes("a")?;
    let more = beats(&mut peer, 8)?;
    let second = more.iter().any(|message| msg::is(message, MsgSnapshot));
    ensure!(
        ONE_AT_A_TIME,
        !second,
        "a snapshot is on its way; 8 heartbeats later: {}",
        msg::describe_all(&more)
    );
    Ok(())
}

const FAILED: Promise = Promise::new(
    "handout",
    "when the host reports that a snapshot failed, the leader sends another once it hears from the follower",
    "the follower would never catch up: one lost snapshot is enough",
);

/// The host reports a failure.
pub fn failed_snapshot_is_sent_again() -> Check {
    let mut peer = leader()?;
    until_snapshot(FAILED, &mut peer)?;
    peer.core.report_snapshot(2, SnapshotStatus::Failure);
    peer.round()?;
    until_snapshot(FAILED, &mut peer)?;
    Ok(())
}

const GOES_ON: Promise = Promise::new(
    "§7",
    "once a snapshot has arrived the leader goes on with the entries behind it",
    "the follower would get snapshot after snapshot, and never the end of the log",
);

/// The follower acknowledges; or its answer is lost, and the host reports success.
pub fn entries_follow_the_snapshot() -> Check {
    for acknowledged in [true, false] {
        let mut peer = leader()?;
        let snapshot = until_snapshot(GOES_ON, &mut peer)?;
        peer.proposes("a")?;
        peer.sends();
        let mut mates = [Mate::new(2, &[])];
        let answer = mates[0].answer(&snapshot)?;
        match answer {
            Some(answer) if acknowledged => peer.hears(answer)?,
            _ => {
                peer.core.report_snapshot(2, SnapshotStatus::Finish);
                peer.round()?;
            }
        }
        peer.serves_for(3, &mut mates)?;
        let last = mates[0].last();
        let name =
            if acknowledged { "2 acknowledged the snapshot" } else { "the host reported that it arrived" };
        ensure!(
            GOES_ON,
            last == at(10, 2),
            "{name}; the leader's log ends at 10@2, that of 2 at {}@{}",
            last.index,
            last.term
        );
        let again = msg::of_kind(&mates[0].heard[1..], MsgSnapshot).len();
        ensure!(GOES_ON, again == 0, "{name}, and {again} more were sent");
        let matched = peer.progress(2).map(|progress| progress.matched);
        ensure!(GOES_ON, matched == Some(10), "2 holds 10 entries; the leader's match is {matched:?}");
    }
    Ok(())
}
