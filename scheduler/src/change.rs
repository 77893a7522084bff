//! What the scheduler keeps on disk: keys and values, which only this package understands.
//!
//! | key | value | written when |
//! |---|---|---|
//! | `cluster` | cluster id, replicas | the directory is new |
//! | `ids` | first id that may not be given yet | a block of ids has been used up |
//! | `tso` | first millisecond that timestamps may not use yet | they come near it |
//! | `gc` | safe point of garbage collection | it moves |
//! | `store/…` | `metapb::Store` | a store registers or moves |
//! | `region/…` | `metapb::Region` | a region's epoch changes |

use crate::error::{Error, Result};

/// A key and its new value; no value: the key goes away. Takes effect on disk before the answer that it belongs to is given.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// Where.
    pub key: Vec<u8>,
    /// What.
    pub value: Option<Vec<u8>>,
}

/// Key of the cluster's identity.
pub(crate) const CLUSTER: &[u8] = b"cluster";
/// Key of the id allocator.
pub(crate) const IDS: &[u8] = b"ids";
/// Key of the timestamp allocator.
pub(crate) const TSO: &[u8] = b"tso";
/// Key of the safe point.
pub(crate) const GC: &[u8] = b"gc";
/// Keys of stores begin so.
pub(crate) const STORE: &[u8] = b"store/";
/// Keys of regions begin so.
pub(crate) const REGION: &[u8] = b"region/";

impl Change {
    /// Sets `key`.
    pub(crate) fn put(key: &[u8], value: impl Into<Vec<u8>>) -> Change {
        Change { key: key.to_vec(), value: Some(value.into()) }
    }

    /// Sets `key` to a number.
    pub(crate) fn put_number(key: &[u8], value: u64) -> Change {
        Change::put(key, value.to_be_bytes())
    }

    /// Removes `key`.
    pub(crate) fn delete(key: Vec<u8>) -> Change {
        Change { key, value: None }
    }
}

/// Key of the thing with this id among those whose keys begin with `prefix`.
pub(crate) fn key_of(prefix: &[u8], id: u64) -> Vec<u8> {
    [prefix, &id.to_be_bytes()].concat()
}

/// The number that is kept as `value` under `key`.
pub(crate) fn number(key: &[u8], value: &[u8]) -> Result<u64> {
    let bytes = value.try_into().map_err(|_| corrupt(key))?;
    Ok(u64::from_be_bytes(bytes))
}

/// What is kept under `key` is not what was written.
pub(crate) fn corrupt(key: &[u8]) -> Error {
    Error::Corrupt(key.escape_ascii().to_string())
}
