//! Applying entries: S1, S2, S3, S7, R5, R12, S13 (once), S20.

use ::kv::engine::{Cf, WriteBatch};

use super::super::observe::Db;
use super::scene::{INIT, REGION, Scene, delete, entries, execute, put, put_apply};

fn three() -> Scene {
    Scene::with_entries(vec![put(1, "k", "a"), put(2, "l", "b"), delete(3, "k")])
}

#[test]
fn entries_may_be_applied_one_by_one_or_all_at_once() {
    let mut scene = three();
    for index in 6..=8 {
        scene.apply(1, index, index);
    }
    scene.apply(2, 6, 8);
    scene.apply(3, 6, 7);
    scene.sync(3);
    scene.apply(3, 8, 8);
    for store in 1..=3 {
        scene.restart(store);
    }
    scene.fine();
}

#[test]
fn an_entry_without_effect_only_moves_the_applied_index() {
    let mut scene = three();
    scene.apply(1, 6, 7);
    // An empty entry, as a new leader appends it, and the deletion of a key that is not there.
    let mut log = entries(7, 9, vec![delete(4, "x"), put(5, "k", "c")]);
    log[1].data = bytes::Bytes::new();
    for store in 1..=3 {
        scene.append(store, &log, (7, 11));
        scene.sync(store);
    }
    scene.apply(1, 8, 8);
    scene.apply_spoilt(1, 9, 9, |batch| {
        batch.clear();
        put_apply(batch, 10, (INIT, INIT));
    });
    scene.fine();
}

#[test]
fn data_without_its_index_is_noticed() {
    let mut scene = three();
    scene.apply(1, 6, 6);
    let mut batch = WriteBatch::new();
    batch.put(Cf::Default, "l", "b");
    scene.write(1, Db::Kv, batch);
    scene.broken("S1", 1);
}

#[test]
fn an_index_without_its_data_is_noticed() {
    let mut scene = three();
    scene.apply(1, 6, 6);
    let mut batch = WriteBatch::new();
    put_apply(&mut batch, 7, (INIT, INIT));
    scene.write(1, Db::Kv, batch);
    scene.broken("S1", 1);
}

#[test]
fn an_index_that_counts_too_many_or_too_few_is_noticed() {
    let mut scene = three();
    scene.apply_spoilt(1, 6, 7, |batch| put_apply(batch, 8, (INIT, INIT)));
    scene.broken("S1", 1);

    let mut scene = three();
    scene.apply(2, 6, 8);
    scene.apply_spoilt(1, 6, 7, |batch| put_apply(batch, 6, (INIT, INIT)));
    scene.broken("S1", 1);
}

#[test]
fn other_data_than_the_log_says_is_noticed() {
    let mut scene = three();
    scene.apply_spoilt(1, 6, 7, |batch| batch.put(Cf::Default, "l", "c"));
    scene.broken("S2", 1);

    let mut scene = three();
    scene.apply_spoilt(1, 6, 7, |batch| batch.delete(Cf::Default, "k"));
    scene.broken("S2", 1);

    // Right key and value, wrong family.
    let mut scene = three();
    scene.apply_spoilt(1, 6, 6, |batch| {
        batch.delete(Cf::Default, "k");
        batch.put(Cf::Lock, "k", "a");
    });
    scene.broken("S2", 1);
}

#[test]
fn a_command_of_another_epoch_must_not_take_effect() {
    let mut stale = put(2, "l", "b");
    stale.header.as_mut().unwrap().region_epoch.as_mut().unwrap().version = 2;
    let mut scene = Scene::with_entries(vec![put(1, "k", "a"), stale.clone()]);
    scene.apply(1, 6, 6);
    scene.apply_spoilt(1, 7, 7, |batch| {
        batch.clear();
        put_apply(batch, 7, (INIT, INIT));
    });
    scene.fine();

    let mut scene = Scene::with_entries(vec![put(1, "k", "a"), stale]);
    scene.apply(1, 6, 7);
    scene.broken("S7", 1);
}

#[test]
fn the_membership_does_not_concern_a_write() {
    let mut other = put(1, "k", "a");
    other.header.as_mut().unwrap().region_epoch.as_mut().unwrap().conf_ver = 9;
    let mut scene = Scene::with_entries(vec![other]);
    scene.apply(1, 6, 6);
    scene.fine();
}

