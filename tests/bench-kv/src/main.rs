//! Our store beside etcd: three processes each, on this machine, on the same disk.
//!
//! `make bench-kv` prints a table, and ends with one line for each of six cases: `ratio put-64 1.8` says that 64 clients get
//! 1.8 puts through to our store in the time that they need for one to etcd.
//!
//! # What is measured
//!
//! A turn starts a cluster in an empty directory, writes all keys once, and runs six cases: puts and gets, by 1, 64 and 256
//! clients. A client has one request under way at a time. Values are 128 bytes; keys are drawn from 10,000. The systems
//! take turns, so that a slow minute of the machine hits both, and the median over the turns is printed. Before each turn
//! the disk is asked how many small writes it can make durable in a second: without that figure, those of the table mean
//! little.
//!
//! | column | meaning |
//! |---|---|
//! | ops/s, p50, p99 | requests answered, and how long an answer took, in milliseconds |
//! | bytes/op | written to the file system by the three processes of the cluster (`/proc/<pid>/io`) |
//! | syncs/op | flushes that the disk did for anybody (`/proc/diskstats`); the kernel merges syncs that meet. `-` where the disk does not count them |
//!
//! # What is fair
//!
//! Both run as optimised builds with their default settings, three replicas, every write synced by a majority before it is
//! acknowledged; reads are linearizable in both (our store: read index or lease; etcd: read index). All clients talk to the leader,
//! found before the clock starts, over the same number of connections with the same gRPC library, from this process, on the
//! processors that the servers run on.
//!
//! | file | what |
//! |---|---|
//! | `cluster.rs` | what both systems are driven through |
//! | `ours.rs`, `etcd.rs` | the two systems |
//! | `process.rs` | server processes, their ports and logs |
//! | `load.rs` | closed-loop clients, latencies |
//! | `disk.rs` | what the disk can do, and what it did |
//! | `report.rs` | medians, the table, the last lines |

mod cluster;
mod disk;
mod etcd;
mod load;
mod ours;
mod process;
mod report;

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, Result};
use clap::Parser;

use cluster::Cluster;
use load::{Case, Operation};
use report::{Report, System};

/// The clients share processors with the servers, and are to take as little of them as they can.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Clients at the same time.
const CLIENTS: [usize; 3] = [1, 64, 256];

/// Our store beside etcd.
#[derive(Parser)]
struct Flags {
    /// Directory of our servers' programs
    #[arg(long, default_value = "target/release")]
    bin: PathBuf,
    /// The etcd program; looked for in PATH unless given
    #[arg(long, default_value = "etcd")]
    etcd: PathBuf,
    /// Where the data goes: a directory on the disk to be measured; the temporary directory unless given
    #[arg(long)]
    data: Option<PathBuf>,
    /// Turns of each system
    #[arg(long, default_value_t = 3)]
    turns: usize,
    /// Length of each case, in seconds
    #[arg(long, default_value_t = 3.0)]
    seconds: f64,
    /// Measure only one of them
    #[arg(long, value_enum)]
    only: Option<System>,
    /// Clients at the same time
    #[arg(long, value_delimiter = ',', default_values_t = CLIENTS)]
    clients: Vec<usize>,
    /// What the clients do
    #[arg(long, value_enum, value_delimiter = ',', default_values = ["put", "get"])]
    operations: Vec<Operation>,
}

#[tokio::main]
async fn main() -> ExitCode {
    match run(&Flags::parse()).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("bench-kv: {error:#}");
            ExitCode::FAILURE
        }
    }
}

async fn run(flags: &Flags) -> Result<()> {
    let systems: Vec<_> = [System::Ours, System::Etcd]
        .into_iter()
        .filter(|system| flags.only.is_none_or(|only| only == *system))
        .collect();
    for system in &systems {
        match system {
            System::Ours => ours::check(&flags.bin)?,
            System::Etcd => etcd::check(&flags.etcd)?,
        }
    }
    let data = flags.data.clone().unwrap_or_else(std::env::temp_dir);
    let mut report = Report::default();
    for turn in 0..flags.turns {
        // Who goes first changes from turn to turn.
        let first = turn % systems.len();
        for system in systems[first..].iter().chain(&systems[..first]) {
            let directory = tempfile::Builder::new().prefix("bench-kv-").tempdir_in(&data);
            let directory =
                directory.with_context(|| format!("no directory can be made in {}", data.display()))?;
            report.disk.push(disk::raw_syncs_per_second(directory.path())?);
            match system {
                System::Ours => {
                    let cluster = ours::Ours::start(&flags.bin, directory.path()).await?;
                    measure(*system, &cluster, flags, &mut report).await?;
                }
                System::Etcd => {
                    let cluster = etcd::Etcd::start(&flags.etcd, directory.path()).await?;
                    measure(*system, &cluster, flags, &mut report).await?;
                }
            }
        }
    }
    report.print();
    Ok(())
}

async fn measure(system: System, cluster: &impl Cluster, flags: &Flags, report: &mut Report) -> Result<()> {
    load::fill(cluster).await?;
    for operation in &flags.operations {
        for clients in &flags.clients {
            let case = Case { operation: *operation, clients: *clients };
            let sample = load::run(cluster, case, Duration::from_secs_f64(flags.seconds)).await?;
            eprintln!("{:5} {:8} {:8.0} ops/s", system.name(), case.to_string(), sample.ops_per_second());
            report.samples.entry((case, system)).or_default().push(sample);
        }
    }
    Ok(())
}
