//! The service `tikvpb.Tikv`: what clients and other stores send to this process.
//!
//! | file | what it tells |
//! |---|---|
//! | `answer.rs` | how an answer that comes by callback becomes an answer on the wire; counting, giving up |
//! | `streams.rs` | messages and snapshots of other stores |
//! | `off_thread.rs` | reading and answering on the server's threads instead of the store's |
//! | this one | the table of requests |
//!
//! Errors travel in the fields that kvproto has for them; what has no field is a gRPC status: `InvalidArgument` for a request
//! that is wrong, `DeadlineExceeded` for an answer that did not come in time (whether a write takes effect is then
//! unknown), `Unavailable` from a store that stops, `Unimplemented` for what is not built.

mod answer;
mod off_thread;
mod streams;

pub use off_thread::OffThread;
pub use streams::RaftStreams;

use std::sync::Arc;
use std::time::Duration;

use kv::service::RawService;
use proto::kvrpcpb::*;
use proto::raft_serverpb::{Done, RaftMessage, SnapshotChunk};
use rpc::tikvpb::tikv_server::Tikv;
use tonic::{Request, Response, Status, Streaming};

use crate::metrics::Metrics;
use answer::answer;

/// Serves clients, and other stores if there are any. Cheap to clone.
#[derive(Clone)]
pub struct Service {
    raw: RawService,
    streams: Option<Arc<RaftStreams>>,
    metrics: Arc<Metrics>,
    timeout: Duration,
}

impl Service {
    /// A service that gives a request up after `timeout`. Without `streams`, it refuses other stores.
    pub fn new(
        raw: RawService,
        streams: Option<Arc<RaftStreams>>,
        metrics: Arc<Metrics>,
        timeout: Duration,
    ) -> Service {
        Service { raw, streams, metrics, timeout }
    }

    fn streams(&self) -> Result<&RaftStreams, Status> {
        let standalone = || Status::failed_precondition("this store runs standalone: it has no peers");
        self.streams.as_deref().ok_or_else(standalone)
    }
}

fn no_transactions<T>() -> Result<Response<T>, Status> {
    Err(Status::unimplemented("transactions are not built yet: use the raw requests"))
}

/// Methods that hand their request to the method of the same name of [`RawService`].
macro_rules! raw {
    ($($method:ident($request:ident) -> $answer:ident as $name:literal;)*) => {
        #[tonic::async_trait]
        impl Tikv for Service {
            $(async fn $method(&self, request: Request<$request>) -> Result<Response<$answer>, Status> {
                let (raw, request) = (self.raw.clone(), request.into_inner());
                answer(self.metrics.of($name), self.timeout, move |callback| raw.$method(request, callback)).await
            })*

            async fn raft(&self, request: Request<Streaming<RaftMessage>>) -> Result<Response<Done>, Status> {
                self.streams()?.raft(request.into_inner()).await
            }

            async fn snapshot(
                &self,
                request: Request<Streaming<SnapshotChunk>>,
            ) -> Result<Response<Done>, Status> {
                self.streams()?.snapshot(request.into_inner()).await
            }

            async fn kv_get(&self, _: Request<GetRequest>) -> Result<Response<GetResponse>, Status> {
                no_transactions()
            }

            async fn kv_scan(&self, _: Request<ScanRequest>) -> Result<Response<ScanResponse>, Status> {
                no_transactions()
            }

            async fn kv_batch_get(
                &self,
                _: Request<BatchGetRequest>,
            ) -> Result<Response<BatchGetResponse>, Status> {
                no_transactions()
            }

            async fn kv_prewrite(
                &self,
                _: Request<PrewriteRequest>,
            ) -> Result<Response<PrewriteResponse>, Status> {
                no_transactions()
            }

            async fn kv_commit(&self, _: Request<CommitRequest>) -> Result<Response<CommitResponse>, Status> {
                no_transactions()
            }

            async fn kv_check_txn_status(
                &self,
                _: Request<CheckTxnStatusRequest>,
            ) -> Result<Response<CheckTxnStatusResponse>, Status> {
                no_transactions()
            }

            async fn kv_batch_rollback(
                &self,
                _: Request<BatchRollbackRequest>,
            ) -> Result<Response<BatchRollbackResponse>, Status> {
                no_transactions()
            }

            async fn kv_resolve_lock(
                &self,
                _: Request<ResolveLockRequest>,
            ) -> Result<Response<ResolveLockResponse>, Status> {
                no_transactions()
            }

            async fn kv_scan_lock(
                &self,
                _: Request<ScanLockRequest>,
            ) -> Result<Response<ScanLockResponse>, Status> {
                no_transactions()
            }

            async fn kv_txn_heart_beat(
                &self,
                _: Request<TxnHeartBeatRequest>,
            ) -> Result<Response<TxnHeartBeatResponse>, Status> {
                no_transactions()
            }
        }
    };
}

raw! {
    raw_get(RawGetRequest) -> RawGetResponse as "RawGet";
    raw_put(RawPutRequest) -> RawPutResponse as "RawPut";
    raw_delete(RawDeleteRequest) -> RawDeleteResponse as "RawDelete";
    raw_scan(RawScanRequest) -> RawScanResponse as "RawScan";
    raw_batch_get(RawBatchGetRequest) -> RawBatchGetResponse as "RawBatchGet";
    raw_batch_put(RawBatchPutRequest) -> RawBatchPutResponse as "RawBatchPut";
    raw_batch_delete(RawBatchDeleteRequest) -> RawBatchDeleteResponse as "RawBatchDelete";
    raw_delete_range(RawDeleteRangeRequest) -> RawDeleteRangeResponse as "RawDeleteRange";
    raw_compare_and_swap(RawCasRequest) -> RawCasResponse as "RawCompareAndSwap";
}
