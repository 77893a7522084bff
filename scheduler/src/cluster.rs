//! The whole cluster as the scheduler knows it.

use std::collections::BTreeMap;

use prost::Message;
use proto::metapb::{Peer, Region, RegionEpoch, Store, StoreState};
use proto::pdpb::{StoreStats, Timestamp};

use crate::change::{self, Change};
use crate::error::{Error, Result};
use crate::ids::IdAllocator;
use crate::regions::{RegionInfo, Regions};
use crate::tso::Tso;

/// What is decided once, when the scheduler's directory is new.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ClusterConfig {
    /// Tells this cluster from all others; not 0.
    pub cluster_id: u64,
    /// Peers of the first region: so many stores have to register before there is one. At least 1.
    pub replicas: usize,
}

/// A cluster. Changes that must reach the disk before the answer does gather in [`Cluster::take_changes`].
///
/// Life of a cluster:
///
/// ```text
///             put_store            put_store of the last of N
///   empty ───────────────▶ waiting ───────────────────────────▶ bootstrapped: region 1 covers all keys,
///                                                                has a peer on each of the N stores, epoch 1.1
/// ```
pub struct Cluster {
    config: ClusterConfig,
    stores: BTreeMap<u64, Store>,
    stats: BTreeMap<u64, StoreStats>,
    regions: Regions,
    ids: IdAllocator,
    tso: Tso,
    gc_safe_point: u64,
    changes: Vec<Change>,
}

impl Cluster {
    /// A new cluster, without stores.
    pub fn new(config: ClusterConfig) -> Cluster {
        assert!(config.cluster_id != 0, "cluster id 0 means none");
        assert!(config.replicas > 0, "a region without peers holds nothing");
        let identity = [config.cluster_id.to_be_bytes(), (config.replicas as u64).to_be_bytes()].concat();
        let mut cluster = Cluster::empty(config);
        cluster.changes.push(Change::put(change::CLUSTER, identity));
        cluster
    }

    /// The cluster whose changes so far left these pairs on disk; `None` if there are none.
    ///
    /// # Errors
    /// [`Error::Corrupt`] if they are not what a scheduler wrote.
    pub fn load(pairs: impl IntoIterator<Item = (Vec<u8>, Vec<u8>)>) -> Result<Option<Cluster>> {
        let pairs: BTreeMap<Vec<u8>, Vec<u8>> = pairs.into_iter().collect();
        let Some(identity) = pairs.get(change::CLUSTER) else {
            return if pairs.is_empty() { Ok(None) } else { Err(change::corrupt(change::CLUSTER)) };
        };
        let (id, replicas) = identity.split_at_checked(8).ok_or_else(|| change::corrupt(change::CLUSTER))?;
        let mut cluster = Cluster::empty(ClusterConfig {
            cluster_id: change::number(change::CLUSTER, id)?,
            replicas: change::number(change::CLUSTER, replicas)? as usize,
        });
        for (key, value) in &pairs {
            cluster.load_pair(key, value)?;
        }
        Ok(Some(cluster))
    }

    fn empty(config: ClusterConfig) -> Cluster {
        Cluster {
            config,
            stores: BTreeMap::new(),
            stats: BTreeMap::new(),
            regions: Regions::default(),
            ids: IdAllocator::new(0),
            tso: Tso::new(0),
            gc_safe_point: 0,
            changes: Vec::new(),
        }
    }

    fn load_pair(&mut self, key: &[u8], value: &[u8]) -> Result<()> {
        let corrupt = |_| change::corrupt(key);
        match key {
            change::CLUSTER => {}
            change::IDS => self.ids = IdAllocator::new(change::number(key, value)?),
            change::TSO => self.tso = Tso::new(change::number(key, value)?),
            change::GC => self.gc_safe_point = change::number(key, value)?,
            _ if key.starts_with(change::STORE) => {
                let store = Store::decode(value).map_err(corrupt)?;
                self.stores.insert(store.id, store);
            }
            _ if key.starts_with(change::REGION) => {
                let region = Region::decode(value).map_err(corrupt)?;
                self.regions.update(RegionInfo { region, leader: None, term: 0 })?;
            }
            _ => return Err(change::corrupt(key)),
        }
        Ok(())
    }

