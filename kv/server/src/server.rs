//! The process: what is started in which order, and how it stops.
//!
//! | order | starting | stopping |
//! |---|---|---|
//! | 1 | both addresses are bound, the status page is up | `/healthz` and the health service say *stopping* |
//! | 2 | engines, raftstore, its first region: the [`Backend`] | streams of other stores end, open requests finish |
//! | 3 | requests and messages of other stores are served | the raftstore stops, the engines are synced and closed |
//!
//! Nobody can reach a store that is not complete; a store that fails stops by itself, without another answer.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow};
use kv::service::RawService;
use rpc::tikvpb::tikv_server::TikvServer;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tonic::transport::Server;
use tonic::transport::server::TcpIncoming;

use crate::backend::Backend;
use crate::config::Config;
use crate::metrics::Metrics;
use crate::service::{OffThread, Service};
use crate::status::{self, Board, SERVING, Status};
use crate::stopping::{self, Stop, Stopping};

/// HTTP/2 windows: a stream of raft messages, or of a snapshot, may have so much on its way.
const STREAM_WINDOW: u32 = 2 << 20;
/// The same for a whole connection.
const CONNECTION_WINDOW: u32 = 16 << 20;

/// A store that serves. Stops when it is told to, or when it cannot go on.
pub struct Running {
    /// Where it listens for clients and other stores.
    pub addr: SocketAddr,
    /// Where its status page is.
    pub status_addr: Option<SocketAddr>,
    /// What is known of it.
    pub board: Arc<Board>,
    stop: Stop,
    ended: JoinHandle<Result<()>>,
}

/// Starts a store, and returns when it serves. In a new cluster that is when all its stores have been started.
///
/// # Errors
/// A configuration, an address or a directory that cannot be used: the message says what to do.
pub async fn start(config: Config) -> Result<Running> {
    config.validate()?;
    let listener = bind(&config.server.addr, "addr").await?;
    let addr = listener.local_addr()?;
    let (board, metrics) = (Arc::new(Board::default()), Arc::new(Metrics::default()));
    let (stop, stopping) = stopping::channel();
    let status_addr = serve_status(&config, &board, &metrics, stopping.clone()).await?;
    let addresses = Addresses {
        store: config.server.advertise_addr.clone().unwrap_or_else(|| addr.to_string()),
        status: status_addr.map(|addr| addr.to_string()).unwrap_or_default(),
    };
    let backend =
        Backend::open(&config, &addresses, board.clone(), metrics.clone(), stopping.clone()).await?;
    let ended = tokio::spawn(serve(config, listener, backend, board.clone(), metrics, stopping));
    Ok(Running { addr, status_addr, board, stop, ended })
}

/// Where a store can be found.
#[derive(Clone, Debug)]
pub struct Addresses {
    /// By clients and other stores.
    pub store: String,
    /// By people; empty: nowhere.
    pub status: String,
}

impl Running {
    /// Lets open requests finish, then closes everything.
    ///
    /// # Errors
    /// What made the store stop before it was told to.
    pub async fn stop(self) -> Result<()> {
        self.stop.stop();
        self.ended.await?
    }

    /// Waits until the store stops by itself.
    ///
    /// # Errors
    /// What made it stop.
    pub async fn failed(&mut self) -> Result<()> {
        (&mut self.ended).await?
    }
}

async fn bind(addr: &str, option: &str) -> Result<TcpListener> {
    let bound = TcpListener::bind(addr).await;
    bound.with_context(|| format!("cannot listen on {addr}: choose another {option}, or stop who has it"))
}

async fn serve_status(
    config: &Config,
    board: &Arc<Board>,
    metrics: &Arc<Metrics>,
    stopping: Stopping,
) -> Result<Option<SocketAddr>> {
    if config.server.status_addr.is_empty() {
        return Ok(None);
    }
    let listener = bind(&config.server.status_addr, "status_addr").await?;
    let addr = listener.local_addr()?;
    let status = Status { board: board.clone(), metrics: metrics.clone(), started: Instant::now() };
    let pages = axum::serve(listener, status::router(status));
    tokio::spawn(async move {
        tokio::select! {
            served = pages => log::warn!("the status page is gone: {served:?}"),
            () = stopping.wait() => {}
        }
    });
    Ok(Some(addr))
}

async fn serve(
    config: Config,
    listener: TcpListener,
    backend: Backend,
    board: Arc<Board>,
    metrics: Arc<Metrics>,
    stopping: Stopping,
) -> Result<()> {
    let storage = Arc::new(OffThread::new(backend.storage()));
    let timeout = Duration::from_millis(config.server.request_timeout_ms);
    let service = Service::new(RawService::new(storage), backend.streams(), metrics, timeout);
    let service = TikvServer::new(service)
        .max_decoding_message_size(config.server.request_bytes_max)
        .max_encoding_message_size(usize::MAX);
    let (health, health_service) = tonic_health::server::health_reporter();
    health.set_serving::<TikvServer<Service>>().await;
    let (end, ended) = stopping::channel();
    let server = Server::builder()
        .initial_stream_window_size(STREAM_WINDOW)
        .initial_connection_window_size(CONNECTION_WINDOW)
        .max_concurrent_streams(config.server.requests_per_connection_max)
        .add_service(service)
        .add_service(health_service)
        .serve_with_incoming_shutdown(TcpIncoming::from(listener).with_nodelay(Some(true)), async move {
            ended.wait().await;
        });
    let mut server = tokio::spawn(server);
    board.set_phase(SERVING);
    let outcome = wait_for_the_end(&mut server, &board, stopping).await;
    board.set_phase("stopping");
    health.set_not_serving::<TikvServer<Service>>().await;
    end.stop();
    let grace = Duration::from_millis(config.server.shutdown_grace_ms);
    if outcome.is_ok() && tokio::time::timeout(grace, &mut server).await.is_err() {
        log::warn!("requests are still open after {} ms", grace.as_millis());
    }
    server.abort();
    // After a failure, nothing more is written: nobody knows what is on the disk.
    let closed = backend.close(outcome.is_ok()).await;
    outcome.and(closed)
}

/// Returns when the store is told to stop; an error if it cannot go on.
async fn wait_for_the_end(
    server: &mut JoinHandle<Result<(), tonic::transport::Error>>,
    board: &Board,
    stopping: Stopping,
) -> Result<()> {
    tokio::select! {
        () = stopping.wait() => Ok(()),
        reason = board.failed() => Err(anyhow!("the store cannot go on: {reason}")),
        served = server => Err(anyhow!("the gRPC server ended: {served:?}")),
    }
}
