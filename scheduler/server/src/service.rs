//! The service `pdpb.PD`: each request goes to the core, what the core decided goes to the disk, and then the answer leaves.

use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

use proto::metapb::{self, Peer};
use proto::pdpb::*;
use rpc::pdpb::pd_server::Pd;
use scheduler::regions::RegionInfo;
use scheduler::{Cluster, Error};
use tokio_stream::wrappers::ReceiverStream;
use tokio_stream::{Stream, StreamExt};
use tonic::{Request, Response, Status, Streaming};

use crate::disk::Disk;

/// Answers to a stream that may wait for a slow client.
const STREAM_BUFFER: usize = 64;
/// Most regions in one answer.
const SCAN_LIMIT: usize = 1024;

/// Serves one cluster. Cheap to clone.
#[derive(Clone)]
pub struct Service {
    inner: Arc<Inner>,
}

struct Inner {
    state: Mutex<State>,
    cluster_id: u64,
    /// Address that clients are told to use.
    address: String,
    on_fatal: tokio::sync::mpsc::UnboundedSender<anyhow::Error>,
}

struct State {
    cluster: Cluster,
    disk: Disk,
}

impl Service {
    /// Serves `cluster`, which `disk` holds, and tells clients to find it at `address`. What makes going on impossible is
    /// told to `on_fatal`.
    pub fn new(
        cluster: Cluster,
        disk: Disk,
        address: String,
        on_fatal: tokio::sync::mpsc::UnboundedSender<anyhow::Error>,
    ) -> Service {
        let cluster_id = cluster.config().cluster_id;
        Service {
            inner: Arc::new(Inner {
                state: Mutex::new(State { cluster, disk }),
                cluster_id,
                address,
                on_fatal,
            }),
        }
    }

    /// Asks the core, and makes safe what it decided, before the answer can leave. Requests take turns: each needs
    /// microseconds, but for the few that wait for the disk.
    fn ask<T>(&self, question: impl FnOnce(&mut Cluster) -> T) -> Result<T, Status> {
        tokio::task::block_in_place(|| {
            let mut state = self.inner.state.lock().unwrap_or_else(PoisonError::into_inner);
            let answer = question(&mut state.cluster);
            let changes = state.cluster.take_changes();
            state.disk.write(changes).map_err(|error| {
                let status = Status::internal(format!("the scheduler stops: {error:#}"));
                drop(self.inner.on_fatal.send(error));
                status
            })?;
            Ok(answer)
        })
    }

    fn check(&self, header: Option<&RequestHeader>) -> Result<(), Status> {
        let (asked, own) = (header.map_or(0, |header| header.cluster_id), self.inner.cluster_id);
        if asked == own {
            return Ok(());
        }
        Err(Status::failed_precondition(format!(
            "this is cluster {own}, and the request is for cluster {asked}: look up the scheduler's address, or GetMembers"
        )))
    }

    fn header(&self) -> Option<ResponseHeader> {
        Some(ResponseHeader { cluster_id: self.inner.cluster_id, error: None })
    }

    /// The header that tells what went wrong.
    fn refusal(&self, error: &Error) -> Option<ResponseHeader> {
        let kind = match error {
            Error::NotBootstrapped { .. } => ErrorType::NotBootstrapped,
            Error::RegionNotFound(_) => ErrorType::RegionNotFound,
            Error::StoreTombstone(_) => ErrorType::StoreTombstone,
            _ => ErrorType::Unknown,
        };
        let error = proto::pdpb::Error { r#type: kind.into(), message: error.to_string() };
        Some(ResponseHeader { cluster_id: self.inner.cluster_id, error: Some(error) })
    }

    fn header_of<T>(&self, answer: &scheduler::Result<T>) -> Option<ResponseHeader> {
        answer.as_ref().map_or_else(|error| self.refusal(error), |_| self.header())
    }

    fn region(
        &self,
        question: impl FnOnce(&Cluster) -> scheduler::Result<&RegionInfo>,
    ) -> Result<Response<GetRegionResponse>, Status> {
        let answer = self.ask(|cluster| question(cluster).cloned())?;
        let header = self.header_of(&answer);
        let info = answer.ok();
        let leader = info.as_ref().and_then(|info| info.leader);
        Ok(Response::new(GetRegionResponse { header, region: info.map(|info| info.region), leader }))
    }

    fn answer_tso(&self, request: &TsoRequest) -> Result<TsoResponse, Status> {
        self.check(request.header.as_ref())?;
        let now = now_ms();
        let given = self.ask(|cluster| cluster.timestamp(request.count, now))?;
        let timestamp = given.map_err(|error| Status::invalid_argument(error.to_string()))?;
        Ok(TsoResponse { header: self.header(), count: request.count, timestamp: Some(timestamp) })
    }

    fn answer_heartbeat(&self, request: RegionHeartbeatRequest) -> Result<RegionHeartbeatResponse, Status> {
        self.check(request.header.as_ref())?;
        let (region, leader) = (request.region.unwrap_or_default(), request.leader.unwrap_or_default());
        let (region_id, region_epoch) = (region.id, region.region_epoch);
        let answer = self.ask(|cluster| cluster.region_heartbeat(region, leader, request.term))?;
        if let Err(error) = &answer {
            log::info!("{error}");
        }
        let header = self.header_of(&answer);
        Ok(RegionHeartbeatResponse {
            header,
            region_id,
            region_epoch,
            target_peer: Some(leader),
            ..RegionHeartbeatResponse::default()
        })
    }

    /// Answers each request of a stream in order; the first refusal ends it.
    fn stream<Q, A>(
        &self,
        mut requests: Streaming<Q>,
        answer: impl Fn(&Service, Q) -> Result<A, Status> + Send + Sync + 'static,
    ) -> Response<Answers<A>>
    where
        Q: Send + 'static,
        A: Send + 'static,
    {
        let (answers, receiver) = tokio::sync::mpsc::channel(STREAM_BUFFER);
        let service = self.clone();
        tokio::spawn(async move {
            while let Some(Ok(request)) = requests.next().await {
                let answer = answer(&service, request);
                let is_last = answer.is_err();
                if answers.send(answer).await.is_err() || is_last {
                    return;
                }
            }
        });
        Response::new(Box::pin(ReceiverStream::new(receiver)))
    }
}

type Answers<T> = Pin<Box<dyn Stream<Item = Result<T, Status>> + Send>>;

/// The machine's clock, in milliseconds since 1970.
fn now_ms() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_millis() as u64)
}

