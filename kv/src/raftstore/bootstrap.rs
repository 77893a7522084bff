//! The first steps of a store and of a cluster, each of which may be stopped anywhere and taken again.
//!
//! ```text
//! bootstrap_store            the store has an identity: its ids, and the format of its data
//! prepare_bootstrap          it has a first region
//! clear_prepare_bootstrap    and the cluster knows of it
//! ```
//!
//! Who gives out ids and the first region is the scheduler's business, and the server's to ask it. All stores that begin a
//! cluster together get the same region, with a peer for each, at index and term [`super::RAFT_INIT_LOG_INDEX`]: to Raft they
//! look like peers that have a common log up to there.

use std::ops::Bound;

use proto::metapb::Region;
use proto::raft_serverpb::{PeerState, RegionLocalState, StoreIdent};

use super::error::{Error, Result};
use super::meta::{keys, states};
use super::peer_storage::{RoundWrites, clear_meta, write_initial_apply_state, write_initial_raft_state};
use super::{RegionId, StoreId};
use crate::engine::{self, Cf, Engine, Engines, Read, WriteBatch};

/// Version of everything that the raftstore writes. A store refuses another one.
pub const FORMAT_VERSION: u32 = 1;

/// Who this store is; `None` if its databases are empty.
///
/// # Errors
/// [`Error::Corrupt`] if the databases belong to different stores, were written in another format, or hold data without an
/// identity; the engine's.
pub fn check_store_ident(engines: &Engines) -> Result<Option<StoreIdent>> {
    let in_raftdb = load_ident(&*engines.raft, "raftdb", &[Cf::Raft])?;
    let in_kvdb = load_ident(&*engines.kv, "kvdb", &Cf::ALL)?;
    match (in_raftdb, in_kvdb) {
        (Some(raft), Some(kv)) if raft != kv => {
            Err(Error::Corrupt(format!("raftdb is of {}, kvdb of {}", named(&raft), named(&kv))))
        }
        // Only one of them: the bootstrap was stopped in between.
        (raft, kv) => Ok(raft.or(kv)),
    }
}

/// Gives the store its identity. Does nothing if it has this identity already.
///
/// # Crash
/// raftdb first, then kvdb, each synced. If only raftdb has the identity after a crash, [`check_store_ident`] still tells it, and
/// the same call completes it.
///
/// # Errors
/// [`Error::Corrupt`] if the store is another one, or its databases are not empty; the engine's.
pub fn bootstrap_store(engines: &Engines, cluster_id: u64, store_id: StoreId) -> Result<()> {
    let ident = StoreIdent { cluster_id, store_id };
    if let Some(found) = check_store_ident(engines)?
        && found != ident
    {
        return Err(Error::Corrupt(format!("the data is of {}, not of {}", named(&found), named(&ident))));
    }
    for db in [&engines.raft, &engines.kv] {
        if states::load_store_ident(&**db)?.is_none() {
            let mut batch = WriteBatch::new();
            batch.put_msg(Cf::Raft, keys::store_ident_key(), &ident);
            batch.put(Cf::Raft, keys::format_version_key(), states::encode_format_version(FORMAT_VERSION));
            write_and_sync(&**db, batch)?;
        }
    }
    Ok(())
}

/// Gives the store its first region, with the first state of its log and its data. Does nothing if the region is here already:
/// it may have been at work for long. [`states::load_prepare_bootstrap`] tells the region until
/// [`clear_prepare_bootstrap`].
///
/// # Crash
/// raftdb first, then kvdb, each synced. A region exists once kvdb says so, and by then all that it needs is there; a raft state
/// without a region means nothing, and is written anew.
///
/// # Errors
/// The engine's.
pub fn prepare_bootstrap(engines: &Engines, region: &Region) -> Result<()> {
    if states::load_region_state(&*engines.kv, region.id)?.is_some() {
        return Ok(());
    }
    let mut raft = WriteBatch::new();
    write_initial_raft_state(&mut raft, region.id);
    write_and_sync(&*engines.raft, raft)?;

    let mut kv = WriteBatch::new();
    let state = RegionLocalState { state: PeerState::Normal.into(), region: Some(region.clone()) };
    kv.put_msg(Cf::Raft, keys::prepare_bootstrap_key(), region);
    kv.put_msg(Cf::Raft, keys::region_state_key(region.id), &state);
    write_initial_apply_state(&mut kv, region.id);
    Ok(write_and_sync(&*engines.kv, kv)?)
}

/// The cluster has taken the region of [`prepare_bootstrap`].
///
/// # Errors
/// The engine's.
pub fn clear_prepare_bootstrap(engines: &Engines) -> Result<()> {
    let mut kv = WriteBatch::new();
    kv.delete(Cf::Raft, keys::prepare_bootstrap_key());
    Ok(write_and_sync(&*engines.kv, kv)?)
}

/// The cluster has not taken the region of [`prepare_bootstrap`], as another store was first: takes it back. Only before the
/// store has started with it.
///
/// # Crash
/// kvdb first: without its region state, what raftdb still holds of the region means nothing.
///
/// # Errors
/// The engine's.
pub fn undo_prepare_bootstrap(engines: &Engines, region_id: RegionId) -> Result<()> {
    let mut writes = RoundWrites::default();
    clear_meta(engines, region_id, &mut writes)?;
    writes.kv.delete(Cf::Raft, keys::prepare_bootstrap_key());
    write_and_sync(&*engines.kv, writes.kv)?;
    Ok(write_and_sync(&*engines.raft, writes.raft)?)
}

fn load_ident(db: &dyn Engine, name: &str, cfs: &[Cf]) -> Result<Option<StoreIdent>> {
    let Some(ident) = states::load_store_ident(db)? else {
        if is_empty(db, cfs)? {
            return Ok(None);
        }
        return Err(Error::Corrupt(format!("{name} holds data, but no identity: it belongs to no store")));
    };
    match states::load_format_version(db)? {
        Some(FORMAT_VERSION) => Ok(Some(ident)),
        found => Err(Error::Corrupt(format!(
            "{name} has format {}, but this program knows format {FORMAT_VERSION} only",
            found.map_or("none".to_owned(), |version| version.to_string())
        ))),
    }
}

fn is_empty(db: &dyn Read, cfs: &[Cf]) -> engine::Result<bool> {
    for &cf in cfs {
        if let Some(pair) = db.range(cf, Bound::Unbounded, Bound::Unbounded)?.next() {
            pair?;
            return Ok(false);
        }
    }
    Ok(true)
}

fn named(ident: &StoreIdent) -> String {
    format!("store {} in cluster {}", ident.store_id, ident.cluster_id)
}

fn write_and_sync(db: &dyn Engine, batch: WriteBatch) -> engine::Result<()> {
    db.write(batch)?;
    db.sync()
}
