//! Deletes log entries that are applied, and that no follower waits for.

use std::sync::Arc;

use crate::engine::{Cf, Engines, WriteBatch};
use crate::raftstore::context::{Fatal, Observer, StoreEvent};
use crate::raftstore::meta::{keys, states};
use crate::raftstore::task::RaftLogGcTask;
use crate::raftstore::{RegionId, Result};
use crate::worker::Runnable;

/// Entries deleted at once.
const ENTRIES_PER_BATCH: u64 = 1024;

/// Works off [`RaftLogGcTask`]s.
pub struct RaftLogGcRunner {
    engines: Engines,
    observer: Arc<dyn Observer>,
    fatal: Arc<Fatal>,
}

impl RaftLogGcRunner {
    /// A runner for the store that has these.
    pub fn new(engines: Engines, observer: Arc<dyn Observer>, fatal: Arc<Fatal>) -> RaftLogGcRunner {
        RaftLogGcRunner { engines, observer, fatal }
    }

    /// Deletes the entries of a region below `end_index`, as far as kvdb's truncated state says that nobody needs them. Returns the
    /// last one deleted, if there was any.
    ///
    /// # Crash
    ///
    /// The log is the redo log of kvdb, which is written without syncs: after a power cut, kvdb may be at any older state, and
    /// the entries since then are applied again. Therefore kvdb is synced *before* an entry is deleted, and the truncated state that
    /// limits the deletion is read before that sync: it is durable when the first entry goes. The deleted index is in the same
    /// batch as the deletions that it stands for. A batch that is lost is made again by the next task.
    ///
    /// The limit also makes a task harmless that comes too late, when the peer is gone or has installed a snapshot since.
    ///
    /// # Errors
    /// The engine's.
    fn delete_entries(&self, region_id: RegionId, end_index: u64) -> Result<Option<u64>> {
        let Some(apply_state) = states::load_apply_state(&*self.engines.kv, region_id)? else {
            return Ok(None);
        };
        let truncated = apply_state.truncated_state.unwrap_or_default().index;
        let last = truncated.min(end_index.saturating_sub(1));
        let mut deleted = states::load_raft_gc_index(&*self.engines.raft, region_id)?;
        if deleted >= last {
            return Ok(None);
        }
        self.engines.kv.sync()?;
        while deleted < last {
            let chunk_end = last.min(deleted + ENTRIES_PER_BATCH);
            let mut batch = WriteBatch::new();
            for index in deleted + 1..=chunk_end {
                batch.delete(Cf::Raft, keys::raft_log_key(region_id, index));
            }
            batch.put(Cf::Raft, keys::raft_gc_key(region_id), states::encode_raft_gc_index(chunk_end));
            self.engines.raft.write(batch)?;
            deleted = chunk_end;
        }
        Ok(Some(last))
    }
}

impl Runnable for RaftLogGcRunner {
    type Task = RaftLogGcTask;

    fn run(&mut self, task: RaftLogGcTask) {
        if self.fatal.is_stopped() {
            return;
        }
        let region_id = task.region_id;
        match self.delete_entries(region_id, task.end_index) {
            Ok(None) => {}
            Ok(Some(index)) => self.observer.on_event(StoreEvent::LogCompacted { region_id, index }),
            Err(error) => {
                self.fatal.stop(format!("cannot delete log entries of region {region_id}: {error}"))
            }
        }
    }
}
