//! The life of a cluster as the scheduler sees it: registration, the first region, heartbeats, restarts.

use std::collections::BTreeMap;

use proto::metapb::{Peer, Region, RegionEpoch, Store, StoreState};
use proto::pdpb::StoreStats;
use scheduler::cluster::ClusterConfig;
use scheduler::{Cluster, Error};

/// A cluster and its disk, which is written before anything is answered.
struct Running {
    cluster: Cluster,
    disk: BTreeMap<Vec<u8>, Vec<u8>>,
}

impl Running {
    fn new(replicas: usize) -> Running {
        let cluster = Cluster::new(ClusterConfig { cluster_id: 7, replicas });
        let mut running = Running { cluster, disk: BTreeMap::new() };
        running.write();
        running
    }

    fn write(&mut self) {
        for change in self.cluster.take_changes() {
            match change.value {
                Some(value) => drop(self.disk.insert(change.key, value)),
                None => drop(self.disk.remove(&change.key)),
            }
        }
    }

    fn put_store(&mut self, address: &str) -> u64 {
        let id = self.cluster.alloc_id();
        self.cluster.put_store(store(id, address)).expect("the store is new");
        self.write();
        id
    }

    fn heartbeat(&mut self, region: &Region, leader: usize, term: u64) -> Result<(), Error> {
        let told = self.cluster.region_heartbeat(region.clone(), region.peers[leader], term);
        self.write();
        told
    }

    fn restart(&mut self) {
        self.cluster =
            Cluster::load(self.disk.clone()).expect("the state is intact").expect("the disk is not empty");
    }
}

fn store(id: u64, address: &str) -> Store {
    Store { id, address: address.to_owned(), ..Store::default() }
}

fn three_stores() -> (Running, Region) {
    let mut running = Running::new(3);
    for address in ["a:1", "b:1", "c:1"] {
        running.put_store(address);
    }
    let region = running.cluster.region_at(b"").expect("the first region holds all keys").region.clone();
    (running, region)
}

#[test]
fn the_first_region_waits_for_all_stores() {
    let mut running = Running::new(3);
    for (registered, address) in ["a:1", "b:1"].into_iter().enumerate() {
        assert_eq!(
            running.cluster.region_at(b"").unwrap_err(),
            Error::NotBootstrapped { registered, needed: 3 }
        );
        running.put_store(address);
        assert!(!running.cluster.is_bootstrapped());
    }
    running.put_store("c:1");
    assert!(running.cluster.is_bootstrapped());
}

#[test]
fn the_first_region_covers_everything_with_a_peer_on_each_store() {
    let (running, region) = three_stores();
    assert_eq!((region.start_key.len(), region.end_key.len()), (0, 0));
    assert_eq!(region.region_epoch, Some(RegionEpoch { conf_ver: 1, version: 1 }));
    let homes: Vec<u64> = region.peers.iter().map(|peer| peer.store_id).collect();
    let stores: Vec<u64> = running.cluster.stores(false).map(|store| store.id).collect();
    assert_eq!(homes, stores);
    let mut ids: Vec<u64> =
        region.peers.iter().map(|peer| peer.id).chain(stores).chain([region.id]).collect();
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len(), 7, "all ids differ");
}

#[test]
fn later_stores_and_repeated_registration_leave_the_first_region_alone() {
    let (mut running, region) = three_stores();
    let first = region.peers[0].store_id;
    running.cluster.put_store(store(first, "a:1")).unwrap();
    assert_eq!(running.cluster.take_changes(), [], "nothing new, nothing written");
    running.put_store("d:1");
    assert_eq!(running.cluster.region_at(b"").expect("the first region holds all keys").region, region);
}

#[test]
fn a_store_may_move_but_not_to_the_address_of_another() {
    let (mut running, region) = three_stores();
    let (first, second) = (region.peers[0].store_id, region.peers[1].store_id);
    running.cluster.put_store(store(first, "a:2")).unwrap();
    running.write();
    let taken = running.cluster.put_store(store(first, "b:1")).unwrap_err();
    assert_eq!(taken, Error::AddressTaken { address: "b:1".to_owned(), owner: second });
    running.restart();
    assert_eq!(running.cluster.store(first).unwrap().0.address, "a:2");
}

#[test]
fn stores_without_id_or_address_are_refused() {
    let mut running = Running::new(1);
    for refused in [store(0, "a:1"), store(1, "")] {
        assert!(matches!(running.cluster.put_store(refused), Err(Error::Invalid(_))));
    }
}

#[test]
fn tombstones_do_not_come_back() {
    let mut running = Running::new(2);
    let mut gone = store(9, "a:1");
    gone.set_state(StoreState::Tombstone);
    running.cluster.put_store(gone).unwrap();
    assert_eq!(running.cluster.put_store(store(9, "a:1")), Err(Error::StoreTombstone(9)));
    let stats = StoreStats { store_id: 9, ..StoreStats::default() };
    assert_eq!(running.cluster.store_heartbeat(stats), Err(Error::StoreTombstone(9)));
    assert_eq!(running.cluster.stores(false).count(), 0);
    assert_eq!(running.cluster.stores(true).count(), 1);
    running.put_store("a:1");
}

