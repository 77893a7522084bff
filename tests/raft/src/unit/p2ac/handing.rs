//! Entries: handed out for the disk until they are there, and for the state machine once.

use proto::eraftpb::{Message, MessageType};
use raft::{Index, Role};

use super::{finish, left_over, next};
use crate::unit::fixture::Setup;
use crate::unit::mate::Mate;
use crate::unit::msg::{at, describe_entries, describe_log, ids};
use crate::unit::net::Net;
use crate::unit::{Check, Promise, ensure, msg};

const UNTIL_STORED: Promise = Promise::new(
    "handout",
    "a Ready's entries are those that no advance() has reported as stored: not those that were on disk at the start, nor \
     those of an earlier Ready",
    "each Ready would write the whole log, or overwrite what is on disk",
);

/// Entries on disk, then new ones, one after another.
pub fn entries_are_handed_out_until_stored() -> Check {
    let mut peer = Setup::raw(1, 3).log(&[1, 1, 1]).start()?;
    peer.wins()?;
    for (index, data) in [(5, "a"), (6, "b")] {
        peer.answer = peer.core.propose(data);
        let ready = next(UNTIL_STORED, &mut peer, "an entry was proposed")?;
        let seen = describe_entries(&ready.entries);
        let right = ready.entries.iter().map(|entry| entry.index).eq([index]);
        ensure!(
            UNTIL_STORED,
            right,
            "entries up to {} are stored, one more was proposed; entries {seen}",
            index - 1
        );
        finish(&mut peer, ready);
    }
    let left = left_over(&mut peer).entries;
    ensure!(
        UNTIL_STORED,
        left.is_empty(),
        "everything is stored; then a Ready with {}",
        describe_entries(&left)
    );
    Ok(())
}

const IN_BETWEEN: Promise = Promise::new(
    "handout",
    "advance() reports the entries of its own Ready as stored; what was appended in the meantime is in the next one",
    "entries would be acknowledged that are on no disk",
);

/// A proposal between `ready()` and `advance()`.
pub fn entries_appended_in_between_are_kept() -> Check {
    let mut peer = Setup::raw(1, 3).start()?;
    peer.answer = peer.core.campaign();
    let ready = next(IN_BETWEEN, &mut peer, "it campaigned")?;
    finish(&mut peer, ready);
    peer.answer = peer.core.step(msg::grant(2, 1, 1));
    let first = next(IN_BETWEEN, &mut peer, "it was elected, and appended an entry")?;
    peer.answer = peer.core.propose("a");
    peer.answer = peer.core.propose("b");
    finish(&mut peer, first);
    let second = next(IN_BETWEEN, &mut peer, "two entries were proposed between ready() and advance()")?;
    let seen = describe_entries(&second.entries);
    let right = second.entries.iter().map(|entry| entry.index).eq([2, 3]);
    ensure!(IN_BETWEEN, right, "entries 2 and 3 were proposed in between; the next Ready's entries: {seen}");
    Ok(())
}

const REPLACED: Promise = Promise::new(
    "handout, §5.3",
    "entries that a newer leader replaces while they are being written are handed out again in their new form",
    "the disk would keep what the log has dropped",
);

/// Another leader's append between `ready()` and `advance()`.
pub fn entries_replaced_in_between_are_kept() -> Check {
    let mut peer = Setup::raw(1, 3).start()?;
    peer.answer = peer.core.step(msg::append(2, 1, 1, at(0, 0), &[1, 1, 1], 0));
    let first = next(REPLACED, &mut peer, "an append came")?;
    peer.answer = peer.core.step(msg::append(3, 1, 2, at(1, 1), &[2, 2], 0));
    finish(&mut peer, first);
    let second = next(REPLACED, &mut peer, "two entries were replaced between ready() and advance()")?;
    let seen = describe_entries(&second.entries);
    finish(&mut peer, second);
    let log = describe_log(&peer.log());
    ensure!(
        REPLACED,
        peer.log() == ids(&[1, 2, 2]),
        "1@1 2@1 3@1, then 2@2 3@2 in between; entries {seen}, disk {log}"
    );
    Ok(())
}

const ONCE: Promise = Promise::new(
    "handout",
    "each committed entry is handed out once, in order, no matter how far the state machine has got; status().applied is \
     what advance_apply() said last",
    "a state machine that applies on another thread would get its entries twice",
);

