//! Entries: what is on disk and in memory after appends, compactions and restarts.

use std::ops::Bound;

use kv::engine::{Cf, Engine, Read, WriteBatch};
use kv::raftstore::meta::keys;
use kv::raftstore::peer_storage::{InvokeContext, RoundWrites};
use kv::raftstore::task::RaftLogGcTask;
use kv::worker::Runnable;
use proptest::prelude::*;
use proto::eraftpb::Entry;
use raft::{Ready, Storage, StorageError, limit_bytes};

use crate::disk::Disk;
use crate::init::bootstrapped;
use crate::model::{REGION, entries, entry, hard_state};
use crate::node::Node;

fn append(entries: Vec<Entry>) -> Ready {
    let term = entries.last().unwrap().term;
    Ready { entries, hard_state: Some(hard_state(term, 1, 5)), must_sync: true, ..Ready::default() }
}

/// Indexes of all entries on disk.
pub fn on_disk(disk: &Disk) -> Vec<u64> {
    let pairs = disk.raft.range(Cf::Raft, Bound::Unbounded, Bound::Unbounded).unwrap();
    pairs.filter_map(|pair| keys::decode_raft_log_key(&pair.unwrap().0)).map(|(_, index)| index).collect()
}

fn log_of(node: &Node) -> Vec<Entry> {
    let (first, last) = (node.storage.first_index().unwrap(), node.storage.last_index().unwrap());
    let entries = node.storage.entries(first, last + 1, u64::MAX).unwrap();
    for entry in &entries {
        assert_eq!(node.storage.term(entry.index).unwrap(), entry.term);
    }
    entries
}

#[test]
fn entries_are_there_after_a_power_loss() {
    let mut node = Node::start(bootstrapped()).unwrap();
    node.round(&append(entries(6, 9, 6))).unwrap();
    assert_eq!(log_of(&node), entries(6, 9, 6));
    let node = node.restart_after_power_loss();
    assert_eq!(log_of(&node), entries(6, 9, 6), "read from disk, as the cache is empty");
    assert_eq!(node.storage.term(9).unwrap(), 6);
}

#[test]
fn what_was_just_written_is_not_read_from_disk() {
    let mut node = Node::start(bootstrapped()).unwrap();
    node.round(&append(entries(6, 9, 6))).unwrap();
    let before = node.disk.raft.reads();
    assert_eq!(log_of(&node), entries(6, 9, 6));
    assert_eq!(node.disk.raft.reads(), before);
    node.storage.compact_cache_to(8);
    assert_eq!(log_of(&node), entries(6, 9, 6));
    assert_eq!(node.disk.raft.reads(), before + 3, "one range, and two terms");
}

#[test]
fn nothing_is_promised_without_a_sync() {
    let mut node = Node::start(bootstrapped()).unwrap();
    let mut writes = RoundWrites::default();
    let commit = Ready { hard_state: Some(hard_state(5, 0, 5)), ..Ready::default() };
    node.storage.save_ready_state(&commit, &mut writes).unwrap();
    assert!(writes.is_empty() && !writes.sync_raft, "a state that has not changed is not written");
    let voted = Ready { hard_state: Some(hard_state(6, 2, 5)), must_sync: true, ..Ready::default() };
    node.storage.save_ready_state(&voted, &mut writes).unwrap();
    assert!(writes.sync_raft);
    node.storage.save_ready_state(&commit, &mut writes).unwrap();
    assert!(writes.sync_raft, "another Ready of the round does not take it back");
}

#[test]
fn a_conflicting_tail_goes_from_disk_and_memory() {
    let mut node = Node::start(bootstrapped()).unwrap();
    node.round(&append(entries(6, 12, 6))).unwrap();
    node.round(&append(entries(8, 9, 7))).unwrap();
    let expected = [entries(6, 7, 6), entries(8, 9, 7)].concat();
    assert_eq!(log_of(&node), expected);
    assert_eq!(on_disk(&node.disk), [6, 7, 8, 9], "nothing is left behind the new end");
    assert_eq!(node.storage.raft_state().last_index, 9);
    assert_eq!(node.storage.term(9).unwrap(), 7);
    assert_eq!(node.storage.term(10).unwrap_err(), StorageError::Unavailable.into());
    assert_eq!(log_of(&node.restart()), expected);
}

