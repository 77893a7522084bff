//! `MemStorage`: its answers at the edges, and what it refuses.

use proto::eraftpb::{ConfState, Entry, MessageType, Snapshot, SnapshotMetadata};
use raft::{Config, Error, MemStorage, ProgressState, RaftState, Result, Storage, StorageError, limit_bytes};

use crate::{Writable, answer, leader_on, work};

const COMPACTED: Error = Error::Storage(StorageError::Compacted);
const UNAVAILABLE: Error = Error::Storage(StorageError::Unavailable);

fn entry(index: u64, term: u64, data: &'static str) -> Entry {
    Entry { index, term, data: data.into(), ..Entry::default() }
}

/// Entries 3 to 6, behind a snapshot at 2.
fn disk() -> MemStorage {
    let mut disk = MemStorage::new(&[1, 2]);
    disk.append(&[entry(1, 1, "a"), entry(2, 1, "b"), entry(3, 2, "cc"), entry(4, 2, "dd")]);
    disk.append(&[entry(5, 3, "ee"), entry(6, 3, "ff")]);
    disk.compact(2, "state".into()).expect("2 is in the log");
    disk
}

#[test]
fn empty() {
    let disk = MemStorage::new(&[1, 2]);
    assert_eq!((disk.first_index(), disk.last_index()), (Ok(1), Ok(0)));
    assert_eq!((disk.term(0), disk.term(1)), (Ok(0), Err(UNAVAILABLE)));
    assert_eq!(disk.entries(1, 1, 9), Ok(Vec::new()));
    assert_eq!(disk.entries(1, 2, 9), Err(UNAVAILABLE));
    assert_eq!(disk.initial_state().expect("memory").conf_state.voters, [1, 2]);
}

#[test]
fn bounds() {
    let disk = disk();
    assert_eq!((disk.first_index(), disk.last_index()), (Ok(3), Ok(6)));
    let terms: Vec<Result<u64>> = (1..=7).map(|index| disk.term(index)).collect();
    assert_eq!(terms, [Err(COMPACTED), Ok(1), Ok(2), Ok(2), Ok(3), Ok(3), Err(UNAVAILABLE)]);
    assert_eq!(disk.entries(2, 4, u64::MAX), Err(COMPACTED));
    assert_eq!(disk.entries(3, 8, u64::MAX), Err(UNAVAILABLE));
    assert_eq!(disk.entries(3, 7, u64::MAX).expect("all").len(), 4);
    assert_eq!(disk.entries(7, 7, u64::MAX), Ok(Vec::new()));
}

#[test]
fn byte_limits() {
    let disk = disk();
    for (bytes, count) in [(0, 1), (1, 1), (2, 1), (3, 1), (4, 2), (5, 2), (6, 3), (8, 4), (u64::MAX, 4)] {
        assert_eq!(disk.entries(3, 7, bytes).expect("inside").len(), count, "{bytes} bytes");
    }
    assert_eq!(limit_bytes(&[], 5), 0);
    assert_eq!(limit_bytes(&[entry(1, 1, ""), entry(2, 1, "")], 0), 1, "what is empty counts as one byte");
}

#[test]
fn append_replaces_what_follows() {
    let mut disk = disk();
    disk.append(&[entry(4, 9, "new")]);
    assert_eq!(disk.entries(3, 5, u64::MAX), Ok(vec![entry(3, 2, "cc"), entry(4, 9, "new")]));
    assert_eq!(disk.last_index(), Ok(4));
    disk.append(&[]);
    assert_eq!(disk.last_index(), Ok(4));
}

#[test]
#[should_panic(expected = "gap")]
fn append_refuses_a_gap() {
    disk().append(&[entry(8, 3, "")]);
}

#[test]
#[should_panic(expected = "in the snapshot")]
fn append_refuses_to_overwrite_the_snapshot() {
    disk().append(&[entry(2, 3, "")]);
}

