//! What a store writes to raftdb: R3 Log Matching, R5 nothing applied is overwritten, R6 and R7 terms and commit indexes never go
//! back, S3 the log has no holes and reaches to what it says, S16 nothing is deleted too early, S23 nothing is left
//! behind the end.

use ::kv::raftstore::StoreId;
use ::raft::Index;
use proto::eraftpb::HardState;
use raft_tests::check::rules::{
    COMMIT_MONOTONIC, LOG_MATCHING, ONE_VOTE, STATE_MACHINE_SAFETY, TERM_MONOTONIC,
};
use raft_tests::disk::chain;

use super::super::mirror::kv::States;
use super::super::mirror::raft::{Change, Group};
use super::super::rules::{LOG_GC, NO_LEFTOVERS, RESTARTABLE};
use super::super::world::World;
use super::super::{Verdict, ensure};

/// `store` has written `change`. Fills in the digests of its entries.
pub fn on_write(world: &mut World, store: StoreId, region_id: u64, change: &mut Change) -> Verdict {
    let view = world.stores.entry(store).or_default();
    let states = view.kv.states.get(&region_id).cloned().unwrap_or_default();
    let durable = view.durable_kv.get(&region_id).cloned().unwrap_or_default();
    let group = view.raft.entry(region_id).or_default();
    let old = group.hard_state();
    group.apply(change);
    if !states.is_tombstone() {
        hard_state(store, region_id, old, group)?;
        deleted(store, region_id, change, group, &durable)?;
        reaches(store, region_id, group, &states)?;
        ends(store, region_id, change, group)?;
    }
    written(world, store, region_id, change, &states)
}

fn hard_state(store: StoreId, region_id: u64, old: HardState, group: &Group) -> Verdict {
    let Some(new) = group.state.map(|state| state.hard_state.unwrap_or_default()) else { return Ok(()) };
    let told =
        || format!("the term of region {region_id} on store {store} goes from {} to {}", old.term, new.term);
    ensure(new.term >= old.term, &TERM_MONOTONIC, store, told)?;
    let keeps = new.term > old.term || old.vote == 0 || new.vote == old.vote;
    ensure(keeps, &ONE_VOTE, store, || {
        format!(
            "Store {store} replaces its vote of region {region_id} in term {}: {} instead of {}",
            new.term, new.vote, old.vote
        )
    })?;
    ensure(new.commit >= old.commit, &COMMIT_MONOTONIC, store, || {
        format!(
            "the commit index of region {region_id} on store {store} goes from {} to {}",
            old.commit, new.commit
        )
    })
}

/// Entries are deleted because a snapshot stands for them, or because another leader's entries take their place.
fn deleted(store: StoreId, region_id: u64, change: &Change, group: &Group, durable: &States) -> Verdict {
    let truncated = durable.truncated().index;
    let is_kept = |&&index: &&Index| index > truncated && index <= group.last_index();
    let early = change.deleted.iter().find(is_kept);
    ensure(early.is_none() || durable.is_tombstone(), &LOG_GC, store, || {
        format!(
            "Store {store} deletes entry {} of region {region_id}, and what is safe in its kvdb says that the log is truncated \
             at {truncated}, and applied up to {}",
            early.copied().unwrap_or_default(),
            durable.applied()
        )
    })
}

/// The last entry is there, and so is everything that was applied.
fn reaches(store: StoreId, region_id: u64, group: &Group, states: &States) -> Verdict {
    let (last, truncated) = (group.last_index(), states.truncated().index);
    ensure(last <= truncated || group.log.contains_key(&last), &RESTARTABLE, store, || {
        format!(
            "Store {store} writes that the log of region {region_id} ends at {last}, and holds no such entry"
        )
    })?;
    let applied = states.applied();
    ensure(group.state.is_none() || last >= applied || !states.is_normal(), &RESTARTABLE, store, || {
        format!("Store {store} cuts the log of region {region_id} to {last}, and has applied {applied}")
    })
}

/// Nothing is left behind the last entry, once the Raft state says which that is. Entries may be written before it.
fn ends(store: StoreId, region_id: u64, change: &Change, group: &Group) -> Verdict {
    let last = group.last_index();
    let left = group.log.range(last + 1..).next().filter(|_| matches!(change.state, Some(Some(_))));
    ensure(left.is_none(), &NO_LEFTOVERS, store, || {
        let (index, slot) = left.expect("only then");
        format!(
            "Store {store} writes that the log of region {region_id} ends at {last}, and keeps an entry of term {} at index {index}",
            slot.entry.term
        )
    })
}

fn written(
    world: &mut World,
    store: StoreId,
    region_id: u64,
    change: &mut Change,
    states: &States,
) -> Verdict {
    let view = world.stores.entry(store).or_default();
    let group = view.raft.entry(region_id).or_default();
    let ghost = world.ghost.groups.get_mut(&region_id);
    let (Some(first), Some(last)) = (change.written.first(), change.written.last()) else { return Ok(()) };
    let (first, last) = (first.entry.index, last.entry.index);
    let truncated = states.truncated();
    let is_joined = |index: Index| index <= truncated.index + 1 || group.log.contains_key(&(index - 1));
    let hole = change.written.iter().map(|slot| slot.entry.index).find(|&index| !is_joined(index));
    ensure(hole.is_none(), &RESTARTABLE, store, || {
        let index = hole.unwrap_or_default();
        format!("Store {store} writes entry {index} of region {region_id}, and holds no entry {}", index - 1)
    })?;
    let Some(ghost) = ghost else { return Ok(()) };
    // Whatever follows the new entries changes its meaning with them.
    let mut before = match group.log.get(&(first - 1)) {
        Some(slot) => slot.chain,
        None => {
            let known = ghost.committed(first - 1).and_then(|entry| entry.chain);
            known.or_else(|| ghost.prefix(first - 1, truncated.term))
        }
    };
    let end = group.last_index().max(last);
    for (&index, slot) in group.log.range_mut(first..=end) {
        before = before.map(|before| chain(before, &slot.entry));
        if index > last && slot.chain == before {
            break;
        }
        slot.chain = before;
        let term = slot.entry.term;
        let agrees = before.is_none_or(|chain| ghost.note_prefix(index, term, chain));
        ensure(agrees, &LOG_MATCHING, store, || {
            format!(
                "The log of region {region_id} on store {store} differs, up to the entry at index {index} of term {term}, from \
                 another log that holds an entry with that index and term"
            )
        })?;
        let committed = ghost.committed(index).filter(|_| index <= states.applied() && states.is_normal());
        ensure(committed.is_none_or(|entry| entry.term == term), &STATE_MACHINE_SAFETY, store, || {
            let was = committed.map_or(0, |entry| entry.term);
            format!(
                "Store {store} writes an entry of term {term} at index {index} of region {region_id}, where it has applied one \
                 of term {was}"
            )
        })?;
    }
    for slot in &mut change.written {
        slot.chain = group.log.get(&slot.entry.index).and_then(|slot| slot.chain);
    }
    Ok(())
}
