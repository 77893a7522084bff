//! What the background workers of a store are asked to do.

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::mpsc::SyncSender;

use bytes::Bytes;
use proto::eraftpb::Snapshot;
use proto::metapb;
use proto::raft_serverpb::RaftApplyState;

use super::RegionId;
use crate::clock::Micros;
use crate::engine;

/// For the region worker: snapshots, and ranges to be cleared.
pub enum RegionTask {
    /// Write a region's data to a snapshot file.
    Generate {
        /// The region, as of `snapshot`.
        region: metapb::Region,
        /// What had been applied, as of `snapshot`.
        apply_state: RaftApplyState,
        /// Term of the entry applied last.
        applied_term: u64,
        /// The data.
        snapshot: engine::Snapshot,
        /// Gets the snapshot message; dropped without one if generating failed.
        notifier: SyncSender<Snapshot>,
    },
    /// Replace a region's data by that of the snapshot that its `RegionLocalState` (*Applying*) is waiting for.
    Apply {
        /// Which.
        region_id: RegionId,
        /// Progress, and the way to cancel.
        job: Arc<Job>,
    },
    /// Delete all data of `start_key..end_key`, which no region of this store holds any more.
    Destroy {
        /// Region that held it.
        region_id: RegionId,
        /// First key.
        start_key: Bytes,
        /// Key behind the last; empty: to the end.
        end_key: Bytes,
    },
    /// Delete snapshot files that nobody came for.
    DeleteStaleSnapshots {
        /// The time.
        now: Micros,
        /// Files not in use that have been there for so many milliseconds are stale.
        keep_ms: u64,
    },
}

impl std::fmt::Debug for RegionTask {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            RegionTask::Generate { region, .. } => write!(f, "Generate(region {})", region.id),
            RegionTask::Apply { region_id, .. } => write!(f, "Apply(region {region_id})"),
            RegionTask::Destroy { region_id, .. } => write!(f, "Destroy(region {region_id})"),
            RegionTask::DeleteStaleSnapshots { .. } => f.write_str("DeleteStaleSnapshots"),
        }
    }
}

/// How far a job of a worker has got.
///
/// ```text
///                start                finish
///   Pending ────────────► Running ────────────► Finished
///      │ cancel              │ │      fail
///      │              cancel │ └──────────────► Failed
///      ▼                     ▼
///   Cancelled ◄──────── Cancelling
///               worker
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum JobStatus {
    /// The worker has not seen it yet.
    Pending,
    /// The worker is at it.
    Running,
    /// It is to stop, and the worker is still at it.
    Cancelling,
    /// The worker does not, and will not, touch it.
    Cancelled,
    /// All is done, and durable.
    Finished,
    /// It cannot be done; the worker has stopped the store.
    Failed,
}

/// A job of a worker, shared by the worker and by whoever waits for it: see [`JobStatus`].
#[derive(Debug)]
pub struct Job(AtomicU8);

impl Default for Job {
    fn default() -> Job {
        Job(AtomicU8::new(JobStatus::Pending as u8))
    }
}

impl Job {
    const ALL: [JobStatus; 6] = [
        JobStatus::Pending,
        JobStatus::Running,
        JobStatus::Cancelling,
        JobStatus::Cancelled,
        JobStatus::Finished,
        JobStatus::Failed,
    ];

    /// Where it stands.
    pub fn status(&self) -> JobStatus {
        Job::ALL[usize::from(self.0.load(Ordering::Acquire))]
    }

    /// Worker: begins. Returns whether it may; it may not if the job was cancelled.
    pub fn start(&self) -> bool {
        self.change(JobStatus::Pending, JobStatus::Running)
    }

    /// Owner: asks for an end. Returns whether the worker is out of it for certain; if not, it soon will be.
    pub fn cancel(&self) -> bool {
        let in_time = self.change(JobStatus::Pending, JobStatus::Cancelled);
        in_time || (!self.change(JobStatus::Running, JobStatus::Cancelling) && self.is_over())
    }

    /// Worker: whether it is to stop.
    pub fn is_cancelling(&self) -> bool {
        self.status() == JobStatus::Cancelling
    }

    /// Worker: leaves the job, with what has come of it. An owner who has asked for an end reads *cancelled*.
    pub fn end(&self, result: JobStatus) {
        if !self.change(JobStatus::Running, result) {
            self.change(JobStatus::Cancelling, JobStatus::Cancelled);
        }
    }

    /// Whether the worker does not touch it any more.
    pub fn is_over(&self) -> bool {
        matches!(self.status(), JobStatus::Cancelled | JobStatus::Finished | JobStatus::Failed)
    }

    fn change(&self, from: JobStatus, to: JobStatus) -> bool {
        self.0.compare_exchange(from as u8, to as u8, Ordering::AcqRel, Ordering::Acquire).is_ok()
    }
}

/// For the raftlog-gc worker: delete entries. Syncs kvdb first, because the Raft log is its redo log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RaftLogGcTask {
    /// Which region.
    pub region_id: RegionId,
    /// First entry to keep. Entries that the durable truncated state does not cover are kept in any case.
    pub end_index: u64,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_job_that_has_not_begun_is_cancelled_at_once() {
        let job = Job::default();
        assert_eq!(job.status(), JobStatus::Pending);
        assert!(job.cancel());
        assert!(!job.start(), "the worker must not touch it");
        assert_eq!(job.status(), JobStatus::Cancelled);
        assert!(job.cancel(), "asking again changes nothing");
    }

    #[test]
    fn a_job_under_way_is_cancelled_by_its_worker() {
        for result in [JobStatus::Finished, JobStatus::Cancelled, JobStatus::Failed] {
            let job = Job::default();
            assert!(job.start());
            assert!(!job.cancel(), "the worker is still at it");
            assert!(job.is_cancelling());
            assert!(!job.cancel());
            job.end(result);
            assert_eq!(job.status(), JobStatus::Cancelled, "whatever came of it");
            assert!(job.cancel());
        }
    }

    #[test]
    fn a_job_that_is_over_stays_as_it_is() {
        for result in [JobStatus::Finished, JobStatus::Failed] {
            let job = Job::default();
            assert!(job.start());
            job.end(result);
            assert!(job.cancel(), "nobody touches it");
            assert_eq!(job.status(), result);
            assert!(!job.start());
            assert!(job.is_over());
        }
    }
}
