//! Handing leadership over: who is told to campaign, and when.

use std::collections::BTreeSet;

use proto::eraftpb::MessageType::{MsgAppend, MsgRequestVote, MsgTimeoutNow, MsgTransferLeader};
use raft::{NONE, PeerId, Role};

use super::leader;
use crate::unit::fixture::{Peer, Setup};
use crate::unit::{Check, Promise, ensure, msg, story};

/// The host asks for `target` as leader.
fn transfer(peer: &mut Peer, target: PeerId) -> Check {
    story::note(format!("peer {} is asked to make {target} leader", peer.id()));
    peer.core.transfer_leader(target);
    peer.round()
}

const AT_ONCE: Promise = Promise::new(
    "thesis §3.10",
    "a target whose log is up to date is told to campaign at once",
    "the hand-over would wait for nothing",
);

/// By the host's call, and by a message that another peer passed on.
pub fn caught_up_target_is_told_at_once() -> Check {
    for by_message in [false, true] {
        let mut peer = leader(3)?;
        if by_message {
            peer.hears(msg::transfer(3, 1, 1))?;
        } else {
            transfer(&mut peer, 3)?;
        }
        let told = peer.sends_kind(MsgTimeoutNow);
        let right = !told.is_empty() && told.iter().all(|order| (order.to, order.term) == (3, 1));
        ensure!(AT_ONCE, right, "3 holds the whole log, and is to lead; sent: {}", msg::describe_all(&told));
        let waits = peer.role() == Role::Leader && peer.term() == 1;
        ensure!(AT_ONCE, waits, "3 has not answered yet; {}", peer.describe());
    }
    Ok(())
}

const FIRST_THE_LOG: Promise = Promise::new(
    "thesis §3.10",
    "a target that lacks entries is sent them at once, and is told to campaign when it holds all of them, not before",
    "the target would lose its election, and the group be without a leader meanwhile",
);

/// A target that missed one entry.
pub fn lagging_target_catches_up_first() -> Check {
    let mut peer = leader(3)?;
    peer.proposes("a")?;
    peer.hears(msg::append_ok(2, 1, 1, 2))?;
    peer.sends();
    // A leader that allows itself one append on its way to 3 has to wait for the answer, or for a heartbeat's.
    let paused = peer.progress(3).is_some_and(|progress| progress.paused);
    transfer(&mut peer, 3)?;
    let sent = peer.sends();
    let all = msg::describe_all(&sent);
    let early = !msg::of_kind(&sent, MsgTimeoutNow).is_empty();
    ensure!(FIRST_THE_LOG, !early, "3 is known to hold 1 of 2 entries; sent: {all}");
    let helped = msg::of_kind(&sent, MsgAppend).iter().any(|append| append.to == 3);
    ensure!(FIRST_THE_LOG, helped || paused, "3 is known to hold 1 of 2 entries; sent: {all}");
    peer.hears(msg::append_ok(2, 1, 1, 2))?;
    peer.hears(msg::append_ok(3, 1, 1, 1))?;
    let early = peer.sends_kind(MsgTimeoutNow);
    ensure!(FIRST_THE_LOG, early.is_empty(), "still 1 of 2; sent: {}", msg::describe_all(&early));
    peer.hears(msg::append_ok(3, 1, 1, 2))?;
    let told = peer.sends_kind(MsgTimeoutNow);
    let right = !told.is_empty() && told.iter().all(|message| message.to == 3);
    ensure!(FIRST_THE_LOG, right, "now 3 holds both entries; sent: {}", msg::describe_all(&told));
    Ok(())
}

const NO_PROPOSALS: Promise = Promise::new(
    "thesis §3.10",
    "while it hands over, from the request until the new leader shows itself, a leader refuses proposals",
    "new entries would make the target's log stale again: under load the hand-over never ends",
);

/// A lagging target, then one that has been told to campaign.
pub fn no_proposals_during_a_transfer() -> Check {
    let mut peer = leader(3)?;
    peer.proposes("a")?;
    peer.hears(msg::append_ok(2, 1, 1, 2))?;
    transfer(&mut peer, 3)?;
    for caught_up in [false, true] {
        if caught_up {
            peer.hears(msg::append_ok(3, 1, 1, 2))?;
        }
        peer.proposes("b")?;
        let (refused, last) = (peer.answer.is_err(), peer.status().last.index);
        let name = if caught_up { "3 was told to campaign" } else { "3 is catching up" };
        ensure!(
            NO_PROPOSALS,
            refused && last == 2,
            "{name}; a proposal: {:?}, last entry {last}",
            peer.answer
        );
        peer.proposes_change(&msg::add(4))?;
        let (refused, last) = (peer.answer.is_err(), peer.status().last.index);
        ensure!(
            NO_PROPOSALS,
            refused && last == 2,
            "{name}; a membership change: {:?}, last entry {last}",
            peer.answer
        );
    }
    Ok(())
}

const REPLACED: Promise = Promise::new(
    "handout",
    "a second request for another target replaces the first",
    "a scheduler that made a mistake could not correct it",
);

/// First to a peer that does not answer, then to one that does.
pub fn second_target_replaces_the_first() -> Check {
    let mut peer = leader(3)?;
    peer.proposes("a")?;
    peer.hears(msg::append_ok(2, 1, 1, 2))?;
    transfer(&mut peer, 3)?;
    peer.sends();
    transfer(&mut peer, 2)?;
    let told = peer.sends_kind(MsgTimeoutNow);
    let right = !told.is_empty() && told.iter().all(|order| order.to == 2);
    ensure!(
        REPLACED,
        right,
        "first 3, which lags, then 2, which does not; sent: {}",
        msg::describe_all(&told)
    );
    peer.hears(msg::append_ok(3, 1, 1, 2))?;
    let told = peer.sends_kind(MsgTimeoutNow);
    let first = told.iter().any(|message| message.to == 3);
    ensure!(REPLACED, !first, "2 has replaced 3, then 3 caught up; sent: {}", msg::describe_all(&told));
    Ok(())
}

