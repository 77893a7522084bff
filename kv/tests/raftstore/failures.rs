//! What is durable before what is said, and what happens when it cannot be made durable.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::common::traced::{Log, Traced};
use crate::common::{Cluster, Wire, config, take};
use kv::config::ReadMode;
use kv::engine::{Cf, Engines};
use kv::raftstore::context::StoreEvent;
use kv::raftstore::meta::states::load_region_state;
use kv::raftstore::system::Job;
use proto::raft_serverpb::PeerState;

/// A cluster whose raftdbs and kvdbs are watched, and the switches that make their syncs fail.
fn watched(config: kv::config::RaftStoreConfig) -> (Cluster, Log, BTreeMap<u64, Arc<AtomicBool>>) {
    let wire = Arc::new(Wire::default());
    let log = wire.log.clone();
    let mut switches = BTreeMap::new();
    let cluster = Cluster::on(3, config, wire, |id| {
        let raft = Traced::new(id, ("raft write", "raft sync"), &log);
        switches.insert(id, raft.fails.clone());
        Engines { raft: Arc::new(raft), kv: Arc::new(Traced::new(id, ("kv write", "kv sync"), &log)) }
    });
    (cluster, log, switches)
}

#[test]
fn only_a_leader_sends_before_the_round_is_durable() {
    let (mut cluster, log, _) = watched(config(ReadMode::Log));
    let leader = cluster.elect();
    cluster.settle();
    for store in 1..=3 {
        log.take(store);
    }
    let _slots: Vec<_> = (0..5).map(|i| cluster.put(leader, &format!("k{i}"), "x")).collect();
    cluster.run_raft(leader);
    let happened = log.take(leader);
    assert_eq!(
        happened,
        ["send", "send", "raft write", "raft sync"],
        "its appends go ahead of its own write"
    );

    cluster.settle();
    for follower in (1..=3).filter(|id| *id != leader) {
        let happened = log.take(follower);
        let first_send = happened.iter().position(|what| *what == "send").unwrap();
        assert_eq!(happened[..first_send], ["raft write", "raft sync"], "{happened:?}");
    }
}

#[test]
fn a_store_whose_sync_fails_falls_silent() {
    let (mut cluster, log, switches) = watched(config(ReadMode::Log));
    let leader = cluster.elect();
    cluster.must_put(leader, "a", "1");
    cluster.tick();
    switches[&leader].store(true, Ordering::SeqCst);
    log.take(leader);
    let write = cluster.put(leader, "a", "2");
    cluster.run_alone(leader);
    for _ in 0..50 {
        cluster.tick();
    }
    let happened = log.take(leader);
    assert_eq!(
        happened,
        ["send", "send", "raft write"],
        "a message left a store that does not know what is on its disk"
    );
    assert!(write.lock().unwrap().as_ref().is_none_or(Result::is_err), "acknowledged, but not durable");
    let node = &cluster.nodes[&leader];
    assert!(node.store.as_ref().unwrap().is_stopped());
    let events = node.observer.events.lock().unwrap().clone();
    assert!(matches!(events.last(), Some(StoreEvent::Fatal { .. })), "{events:?}");

    // The others go on without it.
    cluster.cut.insert(leader);
    let new = cluster.elect();
    cluster.must_put(new, "a", "3");
}

/// Cuts a follower off until it needs a snapshot, lets it take that, and stops just before the data is put in place.
fn until_installing(cluster: &mut Cluster) -> (u64, u64) {
    let leader = cluster.elect();
    let behind = (1..=3).find(|id| *id != leader).unwrap();
    cluster.must_put(leader, "old", "1");
    cluster.cut.insert(behind);
    for i in 0..60 {
        cluster.must_put(leader, &format!("k{i}"), "x");
    }
    cluster.until("the log is compacted", |cluster| {
        cluster.status(leader).unwrap().apply_state.truncated_state.unwrap().index > 40
    });
    cluster.cut.clear();
    for _ in 0..20_000 {
        let store = cluster.nodes.get_mut(&behind).unwrap().store.as_mut().unwrap();
        let installing = store.jobs().first() == Some(&Job::Region);
        if installing && cluster.status(behind).unwrap().applying_snapshot {
            return (leader, behind);
        }
        if !cluster.step() {
            cluster.tick_only();
        }
    }
    panic!("no snapshot came");
}

fn small_log() -> kv::config::RaftStoreConfig {
    let mut config = config(ReadMode::Log);
    config.raft_log_gc_count_limit = 40;
    config
}

#[test]
fn an_installation_writes_kvdb_first_and_answers_when_the_data_is_there() {
    let (mut cluster, log, _) = watched(small_log());
    let (leader, behind) = until_installing(&mut cluster);
    let happened = log.take(behind);
    assert!(happened.ends_with(&["kv write", "kv sync", "raft write", "raft sync"]), "{happened:?}");
    assert_eq!(cluster.on_disk(behind, "k59"), None, "the data is not there yet");
    let applied = cluster.status(leader).unwrap().apply_state.applied_index;
    cluster.until("the straggler is up to date", |cluster| {
        cluster.status(behind).unwrap().apply_state.applied_index >= applied
            && cluster.on_disk(behind, "k59").is_some()
    });
    assert!(log.take(behind).contains(&"send"));
}

