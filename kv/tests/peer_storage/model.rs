//! What the tests' region is about: an entry sets one key, so that the data at any index is known.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use kv::engine::{Cf, Engine, MemEngine, Read, WriteBatch};
use kv::raftstore::peer_storage::conf_state_of;
use kv::snap::{SnapKey, SnapManager};
use prost::Message;
use proto::eraftpb::{Entry, HardState, Snapshot, SnapshotMetadata};
use proto::metapb::{Peer, Region, RegionEpoch};
use proto::raft_serverpb::RaftSnapshotData;

use crate::disk::Disk;
use crate::node::limits;

pub const REGION: u64 = 7;

/// A region from `start` to `end`, with three peers.
pub fn region(start: &str, end: &str) -> Region {
    let key = |text: &str| Bytes::copy_from_slice(text.as_bytes());
    Region {
        id: REGION,
        start_key: key(start),
        end_key: key(end),
        region_epoch: Some(RegionEpoch { conf_ver: 1, version: 1 }),
        peers: [1, 2, 3].map(|id| Peer { id, store_id: id }).to_vec(),
    }
}

/// The same, as a peer knows it that a message created.
pub fn unknown_region() -> Region {
    Region { id: REGION, ..Region::default() }
}

pub fn entry(index: u64, term: u64) -> Entry {
    Entry { index, term, data: format!("{index}@{term}").into_bytes().into(), ..Entry::default() }
}

/// Entries `from..=to` of one term.
pub fn entries(from: u64, to: u64, term: u64) -> Vec<Entry> {
    (from..=to).map(|index| entry(index, term)).collect()
}

pub fn hard_state(term: u64, vote: u64, commit: u64) -> HardState {
    HardState { term, vote, commit }
}

/// Key and family that entry `index` sets; to its index, so that a wrong order shows.
pub fn write_of(index: u64) -> (Cf, Bytes, Bytes) {
    let cf = Cf::DATA[(index % 3) as usize];
    let key = format!("{}{}", (b'b' + (index % 11) as u8) as char, index % 5);
    (cf, key.into_bytes().into(), format!("value of {index}").into_bytes().into())
}

type Data = BTreeMap<(Cf, Bytes), Bytes>;

/// The region's data when everything up to `index` is applied.
pub fn data_at(index: u64, region: &Region) -> Data {
    let writes = (6..=index).map(write_of);
    let data: Data = writes.map(|(cf, key, value)| ((cf, key), value)).collect();
    data.into_iter().filter(|((_, key), _)| in_region(key, region)).collect()
}

pub fn in_region(key: &[u8], region: &Region) -> bool {
    key >= &region.start_key[..] && (region.end_key.is_empty() || key < &region.end_key[..])
}

/// All user data of an engine.
pub fn data_of(db: &dyn Read) -> Data {
    use std::ops::Bound::Unbounded;
    let pairs = |cf| db.range(cf, Unbounded, Unbounded).unwrap().map(move |pair| (cf, pair.unwrap()));
    Cf::DATA.into_iter().flat_map(pairs).map(|(cf, (key, value))| ((cf, key), value)).collect()
}

/// A leader's engine that has applied everything up to `index`, in a region without bounds.
pub fn leader_at(index: u64) -> MemEngine {
    let engine = MemEngine::new();
    let mut batch = WriteBatch::new();
    for (cf, key, value) in (6..=index).map(write_of) {
        batch.put(cf, key, value);
    }
    engine.write(batch).unwrap();
    engine
}

/// A snapshot of `region` at a position, as a leader makes it, and its file.
pub fn leaders_snapshot(region: &Region, index: u64, term: u64) -> (Snapshot, Vec<u8>) {
    let disk = Disk::new(usize::MAX);
    let snaps = SnapManager::open(Arc::new(disk.files), limits(), &Default::default()).unwrap();
    let key = SnapKey { region_id: region.id, term, index };
    let built = snaps.build(&key, region, &leader_at(index)).unwrap();
    let mut sender = snaps.open_for_sending(&key).unwrap();
    let mut file = Vec::new();
    while let Some(chunk) = sender.next_chunk(100).unwrap() {
        file.extend_from_slice(&chunk);
    }
    assert_eq!(file.len() as u64, built.file_size);
    let data = RaftSnapshotData {
        region: Some(region.clone()),
        file_size: built.file_size,
        meta: Some(built.meta),
        ..RaftSnapshotData::default()
    };
    let metadata = SnapshotMetadata { conf_state: Some(conf_state_of(region)), index, term };
    (Snapshot { data: data.encode_to_vec().into(), metadata: Some(metadata) }, file)
}
