//! Clearing ranges, and deleting stale files: the region worker's other tasks.

use kv::clock::Micros;
use kv::engine::{Cf, Engine, WriteBatch};
use kv::raftstore::task::RegionTask;

use crate::init::{bootstrapped, empty};
use crate::model::{REGION, data_at, data_of, in_region, leaders_snapshot, region};
use crate::node::Node;

#[test]
fn a_range_is_cleared_in_all_families_and_nothing_beside_it() {
    for (start, end) in [("d", "g"), ("", "c"), ("g", ""), ("", ""), ("c0", "c0")] {
        let mut node = Node::start(bootstrapped()).unwrap();
        let mut batch = WriteBatch::new();
        for ((cf, key), value) in data_at(200, &region("", "")) {
            batch.put(cf, key, value);
        }
        node.disk.kv.write(batch).unwrap();
        let raft_keys = node.disk.kv.range_count(Cf::Raft);
        let cleared = region(start, end);
        let (start_key, end_key) = (cleared.start_key.clone(), cleared.end_key.clone());
        node.schedule(RegionTask::Destroy { region_id: REGION, start_key, end_key });
        node.work().unwrap();
        let mut expected = data_at(200, &region("", ""));
        expected.retain(|(_, key), _| !in_region(key, &cleared));
        assert_eq!(data_of(&*node.disk.kv), expected, "{start}..{end}");
        assert_eq!(node.disk.kv.range_count(Cf::Raft), raft_keys, "what the raftstore keeps is no user data");
    }
}

#[test]
fn a_large_range_is_cleared_in_batches() {
    let mut node = Node::start(empty()).unwrap();
    let mut batch = WriteBatch::new();
    for number in 0..5000u32 {
        batch.put(Cf::Default, number.to_be_bytes().to_vec(), "value");
    }
    node.disk.kv.write(batch).unwrap();
    let before = node.disk.fuse.left();
    node.schedule(RegionTask::Destroy {
        region_id: REGION,
        start_key: Default::default(),
        end_key: Default::default(),
    });
    node.work().unwrap();
    assert_eq!(node.disk.kv.range_count(Cf::Default), 0);
    assert_eq!(before - node.disk.fuse.left(), 5, "batches of 1024");
}

#[test]
fn a_range_that_cannot_be_cleared_stops_the_store() {
    let mut node = Node::start(bootstrapped()).unwrap();
    let mut batch = WriteBatch::new();
    batch.put(Cf::Default, "k", "value");
    node.disk.kv.write(batch).unwrap();
    node.disk.fuse.blow_after(0);
    let (start_key, end_key) = Default::default();
    node.schedule(RegionTask::Destroy { region_id: REGION, start_key, end_key });
    assert!(node.work().is_err());
}

#[test]
fn stale_files_go_when_the_worker_is_told_the_time() {
    let mut node = Node::start(empty()).unwrap();
    let (snapshot, file) = leaders_snapshot(&region("", ""), 30, 8);
    node.receive(&snapshot, &file).unwrap();
    let tell = |node: &mut Node, millis: u64| {
        let now = Micros::default().plus_millis(millis);
        node.schedule(RegionTask::DeleteStaleSnapshots { now, keep_ms: 1000 });
        node.work().unwrap();
        node.disk.files.names().len()
    };
    assert_eq!(tell(&mut node, 0), 1);
    assert_eq!(tell(&mut node, 5000), 1, "a peer has pinned it");
    node.unpin();
    assert_eq!(tell(&mut node, 6000), 1);
    assert_eq!(tell(&mut node, 6999), 1);
    assert_eq!(tell(&mut node, 7000), 0);
}