#[test]
fn compact() {
    let mut disk = disk();
    assert_eq!(disk.compact(1, "".into()), Err(COMPACTED));
    assert_eq!(disk.compact(7, "".into()), Err(UNAVAILABLE));
    disk.compact(6, "all".into()).expect("6 is in the log");
    assert_eq!((disk.first_index(), disk.last_index(), disk.term(6)), (Ok(7), Ok(6), Ok(3)));
    let snapshot = disk.snapshot().expect("memory");
    let meta = snapshot.metadata.expect("made with it");
    assert_eq!((meta.index, meta.term, snapshot.data.as_ref()), (6, 3, &b"all"[..]));
    assert_eq!(meta.conf_state.expect("made with it").voters, [1, 2]);
}

#[test]
fn snapshots_replace_everything() {
    let mut disk = disk();
    let conf_state = ConfState { voters: vec![4, 5], learners: vec![6] };
    let metadata = SnapshotMetadata { conf_state: Some(conf_state.clone()), index: 9, term: 7 };
    disk.apply_snapshot(Snapshot { data: "s".into(), metadata: Some(metadata) });
    assert_eq!((disk.first_index(), disk.last_index(), disk.term(9)), (Ok(10), Ok(9), Ok(7)));
    let RaftState { hard_state, conf_state: restored } = disk.initial_state().expect("memory");
    assert_eq!((hard_state.term, hard_state.commit, restored), (7, 9, conf_state));
}

/// A disk whose snapshots take their time.
struct Busy {
    memory: MemStorage,
    busy: bool,
}

impl Writable for Busy {
    fn memory(&mut self) -> &mut MemStorage {
        &mut self.memory
    }
}

impl Storage for Busy {
    fn initial_state(&self) -> Result<RaftState> {
        self.memory.initial_state()
    }
    fn entries(&self, low: u64, high: u64, max_bytes: u64) -> Result<Vec<Entry>> {
        self.memory.entries(low, high, max_bytes)
    }
    fn term(&self, index: u64) -> Result<u64> {
        self.memory.term(index)
    }
    fn first_index(&self) -> Result<u64> {
        self.memory.first_index()
    }
    fn last_index(&self) -> Result<u64> {
        self.memory.last_index()
    }
    fn snapshot(&self) -> Result<Snapshot> {
        if self.busy {
            Err(StorageError::SnapshotTemporarilyUnavailable.into())
        } else {
            self.memory.snapshot()
        }
    }
}

/// A snapshot that is not ready yet is asked for again at the peer's next sign of life.
#[test]
fn a_snapshot_may_take_its_time() {
    let config = Config::new(1);
    let mut node = leader_on(&config, Busy { memory: MemStorage::new(&[1, 2]), busy: true }, &[1, 2]);
    node.propose("x").expect("it leads");
    work(&mut node);
    node.step(proto::eraftpb::Message { index: 2, ..answer(MessageType::MsgAppendResponse, 2) })
        .expect("no failure");
    work(&mut node);
    node.storage_mut().memory.compact(2, "state".into()).expect("applied");
    let lost = proto::eraftpb::ConfChange {
        change_type: proto::eraftpb::ConfChangeType::AddNode as i32,
        node_id: 3,
        ..Default::default()
    };
    node.apply_conf_change(&lost);
    let heartbeat = answer(MessageType::MsgHeartbeatResponse, 3);
    let rejection =
        proto::eraftpb::Message { reject: true, index: 2, ..answer(MessageType::MsgAppendResponse, 3) };

    node.step(heartbeat.clone()).expect("no failure");
    node.step(rejection).expect("no failure");
    let sent = work(&mut node).messages;
    assert!(sent.iter().all(|message| message.msg_type() != MessageType::MsgSnapshot));
    assert_eq!(node.progress(3).expect("a member").state, ProgressState::Probe);

    node.storage_mut().busy = false;
    node.step(heartbeat).expect("no failure");
    let sent = work(&mut node).messages;
    assert!(sent.iter().any(|message| message.msg_type() == MessageType::MsgSnapshot && message.to == 3));
    assert_eq!(node.progress(3).expect("a member").state, ProgressState::Snapshot);
}
