//! Thesis §4: membership changes, one peer at a time.

use proto::eraftpb::{ConfChange, ConfChangeType, EntryType, Message, MessageType};
use raft::{Config, Error, MemStorage, Role};

use crate::bench::{Peer, message, of_kind, vote_request};

const THREE: &[u64] = &[1, 2, 3];

fn change(kind: ConfChangeType, node_id: u64) -> ConfChange {
    ConfChange { change_type: kind as i32, node_id, ..ConfChange::default() }
}

fn accepted(from: u64, index: u64) -> Message {
    Message { index, ..message(MessageType::MsgAppendResponse, from, 1) }
}

/// A leader of term 1 whose first entry all hold.
fn leader() -> Peer {
    let mut leader = Peer::leader(THREE, &[], 1);
    leader.give(accepted(2, 1));
    leader.give(accepted(3, 1));
    leader
}

/// "the cluster configuration is stored and communicated using special entries in the replicated log" (thesis §4.1)
#[test]
fn changes_are_log_entries() {
    let mut leader = leader();
    leader.raw.propose_conf_change(&change(ConfChangeType::AddNode, 4)).expect("none is pending");
    let sent = leader.work();
    let entry = &of_kind(&sent, MessageType::MsgAppend)[0].entries[0];
    assert_eq!((entry.entry_type(), entry.index), (EntryType::EntryConfChange, 2));
}

/// "a leader ... must not begin a new one [configuration change] until its previous configuration change has committed"; and,
/// in this implementation, has been applied. (thesis §4.1)
#[test]
fn one_change_at_a_time() {
    let mut leader = leader();
    leader.raw.propose_conf_change(&change(ConfChangeType::AddNode, 4)).expect("none is pending");
    leader.work();
    let refused = leader.raw.propose_conf_change(&change(ConfChangeType::AddNode, 5));
    assert_eq!(refused, Err(Error::ConfChangePending(2)));

    leader.raw.step(accepted(2, 2)).expect("messages from peers do not fail");
    let ready = leader.raw.ready();
    assert_eq!(ready.committed_entries.len(), 1);
    leader.raw.advance(ready);
    let refused = leader.raw.propose_conf_change(&change(ConfChangeType::AddNode, 5));
    assert_eq!(refused, Err(Error::ConfChangePending(2)), "committed, and not yet applied");

    leader.raw.apply_conf_change(&change(ConfChangeType::AddNode, 4));
    leader.raw.advance_apply(2);
    assert_eq!(leader.raw.propose_conf_change(&change(ConfChangeType::AddNode, 5)), Ok(()));
}

/// "any majority of the old configuration overlaps with any majority of the new configuration": a change of one voter moves
/// the majority by at most one. (thesis §4.1)
#[test]
fn majorities_follow_the_group() {
    let mut leader = leader();
    leader.raw.apply_conf_change(&change(ConfChangeType::AddNode, 4));
    leader.raw.propose("x").expect("it leads");
    leader.work();
    leader.give(accepted(2, 2));
    assert_eq!(leader.raw.status().commit, 1, "two of four");
    leader.raw.apply_conf_change(&change(ConfChangeType::RemoveNode, 3));
    assert_eq!(leader.raw.status().commit, 2, "two of three, without another message");
}

/// "a leader that is removed from the configuration steps down once the Cnew entry is committed" (thesis §4.2.2)
#[test]
fn a_removed_leader_steps_down() {
    let mut leader = leader();
    leader.raw.apply_conf_change(&change(ConfChangeType::RemoveNode, 1));
    assert_eq!(leader.raw.status().role, Role::Follower);
    assert_eq!(leader.raw.propose("x"), Err(Error::ProposalDropped));
    assert_eq!(of_kind(&leader.tick(100), MessageType::MsgRequestVote), [], "and is not elected again");
}

/// "To avoid availability gaps, Raft introduces an additional phase before the configuration change, in which a new server
/// joins the cluster as a non-voting member. The leader replicates log entries to it, but it is not yet counted towards
/// majorities for voting or commitment purposes." (thesis §4.2.1)
#[test]
fn learners_receive_and_do_not_count() {
    let mut leader = leader();
    leader.raw.apply_conf_change(&change(ConfChangeType::AddLearnerNode, 4));
    leader.raw.propose("x").expect("it leads");
    leader.work();
    let sent = leader.give(message(MessageType::MsgHeartbeatResponse, 4, 1));
    assert!(of_kind(&sent, MessageType::MsgAppend).iter().any(|append| append.to == 4));
    leader.give(accepted(4, 2));
    assert_eq!(leader.raw.status().commit, 1);
    leader.give(accepted(2, 2));
    assert_eq!(leader.raw.status().commit, 2);
}

/// "Once the new server has caught up with the rest of the cluster, the reconfiguration can proceed": from then on its copies
/// count. (thesis §4.2.1)
#[test]
fn a_promoted_learner_counts() {
    let mut leader = leader();
    leader.raw.apply_conf_change(&change(ConfChangeType::AddLearnerNode, 4));
    leader.raw.propose("x").expect("it leads");
    leader.work();
    leader.give(accepted(4, 2));
    leader.raw.apply_conf_change(&change(ConfChangeType::AddNode, 4));
    let before = leader.raw.progress(4).expect("a member");
    assert_eq!(before.matched, 2, "what is known of its log stays");
    leader.give(accepted(2, 2));
    assert_eq!(leader.raw.status().commit, 2, "1, 2 and 4 of four");
}

/// "if a server receives a RequestVote request within the minimum election timeout of hearing from a current leader, it does
/// not update its term or grant its vote." With check-quorum. (thesis §4.2.3)
#[test]
fn campaigns_are_ignored_while_a_leader_is_heard() {
    let config = Config { check_quorum: true, ..Config::new(2) };
    let mut follower = Peer::with(&config, MemStorage::new(THREE));
    follower.give(message(MessageType::MsgHeartbeat, 1, 1));
    follower.tick(9);
    assert_eq!(follower.give(vote_request(3, 9, (5, 5))), []);
    assert_eq!((follower.raw.status().term, follower.raw.status().leader_id), (1, 1));
    follower.tick(1);
    let sent = follower.give(vote_request(3, 9, (5, 5)));
    assert!(
        sent.iter().any(|message| message.to == 3 && message.term == 9),
        "after the minimum timeout it listens"
    );
}

/// A server does not campaign with a committed change that it has not applied: it could win with the voters of a group that
/// is two changes old. (This implementation's counterpart of "a server always uses the latest configuration in its log",
/// thesis §4.1.)
#[test]
fn no_campaign_with_an_unapplied_change() {
    let mut follower = Peer::new(2, THREE);
    let mut entry = crate::bench::entries(1, &[1]).remove(0);
    entry.set_entry_type(EntryType::EntryConfChange);
    entry.data = prost::Message::encode_to_vec(&change(ConfChangeType::AddNode, 4)).into();
    let append = crate::bench::append(1, 1, (0, 0), vec![entry], 1);
    follower.raw.step(append).expect("messages from peers do not fail");
    let ready = follower.raw.ready();
    follower.raw.storage_mut().append(&ready.entries);
    follower.raw.storage_mut().set_hard_state(ready.hard_state.unwrap_or_default());
    follower.raw.advance(ready);
    follower.raw.campaign().expect("nothing is refused");
    assert_eq!(follower.raw.status().role, Role::Follower);
    follower.raw.apply_conf_change(&change(ConfChangeType::AddNode, 4));
    follower.raw.advance_apply(1);
    follower.raw.campaign().expect("nothing is refused");
    assert_eq!(follower.raw.status().role, Role::Candidate);
}