    /// What has to be on disk, in this order, before the answers given since the last call may leave.
    pub fn take_changes(&mut self) -> Vec<Change> {
        std::mem::take(&mut self.changes)
    }

    /// What was decided when the cluster began.
    pub fn config(&self) -> ClusterConfig {
        self.config
    }

    /// Whether there is a first region.
    pub fn is_bootstrapped(&self) -> bool {
        !self.regions.is_empty()
    }

    /// A new id, for anything.
    pub fn alloc_id(&mut self) -> u64 {
        self.ids.allocate(&mut self.changes)
    }

    /// `count` timestamps; see [`Tso::allocate`].
    ///
    /// # Errors
    /// [`Error::Invalid`] for a count that cannot be.
    pub fn timestamp(&mut self, count: u32, now_ms: u64) -> Result<Timestamp> {
        self.tso.allocate(count, now_ms, &mut self.changes)
    }

    /// Registers a store, or tells its new address. The one that makes the number full bootstraps the cluster.
    ///
    /// # Errors
    /// [`Error::Invalid`], [`Error::AddressTaken`], [`Error::StoreTombstone`].
    pub fn put_store(&mut self, store: Store) -> Result<()> {
        if store.id == 0 {
            return Err(Error::Invalid("store id 0: ask for an id by AllocID first".to_owned()));
        }
        if store.address.is_empty() {
            return Err(Error::Invalid(format!("store {} has no address", store.id)));
        }
        if self.stores.get(&store.id).is_some_and(is_tombstone) {
            return Err(Error::StoreTombstone(store.id));
        }
        let taken =
            |other: &&Store| other.id != store.id && other.address == store.address && !is_tombstone(other);
        if let Some(other) = self.stores.values().find(taken) {
            return Err(Error::AddressTaken { address: store.address, owner: other.id });
        }
        if self.stores.get(&store.id) != Some(&store) {
            self.changes.push(Change::put(&change::key_of(change::STORE, store.id), store.encode_to_vec()));
            self.stores.insert(store.id, store);
        }
        self.maybe_bootstrap();
        Ok(())
    }

    /// Creates the first region as soon as there are stores for all of its peers. It is decided once, here, and every store
    /// gets the same: so the peers can start with equal states, without having heard of each other.
    fn maybe_bootstrap(&mut self) -> bool {
        if self.is_bootstrapped() || self.stores.len() < self.config.replicas {
            return false;
        }
        let id = self.alloc_id();
        let homes: Vec<u64> = self.stores.keys().copied().take(self.config.replicas).collect();
        let peers = homes.into_iter().map(|store_id| Peer { id: self.alloc_id(), store_id }).collect();
        let epoch = RegionEpoch { conf_ver: 1, version: 1 };
        let region = Region { id, region_epoch: Some(epoch), peers, ..Region::default() };
        self.changes.push(Change::put(&change::key_of(change::REGION, id), region.encode_to_vec()));
        let first = self.regions.update(RegionInfo { region, leader: None, term: 0 });
        assert!(first.is_ok(), "nothing can be newer than the first region");
        true
    }

    /// The store with this id.
    ///
    /// # Errors
    /// [`Error::StoreNotFound`].
    pub fn store(&self, id: u64) -> Result<(&Store, Option<&StoreStats>)> {
        let store = self.stores.get(&id).ok_or(Error::StoreNotFound(id))?;
        Ok((store, self.stats.get(&id)))
    }

    /// All stores, by id.
    pub fn stores(&self, with_tombstones: bool) -> impl Iterator<Item = &Store> {
        self.stores.values().filter(move |store| with_tombstones || !is_tombstone(store))
    }

    /// A store tells how it is.
    ///
    /// # Errors
    /// [`Error::StoreNotFound`], [`Error::StoreTombstone`].
    pub fn store_heartbeat(&mut self, stats: StoreStats) -> Result<()> {
        let (store, _) = self.store(stats.store_id)?;
        if is_tombstone(store) {
            return Err(Error::StoreTombstone(store.id));
        }
        self.stats.insert(stats.store_id, stats);
        Ok(())
    }

