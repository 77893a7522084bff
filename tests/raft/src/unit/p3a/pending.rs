//! One change at a time.

use prost::Message as _;
use proto::eraftpb::{Entry, EntryType, Message};
use raft::Index;

use super::leader;
use crate::unit::fixture::{Peer, Setup};
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

/// The old leader's change is in the log, not committed.
pub fn new_leader_waits_for_inherited_changes() -> Check {
    let mut peer = Setup::raw(1, 3).start()?;
    let data = msg::add(4).encode_to_vec().into();
    let change = Entry { entry_type: EntryType::EntryConfChange as i32, term: 1, index: 1, data };
    let append = msg::append(2, 1, 1, at(0, 0), &[], 0);
    peer.hears(Message { entries: vec![change], ..append })?;
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
