//! `tinykv-demo`: a cluster on this machine that loses its leader and nothing else.
//!
//! With `ONCE=1` it ends after the demonstration, with exit status 0 only if everything held. Otherwise the cluster stays
//! until Ctrl-C. With arguments there is no demonstration: they are a command, which finds the cluster's scheduler in
//! `TINYKV_SCHEDULER`, and whose exit status is that of this program.

use std::collections::BTreeMap;
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use server::client::{Client, Options};
use server::local::{LocalCluster, Programs};
use tokio::signal::unix::SignalKind;

/// Keys written before the kill.
const KEYS: usize = 300;
/// Keys written while the leader dies.
const KEYS_DURING: usize = 300;
/// A store that was away has caught up within this, or something is wrong.
const CATCH_UP: Duration = Duration::from_secs(20);

#[tokio::main]
async fn main() -> Result<()> {
    let once = std::env::var("ONCE").is_ok_and(|once| once == "1");
    let dir = tempfile::Builder::new().prefix("tinykv-demo-").tempdir()?;
    let mut demo = Demo::start(dir.path())?;
    let command: Vec<String> = std::env::args().skip(1).collect();
    if !command.is_empty() {
        return demo.run_command(&command).await;
    }
    demo.show_cluster();
    // Whoever stops this program, stops the cluster: it must not outlive its directory.
    tokio::select! {
        outcome = demo.run() => outcome?,
        signal = signal() => bail!("stopped by {}", signal?),
    }
    if once {
        return Ok(());
    }
    demo.say_how_to_play();
    signal().await?;
    println!("\nThe cluster is gone, and its directory too.");
    Ok(())
}

/// Returns when somebody wants this program to end.
async fn signal() -> Result<&'static str> {
    let mut terminate = tokio::signal::unix::signal(SignalKind::terminate())?;
    tokio::select! {
        interrupt = tokio::signal::ctrl_c() => interrupt.map(|()| "Ctrl-C").map_err(Into::into),
        _ = terminate.recv() => Ok("SIGTERM"),
    }
}

struct Demo {
    cluster: LocalCluster,
    started: Duration,
    /// What was acknowledged.
    acknowledged: BTreeMap<String, String>,
}

impl Demo {
    fn start(dir: &std::path::Path) -> Result<Demo> {
        let started = Instant::now();
        let cluster = LocalCluster::start(Programs::beside()?, dir, 3, &[])?;
        Ok(Demo { cluster, started: started.elapsed(), acknowledged: BTreeMap::new() })
    }

    /// Runs a program against the cluster, as soon as that has a leader.
    async fn run_command(&self, command: &[String]) -> Result<()> {
        self.leader(&mut self.client().await?).await?;
        let mut program = Command::new(&command[0]);
        program.args(&command[1..]).env("TINYKV_SCHEDULER", self.cluster.scheduler.to_string());
        let status = tokio::task::block_in_place(|| program.status())
            .with_context(|| format!("cannot run {}", command[0]))?;
        if !status.success() {
            bail!("{} ended with {status}", command[0]);
        }
        Ok(())
    }

    fn show_cluster(&self) {
        println!("A scheduler and three stores on this machine\n");
        println!("  scheduler   {}", self.cluster.scheduler);
        for store in self.cluster.stores() {
            println!(
                "  store {}     {}   status page http://{}/",
                store.number, store.addr, store.status_addr
            );
        }
        println!();
    }

    async fn run(&mut self) -> Result<()> {
        let mut client = self.client().await?;
        let began = Instant::now();
        let leader = self.leader(&mut client).await?;
        step(
            "Start",
            &format!(
                "the stores serve after {}; store {} leads after {} more",
                seconds(self.started),
                leader + 1,
                seconds(began.elapsed())
            ),
        );
        let took = self.write(&mut client, "before", KEYS).await?;
        step(
            "Write",
            &format!("{KEYS} keys in {}, each synced by a majority before its answer", seconds(took)),
        );
        self.kill_while_writing(&mut client, leader).await?;
        self.check(&mut client).await?;
        self.restart(leader)?;
        self.check(&mut client).await?;
        println!("\nNothing that was acknowledged is lost.");
        Ok(())
    }

