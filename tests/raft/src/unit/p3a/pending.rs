//! One change at a time.

use prost::Message as _;
use proto::eraftpb::MessageType::MsgRequestVote;
use proto::eraftpb::{ConfChange, ConfChangeType, Entry, EntryType, Message};
use raft::{Index, Role};

use super::leader;
use crate::unit::fixture::{ELECTION, Peer, Setup};
use crate::unit::msg::at;
use crate::unit::{Check, Promise, ensure, msg};

const ONE_AT_A_TIME: Promise = Promise::new(
    "thesis §4.1",
    "a change is accepted only when all changes before it in the log are applied",
    "two changes on their way at once can make two majorities that share no peer: two leaders",
);

/// Indexes of the changes in a log behind `applied`.
fn unapplied_changes(peer: &Peer, applied: Index) -> Vec<Index> {
    let is_change =
        |entry: &&Entry| entry.entry_type() == EntryType::EntryConfChange && entry.index > applied;
    peer.disk_entries().iter().filter(is_change).map(|entry| entry.index).collect()
}

/// Asks for another change while one is pending. It may be refused with an error, or be turned into an entry without
/// effect.
fn ensure_refused(peer: &mut Peer, applied: Index, when: &str) -> Check {
    let before = unapplied_changes(peer, applied).len();
    peer.answer = peer.core.propose_conf_change(&msg::add(7));
    let ready = peer.core.has_ready().then(|| peer.core.ready());
    if let Some(ready) = ready {
        peer.writes(&ready);
        peer.core.advance(ready);
    }
    let changes = unapplied_changes(peer, applied);
    ensure!(
        ONE_AT_A_TIME,
        changes.len() == before,
        "{when}; another was asked for: {:?}; changes at {changes:?}",
        peer.answer
    );
    Ok(())
}

/// Not committed yet; committed but not applied; applied.
pub fn one_change_at_a_time() -> Check {
    let mut peer = leader(3)?;
    peer.proposes_change(&msg::add(4))?;
    ensure!(
        ONE_AT_A_TIME,
        peer.answer.is_ok(),
        "nothing was pending, and AddNode 4 was refused: {:?}",
        peer.answer
    );
    ensure_refused(&mut peer, 1, "AddNode 4 is not committed")?;
    peer.answer = peer.core.step(msg::append_ok(2, 1, 1, 2));
    let ready = peer.core.ready();
    let handed: Vec<Index> = ready.committed_entries.iter().map(|entry| entry.index).collect();
    ensure!(ONE_AT_A_TIME, handed.contains(&2), "AddNode 4 at 2 is committed; handed out: {handed:?}");
    peer.writes(&ready);
    peer.core.advance(ready);
    ensure_refused(&mut peer, 1, "AddNode 4 is committed, and not applied")?;
    peer.core.apply_conf_change(&msg::add(4));
    peer.core.advance_apply(2);
    peer.round()?;
    peer.proposes_change(&msg::remove(3))?;
    let changes = unapplied_changes(&peer, 2);
    let accepted = peer.answer.is_ok() && changes.len() == 1;
    ensure!(
        ONE_AT_A_TIME,
        accepted,
        "AddNode 4 is applied; RemoveNode 3: {:?}, changes at {changes:?}",
        peer.answer
    );
    Ok(())
}

const INHERITED: Promise = Promise::new(
    "thesis §4.1",
    "a new leader accepts no change before those in the log that it inherited are applied",
    "two changes on their way at once can make two majorities that share no peer: two leaders",
);

/// An append of the leader 2 of term 1 that holds AddNode 4 at index 1.
fn add_four(commit: Index) -> Message {
    let data = msg::add(4).encode_to_vec().into();
    let change = Entry { entry_type: EntryType::EntryConfChange as i32, term: 1, index: 1, data };
    Message { entries: vec![change], ..msg::append(2, 1, 1, at(0, 0), &[], commit) }
}

/// The old leader's change is in the log, not committed.
pub fn new_leader_waits_for_inherited_changes() -> Check {
    let mut peer = Setup::raw(1, 3).start()?;
    peer.hears(add_four(0))?;
    peer.wins()?;
    ensure_refused(&mut peer, 0, "the leader inherited AddNode 4, not committed")?;
    peer.round()?;
    let last = peer.status().last.index;
    peer.hears(msg::append_ok(2, 1, 2, last))?;
    let members = peer.core.conf_state().voters;
    ensure!(INHERITED, members == [1, 2, 3, 4], "AddNode 4 is committed and applied; members {members:?}");
    peer.proposes_change(&msg::remove(3))?;
    let changes = unapplied_changes(&peer, last);
    let accepted = peer.answer.is_ok() && changes.len() == 1;
    ensure!(
        INHERITED,
        accepted,
        "AddNode 4 is applied; RemoveNode 3: {:?}, changes at {changes:?}",
        peer.answer
    );
    Ok(())
}