#[test]
fn heartbeats_tell_leaders_and_stale_ones_are_refused() {
    let (mut running, region) = three_stores();
    assert_eq!(running.cluster.region_at(b"k").unwrap().leader, None);
    running.heartbeat(&region, 1, 6).unwrap();
    assert_eq!(running.cluster.region_at(b"k").unwrap().leader, Some(region.peers[1]));
    assert!(matches!(running.heartbeat(&region, 0, 5), Err(Error::Stale { .. })));
    let newer = Region { region_epoch: Some(RegionEpoch { conf_ver: 2, version: 1 }), ..region.clone() };
    running.heartbeat(&newer, 2, 7).unwrap();
    assert!(matches!(running.heartbeat(&region, 1, 8), Err(Error::Stale { .. })));
    assert_eq!(running.cluster.region_at(b"k").unwrap().leader, Some(region.peers[2]));
}

#[test]
fn impossible_heartbeats_are_refused() {
    let (mut running, region) = three_stores();
    let stranger = Peer { id: 99, store_id: 99 };
    let empty = Region { start_key: "b".into(), end_key: "a".into(), ..region.clone() };
    let timeless = Region { region_epoch: None, ..region.clone() };
    let refused = [(Region::default(), stranger), (region.clone(), stranger), (empty, region.peers[0])];
    for (region, leader) in refused.into_iter().chain([(timeless, region.peers[0])]) {
        assert!(matches!(running.cluster.region_heartbeat(region, leader, 6), Err(Error::Invalid(_))));
    }
}

#[test]
fn both_halves_of_a_split_survive_a_restart() {
    let (mut running, region) = three_stores();
    let epoch = Some(RegionEpoch { conf_ver: 1, version: 2 });
    let right = Region { start_key: "m".into(), region_epoch: epoch, ..region.clone() };
    let left = Region { id: 77, end_key: "m".into(), region_epoch: epoch, ..region };
    running.heartbeat(&left, 0, 6).unwrap();
    running.heartbeat(&right, 0, 6).unwrap();
    running.restart();
    let found: Vec<Region> = running
        .cluster
        .scan_regions(b"", b"", 10)
        .unwrap()
        .into_iter()
        .map(|info| info.region.clone())
        .collect();
    assert_eq!(found, [left, right]);
}

#[test]
fn a_restart_forgets_leaders_but_neither_ids_nor_time_nor_the_first_region() {
    let (mut running, region) = three_stores();
    running.heartbeat(&region, 0, 6).unwrap();
    let highest = running.cluster.alloc_id();
    let before = running.cluster.timestamp(5, 1_000_000).unwrap();
    assert_eq!(running.cluster.update_gc_safe_point(50), 50);
    running.write();
    running.restart();
    assert_eq!(running.cluster.config(), ClusterConfig { cluster_id: 7, replicas: 3 });
    assert!(running.cluster.alloc_id() > highest);
    // The machine's clock was set back while the scheduler was down.
    let after = running.cluster.timestamp(1, 500_000).unwrap();
    assert!((after.physical, after.logical) > (before.physical, before.logical));
    assert_eq!(running.cluster.update_gc_safe_point(40), 50);
    let info = running.cluster.region_at(b"").unwrap();
    assert_eq!((info.region.clone(), info.leader), (region, None));
}

#[test]
fn a_disk_of_something_else_is_refused() {
    assert!(Cluster::load([]).unwrap().is_none());
    let foreign = [(b"cluster".to_vec(), b"short".to_vec())];
    assert!(matches!(Cluster::load(foreign), Err(Error::Corrupt(_))));
    let nameless = [(b"ids".to_vec(), 5u64.to_be_bytes().to_vec())];
    assert!(matches!(Cluster::load(nameless), Err(Error::Corrupt(_))));
    let (mut running, _) = three_stores();
    running.disk.insert(b"store/\0\0\0\0\0\0\0\x01".to_vec(), vec![0xff; 3]);
    assert!(matches!(Cluster::load(running.disk), Err(Error::Corrupt(_))));
}

#[test]
fn a_region_that_was_swallowed_is_gone_after_a_restart() {
    let (mut running, region) = three_stores();
    let epoch = |version| Some(RegionEpoch { conf_ver: 1, version });
    let left = Region { id: 77, end_key: "m".into(), region_epoch: epoch(2), ..region.clone() };
    let right = Region { start_key: "m".into(), region_epoch: epoch(2), ..region.clone() };
    let whole = Region { region_epoch: epoch(3), ..region };
    for region in [&left, &right, &whole] {
        running.heartbeat(region, 0, 6).unwrap();
    }
    running.restart();
    let found = running.cluster.scan_regions(b"", b"", 10).unwrap();
    assert_eq!(found.iter().map(|info| &info.region).collect::<Vec<_>>(), [&whole]);
    assert!(running.cluster.region(77).is_err());
}
