//! Snapshots between stores: first the message, then its file in pieces; the receiver checks the whole before it delivers the
//! message. Each on a connection of its own. How many may go on at once is up to the [`SnapManager`].

use std::sync::Arc;

use bytes::Bytes;
use kv::snap::{SnapKey, SnapManager, SnapSender};
use proto::eraftpb::Snapshot;
use proto::raft_serverpb::{RaftMessage, SnapshotChunk};
use raft::SnapshotStatus;
use rpc::tikvpb::tikv_client::TikvClient;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Status, Streaming};

use super::{Shared, check_message, connection, store_of};

/// Pieces read from the disk before they are sent. Flow control of HTTP/2 reaches back to the file through this.
const CHUNKS_AHEAD: usize = 2;

/// Sends a snapshot message with its file, and reports how it went.
pub(super) async fn send(shared: Arc<Shared>, message: RaftMessage) {
    let status = match try_send(&shared, &message).await {
        Ok(()) => {
            shared.metrics.snapshots_sent.add(1);
            SnapshotStatus::Finish
        }
        Err(why) => {
            log::warn!("snapshot of region {} for store {}: {why}", message.region_id, store_of(&message));
            shared.metrics.snapshots_failed.add(1);
            SnapshotStatus::Failure
        }
    };
    shared.report_snapshot(&message, status);
}

async fn try_send(shared: &Shared, message: &RaftMessage) -> Result<(), String> {
    let store = shared.store.get().ok_or("the store has not started")?;
    let key =
        SnapKey::of(snapshot_of(message).ok_or("there is none in it")?).map_err(|error| error.to_string())?;
    let file = store.snapshots.open_for_sending(&key).map_err(|error| error.to_string())?;
    let store_id = store_of(message);
    let channel =
        connection::connect(shared, store_id).await.inspect_err(|_| shared.resolver.forget(store_id))?;
    let (chunks, receiver) = mpsc::channel(CHUNKS_AHEAD);
    let first = SnapshotChunk { message: Some(message.clone()), data: Bytes::new() };
    let reading = tokio::task::spawn_blocking({
        let chunk_bytes = shared.config.chunk_bytes;
        move || read_chunks(file, first, chunk_bytes, &chunks)
    });
    let mut client = TikvClient::new(channel).max_encoding_message_size(shared.config.message_bytes_max);
    let sent = client.snapshot(ReceiverStream::new(receiver)).await;
    // A receiver that gave up has dropped the stream, which ends the reading.
    let read = reading.await.map_err(|error| error.to_string())?;
    sent.map_err(|status| status.message().to_owned())?;
    read
}

/// Reads the file into `chunks`. Ends early, without an error, if nobody takes them any more: the call knows why.
fn read_chunks(
    mut file: SnapSender,
    first: SnapshotChunk,
    chunk_bytes: usize,
    chunks: &mpsc::Sender<SnapshotChunk>,
) -> Result<(), String> {
    let mut next = Some(first);
    while let Some(chunk) = next {
        if chunks.blocking_send(chunk).is_err() {
            return Ok(());
        }
        let data = file.next_chunk(chunk_bytes).map_err(|error| error.to_string())?;
        next = data.map(|data| SnapshotChunk { message: None, data });
    }
    Ok(())
}

/// Takes a snapshot in. Returns its message once the file is whole, checked and safe on disk. Whatever goes wrong before that
/// leaves no file behind.
///
/// # Errors
/// `ResourceExhausted` if too many are on their way already, or the disk is full; `InvalidArgument` for what is no snapshot;
/// `DataLoss` for one that is cut off or damaged.
pub async fn receive(
    snapshots: &SnapManager,
    store_id: u64,
    mut chunks: Streaming<SnapshotChunk>,
) -> Result<RaftMessage, Status> {
    let first = chunks.message().await?;
    let message = first.and_then(|chunk| chunk.message);
    let message = message.ok_or_else(|| Status::invalid_argument("a snapshot begins with its message"))?;
    check_message(&message, store_id)?;
    let snapshot = snapshot_of(&message)
        .ok_or_else(|| Status::invalid_argument("the message of a snapshot stream carries no snapshot"))?;
    let mut file = snapshots.begin_receiving(snapshot).map_err(|error| status(&error))?;
    while let Some(chunk) = chunks.message().await? {
        tokio::task::block_in_place(|| file.append(&chunk.data)).map_err(|error| status(&error))?;
    }
    tokio::task::block_in_place(|| file.finish()).map_err(|error| status(&error))?;
    Ok(message)
}

fn snapshot_of(message: &RaftMessage) -> Option<&Snapshot> {
    message.message.as_ref()?.snapshot.as_ref()
}

fn status(error: &kv::snap::Error) -> Status {
    use kv::snap::Error;
    let why = error.to_string();
    match error {
        Error::TooMany(_) | Error::Full { .. } | Error::InUse(_) => Status::resource_exhausted(why),
        Error::Malformed(_) => Status::invalid_argument(why),
        Error::Corrupt { .. } => Status::data_loss(why),
        _ => Status::internal(why),
    }
}
