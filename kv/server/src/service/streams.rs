//! What other stores send.

use std::sync::Arc;
use std::time::Duration;

use kv::snap::SnapManager;
use proto::raft_serverpb::{Done, RaftMessage, SnapshotChunk};
use tonic::{Response, Status, Streaming};

use crate::metrics::Metrics;
use crate::stopping::Stopping;
use crate::transport::{RaftInbox, check_message, receive_snapshot};

/// Pauses while a mailbox is full, before its message is dropped.
const FULL_RETRIES: u32 = 5;
/// Length of such a pause.
const FULL_PAUSE: Duration = Duration::from_millis(1);

/// Takes messages and snapshots of other stores in.
pub struct RaftStreams {
    store_id: u64,
    inbox: Arc<dyn RaftInbox>,
    snapshots: SnapManager,
    metrics: Arc<Metrics>,
    stopping: Stopping,
}

impl RaftStreams {
    /// Streams into `inbox` and `snapshots`, for store `store_id`, until `stopping` says so.
    pub fn new(
        store_id: u64,
        inbox: Arc<dyn RaftInbox>,
        snapshots: SnapManager,
        metrics: Arc<Metrics>,
        stopping: Stopping,
    ) -> RaftStreams {
        RaftStreams { store_id, inbox, snapshots, metrics, stopping }
    }

    /// Takes messages until the sender ends the stream. One that makes no sense ends it at once: whoever sent that is not a
    /// store of ours, or not one for us.
    ///
    /// # Errors
    /// `FailedPrecondition` for a message for another store, `InvalidArgument` for one that makes no sense.
    pub(super) async fn raft(&self, mut messages: Streaming<RaftMessage>) -> Result<Response<Done>, Status> {
        loop {
            let message = tokio::select! {
                message = messages.message() => message?,
                () = self.stopping.wait() => {
                    return Err(Status::unavailable(format!("store {} stops", self.store_id)));
                }
            };
            let Some(message) = message else { return Ok(Response::new(Done {})) };
            check_message(&message, self.store_id)?;
            self.metrics.raft_received.add(1);
            self.deliver(message).await;
        }
    }

    /// A full mailbox holds the whole stream up for a moment: nothing more is read from the connection, and the sender's
    /// queue fills up. After that the message is dropped, so that one busy region does not hold up all others for long.
    async fn deliver(&self, message: RaftMessage) {
        let mut message = message;
        for _ in 0..FULL_RETRIES {
            match self.inbox.deliver(message) {
                Ok(()) => return,
                Err(back) => message = *back,
            }
            tokio::time::sleep(FULL_PAUSE).await;
        }
        self.metrics.raft_dropped.add(1);
    }

    /// Takes one snapshot, and delivers its message once the file is safe.
    ///
    /// # Errors
    /// See [`receive_snapshot`].
    pub(super) async fn snapshot(&self, chunks: Streaming<SnapshotChunk>) -> Result<Response<Done>, Status> {
        let message = receive_snapshot(&self.snapshots, self.store_id, chunks).await?;
        self.metrics.snapshots_received.add(1);
        self.deliver(message).await;
        Ok(Response::new(Done {}))
    }
}