#[test]
fn the_end_of_the_log_moves_only_after_the_write() {
    let mut node = Node::start(bootstrapped()).unwrap();
    let mut writes = RoundWrites::default();
    let mut ctx = InvokeContext::new(&node.storage);
    node.storage.append(&mut ctx, &entries(6, 8, 6), &mut writes);
    assert_eq!((ctx.raft_state.last_index, ctx.last_term), (8, 6));
    assert_eq!(node.storage.last_index().unwrap(), 5);
    node.storage.append(&mut ctx, &[], &mut writes);
    assert_eq!((ctx.raft_state.last_index, ctx.last_term), (8, 6), "no entries, no change");
    node.storage.append(&mut ctx, &[entry(7, 7)], &mut writes);
    assert_eq!((ctx.raft_state.last_index, ctx.last_term), (7, 7));
    node.storage.post_ready(InvokeContext { raft_state: state(ctx.raft_state, 7), ..ctx });
    assert_eq!(node.storage.term(7).unwrap(), 7);
}

fn state(state: proto::raft_serverpb::RaftLocalState, term: u64) -> proto::raft_serverpb::RaftLocalState {
    proto::raft_serverpb::RaftLocalState { hard_state: Some(hard_state(term, 0, 5)), ..state }
}

#[test]
fn ranges_outside_the_log_are_told_apart() {
    let mut node = Node::start(bootstrapped()).unwrap();
    node.round(&append(entries(6, 12, 6))).unwrap();
    node.apply_to(9).unwrap();
    node.compact_to(8).unwrap();
    let storage = &node.storage;
    assert_eq!(storage.first_index().unwrap(), 9);
    assert_eq!(storage.term(8).unwrap(), 6, "the term of the last compacted entry is still known");
    assert_eq!(storage.term(7).unwrap_err(), StorageError::Compacted.into());
    assert_eq!(storage.entries(8, 10, u64::MAX).unwrap_err(), StorageError::Compacted.into());
    assert_eq!(storage.entries(12, 14, u64::MAX).unwrap_err(), StorageError::Unavailable.into());
    assert_eq!(storage.entries(13, 13, u64::MAX).unwrap(), []);
    assert_eq!(storage.entries(9, 13, 0).unwrap(), [entry(9, 6)], "one entry always fits");
}

#[test]
fn a_hole_is_an_error_and_not_a_shorter_answer() {
    let mut node = Node::start(bootstrapped()).unwrap();
    node.round(&append(entries(6, 12, 6))).unwrap();
    node.storage.compact_cache_to(12);
    let mut batch = WriteBatch::new();
    batch.delete(Cf::Raft, keys::raft_log_key(REGION, 8));
    node.disk.raft.write(batch).unwrap();
    for wanted in [6, 8] {
        let error = node.storage.entries(wanted, 11, u64::MAX).unwrap_err().to_string();
        assert!(error.contains("entry 8 is missing"), "{error}");
    }
    assert!(node.storage.term(8).is_err());
    assert_eq!(node.storage.entries(6, 8, u64::MAX).unwrap(), entries(6, 7, 6));
}

#[test]
fn the_collector_syncs_kvdb_before_it_deletes() {
    let mut node = Node::start(bootstrapped()).unwrap();
    node.round(&append(entries(6, 12, 6))).unwrap();
    node.apply_to(11).unwrap();
    node.compact_to(10).unwrap();
    assert_eq!(on_disk(&node.disk), [11, 12]);
    let node = node.restart_after_power_loss();
    assert_eq!(node.storage.truncated_index(), 10, "kvdb did not forget what the log cannot repeat");
    assert_eq!(node.storage.applied_index(), 11);
}

#[test]
fn the_collector_deletes_no_more_than_is_truncated() {
    let mut node = Node::start(bootstrapped()).unwrap();
    node.round(&append(entries(6, 12, 6))).unwrap();
    node.apply_to(11).unwrap();
    node.gc.run(RaftLogGcTask { region_id: REGION, end_index: 11 });
    assert_eq!(on_disk(&node.disk), [6, 7, 8, 9, 10, 11, 12], "the truncated state says 5");
    node.truncate_to(8).unwrap();
    node.gc.run(RaftLogGcTask { region_id: REGION, end_index: 8 });
    assert_eq!(on_disk(&node.disk), [8, 9, 10, 11, 12], "nor more than it was asked to");
    node.gc.run(RaftLogGcTask { region_id: REGION, end_index: 100 });
    assert_eq!(on_disk(&node.disk), [9, 10, 11, 12]);
    node.gc.run(RaftLogGcTask { region_id: 99, end_index: 100 });
    node.alive().unwrap();
}

#[test]
fn the_collector_works_in_batches_and_remembers_where_it_was() {
    let mut node = Node::start(bootstrapped()).unwrap();
    node.round(&append(entries(6, 3000, 6))).unwrap();
    node.apply_to(2900).unwrap();
    let before = node.disk.fuse.left();
    node.compact_to(2800).unwrap();
    assert_eq!(before - node.disk.fuse.left(), 1 + 1 + 3, "the state, the sync, three batches");
    assert_eq!(on_disk(&node.disk)[0], 2801);
    let before = node.disk.fuse.left();
    node.gc.run(RaftLogGcTask { region_id: REGION, end_index: 2801 });
    assert_eq!(before, node.disk.fuse.left(), "nothing is left to do");
}

