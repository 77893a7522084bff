//! S3 and S2: what a store finds when it starts, after whatever its two databases have lost.

use ::kv::engine::Read;
use ::kv::raftstore::StoreId;

use super::super::ghost;
use super::super::mirror::kv::{Mirror, States};
use super::super::mirror::raft::{self, Group};
use super::super::rules::{RESTARTABLE, SAME_DATA};
use super::super::world::{Store, World};
use super::super::{Verdict, Violation, ensure};

/// `store` is about to start with these databases.
pub fn on_open(world: &mut World, store: StoreId, raftdb: &dyn Read, kvdb: &dyn Read) -> Verdict {
    let broken = |what: String| Violation {
        rule: &RESTARTABLE,
        node: store,
        seen: format!("Store {store} cannot read its own disk: {what}"),
    };
    let mut groups = raft::load(raftdb).map_err(broken)?;
    let kv = Mirror::load(kvdb).map_err(broken)?;
    for (region_id, states) in &kv.states {
        if states.is_tombstone() {
            continue;
        }
        let group = groups.entry(*region_id).or_default();
        fits(store, *region_id, group, states)?;
        digests(world, *region_id, group, states);
    }
    for (&region_id, states) in &kv.states {
        // The first store to have the region, bootstrapped before anybody watched.
        let (applied, truncated) = (states.applied(), states.truncated());
        let is_fresh = states.is_normal() && applied == truncated.index && kv.digest(region_id) == 0;
        if let Some(region) = states.held().filter(|_| is_fresh) {
            let first = || ghost::Group::new(applied, truncated.term, region.clone());
            world.ghost.groups.entry(region_id).or_insert_with(first);
        }
        same_data(world, store, region_id, &kv, states)?;
    }
    world.stores.insert(store, Store::started(groups, kv));
    Ok(())
}

fn fits(store: StoreId, region_id: u64, group: &Group, states: &States) -> Verdict {
    let ensure = |holds: bool, seen: &dyn Fn() -> String| {
        ensure(holds, &RESTARTABLE, store, || {
            format!("On the disk of store {store}, {} (region {region_id})", seen())
        })
    };
    if states.is_applying() {
        return ensure(states.snapshot.is_some() && states.apply.is_some(), &|| {
            "a snapshot is half installed, and the states to resume it are missing".to_owned()
        });
    }
    let (Some(_), true) = (&states.apply, states.is_normal()) else { return Ok(()) };
    let (applied, last, truncated) = (states.applied(), group.last_index(), states.truncated().index);
    // A bootstrap or split that was cut short has written kvdb only.
    let is_fresh = last == 0 && applied == truncated;
    ensure(is_fresh || last >= applied, &|| {
        format!("kvdb has applied up to {applied}, and the log in raftdb ends at {last}")
    })?;
    ensure(truncated <= applied, &|| {
        format!("the log is truncated at {truncated}, and applied up to {applied}")
    })?;
    let hole = (truncated + 1..=last).find(|&index| group.slot(index).is_none());
    ensure(hole.is_none(), &|| {
        let index = hole.unwrap_or_default();
        format!("the log, truncated at {truncated} and ending at {last}, has no entry {index}")
    })?;
    let commit = group.hard_state().commit;
    ensure(is_fresh || commit <= last, &|| {
        format!("the commit index is {commit}, and the log ends at {last}")
    })
}

/// Fills in the digests of the log.
fn digests(world: &World, region_id: u64, group: &mut Group, states: &States) {
    let Some(ghost) = world.ghost.groups.get(&region_id) else { return };
    let (mut at, truncated) = (0, states.truncated());
    let mut before = None;
    for (&index, slot) in &mut group.log {
        if index != at + 1 {
            before = ghost.committed(index - 1).and_then(|entry| entry.chain);
            before = before.or_else(|| ghost.prefix(index - 1, truncated.term));
        }
        before = before.map(|before| raft_tests::disk::chain(before, &slot.entry));
        (slot.chain, at) = (before, index);
    }
}

fn same_data(world: &World, store: StoreId, region_id: u64, kv: &Mirror, states: &States) -> Verdict {
    let group = world.ghost.groups.get(&region_id).filter(|_| states.is_normal());
    let expected = group.and_then(|group| group.digest_at(states.applied()));
    ensure(expected.is_none_or(|expected| expected == kv.digest(region_id)), &SAME_DATA, store, || {
        format!(
            "On the disk of store {store}, the data of region {region_id} is not what the log says at its applied index {}",
            states.applied()
        )
    })
}
