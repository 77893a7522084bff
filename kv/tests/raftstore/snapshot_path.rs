//! The whole way of a snapshot through real stores, disturbed at each of its steps.

use std::collections::BTreeMap;
use std::ops::Bound;

use crate::common::{Cluster, config, delete, take};
use bytes::Bytes;
use kv::config::{RaftStoreConfig, ReadMode};
use kv::engine::Cf;
use kv::raftstore::context::StoreEvent;
use kv::raftstore::meta::states;
use kv::raftstore::system::Job;
use kv::snap::SnapFiles;
use proto::raft_serverpb::PeerState;

/// A log is cut off soon, whoever needs it.
fn short_logs() -> RaftStoreConfig {
    RaftStoreConfig { raft_log_gc_count_limit: 40, ..config(ReadMode::Log) }
}

/// A cluster in which the stores `behind` need a snapshot, but cannot be reached yet; and its leader.
fn with_stragglers(stores: u64, behind: usize, config: RaftStoreConfig) -> (Cluster, u64, Vec<u64>) {
    let mut cluster = Cluster::new(stores, config);
    let leader = cluster.elect();
    let behind: Vec<u64> = (1..=stores).filter(|id| *id != leader).take(behind).collect();
    cluster.must_put(leader, "old", "1");
    cluster.cut.extend(&behind);
    for i in 0..60 {
        cluster.must_put(leader, &format!("k{i}"), "x");
    }
    let slot = cluster.write(leader, vec![delete("old")]);
    cluster.until("the log is compacted, and the delete answered", |cluster| {
        let truncated = cluster.status(leader).unwrap().apply_state.truncated_state.unwrap();
        truncated.index > 40 && slot.lock().unwrap().is_some()
    });
    take(&slot).unwrap();
    (cluster, leader, behind)
}

fn applied(cluster: &Cluster, id: u64) -> u64 {
    cluster.status(id).map_or(0, |peer| peer.apply_state.applied_index)
}

fn data(cluster: &Cluster, id: u64) -> BTreeMap<Bytes, Bytes> {
    let engine = &cluster.nodes[&id].engines.kv;
    engine.range(Cf::Default, Bound::Unbounded, Bound::Unbounded).unwrap().map(Result::unwrap).collect()
}

/// All stores come to the same applied index, with the same data, and no file is left in use.
fn converge(cluster: &mut Cluster) {
    cluster.until("all stores have applied the same", |cluster| {
        let ids: Vec<u64> = cluster.nodes.keys().copied().collect();
        let first = applied(cluster, ids[0]);
        first > 60 && ids.iter().all(|id| applied(cluster, *id) == first)
    });
    let ids: Vec<u64> = cluster.nodes.keys().copied().collect();
    for id in &ids {
        assert_eq!(data(cluster, *id), data(cluster, ids[0]), "store {id}");
        let state = states::load_region_state(&*cluster.nodes[id].engines.kv, crate::common::REGION).unwrap();
        assert_eq!(state.unwrap().state(), PeerState::Normal, "store {id}");
        let store = cluster.nodes[id].store.as_ref().unwrap();
        assert!(!store.is_stopped(), "store {id}");
        let stats = store.snap_manager().stats();
        assert_eq!((stats.sending, stats.receiving), (0, 0), "store {id}");
    }
    let names = |id| cluster.nodes[id].files.list().unwrap().into_iter().map(|(name, _)| name);
    let received = ids.iter().flat_map(names).filter(|name| name.starts_with("rev_"));
    assert_eq!(received.collect::<Vec<_>>(), Vec::<String>::new(), "installed or refused, the file is gone");
}

fn events(cluster: &Cluster, id: u64) -> Vec<StoreEvent> {
    cluster.nodes[&id].observer.events.lock().unwrap().clone()
}

#[test]
fn a_file_that_is_damaged_on_its_way_is_sent_again() {
    let (mut cluster, _, behind) = with_stragglers(3, 1, short_logs());
    cluster.snapshots_to_spoil = 3;
    cluster.cut.clear();
    converge(&mut cluster);
    assert_eq!(cluster.snapshots_to_spoil, 0);
    let installed = |event: &&StoreEvent| matches!(event, StoreEvent::SnapshotInstalled { .. });
    assert_eq!(events(&cluster, behind[0]).iter().filter(installed).count(), 1);
}

#[test]
fn two_stragglers_share_a_leader_that_sends_one_at_a_time() {
    for sending in [1, 16] {
        let config = RaftStoreConfig { snap_sending_max: sending, ..short_logs() };
        let (mut cluster, _, behind) = with_stragglers(5, 2, config);
        cluster.cut.clear();
        converge(&mut cluster);
        for id in behind {
            assert!(has_installed(&cluster, id), "store {id}");
        }
    }
}

fn jobs(cluster: &mut Cluster, id: u64) -> Vec<Job> {
    cluster.nodes.get_mut(&id).unwrap().store.as_mut().unwrap().jobs()
}

fn has_installed(cluster: &Cluster, id: u64) -> bool {
    events(cluster, id).iter().any(|event| matches!(event, StoreEvent::SnapshotInstalled { .. }))
}

/// Lets all stores take steps, with time going by, until this one has taken so many.
fn run_steps(cluster: &mut Cluster, id: u64, steps: usize) {
    let mut taken = 0;
    while taken < steps {
        cluster.tick_only();
        while taken < steps {
            taken += usize::from(!jobs(cluster, id).is_empty());
            if !cluster.step() {
                break;
            }
        }
    }
}

/// The straggler is killed after any number of its steps, from the moment at which it hears of the others again.
#[test]
fn a_follower_may_die_at_every_step() {
    let mut finished = 0;
    for steps in 0..500 {
        let (mut cluster, _, behind) = with_stragglers(3, 1, short_logs());
        cluster.cut.clear();
        run_steps(&mut cluster, behind[0], steps);
        finished += usize::from(has_installed(&cluster, behind[0]));
        cluster.stop(behind[0]);
        cluster.start(behind[0]);
        converge(&mut cluster);
        if finished == 3 {
            assert!(steps > 5, "{steps}");
            return;
        }
    }
    panic!("the installation never came to its end");
}

/// The leader is killed when the snapshot is about to be generated, and when it just was.
#[test]
fn a_leader_may_die_over_a_snapshot() {
    for generated in [false, true] {
        let (mut cluster, leader, _) = with_stragglers(3, 1, short_logs());
        cluster.cut.clear();
        let made = |cluster: &Cluster| {
            events(cluster, leader).iter().any(|event| matches!(event, StoreEvent::SnapshotGenerated { .. }))
        };
        while !(made(&cluster) || (!generated && jobs(&mut cluster, leader) == [Job::Region])) {
            if !cluster.step() {
                cluster.tick_only();
            }
        }
        assert_eq!(made(&cluster), generated);
        cluster.stop(leader);
        cluster.start(leader);
        assert_eq!(
            cluster.nodes[&leader].files.list().unwrap(),
            [],
            "a start knows of nobody who waits for it"
        );
        cluster.elect();
        converge(&mut cluster);
    }
}

#[test]
fn a_file_that_nobody_came_for_goes() {
    let config = RaftStoreConfig { snap_gc_ticks: 5, snap_keep_ms: 1000, ..short_logs() };
    let (mut cluster, leader, _) = with_stragglers(3, 1, config);
    cluster.cut.clear();
    converge(&mut cluster);
    assert_eq!(cluster.nodes[&leader].files.list().unwrap().len(), 1);
    cluster.until("it is stale", |cluster| cluster.nodes[&leader].files.list().unwrap().is_empty());
}
