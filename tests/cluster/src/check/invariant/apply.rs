//! What applying committed entries writes to kvdb: S1 data and applied index together, S2 and S7 exactly what the log says, S3 only
//! what raftdb holds safely, R5 what others have applied there too, R12 what a majority holds.

use std::collections::btree_map::Entry;

use ::kv::raftstore::StoreId;
use ::raft::{Index, LogId};
use prost::Message;
use proto::eraftpb::EntryType;
use proto::raft_cmdpb::RaftCmdRequest;
use raft_tests::check::rules::{COMMIT_MONOTONIC, COMMITTED_DURABLE, STATE_MACHINE_SAFETY};

use super::super::ghost::{Committed, End, Group};
use super::super::mirror::raft::Slot;
use super::super::observe::stamped;
use super::super::rules::{ANSWER_TRUE, APPLY_ATOMIC, CHECKED_AT_APPLY, LOG_GC, RESTARTABLE, SAME_DATA};
use super::super::world::World;
use super::super::{Rule, Verdict, ensure};
use super::Case;

/// A region that is whole, before and after, has been written.
pub fn on_write(world: &mut World, case: &Case<'_>) -> Verdict {
    let Case { store, region_id, old, new, writes_data } = *case;
    if !new.is_normal() || !(old.is_normal() || old.region.is_none()) || new.apply.is_none() {
        return Ok(());
    }
    let truncated = new.truncated();
    if let Entry::Vacant(place) = world.ghost.groups.entry(region_id) {
        // The first store to have the region.
        place.insert(Group::new(new.applied(), truncated.term, new.held().cloned().unwrap_or_default()));
        return Ok(());
    }
    if !old.is_normal() {
        return Ok(());
    }
    let (from, to) = (old.applied(), new.applied());
    ensure(to >= from, &COMMIT_MONOTONIC, store, || {
        format!("The applied index of region {region_id} on store {store} goes from {from} to {to}")
    })?;
    truncation(world, case, truncated)?;
    ensure(to > from || !writes_data, &APPLY_ATOMIC, store, || {
        format!(
            "Store {store} changes data of region {region_id} in a batch that leaves the applied index at {from}: no entry \
             accounts for it"
        )
    })?;
    for index in from + 1..=to {
        applied(world, store, region_id, index)?;
    }
    if !new.has_region_of(old)
        && let Some(group) = world.ghost.groups.get_mut(&region_id).filter(|group| group.commit() == to)
    {
        group.region = new.held().cloned().unwrap_or_default();
    }
    if to > from { data(world, case) } else { Ok(()) }
}

/// The log may be shortened only to where it is applied, and its new base must be known by its term.
fn truncation(world: &World, case: &Case<'_>, truncated: LogId) -> Verdict {
    let Case { store, region_id, old, new, .. } = *case;
    let before = old.truncated();
    if truncated == before {
        return Ok(());
    }
    let told = |what: &str| {
        format!(
            "Store {store} truncates the log of region {region_id} at index {} of term {} (before: {}), {what}",
            truncated.index, truncated.term, before.index
        )
    };
    ensure(truncated.index > before.index, &LOG_GC, store, || told("which goes backwards"))?;
    let applied = new.applied();
    ensure(truncated.index <= applied, &LOG_GC, store, || told(&format!("and has applied only {applied}")))?;
    let group = &world.ghost.groups[&region_id];
    let slot = world.stores[&store].raft.get(&region_id).and_then(|group| group.term(truncated.index));
    let term = group.term(truncated.index).or(slot);
    ensure(term.is_none_or(|term| term == truncated.term), &LOG_GC, store, || {
        told(&format!("where the entry is of term {}", term.unwrap_or_default()))
    })
}

/// `store` has applied the entry at `index`.
fn applied(world: &mut World, store: StoreId, region_id: u64, index: Index) -> Verdict {
    let view = &world.stores[&store];
    let slot = view.raft.get(&region_id).and_then(|group| group.slot(index)).cloned();
    let Some(slot) = slot else {
        return Err(super::super::Violation {
            rule: &RESTARTABLE,
            node: store,
            seen: format!(
                "Store {store} applies entry {index} of region {region_id}, and its raftdb holds no such entry"
            ),
        });
    };
    let term = slot.entry.term;
    ensure(view.holds_durably(region_id, index, Some(term)), &RESTARTABLE, store, || {
        format!(
            "Store {store} writes that entry {index} (term {term}) of region {region_id} is applied, before that entry is safe in \
             raftdb: a power cut can leave the first and take the second"
        )
    })?;
    let Some(committed) = world.ghost.groups[&region_id].committed(index) else {
        return commit(world, store, region_id, slot);
    };
    let same_log = match (committed.chain, slot.chain) {
        (Some(a), Some(b)) => a == b,
        _ => true,
    };
    ensure(committed.term == term && same_log, &STATE_MACHINE_SAFETY, store, || {
        format!(
            "Store {store} applies an entry of term {term} at index {index} of region {region_id}; another store has applied {} \
             there",
            if committed.term == term {
                "another one".to_owned()
            } else {
                format!("one of term {}", committed.term)
            }
        )
    })
}