/// A state machine that is slow.
pub fn committed_entries_are_handed_out_once() -> Check {
    let mut peer = Setup::raw(1, 3).start()?;
    let mut handed: Vec<Index> = Vec::new();
    for (prev, commit) in [(0, 1), (1, 1), (2, 3), (3, 4)] {
        let term = u64::from(prev > 0);
        peer.answer = peer.core.step(msg::append(2, 1, 1, at(prev, term), &[1], commit));
        // Entries may be handed out for applying along with their write, or in the Ready after it.
        for _ in 0..3 {
            if peer.core.has_ready() {
                let ready = peer.core.ready();
                handed.extend(ready.committed_entries.iter().map(|entry| entry.index));
                finish(&mut peer, ready);
            }
        }
        let applied = peer.status().applied;
        ensure!(ONCE, applied == 0, "nothing was reported as applied; status().applied is {applied}");
    }
    ensure!(ONCE, handed == [1, 2, 3, 4], "4 entries were committed, none applied; handed out: {handed:?}");
    for index in [2, 4] {
        peer.core.advance_apply(index);
        let applied = peer.status().applied;
        ensure!(ONCE, applied == index, "advance_apply({index}); status().applied is {applied}");
        let again = left_over(&mut peer).committed_entries;
        ensure!(
            ONCE,
            again.is_empty(),
            "after advance_apply({index}) a Ready with {}",
            describe_entries(&again)
        );
    }
    Ok(())
}

const STORED_FIRST: Promise = Promise::new(
    "handout",
    "a committed entry is handed out for applying not before it is handed out for the disk",
    "after a crash the state machine would be ahead of the log",
);

/// Followers and a group of one, through the host's eyes.
pub fn committed_entries_are_on_disk() -> Check {
    for voters in [1, 3] {
        let mut peer = Setup::raw(1, voters).start()?;
        for number in 1..=4_u64 {
            if voters == 1 {
                peer.answer = if number == 1 { peer.core.campaign() } else { peer.core.propose("a") };
            } else {
                let prev = at(number - 1, u64::from(number > 1));
                peer.answer = peer.core.step(msg::append(2, 1, 1, prev, &[1], number));
            }
            for _ in 0..3 {
                if !peer.core.has_ready() {
                    break;
                }
                let ready = peer.core.ready();
                peer.writes(&ready);
                let disk = peer.log();
                let stored =
                    ready.committed_entries.iter().all(|entry| disk.contains(&at(entry.index, entry.term)));
                let (given, log) = (describe_entries(&ready.committed_entries), describe_log(&disk));
                ensure!(STORED_FIRST, stored, "to be applied: {given}; on disk by then: {log}");
                peer.core.advance(ready);
            }
            ensure!(
                STORED_FIRST,
                peer.commit() == number,
                "{number} entries are committed; {}",
                peer.describe()
            );
        }
    }
    Ok(())
}

const LIMIT: Promise = Promise::new(
    "handout",
    "a Ready's committed entries have at most max_ready_bytes of data, but there is at least one if there is any to apply",
    "a peer that restarts would apply its whole log in one go, and block all others",
);

/// Many committed entries, at the start and later, and several limits.
pub fn committed_entries_respect_the_limit() -> Check {
    for limit in [0, 9, 12, 1 << 20] {
        let mut setup = Setup::raw(1, 3).log(&[1; 9]).hard(1, 0, 9);
        setup.config.max_ready_bytes = limit;
        let mut peer = setup.start()?;
        let given: Vec<Index> = peer.applied.iter().map(|entry| entry.index).collect();
        ensure!(
            LIMIT,
            given.iter().copied().eq(1..=9),
            "9 entries are committed, limit {limit}; given {given:?}"
        );
        peer.answer = peer.core.step(msg::append(2, 1, 1, at(9, 1), &[1; 9], 18));
        let mut handed = 0;
        while peer.core.has_ready() && handed < 9 {
            let ready = peer.core.ready();
            let count = ready.committed_entries.len();
            let other_work = !ready.entries.is_empty() || !ready.messages.is_empty();
            ensure!(
                LIMIT,
                count >= 1 || other_work,
                "{} committed entries were left, and a Ready brought none",
                9 - handed
            );
            // Entries 10 to 18 have 4 bytes each.
            let fits = count == 1 || count as u64 * 4 <= limit;
            ensure!(LIMIT, fits, "{count} committed entries of 4 bytes in one Ready, limit {limit}");
            handed += count;
            finish(&mut peer, ready);
        }
        ensure!(LIMIT, handed == 9, "9 entries were committed; handed out: {handed}");
    }
    Ok(())
}

