//! What a peer starts with, and what it refuses to start with.

use bytes::Bytes;
use kv::engine::{Cf, Engine, WriteBatch};
use kv::raftstore::meta::{keys, states};
use kv::raftstore::peer_storage::{write_initial_apply_state, write_initial_raft_state};
use proto::raft_serverpb::{PeerState, RaftApplyState, RaftLocalState, RaftTruncatedState, RegionLocalState};
use raft::{Ready, Storage};

use crate::disk::Disk;
use crate::model::{REGION, entry, hard_state, region, unknown_region};
use crate::node::Node;

pub fn empty() -> Disk {
    Disk::new(usize::MAX)
}

/// A disk on which the region was bootstrapped.
pub fn bootstrapped() -> Disk {
    let disk = empty();
    put_region(&disk, PeerState::Normal);
    let (mut kv, mut raft) = (WriteBatch::new(), WriteBatch::new());
    write_initial_apply_state(&mut kv, REGION);
    write_initial_raft_state(&mut raft, REGION);
    disk.kv.write(kv).unwrap();
    disk.kv.sync().unwrap();
    disk.raft.write(raft).unwrap();
    disk.raft.sync().unwrap();
    disk
}

pub fn put_region(disk: &Disk, state: PeerState) {
    let mut batch = WriteBatch::new();
    let state = RegionLocalState { state: state.into(), region: Some(region("", "")) };
    batch.put_msg(Cf::Raft, keys::region_state_key(REGION), &state);
    disk.kv.write(batch).unwrap();
}

fn put_raft_state(disk: &Disk, last_index: u64, (term, vote, commit): (u64, u64, u64)) {
    let state = RaftLocalState { hard_state: Some(hard_state(term, vote, commit)), last_index };
    let mut batch = WriteBatch::new();
    batch.put_msg(Cf::Raft, keys::raft_state_key(REGION), &state);
    disk.raft.write(batch).unwrap();
}

fn put_apply_state(disk: &Disk, applied_index: u64, (index, term): (u64, u64)) {
    let truncated_state = Some(RaftTruncatedState { index, term });
    let mut batch = WriteBatch::new();
    batch.put_msg(
        Cf::Raft,
        keys::apply_state_key(REGION),
        &RaftApplyState { applied_index, truncated_state },
    );
    disk.kv.write(batch).unwrap();
}

fn put_entry(disk: &Disk, index: u64, term: u64) {
    let mut batch = WriteBatch::new();
    batch.put(Cf::Raft, keys::raft_log_key(REGION, index), states::encode_entry(&entry(index, term)));
    disk.raft.write(batch).unwrap();
}

/// Applied, truncated, first and last index, terms of the applied and of the last entry.
fn bounds(node: &Node) -> [u64; 6] {
    let storage = &node.storage;
    [
        storage.applied_index(),
        storage.truncated_index(),
        storage.first_index().unwrap(),
        storage.last_index().unwrap(),
        storage.applied_term(),
        storage.term(storage.last_index().unwrap()).unwrap(),
    ]
}

#[test]
fn a_peer_created_by_a_message_starts_at_0() {
    let node = Node::start(empty()).unwrap();
    assert_eq!(bounds(&node), [0, 0, 1, 0, 0, 0]);
    assert!(!node.storage.is_initialized());
    let state = node.storage.initial_state().unwrap();
    assert_eq!(state.hard_state, hard_state(0, 0, 0));
    assert!(state.conf_state.voters.is_empty());
}

#[test]
fn a_bootstrapped_region_starts_at_5() {
    let node = Node::start(bootstrapped()).unwrap();
    assert_eq!(bounds(&node), [5, 5, 6, 5, 5, 5]);
    assert!(node.storage.is_initialized());
    let state = node.storage.initial_state().unwrap();
    assert_eq!(state.hard_state, hard_state(5, 0, 5));
    assert_eq!(state.conf_state.voters, [1, 2, 3]);
}

#[test]
fn a_split_region_starts_at_5_and_says_so_on_disk() {
    let disk = empty();
    let node = Node::start_as(disk.clone(), region("", "m")).unwrap();
    assert_eq!(bounds(&node), [5, 5, 6, 5, 5, 5]);
    assert_eq!(states::load_raft_state(&*disk.raft, REGION).unwrap(), Some(*node.storage.raft_state()));
}

#[test]
fn a_split_keeps_a_vote_that_messages_brought_before_it() {
    for (found, expected) in [
        ((9, 3, 0), (9, 3, 5)),
        ((5, 3, 0), (5, 3, 5)),
        // A term that the new region is already beyond.
        ((4, 3, 0), (5, 0, 5)),
    ] {
        let disk = empty();
        put_raft_state(&disk, 0, found);
        let node = Node::start_as(disk, region("", "m")).unwrap();
        let (term, vote, commit) = expected;
        assert_eq!(node.storage.initial_state().unwrap().hard_state, hard_state(term, vote, commit));
        assert_eq!(node.storage.last_index().unwrap(), 5);
    }
}