fn not_built(what: &str) -> Status {
    Status::unimplemented(format!("{what} is not built yet"))
}

#[tonic::async_trait]
impl Pd for Service {
    // Clients learn the cluster id from this, so they cannot send it.
    async fn get_members(
        &self,
        _: Request<GetMembersRequest>,
    ) -> Result<Response<GetMembersResponse>, Status> {
        let url = vec![format!("http://{}", self.inner.address)];
        let member = Member {
            name: "scheduler".to_owned(),
            member_id: 1,
            peer_urls: url.clone(),
            client_urls: url,
            leader_priority: 0,
        };
        Ok(Response::new(GetMembersResponse {
            header: self.header(),
            members: vec![member.clone()],
            leader: Some(member.clone()),
            etcd_leader: Some(member),
        }))
    }

    type TsoStream = Answers<TsoResponse>;
    async fn tso(
        &self,
        request: Request<Streaming<TsoRequest>>,
    ) -> Result<Response<Self::TsoStream>, Status> {
        Ok(self.stream(request.into_inner(), |service, request| service.answer_tso(&request)))
    }

    async fn get_store(
        &self,
        request: Request<GetStoreRequest>,
    ) -> Result<Response<GetStoreResponse>, Status> {
        let request = request.into_inner();
        self.check(request.header.as_ref())?;
        let found = self.ask(|cluster| {
            cluster.store(request.store_id).map(|(store, stats)| (store.clone(), stats.cloned()))
        })?;
        let header = self.header_of(&found);
        let (store, stats) = found.ok().unzip();
        Ok(Response::new(GetStoreResponse { header, store, stats: stats.flatten() }))
    }

    async fn get_all_stores(
        &self,
        request: Request<GetAllStoresRequest>,
    ) -> Result<Response<GetAllStoresResponse>, Status> {
        let request = request.into_inner();
        self.check(request.header.as_ref())?;
        let with_tombstones = !request.exclude_tombstone_stores;
        let stores =
            self.ask(|cluster| cluster.stores(with_tombstones).cloned().collect::<Vec<metapb::Store>>())?;
        Ok(Response::new(GetAllStoresResponse { header: self.header(), stores }))
    }

    async fn get_region(
        &self,
        request: Request<GetRegionRequest>,
    ) -> Result<Response<GetRegionResponse>, Status> {
        let request = request.into_inner();
        self.check(request.header.as_ref())?;
        self.region(|cluster| cluster.region_at(&request.region_key))
    }

    async fn get_prev_region(
        &self,
        request: Request<GetRegionRequest>,
    ) -> Result<Response<GetRegionResponse>, Status> {
        let request = request.into_inner();
        self.check(request.header.as_ref())?;
        self.region(|cluster| cluster.region_before(&request.region_key))
    }

    async fn get_region_by_id(
        &self,
        request: Request<GetRegionByIdRequest>,
    ) -> Result<Response<GetRegionResponse>, Status> {
        let request = request.into_inner();
        self.check(request.header.as_ref())?;
        self.region(|cluster| cluster.region(request.region_id))
    }

    async fn scan_regions(
        &self,
        request: Request<ScanRegionsRequest>,
    ) -> Result<Response<ScanRegionsResponse>, Status> {
        let request = request.into_inner();
        self.check(request.header.as_ref())?;
        // As PD does: no limit, or a negative one, means as many as an answer may hold.
        let limit = usize::try_from(request.limit)
            .ok()
            .filter(|limit| *limit > 0)
            .unwrap_or(SCAN_LIMIT)
            .min(SCAN_LIMIT);
        let found = self.ask(|cluster| {
            let found = cluster.scan_regions(&request.start_key, &request.end_key, limit)?;
            Ok(found.into_iter().cloned().collect::<Vec<RegionInfo>>())
        })?;
        let header = self.header_of(&found);
        let found = found.unwrap_or_default();
        Ok(Response::new(ScanRegionsResponse {
            header,
            region_metas: found.iter().map(|info| info.region.clone()).collect(),
            // One for each region, in the same order: an unknown leader is an empty peer.
            leaders: found.iter().map(|info| info.leader.unwrap_or(Peer::default())).collect(),
            regions: found
                .into_iter()
                .map(|info| Region { region: Some(info.region), leader: info.leader })
                .collect(),
        }))
    }

