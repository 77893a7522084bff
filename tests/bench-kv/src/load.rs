//! Closed-loop clients.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use bytes::Bytes;
use clap::ValueEnum;
use tokio::task::JoinSet;

use crate::cluster::{Client, Cluster, connect};
use crate::disk;
use crate::process::Server;

/// Keys that are written and read.
const KEYS: u64 = 10_000;
/// Length of a value.
const VALUE_BYTES: usize = 128;
/// Clients that share a connection.
const CLIENTS_PER_CONNECTION: usize = 16;
/// Clients that write all keys at the beginning.
const FILLERS: usize = 64;
/// Each case runs so long before it counts.
const WARM_UP: Duration = Duration::from_millis(500);

/// What clients do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, ValueEnum)]
pub enum Operation {
    /// Write.
    Put,
    /// Read.
    Get,
}

/// What is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Case {
    /// What clients do.
    pub operation: Operation,
    /// How many clients do it.
    pub clients: usize,
}

impl fmt::Display for Case {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let operation = match self.operation {
            Operation::Put => "put",
            Operation::Get => "get",
        };
        write!(f, "{operation}-{}", self.clients)
    }
}

/// One case, once.
pub struct Sample {
    /// How long each answer took, sorted.
    pub latencies: Vec<Duration>,
    /// How long it was measured.
    pub elapsed: Duration,
    /// Bytes that the servers wrote meanwhile.
    pub written_bytes: u64,
    /// Flushes that the disk did meanwhile.
    pub flushes: Option<u64>,
}

impl Sample {
    /// Requests answered in a second.
    pub fn ops_per_second(&self) -> f64 {
        self.latencies.len() as f64 / self.elapsed.as_secs_f64()
    }

    /// Under this latency stays the share `q` of all answers, in milliseconds.
    pub fn latency_ms(&self, q: f64) -> f64 {
        let last = self.latencies.len() - 1;
        self.latencies[(last as f64 * q).round() as usize].as_secs_f64() * 1000.0
    }

    /// A total, for each operation.
    pub fn per_op(&self, total: u64) -> f64 {
        total as f64 / self.latencies.len() as f64
    }
}

/// Writes all keys once.
pub async fn fill(cluster: &impl Cluster) -> Result<()> {
    let clients = clients(cluster, FILLERS).await?;
    let mut tasks = JoinSet::new();
    for (i, mut client) in clients.into_iter().enumerate() {
        tasks.spawn(async move {
            for number in (0..KEYS).skip(i).step_by(FILLERS) {
                client.put(key(number), value(number)).await?;
            }
            anyhow::Ok(())
        });
    }
    while let Some(done) = tasks.join_next().await {
        done??;
    }
    Ok(())
}

/// What the clock says while clients run.
struct Phases {
    counting: AtomicBool,
    over: AtomicBool,
}

/// Runs one case. Any failed request ends it: a benchmark of errors would be worth nothing.
pub async fn run(cluster: &impl Cluster, case: Case, length: Duration) -> Result<Sample> {
    let phases = Arc::new(Phases { counting: AtomicBool::new(false), over: AtomicBool::new(false) });
    let mut tasks = JoinSet::new();
    for (i, client) in clients(cluster, case.clients).await?.into_iter().enumerate() {
        tasks.spawn(work(client, case.operation, i as u64, phases.clone()));
    }
    tokio::time::sleep(WARM_UP).await;
    let before = totals(cluster.servers())?;
    let begun = Instant::now();
    phases.counting.store(true, Ordering::Relaxed);
    tokio::time::sleep(length).await;
    phases.over.store(true, Ordering::Relaxed);
    let elapsed = begun.elapsed();
    let after = totals(cluster.servers())?;
    let mut latencies = Vec::new();
    while let Some(done) = tasks.join_next().await {
        latencies.extend(done??);
    }
    ensure!(!latencies.is_empty(), "{case}: no request was answered within {length:?}");
    latencies.sort_unstable();
    let flushes = before.flushes.zip(after.flushes).map(|(before, after)| after - before);
    Ok(Sample { latencies, elapsed, written_bytes: after.written_bytes - before.written_bytes, flushes })
}

/// One client: how long the answers took that came while it counted.
async fn work(
    mut client: impl Client,
    operation: Operation,
    seed: u64,
    phases: Arc<Phases>,
) -> Result<Vec<Duration>> {
    let (mut state, mut latencies) = (seed, Vec::new());
    loop {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let number = (state >> 33) % KEYS;
        let begun = Instant::now();
        match operation {
            Operation::Put => client.put(key(number), value(state)).await?,
            Operation::Get => {
                let length = client.get(key(number)).await?;
                ensure!(
                    length == VALUE_BYTES,
                    "a value of {length} bytes was read, {VALUE_BYTES} were written"
                );
            }
        }
        if phases.over.load(Ordering::Relaxed) {
            return Ok(latencies);
        }
        if phases.counting.load(Ordering::Relaxed) {
            latencies.push(begun.elapsed());
        }
    }
}

async fn clients<C: Cluster>(cluster: &C, count: usize) -> Result<Vec<C::Client>> {
    let mut clients = Vec::with_capacity(count);
    while clients.len() < count {
        let client = cluster.client(connect(cluster.leader()).await?);
        let sharing = CLIENTS_PER_CONNECTION.min(count - clients.len());
        clients.extend(std::iter::repeat_n(client, sharing));
    }
    Ok(clients)
}

fn key(number: u64) -> Bytes {
    format!("key-{number:012}").into()
}

/// Different for each seed, and nothing that compresses well.
fn value(seed: u64) -> Bytes {
    let words =
        (0..VALUE_BYTES as u64 / 8).map(|i| (seed ^ i).wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(29));
    words.flat_map(|word| word.wrapping_mul(0xbf58_476d_1ce4_e5b9).to_le_bytes()).collect()
}

struct Totals {
    written_bytes: u64,
    flushes: Option<u64>,
}

fn totals(servers: &[Server]) -> Result<Totals> {
    let written = servers.iter().map(Server::written_bytes).sum::<Result<u64>>()?;
    let flushes = servers.first().and_then(|server| disk::flushes(server.directory()));
    Ok(Totals { written_bytes: written, flushes })
}
