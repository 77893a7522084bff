//! Committed entries become data, answers and reports: each exactly once, and in order.

use std::sync::atomic::Ordering;

use crate::common::apply::{
    Answer, ApplySide, command, delete, delete_range, get, put, put_in, registration, snap,
};
use crate::common::{first_region, take};
use kv::engine::{Cf, Read};
use kv::raftstore::context::StoreEvent;
use kv::raftstore::msg::{ApplyMsg, ApplyRes, Dropped, ExecResult};
use proto::errorpb;
use proto::metapb::RegionEpoch;
use proto::raft_cmdpb::{AdminCmdType, AdminRequest, CmdType, CompactLogRequest, RaftCmdRequest, Request};

fn ok(answer: &Answer) -> kv::raftstore::msg::CmdResult {
    let result = take(answer).unwrap();
    assert_eq!(error(&result.response), None);
    result
}

fn error(response: &proto::raft_cmdpb::RaftCmdResponse) -> Option<errorpb::Error> {
    response.header.as_ref().unwrap().error.clone()
}

fn refused(answer: &Answer) -> errorpb::Error {
    error(&take(answer).unwrap().response).expect("refused")
}

fn value_of(answer: &Answer) -> bytes::Bytes {
    ok(answer).response.responses[0].get.clone().unwrap().value
}

#[test]
fn writes_are_answered_one_response_a_request_and_are_in_the_engine() {
    let mut side = ApplySide::new();
    let answers = side.apply(&[command(vec![put("a", "1"), put_in("lock", "a", "2"), delete("x")])]);
    let response = ok(&answers[0]).response;
    let kinds: Vec<CmdType> = response.responses.iter().map(|one| one.cmd_type()).collect();
    assert_eq!(kinds, [CmdType::Put, CmdType::Put, CmdType::Delete]);
    assert_eq!(response.header.unwrap().current_term, 6);
    assert_eq!(side.value("a").unwrap(), "1");
    assert_eq!(side.engine.get(Cf::Lock, b"a").unwrap().unwrap(), "2");
    assert_eq!(side.apply_state().applied_index, 6);
}

#[test]
fn a_read_sees_what_stands_before_it_in_the_log_and_nothing_else() {
    let mut side = ApplySide::new();
    let answers = side.apply(&[
        command(vec![put("a", "1")]),
        command(vec![get("a"), get("b")]),
        command(vec![put("a", "2"), put("b", "2")]),
        command(vec![snap()]),
        command(vec![delete("a")]),
    ]);
    assert_eq!(value_of(&answers[1]), "1");
    let result = ok(&answers[3]);
    let region = result.response.responses[0].snap.clone().unwrap().region.unwrap();
    assert_eq!(region, first_region(1));
    let view = result.snapshot.unwrap();
    assert_eq!(view.snapshot.get(Cf::Default, b"a").unwrap().unwrap(), "2");
    assert_eq!((view.term, view.applied_index), (6, 8));
    assert_eq!(side.value("a"), None);
}

#[test]
fn a_round_is_one_batch_and_one_report() {
    let mut side = ApplySide::new();
    side.apply(&[command(vec![put("a", "1")]), command(vec![put("b", "1")]), command(vec![put("c", "1")])]);
    assert_eq!(side.engine.batches.load(Ordering::SeqCst), 1);
    let reports = side.reports();
    let [ApplyRes::Applied { apply_state, applied_term, results, .. }] = &reports[..] else {
        panic!("{reports:?}")
    };
    assert_eq!((apply_state.applied_index, *applied_term), (8, 6));
    assert!(results.is_empty());
}

