//! Snapshot files: format, damage, transfer, and which of them may go when.

// Everything here is test code, helpers included.
#![allow(clippy::unwrap_used)]

use std::collections::BTreeSet;
use std::sync::Arc;

use bytes::Bytes;
use kv::clock::Micros;
use kv::engine::{Cf, Engine, MemEngine, WriteBatch};
use kv::snap::{Error, MemFiles, SnapFiles, SnapKey, SnapLimits, SnapManager};
use proptest::prelude::*;
use prost::Message;
use proto::eraftpb::{Snapshot, SnapshotMetadata};
use proto::metapb::Region;
use proto::raft_serverpb::RaftSnapshotData;

const LIMITS: SnapLimits = SnapLimits { sending_max: 2, receiving_max: 2, bytes_max: 1 << 20 };

/// A store's snapshot files.
struct Store {
    files: MemFiles,
    snaps: SnapManager,
}

fn store() -> Store {
    store_with(MemFiles::default(), &[])
}

fn store_with(files: MemFiles, applying: &[SnapKey]) -> Store {
    let applying: BTreeSet<_> = applying.iter().copied().collect();
    let snaps = SnapManager::open(Arc::new(files.clone()), LIMITS, &applying).unwrap();
    Store { files, snaps }
}

impl Store {
    fn names(&self) -> Vec<String> {
        self.files.list().unwrap().into_iter().map(|(name, _)| name).collect()
    }
}

fn key(index: u64) -> SnapKey {
    SnapKey { region_id: 7, term: 2, index }
}

fn region(start: &str, end: &str) -> Region {
    let key = |text: &str| Bytes::copy_from_slice(text.as_bytes());
    Region { id: 7, start_key: key(start), end_key: key(end), ..Region::default() }
}

fn engine(pairs: &[(Cf, &[u8], &[u8])]) -> MemEngine {
    let engine = MemEngine::new();
    let mut batch = WriteBatch::new();
    for (cf, key, value) in pairs {
        batch.put(*cf, key.to_vec(), value.to_vec());
    }
    engine.write(batch).unwrap();
    engine
}

fn small() -> MemEngine {
    engine(&[(Cf::Default, b"a", b"1"), (Cf::Default, b"b", b""), (Cf::Write, b"a\0", b"3")])
}

/// The message that goes with the snapshot of `key`, built by `store`.
fn build(store: &Store, key: SnapKey, region: &Region, data: &MemEngine) -> Snapshot {
    let built = store.snaps.build(&key, region, data).unwrap();
    let data = RaftSnapshotData {
        region: Some(region.clone()),
        file_size: built.file_size,
        meta: Some(built.meta),
        ..RaftSnapshotData::default()
    };
    let metadata = SnapshotMetadata { conf_state: None, index: key.index, term: key.term };
    Snapshot { data: data.encode_to_vec().into(), metadata: Some(metadata) }
}

fn sent(store: &Store, key: SnapKey) -> Vec<u8> {
    let mut sender = store.snaps.open_for_sending(&key).unwrap();
    let mut bytes = Vec::new();
    while let Some(chunk) = sender.next_chunk(7).unwrap() {
        assert!(chunk.len() <= 7);
        bytes.extend_from_slice(&chunk);
    }
    assert_eq!(bytes.len() as u64, sender.total_bytes());
    bytes
}

fn receive(store: &Store, snapshot: &Snapshot, bytes: &[u8]) -> kv::snap::Result<()> {
    let mut receiver = store.snaps.begin_receiving(snapshot)?;
    for chunk in bytes.chunks(11) {
        receiver.append(chunk)?;
    }
    receiver.finish()
}

type Pairs = Vec<(Cf, Bytes, Bytes)>;

fn read(store: &Store, key: SnapKey) -> kv::snap::Result<Pairs> {
    let mut reader = store.snaps.open_for_applying(&key)?;
    let mut pairs = Vec::new();
    while let Some(block) = reader.next_block()? {
        pairs.extend(block.pairs.into_iter().map(|(key, value)| (block.cf, key, value)));
    }
    assert!(reader.next_block()?.is_none(), "the end stays the end");
    Ok(pairs)
}