const REFUSED: Promise = Promise::new(
    "handout",
    "only a leader takes membership changes; everybody else refuses them with an error, and appends nothing",
    "the change would stand in one log only",
);

/// A follower and a candidate are asked.
pub fn only_a_leader_takes_changes() -> Check {
    for candidate in [false, true] {
        let mut peer = Setup::raw(1, 3).log(&[1]).start()?;
        if candidate {
            peer.campaigns()?;
        } else {
            peer.hears(msg::heartbeat(2, 1, 1, 0))?;
        }
        peer.proposes_change(&msg::add(4))?;
        let (refused, last) = (peer.answer.is_err(), peer.status().last.index);
        ensure!(
            REFUSED,
            refused && last == 1,
            "asked for AddNode 4: {:?}; last entry {last}; {}",
            peer.answer,
            peer.describe()
        );
    }
    Ok(())
}

const KNOWS_ITS_GROUP: Promise = Promise::new(
    "handout, thesis §4.1",
    "a peer does not campaign while it has a membership change that is committed and not applied",
    "it would count the votes of a group that does not exist any more: two leaders",
);

/// Told to by its host and by its leader, and by its clock; before and after the change is applied.
pub fn no_campaign_before_a_change_is_applied() -> Check {
    type Act = fn(&mut Peer);
    let acts: [(&str, Act); 3] = [
        ("its host told it to campaign", |peer| peer.answer = peer.core.campaign()),
        ("its leader told it to campaign", |peer| peer.answer = peer.core.step(msg::timeout_now(2, 1, 1))),
        ("it heard nothing for two election timeouts", |peer| {
            (0..2 * ELECTION).for_each(|_| peer.core.tick())
        }),
    ];
    for (what, act) in acts {
        let mut peer = Setup::raw(1, 3).start()?;
        peer.answer = peer.core.step(add_four(1));
        let mut given = Vec::new();
        while peer.core.has_ready() && given.is_empty() {
            let ready = peer.core.ready();
            peer.writes(&ready);
            given.extend(ready.committed_entries.iter().map(|entry| entry.index));
            peer.core.advance(ready);
        }
        ensure!(KNOWS_ITS_GROUP, given == [1], "AddNode 4 at 1 is committed; handed out: {given:?}");
        act(&mut peer);
        let quiet = peer.role() == Role::Follower && peer.term() == 1;
        ensure!(KNOWS_ITS_GROUP, quiet, "AddNode 4 is not applied yet, {what}; {}", peer.describe());
        peer.core.apply_conf_change(&msg::add(4));
        peer.core.advance_apply(1);
        peer.round()?;
        peer.sends();
        peer.campaigns()?;
        let asked = peer.sends_kind(MsgRequestVote);
        let all = (2..=4).all(|voter| asked.iter().any(|request| request.to == voter));
        ensure!(
            KNOWS_ITS_GROUP,
            all,
            "AddNode 4 is applied, it campaigned; sent: {}",
            msg::describe_all(&asked)
        );
    }
    Ok(())
}

const NOBODY: Promise = Promise::new(
    "handout",
    "a change that names no peer, node_id 0, changes nothing when it is applied: so a host drops a change that it does not want",
    "a peer that does not exist would count in every majority",
);

/// Changes of every kind, for a leader and for a follower.
pub fn empty_change_changes_nothing() -> Check {
    for leads in [false, true] {
        for kind in [ConfChangeType::AddNode, ConfChangeType::RemoveNode, ConfChangeType::AddLearnerNode] {
            let mut peer = if leads { leader(3)? } else { Setup::raw(1, 3).start()? };
            let before = (peer.status(), peer.core.conf_state());
            let empty = ConfChange { change_type: kind as i32, ..ConfChange::default() };
            let told = peer.core.apply_conf_change(&empty);
            let after = (peer.status(), peer.core.conf_state());
            ensure!(
                NOBODY,
                after == before && told == before.1 && peer.progress(0).is_none(),
                "{kind:?} 0 was applied; before {:?}, now {:?}, told {told:?}; {}",
                before.1,
                after.1,
                peer.describe()
            );
        }
    }
    Ok(())
}
