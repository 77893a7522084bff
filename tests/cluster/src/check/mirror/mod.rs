//! What each store has on its disks, as its batches tell: once as it reads them itself, and once as a power cut would leave
//! them.

pub mod kv;
pub mod raft;

use std::collections::BTreeMap;

use ::kv::engine::Op;
use bytes::Bytes;

use super::keys::LocalKey;
use super::observe::Db;

/// A batch with the last change of each local key, and its data changes in order.
#[derive(Debug, Default)]
pub struct Changes {
    /// Local keys; `None` is a deletion.
    pub local: BTreeMap<SortedKey, (LocalKey, Option<Bytes>)>,
    /// Data: family, key, new value.
    pub data: Vec<(super::history::DataKey, Option<Bytes>)>,
    /// A key that does not belong into this database.
    pub misplaced: Option<Bytes>,
}

/// The bytes of a local key: they sort by region and index.
pub type SortedKey = Bytes;

impl Changes {
    /// Reads a batch.
    pub fn of(db: Db, ops: &[Op]) -> Changes {
        let mut changes = Changes::default();
        for op in ops {
            let (cf, key, value) = match op {
                Op::Put { cf, key, value } => (*cf, key, Some(value)),
                Op::Delete { cf, key } => (*cf, key, None),
            };
            if cf != ::kv::engine::Cf::Raft {
                if db == Db::Raft {
                    changes.misplaced = Some(key.clone());
                }
                changes.data.push((super::history::DataKey { cf, key: key.clone() }, value.cloned()));
                continue;
            }
            match LocalKey::parse(key).filter(|local| local.belongs_to(db)) {
                Some(local) => {
                    changes.local.insert(key.clone(), (local, value.cloned()));
                }
                None => changes.misplaced = Some(key.clone()),
            }
        }
        changes
    }
}
