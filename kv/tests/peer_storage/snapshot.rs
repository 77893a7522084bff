//! Snapshots as the peer sees them: asking for one, and being replaced by one.

use std::sync::Arc;

use kv::engine::{Cf, Op, Read};
use kv::raftstore::context::StoreEvent;
use kv::raftstore::meta::{keys, states};
use kv::raftstore::msg::GenSnapTask;
use kv::raftstore::peer_storage::{ApplySnapResult, RoundWrites};
use kv::raftstore::task::{Job, JobStatus, RegionTask};
use proto::eraftpb::Snapshot;
use proto::metapb::{Region, RegionEpoch};
use proto::raft_serverpb::PeerState;
use raft::{Ready, Storage, StorageError};

use crate::disk::Disk;
use crate::init::{bootstrapped, empty};
use crate::log::on_disk;
use crate::model::{REGION, data_at, data_of, entries, hard_state, leaders_snapshot, region, unknown_region};
use crate::node::Node;

/// Asks for a snapshot: there is none yet.
fn ask(node: &mut Node) -> Option<GenSnapTask> {
    let unavailable = StorageError::SnapshotTemporarilyUnavailable;
    assert_eq!(node.storage.snapshot().unwrap_err(), unavailable.into());
    node.storage.take_gen_snap_task()
}

/// A peer with entries 6 to 12, of which 10 are applied and 8 compacted.
fn leader() -> Node {
    let mut node = Node::start(bootstrapped()).unwrap();
    node.round(&append(6, 12, 6)).unwrap();
    node.apply_to(10).unwrap();
    node.compact_to(8).unwrap();
    node
}

fn append(from: u64, to: u64, term: u64) -> Ready {
    Ready {
        entries: entries(from, to, term),
        hard_state: Some(hard_state(term, 1, to)),
        must_sync: true,
        ..Ready::default()
    }
}

/// What a follower's Raft hands out when it has taken a snapshot, and entries behind it.
pub fn install(snapshot: &Snapshot, followed_by: Ready) -> Ready {
    let index = snapshot.metadata.as_ref().unwrap().index;
    let hard_state = followed_by.hard_state.unwrap_or(hard_state(9, 2, index));
    Ready { snapshot: Some(snapshot.clone()), hard_state: Some(hard_state), must_sync: true, ..followed_by }
}

#[test]
fn one_request_goes_out_and_its_snapshot_is_given_once() {
    let mut node = leader();
    let task = ask(&mut node).expect("a request");
    assert_eq!(task.region_id, REGION);
    assert!(ask(&mut node).is_none(), "it is under way");
    let (snapshot, _) = leaders_snapshot(&region("", ""), 10, 6);
    task.notifier.send(snapshot.clone()).unwrap();
    assert_eq!(node.storage.snapshot().unwrap(), snapshot);
    assert!(ask(&mut node).is_some(), "the next one is made anew");
}

#[test]
fn a_request_that_failed_is_repeated() {
    let mut node = leader();
    for _ in 0..10 {
        drop(ask(&mut node).expect("a request"));
    }
}

#[test]
fn a_snapshot_that_no_follower_can_use_is_made_anew() {
    let mut node = leader();
    let (old, _) = leaders_snapshot(&region("", ""), 7, 6);
    ask(&mut node).unwrap().notifier.send(old).unwrap();
    let again = ask(&mut node).expect("entry 8, the next one, is deleted");
    let (oldest, _) = leaders_snapshot(&region("", ""), 8, 6);
    again.notifier.send(oldest.clone()).unwrap();
    assert_eq!(node.storage.snapshot().unwrap(), oldest, "entry 9 is there");

    let task = ask(&mut node).unwrap();
    let mut changed = region("", "");
    changed.region_epoch = Some(RegionEpoch { conf_ver: 2, version: 1 });
    node.storage.set_region(changed.clone());
    task.notifier.send(leaders_snapshot(&region("", ""), 10, 6).0).unwrap();
    let again = ask(&mut node).expect("a new member would not find itself in it");
    again.notifier.send(leaders_snapshot(&changed, 10, 6).0).unwrap();
    assert!(node.storage.snapshot().is_ok());
}

#[test]
fn a_whole_round_trip_through_the_worker() {
    let mut node = leader();
    let task = ask(&mut node).unwrap();
    node.schedule(RegionTask::Generate {
        region: node.storage.region().clone(),
        apply_state: *node.storage.apply_state(),
        applied_term: node.storage.applied_term(),
        snapshot: kv::engine::Engine::snapshot(&*node.disk.kv),
        notifier: task.notifier,
    });
    // What is applied later is not in it.
    node.apply_to(12).unwrap();
    node.work().unwrap();
    let snapshot = node.storage.snapshot().unwrap();
    let (expected, file) = leaders_snapshot(&region("", ""), 10, 6);
    assert_eq!(snapshot, expected);
    assert_eq!(
        node.listener.events().last(),
        Some(&StoreEvent::SnapshotGenerated { region_id: REGION, index: 10 })
    );

    let mut follower = Node::start(empty()).unwrap();
    follower.receive(&snapshot, &file).unwrap();
    follower.round(&install(&snapshot, Ready::default())).unwrap();
    follower.work().unwrap();
    assert!(!follower.storage.check_applying_snap());
    assert_eq!(data_of(&*follower.disk.kv), data_at(10, &region("", "")));
}