    async fn get_gc_safe_point(
        &self,
        request: Request<GetGcSafePointRequest>,
    ) -> Result<Response<GetGcSafePointResponse>, Status> {
        self.check(request.into_inner().header.as_ref())?;
        let safe_point = self.ask(|cluster| cluster.gc_safe_point())?;
        Ok(Response::new(GetGcSafePointResponse { header: self.header(), safe_point }))
    }

    async fn update_gc_safe_point(
        &self,
        request: Request<UpdateGcSafePointRequest>,
    ) -> Result<Response<UpdateGcSafePointResponse>, Status> {
        let request = request.into_inner();
        self.check(request.header.as_ref())?;
        let new_safe_point = self.ask(|cluster| cluster.update_gc_safe_point(request.safe_point))?;
        Ok(Response::new(UpdateGcSafePointResponse { header: self.header(), new_safe_point }))
    }

    async fn bootstrap(&self, _: Request<BootstrapRequest>) -> Result<Response<BootstrapResponse>, Status> {
        Err(Status::unimplemented(
            "a cluster bootstraps itself: register stores with PutStore, then ask GetRegion",
        ))
    }

    async fn is_bootstrapped(
        &self,
        request: Request<IsBootstrappedRequest>,
    ) -> Result<Response<IsBootstrappedResponse>, Status> {
        self.check(request.into_inner().header.as_ref())?;
        let bootstrapped = self.ask(|cluster| cluster.is_bootstrapped())?;
        Ok(Response::new(IsBootstrappedResponse { header: self.header(), bootstrapped }))
    }

    async fn alloc_id(&self, request: Request<AllocIdRequest>) -> Result<Response<AllocIdResponse>, Status> {
        self.check(request.into_inner().header.as_ref())?;
        let id = self.ask(Cluster::alloc_id)?;
        Ok(Response::new(AllocIdResponse { header: self.header(), id }))
    }

    async fn put_store(
        &self,
        request: Request<PutStoreRequest>,
    ) -> Result<Response<PutStoreResponse>, Status> {
        let request = request.into_inner();
        self.check(request.header.as_ref())?;
        let store = request.store.unwrap_or_default();
        log::info!("store {} registers with address {}", store.id, store.address);
        let answer = self.ask(|cluster| cluster.put_store(store))?;
        Ok(Response::new(PutStoreResponse { header: self.header_of(&answer) }))
    }

    async fn store_heartbeat(
        &self,
        request: Request<StoreHeartbeatRequest>,
    ) -> Result<Response<StoreHeartbeatResponse>, Status> {
        let request = request.into_inner();
        self.check(request.header.as_ref())?;
        let answer = self.ask(|cluster| cluster.store_heartbeat(request.stats.unwrap_or_default()))?;
        Ok(Response::new(StoreHeartbeatResponse { header: self.header_of(&answer) }))
    }

    type RegionHeartbeatStream = Answers<RegionHeartbeatResponse>;
    async fn region_heartbeat(
        &self,
        request: Request<Streaming<RegionHeartbeatRequest>>,
    ) -> Result<Response<Self::RegionHeartbeatStream>, Status> {
        Ok(self.stream(request.into_inner(), Service::answer_heartbeat))
    }

    async fn get_cluster_config(
        &self,
        request: Request<GetClusterConfigRequest>,
    ) -> Result<Response<GetClusterConfigResponse>, Status> {
        self.check(request.into_inner().header.as_ref())?;
        let config = self.ask(|cluster| cluster.config())?;
        let cluster = metapb::Cluster { id: config.cluster_id, max_peer_count: config.replicas as u32 };
        Ok(Response::new(GetClusterConfigResponse { header: self.header(), cluster: Some(cluster) }))
    }

    async fn put_cluster_config(
        &self,
        _: Request<PutClusterConfigRequest>,
    ) -> Result<Response<PutClusterConfigResponse>, Status> {
        Err(not_built("changing the number of replicas"))
    }

    async fn ask_split(&self, _: Request<AskSplitRequest>) -> Result<Response<AskSplitResponse>, Status> {
        Err(not_built("splitting regions"))
    }

    async fn scatter_region(
        &self,
        _: Request<ScatterRegionRequest>,
    ) -> Result<Response<ScatterRegionResponse>, Status> {
        Err(not_built("scattering regions"))
    }

    async fn get_operator(
        &self,
        _: Request<GetOperatorRequest>,
    ) -> Result<Response<GetOperatorResponse>, Status> {
        Err(not_built("scheduling of regions"))
    }
}