    async fn client(&self) -> Result<Client> {
        // A put of this program is written by nobody else, so repeating one whose outcome is unknown does no harm.
        Ok(Client::connect(&self.cluster.scheduler.to_string(), Options::default()).await?)
    }

    /// Place of the store that leads the only region. Asks the cluster itself by reading: the scheduler may not have heard yet.
    async fn leader(&self, client: &mut Client) -> Result<usize> {
        client.get("", b"any").await?;
        let began = Instant::now();
        while began.elapsed() < CATCH_UP {
            let region = client.pd().region_at(b"").await?;
            if let Some(leader) = region.leader {
                let store = client.pd().store(leader.store_id).await?;
                return self.cluster.place_of(&store.address).context("the leader is one of ours");
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        bail!("no leader has told the scheduler")
    }

    async fn write(&mut self, client: &mut Client, name: &str, count: usize) -> Result<Duration> {
        let began = Instant::now();
        for number in 0..count {
            let (key, value) = (format!("{name}-{number:04}"), format!("value {number}"));
            client.put("", key.as_bytes(), value.as_bytes()).await?;
            self.acknowledged.insert(key, value);
        }
        Ok(began.elapsed())
    }

    async fn kill_while_writing(&mut self, client: &mut Client, leader: usize) -> Result<()> {
        self.write(client, "during-1", KEYS_DURING / 2).await?;
        self.cluster.kill_store(leader)?;
        step("Kill", &format!("kill -9 for store {}, the leader, amid writes", leader + 1));
        let began = Instant::now();
        self.write(client, "during-2", 1).await?;
        let gap = began.elapsed();
        self.write(client, "during-3", KEYS_DURING / 2).await?;
        let next = self.leader(client).await?;
        step("", &format!("writes go on after {}; store {} leads now", seconds(gap), next + 1));
        Ok(())
    }

    async fn check(&self, client: &mut Client) -> Result<()> {
        let found = client.scan("", b"", b"", 10_240).await?;
        let found: BTreeMap<_, _> = found.into_iter().collect();
        for (key, value) in &self.acknowledged {
            match found.get(key.as_bytes()) {
                Some(found) if found == value.as_bytes() => {}
                Some(found) => {
                    bail!("{key} is {:?}, and {value:?} was acknowledged", found.escape_ascii().to_string())
                }
                None => bail!("{key} is lost, and was acknowledged"),
            }
        }
        step(
            "Check",
            &format!("all {} acknowledged keys are there, with their values", self.acknowledged.len()),
        );
        Ok(())
    }

    fn restart(&mut self, place: usize) -> Result<()> {
        let took = self.cluster.start_store(place)?;
        let began = Instant::now();
        let applied = |place: usize| self.cluster.stores()[place].applied().ok();
        let other = (place + 1) % self.cluster.stores().len();
        while began.elapsed() < CATCH_UP {
            if let (Some(own), Some(others)) = (applied(place), applied(other))
                && own >= others
            {
                let caught_up = seconds(began.elapsed());
                step(
                    "Restart",
                    &format!(
                        "store {} serves after {}, has caught up after {caught_up} more",
                        place + 1,
                        seconds(took)
                    ),
                );
                return Ok(());
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        bail!("store {} has not caught up", place + 1)
    }

    fn say_how_to_play(&self) {
        let ctl = format!("target/debug/tinykv-ctl --scheduler {}", self.cluster.scheduler);
        println!("\nThe cluster stays until Ctrl-C. Try:\n");
        println!("  {ctl} put hello world");
        println!("  {ctl} scan before-02 --limit 5");
        println!("  open http://{}/", self.cluster.stores()[0].status_addr);
    }
}

fn step(name: &str, what: &str) {
    println!("  {name:<10}{what}");
}

fn seconds(time: Duration) -> String {
    format!("{:.2} s", time.as_secs_f64())
}
