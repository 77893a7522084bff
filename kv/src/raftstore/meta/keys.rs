//! Every key that the raftstore writes. All of them live in [`crate::engine::Cf::Raft`], of raftdb or kvdb, so that no user
//! key ever collides with one.
//!
//! | key | bytes | value | database |
//! |---|---|---|---|
//! | [`raft_log_key`] | 01 02 region 01 index | `Entry`, with its CRC32 | raftdb |
//! | [`raft_state_key`] | 01 02 region 02 | `RaftLocalState` | raftdb |
//! | [`apply_state_key`] | 01 02 region 03 | `RaftApplyState` | kvdb |
//! | [`snapshot_raft_state_key`] | 01 02 region 04 | `RaftLocalState` at the snapshot being installed | kvdb |
//! | [`raft_gc_key`] | 01 02 region 05 | log entries are deleted up to this index, inclusive | raftdb |
//! | [`region_state_key`] | 01 03 region 01 | `RegionLocalState` | kvdb |
//! | [`store_ident_key`] | 01 01 | `StoreIdent` | both |
//! | [`prepare_bootstrap_key`] | 01 02 | `Region` | kvdb |
//! | [`format_version_key`] | 01 04 | `u32` | both |
//!
//! Ids and indexes are big-endian, so that keys sort as numbers do: the entries of a region stand side by side in the order
//! of their indexes.

use std::ops::Range;

use bytes::{BufMut, Bytes, BytesMut};

use crate::raftstore::RegionId;

/// First byte of every key.
const LOCAL: u8 = 0x01;
/// Behind it: what concerns one region's Raft group. Alone: the region of an unfinished bootstrap.
const REGION_RAFT: u8 = 0x02;
/// Behind it: what the store knows about regions.
const REGION_META: u8 = 0x03;

const STORE_IDENT: [u8; 2] = [LOCAL, 0x01];
const PREPARE_BOOTSTRAP: [u8; 2] = [LOCAL, REGION_RAFT];
const FORMAT_VERSION: [u8; 2] = [LOCAL, 0x04];

const LOG_SUFFIX: u8 = 0x01;
const RAFT_STATE_SUFFIX: u8 = 0x02;
const APPLY_STATE_SUFFIX: u8 = 0x03;
const SNAPSHOT_RAFT_STATE_SUFFIX: u8 = 0x04;
const RAFT_GC_SUFFIX: u8 = 0x05;
const REGION_STATE_SUFFIX: u8 = 0x01;

/// Two bytes of prefix, a region, a suffix.
const REGION_KEY_BYTES: usize = 2 + 8 + 1;
/// The same, and an index.
const LOG_KEY_BYTES: usize = REGION_KEY_BYTES + 8;

/// Who this store is, and in which cluster.
pub fn store_ident_key() -> Bytes {
    Bytes::from_static(&STORE_IDENT)
}

/// Version of the format of this database.
pub fn format_version_key() -> Bytes {
    Bytes::from_static(&FORMAT_VERSION)
}

/// First region of the cluster, while it is not certain that the cluster took it.
pub fn prepare_bootstrap_key() -> Bytes {
    Bytes::from_static(&PREPARE_BOOTSTRAP)
}

/// One entry of a region's log.
pub fn raft_log_key(region_id: RegionId, index: u64) -> Bytes {
    let mut key = BytesMut::with_capacity(LOG_KEY_BYTES);
    key.put_slice(&PREPARE_BOOTSTRAP);
    key.put_u64(region_id);
    key.put_u8(LOG_SUFFIX);
    key.put_u64(index);
    key.freeze()
}

/// Hard state and last index of a region.
pub fn raft_state_key(region_id: RegionId) -> Bytes {
    region_key(REGION_RAFT, region_id, RAFT_STATE_SUFFIX)
}

/// Applied index and truncated state of a region.
pub fn apply_state_key(region_id: RegionId) -> Bytes {
    region_key(REGION_RAFT, region_id, APPLY_STATE_SUFFIX)
}

/// Raft state that belongs to the snapshot which a region is installing.
pub fn snapshot_raft_state_key(region_id: RegionId) -> Bytes {
    region_key(REGION_RAFT, region_id, SNAPSHOT_RAFT_STATE_SUFFIX)
}

/// Last index that the log of a region has been deleted up to.
pub fn raft_gc_key(region_id: RegionId) -> Bytes {
    region_key(REGION_RAFT, region_id, RAFT_GC_SUFFIX)
}

/// Range, epoch, peers and state of a region.
pub fn region_state_key(region_id: RegionId) -> Bytes {
    region_key(REGION_META, region_id, REGION_STATE_SUFFIX)
}

