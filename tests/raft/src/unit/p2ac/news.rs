//! A `Ready` comes when there is news, and tells each piece of news once.

use std::collections::BTreeSet;

use proto::eraftpb::HardState;
use proto::eraftpb::MessageType::{MsgAppend, MsgHeartbeatResponse, MsgRequestVote};
use raft::{NONE, PeerId, Ready, Role, SoftState};

use super::{finish, left_over, next};
use crate::unit::fixture::{Peer, Setup, is_empty};
use crate::unit::msg::at;
use crate::unit::{Check, Promise, ensure, msg};

const QUIET: Promise = Promise::new(
    "handout",
    "without news there is no Ready: has_ready() is false, also after a tick that changed nothing",
    "a store with ten thousand peers would write and sync for nothing",
);

/// Idle peers.
pub fn idle_peer_has_no_ready() -> Check {
    let mut peer = Setup::raw(1, 3).log(&[1, 1]).hard(1, 2, 2).applied(2).start()?;
    ensure!(QUIET, !peer.core.has_ready(), "started, everything is applied, and has_ready() is true");
    peer.core.tick();
    ensure!(QUIET, !peer.core.has_ready(), "one tick of a follower, and has_ready() is true");
    peer.wins()?;
    // A tick of the leader may bring heartbeats; answers of an older term bring nothing.
    for old in [None, Some(msg::grant(2, 1, 1)), Some(msg::append_ok(2, 1, 1, 1))] {
        match old {
            Some(answer) => peer.answer = peer.core.step(answer),
            None => peer.core.tick(),
        }
        let ready = peer.core.has_ready().then(|| peer.core.ready());
        let nothing = ready.as_ref().is_none_or(|ready| !is_empty(ready));
        ensure!(QUIET, nothing, "has_ready() was true for an empty Ready");
        ready.into_iter().for_each(|ready| finish(&mut peer, ready));
    }
    Ok(())
}

const ANY_NEWS: Promise = Promise::new(
    "handout",
    "each kind of news alone makes has_ready() true",
    "a message, an entry or a vote would wait until something else happens",
);

/// A message alone.
pub fn message_alone_is_news() -> Check {
    let mut peer = Setup::raw(1, 3).hard(5, 2, 0).start()?;
    peer.hears(msg::heartbeat(2, 1, 5, 0))?;
    peer.answer = peer.core.step(msg::heartbeat(2, 1, 5, 0));
    let ready = next(ANY_NEWS, &mut peer, "a heartbeat was answered, nothing else changed")?;
    let answered = !msg::of_kind(&ready.messages, MsgHeartbeatResponse).is_empty();
    ensure!(
        ANY_NEWS,
        answered,
        "a heartbeat came; the Ready's messages: {}",
        msg::describe_all(&ready.messages)
    );
    Ok(())
}

/// A new term alone; then a new commit index, with one entry at a time to apply.
pub fn hard_state_alone_is_news() -> Check {
    let mut peer = Setup::raw(1, 3).hard(5, 2, 0).start()?;
    peer.answer = peer.core.step(msg::refuse(2, 1, 7));
    let ready = next(ANY_NEWS, &mut peer, "term 7 was heard of, nothing else changed")?;
    let expected = HardState { term: 7, vote: NONE, commit: 0 };
    ensure!(
        ANY_NEWS,
        ready.hard_state == Some(expected),
        "term 7 was heard of; hard state {:?}",
        ready.hard_state
    );
    Ok(())
}

/// A proposal, while both followers owe an answer to the first append.
pub fn entry_alone_is_news() -> Check {
    let mut peer = Setup::raw(1, 3).leader()?;
    peer.answer = peer.core.propose("a");
    let ready = next(ANY_NEWS, &mut peer, "an entry was proposed")?;
    let seen = msg::describe_entries(&ready.entries);
    let right = ready.entries.len() == 1 && ready.entries[0].index == 2 && ready.entries[0].data == "a";
    ensure!(ANY_NEWS, right, "an entry was proposed at 2; the Ready's entries: {seen}");
    Ok(())
}

