//! Three stores of ours and their scheduler, and a client of the raw protocol.

use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, bail, ensure};
use bytes::Bytes;
use proto::kvrpcpb::{self, RawGetRequest, RawPutRequest};
use proto::metapb;
use proto::pdpb::{GetMembersRequest, GetRegionRequest, GetStoreRequest, RequestHeader};
use rpc::pdpb::pd_client::PdClient;
use rpc::tikvpb::tikv_client::TikvClient;
use tonic::transport::Channel;

use crate::cluster::{Client, Cluster, connect};
use crate::process::{Server, free_addresses, until_ready};

const STORES: usize = 3;
const STORE: &str = "tinykv-server";
const SCHEDULER: &str = "tinyscheduler-server";

/// Three stores and their scheduler.
pub struct Ours {
    stores: Vec<Server>,
    _scheduler: Server,
    leader: String,
    context: kvrpcpb::Context,
}

/// An error that says what to build if a program is missing.
pub fn check(programs: &Path) -> Result<()> {
    for name in [STORE, SCHEDULER] {
        let path = programs.join(name);
        ensure!(
            path.is_file(),
            "there is no {}: build it with `cargo build --release -p tinykv-server -p tinyscheduler-server`",
            path.display()
        );
    }
    Ok(())
}

impl Ours {
    /// Starts scheduler and stores with their default settings, and waits until the region has a leader.
    pub async fn start(programs: &Path, directory: &Path) -> Result<Ours> {
        let addresses = free_addresses(2 * STORES + 1)?;
        let (scheduler, addresses) = addresses.split_first().context("no address")?;
        let (clients, status) = addresses.split_at(STORES);
        let mut command = Command::new(programs.join(SCHEDULER));
        command.args(["--addr", scheduler, "--loglevel", "warn", "--path"]).arg(directory.join("scheduler"));
        let mut running = [Server::start(command, directory, "scheduler")?];
        until_ready("the scheduler", &mut running, async || connect(scheduler).await).await?;
        let mut stores = Vec::with_capacity(STORES);
        for (i, (client, status)) in clients.iter().zip(status).enumerate() {
            let name = format!("store{i}");
            let mut command = Command::new(programs.join(STORE));
            command.args(["--addr", client, "--status-addr", status, "--scheduler", scheduler]);
            command.args(["--loglevel", "warn", "--path"]).arg(directory.join(&name));
            stores.push(Server::start(command, directory, &name)?);
        }
        let (leader, context) =
            until_ready("our cluster", &mut stores, async || find_leader(scheduler, clients).await).await?;
        let [scheduler] = running;
        Ok(Ours { stores, _scheduler: scheduler, leader, context })
    }
}

/// Address of the store that leads the first region, and what requests to it must say. Found by trying: a write that
/// succeeds went to the leader.
async fn find_leader(scheduler: &str, addresses: &[String]) -> Result<(String, kvrpcpb::Context)> {
    let mut pd = PdClient::new(connect(scheduler).await?);
    let members = pd.get_members(GetMembersRequest { header: None }).await?.into_inner();
    let header = RequestHeader { cluster_id: members.header.unwrap_or_default().cluster_id };
    let region = pd.get_region(GetRegionRequest { header: Some(header), region_key: Bytes::new() }).await?;
    let region = region.into_inner().region.context("the scheduler knows no region yet")?;
    for peer in &region.peers {
        let request = GetStoreRequest { header: Some(header), store_id: peer.store_id };
        let store = pd.get_store(request).await?.into_inner().store.context("a store that nobody knows")?;
        ensure!(addresses.contains(&store.address), "{} is none of our stores", store.address);
        let context = context(&region, peer);
        let mut client = Raw { tikv: TikvClient::new(connect(&store.address).await?), context };
        if client.put(Bytes::from_static(b"leader"), Bytes::from_static(b"?")).await.is_ok() {
            return Ok((store.address, context));
        }
    }
    bail!("none of the stores leads the region")
}

fn context(region: &metapb::Region, peer: &metapb::Peer) -> kvrpcpb::Context {
    kvrpcpb::Context {
        region_id: region.id,
        region_epoch: region.region_epoch,
        peer: Some(*peer),
        ..Default::default()
    }
}

impl Cluster for Ours {
    type Client = Raw;

    fn client(&self, channel: Channel) -> Raw {
        Raw { tikv: TikvClient::new(channel), context: self.context }
    }

    fn leader(&self) -> &str {
        &self.leader
    }

    fn servers(&self) -> &[Server] {
        &self.stores
    }
}

/// A client of the leader.
#[derive(Clone)]
pub struct Raw {
    tikv: TikvClient<Channel>,
    context: kvrpcpb::Context,
}

impl Client for Raw {
    async fn put(&mut self, key: Bytes, value: Bytes) -> Result<()> {
        let request = RawPutRequest { context: Some(self.context), key, value, ..Default::default() };
        let answer = self.tikv.raw_put(request).await?.into_inner();
        ensure!(answer.region_error.is_none(), "{:?}", answer.region_error);
        ensure!(answer.error.is_empty(), "{}", answer.error);
        Ok(())
    }

    async fn get(&mut self, key: Bytes) -> Result<usize> {
        let request = RawGetRequest { context: Some(self.context), key, ..Default::default() };
        let answer = self.tikv.raw_get(request).await?.into_inner();
        ensure!(answer.region_error.is_none(), "{:?}", answer.region_error);
        ensure!(answer.error.is_empty(), "{}", answer.error);
        Ok(answer.value.len())
    }
}
