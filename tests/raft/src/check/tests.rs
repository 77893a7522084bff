//! The checks, checked: an illegal step that nobody's core takes is forged, and the rule must trip.
//!
//! A real core is driven; what is forged is what the checks are told of it: another message than the core has seen, another
//! `Ready` than it handed out, or a disk that lost what it had.

use bytes::Bytes;
use proto::eraftpb::{Entry, HardState, Message, MessageType};
use raft::{Config, NONE, Ready};
use verdict::Layers;

use super::{Checker, Setup, Violation, rules};
use crate::core::{Core, Face, Input};
use crate::disk::Disk;

/// One peer and the checks, of the group {1, 2, 3}.
struct Scene {
    core: Core,
    checker: Checker,
}

const ME: u64 = 1;

impl Scene {
    fn new() -> Scene {
        Scene::on(Disk::new(&[1, 2, 3]))
    }

    fn on(disk: Disk) -> Scene {
        let setup = Setup { voters: vec![1, 2, 3], election_ticks: 10, face: Face::Raw };
        let mut checker = Checker::new(setup, Layers::ALL);
        let config = Config::new(ME);
        checker.before_boot(ME, &disk, &config);
        let core = Core::start(Face::Raw, &config, disk).expect("a good disk");
        checker.after_boot(ME, &core).expect("a good start");
        Scene { core, checker }
    }

    /// The core sees `seen`, the checks are told `told`.
    fn step(&mut self, seen: &Message, told: &Message) -> Result<(), Violation> {
        let result = self.core.step(seen.clone());
        self.checker.after_call(ME, Input::Step(told), &result, &self.core)
    }

    fn honest(&mut self, message: &Message) {
        self.step(message, message).expect("a legal step");
    }

    fn campaign(&mut self) {
        let result = self.core.campaign();
        self.checker.after_call(ME, Input::Campaign, &result, &self.core).expect("a legal campaign");
    }

    fn propose(&mut self) {
        let data = Bytes::from_static(b"x");
        let result = self.core.propose(data.clone());
        self.checker.after_call(ME, Input::Propose(&data), &result, &self.core).expect("a legal proposal");
    }

    /// Takes a `Ready`, lets `forge` spoil it, and judges it.
    fn ready(&mut self, forge: impl FnOnce(&mut Ready)) -> Result<Ready, Violation> {
        let mut ready = self.core.ready();
        forge(&mut ready);
        self.checker.on_ready(ME, &ready, &self.core)?;
        Ok(ready)
    }

    /// Handles a `Ready` as it should be.
    fn settle(&mut self) -> Vec<Message> {
        let mut ready = self.ready(|_| ()).expect("a legal Ready");
        let disk = self.core.storage_mut();
        disk.append(&ready.entries);
        ready.hard_state.into_iter().for_each(|hard_state| disk.set_hard_state(hard_state));
        disk.sync();
        let durable = disk.durable().clone();
        self.checker.on_durable(ME, &durable, 0);
        let messages = std::mem::take(&mut ready.messages);
        self.core.advance(ready);
        self.checker.after_call(ME, Input::Advance, &Ok(()), &self.core).expect("a legal advance");
        messages
    }

    /// Peer 1 leads term 1, and its first Ready is handled.
    fn leader() -> Scene {
        let mut scene = Scene::new();
        scene.campaign();
        scene.honest(&message(2, 1, MessageType::MsgRequestVoteResponse));
        scene.settle();
        scene
    }

    /// Peer 1 follows peer 2 in term 1, and holds `count` of its entries.
    fn follower(count: u64) -> Scene {
        let mut scene = Scene::new();
        // The checks must know that there is such a leader.
        scene.checker.ghost.note_leader(1, 2);
        scene.honest(&append(1, (0, 0), 1, count, 0));
        scene.settle();
        scene
    }
}

fn message(from: u64, term: u64, kind: MessageType) -> Message {
    Message { from, to: ME, term, msg_type: kind as i32, ..Message::default() }
}

/// An append of peer 2: `count` entries of `entry_term` behind `prev`, which is (index, term).
fn append(term: u64, prev: (u64, u64), entry_term: u64, count: u64, commit: u64) -> Message {
    let entries =
        (prev.0 + 1..=prev.0 + count).map(|index| Entry { index, term: entry_term, ..Entry::default() });
    Message {
        index: prev.0,
        log_term: prev.1,
        commit,
        entries: entries.collect(),
        ..message(2, term, MessageType::MsgAppend)
    }
}

fn vote_request(from: u64, term: u64) -> Message {
    message(from, term, MessageType::MsgRequestVote)
}