#[test]
fn the_applied_index_never_goes_back() {
    let mut scene = three();
    scene.apply(1, 6, 7);
    let mut batch = WriteBatch::new();
    put_apply(&mut batch, 6, (INIT, INIT));
    scene.write(1, Db::Kv, batch);
    scene.broken("R7", 1);
}

#[test]
fn only_what_is_safe_in_raftdb_is_applied() {
    let log = entries(6, INIT + 1, vec![put(1, "k", "a")]);
    let mut scene = Scene::new();
    for store in 1..=3 {
        scene.append(store, &log, (6, 11));
    }
    scene.sync(2);
    scene.sync(3);
    scene.apply(1, 6, 6);
    scene.broken("S3", 1);
}

#[test]
fn only_what_raftdb_holds_is_applied() {
    let mut scene = Scene::new();
    let mut batch = WriteBatch::new();
    put_apply(&mut batch, 6, (INIT, INIT));
    scene.write(1, Db::Kv, batch);
    scene.broken("S3", 1);
}

#[test]
fn only_what_a_majority_holds_is_applied() {
    let log = entries(6, INIT + 1, vec![put(1, "k", "a")]);
    let mut scene = Scene::new();
    scene.append(1, &log, (6, 11));
    scene.append(2, &log, (6, 11));
    scene.sync(1);
    scene.apply(1, 6, 6);
    scene.broken("R12", 1);
}

#[test]
fn two_stores_apply_the_same_entries() {
    let mut scene = three();
    scene.apply(1, 6, 6);
    let other = entries(7, INIT + 1, vec![put(9, "k", "z")]);
    let mut batch = WriteBatch::new();
    super::scene::put_entries(&mut batch, &other);
    super::scene::put_state(&mut batch, (7, 12, INIT), 6);
    for index in [7, 8] {
        batch.delete(Cf::Raft, ::kv::raftstore::meta::keys::raft_log_key(REGION, index));
    }
    scene.write(2, Db::Raft, batch);
    scene.sync(2);
    scene.fine();
    scene.apply(2, 6, 6);
    scene.broken("R5", 2);
}

#[test]
fn a_command_takes_effect_once() {
    let mut scene = Scene::with_entries(vec![put(1, "k", "a"), put(2, "k", "b"), put(1, "k", "a")]);
    scene.apply(1, 6, 7);
    scene.fine();
    scene.apply(1, 8, 8);
    scene.broken("S13", 1);
}

#[test]
fn applying_again_after_a_crash_is_noticed() {
    let mut scene = three();
    scene.apply(1, 6, 7);
    // The data survived, and the index did not: two batches instead of one.
    let mut batch = WriteBatch::new();
    put_apply(&mut batch, 6, (INIT, INIT));
    scene.engines[&1].kv.write(batch).unwrap();
    scene.restart(1);
    scene.broken("S2", 1);
}

#[test]
fn a_lost_tail_of_kvdb_is_applied_again() {
    let mut scene = three();
    scene.apply(1, 6, 6);
    scene.apply(2, 6, 8);
    // What kvdb held before the batch of entry 7 and 8.
    let engine = ::kv::engine::MemEngine::new();
    let mut batch = WriteBatch::new();
    scene.put_region(&mut batch, proto::raft_serverpb::PeerState::Normal);
    let entry =
        ::kv::raftstore::meta::states::load_entry(&*scene.engines[&2].raft, REGION, 6).unwrap().unwrap();
    execute(&mut batch, &entry);
    put_apply(&mut batch, 6, (INIT, INIT));
    ::kv::engine::Engine::write(&engine, batch).unwrap();
    scene.engines.get_mut(&2).unwrap().kv = std::sync::Arc::new(engine);
    scene.restart(2);
    scene.apply(2, 7, 8);
    scene.fine();
}

#[test]
fn data_goes_where_a_region_is() {
    let mut scene = Scene::new();
    scene.region.start_key = "k".into();
    scene.region.region_epoch.as_mut().unwrap().version = 2;
    let mut batch = WriteBatch::new();
    scene.put_region(&mut batch, proto::raft_serverpb::PeerState::Normal);
    scene.write(1, Db::Kv, batch);
    scene.fine();
    let mut batch = WriteBatch::new();
    batch.put(Cf::Default, "a", "b");
    scene.write(1, Db::Kv, batch);
    scene.broken("S20", 1);
}
