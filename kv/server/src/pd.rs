//! Talking to the scheduler: what a store, and `tinykv-ctl`, ask it.

use std::sync::Arc;
use std::time::Duration;

use proto::metapb::{Peer, Region, Store};
use proto::pdpb::*;
use rpc::pdpb::pd_client::PdClient;
use tonic::Status;
use tonic::transport::{Channel, Endpoint};

/// Longest wait for an answer of the scheduler.
const TIMEOUT: Duration = Duration::from_secs(3);
/// Longest wait for a connection.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(1);

/// Result of questions to the scheduler.
pub type Result<T> = std::result::Result<T, Error>;

/// Why the scheduler did not answer as hoped.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// It cannot be reached, or is too slow: ask again later.
    #[error("the scheduler at {address} does not answer ({why}): is it running?")]
    Unavailable {
        /// Where it should be.
        address: String,
        /// What happened instead.
        why: String,
    },
    /// The cluster waits for more stores: ask again later.
    #[error("{0}")]
    NotBootstrapped(String),
    /// It refuses: asking again does not help.
    #[error("the scheduler refuses: {0}")]
    Refused(String),
}

/// A connection to the scheduler, which comes back by itself after a break. Cheap to clone.
#[derive(Clone)]
pub struct Pd {
    client: PdClient<Channel>,
    header: RequestHeader,
    address: Arc<str>,
}

/// What the scheduler knows of a region.
#[derive(Clone, Debug, PartialEq)]
pub struct RegionInfo {
    /// The region.
    pub region: Region,
    /// Its leader, if one has made itself known.
    pub leader: Option<Peer>,
}

impl Pd {
    /// Asks the scheduler at `address` which cluster it serves.
    ///
    /// # Errors
    /// An address that is none, or a scheduler that does not answer.
    pub async fn connect(address: &str) -> Result<Pd> {
        let endpoint = Endpoint::from_shared(format!("http://{address}"))
            .map_err(|error| Error::Refused(format!("{address} is no address: {error}")))?;
        let channel = endpoint.timeout(TIMEOUT).connect_timeout(CONNECT_TIMEOUT).connect_lazy();
        let mut pd =
            Pd { client: PdClient::new(channel), header: RequestHeader::default(), address: address.into() };
        let members = pd.client.get_members(GetMembersRequest { header: None }).await;
        let header = members.map_err(|status| pd.unavailable(&status))?.into_inner().header;
        pd.header.cluster_id = header.unwrap_or_default().cluster_id;
        Ok(pd)
    }

    /// The cluster that the scheduler serves.
    pub fn cluster_id(&self) -> u64 {
        self.header.cluster_id
    }

    /// A new id, for a store.
    ///
    /// # Errors
    /// See [`Error`]; so for all other questions.
    pub async fn alloc_id(&mut self) -> Result<u64> {
        let answer = self.client.alloc_id(AllocIdRequest { header: Some(self.header) }).await;
        let answer = answer.map_err(|status| self.unavailable(&status))?.into_inner();
        check(answer.header)?;
        Ok(answer.id)
    }

    /// Registers a store, or its new address.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn put_store(&mut self, store: Store) -> Result<()> {
        let request = PutStoreRequest { header: Some(self.header), store: Some(store) };
        let answer = self.client.put_store(request).await;
        check(answer.map_err(|status| self.unavailable(&status))?.into_inner().header)
    }

    /// The region that holds `key`.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn region_at(&mut self, key: &[u8]) -> Result<RegionInfo> {
        let request = GetRegionRequest { header: Some(self.header), region_key: key.to_vec().into() };
        let answer = self.client.get_region(request).await;
        region_of(answer.map_err(|status| self.unavailable(&status))?.into_inner())
    }

    /// The store with this id.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn store(&mut self, store_id: u64) -> Result<Store> {
        let request = GetStoreRequest { header: Some(self.header), store_id };
        let answer = self.client.get_store(request).await;
        let answer = answer.map_err(|status| self.unavailable(&status))?.into_inner();
        check(answer.header)?;
        answer.store.ok_or_else(|| Error::Refused(format!("store {store_id} is not known")))
    }

    /// All stores of the cluster.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn stores(&mut self) -> Result<Vec<Store>> {
        let request = GetAllStoresRequest { header: Some(self.header), exclude_tombstone_stores: true };
        let answer = self.client.get_all_stores(request).await;
        let answer = answer.map_err(|status| self.unavailable(&status))?.into_inner();
        check(answer.header)?;
        Ok(answer.stores)
    }

    /// Tells how a store is.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn store_heartbeat(&mut self, stats: StoreStats) -> Result<()> {
        let request = StoreHeartbeatRequest { header: Some(self.header), stats: Some(stats) };
        let answer = self.client.store_heartbeat(request).await;
        check(answer.map_err(|status| self.unavailable(&status))?.into_inner().header)
    }

    /// Tells about the regions that a store leads: one heartbeat each, all on one stream.
    ///
    /// # Errors
    /// See [`Error`]. That a heartbeat is stale is no error: whoever sent it will hear of the newer leader by itself.
    pub async fn region_heartbeats(&mut self, mut heartbeats: Vec<RegionHeartbeatRequest>) -> Result<()> {
        heartbeats.iter_mut().for_each(|heartbeat| heartbeat.header = Some(self.header));
        let answers = self.client.region_heartbeat(tokio_stream::iter(heartbeats)).await;
        let mut answers = answers.map_err(|status| self.unavailable(&status))?.into_inner();
        while let Some(answer) = answers.message().await.map_err(|status| self.unavailable(&status))? {
            if let Err(refused) = check(answer.header) {
                log::info!("heartbeat of region {}: {refused}", answer.region_id);
            }
        }
        Ok(())
    }

    fn unavailable(&self, status: &Status) -> Error {
        match status.code() {
            tonic::Code::FailedPrecondition | tonic::Code::InvalidArgument => {
                Error::Refused(status.message().to_owned())
            }
            _ => Error::Unavailable { address: self.address.to_string(), why: status.message().to_owned() },
        }
    }
}

fn region_of(answer: GetRegionResponse) -> Result<RegionInfo> {
    check(answer.header)?;
    let region = answer.region.ok_or_else(|| Error::Refused("there is no such region".to_owned()))?;
    Ok(RegionInfo { region, leader: answer.leader })
}

fn check(header: Option<ResponseHeader>) -> Result<()> {
    let Some(error) = header.and_then(|header| header.error) else { return Ok(()) };
    match error.r#type() {
        ErrorType::Ok => Ok(()),
        ErrorType::NotBootstrapped => Err(Error::NotBootstrapped(error.message)),
        _ => Err(Error::Refused(error.message)),
    }
}
