//! The scheduler over real gRPC on loopback: what clients and stores rely on.

#![allow(clippy::unwrap_used)]

use std::path::Path;

use proto::metapb::{Peer, Region, Store};
use proto::pdpb::*;
use rpc::pdpb::pd_client::PdClient;
use scheduler_server::server::{self, Options, Running};
use tonic::Code;
use tonic::transport::Channel;

struct Client {
    pd: PdClient<Channel>,
    header: Option<RequestHeader>,
}

async fn start(path: &Path, replicas: usize) -> (Running, Client) {
    let addr = "127.0.0.1:0".to_owned();
    let options = Options { addr, advertise_addr: None, path: path.to_owned(), replicas };
    let running = server::start(options).await.unwrap();
    let mut pd = PdClient::connect(format!("http://{}", running.addr)).await.unwrap();
    let members = pd.get_members(GetMembersRequest { header: None }).await.unwrap().into_inner();
    assert_eq!(members.leader.unwrap().client_urls, [format!("http://{}", running.addr)]);
    let cluster_id = members.header.unwrap().cluster_id;
    (running, Client { pd, header: Some(RequestHeader { cluster_id }) })
}

impl Client {
    async fn timestamp(&mut self, count: u32) -> u64 {
        let request = TsoRequest { header: self.header, count };
        let mut answers = self.pd.tso(tokio_stream::once(request)).await.unwrap().into_inner();
        let answer = answers.message().await.unwrap().unwrap();
        assert_eq!(answer.count, count);
        let timestamp = answer.timestamp.unwrap();
        ((timestamp.physical as u64) << 18) + timestamp.logical as u64
    }

    async fn register(&mut self, address: &str) -> u64 {
        let id = self.pd.alloc_id(AllocIdRequest { header: self.header }).await.unwrap().into_inner().id;
        let store = Store { id, address: address.to_owned(), ..Store::default() };
        let answer =
            self.pd.put_store(PutStoreRequest { header: self.header, store: Some(store) }).await.unwrap();
        assert_eq!(answer.into_inner().header.unwrap().error, None);
        id
    }

    async fn region(&mut self, key: &str) -> GetRegionResponse {
        let request = GetRegionRequest { header: self.header, region_key: key.to_owned().into() };
        self.pd.get_region(request).await.unwrap().into_inner()
    }

    async fn heartbeat(&mut self, region: Region, leader: Peer, term: u64) -> RegionHeartbeatResponse {
        let request = RegionHeartbeatRequest {
            header: self.header,
            region: Some(region),
            leader: Some(leader),
            term,
            ..RegionHeartbeatRequest::default()
        };
        let mut answers = self.pd.region_heartbeat(tokio_stream::once(request)).await.unwrap().into_inner();
        answers.message().await.unwrap().unwrap()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn three_stores_get_the_same_first_region_and_its_leader_is_found() {
    let dir = tempfile::tempdir().unwrap();
    let (running, mut client) = start(dir.path(), 3).await;
    client.register("127.0.0.1:1").await;
    let early = client.region("k").await;
    let error = early.header.unwrap().error.unwrap();
    assert_eq!(error.r#type(), ErrorType::NotBootstrapped);
    assert_eq!(error.message, "the cluster is not ready: 1 of 3 stores have registered");
    client.register("127.0.0.1:2").await;
    client.register("127.0.0.1:3").await;
    let region = client.region("k").await.region.unwrap();
    assert_eq!(region.peers.len(), 3);
    let told = client.heartbeat(region.clone(), region.peers[2], 6).await;
    assert_eq!((told.region_id, told.header.unwrap().error), (region.id, None));
    assert_eq!(client.region("k").await.leader, Some(region.peers[2]));
    let stale = client.heartbeat(region.clone(), region.peers[0], 5).await;
    assert!(stale.header.unwrap().error.unwrap().message.contains("stale"));
    let scan = ScanRegionsRequest { header: client.header, limit: 0, ..ScanRegionsRequest::default() };
    let found = client.pd.scan_regions(scan).await.unwrap().into_inner();
    assert_eq!((found.region_metas.len(), found.leaders.len(), found.regions.len()), (1, 1, 1));
    running.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_for_another_cluster_are_refused() {
    let dir = tempfile::tempdir().unwrap();
    let (running, mut client) = start(dir.path(), 1).await;
    for header in [None, Some(RequestHeader { cluster_id: 1 })] {
        let refused = client.pd.alloc_id(AllocIdRequest { header }).await.unwrap_err();
        assert_eq!(refused.code(), Code::FailedPrecondition);
        let mut answers =
            client.pd.tso(tokio_stream::once(TsoRequest { header, count: 1 })).await.unwrap().into_inner();
        assert_eq!(answers.message().await.unwrap_err().code(), Code::FailedPrecondition);
    }
    running.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_built_says_so() {
    let dir = tempfile::tempdir().unwrap();
    let (running, mut client) = start(dir.path(), 1).await;
    let refused = client.pd.ask_split(AskSplitRequest::default()).await.unwrap_err();
    assert_eq!(
        (refused.code(), refused.message()),
        (Code::Unimplemented, "splitting regions is not built yet")
    );
    let refused = client.pd.tso(tokio_stream::once(TsoRequest { header: client.header, count: 0 })).await;
    let refused = refused.unwrap().into_inner().message().await.unwrap_err();
    assert_eq!(refused.code(), Code::InvalidArgument);
    running.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn restarts_repeat_no_id_and_no_timestamp() {
    let dir = tempfile::tempdir().unwrap();
    let (mut ids, mut last, mut cluster) = (Vec::new(), 0, None);
    for round in 0..4 {
        let (running, mut client) = start(dir.path(), 1).await;
        assert_eq!(*cluster.get_or_insert(client.header), client.header, "the cluster id is for ever");
        for count in [1, 1000, 5] {
            let version = client.timestamp(count).await;
            assert!(version - u64::from(count) >= last, "round {round}: {version} after {last}");
            last = version;
        }
        ids.push(client.register(&format!("127.0.0.1:{}", 10 + round)).await);
        assert_eq!(client.region("").await.region.unwrap().peers.len(), 1);
        drop(client);
        running.stop().await.unwrap();
    }
    let mut distinct = ids.clone();
    distinct.sort_unstable();
    distinct.dedup();
    assert_eq!(distinct.len(), ids.len(), "{ids:?}");
}
