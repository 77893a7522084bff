//! raftdb, regions and restarts: R3, R5, R6, R7, S3, S4, S6, S8, S9, S16, S20, S23.

use ::kv::engine::{Cf, WriteBatch};
use ::kv::raftstore::meta::{keys, states};
use proto::metapb::Region;
use proto::raft_serverpb::{PeerState, RegionLocalState};

use super::super::observe::Db;
use super::scene::{INIT, REGION, Scene, entries, message, put, put_apply, put_entries, put_state};

fn four() -> Scene {
    let requests = (1..=4).map(|id| put(id, "k", &format!("v{id}"))).collect();
    Scene::with_entries(requests)
}

fn log_key(index: u64) -> bytes::Bytes {
    keys::raft_log_key(REGION, index)
}

#[test]
fn entries_and_state_may_be_written_apart_entries_first() {
    let log = entries(6, INIT + 1, vec![put(1, "k", "a"), put(2, "k", "b")]);
    let mut scene = Scene::new();
    for entry in &log {
        let mut batch = WriteBatch::new();
        put_entries(&mut batch, std::slice::from_ref(entry));
        scene.write(1, Db::Raft, batch);
    }
    let mut batch = WriteBatch::new();
    put_state(&mut batch, (6, 11, INIT), 7);
    scene.write(1, Db::Raft, batch);
    scene.fine();
    let mut batch = WriteBatch::new();
    put_state(&mut batch, (6, 11, INIT), 8);
    scene.write(1, Db::Raft, batch);
    scene.broken("S3", 1);
}

#[test]
fn a_log_has_no_holes() {
    let log = entries(6, INIT + 1, vec![put(1, "k", "a"), put(2, "k", "b")]);
    let mut scene = Scene::new();
    scene.append(1, &log[1..], (6, 11));
    scene.broken("S3", 1);
}

#[test]
fn another_leaders_entries_replace_the_tail() {
    let mut scene = four();
    let mut batch = WriteBatch::new();
    put_entries(&mut batch, &entries(7, 8, vec![put(9, "k", "z")]));
    batch.delete(Cf::Raft, log_key(9));
    put_state(&mut batch, (7, 12, INIT), 8);
    scene.write(1, Db::Raft, batch);
    scene.fine();
    let mut batch = WriteBatch::new();
    put_entries(&mut batch, &entries(7, 8, vec![put(9, "k", "z")]));
    put_state(&mut batch, (7, 12, INIT), 8);
    scene.write(2, Db::Raft, batch);
    scene.broken("S23", 2);
}

#[test]
fn a_replaced_tail_does_not_keep_its_end() {
    let mut scene = four();
    let mut batch = WriteBatch::new();
    put_entries(&mut batch, &entries(7, 8, vec![put(9, "k", "z")]));
    put_state(&mut batch, (7, 12, INIT), 9);
    scene.write(1, Db::Raft, batch);
    scene.broken("R3", 1);
}

#[test]
fn the_same_index_and_term_hold_the_same_entry() {
    let mut scene = Scene::new();
    scene.append(1, &entries(6, 6, vec![put(1, "k", "a")]), (6, 11));
    scene.append(2, &entries(6, 6, vec![put(2, "k", "b")]), (6, 11));
    scene.broken("R3", 2);
}

#[test]
fn what_was_applied_is_not_overwritten() {
    let mut scene = four();
    scene.apply(1, 6, 7);
    scene.append(
        1,
        &entries(6, 6, vec![put(1, "k", "v1"), put(2, "k", "v2"), put(3, "k", "v3"), put(4, "k", "v4")]),
        (6, 11),
    );
    scene.fine();
    let mut batch = WriteBatch::new();
    put_entries(&mut batch, &entries(7, 7, vec![put(9, "k", "z")]));
    batch.delete(Cf::Raft, log_key(8));
    batch.delete(Cf::Raft, log_key(9));
    put_state(&mut batch, (7, 12, INIT), 7);
    scene.write(1, Db::Raft, batch);
    scene.broken("R5", 1);
}