fn pairs_of(engine: &MemEngine) -> Pairs {
    use kv::engine::Read;
    use std::ops::Bound::Unbounded;
    let pairs = |cf| engine.range(cf, Unbounded, Unbounded).unwrap().map(move |pair| (cf, pair.unwrap()));
    Cf::DATA.into_iter().flat_map(pairs).map(|(cf, (key, value))| (cf, key, value)).collect()
}

/// From one store to another, and read there.
fn round_trip(region: &Region, data: &MemEngine) -> Pairs {
    let (leader, follower) = (store(), store());
    let snapshot = build(&leader, key(30), region, data);
    receive(&follower, &snapshot, &sent(&leader, key(30))).unwrap();
    assert_eq!(follower.names(), ["rev_7_2_30.snap"]);
    read(&follower, key(30)).unwrap()
}

#[test]
fn an_empty_region_is_a_snapshot_too() {
    assert_eq!(round_trip(&region("", ""), &MemEngine::new()), []);
    assert_eq!(round_trip(&region("x", "y"), &small()), []);
}

#[test]
fn exactly_the_data_of_the_region_is_in_it() {
    let data = engine(&[
        (Cf::Default, b"a", b"before"),
        (Cf::Default, b"b", b"first"),
        (Cf::Lock, b"bz", b"in"),
        (Cf::Write, b"c", b"behind"),
        (Cf::Raft, b"bb", b"not for others"),
    ]);
    let value = |text: &'static str| Bytes::from_static(text.as_bytes());
    let expected = [(Cf::Default, value("b"), value("first")), (Cf::Lock, value("bz"), value("in"))];
    assert_eq!(round_trip(&region("b", "c"), &data), expected);
    assert_eq!(round_trip(&region("", ""), &data).len(), 4);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 50, failure_persistence: None, ..ProptestConfig::default() })]

    /// Any data comes through, over block boundaries and families.
    #[test]
    fn any_data_comes_through(
        pairs in prop::collection::vec(
            (0..3usize, prop::collection::vec(any::<u8>(), 1..20), 0..40_000usize),
            0..20,
        ),
    ) {
        let data = MemEngine::new();
        let mut batch = WriteBatch::new();
        for (cf, key, bytes) in pairs {
            batch.put(Cf::DATA[cf], key, vec![bytes as u8; bytes]);
        }
        data.write(batch).unwrap();
        prop_assert_eq!(round_trip(&region("", ""), &data), pairs_of(&data));
    }
}

#[test]
fn every_flipped_bit_is_found() {
    let (leader, follower) = (store(), store());
    let snapshot = build(&leader, key(30), &region("", ""), &small());
    let bytes = sent(&leader, key(30));
    for bit in 0..bytes.len() * 8 {
        let mut flipped = bytes.clone();
        flipped[bit / 8] ^= 1 << (bit % 8);
        let error = receive(&follower, &snapshot, &flipped).unwrap_err();
        assert!(matches!(error, Error::Corrupt { .. }), "bit {bit}: {error}");
        assert_eq!(follower.names(), Vec::<String>::new(), "nothing is left of it");
        // And when it happens after the file was received.
        follower.files.set_contents("rev_7_2_30.snap", flipped);
        assert!(matches!(read(&follower, key(30)), Err(Error::Corrupt { .. })), "bit {bit}");
        follower.files.delete("rev_7_2_30.snap").unwrap();
    }
}

