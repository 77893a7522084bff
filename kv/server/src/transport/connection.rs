//! The connection to one other store: opened when there is something to send, opened again after a break.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use proto::raft_serverpb::RaftMessage;
use rpc::tikvpb::tikv_client::TikvClient;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
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
/// Messages between the queue and the socket. Few, so that the queue is where messages wait.
const IN_FLIGHT: usize = 128;

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
                let Some(broken) = stream(&shared, channel, first, &mut queue).await else { return };
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

/// Sends `first` and what follows in `queue`. `None` if the transport was dropped.
async fn stream(
    shared: &Shared,
    channel: Channel,
    first: RaftMessage,
    queue: &mut mpsc::Receiver<RaftMessage>,
) -> Option<Broken> {
    let (sender, receiver) = mpsc::channel(IN_FLIGHT);
    let mut client = TikvClient::new(channel).max_encoding_message_size(shared.config.message_bytes_max);
    let call = client.raft(ReceiverStream::new(receiver));
    tokio::pin!(call);
    let mut next = Some(first);
    loop {
        // Flow control of HTTP/2 reaches back to here: no permit, nothing taken from the queue, and it fills up.
        let permit = tokio::select! {
            ended = &mut call => return Some(why(ended)),
            permit = sender.reserve() => permit,
        };
        let Ok(permit) = permit else { return Some(why(call.await)) };
        let message = match next.take() {
            Some(message) => message,
            None => tokio::select! {
                ended = &mut call => return Some(why(ended)),
                message = queue.recv() => message?,
            },
        };
        permit.send(message);
    }
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
