//! Deleting a range of user data. The engines have no range deletion, and a batch must fit into memory.

use std::ops::Bound;

use bytes::Bytes;

use crate::engine::{Cf, Engine, Result, WriteBatch};
use crate::raftstore::meta::region::end_bound;

/// Keys deleted at once.
const KEYS_PER_BATCH: usize = 1024;

/// Deletes the keys from `start` (inclusive) to `end` (exclusive; empty: to the end) in all data families, in batches and without
/// a sync. Before each batch it asks `go_on`, and returns whether it came to the end.
///
/// # Crash
///
/// A part of the range may be deleted. Whoever needs it empty deletes it again.
pub(super) fn delete_range(
    kvdb: &dyn Engine,
    start: &Bytes,
    end: &Bytes,
    go_on: impl Fn() -> bool,
) -> Result<bool> {
    for cf in Cf::DATA {
        // Behind what is deleted already: the dead keys at the beginning would be read again and again.
        let mut lower = Bound::Included(start.clone());
        loop {
            if !go_on() {
                return Ok(false);
            }
            let bounds = (lower.as_ref().map(|key| &key[..]), end_bound(end));
            let (batch, last) = next_batch(kvdb, cf, bounds)?;
            let Some(last) = last else { break };
            lower = Bound::Excluded(last);
            kvdb.write(batch)?;
        }
    }
    Ok(true)
}

/// The deletion of the first keys between the bounds, and the last of them.
fn next_batch(
    kvdb: &dyn Engine,
    cf: Cf,
    (lower, upper): (Bound<&[u8]>, Bound<&[u8]>),
) -> Result<(WriteBatch, Option<Bytes>)> {
    let (mut batch, mut last) = (WriteBatch::new(), None);
    for pair in kvdb.range(cf, lower, upper)?.take(KEYS_PER_BATCH) {
        let (key, _) = pair?;
        batch.delete(cf, key.clone());
        last = Some(key);
    }
    Ok((batch, last))
}