/// Committed entries, of which a `Ready` may carry one only.
pub fn committed_entry_alone_is_news() -> Check {
    let mut setup = Setup::raw(1, 3).log(&[1, 1, 1]);
    setup.config.max_ready_bytes = 1;
    let mut peer = setup.start()?;
    peer.answer = peer.core.step(msg::heartbeat(2, 1, 1, 3));
    for index in 1..=3 {
        let what = format!("3 entries are committed, {} were handed out, one at a time", index - 1);
        let ready = next(ANY_NEWS, &mut peer, &what)?;
        let seen = msg::describe_entries(&ready.committed_entries);
        let right = ready.committed_entries == [msg::entry(index, 1)];
        ensure!(ANY_NEWS, right, "{what}, max_ready_bytes is 1; committed entries: {seen}");
        finish(&mut peer, ready);
    }
    ensure!(ANY_NEWS, !peer.core.has_ready(), "everything was handed out, and has_ready() is true");
    Ok(())
}

const ON_CHANGE: Promise = Promise::new(
    "handout",
    "hard_state is there if, and only if, term, vote or commit index changed since the last Ready that had one",
    "without it, votes and terms are lost in a crash; with too much of it, each message costs a sync",
);

/// A life: campaign, silence, a proposal, a commit, silence.
pub fn hard_state_comes_on_change_only() -> Check {
    let mut peer = Setup::raw(1, 3).start()?;
    peer.answer = peer.core.campaign();
    let ready = next(ON_CHANGE, &mut peer, "it campaigned")?;
    let expected = HardState { term: 1, vote: 1, commit: 0 };
    ensure!(
        ON_CHANGE,
        ready.hard_state == Some(expected),
        "campaign of term 1; hard state {:?}",
        ready.hard_state
    );
    finish(&mut peer, ready);
    peer.answer = peer.core.step(msg::grant(2, 1, 1));
    let ready = next(ON_CHANGE, &mut peer, "it was elected")?;
    ensure!(
        ON_CHANGE,
        ready.hard_state.is_none(),
        "elected, same term and vote; hard state {:?}",
        ready.hard_state
    );
    finish(&mut peer, ready);
    ensure!(ON_CHANGE, !peer.core.has_ready(), "everything was handed out, and has_ready() is true");
    peer.answer = peer.core.propose("a");
    let ready = next(ON_CHANGE, &mut peer, "an entry was proposed")?;
    ensure!(ON_CHANGE, ready.hard_state.is_none(), "a proposal; hard state {:?}", ready.hard_state);
    finish(&mut peer, ready);
    peer.answer = peer.core.step(msg::append_ok(2, 1, 1, 2));
    let ready = next(ON_CHANGE, &mut peer, "an entry was committed")?;
    let expected = HardState { term: 1, vote: 1, commit: 2 };
    ensure!(
        ON_CHANGE,
        ready.hard_state == Some(expected),
        "2 was committed; hard state {:?}",
        ready.hard_state
    );
    finish(&mut peer, ready);
    let left = left_over(&mut peer).hard_state;
    ensure!(ON_CHANGE, left.is_none(), "nothing changed since; hard state {left:?}");
    Ok(())
}

const SOFT: Promise = Promise::new(
    "handout",
    "soft_state is there if, and only if, the role or the known leader changed since the last Ready that had one",
    "the store would not notice that it leads, or has ceased to",
);

/// Follower of nobody, candidate, leader, follower of 3.
pub fn soft_state_comes_on_change_only() -> Check {
    let mut peer = Setup::raw(1, 3).start()?;
    let mut told = Vec::new();
    let mut tell = |peer: &mut Peer| {
        while peer.core.has_ready() && told.len() < 9 {
            let ready = peer.core.ready();
            told.extend(ready.soft_state);
            finish(peer, ready);
        }
    };
    peer.answer = peer.core.campaign();
    tell(&mut peer);
    peer.answer = peer.core.step(msg::grant(2, 1, 1));
    tell(&mut peer);
    peer.answer = peer.core.propose("a");
    tell(&mut peer);
    peer.answer = peer.core.step(msg::heartbeat(3, 1, 2, 0));
    tell(&mut peer);
    peer.answer = peer.core.step(msg::heartbeat(3, 1, 2, 0));
    tell(&mut peer);
    let state = |leader_id, role| SoftState { leader_id, role };
    let expected = [state(NONE, Role::Candidate), state(1, Role::Leader), state(3, Role::Follower)];
    ensure!(
        SOFT,
        told == expected,
        "candidate, leader, proposal, follower of 3, heartbeat of 3; it told {told:?}"
    );
    Ok(())
}

