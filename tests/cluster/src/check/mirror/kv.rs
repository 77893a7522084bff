//! A store's kvdb: what it says about each region, and the data as digests.

use std::collections::BTreeMap;
use std::sync::Arc;

use ::kv::engine::{Cf, Read};
use bytes::Bytes;
use prost::Message;
use proto::metapb::Region;
use proto::raft_serverpb::{PeerState, RaftApplyState, RaftLocalState, RegionLocalState};
use raft::{Index, LogId};

use super::super::history::DataKey;
use super::super::keys::LocalKey;
use super::super::model::{Digest, pair_digest};
use super::super::observe::Db;
use super::Changes;

/// What kvdb says about a region.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct States {
    /// Applied index and truncated state.
    pub apply: Option<RaftApplyState>,
    /// Range, epoch, peers, and whether it is installing a snapshot, or gone.
    pub region: Option<Arc<RegionLocalState>>,
    /// Raft state of the snapshot that it is installing.
    pub snapshot: Option<RaftLocalState>,
}

impl States {
    /// Last applied index; 0 if nothing was.
    pub fn applied(&self) -> Index {
        self.apply.as_ref().map_or(0, |state| state.applied_index)
    }

    /// The log starts behind this entry.
    pub fn truncated(&self) -> LogId {
        let state = self.apply.as_ref().and_then(|state| state.truncated_state);
        state.map_or(LogId::default(), |state| LogId { term: state.term, index: state.index })
    }

    /// The region, if the store holds it.
    pub fn held(&self) -> Option<&Region> {
        self.region.as_ref().filter(|state| state.state() != PeerState::Tombstone)?.region.as_ref()
    }

    /// Whether the store holds the region, and its data is whole.
    pub fn is_normal(&self) -> bool {
        self.region.as_ref().is_some_and(|state| state.state() == PeerState::Normal && state.region.is_some())
    }

    /// Whether a snapshot is being installed.
    pub fn is_applying(&self) -> bool {
        self.region.as_ref().is_some_and(|state| state.state() == PeerState::Applying)
    }

    /// Whether the region state is still the one of `other`; says no if it was written again, even with the same contents.
    pub fn has_region_of(&self, other: &States) -> bool {
        match (&self.region, &other.region) {
            (Some(a), Some(b)) => Arc::ptr_eq(a, b),
            (None, None) => true,
            _ => false,
        }
    }

    /// Whether the peer is gone.
    pub fn is_tombstone(&self) -> bool {
        self.region.as_ref().is_some_and(|state| state.state() == PeerState::Tombstone)
    }
}

/// What a batch changes of one region's states. An inner `None` is a deletion.
#[derive(Clone, Debug, Default)]
pub struct Change {
    /// Applied index and truncated state.
    pub apply: Option<Option<RaftApplyState>>,
    /// Region state.
    pub region: Option<Option<Arc<RegionLocalState>>>,
    /// Raft state of a snapshot.
    pub snapshot: Option<Option<RaftLocalState>>,
}

impl Change {
    /// What becomes of `states`.
    pub fn on(&self, states: &States) -> States {
        States {
            apply: self.apply.unwrap_or(states.apply),
            region: self.region.clone().unwrap_or_else(|| states.region.clone()),
            snapshot: self.snapshot.unwrap_or(states.snapshot),
        }
    }
}

/// The data of a store, and what kvdb says about its regions.
#[derive(Clone, Debug, Default)]
pub struct Mirror {
    /// By region.
    pub states: BTreeMap<u64, States>,
    /// Digest of each pair.
    pub data: BTreeMap<DataKey, Digest>,
    /// Sum of the digests of a region's pairs.
    digests: BTreeMap<u64, Digest>,
}

impl Mirror {
    /// A database as it is.
    ///
    /// # Errors
    /// What could not be read, in words.
    pub fn load(db: &dyn Read) -> Result<Mirror, String> {
        let mut all = Changes::default();
        for cf in Cf::ALL {
            let pairs = db.range(cf, std::ops::Bound::Unbounded, std::ops::Bound::Unbounded);
            for pair in pairs.map_err(|error| error.to_string())? {
                let (key, value): (Bytes, Bytes) = pair.map_err(|error| error.to_string())?;
                if cf != Cf::Raft {
                    all.data.push((DataKey { cf, key }, Some(value)));
                } else if let Some(local) = LocalKey::parse(&key).filter(|local| local.belongs_to(Db::Kv)) {
                    all.local.insert(key, (local, Some(value)));
                }
            }
        }
        let mut mirror = Mirror::default();
        for (region_id, change) in changes(&all)? {
            let states = change.on(&States::default());
            mirror.states.insert(region_id, states);
        }
        mirror.write(&all.data);
        Ok(mirror)
    }

    /// The region of this store that holds `key`.
    pub fn region_of(&self, key: &DataKey) -> Option<u64> {
        let holds = |region: &Region| {
            (region.start_key.is_empty() || key.key >= region.start_key)
                && (region.end_key.is_empty() || key.key < region.end_key)
        };
        self.states
            .iter()
            .find(|(_, states)| states.held().is_some_and(holds))
            .map(|(&region_id, _)| region_id)
    }

    /// Sum of the digests of a region's data.
    pub fn digest(&self, region_id: u64) -> Digest {
        self.digests.get(&region_id).copied().unwrap_or_default()
    }

    /// Writes data.
    pub fn write(&mut self, data: &[(DataKey, Option<Bytes>)]) {
        for (key, value) in data {
            let new = value.as_ref().map(|value| pair_digest(key, value));
            let old = match new {
                Some(new) => self.data.insert(key.clone(), new),
                None => self.data.remove(key),
            };
            if let Some(region_id) = self.region_of(key) {
                let digest = self.digests.entry(region_id).or_default();
                *digest = digest.wrapping_sub(old.unwrap_or(0)).wrapping_add(new.unwrap_or(0));
            }
        }
    }

    /// Sums up the data of all regions anew, after a range has changed.
    pub fn sum_up(&mut self) {
        self.digests.clear();
        let sums: Vec<(u64, Digest)> =
            self.data.iter().filter_map(|(key, &digest)| Some((self.region_of(key)?, digest))).collect();
        for (region_id, digest) in sums {
            let sum = self.digests.entry(region_id).or_default();
            *sum = sum.wrapping_add(digest);
        }
    }
}

/// What a batch changes of each region's states.
///
/// # Errors
/// What could not be read, in words.
pub fn changes(changes: &Changes) -> Result<BTreeMap<u64, Change>, String> {
    let mut found: BTreeMap<u64, Change> = BTreeMap::new();
    for (key, value) in changes.local.values() {
        match *key {
            LocalKey::ApplyState(region) => {
                found.entry(region).or_default().apply = Some(read(value, "apply state", region)?);
            }
            LocalKey::RegionState(region) => {
                let state = read(value, "region state", region)?.map(Arc::new);
                found.entry(region).or_default().region = Some(state);
            }
            LocalKey::SnapshotRaftState(region) => {
                found.entry(region).or_default().snapshot = Some(read(value, "snapshot Raft state", region)?);
            }
            _ => {}
        }
    }
    Ok(found)
}

fn read<M: Message + Default>(
    value: &Option<Bytes>,
    what: &str,
    region_id: u64,
) -> Result<Option<M>, String> {
    let decode = |value: &Bytes| M::decode(value.clone());
    let message = value.as_ref().map(decode).transpose();
    message.map_err(|error| format!("the {what} of region {region_id} cannot be read: {error}"))
}