#[test]
fn terms_and_commit_indexes_do_not_go_back() {
    let mut scene = four();
    let mut batch = WriteBatch::new();
    put_state(&mut batch, (7, 0, 8), 9);
    scene.write(1, Db::Raft, batch);
    scene.fine();
    let mut batch = WriteBatch::new();
    put_state(&mut batch, (6, 0, 8), 9);
    scene.write(1, Db::Raft, batch);
    scene.broken("R6", 1);

    let mut scene = four();
    let mut batch = WriteBatch::new();
    put_state(&mut batch, (6, 11, 4), 9);
    scene.write(1, Db::Raft, batch);
    scene.broken("R7", 1);
}

/// Applied up to 9, truncated at 8.
fn truncated(sync: bool) -> Scene {
    let mut scene = four();
    scene.apply(1, 6, 9);
    let mut batch = WriteBatch::new();
    put_apply(&mut batch, 9, (8, 6));
    scene.write(1, Db::Kv, batch);
    if sync {
        scene.sync(1);
    }
    scene.fine();
    scene
}

#[test]
fn the_log_is_deleted_up_to_the_truncated_index_once_that_is_safe() {
    let mut scene = truncated(true);
    for index in 6..=8 {
        let mut batch = WriteBatch::new();
        batch.delete(Cf::Raft, log_key(index));
        scene.write(1, Db::Raft, batch);
    }
    scene.sync(1);
    scene.restart(1);
    scene.fine();
    let mut batch = WriteBatch::new();
    batch.delete(Cf::Raft, log_key(9));
    scene.write(1, Db::Raft, batch);
    scene.broken("S16", 1);
}

#[test]
fn the_log_is_not_deleted_while_a_power_cut_could_need_it() {
    let mut scene = truncated(false);
    let mut batch = WriteBatch::new();
    batch.delete(Cf::Raft, log_key(6));
    scene.write(1, Db::Raft, batch);
    scene.broken("S16", 1);
}

#[test]
fn the_truncated_state_is_applied_and_of_the_right_term_and_never_goes_back() {
    for (applied, truncated) in [(6, (7, 6)), (9, (8, 5)), (9, (4, 5))] {
        let mut scene = four();
        scene.apply(1, 6, applied);
        let mut batch = WriteBatch::new();
        put_apply(&mut batch, applied, truncated);
        scene.write(1, Db::Kv, batch);
        scene.broken("S16", 1);
    }
}

#[test]
fn the_log_reaches_to_the_applied_index_after_any_loss() {
    let mut scene = four();
    scene.apply(1, 6, 9);
    let mut batch = WriteBatch::new();
    put_state(&mut batch, (6, 11, INIT), 8);
    scene.engines[&1].raft.write(batch).unwrap();
    scene.restart(1);
    scene.broken("S3", 1);
}

#[test]
fn a_log_with_a_hole_is_noticed_at_the_start() {
    let mut scene = four();
    let mut batch = WriteBatch::new();
    batch.delete(Cf::Raft, log_key(7));
    scene.engines[&1].raft.write(batch).unwrap();
    scene.restart(1);
    scene.broken("S3", 1);
}

#[test]
fn a_bootstrap_cut_short_is_no_contradiction() {
    let mut scene = Scene::new();
    let mut batch = WriteBatch::new();
    batch.delete(Cf::Raft, keys::raft_state_key(REGION));
    scene.engines[&1].raft.write(batch).unwrap();
    scene.restart(1);
    scene.fine();
}

#[test]
fn a_corrupt_entry_is_noticed_at_the_start() {
    let mut scene = four();
    let mut batch = WriteBatch::new();
    batch.put(Cf::Raft, log_key(7), "nonsense");
    scene.engines[&1].raft.write(batch).unwrap();
    scene.restart(1);
    scene.broken("S3", 1);
}