    /// A leader tells about its region. What is known of the range is replaced, and reaches the disk if the epoch is new.
    ///
    /// # Errors
    /// [`Error::Stale`] for old news, [`Error::Invalid`] for a region that cannot be, [`Error::NotBootstrapped`].
    pub fn region_heartbeat(&mut self, region: Region, leader: Peer, term: u64) -> Result<()> {
        self.check_bootstrapped()?;
        check_region(&region, &leader)?;
        let id = region.id;
        let is_changed = self.regions.get(id).is_none_or(|known| known.region != region);
        let encoded = is_changed.then(|| region.encode_to_vec());
        let gone = self.regions.update(RegionInfo { region, leader: Some(leader), term })?;
        // Regions that are gone leave the disk before the one in their place reaches it, in one batch.
        self.changes.extend(gone.into_iter().map(|id| Change::delete(change::key_of(change::REGION, id))));
        self.changes.extend(encoded.map(|bytes| Change::put(&change::key_of(change::REGION, id), bytes)));
        Ok(())
    }

    /// The region that holds `key`.
    ///
    /// # Errors
    /// [`Error::NotBootstrapped`], [`Error::RegionNotFound`].
    pub fn region_at(&self, key: &[u8]) -> Result<&RegionInfo> {
        self.check_bootstrapped()?;
        self.regions.at(key).ok_or_else(|| not_found("holds", key))
    }

    /// The region before the one that holds `key`.
    ///
    /// # Errors
    /// [`Error::NotBootstrapped`], [`Error::RegionNotFound`].
    pub fn region_before(&self, key: &[u8]) -> Result<&RegionInfo> {
        self.check_bootstrapped()?;
        self.regions.before(key).ok_or_else(|| not_found("comes before", key))
    }

    /// The region with this id.
    ///
    /// # Errors
    /// [`Error::NotBootstrapped`], [`Error::RegionNotFound`].
    pub fn region(&self, id: u64) -> Result<&RegionInfo> {
        self.check_bootstrapped()?;
        self.regions.get(id).ok_or_else(|| Error::RegionNotFound(format!("none has the id {id}")))
    }

    /// Regions with any key of `start..end`, in order, at most `limit`; see [`Regions::scan`].
    ///
    /// # Errors
    /// [`Error::NotBootstrapped`].
    pub fn scan_regions(&self, start: &[u8], end: &[u8], limit: usize) -> Result<Vec<&RegionInfo>> {
        self.check_bootstrapped()?;
        Ok(self.regions.scan(start, end, limit).collect())
    }

    /// Versions below this may be collected as garbage.
    pub fn gc_safe_point(&self) -> u64 {
        self.gc_safe_point
    }

    /// Moves the safe point to `safe_point`, never back. Returns where it is now.
    pub fn update_gc_safe_point(&mut self, safe_point: u64) -> u64 {
        if safe_point > self.gc_safe_point {
            self.gc_safe_point = safe_point;
            self.changes.push(Change::put_number(change::GC, safe_point));
        }
        self.gc_safe_point
    }

    fn check_bootstrapped(&self) -> Result<()> {
        if self.is_bootstrapped() {
            return Ok(());
        }
        Err(Error::NotBootstrapped { registered: self.stores.len(), needed: self.config.replicas })
    }
}

fn is_tombstone(store: &Store) -> bool {
    store.state() == StoreState::Tombstone
}

fn not_found(relation: &str, key: &[u8]) -> Error {
    Error::RegionNotFound(format!("none {relation} the key {:?}", key.escape_ascii().to_string()))
}

fn check_region(region: &Region, leader: &Peer) -> Result<()> {
    let invalid = |what: &str| Err(Error::Invalid(format!("heartbeat of region {}: {what}", region.id)));
    if region.id == 0 {
        return invalid("0 is no region");
    }
    if region.region_epoch.is_none() {
        return invalid("it has no epoch");
    }
    if !region.end_key.is_empty() && region.start_key >= region.end_key {
        return invalid("its range is empty");
    }
    if !region.peers.contains(leader) {
        return invalid("its leader is not one of its peers");
    }
    Ok(())
}
