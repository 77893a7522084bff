//! What must hold at each call that crosses a seam. One file for each promise.
//!
//! | file | rules |
//! |---|---|
//! | `durable` | R9, R10, R11: on disk before it is said |
//! | `election` | R1, R4, R14: one leader, one vote, and a leader has all that was committed |
//! | `log` | R3, R5, R6, R7, S3, S16, S23: what is written to raftdb |
//! | `apply` | S1, S2, S3, S7, R5, R12: what applying entries writes to kvdb |
//! | `snapshot` | S10, S16: snapshots sent, begun and finished |
//! | `snapshot_file` | S11: files stay as long as they are needed |
//! | `region` | S4, S6: ranges and epochs |
//! | `life` | S8, S9: removed peers |
//! | `restart` | S2, S3: what a store finds when it starts |
//! | `answer` | S12 to S15: commands and their answers |
//! | `peer` | R1, R6, R7: what peers show of themselves |
//! | `fail_stop` | S22: silence after a failure |
//!
//! S20 is judged here, where batches are taken apart.

pub mod answer;
pub mod apply;
pub mod durable;
pub mod election;
pub mod fail_stop;
pub mod life;
pub mod log;
pub mod peer;
pub mod region;
pub mod restart;
pub mod snapshot;
pub mod snapshot_file;

use std::collections::BTreeSet;

use ::kv::engine::WriteBatch;
use ::kv::raftstore::StoreId;
use proto::raft_serverpb::RaftMessage;

use super::history::{DataKey, text};
use super::mirror::{Changes, kv, raft};
use super::observe::Db;
use super::rules::OWN_KEYS;
use super::world::World;
use super::{Verdict, ensure};

/// `store` has written a batch to raftdb.
pub fn on_raft_write(world: &mut World, store: StoreId, batch: &WriteBatch) -> Verdict {
    let changes = read_batch(store, Db::Raft, batch)?;
    let mut changes = readable(store, raft::changes(&changes))?;
    for (&region_id, change) in &mut changes {
        log::on_write(world, store, region_id, change)?;
    }
    world.store(store).note_unsynced(changes);
    Ok(())
}

/// `store` has written a batch to kvdb.
pub fn on_kv_write(world: &mut World, store: StoreId, batch: &WriteBatch) -> Verdict {
    let batch = read_batch(store, Db::Kv, batch)?;
    let changes = readable(store, kv::changes(&batch))?;
    let mirror = &mut world.store(store).kv;
    let mut touched: BTreeSet<u64> = BTreeSet::new();
    let before: Vec<Option<u64>> = batch.data.iter().map(|(key, _)| mirror.region_of(key)).collect();
    let mut cases = Vec::new();
    let mut has_moved = false;
    for (&region_id, change) in &changes {
        let old = mirror.states.get(&region_id).cloned().unwrap_or_default();
        let new = change.on(&old);
        has_moved |= !old.has_region_of(&new) && old.held() != new.held();
        mirror.states.insert(region_id, new.clone());
        cases.push((region_id, old, new));
    }
    for ((key, value), before) in batch.data.iter().zip(before) {
        let region = before.or_else(|| mirror.region_of(key));
        ensure(region.is_some() || value.is_none(), &OWN_KEYS, store, || outside(store, key))?;
        touched.extend(region);
    }
    mirror.write(&batch.data);
    if has_moved {
        mirror.sum_up();
    }
    for &region_id in touched.iter().filter(|region_id| !changes.contains_key(region_id)) {
        let states = mirror.states.get(&region_id).cloned().unwrap_or_default();
        cases.push((region_id, states.clone(), states));
    }
    for (region_id, old, new) in cases {
        let case = Case { store, region_id, old: &old, new: &new, writes_data: touched.contains(&region_id) };
        life::on_write(world, &case)?;
        snapshot::on_write(world, &case)?;
        apply::on_write(world, &case)?;
        region::on_write(world, &case)?;
    }
    Ok(())
}

/// What a batch to kvdb means for one region.
pub struct Case<'a> {
    /// Who has written it.
    pub store: StoreId,
    /// Region.
    pub region_id: u64,
    /// States before.
    pub old: &'a kv::States,
    /// States after.
    pub new: &'a kv::States,
    /// Whether it changes data of the region.
    pub writes_data: bool,
}

/// `store` sends a message.
pub fn on_send(world: &mut World, store: StoreId, message: &RaftMessage) -> Verdict {
    fail_stop::on_send(world, store, message)?;
    // That a peer is gone is the store's word, not the peer's.
    if message.is_tombstone {
        return Ok(());
    }
    life::on_send(world, store, message)?;
    durable::on_send(world, store, message)?;
    election::on_send(world, store, message)?;
    snapshot::on_send(world, store, message)
}

fn read_batch(store: StoreId, db: Db, batch: &WriteBatch) -> Result<Changes, super::Violation> {
    let changes = Changes::of(db, batch.ops());
    let stray = changes.misplaced.as_deref();
    ensure(stray.is_none(), &OWN_KEYS, store, || {
        let key = text(stray.unwrap_or_default());
        format!("Store {store} writes the key {key} to {}, where no such key belongs", db.name())
    })?;
    Ok(changes)
}

fn readable<T>(store: StoreId, read: Result<T, String>) -> Result<T, super::Violation> {
    read.map_err(|what| super::Violation {
        rule: &OWN_KEYS,
        node: store,
        seen: format!("Store {store} writes what it cannot read again: {what}"),
    })
}

fn outside(store: StoreId, key: &DataKey) -> String {
    format!("Store {store} writes the key {key}, which lies in none of its regions")
}
