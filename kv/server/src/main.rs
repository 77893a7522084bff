//! `tinykv-server`: one store of a cluster.

use std::path::PathBuf;

use anyhow::Result;
use clap::Parser;
use server::config::Config;
use tokio::signal::unix::{SignalKind, signal};

/// A request is taken apart on one thread and dropped on another, which is where the system's allocator is slow. Huge pages
/// stay off (`no_thp`): the kernel would clear two megabytes for each little that a store asks for.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// One store of a cluster. Flags win over the configuration file.
#[derive(Parser)]
#[command(name = "tinykv-server", version)]
struct Flags {
    /// Configuration file (TOML)
    #[arg(long)]
    config: Option<PathBuf>,
    /// Where to listen for clients and other stores; port 0 lets the system choose
    #[arg(long)]
    addr: Option<String>,
    /// Address that others are told, if it differs from --addr
    #[arg(long)]
    advertise_addr: Option<String>,
    /// Where to listen for metrics and the status page; empty: nowhere
    #[arg(long)]
    status_addr: Option<String>,
    /// Directory of this store
    #[arg(long)]
    path: Option<PathBuf>,
    /// Address of the scheduler
    #[arg(long)]
    scheduler: Option<String>,
    /// Without Raft, scheduler and replicas: one engine behind the raw requests
    #[arg(long)]
    standalone: bool,
    /// What to log: error, warn, info, debug or trace
    #[arg(long, env = "LOG_LEVEL")]
    loglevel: Option<String>,
}

impl Flags {
    /// The configuration file, if there is one, and what the flags change in it.
    fn config(self) -> Result<Config> {
        let mut config = self.config.as_deref().map_or_else(|| Ok(Config::default()), Config::read)?;
        let server = &mut config.server;
        server.advertise_addr = self.advertise_addr.or(server.advertise_addr.take());
        server.standalone |= self.standalone;
        for (flag, option) in [
            (self.addr, &mut server.addr),
            (self.status_addr, &mut server.status_addr),
            (self.scheduler, &mut server.scheduler),
            (self.loglevel, &mut server.loglevel),
        ] {
            if let Some(value) = flag {
                *option = value;
            }
        }
        if let Some(path) = self.path {
            server.path = path;
        }
        config.validate()?;
        Ok(config)
    }
}

fn main() -> Result<()> {
    let config = Flags::parse().config()?;
    let level = config.server.loglevel.parse().unwrap_or(log::LevelFilter::Info);
    init_log(level);
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(run(config))
}

async fn run(config: Config) -> Result<()> {
    let (mut interrupt, mut terminate) = (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);
    let stopped = async {
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
    };
    tokio::pin!(stopped);
    // A store that waits for the others of a new cluster can be stopped, too.
    let mut running = tokio::select! {
        started = server::server::start(config) => started?,
        () = &mut stopped => return Ok(()),
    };
    stop_on_panic();
    println!("store listens on {}", running.addr);
    if let Some(addr) = running.status_addr {
        println!("status page at http://{addr}/");
    }
    tokio::select! {
        () = &mut stopped => running.stop().await,
        failed = running.failed() => failed,
    }
}

/// A panic is a bug of ours, and whatever it left half done must not be built upon: the process stops, like after a power cut.
/// Not before the databases are open, as reading a damaged one may panic, and is answered with an error.
fn stop_on_panic() {
    let tell = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        tell(panic);
        std::process::abort();
    }));
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