#[test]
fn a_split_that_is_applied_again_keeps_the_log() {
    let disk = bootstrapped();
    put_entry(&disk, 6, 7);
    put_raft_state(&disk, 6, (7, 2, 6));
    let node = Node::start_as(disk, region("", "")).unwrap();
    assert_eq!(bounds(&node), [5, 5, 6, 6, 5, 7]);
    assert_eq!(node.storage.initial_state().unwrap().hard_state, hard_state(7, 2, 6));
}

#[test]
fn term_and_vote_survive_while_there_is_no_log() {
    let mut node = Node::start(empty()).unwrap();
    let voted = Ready { hard_state: Some(hard_state(8, 3, 0)), must_sync: true, ..Ready::default() };
    node.round(&voted).unwrap();
    let node = node.restart_after_power_loss();
    assert_eq!(node.storage.initial_state().unwrap().hard_state, hard_state(8, 3, 0));
    assert_eq!(bounds(&node), [0, 0, 1, 0, 0, 0]);
}

#[test]
fn what_is_applied_counts_as_committed() {
    let disk = bootstrapped();
    put_entry(&disk, 6, 6);
    put_raft_state(&disk, 6, (6, 0, 5));
    put_apply_state(&disk, 6, (5, 5));
    let node = Node::start(disk).unwrap();
    assert_eq!(node.storage.initial_state().unwrap().hard_state.commit, 6);
    assert_eq!(bounds(&node), [6, 5, 6, 6, 6, 6]);
}

/// Starting on this disk is refused, with these words.
fn refused(disk: Disk, words: &[&str]) {
    let told = Node::start(disk).err().expect("the disk is refused").to_string();
    for word in words.iter().chain(&["store 1, region 7", "rebuild this store from its peers"]) {
        assert!(told.contains(word), "{word:?} is not in: {told}");
    }
}

/// Bootstrapped, with entries 6 to 9 of term 6, and 8 applied.
fn with_entries() -> Disk {
    let disk = bootstrapped();
    for index in 6..=9 {
        put_entry(&disk, index, 6);
    }
    put_raft_state(&disk, 9, (6, 1, 9));
    put_apply_state(&disk, 8, (5, 5));
    disk
}

#[test]
fn states_that_do_not_fit_together_are_refused() {
    assert_eq!(bounds(&Node::start(with_entries()).unwrap()), [8, 5, 6, 9, 6, 6]);

    let disk = with_entries();
    put_raft_state(&disk, 7, (6, 1, 7));
    refused(disk, &["8 is applied, but the log ends at 7"]);

    let disk = with_entries();
    put_raft_state(&disk, 9, (6, 1, 10));
    refused(disk, &["10 is committed, but the log ends at 9"]);

    let disk = with_entries();
    put_apply_state(&disk, 8, (9, 6));
    refused(disk, &["the log begins behind 9, but only 8 is applied"]);

    let disk = with_entries();
    put_raft_state(&disk, 9, (5, 1, 9));
    refused(disk, &["entry 9 is of a higher term than the peer has ever known"]);

    let disk = empty();
    put_raft_state(&disk, 9, (6, 1, 9));
    refused(disk, &["the log has entries up to 9, but kvdb does not know the region"]);
}

#[test]
fn a_log_with_a_hole_is_refused() {
    for index in 6..=9 {
        let disk = with_entries();
        let mut batch = WriteBatch::new();
        batch.delete(Cf::Raft, keys::raft_log_key(REGION, index));
        disk.raft.write(batch).unwrap();
        refused(disk, &[&format!("entry {index} is missing")]);
    }
}

#[test]
fn a_log_whose_terms_go_down_is_refused() {
    let disk = with_entries();
    put_entry(&disk, 7, 5);
    refused(disk, &["entry 7 is of a lower term than the one before it"]);
}

#[test]
fn a_flipped_bit_in_an_entry_is_found_at_the_start() {
    let value = states::encode_entry(&entry(7, 6));
    for bit in 0..value.len() * 8 {
        let mut flipped = value.to_vec();
        flipped[bit / 8] ^= 1 << (bit % 8);
        let disk = with_entries();
        let mut batch = WriteBatch::new();
        batch.put(Cf::Raft, keys::raft_log_key(REGION, 7), Bytes::from(flipped));
        disk.raft.write(batch).unwrap();
        refused(disk, &["raft log of region 7, entry 7"]);
    }
}

#[test]
fn a_snapshot_that_is_being_installed_needs_its_raft_state() {
    let disk = bootstrapped();
    put_region(&disk, PeerState::Applying);
    refused(disk, &["is installing a snapshot"]);
}

#[test]
fn an_unknown_region_has_nothing() {
    let node = Node::start(empty()).unwrap();
    assert_eq!(*node.storage.region(), unknown_region());
    assert_eq!(node.worker.pending(), 0);
}