/// `store` is the first to apply this entry.
fn commit(world: &mut World, store: StoreId, region_id: u64, slot: Slot) -> Verdict {
    let LogId { index, term } = LogId { index: slot.entry.index, term: slot.entry.term };
    let group = &world.ghost.groups[&region_id];
    let peers = &group.region.peers;
    let holds = |store: StoreId| {
        world.stores.get(&store).is_some_and(|view| view.holds_durably(region_id, index, Some(term)))
    };
    let holders: Vec<StoreId> =
        peers.iter().map(|peer| peer.store_id).filter(|&store| holds(store)).collect();
    // A membership change that is just being applied may still be missing from the region as we know it.
    let is_majority =
        holders.len() * 2 > peers.len() || slot.entry.entry_type() == EntryType::EntryConfChange;
    ensure(is_majority || peers.is_empty(), &COMMITTED_DURABLE, store, || {
        format!(
            "Store {store} applies entry {index} (term {term}) of region {region_id}; of its {} stores only {holders:?} have it \
             safe on disk",
            peers.len()
        )
    })?;
    let commit_term = world.stores[&store].raft.get(&region_id).map_or(term, |group| group.hard_state().term);
    let request = command(&slot.entry);
    let now = world.now;
    let group = world.ghost.groups.get_mut(&region_id).expect("looked up above");
    let region = group.region.clone();
    let is_effective = request.as_ref().is_some_and(|request| group.model.apply(index, request, &region));
    let id = request.as_ref().and_then(stamped);
    group.push(Committed {
        region_id,
        index,
        term,
        chain: slot.chain,
        digest: group.model.digest(),
        at: now,
        commit_term,
        request,
        is_effective,
    });
    id.filter(|_| is_effective).map_or(Ok(()), |id| once(world, store, id, (region_id, index)))
}

fn command(entry: &proto::eraftpb::Entry) -> Option<RaftCmdRequest> {
    if entry.entry_type() != EntryType::EntryNormal || entry.data.is_empty() {
        return None;
    }
    RaftCmdRequest::decode(entry.data.clone()).ok()
}

/// The command `id` takes effect.
fn once(world: &mut World, store: StoreId, id: u64, place: (u64, Index)) -> Verdict {
    let other = world.ghost.places.insert(id, place);
    let (region_id, index) = place;
    ensure(other.is_none(), &ANSWER_TRUE, store, || {
        let (_, before) = other.unwrap_or_default();
        format!(
            "The same command takes effect at index {index} of region {region_id}, and has taken effect at index {before}"
        )
    })?;
    let Some(command) = world.ghost.commands.get(&id) else { return Ok(()) };
    let (asked, reads) = (command.store, command.reads);
    match &command.end {
        Some(End::Refused(error)) if !reads => Err(super::super::Violation {
            rule: &ANSWER_TRUE,
            node: asked,
            seen: format!(
                "Store {asked} has answered a command with \"{error}\", which promises that it has no effect; now it takes effect, at \
                 index {index} of region {region_id}"
            ),
        }),
        _ => Ok(()),
    }
}

/// The data is what the log says.
fn data(world: &World, case: &Case<'_>) -> Verdict {
    let Case { store, region_id, old, new, writes_data } = *case;
    let group = &world.ghost.groups[&region_id];
    let (from, to) = (old.applied(), new.applied());
    let found = world.stores[&store].kv.digest(region_id);
    let Some(expected) = group.digest_at(to) else { return Ok(()) };
    if found == expected {
        return Ok(());
    }
    let entries =
        if from + 1 == to { format!("entry {to}") } else { format!("entries {} to {to}", from + 1) };
    let head = format!("Store {store} applies {entries} of region {region_id}");
    let is_at = |index: Index| group.digest_at(index) == Some(found);
    let refused = (from + 1..=to).find(|&index| {
        group.committed(index).is_some_and(|entry| entry.request.is_some() && !entry.is_effective)
    });
    let (rule, seen): (&'static Rule, String) = if !writes_data {
        (&APPLY_ATOMIC, format!("{head} without any of the changes that they make"))
    } else if let Some(index) = (from..to).rev().find(|&index| is_at(index)) {
        (&APPLY_ATOMIC, format!("{head}, and the data written with it is only that of index {index}"))
    } else if let Some(index) = (to + 1..=group.commit()).find(|&index| is_at(index)) {
        (&APPLY_ATOMIC, format!("{head}, and the data written with it is already that of index {index}"))
    } else if let Some(index) = refused {
        let why = format!("entry {index} must not take effect: its epoch or its keys are not the region's");
        (&CHECKED_AT_APPLY, format!("{head}, and its data is not what the log says; {why}"))
    } else {
        (&SAME_DATA, format!("{head}, and the region's data is not what the log says at index {to}"))
    };
    ensure(false, rule, store, || seen)
}