const NOTHING_TO_DO: Promise = Promise::new(
    "handout",
    "a transfer to the leader itself, or to a peer that is no member, does nothing: the leader goes on taking proposals",
    "the group would refuse writes, waiting for a peer that never answers",
);

/// To itself, and to strangers.
pub fn transfer_to_self_or_stranger_does_nothing() -> Check {
    for target in [1, 9, NONE] {
        let mut peer = leader(3)?;
        transfer(&mut peer, target)?;
        let told = peer.sends_kind(MsgTimeoutNow);
        ensure!(NOTHING_TO_DO, told.is_empty(), "{target} is to lead; sent: {}", msg::describe_all(&told));
        peer.proposes("a")?;
        ensure!(
            NOTHING_TO_DO,
            peer.answer.is_ok(),
            "{target} was to lead; then a proposal: {:?}",
            peer.answer
        );
        ensure!(NOTHING_TO_DO, peer.role() == Role::Leader, "{target} was to lead; {}", peer.describe());
    }
    Ok(())
}

const FORWARDED: Promise = Promise::new(
    "handout",
    "a follower passes the request on to its leader, with the wanted target in `from`",
    "the request would be lost, or the wrong peer become leader",
);

/// Asked for itself, and for a third peer; by its host, and by a message.
pub fn follower_passes_the_request_on() -> Check {
    for target in [1, 3] {
        for by_message in [false, true] {
            let mut peer = Setup::raw(1, 3).hard(4, NONE, 0).start()?;
            peer.hears(msg::heartbeat(2, 1, 4, 0))?;
            peer.sends();
            if by_message {
                peer.hears(msg::transfer(target, 1, 4))?;
            } else {
                transfer(&mut peer, target)?;
            }
            let passed = peer.sends_kind(MsgTransferLeader);
            let right = passed.len() == 1 && (passed[0].to, passed[0].from) == (2, target);
            ensure!(FORWARDED, right, "2 leads, {target} is to lead; sent: {}", msg::describe_all(&passed));
            ensure!(
                FORWARDED,
                peer.role() == Role::Follower,
                "it only passes the request on; {}",
                peer.describe()
            );
        }
    }
    let mut peer = Setup::raw(1, 3).hard(4, NONE, 0).start()?;
    transfer(&mut peer, 3)?;
    let sent = peer.sends();
    ensure!(FORWARDED, sent.is_empty(), "no leader is known; it sent {}", msg::describe_all(&sent));
    Ok(())
}

const CAMPAIGNS: Promise = Promise::new(
    "thesis §3.10",
    "MsgTimeoutNow makes a follower campaign at once, though it has just heard from its leader",
    "the hand-over would wait for an election timeout that never comes while the leader lives",
);

/// The order comes right behind a heartbeat.
pub fn timeout_now_starts_a_campaign() -> Check {
    let mut peer = Setup::raw(1, 3).hard(4, NONE, 0).start()?;
    peer.hears(msg::heartbeat(2, 1, 4, 0))?;
    peer.sends();
    peer.hears(msg::timeout_now(2, 1, 4))?;
    let status = peer.status();
    let stands = status.role == Role::Candidate && (status.term, status.vote) == (5, 1);
    ensure!(CAMPAIGNS, stands, "leader 2 of term 4 told it to campaign; {}", peer.describe());
    let asked = peer.sends_kind(MsgRequestVote);
    let voters: BTreeSet<PeerId> = asked.iter().map(|request| request.to).collect();
    ensure!(CAMPAIGNS, voters == [2, 3].into(), "it sent {}", msg::describe_all(&asked));
    Ok(())
}

const NOT_ANY_MORE: Promise = Promise::new(
    "§5.1, thesis §3.10",
    "MsgTimeoutNow of an older term, or for a peer that is no member (any more), starts no campaign",
    "a message that comes late would disturb a healthy group",
);

/// An old order; and one to a removed peer.
pub fn old_or_misdirected_order_is_ignored() -> Check {
    let mut peer = Setup::raw(1, 3).hard(4, NONE, 0).start()?;
    peer.hears(msg::heartbeat(2, 1, 4, 0))?;
    peer.hears(msg::timeout_now(3, 1, 3))?;
    let follows = peer.role() == Role::Follower && peer.term() == 4 && peer.status().leader_id == 2;
    ensure!(NOT_ANY_MORE, follows, "in term 4 an order of term 3 came; {}", peer.describe());
    let mut peer = Setup::raw(1, 3).voters(&[2, 3, 4]).hard(4, NONE, 0).start()?;
    peer.hears(msg::heartbeat(2, 1, 4, 0))?;
    peer.sends();
    peer.hears(msg::timeout_now(2, 1, 4))?;
    let asked = peer.sends_kind(MsgRequestVote);
    let quiet = peer.role() == Role::Follower && peer.term() == 4 && asked.is_empty();
    ensure!(
        NOT_ANY_MORE,
        quiet,
        "1 is no member of 2, 3, 4; {}; sent: {}",
        peer.describe(),
        msg::describe_all(&asked)
    );
    Ok(())
}
