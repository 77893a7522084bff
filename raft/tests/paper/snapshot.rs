//! §7: log compaction.

use proto::eraftpb::{ConfState, HardState, Message, MessageType, Snapshot, SnapshotMetadata};
use raft::{LogId, Storage};

use crate::bench::{Cluster, Peer, append, disk, entries, message, of_kind};

const THREE: &[u64] = &[1, 2, 3];

fn snapshot(index: u64, term: u64) -> Snapshot {
    let conf_state = Some(ConfState { voters: THREE.to_vec(), learners: Vec::new() });
    Snapshot { data: "state".into(), metadata: Some(SnapshotMetadata { conf_state, index, term }) }
}

fn install(from: u64, term: u64, snapshot: Snapshot) -> Message {
    Message { snapshot: Some(snapshot), ..message(MessageType::MsgSnapshot, from, term) }
}

/// "The leader must occasionally send snapshots to followers that lag behind. This happens when the leader has already
/// discarded the next log entry that it needs to send to a follower." (§7)
#[test]
fn a_peer_behind_the_log_gets_a_snapshot() {
    let mut cluster = Cluster::new(3);
    cluster.campaign(1);
    cluster.cut_off = vec![3];
    cluster.propose(1, "x");
    cluster.peer(1).raw.storage_mut().compact(2, "state".into()).expect("applied");
    cluster.cut_off.clear();
    cluster.peer(1).raw.tick();
    cluster.peer(1).raw.tick();
    cluster.settle();
    let third = cluster.peer(3);
    assert_eq!(third.raw.storage().first_index(), Ok(3));
    assert_eq!(third.raw.status().commit, 2);
    assert!(third.applied.iter().all(|entry| entry.data != "x"), "it came in the snapshot");
}

/// "the follower discards its entire log; it is all superseded by the snapshot and may possibly have uncommitted entries that
/// conflict with the snapshot" (§7)
#[test]
fn a_snapshot_supersedes_a_conflicting_log() {
    let mut follower =
        Peer::on(2, disk(THREE, &[1, 2, 2, 2, 2], HardState { term: 2, ..HardState::default() }));
    let sent = follower.give(install(1, 3, snapshot(3, 3)));
    assert_eq!((sent[0].index, sent[0].reject), (3, false));
    assert_eq!(follower.log(), []);
    assert_eq!(follower.raw.status().last, LogId { term: 3, index: 3 });
}

/// "If instead the follower receives a snapshot that describes a prefix of its log (due to retransmission or by mistake),
/// then log entries covered by the snapshot are deleted but entries following the snapshot are still valid and must be
/// retained." Here the covered ones stay as well: they do no harm, and the caller compacts when it likes. (§7)
#[test]
fn entries_behind_a_snapshot_are_retained() {
    let mut follower = Peer::on(2, disk(THREE, &[1, 1, 1, 1], HardState { term: 1, ..HardState::default() }));
    follower.give(install(1, 1, snapshot(2, 1)));
    assert_eq!(follower.raw.status().last, LogId { term: 1, index: 4 });
    assert_eq!(follower.raw.status().commit, 2);
}

/// "the snapshot: the last included index is the index of the last entry in the log that the snapshot replaces ..., and the
/// last included term is the term of this entry. These are preserved to support the AppendEntries consistency check for the
/// first log entry following the snapshot." (§7)
#[test]
fn appends_fit_behind_a_snapshot() {
    let mut follower = Peer::new(2, THREE);
    follower.give(install(1, 3, snapshot(7, 2)));
    let wrong = follower.give(append(1, 3, (7, 3), entries(8, &[3]), 7));
    assert!(wrong[0].reject);
    let right = follower.give(append(1, 3, (7, 2), entries(8, &[3]), 7));
    assert_eq!((right[0].reject, right[0].index), (false, 8));
}

/// "the snapshot also includes the latest configuration in the log as of last included index" (§7)
#[test]
fn a_snapshot_carries_the_members() {
    let mut snapshot = snapshot(5, 1);
    let conf_state = ConfState { voters: vec![1, 2, 4], learners: vec![5] };
    snapshot.metadata.as_mut().expect("made with it").conf_state = Some(conf_state.clone());
    let mut follower = Peer::new(2, THREE);
    follower.give(install(1, 1, snapshot));
    assert_eq!(follower.raw.conf_state(), conf_state);
}

/// "Reply immediately if term < currentTerm" (Figure 13)
#[test]
fn a_stale_snapshot_is_refused() {
    let mut follower = Peer::on(2, disk(THREE, &[1], HardState { term: 4, ..HardState::default() }));
    let sent = follower.give(install(1, 3, snapshot(9, 3)));
    assert_eq!((sent[0].term, sent[0].reject), (4, true));
    assert_eq!(follower.raw.status().last, LogId { term: 1, index: 1 });
}

/// A leader that has compacted its log still answers for the last compacted entry, so that appends may follow it. (§7)
#[test]
fn a_compacted_leader_still_appends() {
    let mut cluster = Cluster::new(3);
    cluster.campaign(1);
    cluster.propose(1, "x");
    cluster.peer(1).raw.storage_mut().compact(2, "state".into()).expect("applied");
    cluster.peer(1).raw.propose("y").expect("it leads");
    let sent = cluster.peer(1).work();
    assert!(of_kind(&sent, MessageType::MsgSnapshot).is_empty());
    assert_eq!(of_kind(&sent, MessageType::MsgAppend).len(), 2);
}