/// The range of keys that holds the region states of all regions.
pub fn region_state_range() -> Range<Bytes> {
    Bytes::from_static(&[LOCAL, REGION_META])..Bytes::from_static(&[LOCAL, REGION_META + 1])
}

/// The range of keys that holds everything about a region's Raft group, in either database.
pub fn region_raft_range(region_id: RegionId) -> Range<Bytes> {
    region_key(REGION_RAFT, region_id, 0)..region_key(REGION_RAFT, region_id, u8::MAX)
}

/// Region that a region state key is about; `None` for any other key.
pub fn decode_region_state_key(key: &[u8]) -> Option<RegionId> {
    let rest = key.strip_prefix(&[LOCAL, REGION_META])?;
    let (region_id, suffix) = split_u64(rest)?;
    (suffix == [REGION_STATE_SUFFIX]).then_some(region_id)
}

/// Region and index that a log key is about; `None` for any other key.
pub fn decode_raft_log_key(key: &[u8]) -> Option<(RegionId, u64)> {
    let rest = key.strip_prefix(&PREPARE_BOOTSTRAP)?;
    let (region_id, rest) = split_u64(rest)?;
    let (index, rest) = split_u64(rest.strip_prefix(&[LOG_SUFFIX])?)?;
    rest.is_empty().then_some((region_id, index))
}

fn region_key(kind: u8, region_id: RegionId, suffix: u8) -> Bytes {
    let mut key = BytesMut::with_capacity(REGION_KEY_BYTES);
    key.put_slice(&[LOCAL, kind]);
    key.put_u64(region_id);
    key.put_u8(suffix);
    key.freeze()
}

fn split_u64(bytes: &[u8]) -> Option<(u64, &[u8])> {
    let (number, rest) = bytes.split_first_chunk::<8>()?;
    Some((u64::from_be_bytes(*number), rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_have_the_documented_bytes() {
        let region = [0, 0, 0, 0, 0, 0, 1, 2];
        let with = |prefix: &[u8], suffix: &[u8]| [prefix, &region, suffix].concat();
        let id = 0x0102;
        assert_eq!(raft_log_key(id, 0x0304), with(&[1, 2], &[1, 0, 0, 0, 0, 0, 0, 3, 4]));
        assert_eq!(raft_state_key(id), with(&[1, 2], &[2]));
        assert_eq!(apply_state_key(id), with(&[1, 2], &[3]));
        assert_eq!(snapshot_raft_state_key(id), with(&[1, 2], &[4]));
        assert_eq!(raft_gc_key(id), with(&[1, 2], &[5]));
        assert_eq!(region_state_key(id), with(&[1, 3], &[1]));
        assert_eq!(store_ident_key(), [1, 1].as_slice());
        assert_eq!(prepare_bootstrap_key(), [1, 2].as_slice());
        assert_eq!(format_version_key(), [1, 4].as_slice());
    }

    #[test]
    fn log_keys_sort_as_their_indexes_and_regions_do() {
        let ids = [0, 1, 255, 256, u64::from(u32::MAX), u64::MAX];
        let keys: Vec<Bytes> =
            ids.iter().flat_map(|&region| ids.map(|index| raft_log_key(region, index))).collect();
        assert!(keys.is_sorted());
        assert!(keys.iter().all(|key| key.len() == LOG_KEY_BYTES));
    }

    #[test]
    fn a_region_range_holds_exactly_the_keys_of_its_region() {
        for id in [1, 255, 256] {
            let range = region_raft_range(id);
            for key in [raft_log_key(id, 0), raft_log_key(id, u64::MAX), raft_gc_key(id), apply_state_key(id)]
            {
                assert!(range.contains(&key));
            }
            assert!(!range.contains(&raft_log_key(id - 1, u64::MAX)));
            assert!(!range.contains(&raft_state_key(id + 1)));
            assert!(!range.contains(&region_state_key(id)));
            assert!(!range.contains(&prepare_bootstrap_key()));
            assert!(region_state_range().contains(&region_state_key(id)));
        }
        assert!(!region_state_range().contains(&format_version_key()));
    }

    #[test]
    fn decoding_turns_around_encoding_and_refuses_other_keys() {
        assert_eq!(decode_raft_log_key(&raft_log_key(7, 9)), Some((7, 9)));
        assert_eq!(decode_region_state_key(&region_state_key(7)), Some(7));
        for other in [raft_state_key(7), region_state_key(7), store_ident_key(), prepare_bootstrap_key()] {
            assert_eq!(decode_raft_log_key(&other), None);
        }
        let longer = [raft_log_key(7, 9).as_ref(), &[0]].concat();
        assert_eq!(decode_raft_log_key(&longer), None);
        assert_eq!(decode_region_state_key(&raft_state_key(7)), None);
        assert_eq!(decode_region_state_key(&[]), None);
    }
}
