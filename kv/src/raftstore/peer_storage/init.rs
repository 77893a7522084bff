//! What a peer finds on disk when it starts: recovery after a crash, checks, and the first states of a new region.
//!
//! What does not fit together is [`Error::Corrupt`], by name: a peer whose disk has forgotten what it promised must not take
//! part, as it could vote away committed entries.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::ops::Bound;

use proto::eraftpb::HardState;
use proto::metapb::Region;
use proto::raft_serverpb::{PeerState, RaftApplyState, RaftLocalState, RaftTruncatedState};

use super::PeerStorage;
use super::cache::EntryCache;
use super::clear::clear_log;
use super::round::SnapWork;
use crate::engine::{self, Cf, Engine, Engines, Read, WriteBatch};
use crate::raftstore::meta::{keys, states};
use crate::raftstore::task::RegionTask;
use crate::raftstore::{Error, RAFT_INIT_LOG_INDEX, RAFT_INIT_LOG_TERM, RegionId, Result};
use crate::snap::SnapKey;
use crate::worker::Scheduler;

impl PeerStorage {
    /// Opens the storage of a peer of `region`: the region that kvdb knows, or one with nothing but an id for a peer that a
    /// message creates. An installation of a snapshot that a crash interrupted is taken up again: the task is scheduled, and
    /// [`PeerStorage::is_applying_snapshot`] holds. Entries are cached up to `cache_bytes_max`.
    ///
    /// # Errors
    /// The engine's, and [`Error::Corrupt`] if states and log do not fit together.
    pub fn new(
        engines: Engines,
        region: Region,
        region_scheduler: Scheduler<RegionTask>,
        tag: String,
        cache_bytes_max: u64,
    ) -> Result<PeerStorage> {
        let found = Found::load(&engines, &region).map_err(|error| name_corruption(&tag, error))?;
        let mut storage = PeerStorage {
            engines,
            region_scheduler,
            tag,
            region,
            apply_state: found.apply_state,
            raft_state: found.raft_state,
            applied_term: found.applied_term,
            last_term: found.last_term,
            cache: EntryCache::new(cache_bytes_max),
            snap: RefCell::new(SnapWork::default()),
        };
        if found.applying {
            storage.schedule_applying_snapshot();
        }
        storage.check();
        Ok(storage)
    }
}

/// What is on disk, recovered and checked.
struct Found {
    applying: bool,
    raft_state: RaftLocalState,
    apply_state: RaftApplyState,
    applied_term: u64,
    last_term: u64,
}

impl Found {
    fn load(engines: &Engines, region: &Region) -> Result<Found> {
        let state = states::load_region_state(&*engines.kv, region.id)?;
        let applying = state.is_some_and(|state| state.state() == PeerState::Applying);
        if applying {
            resume_snapshot(engines, region.id)?;
        }
        let raft_state = init_raft_state(&*engines.raft, region)?;
        let apply_state = init_apply_state(&*engines.kv, region)?;
        check_states(region, &raft_state, &apply_state)?;
        let (applied_term, last_term) = init_terms(&*engines.raft, region.id, &raft_state, &apply_state)?;
        Ok(Found { applying, raft_state, apply_state, applied_term, last_term })
    }
}

/// Takes up the installation of a snapshot in raftdb, if the power went between the sync of kvdb and the write of raftdb: the log
/// that is still there goes, and the Raft state becomes the one that kvdb kept.
///
/// # Crash
///
/// One synced batch. As long as it is not down, the next start does the same again.
fn resume_snapshot(engines: &Engines, region_id: RegionId) -> Result<()> {
    let Some(at_snapshot) = states::load_snapshot_raft_state(&*engines.kv, region_id)? else {
        let what = format!("region {region_id} is installing a snapshot, but its raft state is not there");
        return Err(Error::Corrupt(what));
    };
    let in_raftdb = states::load_raft_state(&*engines.raft, region_id)?.unwrap_or_default();
    // Before the installation, the commit index was below the snapshot; since then, it is not.
    if commit_of(&in_raftdb) >= commit_of(&at_snapshot) {
        return Ok(());
    }
    let mut batch = WriteBatch::new();
    clear_log(&*engines.raft, region_id, &mut batch)?;
    let deleted = states::encode_raft_gc_index(at_snapshot.last_index);
    batch.put(Cf::Raft, keys::raft_gc_key(region_id), deleted);
    batch.put_msg(Cf::Raft, keys::raft_state_key(region_id), &at_snapshot);
    engines.raft.write(batch)?;
    engines.raft.sync()?;
    Ok(())
}

/// The Raft state of a peer of `region`; written, without a sync, if it is the first one of a region with members.
///
/// A region with members and no log has been split off; its log starts at [`RAFT_INIT_LOG_INDEX`]. If messages have reached
/// the peer before the split did, it may have voted: a term that is not below [`RAFT_INIT_LOG_TERM`] is kept, with its vote.
fn init_raft_state(raftdb: &dyn Engine, region: &Region) -> Result<RaftLocalState> {
    let stored = states::load_raft_state(raftdb, region.id)?.unwrap_or_default();
    if stored.last_index > 0 || region.peers.is_empty() {
        return Ok(stored);
    }
    let mut state = initial_raft_state();
    if let Some(voted) = stored.hard_state.filter(|voted| voted.term >= RAFT_INIT_LOG_TERM) {
        state.hard_state = Some(HardState { commit: RAFT_INIT_LOG_INDEX, ..voted });
    }
    let mut batch = WriteBatch::new();
    batch.put_msg(Cf::Raft, keys::raft_state_key(region.id), &state);
    raftdb.write(batch)?;
    Ok(state)
}

