//! Messages: R1, R4, R9, R10, R11, R14, S22.

use ::kv::engine::WriteBatch;
use proto::eraftpb::{Message, MessageType::*};

use super::super::observe::Db;
use super::scene::{INIT, Scene, entries, message, put, put_entries, put_state};

/// Store 2 acknowledges up to `index` in term 6.
fn ack(index: u64) -> Message {
    Message { index, ..message(1, 6, MsgAppendResponse) }
}

fn state(scene: &mut Scene, store: u64, term: u64, vote: u64) {
    let mut batch = WriteBatch::new();
    put_state(&mut batch, (term, vote, INIT), INIT);
    scene.write(store, Db::Raft, batch);
}

#[test]
fn a_term_is_safe_before_a_message_of_that_term() {
    let mut scene = Scene::new();
    state(&mut scene, 2, 6, 0);
    scene.sync(2);
    scene.send(2, message(1, 6, MsgRequestVote));
    state(&mut scene, 2, 7, 0);
    // Of the old term it may still speak; of the next one it may ask whether it could win.
    scene.send(2, message(1, 6, MsgHeartbeatResponse));
    scene.send(2, message(1, 7, MsgRequestPreVote));
    scene.fine();
    scene.send(2, message(1, 7, MsgRequestVote));
    scene.broken("R9", 2);
}

#[test]
fn a_vote_is_safe_before_it_is_given() {
    let mut scene = Scene::new();
    state(&mut scene, 2, 6, 11);
    scene.sync(2);
    scene.send(2, message(1, 6, MsgRequestVoteResponse));
    scene.send(2, Message { reject: true, ..message(3, 6, MsgRequestVoteResponse) });
    scene.fine();
    scene.send(2, message(3, 6, MsgRequestVoteResponse));
    scene.broken("R10", 2);
}

#[test]
fn a_leader_has_its_own_vote_on_disk() {
    let mut scene = Scene::new();
    state(&mut scene, 2, 6, 0);
    scene.sync(2);
    scene.send(2, message(1, 6, MsgHeartbeat));
    scene.broken("R10", 2);
}

#[test]
fn entries_are_safe_before_they_are_acknowledged() {
    let log = entries(6, INIT + 1, vec![put(1, "k", "a"), put(2, "k", "b")]);
    let mut scene = Scene::new();
    scene.append(2, &log[..1], (6, 11));
    scene.sync(2);
    scene.send(2, ack(6));
    scene.send(2, ack(5));
    scene.send(2, Message { reject: true, ..ack(9) });
    scene.append(2, &log[1..], (6, 11));
    scene.fine();
    scene.send(2, ack(7));
    scene.broken("R11", 2);
}

#[test]
fn an_acknowledgement_of_an_older_term_may_still_go_out() {
    let old = entries(6, INIT + 1, vec![put(1, "k", "a"), put(2, "k", "b")]);
    let mut scene = Scene::new();
    scene.append(2, &old, (6, 11));
    scene.sync(2);
    // In the same round another leader has taken over, and its log is shorter.
    let mut batch = WriteBatch::new();
    put_entries(&mut batch, &entries(7, INIT + 1, vec![put(3, "k", "c")]));
    batch.delete(::kv::engine::Cf::Raft, ::kv::raftstore::meta::keys::raft_log_key(1, 7));
    put_state(&mut batch, (7, 13, INIT), 6);
    scene.write(2, Db::Raft, batch);
    scene.sync(2);
    scene.send(2, ack(7));
    scene.fine();
}

#[test]
fn a_peer_votes_once_in_a_term() {
    let mut scene = Scene::new();
    state(&mut scene, 2, 6, 11);
    scene.sync(2);
    scene.send(2, message(1, 6, MsgRequestVoteResponse));
    scene.send(2, message(1, 6, MsgRequestVoteResponse));
    state(&mut scene, 2, 7, 13);
    scene.sync(2);
    scene.send(2, message(3, 7, MsgRequestVoteResponse));
    scene.fine();
    // A disk that has lost the vote, though it was safe.
    let mut batch = WriteBatch::new();
    put_state(&mut batch, (7, 11, INIT), INIT);
    scene.engines[&2].raft.write(batch).unwrap();
    scene.restart(2);
    scene.send(2, message(1, 7, MsgRequestVoteResponse));
    scene.broken("R14", 2);
}

#[test]
fn a_vote_on_disk_is_not_replaced() {
    let mut scene = Scene::new();
    state(&mut scene, 2, 6, 0);
    state(&mut scene, 2, 6, 11);
    state(&mut scene, 2, 6, 11);
    scene.fine();
    state(&mut scene, 2, 6, 13);
    scene.broken("R14", 2);
}

#[test]
fn a_term_has_one_leader() {
    let mut scene = Scene::new();
    for (store, term) in [(1, 6), (2, 6), (3, 7)] {
        state(&mut scene, store, term, 10 + store);
        scene.sync(store);
    }
    scene.send(1, message(2, 6, MsgHeartbeat));
    scene.send(1, message(3, 6, MsgAppend));
    scene.send(3, message(1, 7, MsgAppend));
    scene.fine();
    scene.send(2, message(1, 6, MsgHeartbeat));
    scene.broken("R1", 2);
}

/// Stores 1 and 2 hold entry 6, and store 1 has applied it.
fn committed() -> Scene {
    let log = entries(6, INIT + 1, vec![put(1, "k", "a")]);
    let mut scene = Scene::new();
    for store in [1, 2] {
        scene.append(store, &log, (6, 11));
        scene.sync(store);
    }
    scene.apply(1, 6, 6);
    scene.fine();
    scene
}

#[test]
fn a_new_leader_has_all_that_was_committed_in_earlier_terms() {
    let mut scene = committed();
    scene.append(2, &entries(7, INIT + 2, vec![put(2, "k", "b")]), (7, 12));
    scene.sync(2);
    scene.send(2, message(1, 7, MsgAppend));
    scene.fine();

    let mut scene = committed();
    state(&mut scene, 3, 7, 13);
    scene.sync(3);
    scene.send(3, message(1, 7, MsgAppend));
    scene.broken("R4", 3);
}

#[test]
fn a_leader_of_an_old_term_may_lack_what_a_later_one_committed() {
    let mut scene = committed();
    state(&mut scene, 3, 6, 13);
    scene.sync(3);
    // It is also a second leader of term 6, if somebody has led it visibly; here nobody has.
    scene.send(3, message(1, 6, MsgHeartbeat));
    scene.fine();
}

#[test]
fn after_a_failed_sync_nothing_goes_out() {
    let mut scene = Scene::with_entries(vec![put(1, "k", "a")]);
    scene.send(2, ack(6));
    scene.checker.on_engine_failure(2, Db::Raft);
    scene.send(1, message(2, 6, MsgAppend));
    scene.fine();
    scene.send(2, ack(6));
    scene.broken("S22", 2);
}

#[test]
fn after_a_failed_write_nothing_is_answered_or_written() {
    let mut scene = Scene::with_entries(vec![put(1, "k", "a")]);
    scene.command(1, &put(1, "k", "a"));
    scene.apply(1, 6, 6);
    scene.checker.on_engine_failure(1, Db::Kv);
    scene.fine();
    scene.answer(1, 1);
    scene.broken("S22", 1);

    let mut scene = Scene::with_entries(vec![put(1, "k", "a")]);
    scene.checker.on_engine_failure(1, Db::Kv);
    scene.apply(1, 6, 6);
    scene.broken("S22", 1);
}