/// A candidate that gives up because a majority has refused, if it does.
pub fn soft_state_alone_is_news() -> Check {
    let mut peer = Setup::raw(1, 3).start()?;
    peer.campaigns()?;
    for voter in [2, 3] {
        peer.answer = peer.core.step(msg::refuse(voter, 1, 1));
    }
    let role = peer.role();
    if role != Role::Candidate {
        let ready = next(ANY_NEWS, &mut peer, "a candidate became follower, nothing else changed")?;
        let told = ready.soft_state.map(|state| state.role);
        ensure!(
            ANY_NEWS,
            told == Some(role),
            "a candidate became {role:?}; soft state {:?}",
            ready.soft_state
        );
    }
    Ok(())
}

const SYNC: Promise = Promise::new(
    "handout",
    "must_sync is set whenever term, vote or entries are to be written",
    "a vote or an acknowledgement goes out that a crash takes back: two leaders, or a lost entry",
);

/// A given vote, a campaign, a proposal, an append, a higher term.
pub fn must_sync_is_set_for_what_must_last() -> Check {
    type Act = fn(&mut Peer) -> raft::Result<()>;
    let cases: [(&str, bool, Act); 5] = [
        ("it gave its vote", false, |peer| peer.core.step(msg::vote(2, 1, 3, at(0, 0)))),
        ("it campaigned", false, |peer| peer.core.campaign()),
        ("an entry was proposed", true, |peer| peer.core.propose("a")),
        ("an append came", false, |peer| peer.core.step(msg::append(2, 1, 2, at(0, 0), &[2], 0))),
        ("term 7 was heard of", false, |peer| peer.core.step(msg::refuse(2, 1, 7))),
    ];
    for (what, leads, act) in cases {
        let mut peer = Setup::raw(1, 3).hard(2, NONE, 0).start()?;
        if leads {
            peer.wins()?;
        }
        peer.answer = act(&mut peer);
        let Ready { must_sync, hard_state, entries, .. } = next(SYNC, &mut peer, what)?;
        let seen = msg::describe_entries(&entries);
        ensure!(
            SYNC,
            must_sync,
            "{what}; must_sync is not set for hard state {hard_state:?}, entries {seen}"
        );
    }
    Ok(())
}

const ONCE: Promise =
    Promise::new("handout", "each message is handed out once", "the network fills with copies");

/// What one Ready has handed out is not in the next one. (A peer may well ask twice by itself.)
pub fn messages_are_handed_out_once() -> Check {
    let mut peer = Setup::raw(1, 3).start()?;
    peer.answer = peer.core.campaign();
    let ready = next(ONCE, &mut peer, "it campaigned")?;
    let requests = msg::of_kind(&ready.messages, MsgRequestVote);
    let asked: BTreeSet<PeerId> = requests.iter().map(|request| request.to).collect();
    ensure!(
        ONCE,
        asked == [2, 3].into(),
        "it campaigned; the Ready's messages: {}",
        msg::describe_all(&ready.messages)
    );
    finish(&mut peer, ready);
    let left = left_over(&mut peer).messages;
    ensure!(ONCE, left.is_empty(), "then another Ready with {}", msg::describe_all(&left));
    Ok(())
}

const IN_BETWEEN: Promise = Promise::new(
    "handout",
    "what comes up between ready() and advance() is in the next Ready",
    "answers would be lost, and elections with them",
);

/// Messages made while the host writes.
pub fn messages_made_in_between_are_kept() -> Check {
    let mut peer = Setup::raw(1, 3).hard(5, 2, 0).start()?;
    peer.answer = peer.core.step(msg::heartbeat(2, 1, 5, 0));
    let first = next(IN_BETWEEN, &mut peer, "a heartbeat was answered")?;
    peer.answer = peer.core.step(msg::append(2, 1, 5, at(0, 0), &[], 0));
    finish(&mut peer, first);
    let second = next(IN_BETWEEN, &mut peer, "an append came between ready() and advance()")?;
    let seen = msg::describe_all(&second.messages);
    let answered = second.messages.iter().any(|message| !msg::is(message, MsgHeartbeatResponse));
    let repeated = second.messages.iter().any(|message| msg::is(message, MsgHeartbeatResponse));
    ensure!(
        IN_BETWEEN,
        answered && !repeated,
        "an append came in between; the next Ready's messages: {seen}"
    );
    let appends = msg::of_kind(&second.messages, MsgAppend).len();
    ensure!(IN_BETWEEN, appends == 0, "a follower sent {seen}");
    Ok(())
}
