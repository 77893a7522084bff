//! Log entries: writing those of a `Ready`, and reading them back from memory or raftdb.

use std::ops::Bound;

use proto::eraftpb::Entry;
use raft::StorageError;

use super::{InvokeContext, PeerStorage, RoundWrites, failed};
use crate::engine::Cf;
use crate::raftstore::meta::{keys, states};

impl PeerStorage {
    /// Adds `entries` to the round's writes and to the cache, and notes in `ctx` where the log ends then. They follow each
    /// other, and the first of them replaces what stands there and all that follows: entries of the old log behind the last
    /// new one were never committed, and must not be found on disk again. Without entries, nothing changes.
    ///
    /// The log to be continued is the one that `ctx` describes, not the one on disk: a snapshot in the same `Ready` comes
    /// first.
    pub fn append(&mut self, ctx: &mut InvokeContext, entries: &[Entry], writes: &mut RoundWrites) {
        let Some(last) = entries.last() else { return };
        for entry in entries {
            let key = keys::raft_log_key(ctx.region_id, entry.index);
            writes.raft.put(Cf::Raft, key, states::encode_entry(entry));
        }
        for index in last.index + 1..=ctx.raft_state.last_index {
            writes.raft.delete(Cf::Raft, keys::raft_log_key(ctx.region_id, index));
        }
        ctx.raft_state.last_index = last.index;
        ctx.last_term = last.term;
        // Before the write: if that fails, the cache is wrong. A failed write is fatal anyway.
        self.cache.append(entries);
    }

    /// Entries `low..high`, cut to `max_bytes` of data, but not to nothing if `low < high`: from the cache where it has them,
    /// else from raftdb.
    ///
    /// # Errors
    /// `Compacted` if `low` is not behind the truncated index, `Unavailable` if `high` is beyond the end of the log, `Failed` if
    /// the engine fails or an entry is missing or corrupt.
    pub(super) fn load_entries(&self, low: u64, high: u64, max_bytes: u64) -> raft::Result<Vec<Entry>> {
        if low <= self.truncated_index() {
            return Err(StorageError::Compacted.into());
        }
        if high > self.raft_state.last_index + 1 {
            return Err(StorageError::Unavailable.into());
        }
        let cached_from = self.cache.first_index().unwrap_or(high).clamp(low, high.max(low));
        let mut entries = self.read_log(low, cached_from, max_bytes)?;
        let all_read = entries.len() as u64 == cached_from - low;
        if all_read {
            let cached = (cached_from..high).map_while(|index| self.cache.get(index)).cloned();
            entries.extend(take_bytes(cached, max_bytes));
            entries.truncate(raft::limit_bytes(&entries, max_bytes));
        }
        Ok(entries)
    }

    /// Term of the entry at `index`, which may be the truncated one.
    ///
    /// # Errors
    /// `Compacted` below that, `Unavailable` beyond the last entry, `Failed` as for entries.
    pub(super) fn load_term(&self, index: u64) -> raft::Result<u64> {
        if index == self.truncated_index() {
            return Ok(self.truncated_term());
        }
        if index < self.truncated_index() {
            return Err(StorageError::Compacted.into());
        }
        if index > self.raft_state.last_index {
            return Err(StorageError::Unavailable.into());
        }
        if index == self.raft_state.last_index {
            return Ok(self.last_term);
        }
        if let Some(entry) = self.cache.get(index) {
            return Ok(entry.term);
        }
        let entry = states::load_entry(&*self.engines.raft, self.region_id(), index).map_err(failed)?;
        Ok(entry.ok_or_else(|| self.missing(index))?.term)
    }

    /// Entries `low..high` from raftdb, and no more after one that made them `max_bytes` or longer.
    fn read_log(&self, low: u64, high: u64, max_bytes: u64) -> raft::Result<Vec<Entry>> {
        if low >= high {
            return Ok(Vec::new());
        }
        let region_id = self.region_id();
        let (lower, upper) = (keys::raft_log_key(region_id, low), keys::raft_log_key(region_id, high));
        let (lower, upper) = (Bound::Included(&lower[..]), Bound::Excluded(&upper[..]));
        let mut pairs = self.engines.raft.range(Cf::Raft, lower, upper).map_err(failed)?;
        let (mut entries, mut bytes) = (Vec::new(), 0);
        for index in low..high {
            let Some(pair) = pairs.next() else { return Err(self.missing(index)) };
            let (key, value) = pair.map_err(failed)?;
            if key != keys::raft_log_key(region_id, index) {
                return Err(self.missing(index));
            }
            let entry = states::decode_entry(region_id, index, value).map_err(failed)?;
            bytes += entry.data.len().max(1) as u64;
            if bytes > max_bytes && !entries.is_empty() {
                break;
            }
            entries.push(entry);
        }
        Ok(entries)
    }

    fn missing(&self, index: u64) -> raft::Error {
        failed(format!(
            "{}: entry {index} is missing from the log; rebuild this store from its peers",
            self.tag
        ))
    }
}

/// The first of `entries`, and no more after one that made them longer than `max_bytes`.
fn take_bytes(entries: impl Iterator<Item = Entry>, max_bytes: u64) -> impl Iterator<Item = Entry> {
    let mut bytes = 0;
    entries.take_while(move |entry| {
        let first = bytes == 0;
        bytes += entry.data.len().max(1) as u64;
        first || bytes <= max_bytes
    })
}