#[test]
fn an_epoch_that_has_moved_on_refuses_the_command_and_changes_nothing() {
    let mut side = ApplySide::new();
    let mut old = command(vec![put("a", "1")]);
    old.header.as_mut().unwrap().region_epoch = Some(RegionEpoch { conf_ver: 1, version: 0 });
    let mut old_read = command(vec![get("a")]);
    old_read.header = old.header.clone();
    let answers = side.apply(&[old, old_read]);
    for answer in &answers {
        assert_eq!(refused(answer).epoch_not_match.unwrap().current_regions, [first_region(1)]);
    }
    assert_eq!(side.value("a"), None);
    assert_eq!(side.apply_state().applied_index, 7, "the entries count as applied");
}

#[test]
fn a_command_is_carried_out_as_a_whole_or_not_at_all() {
    let mut side = ApplySide::new();
    let bad = [put_in("raft", "b", "1"), put("", "1"), Request::default(), get("a")];
    for bad in bad {
        let answers = side.apply(&[command(vec![put("a", "1"), bad])]);
        assert!(!refused(&answers[0]).message.is_empty());
        assert_eq!(side.value("a"), None);
    }
}

#[test]
fn a_range_is_deleted_with_what_was_put_just_before() {
    let mut side = ApplySide::new();
    side.apply(&[command(vec![put("a", "1"), put("b", "1"), put("c", "1")])]);
    side.apply(&[
        command(vec![put("b1", "1")]),
        command(vec![put("b2", "1"), put("c", "2"), delete_range("b", "c"), put("b3", "1")]),
    ]);
    let left: Vec<&str> =
        ["a", "b", "b1", "b2", "b3", "c"].into_iter().filter(|key| side.value(key).is_some()).collect();
    assert_eq!(left, ["a", "b3", "c"]);
    side.apply(&[command(vec![delete_range("b", "")])]);
    assert_eq!(side.value("c"), None);
    assert!(side.value("a").is_some());
}

#[test]
fn an_overwritten_command_is_stale_and_answered_once() {
    let mut side = ApplySide::new();
    let (old, proposal, _) = side.proposed(&command(vec![put("a", "old")]));
    side.round(vec![ApplyMsg::Proposals(vec![proposal])]);
    // Another leader's entry has taken its place.
    side.next = 6;
    side.term = 7;
    let (new, _, entry) = side.proposed(&command(vec![put("a", "new")]));
    side.round(vec![ApplyMsg::Apply { term: 7, entries: vec![entry] }]);
    assert!(refused(&old).stale_command.is_some());
    assert!(new.lock().unwrap().take().is_none_or(|answer| answer.is_err()), "nobody proposed it here");
    assert_eq!(side.value("a").unwrap(), "new");
}

#[test]
fn a_command_whose_entry_a_snapshot_covers_has_no_known_outcome() {
    let mut side = ApplySide::new();
    let (covered, first, _) = side.proposed(&command(vec![put("a", "1")]));
    let (behind, second, _) = side.proposed(&command(vec![put("b", "1")]));
    side.round(vec![
        ApplyMsg::Proposals(vec![first, second]),
        ApplyMsg::Registration(Box::new(registration(6, first_region(1)))),
    ]);
    assert_eq!(take(&covered).err(), Some(Dropped));
    assert!(behind.lock().unwrap().is_none(), "its fate is not known yet");
    side.next = 7;
    side.term = 8;
    side.apply(&[command(vec![put("c", "1")])]);
    assert!(refused(&behind).stale_command.is_some());
}

#[test]
fn a_region_that_goes_away_answers_all_that_wait() {
    let mut side = ApplySide::new();
    let (waiting, proposal, _) = side.proposed(&command(vec![put("a", "1")]));
    side.round(vec![ApplyMsg::Proposals(vec![proposal]), ApplyMsg::Destroy]);
    assert_eq!(refused(&waiting).region_not_found.unwrap().region_id, 1);
    assert!(matches!(&side.reports()[..], [ApplyRes::Destroyed]));
}

