//! Snapshots: S10, S11, S3 after a crash in the middle.

use ::kv::engine::{Cf, WriteBatch};
use ::kv::raftstore::meta::keys;
use proto::eraftpb::{HardState, Message, MessageType, Snapshot, SnapshotMetadata};
use proto::raft_serverpb::{PeerState, RaftLocalState};

use super::super::observe::{Db, FileEvent, SnapshotFile};
use super::scene::{INIT, REGION, Scene, entries, message, put, put_apply, put_state};

/// Stores 1 and 2 have applied up to 8; store 3 has only entry 6, applied.
fn behind() -> Scene {
    let log = entries(6, INIT + 1, vec![put(1, "k", "a"), put(2, "l", "b"), put(3, "k", "c")]);
    let mut scene = Scene::new();
    for store in [1, 2] {
        scene.append(store, &log, (6, 11));
        scene.sync(store);
    }
    scene.apply(1, 6, 8);
    scene.apply(2, 6, 8);
    scene.append(3, &log[..1], (6, 11));
    scene.sync(3);
    scene.apply(3, 6, 6);
    scene.fine();
    scene
}

/// Store 3 begins to install the snapshot at 8, in the order of the handout.
fn begin(scene: &mut Scene) {
    let mut kv = WriteBatch::new();
    scene.put_region(&mut kv, PeerState::Applying);
    put_apply(&mut kv, 8, (8, 6));
    let hard_state = Some(HardState { term: 6, vote: 11, commit: 8 });
    kv.put_msg(
        Cf::Raft,
        keys::snapshot_raft_state_key(REGION),
        &RaftLocalState { hard_state, last_index: 8 },
    );
    scene.write(3, Db::Kv, kv);
    scene.checker.on_sync(3, Db::Kv);
    let mut raft = WriteBatch::new();
    raft.delete(Cf::Raft, keys::raft_log_key(REGION, 6));
    put_state(&mut raft, (6, 11, 8), 8);
    scene.write(3, Db::Raft, raft);
    scene.checker.on_sync(3, Db::Raft);
}

fn data(scene: &mut Scene, key: &'static str, value: Option<&'static str>) {
    let mut batch = WriteBatch::new();
    match value {
        Some(value) => batch.put(Cf::Default, key, value),
        None => batch.delete(Cf::Default, key),
    }
    scene.write(3, Db::Kv, batch);
}

fn finish(scene: &mut Scene) {
    let mut batch = WriteBatch::new();
    scene.put_region(&mut batch, PeerState::Normal);
    batch.delete(Cf::Raft, keys::snapshot_raft_state_key(REGION));
    scene.write(3, Db::Kv, batch);
}

#[test]
fn a_snapshot_is_installed_in_pieces() {
    let mut scene = behind();
    begin(&mut scene);
    data(&mut scene, "k", None);
    data(&mut scene, "k", Some("c"));
    data(&mut scene, "l", Some("b"));
    finish(&mut scene);
    scene.send(3, Message { index: 8, ..message(1, 6, MessageType::MsgAppendResponse) });
    let next = entries(6, 9, vec![put(4, "k", "d")]);
    for store in 1..=3 {
        scene.append(store, &next, (6, 11));
        scene.sync(store);
    }
    scene.apply(1, 9, 9);
    scene.apply_spoilt(3, 9, 9, |batch| put_apply(batch, 9, (8, 6)));
    scene.restart(3);
    scene.fine();
}

#[test]
fn what_a_snapshot_leaves_out_or_leaves_over_is_noticed() {
    let mut scene = behind();
    begin(&mut scene);
    data(&mut scene, "k", Some("c"));
    finish(&mut scene);
    scene.broken("S10", 3);

    let mut scene = behind();
    begin(&mut scene);
    data(&mut scene, "k", Some("c"));
    data(&mut scene, "l", Some("b"));
    data(&mut scene, "x", Some("y"));
    finish(&mut scene);
    scene.broken("S10", 3);
}

#[test]
fn nothing_is_applied_on_half_a_snapshot() {
    let mut scene = behind();
    begin(&mut scene);
    scene.append(3, &entries(6, 9, vec![put(4, "k", "d")]), (6, 11));
    scene.sync(3);
    scene.apply_spoilt(3, 9, 9, |batch| put_apply(batch, 9, (8, 6)));
    scene.broken("S10", 3);
}

