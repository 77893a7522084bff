//! The connection to one other store: opened when there is something to send, opened again after a break.

use std::collections::BTreeSet;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use proto::raft_serverpb::RaftMessage;
use rpc::tikvpb::tikv_client::TikvClient;
use tokio::sync::mpsc;
use tokio_stream::Stream;
use tonic::transport::{Channel, Endpoint};

use super::{Shared, peer_of};

/// Longest wait for a connection.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(1);
/// A silent connection is asked whether it is still alive so often, …
const KEEP_ALIVE_INTERVAL: Duration = Duration::from_secs(5);
/// … and given up if it does not answer for so long.
const KEEP_ALIVE_TIMEOUT: Duration = Duration::from_secs(3);
/// First wait after a failure.
const RECONNECT_MIN: Duration = Duration::from_millis(20);

/// Why a connection ended.
type Broken = String;

/// Sends what arrives in `queue` to `store_id`, until the transport is dropped.
pub(super) async fn run(shared: Arc<Shared>, store_id: u64, mut queue: mpsc::Receiver<RaftMessage>) {
    let mut wait = RECONNECT_MIN;
    while let Some(first) = queue.recv().await {
        let began = Instant::now();
        let target = connect(&shared, store_id).await;
        let broken = match target {
            Ok(channel) => {
                let (back, broken) = stream(&shared, channel, first, queue).await;
                queue = back;
                if queue.is_closed() {
                    return;
                }
                broken
            }
            Err(broken) => {
                lose(&shared, [first]);
                broken
            }
        };
        // Not after every connection: a store that accepts and then refuses would be called all the time.
        if began.elapsed() > shared.config.reconnect_max {
            wait = RECONNECT_MIN;
        }
        log::info!("store {store_id} cannot be reached: {broken}");
        shared.metrics.raft_breaks.add(1);
        // It may have moved.
        shared.resolver.forget(store_id);
        if let Some(store) = shared.store.get() {
            store.inbox.report_store_unreachable(store_id);
        }
        tokio::time::sleep(wait).await;
        wait = (wait * 2).min(shared.config.reconnect_max);
        // What piled up meanwhile is old news.
        let mut old = Vec::new();
        while let Ok(message) = queue.try_recv() {
            old.push(message);
        }
        lose(&shared, old);
    }
}

/// A connection to `store_id`, wherever it is now.
pub(super) async fn connect(shared: &Shared, store_id: u64) -> Result<Channel, Broken> {
    let address = shared.resolver.resolve(store_id).await.map_err(|error| error.to_string())?;
    let endpoint = Endpoint::from_shared(format!("http://{address}")).map_err(|error| error.to_string())?;
    let endpoint = endpoint
        .connect_timeout(CONNECT_TIMEOUT)
        .http2_keep_alive_interval(KEEP_ALIVE_INTERVAL)
        .keep_alive_timeout(KEEP_ALIVE_TIMEOUT)
        .keep_alive_while_idle(true);
    endpoint.connect().await.map_err(|error| format!("{address}: {error}"))
}

/// Sends `first` and what follows in `queue` for as long as the connection lasts, or the transport. Returns the queue.
async fn stream(
    shared: &Shared,
    channel: Channel,
    first: RaftMessage,
    queue: mpsc::Receiver<RaftMessage>,
) -> (mpsc::Receiver<RaftMessage>, Broken) {
    let source = Arc::new(Mutex::new(Source { first: Some(first), queue: Some(queue) }));
    let mut client = TikvClient::new(channel).max_encoding_message_size(shared.config.message_bytes_max);
    let broken = why(client.raft(Outgoing(source.clone())).await);
    let queue = lock(&source).queue.take();
    (queue.expect("nobody else takes it"), broken)
}

/// What a connection sends, taken from the queue by the task that writes to the socket: each further task in between would
/// cost a message a change of threads. Flow control of HTTP/2 reaches back to here, too: a connection that may not send takes
/// nothing, and the queue fills up.
struct Outgoing(Arc<Mutex<Source>>);

struct Source {
    first: Option<RaftMessage>,
    /// Taken away when the connection has ended, as whoever writes to the socket may live a little longer.
    queue: Option<mpsc::Receiver<RaftMessage>>,
}

impl Stream for Outgoing {
    type Item = RaftMessage;

    fn poll_next(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<RaftMessage>> {
        let mut source = lock(&self.0);
        match (source.first.take(), &mut source.queue) {
            (Some(first), _) => Poll::Ready(Some(first)),
            (None, Some(queue)) => queue.poll_recv(context),
            (None, None) => Poll::Ready(None),
        }
    }
}

fn lock(source: &Mutex<Source>) -> MutexGuard<'_, Source> {
    source.lock().unwrap_or_else(PoisonError::into_inner)
}

fn why<T>(ended: Result<T, tonic::Status>) -> Broken {
    ended.err().map_or_else(|| "it closed the stream".to_owned(), |status| status.message().to_owned())
}

/// Reports messages that will not arrive, each receiver once.
fn lose(shared: &Shared, lost: impl IntoIterator<Item = RaftMessage>) {
    let mut told = BTreeSet::new();
    for message in lost {
        shared.metrics.raft_dropped.add(1);
        if told.insert((message.region_id, peer_of(&message))) {
            shared.report_unreachable(&message);
        }
    }
}
