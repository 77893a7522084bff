//! The values under the keys of [`super::keys`]: how they are loaded and encoded.
//!
//! A log entry carries a CRC32 of its own in front of the message. The database has checksums too, but one flipped bit in its
//! journal can make it drop what was synced without a word; and an entry that was acknowledged and then read back changed is the
//! one thing that Raft cannot repair.

use bytes::{BufMut, Bytes, BytesMut};
use prost::Message;
use proto::eraftpb::Entry;
use proto::metapb::Region;
use proto::raft_serverpb::{RaftApplyState, RaftLocalState, RegionLocalState, StoreIdent};

use super::keys;
use crate::engine::{Cf, Error, Read, Result};
use crate::raftstore::RegionId;

/// Length of the checksum in front of an entry.
const CRC_BYTES: usize = 4;

/// The Raft state of a region, from raftdb; `None` if it has none.
///
/// # Errors
/// The engine's, and [`Error::Corrupt`] if the value is not one. The same holds for all functions here that load something.
pub fn load_raft_state(raftdb: &dyn Read, region_id: RegionId) -> Result<Option<RaftLocalState>> {
    load(raftdb, &keys::raft_state_key(region_id), || format!("raft state of region {region_id}"))
}

/// The apply state of a region, from kvdb; `None` if it has none.
pub fn load_apply_state(kvdb: &dyn Read, region_id: RegionId) -> Result<Option<RaftApplyState>> {
    load(kvdb, &keys::apply_state_key(region_id), || format!("apply state of region {region_id}"))
}

/// The region state of a region, from kvdb; `None` if it has none.
pub fn load_region_state(kvdb: &dyn Read, region_id: RegionId) -> Result<Option<RegionLocalState>> {
    load(kvdb, &keys::region_state_key(region_id), || format!("state of region {region_id}"))
}

/// The region states of all regions, tombstones included, from kvdb, by ascending id.
pub fn load_region_states(kvdb: &dyn Read) -> Result<Vec<RegionLocalState>> {
    let range = keys::region_state_range();
    let mut states = Vec::new();
    let (lower, upper) = (range.start.as_ref(), range.end.as_ref());
    for pair in kvdb.range(Cf::Raft, std::ops::Bound::Included(lower), std::ops::Bound::Excluded(upper))? {
        let (key, value) = pair?;
        let Some(region_id) = keys::decode_region_state_key(&key) else {
            return Err(corrupt(format!("key {:?} among the region states", key), "it is not one of theirs"));
        };
        states.push(decode(value, || format!("state of region {region_id}"))?);
    }
    Ok(states)
}

/// The raft state that belongs to the snapshot which a region is installing, from kvdb; `None` if it installs none.
pub fn load_snapshot_raft_state(kvdb: &dyn Read, region_id: RegionId) -> Result<Option<RaftLocalState>> {
    let what = || format!("raft state of the snapshot of region {region_id}");
    load(kvdb, &keys::snapshot_raft_state_key(region_id), what)
}

/// Who this store is, from either database; `None` before the bootstrap.
pub fn load_store_ident(db: &dyn Read) -> Result<Option<StoreIdent>> {
    load(db, &keys::store_ident_key(), || "identity of the store".to_owned())
}

/// The first region of the cluster, from kvdb, while it is not certain that the cluster took it.
pub fn load_prepare_bootstrap(kvdb: &dyn Read) -> Result<Option<Region>> {
    load(kvdb, &keys::prepare_bootstrap_key(), || "region of an unfinished bootstrap".to_owned())
}

/// Version of the database's format; `None` if nothing was ever written.
pub fn load_format_version(db: &dyn Read) -> Result<Option<u32>> {
    let Some(value) = db.get(Cf::Raft, &keys::format_version_key())? else { return Ok(None) };
    match <[u8; 4]>::try_from(value.as_ref()) {
        Ok(bytes) => Ok(Some(u32::from_be_bytes(bytes))),
        Err(_) => Err(corrupt("format version".to_owned(), "it is not four bytes long")),
    }
}

/// What is stored as format version.
pub fn encode_format_version(version: u32) -> Bytes {
    Bytes::copy_from_slice(&version.to_be_bytes())
}

/// Index up to which (inclusive) the log of a region has been deleted, from raftdb; 0 if nothing was.
pub fn load_raft_gc_index(raftdb: &dyn Read, region_id: RegionId) -> Result<u64> {
    let Some(value) = raftdb.get(Cf::Raft, &keys::raft_gc_key(region_id))? else { return Ok(0) };
    match <[u8; 8]>::try_from(value.as_ref()) {
        Ok(bytes) => Ok(u64::from_be_bytes(bytes)),
        Err(_) => Err(corrupt(format!("deleted index of region {region_id}"), "it is not eight bytes long")),
    }
}

/// What is stored as deleted index.
pub fn encode_raft_gc_index(index: u64) -> Bytes {
    Bytes::copy_from_slice(&index.to_be_bytes())
}

/// What is stored for a log entry.
pub fn encode_entry(entry: &Entry) -> Bytes {
    let mut value = BytesMut::with_capacity(CRC_BYTES + entry.encoded_len());
    value.put_u32(0);
    entry.encode(&mut value).expect("a growing buffer takes every message");
    let crc = crc32fast::hash(&value[CRC_BYTES..]);
    value[..CRC_BYTES].copy_from_slice(&crc.to_be_bytes());
    value.freeze()
}

/// The log entry that `value` holds; it shares the memory of `value`.
///
/// # Errors
/// [`Error::Corrupt`] naming the region and the index, unless this is exactly what [`encode_entry`] made for an entry with this
/// index.
pub fn decode_entry(region_id: RegionId, index: u64, value: Bytes) -> Result<Entry> {
    let bad = |what: &str| corrupt(format!("raft log of region {region_id}, entry {index}"), what);
    let Some(crc) = value.first_chunk::<CRC_BYTES>() else { return Err(bad("it is too short")) };
    let crc = u32::from_be_bytes(*crc);
    let message = value.slice(CRC_BYTES..);
    if crc32fast::hash(&message) != crc {
        return Err(bad("its checksum does not match"));
    }
    let entry = Entry::decode(message).map_err(|error| bad(&error.to_string()))?;
    if entry.index != index {
        return Err(bad(&format!("it says that it is entry {}", entry.index)));
    }
    Ok(entry)
}

/// One log entry, from raftdb; `None` if it is not there.
pub fn load_entry(raftdb: &dyn Read, region_id: RegionId, index: u64) -> Result<Option<Entry>> {
    match raftdb.get(Cf::Raft, &keys::raft_log_key(region_id, index))? {
        None => Ok(None),
        Some(value) => decode_entry(region_id, index, value).map(Some),
    }
}

fn load<M: Message + Default>(
    db: &dyn Read,
    key: &[u8],
    place: impl FnOnce() -> String,
) -> Result<Option<M>> {
    db.get(Cf::Raft, key)?.map(|value| decode(value, place)).transpose()
}

fn decode<M: Message + Default>(value: Bytes, place: impl FnOnce() -> String) -> Result<M> {
    M::decode(value).map_err(|error| corrupt(place(), &error.to_string()))
}

fn corrupt(place: String, what: &str) -> Error {
    Error::Corrupt { place, what: what.to_owned() }
}