#[test]
fn a_file_that_is_cut_or_longer_is_found() {
    let (leader, follower) = (store(), store());
    let snapshot = build(&leader, key(30), &region("", ""), &small());
    let bytes = sent(&leader, key(30));
    for length in 0..bytes.len() {
        assert!(matches!(receive(&follower, &snapshot, &bytes[..length]), Err(Error::Corrupt { .. })));
        follower.files.set_contents("rev_7_2_30.snap", bytes[..length].to_vec());
        assert!(matches!(read(&follower, key(30)), Err(Error::Corrupt { .. })), "{length} bytes");
    }
    let mut data = RaftSnapshotData::decode(&snapshot.data[..]).unwrap();
    data.file_size += 1;
    let message = Snapshot { data: data.encode_to_vec().into(), metadata: snapshot.metadata.clone() };
    let error = receive(&follower, &message, &bytes).unwrap_err().to_string();
    assert!(error.contains("shorter than its message says"), "{error}");
    let longer = [&bytes[..], b"x"].concat();
    assert!(matches!(receive(&follower, &snapshot, &longer), Err(Error::Corrupt { .. })));
    follower.files.set_contents("rev_7_2_30.snap", longer);
    assert!(matches!(read(&follower, key(30)), Err(Error::Corrupt { .. })));
}

/// Each block is right by itself, but one is missing, or there twice.
#[test]
fn a_missing_and_a_repeated_block_are_found() {
    let (leader, follower) = (store(), store());
    let snapshot = build(&leader, key(30), &region("", ""), &small());
    let bytes = sent(&leader, key(30));
    let (header, blocks) = bytes.split_at(36);
    let length = u32::from_be_bytes(blocks[1..5].try_into().unwrap()) as usize;
    let (first, others) = blocks.split_at(9 + length);
    for forged in [[header, others].concat(), [header, first, first, others].concat()] {
        let mut data = RaftSnapshotData::decode(&snapshot.data[..]).unwrap();
        data.file_size = forged.len() as u64;
        let message = Snapshot { data: data.encode_to_vec().into(), metadata: snapshot.metadata.clone() };
        let error = receive(&follower, &message, &forged).unwrap_err().to_string();
        assert!(error.contains("does not describe what stands before it"), "{error}");
    }
}

#[test]
fn the_file_of_another_snapshot_is_found() {
    let (leader, follower) = (store(), store());
    let snapshot = build(&leader, key(30), &region("", ""), &small());
    for other in [key(31), SnapKey { term: 3, ..key(30) }, SnapKey { region_id: 8, ..key(30) }] {
        build(&leader, other, &region("", ""), &small());
        let error = receive(&follower, &snapshot, &sent(&leader, other)).unwrap_err().to_string();
        assert!(error.contains("region 7 at term 2, index 30"), "{error}");
    }
    // The same position, but other data than the message describes, whole by itself.
    let forger = store();
    build(
        &forger,
        key(30),
        &region("", ""),
        &engine(&[(Cf::Default, b"a", b"1"), (Cf::Write, b"aa", b"33")]),
    );
    let forged = sent(&forger, key(30));
    let mut data = RaftSnapshotData::decode(&snapshot.data[..]).unwrap();
    data.file_size = forged.len() as u64;
    let message = Snapshot { data: data.encode_to_vec().into(), metadata: snapshot.metadata };
    let error = receive(&follower, &message, &forged).unwrap_err().to_string();
    assert!(error.contains("other data than its message says"), "{error}");
}

#[test]
fn malformed_messages_are_refused() {
    let follower = store();
    let data = |data: RaftSnapshotData| Bytes::from(data.encode_to_vec());
    let metadata = Some(SnapshotMetadata { conf_state: None, index: 30, term: 2 });
    let no_file = RaftSnapshotData { region: Some(region("", "")), ..RaftSnapshotData::default() };
    for (snapshot, word) in [
        (Snapshot::default(), "no metadata"),
        (Snapshot { data: Bytes::from_static(b"\xff\xff"), metadata: metadata.clone() }, "malformed"),
        (Snapshot { data: data(RaftSnapshotData::default()), metadata: metadata.clone() }, "no region"),
        (Snapshot { data: data(no_file), metadata }, "does not describe its file"),
    ] {
        let error = follower.snaps.begin_receiving(&snapshot).err().unwrap().to_string();
        assert!(error.contains(word), "{word}: {error}");
    }
}

