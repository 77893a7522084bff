//! `tinyscheduler-server`: the scheduler of a cluster.

use std::path::PathBuf;

use anyhow::Result;
use clap::Parser;
use scheduler_server::server::{self, Options};
use tokio::signal::unix::{SignalKind, signal};

/// Hands out ids and timestamps, and knows where the regions of a cluster are. Start it before the stores.
#[derive(Parser)]
#[command(name = "tinyscheduler-server", version)]
struct Flags {
    /// Where to listen; port 0 lets the system choose
    #[arg(long, default_value = "127.0.0.1:2379")]
    addr: String,
    /// Address that stores and clients are told, if it differs from --addr
    #[arg(long)]
    advertise_addr: Option<String>,
    /// Directory for cluster id, ids, time, stores and regions
    #[arg(long)]
    path: PathBuf,
    /// Peers of the first region: so many stores must register before the cluster serves
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u8).range(1..=7))]
    replicas: u8,
    /// What to log: error, warn, info, debug or trace
    #[arg(long, env = "LOG_LEVEL", default_value = "info")]
    loglevel: log::LevelFilter,
}

fn main() -> Result<()> {
    let flags = Flags::parse();
    init_log(flags.loglevel);
    let options = Options {
        addr: flags.addr,
        advertise_addr: flags.advertise_addr,
        path: flags.path,
        replicas: flags.replicas.into(),
    };
    tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?.block_on(run(options))
}

async fn run(options: Options) -> Result<()> {
    let mut running = server::start(options).await?;
    println!("scheduler listens on {}", running.addr);
    let (mut interrupt, mut terminate) = (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);
    tokio::select! {
        _ = interrupt.recv() => {}
        _ = terminate.recv() => {}
        failed = running.failed() => return failed,
    }
    running.stop().await
}

/// Our own words at `level`; libraries speak up only to warn, unless everything is wanted.
fn init_log(level: log::LevelFilter) {
    let libraries = if level == log::LevelFilter::Trace { level } else { level.min(log::LevelFilter::Warn) };
    let mut log = env_logger::Builder::new();
    log.filter_level(level);
    for library in ["fjall", "lsm_tree", "h2", "hyper", "hyper_util", "tonic", "tower"] {
        log.filter_module(library, libraries);
    }
    log.init();
}