#[test]
fn a_peer_does_not_tick_while_it_installs_a_snapshot() {
    let (mut cluster, _, _) = watched(small_log());
    let (_, behind) = until_installing(&mut cluster);
    let before = cluster.status(behind).unwrap();
    cluster.cut.insert(behind);
    for _ in 0..50 {
        cluster.tick_only();
        cluster.run_raft(behind);
    }
    assert_eq!(cluster.status(behind).unwrap(), before, "it campaigned, or did something else");
    cluster.cut.clear();
    cluster.until("the straggler is up to date", |cluster| cluster.on_disk(behind, "k59").is_some());
}

#[test]
fn a_snapshot_waits_until_all_that_was_handed_on_is_applied() {
    let (mut cluster, _, _) = watched(small_log());
    let leader = cluster.elect();
    let behind = (1..=3).find(|id| *id != leader).unwrap();
    cluster.must_put(leader, "old", "1");
    cluster.tick();
    cluster.lazy.insert(behind);
    for i in 0..5 {
        cluster.must_put(leader, &format!("late{i}"), "x");
    }
    cluster.until("the entries are handed on", |cluster| {
        cluster.status(behind).unwrap().raft.commit == cluster.status(leader).unwrap().raft.commit
    });
    cluster.cut.insert(behind);
    for i in 0..60 {
        cluster.must_put(leader, &format!("k{i}"), "x");
    }
    cluster.until("the log is compacted", |cluster| {
        cluster.status(leader).unwrap().apply_state.truncated_state.unwrap().index > 40
    });
    cluster.cut.clear();
    cluster.until("the snapshot has come", |cluster| cluster.snapshots_delivered > 0);
    for _ in 0..20 {
        cluster.tick();
    }
    assert!(!cluster.status(behind).unwrap().applying_snapshot);
    assert!(cluster.on_disk(behind, "k59").is_none());

    cluster.lazy.clear();
    cluster.until("the straggler is up to date", |cluster| cluster.on_disk(behind, "k59").is_some());
    assert!(cluster.on_disk(behind, "late4").is_some());
}

#[test]
fn an_installation_that_a_restart_interrupts_is_finished_first() {
    let (mut cluster, _, _) = watched(small_log());
    let (leader, behind) = until_installing(&mut cluster);
    cluster.stop(behind);
    let state = |cluster: &Cluster| {
        load_region_state(&*cluster.nodes[&behind].engines.kv, 1).unwrap().unwrap().state()
    };
    assert_eq!(state(&cluster), PeerState::Applying);
    cluster.start(behind);
    let jobs = cluster.nodes.get_mut(&behind).unwrap().store.as_mut().unwrap().jobs();
    assert!(jobs.contains(&Job::Region), "{jobs:?}");
    cluster.run_alone(behind);
    assert_eq!(state(&cluster), PeerState::Normal);
    assert!(cluster.nodes[&behind].engines.kv.get(Cf::Default, b"k40").unwrap().is_some());

    cluster.must_put(leader, "more", "y");
    cluster.until("the straggler follows", |cluster| cluster.on_disk(behind, "more").is_some());
}

#[test]
fn a_leader_that_is_stopped_in_the_middle_loses_nothing_that_it_acknowledged() {
    let (mut cluster, _, _) = watched(config(ReadMode::Log));
    for round in 0..10 {
        let leader = cluster.elect();
        let slots: Vec<_> = (0..10).map(|i| (i, cluster.put(leader, &format!("{round}-{i}"), "x"))).collect();
        for _ in 0..=round {
            cluster.step();
        }
        cluster.stop(leader);
        let acknowledged: Vec<i32> = slots
            .iter()
            .filter(|(_, slot)| slot.lock().unwrap().as_ref().is_some_and(Result::is_ok))
            .map(|(i, _)| *i)
            .collect();
        let other = (1..=3).find(|id| *id != leader).unwrap();
        cluster.until("another leader", |cluster| cluster.leader().is_some_and(|new| new != leader));
        let new = cluster.leader().unwrap();
        cluster.must_put(new, "done", "x");
        for i in acknowledged {
            assert!(cluster.must_get(new, &format!("{round}-{i}")).is_some(), "{round}-{i}");
        }
        cluster.start(leader);
        cluster.until("it has caught up", |cluster| {
            let applied = |id| cluster.status(id).map_or(0, |peer| peer.apply_state.applied_index);
            applied(leader) == applied(new) && applied(other) == applied(new)
        });
        for (_, slot) in slots {
            assert!(slot.lock().unwrap().is_some());
        }
    }
    let slot = cluster.put(cluster.leader().unwrap(), "end", "x");
    cluster.settle();
    take(&slot).unwrap();
}