#[test]
fn a_snapshot_never_goes_back() {
    let mut scene = behind();
    let mut kv = WriteBatch::new();
    scene.put_region(&mut kv, PeerState::Applying);
    put_apply(&mut kv, 7, (7, 6));
    scene.write(1, Db::Kv, kv);
    scene.broken("S10", 1);
}

#[test]
fn a_snapshot_comes_with_its_raft_state() {
    let mut scene = behind();
    let mut kv = WriteBatch::new();
    scene.put_region(&mut kv, PeerState::Applying);
    put_apply(&mut kv, 8, (8, 6));
    scene.write(3, Db::Kv, kv);
    scene.broken("S10", 3);
}

#[test]
fn the_old_log_goes_only_when_kvdb_is_safe() {
    let mut scene = behind();
    let mut raft = WriteBatch::new();
    raft.delete(Cf::Raft, keys::raft_log_key(REGION, 6));
    put_state(&mut raft, (6, 11, 8), 8);
    scene.write(3, Db::Raft, raft);
    scene.broken("S16", 3);
}

#[test]
fn a_crash_in_the_middle_resumes() {
    let mut scene = behind();
    begin(&mut scene);
    data(&mut scene, "k", Some("c"));
    scene.restart(3);
    data(&mut scene, "l", Some("b"));
    finish(&mut scene);
    scene.fine();
}

#[test]
fn a_snapshot_that_is_sent_is_of_the_senders_past() {
    let snapshot = |index, term| {
        let metadata = Some(SnapshotMetadata { index, term, ..SnapshotMetadata::default() });
        let snapshot = Some(Snapshot { metadata, ..Snapshot::default() });
        Message { snapshot, ..message(3, 6, MessageType::MsgSnapshot) }
    };
    let mut scene = behind();
    scene.send(1, snapshot(8, 6));
    scene.send(1, snapshot(INIT, INIT));
    scene.fine();
    scene.send(1, snapshot(9, 6));
    scene.broken("S10", 1);
    let mut scene = behind();
    scene.send(1, snapshot(7, 5));
    scene.broken("S10", 1);
}

#[test]
fn a_received_file_stays_until_the_installation_is_safe() {
    let file = SnapshotFile { region_id: REGION, term: 6, index: 8, received: true };
    let mut scene = behind();
    begin(&mut scene);
    scene.checker.on_snapshot_file(3, SnapshotFile { index: 7, ..file }, FileEvent::Deleted);
    data(&mut scene, "k", Some("c"));
    data(&mut scene, "l", Some("b"));
    finish(&mut scene);
    scene.fine();
    scene.checker.on_snapshot_file(3, file, FileEvent::Deleted);
    scene.broken("S11", 3);

    let mut scene = behind();
    begin(&mut scene);
    data(&mut scene, "k", Some("c"));
    data(&mut scene, "l", Some("b"));
    finish(&mut scene);
    scene.sync(3);
    scene.checker.on_snapshot_file(3, file, FileEvent::Deleted);
    scene.fine();
}

#[test]
fn a_file_is_not_deleted_while_it_is_read() {
    let file = SnapshotFile { region_id: REGION, term: 6, index: 8, received: false };
    let mut scene = behind();
    for event in
        [FileEvent::Opened, FileEvent::Opened, FileEvent::Closed, FileEvent::Closed, FileEvent::Deleted]
    {
        scene.checker.on_snapshot_file(1, file, event);
    }
    scene.fine();
    scene.checker.on_snapshot_file(1, file, FileEvent::Opened);
    scene.checker.on_snapshot_file(1, file, FileEvent::Deleted);
    scene.broken("S11", 1);
}

#[test]
fn a_command_that_a_snapshot_covers_may_end_unknown() {
    let mut scene = behind();
    scene.command(3, &put(9, "k", "z"));
    begin(&mut scene);
    scene.drop_callback(3, 9);
    scene.fine();
    scene.checker.on_time(1);
    scene.command(3, &put(10, "k", "z"));
    scene.drop_callback(3, 10);
    scene.broken("S12", 3);
}
