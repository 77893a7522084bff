//! One store without Raft over real gRPC: what clients may send, and what they are told when it makes no sense.

#![allow(clippy::unwrap_used)]

mod support;

use std::sync::{Arc, Mutex};
use std::time::Duration;

use kv::service::RawService;
use kv::storage::{Callback, Modify, Reader, Storage};
use proto::kvrpcpb::*;
use proto::raft_serverpb::RaftMessage;
use rpc::tikvpb::tikv_client::TikvClient;
use rpc::tikvpb::tikv_server::TikvServer;
use server::metrics::Metrics;
use server::service::Service;
use support::{http, standalone};
use tokio_stream::wrappers::TcpListenerStream;
use tonic::transport::Channel;
use tonic::{Code, Request};

async fn connect(running: &server::server::Running) -> TikvClient<Channel> {
    TikvClient::connect(format!("http://{}", running.addr)).await.unwrap()
}

fn put(key: &str, value: &str) -> RawPutRequest {
    RawPutRequest { key: key.to_owned().into(), value: value.to_owned().into(), ..RawPutRequest::default() }
}

fn get(key: &str) -> RawGetRequest {
    RawGetRequest { key: key.to_owned().into(), ..RawGetRequest::default() }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_acknowledged_is_there_after_a_restart() {
    let dir = tempfile::tempdir().unwrap();
    for round in 0..3 {
        let running = server::server::start(standalone(dir.path())).await.unwrap();
        let mut client = connect(&running).await;
        for earlier in 0..round {
            let found = client.raw_get(get(&format!("k{earlier}"))).await.unwrap().into_inner();
            assert_eq!(found.value, format!("v{earlier}"));
        }
        let answer = client.raw_put(put(&format!("k{round}"), &format!("v{round}"))).await.unwrap();
        assert_eq!(answer.into_inner(), RawPutResponse::default());
        drop(client);
        running.stop().await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn column_families_scans_and_swaps() {
    let dir = tempfile::tempdir().unwrap();
    let running = server::server::start(standalone(dir.path())).await.unwrap();
    let mut client = connect(&running).await;
    for (cf, value) in [("", "d"), ("lock", "l"), ("write", "w")] {
        client.raw_put(RawPutRequest { cf: cf.to_owned(), ..put("k", value) }).await.unwrap();
    }
    for (cf, value) in [("default", "d"), ("lock", "l"), ("write", "w")] {
        let found =
            client.raw_get(RawGetRequest { cf: cf.to_owned(), ..get("k") }).await.unwrap().into_inner();
        assert_eq!((found.value, found.not_found), (value.to_owned().into(), false));
    }
    assert!(client.raw_get(get("none")).await.unwrap().into_inner().not_found);
    for key in ["a", "b", "c", "d"] {
        client.raw_put(put(key, key)).await.unwrap();
    }
    let scan =
        RawScanRequest { start_key: "b".into(), end_key: "d".into(), limit: 10, ..RawScanRequest::default() };
    let keys = |answer: RawScanResponse| answer.kvs.into_iter().map(|pair| pair.key).collect::<Vec<_>>();
    assert_eq!(keys(client.raw_scan(scan.clone()).await.unwrap().into_inner()), ["b", "c"]);
    let back = RawScanRequest { start_key: "d".into(), end_key: "b".into(), reverse: true, ..scan };
    assert_eq!(keys(client.raw_scan(back).await.unwrap().into_inner()), ["c", "b"]);
    let swap = RawCasRequest {
        key: "a".into(),
        previous_value: "a".into(),
        value: "A".into(),
        ..RawCasRequest::default()
    };
    assert!(client.raw_compare_and_swap(swap.clone()).await.unwrap().into_inner().succeed);
    let again = client.raw_compare_and_swap(swap).await.unwrap().into_inner();
    assert_eq!((again.succeed, again.previous_value), (false, "A".into()));
    running.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn wrong_requests_are_answered_and_change_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let running = server::server::start(standalone(dir.path())).await.unwrap();
    let mut client = connect(&running).await;
    let told = client.raw_put(put("", "v")).await.unwrap().into_inner().error;
    assert_eq!(told, "the key is empty");
    let told = client.raw_put(put(&"k".repeat(65_536), "v")).await.unwrap().into_inner().error;
    assert!(told.contains("65536 bytes"), "{told}");
    let unknown = RawPutRequest { cf: "raft".to_owned(), ..put("k", "v") };
    let told = client.raw_put(unknown).await.unwrap().into_inner().error;
    assert!(told.contains("choose default, lock or write"), "{told}");
    let told = client.raw_put(RawPutRequest { ttl: 5, ..put("k", "v") }).await.unwrap().into_inner().error;
    assert!(told.contains("time to live"), "{told}");
    for limit in [0, 10_241, u32::MAX] {
        let refused =
            client.raw_scan(RawScanRequest { limit, ..RawScanRequest::default() }).await.unwrap_err();
        assert_eq!(refused.code(), Code::InvalidArgument);
        assert!(refused.message().contains("between 1 and 10240"), "{}", refused.message());
    }
    let scan = RawScanRequest { limit: 10, ..RawScanRequest::default() };
    assert_eq!(client.raw_scan(scan).await.unwrap().into_inner().kvs, []);
    running.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_built_or_not_here_says_so() {
    let dir = tempfile::tempdir().unwrap();
    let running = server::server::start(standalone(dir.path())).await.unwrap();
    let mut client = connect(&running).await;
    let refused = client.kv_get(GetRequest::default()).await.unwrap_err();
    assert_eq!(refused.code(), Code::Unimplemented);
    assert!(refused.message().contains("transactions"), "{}", refused.message());
    let refused = client.raft(tokio_stream::once(RaftMessage::default())).await.unwrap_err();
    assert_eq!(refused.code(), Code::FailedPrecondition);
    running.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn too_long_requests_are_refused_before_they_are_read() {
    let dir = tempfile::tempdir().unwrap();
    let mut config = standalone(dir.path());
    config.raftstore.raft_entry_bytes_max = 1 << 10;
    config.raftstore.raft_message_bytes_max = 1 << 10;
    config.server.snapshot_chunk_bytes = 1 << 10;
    config.server.request_bytes_max = 1 << 17;
    let running = server::server::start(config).await.unwrap();
    let mut client = connect(&running).await;
    client.raw_put(put("fits", &"v".repeat(100_000))).await.unwrap();
    let refused = client.raw_put(put("k", &"v".repeat(200_000))).await.unwrap_err();
    assert_eq!(refused.code(), Code::OutOfRange, "{}", refused.message());
    assert!(client.raw_get(get("k")).await.unwrap().into_inner().not_found);
    running.stop().await.unwrap();
}

/// A storage that never answers, as one whose region has lost its quorum.
#[derive(Default)]
struct Silent(Mutex<Vec<Callback<Box<dyn Reader>>>>);

impl Storage for Silent {
    fn async_snapshot(&self, _: &Context, callback: Callback<Box<dyn Reader>>) {
        self.0.lock().unwrap().push(callback);
    }

    // A callback that is dropped is an answer, too.
    fn async_write(&self, _: &Context, _: u64, _: Vec<Modify>, _: Callback<()>) {}
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_without_an_answer_are_given_up() {
    let raw = RawService::new(Arc::new(Silent::default()));
    let metrics = Arc::new(Metrics::default());
    let service = Service::new(raw, None, metrics.clone(), Duration::from_millis(200));
    let listener = tokio::net::TcpListener::bind(support::ANY_PORT).await.unwrap();
    let addr = listener.local_addr().unwrap();
    let server = tonic::transport::Server::builder().add_service(TikvServer::new(service));
    let server = tokio::spawn(server.serve_with_incoming(TcpListenerStream::new(listener)));
    let mut client = TikvClient::connect(format!("http://{addr}")).await.unwrap();
    let refused = client.raw_get(get("k")).await.unwrap_err();
    assert_eq!(refused.code(), Code::DeadlineExceeded);
    assert_eq!(metrics.of("RawGet").errors.get(), 1);
    let refused = client.raw_put(put("k", "v")).await.unwrap_err();
    assert_eq!(refused.code(), Code::Unavailable);
    assert!(refused.message().contains("unknown"), "{}", refused.message());
    // The client is less patient than the server.
    let mut request = Request::new(get("k"));
    request.set_timeout(Duration::from_millis(20));
    let refused = client.raw_get(request).await.unwrap_err();
    assert!(matches!(refused.code(), Code::Cancelled | Code::DeadlineExceeded), "{refused}");
    server.abort();
}

#[tokio::test(flavor = "multi_thread")]
async fn garbage_on_the_port_harms_nobody() {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let dir = tempfile::tempdir().unwrap();
    let running = server::server::start(standalone(dir.path())).await.unwrap();
    let garbage: Vec<u8> = (0..4096u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
    for preface in [&b""[..], b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"] {
        let mut socket = tokio::net::TcpStream::connect(running.addr).await.unwrap();
        socket.write_all(preface).await.unwrap();
        // The server may hang up while this is on its way.
        drop(socket.write_all(&garbage).await);
        drop(socket.shutdown().await);
        drop(socket.read_to_end(&mut Vec::new()).await);
    }
    connect(&running).await.raw_put(put("k", "v")).await.unwrap();
    running.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn the_status_pages_tell_what_happened() {
    let dir = tempfile::tempdir().unwrap();
    let running = server::server::start(standalone(dir.path())).await.unwrap();
    connect(&running).await.raw_put(put("k", "v")).await.unwrap();
    let addr = running.status_addr.unwrap();
    let (status, body) = http(addr, "/metrics").await;
    assert_eq!(status, 200);
    assert!(body.contains("tinykv_request_seconds_count{rpc=\"RawPut\"} 1"), "{body}");
    assert_eq!(http(addr, "/healthz").await, (200, "serving\n".to_owned()));
    let (status, body) = http(addr, "/").await;
    assert_eq!(status, 200);
    assert!(body.contains("RawPut") && body.ends_with("</html>"), "{body}");
    assert_eq!(http(addr, "/none").await.0, 404);
    running.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_directory_or_an_address_in_use_is_refused_with_what_to_do() {
    let (dir, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let running = server::server::start(standalone(dir.path())).await.unwrap();
    let refused = format!("{:#}", server::server::start(standalone(dir.path())).await.err().unwrap());
    assert!(refused.contains("in use by another process"), "{refused}");
    let mut config = standalone(other.path());
    config.server.addr = running.addr.to_string();
    let refused = format!("{:#}", server::server::start(config).await.err().unwrap());
    assert!(refused.contains("choose another addr"), "{refused}");
    running.stop().await.unwrap();
}