/// The apply state of a peer of `region`.
fn init_apply_state(kvdb: &dyn Read, region: &Region) -> Result<RaftApplyState> {
    let stored = states::load_apply_state(kvdb, region.id)?;
    let missing = || if region.peers.is_empty() { RaftApplyState::default() } else { initial_apply_state() };
    Ok(stored.unwrap_or_else(missing))
}

/// Whether region, Raft state and apply state can belong together.
fn check_states(region: &Region, raft: &RaftLocalState, apply: &RaftApplyState) -> Result<()> {
    let truncated = apply.truncated_state.unwrap_or_default().index;
    let (applied, last, commit) = (apply.applied_index, raft.last_index, commit_of(raft));
    let complain = |what: String| Err(Error::Corrupt(format!("region {}: {what}", region.id)));
    if region.peers.is_empty() && last > 0 {
        return complain(format!("the log has entries up to {last}, but kvdb does not know the region"));
    }
    if truncated > applied {
        return complain(format!("the log begins behind {truncated}, but only {applied} is applied"));
    }
    if applied > last {
        return complain(format!("{applied} is applied, but the log ends at {last}"));
    }
    if commit > last {
        return complain(format!("{commit} is committed, but the log ends at {last}"));
    }
    Ok(())
}

/// Reads the log once, from the truncated to the last index, and returns the terms of the applied and of the last entry. Each
/// entry must be there and intact, with terms that do not go down.
fn init_terms(
    raftdb: &dyn Read,
    region_id: RegionId,
    raft: &RaftLocalState,
    apply: &RaftApplyState,
) -> Result<(u64, u64)> {
    let RaftTruncatedState { index: truncated, term } = apply.truncated_state.unwrap_or_default();
    let (mut applied_term, mut last_term) = (term, term);
    let complain = |index: u64, what: &str| {
        Err(Error::Corrupt(format!("raft log of region {region_id}: entry {index} {what}")))
    };
    let (lower, upper) =
        (keys::raft_log_key(region_id, truncated + 1), keys::raft_log_key(region_id, raft.last_index));
    if truncated == raft.last_index {
        return Ok((applied_term, last_term));
    }
    let mut pairs = raftdb.range(Cf::Raft, Bound::Included(&lower[..]), Bound::Included(&upper[..]))?;
    for index in truncated + 1..=raft.last_index {
        let (key, value) = match pairs.next() {
            Some(pair) => pair?,
            None => return complain(index, "is missing"),
        };
        if key != keys::raft_log_key(region_id, index) {
            return complain(index, "is missing");
        }
        let entry = states::decode_entry(region_id, index, value)?;
        if entry.term < last_term {
            return complain(index, "is of a lower term than the one before it");
        }
        last_term = entry.term;
        if index == apply.applied_index {
            applied_term = entry.term;
        }
    }
    if last_term > raft.hard_state.unwrap_or_default().term {
        return complain(raft.last_index, "is of a higher term than the peer has ever known");
    }
    Ok((applied_term, last_term))
}

/// Adds the first Raft state of a bootstrapped region to a batch for raftdb.
pub fn write_initial_raft_state(raft: &mut WriteBatch, region_id: RegionId) {
    raft.put_msg(Cf::Raft, keys::raft_state_key(region_id), &initial_raft_state());
}

/// Adds the first apply state of a bootstrapped or split region to a batch for kvdb.
pub fn write_initial_apply_state(kv: &mut WriteBatch, region_id: RegionId) {
    kv.put_msg(Cf::Raft, keys::apply_state_key(region_id), &initial_apply_state());
}

/// The snapshots that kvdb says are being installed: their files must be kept.
///
/// # Errors
/// The engine's.
pub fn applying_snapshots(kvdb: &dyn Read) -> Result<BTreeSet<SnapKey>> {
    let mut keys = BTreeSet::new();
    for state in states::load_region_states(kvdb)? {
        let applying = state.state() == PeerState::Applying;
        if let Some(region) = state.region.filter(|_| applying) {
            keys.extend(applying_snapshot(kvdb, region.id)?);
        }
    }
    Ok(keys)
}

/// The snapshot that a region in state *Applying* is installing: the one that its apply state begins with.
///
/// # Errors
/// The engine's.
pub fn applying_snapshot(kvdb: &dyn Read, region_id: RegionId) -> Result<Option<SnapKey>> {
    let apply_state = states::load_apply_state(kvdb, region_id)?;
    let truncated = apply_state.and_then(|state| state.truncated_state);
    Ok(truncated.map(|at| SnapKey { region_id, term: at.term, index: at.index }))
}

fn initial_raft_state() -> RaftLocalState {
    let hard_state = HardState { term: RAFT_INIT_LOG_TERM, vote: 0, commit: RAFT_INIT_LOG_INDEX };
    RaftLocalState { hard_state: Some(hard_state), last_index: RAFT_INIT_LOG_INDEX }
}

fn initial_apply_state() -> RaftApplyState {
    let truncated = RaftTruncatedState { index: RAFT_INIT_LOG_INDEX, term: RAFT_INIT_LOG_TERM };
    RaftApplyState { applied_index: RAFT_INIT_LOG_INDEX, truncated_state: Some(truncated) }
}

fn commit_of(state: &RaftLocalState) -> u64 {
    state.hard_state.unwrap_or_default().commit
}

/// Says of which peer something is corrupt, and what to do about it.
fn name_corruption(tag: &str, error: Error) -> Error {
    match error {
        Error::Corrupt(what) => Error::Corrupt(format!("{tag}: {what}; rebuild this store from its peers")),
        Error::Engine(engine::Error::Corrupt { place, what }) => {
            Error::Corrupt(format!("{tag}: {place} is corrupt: {what}; rebuild this store from its peers"))
        }
        other => other,
    }
}