#[test]
fn generating_on_a_bad_disk_only_costs_the_snapshot() {
    let mut node = leader();
    let task = ask(&mut node).unwrap();
    node.schedule(RegionTask::Generate {
        region: node.storage.region().clone(),
        apply_state: *node.storage.apply_state(),
        applied_term: 6,
        snapshot: kv::engine::Engine::snapshot(&*node.disk.kv),
        notifier: task.notifier,
    });
    node.disk.fuse.blow_after(2);
    node.work().unwrap();
    assert!(ask(&mut node).is_some(), "it may be tried again");
    assert_eq!(node.snaps.stats().files, 0);
}

fn state_on_disk(disk: &Disk) -> (PeerState, Region) {
    let state = states::load_region_state(&*disk.kv, REGION).unwrap().unwrap();
    (state.state(), state.region.unwrap())
}

#[test]
fn a_snapshot_and_the_entries_behind_it_replace_the_log() {
    let mut node = leader();
    let (snapshot, file) = leaders_snapshot(&region("", "k"), 30, 8);
    node.receive(&snapshot, &file).unwrap();
    let following =
        Ready { entries: entries(31, 33, 9), hard_state: Some(hard_state(9, 2, 32)), ..Ready::default() };
    let result = node.round(&install(&snapshot, following)).unwrap();
    let expected = ApplySnapResult { prev_region: region("", ""), region: region("", "k") };
    assert_eq!(result, Some(expected));

    let storage = &node.storage;
    assert!(storage.is_applying_snapshot());
    assert_eq!((storage.first_index().unwrap(), storage.last_index().unwrap()), (31, 33));
    assert_eq!((storage.applied_index(), storage.applied_term()), (30, 8));
    assert_eq!((storage.term(30).unwrap(), storage.term(33).unwrap()), (8, 9));
    assert_eq!(storage.entries(31, 34, u64::MAX).unwrap(), entries(31, 33, 9));
    assert_eq!(*storage.region(), region("", "k"));
    assert_eq!(storage.initial_state().unwrap().hard_state, hard_state(9, 2, 32));

    assert_eq!(on_disk(&node.disk), [31, 32, 33], "nothing of the old log is left");
    assert_eq!(states::load_raft_gc_index(&*node.disk.raft, REGION).unwrap(), 30);
    assert_eq!(state_on_disk(&node.disk), (PeerState::Applying, region("", "k")));
    let copy = states::load_snapshot_raft_state(&*node.disk.kv, REGION).unwrap().unwrap();
    assert_eq!((copy.last_index, copy.hard_state), (30, Some(hard_state(9, 2, 30))), "without the entries");

    assert!(node.storage.check_applying_snap(), "the data is not there yet");
    node.work().unwrap();
    assert!(!node.storage.check_applying_snap());
    assert!(!node.storage.is_applying_snapshot());
    assert_eq!(state_on_disk(&node.disk), (PeerState::Normal, region("", "k")));
    assert_eq!(node.disk.kv.get(Cf::Raft, &keys::snapshot_raft_state_key(REGION)).unwrap(), None);
    assert_eq!(data_of(&*node.disk.kv), data_at(30, &region("", "k")), "what lies outside is gone as well");
    assert_eq!(node.disk.files.names(), Vec::<String>::new(), "the file is not needed any more");
    let installed = StoreEvent::SnapshotInstalled { region_id: REGION, index: 30 };
    assert_eq!(node.listener.events().last(), Some(&installed));

    node.apply_to(32).unwrap();
    let node = node.restart();
    assert_eq!(data_of(&*node.disk.kv).len(), data_of(&*node.restart().disk.kv).len());
}

#[test]
fn a_log_that_goes_on_behind_the_snapshot_goes_too() {
    let mut node = leader();
    let (snapshot, file) = leaders_snapshot(&region("", ""), 11, 8);
    node.receive(&snapshot, &file).unwrap();
    node.round(&install(&snapshot, Ready::default())).unwrap();
    assert_eq!(node.storage.last_index().unwrap(), 11);
    assert_eq!(on_disk(&node.disk), Vec::<u64>::new());
    let node = node.restart();
    assert_eq!((node.storage.last_index().unwrap(), node.storage.term(11).unwrap()), (11, 8));
}