fn region(id: u64, start: &'static str, end: &'static str, version: u64) -> Region {
    let mut region = Scene::new().region;
    region.region_epoch.as_mut().unwrap().version = version;
    Region { id, start_key: start.into(), end_key: end.into(), ..region }
}

fn write_region(scene: &mut Scene, store: u64, region: &Region, state: PeerState) {
    let mut batch = WriteBatch::new();
    let state = RegionLocalState { state: state as i32, region: Some(region.clone()) };
    batch.put_msg(Cf::Raft, keys::region_state_key(region.id), &state);
    scene.write(store, Db::Kv, batch);
}

#[test]
fn regions_of_a_store_do_not_overlap() {
    let mut scene = Scene::new();
    write_region(&mut scene, 1, &region(1, "", "m", 2), PeerState::Normal);
    write_region(&mut scene, 1, &region(2, "m", "", 2), PeerState::Normal);
    scene.fine();
    write_region(&mut scene, 1, &region(3, "x", "z", 2), PeerState::Normal);
    scene.broken("S4", 1);
}

#[test]
fn an_epoch_names_one_region() {
    let mut scene = Scene::new();
    write_region(&mut scene, 1, &region(1, "", "m", 2), PeerState::Normal);
    write_region(&mut scene, 2, &region(1, "", "m", 2), PeerState::Normal);
    scene.fine();
    write_region(&mut scene, 3, &region(1, "", "n", 2), PeerState::Normal);
    scene.broken("S6", 3);
}

#[test]
fn a_tombstone_neither_speaks_nor_writes() {
    let mut scene = four();
    let gone = scene.region.clone();
    write_region(&mut scene, 2, &gone, PeerState::Tombstone);
    scene.fine();
    scene.send(2, message(1, 6, proto::eraftpb::MessageType::MsgHeartbeatResponse));
    scene.broken("S8", 2);

    let mut scene = four();
    write_region(&mut scene, 2, &gone, PeerState::Tombstone);
    let mut newer = gone.clone();
    newer.region_epoch.as_mut().unwrap().conf_ver = 3;
    newer.peers[1].id = 99;
    write_region(&mut scene, 2, &newer, PeerState::Normal);
    scene.fine();

    let mut scene = four();
    write_region(&mut scene, 2, &gone, PeerState::Tombstone);
    write_region(&mut scene, 2, &gone, PeerState::Normal);
    scene.broken("S8", 2);
}

#[test]
fn a_tombstone_leaves_nothing_behind() {
    let mut scene = four();
    let gone = scene.region.clone();
    write_region(&mut scene, 2, &gone, PeerState::Tombstone);
    let mut batch = WriteBatch::new();
    (6..=9).for_each(|index| batch.delete(Cf::Raft, log_key(index)));
    batch.delete(Cf::Raft, keys::raft_state_key(REGION));
    scene.sync(2);
    scene.write(2, Db::Raft, batch);
    scene.checker.end_of_run();
    scene.fine();

    let mut scene = four();
    write_region(&mut scene, 2, &gone, PeerState::Tombstone);
    scene.checker.end_of_run();
    scene.broken("S9", 2);
}

#[test]
fn every_key_has_its_database() {
    let mut batch = WriteBatch::new();
    put_apply(&mut batch, 6, (INIT, INIT));
    let mut scene = Scene::new();
    scene.write(1, Db::Raft, batch);
    scene.broken("S20", 1);

    let mut scene = Scene::new();
    let mut batch = WriteBatch::new();
    batch.put(Cf::Raft, keys::raft_gc_key(REGION), states::encode_raft_gc_index(3));
    scene.write(1, Db::Raft, batch.clone());
    scene.fine();
    scene.write(1, Db::Kv, batch);
    scene.broken("S20", 1);

    let mut scene = Scene::new();
    let mut batch = WriteBatch::new();
    batch.put(Cf::Raft, "made up", "x");
    scene.write(1, Db::Kv, batch);
    scene.broken("S20", 1);
}