#[test]
fn a_file_that_is_there_is_not_made_again() {
    let leader = store();
    let first = build(&leader, key(30), &region("", ""), &small());
    // The data has moved on; the snapshot at 30 has not.
    let again = build(&leader, key(30), &region("", ""), &MemEngine::new());
    assert_eq!(first, again);
    leader.files.set_contents("gen_7_2_30.snap", b"damaged".to_vec());
    assert_eq!(build(&leader, key(30), &region("", ""), &small()), first, "it is made anew if it is damaged");
    assert!(sent(&leader, key(30)).len() > 7);
}

#[test]
fn older_snapshots_go_unless_they_are_being_sent() {
    let leader = store();
    for index in [30, 40, 50] {
        build(&leader, key(index), &region("", ""), &small());
        assert_eq!(leader.names(), [format!("gen_7_2_{index}.snap")]);
    }
    let mut sender = leader.snaps.open_for_sending(&key(50)).unwrap();
    let other = SnapKey { region_id: 8, ..key(50) };
    build(&leader, other, &region("", ""), &small());
    build(&leader, key(60), &region("", ""), &small());
    assert_eq!(leader.names(), ["gen_7_2_50.snap", "gen_7_2_60.snap", "gen_8_2_50.snap"]);
    assert!(sender.next_chunk(1000).unwrap().is_some());
    drop(sender);
    build(&leader, key(70), &region("", ""), &small());
    assert_eq!(leader.names(), ["gen_7_2_70.snap", "gen_8_2_50.snap"]);
    assert!(matches!(leader.snaps.open_for_sending(&key(60)), Err(Error::NotFound(_))));
}

#[test]
fn only_so_many_are_sent_and_received_at_once() {
    let (leader, follower) = (store(), store());
    let snapshots: Vec<_> = (0..3)
        .map(|number| {
            let key = SnapKey { region_id: 7 + number, ..key(30) };
            let region = Region { id: 7 + number, ..region("", "") };
            (key, build(&leader, key, &region, &small()))
        })
        .collect();
    let mut senders: Vec<_> =
        (0..2).map(|at| leader.snaps.open_for_sending(&snapshots[at].0).unwrap()).collect();
    assert!(matches!(leader.snaps.open_for_sending(&snapshots[2].0), Err(Error::TooMany(2))));
    assert_eq!(leader.snaps.stats().sending, 2);
    senders.pop();
    leader.snaps.open_for_sending(&snapshots[2].0).unwrap();

    let mut receivers: Vec<_> =
        (0..2).map(|at| follower.snaps.begin_receiving(&snapshots[at].1).unwrap()).collect();
    assert!(matches!(follower.snaps.begin_receiving(&snapshots[2].1), Err(Error::TooMany(2))));
    assert!(matches!(follower.snaps.begin_receiving(&snapshots[0].1), Err(Error::InUse(_))));
    assert_eq!(follower.snaps.stats().receiving, 2);
    assert_eq!(follower.names().len(), 2);
    receivers.pop();
    assert_eq!(follower.names().len(), 1, "a receiver that is dropped leaves nothing behind");
    follower.snaps.begin_receiving(&snapshots[2].1).unwrap();
}

#[test]
fn there_is_no_room_for_more_than_allowed() {
    let files = MemFiles::default();
    let limits = SnapLimits { bytes_max: 200, ..LIMITS };
    let snaps = SnapManager::open(Arc::new(files.clone()), limits, &BTreeSet::new()).unwrap();
    let leader = store();
    let snapshot = build(&leader, key(30), &region("", ""), &small());
    let size = snaps.stats().bytes;
    assert_eq!(size, 0);
    let receiver = snaps.begin_receiving(&snapshot).unwrap();
    let other = Region { id: 8, ..region("", "") };
    let more = build(&leader, SnapKey { region_id: 8, ..key(30) }, &other, &small());
    assert!(matches!(snaps.begin_receiving(&more), Err(Error::Full { max: 200, .. })));
    drop(receiver);
    let bytes = sent(&leader, key(30));
    let mut receiver = snaps.begin_receiving(&more).unwrap();
    receiver.append(&bytes).unwrap();
    assert!(matches!(receiver.append(b"and more"), Err(Error::Corrupt { .. })), "no more than announced");
}

