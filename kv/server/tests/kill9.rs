//! Stores as processes that are killed with SIGKILL under load, and clients that remember what they were told.
//!
//! `KILLS=n` sets the number of kills (`make kill9`: 100). Each time one store, every other time the leader, is killed and
//! started again. It must serve again (`make kill9`: within three seconds, `RESTART_MS=3000`), the cluster must go on
//! answering, and in the end the history of all clients must be linearizable: so nothing that was acknowledged is lost,
//! nothing is done twice, and no read is stale.

#![allow(clippy::unwrap_used)]

mod support;

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use bytes::Bytes;
use cluster_tests::check::history::{Answer, Call, DataKey, History, Operation, Outcome};
use cluster_tests::check::linear::{self, Verdict};
use scheduler_server::server as scheduler;
use server::client::{Client, Error, Options};
use server::local::{LocalCluster, Programs, Scheduler};
use support::{ANY_PORT, Draws};

/// Clients at work at the same time.
const CLIENTS: u64 = 4;
/// Keys that they share between two kills.
const KEYS: u64 = 6;
/// Operations that must succeed between two kills.
const PROGRESS: u64 = 120;
/// They must do so within this, or the cluster hangs.
const PROGRESS_TIMEOUT: Duration = Duration::from_secs(30);
/// A store that is started again serves within so many milliseconds; generous, for machines that have more to do.
const RESTART_MS: u64 = 30_000;
/// Steps of the checker for each key.
const BUDGET: u64 = 10_000_000;

