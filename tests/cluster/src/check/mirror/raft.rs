//! A store's raftdb: for each region its log and its Raft state.

use std::collections::BTreeMap;

use ::kv::engine::{Cf, Read};
use ::kv::raftstore::meta::states;
use bytes::Bytes;
use prost::Message;
use proto::eraftpb::{Entry, HardState};
use proto::raft_serverpb::RaftLocalState;
use raft::{Index, Term};

use super::super::keys::LocalKey;
use super::Changes;

/// One stored log entry.
#[derive(Clone, Debug)]
pub struct Slot {
    /// The entry.
    pub entry: Entry,
    /// Digest of the log up to it, if all of it is known.
    pub chain: Option<u64>,
}

/// The Raft part of one region.
#[derive(Clone, Debug, Default)]
pub struct Group {
    /// Hard state and last index.
    pub state: Option<RaftLocalState>,
    /// Entries, also those behind the last index, which do not count.
    pub log: BTreeMap<Index, Slot>,
}

impl Group {
    /// Term, vote and commit index; zeros if there are none.
    pub fn hard_state(&self) -> HardState {
        self.state.as_ref().and_then(|state| state.hard_state).unwrap_or_default()
    }

    /// Last index that counts.
    pub fn last_index(&self) -> Index {
        self.state.as_ref().map_or(0, |state| state.last_index)
    }

    /// Term of the entry at `index`, if it is stored and counts.
    pub fn term(&self, index: Index) -> Option<Term> {
        self.slot(index).map(|slot| slot.entry.term)
    }

    /// The entry at `index`, if it is stored and counts.
    pub fn slot(&self, index: Index) -> Option<&Slot> {
        self.log.get(&index).filter(|_| index <= self.last_index())
    }

    /// Does what a batch says about this region.
    pub fn apply(&mut self, change: &Change) {
        for index in &change.deleted {
            self.log.remove(index);
        }
        for slot in &change.written {
            self.log.insert(slot.entry.index, slot.clone());
        }
        if let Some(state) = &change.state {
            self.state = *state;
        }
    }
}

/// What a batch changes of one region.
#[derive(Clone, Debug, Default)]
pub struct Change {
    /// Entries written, ascending.
    pub written: Vec<Slot>,
    /// Indexes deleted, and not written again, ascending.
    pub deleted: Vec<Index>,
    /// The Raft state, if it changes: written or deleted.
    pub state: Option<Option<RaftLocalState>>,
}

/// What a batch changes, region by region.
///
/// # Errors
/// What could not be read, in words.
pub fn changes(changes: &Changes) -> Result<BTreeMap<u64, Change>, String> {
    let mut found: BTreeMap<u64, Change> = BTreeMap::new();
    for (key, value) in changes.local.values() {
        match (*key, value) {
            (LocalKey::Log(region, index), Some(value)) => {
                let entry = read_entry(region, index, value)?;
                found.entry(region).or_default().written.push(Slot { entry, chain: None });
            }
            (LocalKey::Log(region, index), None) => found.entry(region).or_default().deleted.push(index),
            (LocalKey::RaftState(region), Some(value)) => {
                found.entry(region).or_default().state = Some(Some(read_state(region, value)?));
            }
            (LocalKey::RaftState(region), None) => found.entry(region).or_default().state = Some(None),
            _ => {}
        }
    }
    Ok(found)
}

/// A database as it is.
///
/// # Errors
/// What could not be read, in words.
pub fn load(db: &dyn Read) -> Result<BTreeMap<u64, Group>, String> {
    let mut groups: BTreeMap<u64, Group> = BTreeMap::new();
    let pairs = db.range(Cf::Raft, std::ops::Bound::Unbounded, std::ops::Bound::Unbounded);
    for pair in pairs.map_err(|error| error.to_string())? {
        let (key, value): (Bytes, Bytes) = pair.map_err(|error| error.to_string())?;
        match LocalKey::parse(&key) {
            Some(LocalKey::Log(region, index)) => {
                let slot = Slot { entry: read_entry(region, index, &value)?, chain: None };
                groups.entry(region).or_default().log.insert(index, slot);
            }
            Some(LocalKey::RaftState(region)) => {
                groups.entry(region).or_default().state = Some(read_state(region, &value)?);
            }
            _ => {}
        }
    }
    Ok(groups)
}

fn read_entry(region: u64, index: Index, value: &Bytes) -> Result<Entry, String> {
    states::decode_entry(region, index, value.clone()).map_err(|error| error.to_string())
}

fn read_state(region: u64, value: &Bytes) -> Result<RaftLocalState, String> {
    RaftLocalState::decode(value.clone())
        .map_err(|error| format!("the Raft state of region {region} cannot be read: {error}"))
}
