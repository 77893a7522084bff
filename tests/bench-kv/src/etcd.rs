//! A three-member etcd, and a client of its v3 protocol.

use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, ensure};
use bytes::Bytes;
use tonic::transport::Channel;

use crate::cluster::{Client, Cluster, connect};
use crate::process::{self, Server, free_addresses, until_ready};

#[allow(missing_docs, clippy::all)]
mod pb {
    include!(concat!(env!("OUT_DIR"), "/etcdserverpb.rs"));
}

use pb::kv_client::KvClient;
use pb::maintenance_client::MaintenanceClient;
use pb::{PutRequest, RangeRequest, StatusRequest};

const MEMBERS: usize = 3;

/// Three members.
pub struct Etcd {
    members: Vec<Server>,
    leader: String,
}

/// An error that says what to install if there is no such program.
pub fn check(program: &Path) -> Result<()> {
    ensure!(
        process::exists(program),
        "there is no `{}` to compare with: install Debian's etcd-server (`apt-get install etcd-server`), or say where it \
         is with --etcd",
        program.display()
    );
    Ok(())
}

impl Etcd {
    /// Starts three members with their default settings, and waits until they have a leader.
    pub async fn start(program: &Path, directory: &Path) -> Result<Etcd> {
        let (clients, peers) = (free_addresses(MEMBERS)?, free_addresses(MEMBERS)?);
        let all: Vec<_> = peers.iter().enumerate().map(|(i, peer)| format!("m{i}=http://{peer}")).collect();
        let mut members = Vec::with_capacity(MEMBERS);
        for (i, (client, peer)) in clients.iter().zip(&peers).enumerate() {
            let (client, peer) = (format!("http://{client}"), format!("http://{peer}"));
            let data = directory.join(format!("m{i}"));
            let mut command = Command::new(program);
            command.args(["--name", &format!("m{i}"), "--data-dir"]).arg(&data);
            command.args(["--listen-client-urls", &client, "--advertise-client-urls", &client]);
            command.args(["--listen-peer-urls", &peer, "--initial-advertise-peer-urls", &peer]);
            command.args(["--initial-cluster", &all.join(","), "--initial-cluster-state", "new"]);
            command.args(["--log-level", "error", "--logger", "zap"]);
            members.push(Server::start(command, directory, &format!("m{i}"))?);
        }
        let leader = until_ready("etcd", &mut members, async || find_leader(&clients).await).await?;
        Ok(Etcd { members, leader })
    }
}

/// The address of the member that every member takes for the leader.
async fn find_leader(addresses: &[String]) -> Result<String> {
    let mut leader = None;
    for address in addresses {
        let status =
            MaintenanceClient::new(connect(address).await?).status(StatusRequest {}).await?.into_inner();
        let own = status.header.context("a status without a header")?.member_id;
        ensure!(status.leader != 0, "{address} knows no leader");
        if own == status.leader {
            leader = Some(address.clone());
        }
    }
    leader.context("nobody is leader")
}

impl Cluster for Etcd {
    type Client = KvClient<Channel>;

    fn client(&self, channel: Channel) -> KvClient<Channel> {
        KvClient::new(channel)
    }

    fn leader(&self) -> &str {
        &self.leader
    }

    fn servers(&self) -> &[Server] {
        &self.members
    }
}

impl Client for KvClient<Channel> {
    async fn put(&mut self, key: Bytes, value: Bytes) -> Result<()> {
        KvClient::put(self, PutRequest { key, value }).await?;
        Ok(())
    }

    async fn get(&mut self, key: Bytes) -> Result<usize> {
        let answer = self.range(RangeRequest { key, serializable: false }).await?.into_inner();
        Ok(answer.kvs.first().map_or(0, |pair| pair.value.len()))
    }
}