#[test]
fn a_log_on_disk_can_be_cleared_after_each_batch_of_the_collector() {
    for survive in 0..=3 {
        let mut node = Node::start(bootstrapped()).unwrap();
        node.round(&append(entries(6, 3000, 6))).unwrap();
        node.apply_to(2900).unwrap();
        node.compact_to(2800).unwrap();
        let disk = node.disk.after_power_loss(survive, 0, usize::MAX);
        let mut node = Node::start(disk).unwrap();
        let mut writes = RoundWrites::default();
        node.storage.clear_meta(&mut writes).unwrap();
        node.write(writes).unwrap();
        assert_eq!(on_disk(&node.disk), []);
        assert_eq!(node.disk.raft.range_count(Cf::Raft), 0, "no key of the region is left in raftdb");
    }
}

#[test]
fn a_write_that_fails_stops_the_collector() {
    let mut node = Node::start(bootstrapped()).unwrap();
    node.round(&append(entries(6, 12, 6))).unwrap();
    node.apply_to(11).unwrap();
    node.disk.fuse.blow_after(1);
    assert!(node.compact_to(10).is_err());
    assert!(node.fatal.is_stopped());
    assert_eq!(on_disk(&node.disk).len(), 7);
}

/// One step of a random life of a log.
#[derive(Clone, Debug)]
enum Step {
    /// Appends so many entries so far before the end, if nothing applied is touched.
    Append {
        back: u64,
        count: u64,
        bytes: usize,
    },
    /// Applies so many.
    Apply(u64),
    /// Compacts so many.
    Compact(u64),
    ForgetCache(u64),
    Restart,
    PowerLoss,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        6 => (0..5u64, 1..6u64, 0..200usize)
            .prop_map(|(back, count, bytes)| Step::Append { back, count, bytes }),
        4 => (1..6u64).prop_map(Step::Apply),
        2 => (1..6u64).prop_map(Step::Compact),
        1 => (0..10u64).prop_map(Step::ForgetCache),
        1 => Just(Step::Restart),
        1 => Just(Step::PowerLoss),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    /// A peer storage answers like a plain vector of entries, whatever happened before.
    #[test]
    fn the_log_is_a_vector(
        steps in prop::collection::vec(step(), 1..40),
        asked in prop::collection::vec((0..60u64, 0..60u64, 0..1000u64), 1..20),
    ) {
        let mut node = Node::start(bootstrapped()).unwrap();
        // `model[i]` has index i + 6; compacted ones stay in it.
        let mut model: Vec<Entry> = Vec::new();
        let mut term = 5;
        for step in steps {
            let (applied, last) = (node.storage.applied_index(), 5 + model.len() as u64);
            match step {
                Step::Append { back, count, bytes } => {
                    term += 1;
                    let from = (last + 1).saturating_sub(back).max(applied + 1);
                    let mut new = entries(from, from + count - 1, term);
                    new[0].data = vec![b'x'; bytes].into();
                    model.truncate((from - 6) as usize);
                    model.extend(new.clone());
                    node.round(&append(new)).unwrap();
                }
                Step::Apply(count) => node.apply_to((applied + count).min(last)).unwrap(),
                Step::Compact(count) => {
                    let to = (node.storage.truncated_index() + count).min(applied);
                    if to > node.storage.truncated_index() {
                        node.compact_to(to).unwrap();
                    }
                }
                Step::ForgetCache(index) => node.storage.compact_cache_to(index),
                Step::Restart => node = node.restart(),
                Step::PowerLoss => node = node.restart_after_power_loss(),
            }
            let first = node.storage.first_index().unwrap();
            prop_assert_eq!(node.storage.last_index().unwrap(), 5 + model.len() as u64);
            prop_assert_eq!(&log_of(&node)[..], &model[(first - 6) as usize..]);
            prop_assert_eq!(on_disk(&node.disk).last().copied().unwrap_or(5).max(first - 1), 5 + model.len() as u64);
        }
        let first = node.storage.first_index().unwrap();
        for (low, high, bytes) in asked {
            let low = first + low % (model.len() as u64 + 7 - first);
            let high = (low + high).min(6 + model.len() as u64);
            let wanted = &model[(low - 6) as usize..(high - 6) as usize];
            let wanted = &wanted[..limit_bytes(wanted, bytes)];
            prop_assert_eq!(&node.storage.entries(low, high, bytes).unwrap()[..], wanted);
        }
    }
}
