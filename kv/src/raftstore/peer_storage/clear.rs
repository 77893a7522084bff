//! Forgetting: a peer's log and states, and data outside its region.

use bytes::Bytes;
use proto::metapb::Region;

use super::{PeerStorage, RoundWrites};
use crate::engine::{Cf, Engines, Read, WriteBatch};
use crate::raftstore::meta::region::ranges_overlap;
use crate::raftstore::meta::{keys, states};
use crate::raftstore::task::RegionTask;
use crate::raftstore::{RegionId, Result};

/// Adds the deletion of everything that the two databases know about a region to the round's writes: region state, apply state
/// and snapshot raft state from kvdb; log, Raft state and deleted index from raftdb. User data stays. The caller may put new
/// states behind it: a tombstone, or those of a snapshot.
///
/// # Crash
///
/// kvdb is written and synced first, and says then that the region is gone, or waits for a snapshot. If the power goes before
/// raftdb has forgotten the log, the next start finds that out from kvdb, and clears the log then. The other way round, a region
/// state would speak of a log that is not there any more.
///
/// # Errors
/// The engine's.
pub fn clear_meta(engines: &Engines, region_id: RegionId, writes: &mut RoundWrites) -> Result<()> {
    writes.kv.delete(Cf::Raft, keys::region_state_key(region_id));
    writes.kv.delete(Cf::Raft, keys::apply_state_key(region_id));
    writes.kv.delete(Cf::Raft, keys::snapshot_raft_state_key(region_id));
    clear_log(&*engines.raft, region_id, &mut writes.raft)?;
    writes.raft.delete(Cf::Raft, keys::raft_state_key(region_id));
    writes.raft.delete(Cf::Raft, keys::raft_gc_key(region_id));
    Ok(())
}

/// Adds the deletion of all entries of a region to a batch for raftdb: those behind the deleted index, wherever the log now
/// begins, and never found by scanning, which would read its way through all that was ever deleted.
pub(super) fn clear_log(raftdb: &dyn Read, region_id: RegionId, raft: &mut WriteBatch) -> Result<()> {
    let deleted = states::load_raft_gc_index(raftdb, region_id)?;
    let last_index = states::load_raft_state(raftdb, region_id)?.map_or(0, |state| state.last_index);
    for index in deleted + 1..=last_index {
        raft.delete(Cf::Raft, keys::raft_log_key(region_id, index));
    }
    Ok(())
}

impl PeerStorage {
    /// See [`clear_meta`].
    ///
    /// # Errors
    /// The engine's.
    pub fn clear_meta(&mut self, writes: &mut RoundWrites) -> Result<()> {
        self.cache.clear();
        clear_meta(&self.engines, self.region_id(), writes)
    }

    /// Schedules the deletion of the data that this region held so far and `new_region` does not hold. Losing the task in a crash
    /// leaves data outside all regions, which the next start removes.
    pub fn clear_extra_data(&self, new_region: &Region) {
        for (start_key, end_key) in extra_ranges(&self.region, new_region) {
            self.schedule(RegionTask::Destroy { region_id: self.region_id(), start_key, end_key });
        }
    }

    /// Hands a task to the region worker. That only fails when the store shuts down, and then the task has no effect that the
    /// next start would not make up for.
    pub(super) fn schedule(&self, task: RegionTask) {
        if let Err(stopped) = self.region_scheduler.schedule(task) {
            log::info!("{} shuts down before {:?}", self.tag, stopped.0);
        }
    }
}

/// What of the range of `old` lies outside that of `new`: at most a piece before and a piece behind it.
fn extra_ranges(old: &Region, new: &Region) -> Vec<(Bytes, Bytes)> {
    if !ranges_overlap(old, new) {
        return vec![(old.start_key.clone(), old.end_key.clone())];
    }
    let mut ranges = Vec::new();
    if old.start_key < new.start_key {
        ranges.push((old.start_key.clone(), new.start_key.clone()));
    }
    if !new.end_key.is_empty() && (old.end_key.is_empty() || new.end_key < old.end_key) {
        ranges.push((new.end_key.clone(), old.end_key.clone()));
    }
    ranges
}

#[cfg(test)]
mod tests {
    use super::*;

    fn region(start: &str, end: &str) -> Region {
        let key = |text: &str| Bytes::copy_from_slice(text.as_bytes());
        Region { start_key: key(start), end_key: key(end), ..Region::default() }
    }

    fn extra(old: (&str, &str), new: (&str, &str)) -> Vec<(String, String)> {
        let text = |key: Bytes| String::from_utf8(key.to_vec()).unwrap();
        let ranges = extra_ranges(&region(old.0, old.1), &region(new.0, new.1));
        ranges.into_iter().map(|(start, end)| (text(start), text(end))).collect()
    }

    #[test]
    fn what_a_region_loses_is_what_lies_before_and_behind_the_new_one() {
        let pair = |start: &str, end: &str| (start.to_owned(), end.to_owned());
        assert_eq!(extra(("a", "z"), ("a", "z")), []);
        assert_eq!(extra(("a", "z"), ("a", "m")), [pair("m", "z")]);
        assert_eq!(extra(("a", "z"), ("m", "z")), [pair("a", "m")]);
        assert_eq!(extra(("", ""), ("f", "m")), [pair("", "f"), pair("m", "")]);
        assert_eq!(extra(("f", "m"), ("", "")), []);
        assert_eq!(extra(("a", "f"), ("m", "z")), [pair("a", "f")], "ranges without a common key");
        assert_eq!(extra(("m", ""), ("a", "f")), [pair("m", "")]);
    }
}