#[track_caller]
fn trips<T: std::fmt::Debug>(result: Result<T, Violation>, rule: &harness::rule::Rule) {
    let violation = result.expect_err("a rule must trip");
    assert_eq!(violation.rule.id, rule.id, "{}", violation.seen);
}

#[test]
fn a_leader_without_votes() {
    let mut scene = Scene::new();
    scene.campaign();
    let granted = message(2, 1, MessageType::MsgRequestVoteResponse);
    let refused = Message { reject: true, ..granted.clone() };
    trips(scene.step(&granted, &refused), &rules::MAJORITY);
}

#[test]
fn a_vote_that_nobody_asked_for() {
    let mut scene = Scene::new();
    trips(scene.step(&vote_request(2, 1), &vote_request(3, 1)), &rules::VOTE_ASKED);
}

#[test]
fn a_vote_for_a_log_that_is_behind() {
    let mut scene = Scene::follower(2);
    let asked = Message { index: 2, log_term: 1, ..vote_request(3, 2) };
    trips(scene.step(&asked, &vote_request(3, 2)), &rules::UP_TO_DATE_VOTE);
}

#[test]
fn a_stale_message_that_counts() {
    let mut scene = Scene::follower(1);
    scene.honest(&vote_request(3, 5));
    scene.settle();
    trips(scene.step(&vote_request(3, 6), &vote_request(3, 4)), &rules::TERM_STEP);
    let mut scene = Scene::follower(1);
    scene.honest(&vote_request(3, 5));
    scene.checker.ghost.note_leader(5, 2);
    trips(scene.step(&append(5, (1, 1), 1, 1, 0), &append(4, (1, 1), 1, 1, 0)), &rules::STALE_IGNORED);
}

#[test]
fn entries_behind_one_that_is_not_held() {
    let mut scene = Scene::follower(2);
    trips(scene.step(&append(1, (2, 1), 1, 1, 0), &append(1, (3, 1), 1, 1, 0)), &rules::LOG_OWNED);
}

#[test]
fn a_truncation_without_a_conflict() {
    let mut scene = Scene::follower(3);
    scene.honest(&vote_request(3, 2));
    scene.checker.ghost.note_leader(2, 2);
    // The core replaces entry 2; the checks are told of an append that it held already.
    trips(scene.step(&append(2, (1, 1), 2, 1, 0), &append(2, (1, 1), 1, 1, 0)), &rules::CONFLICT_ONLY);
}

#[test]
fn a_commit_beyond_what_is_proved() {
    let mut scene = Scene::follower(3);
    trips(scene.step(&append(1, (3, 1), 1, 0, 3), &append(1, (1, 1), 1, 0, 3)), &rules::FOLLOWER_COMMIT);
}

#[test]
fn a_commit_without_a_quorum() {
    let mut scene = Scene::leader();
    let ack = Message { index: 1, ..message(2, 1, MessageType::MsgAppendResponse) };
    let refusal = Message { reject: true, ..ack.clone() };
    let result = scene.step(&ack, &refusal);
    let id = result.expect_err("a rule must trip").rule.id;
    assert!([rules::COMMIT_QUORUM.id, rules::PROGRESS.id].contains(&id), "{id}");
}

#[test]
fn an_acknowledgement_of_a_leftover() {
    let mut scene = Scene::follower(1);
    scene.honest(&append(1, (1, 1), 1, 0, 0));
    let forged = scene.ready(|ready| ready.messages[0].index = 2);
    trips(forged, &rules::ACK_PROVED);
}

#[test]
fn a_message_of_term_0() {
    let mut scene = Scene::follower(1);
    scene.honest(&append(1, (1, 1), 1, 0, 0));
    trips(scene.ready(|ready| ready.messages[0].term = 0), &rules::MESSAGE_FORM);
}

#[test]
fn an_append_from_a_follower() {
    let mut scene = Scene::follower(1);
    scene.honest(&append(1, (1, 1), 1, 0, 0));
    trips(scene.ready(|ready| ready.messages[0].set_msg_type(MessageType::MsgAppend)), &rules::LEADER_ONLY);
}

#[test]
fn entries_that_the_leader_does_not_have() {
    let mut scene = Scene::leader();
    scene.propose();
    let first = scene.step(
        &Message { index: 1, ..message(2, 1, MessageType::MsgAppendResponse) },
        &Message { index: 1, ..message(2, 1, MessageType::MsgAppendResponse) },
    );
    first.expect("a legal step");
    let forged = scene.ready(|ready| {
        let append =
            ready.messages.iter_mut().find(|message| !message.entries.is_empty()).expect("an append");
        append.entries[0].data = Bytes::from_static(b"other");
    });
    trips(forged, &rules::APPEND_HONEST);
}