#[test]
fn the_raft_state_stays_on_disk_even_if_the_snapshot_does_not_change_it() {
    let mut node = leader();
    let before = *node.storage.raft_state();
    let (snapshot, file) = leaders_snapshot(&region("", ""), 12, 6);
    node.receive(&snapshot, &file).unwrap();
    let same = Ready { hard_state: before.hard_state, ..Ready::default() };
    node.round(&install(&snapshot, same)).unwrap();
    assert_eq!(*node.storage.raft_state(), before);
    assert_eq!(states::load_raft_state(&*node.disk.raft, REGION).unwrap(), Some(before));
}

#[test]
fn memory_changes_only_after_the_write() {
    let mut node = leader();
    let (snapshot, _) = leaders_snapshot(&region("", "k"), 30, 8);
    let mut writes = RoundWrites::default();
    let ctx = node.storage.save_ready_state(&install(&snapshot, Ready::default()), &mut writes).unwrap();
    assert_eq!(node.storage.last_index().unwrap(), 12);
    assert_eq!(*node.storage.region(), region("", ""));
    assert!(!node.storage.is_applying_snapshot());
    assert_eq!((ctx.raft_state.last_index, ctx.last_term), (30, 8));
    assert_eq!(node.worker.pending(), 0);
}

#[test]
fn what_a_snapshot_holds_is_committed_whoever_says_so() {
    let mut node = leader();
    let (snapshot, _) = leaders_snapshot(&region("", ""), 30, 6);
    let mut writes = RoundWrites::default();
    let silent = Ready { snapshot: Some(snapshot), must_sync: true, ..Ready::default() };
    let ctx = node.storage.save_ready_state(&silent, &mut writes).unwrap();
    assert_eq!(ctx.raft_state.hard_state, Some(hard_state(6, 1, 30)));
}

#[test]
fn a_peer_without_a_region_gets_one() {
    let mut node = Node::start(empty()).unwrap();
    let (snapshot, file) = leaders_snapshot(&region("c", "k"), 30, 8);
    node.receive(&snapshot, &file).unwrap();
    let result = node.round(&install(&snapshot, Ready::default())).unwrap().unwrap();
    assert_eq!(result.prev_region, unknown_region());
    assert_eq!(node.worker.pending(), 1, "it had no data that could be outside");
    node.work().unwrap();
    assert_eq!(data_of(&*node.disk.kv), data_at(30, &region("c", "k")));
    let node = node.restart_after_power_loss();
    assert_eq!(data_of(&*node.disk.kv), data_at(30, &region("c", "k")), "finished means durable");
    assert!(!node.storage.is_applying_snapshot());
    assert_eq!(node.storage.raft_state().hard_state, Some(hard_state(9, 2, 30)));
}

#[test]
fn a_snapshot_of_another_region_is_refused() {
    let mut node = leader();
    let mut other = region("", "");
    other.id = 8;
    let (foreign, _) = leaders_snapshot(&other, 30, 8);
    let garbage = Snapshot { data: vec![0xff; 20].into(), metadata: foreign.metadata.clone() };
    let empty = Snapshot { data: Vec::new().into(), metadata: foreign.metadata.clone() };
    for (bad, word) in [(foreign, "of region 8"), (garbage, "snapshot"), (empty, "without a region")] {
        let mut writes = RoundWrites::default();
        let ready = install(&bad, Ready::default());
        let error = node.storage.save_ready_state(&ready, &mut writes).unwrap_err().to_string();
        assert!(error.contains(word), "{error}");
        assert!(writes.is_empty());
    }
}

/// A follower that has just begun to install a snapshot.
fn installing() -> Node {
    let mut node = leader();
    let (snapshot, file) = leaders_snapshot(&region("", ""), 30, 8);
    node.receive(&snapshot, &file).unwrap();
    node.round(&install(&snapshot, Ready::default())).unwrap();
    node
}

#[test]
fn an_installation_that_has_not_begun_is_cancelled_at_once() {
    let mut node = installing();
    assert!(node.storage.cancel_applying_snap());
    assert!(!node.storage.is_applying_snapshot());
    let before = node.disk.fuse.left();
    node.work().unwrap();
    assert_eq!(before, node.disk.fuse.left(), "the worker does nothing");
    assert!(node.storage.cancel_applying_snap(), "nobody touches the data");
    assert!(ask(&mut node).is_none(), "a peer that goes away makes no snapshot");
}

