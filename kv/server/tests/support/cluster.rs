//! A scheduler and stores in this process, on loopback and temporary directories.

use std::path::PathBuf;

use scheduler_server::server as scheduler;
use server::client::{Client, Options};
use server::config::Config;
use server::server::Running;
use tempfile::TempDir;

use super::ANY_PORT;

/// A scheduler and the stores that were started.
pub struct Cluster {
    dir: TempDir,
    scheduler: Option<scheduler::Running>,
    scheduler_addr: String,
    /// By place, from 0; `None` while stopped.
    pub stores: Vec<Option<Running>>,
}

impl Cluster {
    /// A cluster of `count` stores that serves.
    pub async fn start(count: usize) -> Cluster {
        Cluster::start_with(count, |_| {}).await
    }

    /// The same with other options.
    pub async fn start_with(count: usize, change: impl Fn(&mut Config)) -> Cluster {
        let dir = tempfile::tempdir().unwrap();
        let scheduler_addr = ANY_PORT.to_owned();
        let mut cluster = Cluster { dir, scheduler: None, scheduler_addr, stores: Vec::new() };
        assert!(cluster.start_scheduler(count).await);
        // A store starts to serve when all of them have registered.
        let configs: Vec<Config> = (0..count)
            .map(|place| {
                let mut config = cluster.config(place);
                change(&mut config);
                config
            })
            .collect();
        let starting: Vec<_> =
            configs.into_iter().map(|config| tokio::spawn(server::server::start(config))).collect();
        for store in starting {
            cluster.stores.push(Some(store.await.unwrap().unwrap()));
        }
        cluster
    }

    /// Configuration of the store at `place`: quick elections, since nothing else runs.
    pub fn config(&self, place: usize) -> Config {
        let mut config = Config::default();
        config.server.addr = ANY_PORT.to_owned();
        config.server.status_addr = ANY_PORT.to_owned();
        config.server.path = self.path(place);
        config.server.scheduler = self.scheduler_addr.clone();
        config.server.reserve_bytes = 0;
        config.raftstore.raft_base_tick_ms = 50;
        config
    }

    /// Directory of the store at `place`.
    pub fn path(&self, place: usize) -> PathBuf {
        self.dir.path().join(format!("store{place}"))
    }

    /// Starts the scheduler, at the address that it had before. Returns whether that worked: its directory or its address may
    /// still be in use.
    pub async fn start_scheduler(&mut self, replicas: usize) -> bool {
        let options = scheduler::Options {
            addr: self.scheduler_addr.clone(),
            advertise_addr: None,
            path: self.dir.path().join("scheduler"),
            replicas,
        };
        self.scheduler = scheduler::start(options).await.ok();
        if let Some(running) = &self.scheduler {
            self.scheduler_addr = running.addr.to_string();
        }
        self.scheduler.is_some()
    }

    /// Stops the scheduler.
    pub async fn stop_scheduler(&mut self) {
        self.scheduler.take().unwrap().stop().await.unwrap();
    }

    /// Address of the scheduler.
    pub fn scheduler_addr(&self) -> String {
        self.scheduler_addr.clone()
    }

    /// A client.
    pub async fn client(&self) -> Client {
        Client::connect(&self.scheduler_addr(), Options::default()).await.unwrap()
    }

    /// Stops the store at `place`.
    pub async fn stop_store(&mut self, place: usize) {
        self.stores[place].take().unwrap().stop().await.unwrap();
    }

    /// Starts it again.
    pub async fn start_store(&mut self, place: usize) {
        self.stores[place] = Some(server::server::start(self.config(place)).await.unwrap());
    }

    /// Stops everything.
    pub async fn stop(mut self) {
        for place in 0..self.stores.len() {
            if self.stores[place].is_some() {
                self.stop_store(place).await;
            }
        }
        self.stop_scheduler().await;
    }
}