const NOT_FROM_OUTSIDE: Promise = Promise::new(
    "handout",
    "step() takes no local messages: they are refused with an error, and change nothing",
    "any peer could force elections, or propose at a follower",
);

/// Local messages arrive as if from the network.
pub fn local_messages_are_refused() -> Check {
    use MessageType::{MsgBeat, MsgCheckQuorum, MsgHup, MsgPropose, MsgSnapStatus, MsgUnreachable};
    for kind in [MsgHup, MsgBeat, MsgPropose, MsgUnreachable, MsgSnapStatus, MsgCheckQuorum] {
        for leads in [false, true] {
            let mut peer = Setup::raw(1, 3).hard(1, 0, 0).start()?;
            if leads {
                peer.wins()?;
                peer.sends();
            }
            let before = (peer.status(), peer.log());
            let entries = if kind == MsgPropose { msg::entries(1, &[1]) } else { Vec::new() };
            let refused = peer.core.step(Message { from: 2, entries, ..msg::local(kind, 1) }).is_err();
            peer.round()?;
            let (name, sent) = (kind.as_str_name(), peer.sends());
            ensure!(NOT_FROM_OUTSIDE, refused, "{name} came from 2, and was accepted");
            let same = (peer.status(), peer.log()) == before && sent.is_empty();
            let all = msg::describe_all(&sent);
            ensure!(NOT_FROM_OUTSIDE, same, "{name} came from 2; now {}; it sent {all}", peer.describe());
        }
    }
    Ok(())
}

const REFUSAL: Promise = Promise::new(
    "handout",
    "propose() returns an error if nothing was appended, as on followers and candidates",
    "the client would wait for an entry that nobody has",
);

/// A follower, a candidate; and a leader, who accepts.
pub fn refused_proposal_is_an_error() -> Check {
    let mut peer = Setup::raw(1, 3).hard(1, 0, 0).start()?;
    for (name, accepts) in [("follower", false), ("candidate", false), ("leader", true)] {
        match name {
            "candidate" => peer.campaigns()?,
            "leader" => peer.wins()?,
            _ => peer.hears(msg::heartbeat(2, 1, 1, 0))?,
        }
        let before = peer.status().last.index;
        peer.proposes("a")?;
        let (accepted, appended) = (peer.answer.is_ok(), peer.status().last.index > before);
        let answer = &peer.answer;
        ensure!(
            REFUSAL,
            (accepted, appended) == (accepts, accepts),
            "a {name} was asked to propose: {answer:?}; appended: {appended}"
        );
    }
    Ok(())
}

const WORKS: Promise = Promise::new(
    "handout",
    "a group that is driven by Ready and advance alone elects a leader, replicates, and applies everywhere",
    "the store could not use the core",
);

/// Three peers behind `RawNode`, and one with honest followers.
pub fn group_works_through_ready() -> Check {
    let mut net = Net::raw(3)?;
    net.elect(1)?;
    for data in ["a", "b"] {
        net.propose(1, data)?;
    }
    net.elect(3)?;
    net.propose(3, "c")?;
    net.beats(3, 2)?;
    for id in 1..=3 {
        let given = net.given(id);
        ensure!(WORKS, given == ["a", "b", "c"], "peer {id} applied {given:?}");
    }
    let mut peer = Setup::raw(1, 3).start()?;
    peer.wins()?;
    let mut mates = [Mate::new(2, &[]), Mate::new(3, &[])];
    peer.serves(&mut mates)?;
    peer.proposes("a")?;
    peer.serves_for(1, &mut mates)?;
    let same = mates.iter().all(|mate| mate.entries() == peer.disk_entries() && mate.commit == 2);
    ensure!(WORKS, same && peer.role() == Role::Leader, "one proposal; {}", peer.describe());
    Ok(())
}