#[test]
fn an_installation_under_way_is_cancelled_between_two_batches() {
    let mut node = installing();
    let job = Arc::new(Job::default());
    let canceller = job.clone();
    node.disk.files.at_next_open(move || assert!(!canceller.cancel(), "the worker is at it"));
    node.schedule(RegionTask::Apply { region_id: REGION, job: job.clone() });
    // The one that the storage scheduled is cancelled before it begins.
    assert!(node.storage.cancel_applying_snap());
    node.work().unwrap();
    assert_eq!(job.status(), JobStatus::Cancelled);
    assert_eq!(state_on_disk(&node.disk).0, PeerState::Applying);
    let mut node = node.restart();
    assert!(node.storage.is_applying_snapshot());
    node.work().unwrap();
    assert_eq!(data_of(&*node.disk.kv), data_at(30, &region("", "")), "the file was kept");
}

#[test]
fn no_more_data_is_written_once_an_installation_is_cancelled() {
    let mut node = installing();
    let job = Arc::new(Job::default());
    let canceller = job.clone();
    node.disk.kv.on_write(move |batch| {
        let is_data = |op: &Op| matches!(op, Op::Put { cf, .. } if *cf != Cf::Raft);
        if batch.ops().iter().any(is_data) {
            canceller.cancel();
        }
    });
    node.schedule(RegionTask::Apply { region_id: REGION, job: job.clone() });
    assert!(node.storage.cancel_applying_snap());
    node.work().unwrap();
    assert_eq!(job.status(), JobStatus::Cancelled);
    let mut first_block = data_at(30, &region("", ""));
    first_block.retain(|(cf, _), _| *cf == Cf::Default);
    assert_eq!(data_of(&*node.disk.kv), first_block);
}

#[test]
fn a_task_that_comes_twice_finds_the_work_done() {
    let mut node = installing();
    let job = Arc::new(Job::default());
    node.schedule(RegionTask::Apply { region_id: REGION, job: job.clone() });
    node.work().unwrap();
    assert_eq!(job.status(), JobStatus::Finished);
    assert_eq!(data_of(&*node.disk.kv), data_at(30, &region("", "")));
}

#[test]
fn a_finished_installation_cannot_be_cancelled() {
    let mut node = installing();
    node.work().unwrap();
    assert!(node.storage.cancel_applying_snap());
    assert_eq!(data_of(&*node.disk.kv), data_at(30, &region("", "")));
}

#[test]
fn a_snapshot_whose_file_is_damaged_stops_the_store() {
    for damage in [
        |bytes: &mut Vec<u8>| bytes.truncate(bytes.len() / 2),
        |bytes: &mut Vec<u8>| *bytes.last_mut().unwrap() ^= 1,
        |bytes: &mut Vec<u8>| bytes.clear(),
    ] {
        let mut node = installing();
        node.disk.files.damage("rev_7_8_30.snap", damage);
        assert!(node.work().is_err());
        assert!(node.storage.check_applying_snap(), "the peer does not go on");
        let Some(StoreEvent::Fatal { reason }) = node.listener.events().pop() else { panic!("no report") };
        assert!(reason.contains("corrupt") && reason.contains("rebuild this store"), "{reason}");
        assert_eq!(state_on_disk(&node.disk).0, PeerState::Applying);
    }
}

#[test]
fn a_lost_file_costs_no_data_and_stops_the_store() {
    let mut node = installing();
    kv::snap::SnapFiles::delete(&node.disk.files, "rev_7_8_30.snap").unwrap();
    let before = data_of(&*node.disk.kv);
    assert!(node.work().is_err());
    assert_eq!(data_of(&*node.disk.kv), before);
}

#[test]
fn a_failing_disk_stops_an_installation() {
    let node = installing();
    let calls = {
        let mut node = Node::start(node.disk.after_kill()).unwrap();
        let before = node.disk.fuse.left();
        node.work().unwrap();
        before - node.disk.fuse.left()
    };
    assert!(calls > 5, "{calls}");
    // Deleting the file comes last, and is no reason to stop.
    for calls in 0..calls - 1 {
        let mut node = Node::start(node.disk.after_kill()).unwrap();
        node.disk.fuse.blow_after(calls);
        assert!(node.work().is_err(), "{calls}");
        assert!(node.storage.check_applying_snap());
    }
}

#[test]
fn a_file_with_keys_of_others_is_not_installed() {
    let (whole, file) = leaders_snapshot(&region("", ""), 30, 8);
    let (part, _) = leaders_snapshot(&region("c", "k"), 30, 8);
    // The message says region c to k, and describes the file of the whole.
    let mut data: proto::raft_serverpb::RaftSnapshotData = prost::Message::decode(&whole.data[..]).unwrap();
    data.region = Some(region("c", "k"));
    let forged = Snapshot { data: prost::Message::encode_to_vec(&data).into(), metadata: part.metadata };
    let mut node = Node::start(empty()).unwrap();
    node.receive(&forged, &file).unwrap();
    node.round(&install(&forged, Ready::default())).unwrap();
    assert!(node.work().is_err());
    assert_eq!(data_of(&*node.disk.kv), Default::default());
}