/// A follower that holds the file of a snapshot.
fn follower() -> (Store, Snapshot, Vec<u8>) {
    let (leader, follower) = (store(), store());
    let snapshot = build(&leader, key(30), &region("", ""), &small());
    let bytes = sent(&leader, key(30));
    receive(&follower, &snapshot, &bytes).unwrap();
    (follower, snapshot, bytes)
}

#[test]
fn a_pinned_file_stays() {
    let (follower, snapshot, bytes) = follower();
    assert!(follower.snaps.pin(&key(31)).is_none());
    let pin = follower.snaps.pin(&key(30)).unwrap();
    assert!(matches!(follower.snaps.begin_receiving(&snapshot), Err(Error::InUse(_))));
    let second = follower.snaps.pin(&key(30)).unwrap();
    second.discard();
    assert_eq!(follower.names().len(), 1, "somebody else needs it");
    for millis in [0, 1_000_000] {
        follower.snaps.delete_stale(Micros::default().plus_millis(millis), 1);
    }
    assert_eq!(follower.names().len(), 1);
    drop(pin);
    assert_eq!(follower.names().len(), 1, "dropping a pin deletes nothing: the store may just be going down");
    receive(&follower, &snapshot, &bytes).unwrap();
    let pin = follower.snaps.pin(&key(30)).unwrap();
    pin.discard();
    assert_eq!(follower.names().len(), 0);
    assert!(follower.snaps.pin(&key(30)).is_none());
}

#[test]
fn a_second_copy_that_comes_too_late_is_thrown_away() {
    let (follower, snapshot, bytes) = follower();
    let mut receiver = follower.snaps.begin_receiving(&snapshot).unwrap();
    receiver.append(&bytes).unwrap();
    let pin = follower.snaps.pin(&key(30)).unwrap();
    assert!(matches!(receiver.finish(), Err(Error::InUse(_))));
    assert_eq!(follower.names(), ["rev_7_2_30.snap"]);
    assert_eq!(read(&follower, key(30)).unwrap(), pairs_of(&small()));
    follower.snaps.installed(pin.key());
    assert_eq!(follower.names().len(), 0);
    drop(pin);
    assert_eq!(follower.snaps.stats().files, 0);
}

#[test]
fn a_start_keeps_what_is_being_installed_and_nothing_else() {
    let (follower, ..) = follower();
    build(&follower, key(20), &region("", ""), &small());
    follower.files.set_contents("rev_7_2_29.snap", b"of an older attempt".to_vec());
    follower.files.set_contents("rev_7_2_31.snap.tmp", b"half".to_vec());
    follower.files.set_contents("readme", b"not ours".to_vec());
    let again = store_with(follower.files.clone(), &[key(30), key(99)]);
    assert_eq!(again.names(), ["readme", "rev_7_2_30.snap"]);
    for millis in [0, 1_000_000] {
        again.snaps.delete_stale(Micros::default().plus_millis(millis), 1);
    }
    assert_eq!(read(&again, key(30)).unwrap(), pairs_of(&small()), "kept until it is installed");
    again.snaps.installed(&key(30));
    assert_eq!(again.names(), ["readme"]);
    let again = store_with(follower.files, &[]);
    assert_eq!(again.names(), ["readme"]);
}

#[test]
fn files_of_a_peer_that_is_gone_go() {
    let (follower, ..) = follower();
    for region_id in [7, 8] {
        build(&follower, SnapKey { region_id, ..key(20) }, &region("", ""), &small());
    }
    let _pin = follower.snaps.pin(&key(30)).unwrap();
    let _sender = follower.snaps.open_for_sending(&key(20)).unwrap();
    follower.snaps.forget_region(7);
    assert_eq!(follower.names(), ["gen_7_2_20.snap", "gen_8_2_20.snap"], "one is being sent");
}
