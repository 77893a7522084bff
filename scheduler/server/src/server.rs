//! Binding, serving, stopping.

use std::hash::{BuildHasher, Hasher, RandomState};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, Result};
use rpc::pdpb::pd_server::PdServer;
use scheduler::cluster::ClusterConfig;
use tokio::net::TcpListener;
use tokio::sync::{mpsc, oneshot};
use tonic::transport::Server;
use tonic::transport::server::TcpIncoming;

use crate::disk::Disk;
use crate::service::Service;

/// Open requests may finish for so long once the server has been told to stop.
const GRACE: Duration = Duration::from_secs(2);

/// What an operator can set.
#[derive(Clone, Debug)]
pub struct Options {
    /// Where to listen; port 0 lets the system choose.
    pub addr: String,
    /// Address that stores and clients are told; the bound one if there is none.
    pub advertise_addr: Option<String>,
    /// Directory.
    pub path: PathBuf,
    /// Peers of the first region.
    pub replicas: usize,
}

/// A scheduler that answers requests. Stops when it is told to, or when its disk fails.
pub struct Running {
    /// Where it listens.
    pub addr: SocketAddr,
    stop: oneshot::Sender<()>,
    ended: tokio::task::JoinHandle<Result<()>>,
}

/// Opens the directory, binds the address and serves.
///
/// # Errors
/// A directory or an address that cannot be used.
pub async fn start(options: Options) -> Result<Running> {
    let disk = Disk::open(&options.path)?;
    let cluster = disk.load(ClusterConfig { cluster_id: new_cluster_id(), replicas: options.replicas })?;
    let listener = TcpListener::bind(&options.addr)
        .await
        .with_context(|| format!("cannot listen on {}: choose another --addr", options.addr))?;
    let addr = listener.local_addr()?;
    let advertised = options.advertise_addr.unwrap_or_else(|| addr.to_string());
    log::info!("cluster {}: scheduler at {advertised}", cluster.config().cluster_id);
    let (on_fatal, fatal) = mpsc::unbounded_channel();
    let service = Service::new(cluster, disk, advertised, on_fatal);
    let (stop, stopped) = oneshot::channel();
    let ended = tokio::spawn(serve(listener, service, stopped, fatal));
    Ok(Running { addr, stop, ended })
}

impl Running {
    /// Lets open requests finish, then closes the directory.
    ///
    /// # Errors
    /// What made the scheduler stop before it was told to.
    pub async fn stop(self) -> Result<()> {
        drop(self.stop);
        self.ended.await?
    }

    /// Waits until the scheduler stops by itself.
    ///
    /// # Errors
    /// What made it stop.
    pub async fn failed(&mut self) -> Result<()> {
        (&mut self.ended).await?
    }
}

async fn serve(
    listener: TcpListener,
    service: Service,
    stopped: oneshot::Receiver<()>,
    mut fatal: mpsc::UnboundedReceiver<anyhow::Error>,
) -> Result<()> {
    let (end, ended) = oneshot::channel::<()>();
    let server = Server::builder().add_service(PdServer::new(service)).serve_with_incoming_shutdown(
        TcpIncoming::from(listener).with_nodelay(Some(true)),
        async {
            drop(ended.await);
        },
    );
    let mut server = tokio::spawn(server);
    let outcome = tokio::select! {
        _ = stopped => Ok(()),
        Some(error) = fatal.recv() => Err(error),
        served = &mut server => return Ok(served??),
    };
    drop(end);
    // Streams of timestamps and heartbeats never end by themselves.
    if tokio::time::timeout(GRACE, &mut server).await.is_err() {
        server.abort();
        drop(server.await);
    }
    outcome
}

/// A number that no other cluster has; its top bit is clear, so that it fits everywhere.
fn new_cluster_id() -> u64 {
    let random = RandomState::new().build_hasher().finish();
    (random >> 1).max(1)
}
