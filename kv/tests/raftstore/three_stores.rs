//! Three stores serve reads and writes, survive restarts and partitions, and bring stragglers up to date.

use crate::common::{Cluster, config, delete, take};
use kv::config::ReadMode;
use kv::storage::Error;

fn value(text: &str) -> Option<bytes::Bytes> {
    Some(bytes::Bytes::copy_from_slice(text.as_bytes()))
}

#[test]
fn three_stores_elect_a_leader_and_serve() {
    for mode in [ReadMode::Log, ReadMode::Index, ReadMode::Lease] {
        let mut cluster = Cluster::new(3, config(mode));
        let leader = cluster.elect();
        cluster.must_put(leader, "a", "1");
        cluster.must_put(leader, "b", "2");
        assert_eq!(cluster.must_get(leader, "a"), value("1"), "{mode:?}");
        let slot = cluster.write(leader, vec![delete("a")]);
        cluster.settle();
        take(&slot).unwrap();
        assert_eq!(cluster.must_get(leader, "a"), None);
        assert_eq!(cluster.must_get(leader, "b"), value("2"));
        for _ in 0..5 {
            cluster.tick();
        }
        for id in 1..=3 {
            assert_eq!(cluster.on_disk(id, "b"), value("2"), "store {id}");
            assert_eq!(cluster.on_disk(id, "a"), None, "store {id}");
        }
    }
}

#[test]
fn a_lone_store_leads_at_once() {
    let mut cluster = Cluster::new(1, config(ReadMode::Index));
    cluster.settle();
    assert_eq!(cluster.leader(), Some(1));
    cluster.must_put(1, "a", "1");
    assert_eq!(cluster.must_get(1, "a"), value("1"));
}

#[test]
fn more_than_one_ready_takes_is_applied_without_waiting_for_a_tick() {
    let mut cluster = Cluster::new(1, config(ReadMode::Log));
    cluster.settle();
    let big = "x".repeat(7 << 20);
    let slots: Vec<_> = (0..4).map(|i| cluster.put(1, &format!("k{i}"), &big)).collect();
    cluster.settle();
    slots.iter().for_each(|slot| take(slot).unwrap());
}

#[test]
fn a_follower_names_the_leader() {
    let mut cluster = Cluster::new(3, config(ReadMode::Log));
    let leader = cluster.elect();
    cluster.tick();
    let follower = (1..=3).find(|id| *id != leader).unwrap();
    let slot = cluster.put(follower, "a", "1");
    cluster.settle();
    let Err(Error::Region(error)) = take(&slot) else { panic!("a follower took a write") };
    assert_eq!(error.not_leader.unwrap().leader.unwrap().store_id, leader);
}

#[test]
fn all_stores_restart_and_nothing_acknowledged_is_lost() {
    let mut cluster = Cluster::new(3, config(ReadMode::Log));
    for round in 0..3 {
        let leader = cluster.elect();
        for i in 0..20 {
            cluster.must_put(leader, &format!("{round}-{i}"), "x");
        }
        for id in 1..=3 {
            cluster.stop(id);
        }
        for id in 1..=3 {
            cluster.start(id);
        }
    }
    let leader = cluster.elect();
    for round in 0..3 {
        for i in 0..20 {
            assert_eq!(cluster.must_get(leader, &format!("{round}-{i}")), value("x"));
        }
    }
}

#[test]
fn a_deposed_leader_answers_no_read_and_its_write_is_stale() {
    let mut cluster = Cluster::new(3, config(ReadMode::Log));
    let old = cluster.elect();
    cluster.must_put(old, "a", "1");
    cluster.cut.insert(old);
    let write = cluster.put(old, "a", "old");
    let read = cluster.read(old);
    let new = cluster.elect();
    assert_ne!(old, new);
    cluster.must_put(new, "a", "2");
    assert!(read.lock().unwrap().is_none() && write.lock().unwrap().is_none());

    cluster.cut.clear();
    cluster.until("both are answered", |_| read.lock().unwrap().is_some() && write.lock().unwrap().is_some());
    for error in [take(&write).err(), take(&read).err()] {
        let Some(Error::Region(error)) = error else { panic!("{error:?}") };
        assert!(error.stale_command.is_some(), "{error:?}");
    }
    assert_eq!(cluster.must_get(new, "a"), value("2"));
}

/// A follower misses so much that the log does not hold it any more.
fn straggler(cluster: &mut Cluster) -> (u64, u64) {
    let leader = cluster.elect();
    let behind = (1..=3).find(|id| *id != leader).unwrap();
    cluster.must_put(leader, "old", "1");
    cluster.cut.insert(behind);
    for i in 0..60 {
        cluster.must_put(leader, &format!("k{i}"), "x");
    }
    let slot = cluster.write(leader, vec![delete("old")]);
    cluster.settle();
    cluster.until("the log is compacted", |cluster| {
        let truncated = cluster.status(leader).unwrap().apply_state.truncated_state.unwrap();
        truncated.index > 40
    });
    take(&slot).unwrap();
    (leader, behind)
}

#[test]
fn a_straggler_gets_a_snapshot_and_then_the_log() {
    let mut config = config(ReadMode::Log);
    config.raft_log_gc_count_limit = 40;
    let mut cluster = Cluster::new(3, config);
    let (leader, behind) = straggler(&mut cluster);
    cluster.cut.clear();
    cluster.until("the straggler is up to date", |cluster| {
        cluster.status(behind).unwrap().apply_state.applied_index
            == cluster.status(leader).unwrap().apply_state.applied_index
    });
    assert!(cluster.snapshots_delivered > 0);
    assert_eq!(cluster.on_disk(behind, "k59"), value("x"));
    assert_eq!(cluster.on_disk(behind, "old"), None, "what the snapshot does not hold is gone");

    // It takes part again, also after a restart, and can lead.
    for id in 1..=3 {
        cluster.stop(id);
    }
    for id in [leader, behind] {
        cluster.start(id);
    }
    let new = cluster.elect();
    cluster.must_put(new, "more", "y");
    assert_eq!(cluster.must_get(new, "k7"), value("x"));
}

#[test]
fn compacting_the_log_does_not_make_it_longer_for_ever() {
    let mut config = config(ReadMode::Log);
    (config.raft_log_gc_ticks, config.raft_log_gc_threshold) = (1, 3);
    let mut cluster = Cluster::new(3, config);
    let leader = cluster.elect();
    // Entries are replicated, but not applied, for many looks at the log.
    cluster.lazy.extend(1..=3);
    let slots: Vec<_> = (0..20).map(|i| cluster.put(leader, &format!("k{i}"), "x")).collect();
    cluster.tick();
    cluster.lazy.clear();
    cluster.step();
    cluster.lazy.extend(1..=3);
    let before = cluster.status(leader).unwrap().raft.last.index;
    for _ in 0..30 {
        cluster.tick();
    }
    cluster.lazy.clear();
    for _ in 0..30 {
        cluster.tick();
    }
    slots.iter().for_each(|slot| take(slot).unwrap());
    let status = cluster.status(leader).unwrap();
    assert!(status.apply_state.truncated_state.unwrap().index > 15);
    assert!(status.raft.last.index <= before + 10, "{} entries more", status.raft.last.index - before);
}