#[test]
fn a_candidate_that_boasts() {
    let mut scene = Scene::new();
    scene.campaign();
    trips(scene.ready(|ready| ready.messages[0].index = 7), &rules::REQUEST_HONEST);
}

#[test]
fn a_ready_that_leaves_something_out() {
    let spoils: [fn(&mut Ready); 4] = [
        |ready| ready.hard_state = None,
        |ready| ready.soft_state = None,
        |ready| ready.entries.clear(),
        |ready| ready.hard_state.iter_mut().for_each(|hard_state| hard_state.vote = NONE),
    ];
    for spoil in spoils {
        let mut scene = Scene::new();
        scene.campaign();
        scene.honest(&message(2, 1, MessageType::MsgRequestVoteResponse));
        trips(scene.ready(spoil), &rules::READY);
    }
}

#[test]
fn a_ready_without_a_sync() {
    let mut scene = Scene::new();
    scene.campaign();
    trips(scene.ready(|ready| ready.must_sync = false), &rules::MUST_SYNC);
}

#[test]
fn entries_handed_out_twice() {
    let mut scene = Scene::follower(2);
    scene.honest(&append(1, (2, 1), 1, 1, 0));
    let again = Entry { index: 2, term: 1, ..Entry::default() };
    trips(scene.ready(|ready| ready.entries.insert(0, again)), &rules::READY);
}

#[test]
fn committed_entries_with_a_gap() {
    let mut scene = Scene::follower(2);
    scene.honest(&append(1, (2, 1), 1, 0, 2));
    trips(scene.ready(|ready| drop(ready.committed_entries.remove(0))), &rules::READY);
}

#[test]
fn two_leaders_of_one_term() {
    let mut scene = Scene::new();
    scene.checker.ghost.note_leader(1, 3);
    scene.campaign();
    let granted = message(2, 1, MessageType::MsgRequestVoteResponse);
    trips(scene.step(&granted, &granted), &rules::ONE_LEADER);
}

#[test]
fn a_message_before_its_promise_is_durable() {
    let mut scene = Scene::new();
    scene.honest(&vote_request(2, 1));
    let ready = scene.ready(|_| ()).expect("a legal Ready");
    let disk = scene.core.storage().durable().clone();
    scene.checker.on_durable(ME, &disk, 0);
    trips(scene.checker.on_send(ME, &ready.messages[0]), &rules::TERM_DURABLE);
    let mut disk = disk;
    disk.hard_state = HardState { term: 1, vote: NONE, commit: 0 };
    scene.checker.on_durable(ME, &disk, 0);
    trips(scene.checker.on_send(ME, &ready.messages[0]), &rules::VOTE_DURABLE);
    disk.hard_state.vote = 2;
    scene.checker.on_durable(ME, &disk, 0);
    scene.checker.on_send(ME, &ready.messages[0]).expect("it is durable now");
}

#[test]
fn an_acknowledgement_before_the_entries_are_durable() {
    let mut scene = Scene::new();
    scene.checker.ghost.note_leader(1, 2);
    scene.honest(&append(1, (0, 0), 1, 2, 0));
    let ready = scene.ready(|_| ()).expect("a legal Ready");
    let mut disk = scene.core.storage().durable().clone();
    disk.hard_state = HardState { term: 1, vote: NONE, commit: 0 };
    scene.checker.on_durable(ME, &disk, 0);
    trips(scene.checker.on_send(ME, &ready.messages[0]), &rules::ENTRIES_DURABLE);
}

#[test]
fn a_restart_that_forgets() {
    let mut disk = Disk::new(&[1, 2, 3]);
    disk.set_hard_state(HardState { term: 3, vote: 2, commit: 0 });
    disk.sync();
    let setup = Setup { voters: vec![1, 2, 3], election_ticks: 10, face: Face::Raw };
    let mut checker = Checker::new(setup, Layers::ALL);
    let config = Config::new(ME);
    checker.before_boot(ME, &disk, &config);
    let core = Core::start(Face::Raw, &config, Disk::new(&[1, 2, 3])).expect("a good disk");
    trips(checker.after_boot(ME, &core), &rules::RESTART);
}

#[test]
fn a_switched_off_layer_is_silent() {
    let mut scene = Scene::new();
    scene.checker.judge.layers.relation = false;
    scene.campaign();
    let granted = message(2, 1, MessageType::MsgRequestVoteResponse);
    let refused = Message { reject: true, ..granted.clone() };
    scene.step(&granted, &refused).expect("nobody judges");
}

#[test]
fn rules_have_names_of_their_own() {
    let mut ids: Vec<&str> = rules::RULES.iter().map(|rule| rule.id).collect();
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len(), rules::RULES.len());
    assert!(rules::RULES.iter().all(|rule| !rule.promised.is_empty() && !rule.why.is_empty()));
}