/// What clients and killer share.
#[derive(Default)]
struct Shared {
    done: AtomicBool,
    /// Kills so far: each has keys of its own, so that histories of keys stay short.
    round: AtomicU64,
    /// Operations that were answered.
    answered: AtomicU64,
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_stores_lose_nothing_that_was_acknowledged() {
    let (kills, restart_ms) = (variable("KILLS", 3), variable("RESTART_MS", RESTART_MS));
    let dir = tempfile::tempdir().unwrap();
    let scheduler = start_scheduler(dir.path()).await;
    let programs = Programs {
        store: env!("CARGO_BIN_EXE_tinykv-server").into(),
        scheduler: Scheduler::At(scheduler.addr),
    };
    let path = dir.path().to_owned();
    let mut cluster =
        tokio::task::spawn_blocking(move || LocalCluster::start(programs, &path, 3, &[]).unwrap())
            .await
            .unwrap();
    let (shared, began) = (Arc::new(Shared::default()), Instant::now());
    let clients: Vec<_> = (0..CLIENTS)
        .map(|id| tokio::spawn(work(id, scheduler.addr.to_string(), shared.clone(), began)))
        .collect();

    let mut pd = client(&scheduler.addr.to_string()).await;
    let (mut draws, mut slowest) = (Draws(7), Duration::ZERO);
    for kill in 0..kills {
        progress(&shared).await;
        let victim = victim(&mut pd, &cluster, kill, &mut draws).await;
        tokio::task::block_in_place(|| cluster.kill_store(victim)).unwrap();
        shared.round.fetch_add(1, Ordering::SeqCst);
        let took = tokio::task::block_in_place(|| cluster.start_store(victim)).unwrap();
        if took.as_millis() as u64 > restart_ms {
            println!("kill {kill}: store {} needed {took:?} to serve again", victim + 1);
        }
        slowest = slowest.max(took);
    }
    progress(&shared).await;
    shared.done.store(true, Ordering::SeqCst);
    let mut operations = Vec::new();
    for client in clients {
        operations.extend(client.await.unwrap());
    }
    operations.extend(read_everything(&mut pd, kills, began).await);
    let unknown = operations.iter().filter(|operation| operation.outcome == Outcome::Unknown).count();
    let count = operations.len();
    let verdict = linear::check(&History::new(operations), BUDGET);
    println!(
        "{kills} kills, slowest restart {slowest:?}, {count} operations, {unknown} of unknown outcome: {verdict:?}"
    );
    assert_eq!(verdict, Verdict::Ok);
    assert!(
        slowest.as_millis() as u64 <= restart_ms,
        "a restart took {slowest:?}, and {restart_ms} ms are the most"
    );
    scheduler.stop().await.unwrap();
}

fn variable(name: &str, default: u64) -> u64 {
    std::env::var(name).map_or(default, |value| value.parse().unwrap())
}

async fn start_scheduler(dir: &Path) -> scheduler::Running {
    let path = dir.join("scheduler");
    let options = scheduler::Options { addr: ANY_PORT.to_owned(), advertise_addr: None, path, replicas: 3 };
    scheduler::start(options).await.unwrap()
}

/// A client that never repeats a write whose outcome it does not know: the checker would have to know of both.
async fn client(scheduler: &str) -> Client {
    let options = Options { repeat_unknown: false, ..Options::default() };
    Client::connect(scheduler, options).await.unwrap()
}

/// Waits until some more operations have been answered: a cluster that hangs fails here.
async fn progress(shared: &Shared) {
    let (goal, began) = (shared.answered.load(Ordering::SeqCst) + PROGRESS, Instant::now());
    while shared.answered.load(Ordering::SeqCst) < goal {
        assert!(
            began.elapsed() < PROGRESS_TIMEOUT,
            "no progress in round {}",
            shared.round.load(Ordering::SeqCst)
        );
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// Every other time the leader, as far as the scheduler knows; any store otherwise.
async fn victim(pd: &mut Client, cluster: &LocalCluster, kill: u64, draws: &mut Draws) -> usize {
    let any = draws.below(cluster.stores().len() as u64) as usize;
    if kill % 2 == 1 {
        return any;
    }
    let Some(leader) = pd.pd().region_at(b"").await.unwrap().leader else { return any };
    let store = pd.pd().store(leader.store_id).await.unwrap();
    cluster.place_of(&store.address).unwrap_or(any)
}

/// One client: random operations on the keys of the current round, until it is told to stop. Returns its history.
async fn work(id: u64, scheduler: String, shared: Arc<Shared>, began: Instant) -> Vec<Operation> {
    let mut client = client(&scheduler).await;
    let (mut draws, mut operations) = (Draws(100 + id), Vec::new());
    let mut last: Option<Bytes> = None;
    while !shared.done.load(Ordering::SeqCst) {
        let key = key(shared.round.load(Ordering::SeqCst), draws.below(KEYS));
        // No value is written twice, so every read tells which write it saw.
        let value = Bytes::from(format!("{id}.{}", operations.len()));
        let call = match draws.below(10) {
            0..4 => Call::Get { key },
            4..7 => Call::Put { key, value },
            7 => Call::Delete { key },
            _ => Call::Cas { key, expected: last.clone(), value },
        };
        let invoked = began.elapsed().as_micros() as u64;
        let outcome = execute(&mut client, &call).await;
        if let Outcome::Ok(answer) = &outcome {
            shared.answered.fetch_add(1, Ordering::SeqCst);
            last = match answer {
                Answer::Value(value) => value.clone(),
                _ => last,
            };
        }
        let returned = began.elapsed().as_micros() as u64;
        operations.push(Operation { client: id, call, invoked, returned, outcome });
    }
    operations
}

async fn execute(client: &mut Client, call: &Call) -> Outcome {
    let answer = match call {
        Call::Get { key } => client.get("", &key.key).await.map(Answer::Value),
        Call::Put { key, value } => client.put("", &key.key, value).await.map(|()| Answer::Done),
        Call::Delete { key } => client.delete("", &key.key).await.map(|()| Answer::Done),
        Call::Cas { key, expected, value } => client
            .compare_and_swap("", &key.key, expected.as_deref(), value)
            .await
            .map(|(done, previous)| Answer::Swapped { done, previous }),
        Call::Scan(range) => panic!("no client scans {range:?}"),
    };
    match answer {
        Ok(answer) => Outcome::Ok(answer),
        Err(Error::Timeout { .. }) => Outcome::Failed,
        Err(Error::Unknown(_)) => Outcome::Unknown,
        Err(Error::Refused(why)) => panic!("{call:?} was refused: {why}"),
    }
}

/// All keys of all rounds, once everything is quiet: what was acknowledged last is there.
async fn read_everything(client: &mut Client, kills: u64, began: Instant) -> Vec<Operation> {
    let mut operations = Vec::new();
    for (round, number) in (0..=kills).flat_map(|round| (0..KEYS).map(move |number| (round, number))) {
        let call = Call::Get { key: key(round, number) };
        let invoked = began.elapsed().as_micros() as u64;
        let outcome = execute(client, &call).await;
        assert!(matches!(outcome, Outcome::Ok(_)), "{call:?} cannot be read: {outcome:?}");
        let returned = began.elapsed().as_micros() as u64;
        operations.push(Operation { client: CLIENTS, call, invoked, returned, outcome });
    }
    operations
}

fn key(round: u64, number: u64) -> DataKey {
    DataKey::new(format!("r{round:03}-{number}"))
}