#[test]
fn a_failed_write_answers_nobody_and_stops_the_store() {
    let mut side = ApplySide::new();
    side.engine.fails.store(true, Ordering::SeqCst);
    let answers = side.apply(&[command(vec![put("a", "1")]), command(vec![get("a")])]);
    for answer in &answers {
        assert_eq!(take(answer).err(), Some(Dropped));
    }
    assert!(side.reports().is_empty());
    let events = side.observer.events.lock().unwrap().clone();
    assert!(matches!(&events[..], [StoreEvent::Fatal { .. }]), "{events:?}");
    // Not even when the disk comes back.
    side.engine.fails.store(false, Ordering::SeqCst);
    side.apply(&[command(vec![put("b", "1")])]);
    assert_eq!(side.value("b"), None);
}

fn compact(compact_index: u64, compact_term: u64) -> RaftCmdRequest {
    let admin = AdminRequest {
        cmd_type: AdminCmdType::CompactLog as i32,
        compact_log: Some(CompactLogRequest { compact_index, compact_term }),
        ..AdminRequest::default()
    };
    RaftCmdRequest { admin_request: Some(admin), ..command(Vec::new()) }
}

#[test]
fn compacting_moves_the_truncated_state_and_never_back() {
    let mut side = ApplySide::new();
    side.apply(&[command(vec![put("a", "1")]), command(vec![put("a", "2")])]);
    side.reports();
    let answers = side.apply(&[compact(7, 6)]);
    let admin = ok(&answers[0]).response.admin_response.unwrap();
    assert_eq!(admin.cmd_type(), AdminCmdType::CompactLog);
    let truncated = side.apply_state().truncated_state.unwrap();
    assert_eq!((truncated.index, truncated.term), (7, 6));
    let expected = ExecResult::CompactLog { first_index: 6, truncated_index: 7 };
    let reports = side.reports();
    assert!(
        matches!(&reports[..], [ApplyRes::Applied { results, .. }] if *results == [expected]),
        "{reports:?}"
    );

    ok(&side.apply(&[compact(6, 6)])[0]);
    assert_eq!(side.apply_state().truncated_state.unwrap().index, 7);
    for bad in [compact(8, 0), compact(20, 6)] {
        refused(&side.apply(&[bad])[0]);
        assert_eq!(side.apply_state().truncated_state.unwrap().index, 7);
    }
}

#[test]
fn a_snapshot_shows_what_was_applied_before_it_was_asked_for() {
    let mut side = ApplySide::new();
    let (_, proposal, entry) = side.proposed(&command(vec![put("a", "1")]));
    let (notifier, _receiver) = std::sync::mpsc::sync_channel(1);
    let task = kv::raftstore::msg::GenSnapTask { region_id: 1, notifier };
    side.round(vec![
        ApplyMsg::Proposals(vec![proposal]),
        ApplyMsg::Apply { term: 6, entries: vec![entry] },
        ApplyMsg::Snapshot(task),
    ]);
    let tasks = side.region_tasks.0.lock().unwrap();
    let [kv::raftstore::task::RegionTask::Generate { apply_state, applied_term, snapshot, .. }] = &tasks[..]
    else {
        panic!("{tasks:?}")
    };
    assert_eq!((apply_state.applied_index, *applied_term), (6, 6));
    assert_eq!(snapshot.get(Cf::Default, b"a").unwrap().unwrap(), "1");
}

#[test]
fn a_region_with_much_to_apply_makes_room_for_others() {
    let mut side = ApplySide::new();
    let big = "x".repeat(3 << 20);
    let mut messages = Vec::new();
    for i in 0..4 {
        let (_, _, entry) = side.proposed(&command(vec![put(&format!("k{i}"), &big)]));
        messages.push(ApplyMsg::Apply { term: 6, entries: vec![entry] });
    }
    let left = side.round_with(messages);
    assert_eq!(left.len(), 2);
    assert_eq!(side.apply_state().applied_index, 7);
    assert!(side.round_with(left).is_empty());
    assert_eq!(side.apply_state().applied_index, 9);
    assert_eq!(side.reports().len(), 2);
}
