//! A client of a cluster: finds regions and leaders through the scheduler, and tries again where that is safe.
//!
//! | what happens | what the client does |
//! |---|---|
//! | *not leader*, with the leader's name | goes there at once |
//! | any other region error, or a store that cannot be reached | forgets the region, waits a little, asks the scheduler |
//! | the connection breaks, or no answer comes in time, *after* the request was sent | nobody knows whether a write took effect: repeats it only if told to ([`Options::repeat_unknown`]) |
//!
//! Region errors are safe: they say that the command had no effect.

use std::collections::BTreeMap;
use std::future::Future;
use std::ops::Bound;
use std::time::{Duration, Instant};

use bytes::Bytes;
use proto::kvrpcpb::*;
use proto::{errorpb, metapb};
use rpc::tikvpb::tikv_client::TikvClient;
use tonic::transport::{Channel, Endpoint};
use tonic::{Code, Request, Status};

use crate::pd::{self, Pd, RegionInfo};

/// First wait before another attempt; each next one is twice as long, …
const WAIT_MIN: Duration = Duration::from_millis(5);
/// … up to this.
const WAIT_MAX: Duration = Duration::from_millis(200);
/// Longest wait for a connection.
const CONNECT_TIMEOUT: Duration = Duration::from_millis(500);
/// Longest answer.
const ANSWER_BYTES_MAX: usize = 256 << 20;

/// How patient a client is.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// Longest time for one operation, all attempts together.
    pub timeout: Duration,
    /// Longest wait for one answer.
    pub attempt_timeout: Duration,
    /// Whether a write is repeated when nobody knows whether it took effect. Harmless for a put that nobody else writes.
    pub repeat_unknown: bool,
}

impl Default for Options {
    fn default() -> Options {
        Options {
            timeout: Duration::from_secs(15),
            attempt_timeout: Duration::from_secs(2),
            repeat_unknown: true,
        }
    }
}

/// Why an operation failed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// It has had no effect.
    #[error("no answer within {seconds:.0} s; the last attempt failed so: {last}")]
    Timeout {
        /// How long it was tried.
        seconds: f64,
        /// Why the last attempt failed.
        last: String,
    },
    /// Nobody knows whether it took effect.
    #[error("outcome unknown: {0}")]
    Unknown(String),
    /// The request itself is wrong.
    #[error("refused: {0}")]
    Refused(String),
}

/// A client. One operation at a time; clone it for more.
#[derive(Clone)]
pub struct Client {
    pd: Pd,
    options: Options,
    regions: BTreeMap<Bytes, RegionInfo>,
    stores: BTreeMap<u64, TikvClient<Channel>>,
}

/// Why one attempt failed.
enum Failure {
    /// Without effect; try again.
    Again(String),
    /// The same, and the leader is known.
    Leader(metapb::Peer),
    /// Nobody knows.
    Unknown(String),
    /// Trying again does not help.
    Refused(String),
}

impl Client {
    /// A client of the cluster whose scheduler is at `address`.
    ///
    /// # Errors
    /// A scheduler that does not answer.
    pub async fn connect(address: &str, options: Options) -> Result<Client, pd::Error> {
        let pd = Pd::connect(address).await?;
        Ok(Client { pd, options, regions: BTreeMap::new(), stores: BTreeMap::new() })
    }

    /// Its connection to the scheduler.
    pub fn pd(&mut self) -> &mut Pd {
        &mut self.pd
    }

    /// The value of `key`, if there is one.
    ///
    /// # Errors
    /// See [`Error`]; so for all operations.
    pub async fn get(&mut self, cf: &str, key: &[u8]) -> Result<Option<Bytes>, Error> {
        let request = RawGetRequest { context: None, key: key.to_vec().into(), cf: cf.to_owned() };
        let answer = self.call(key, request).await?;
        refused(&answer.error)?;
        Ok((!answer.not_found).then_some(answer.value))
    }

    /// Sets `key` to `value`.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn put(&mut self, cf: &str, key: &[u8], value: &[u8]) -> Result<(), Error> {
        let (cf, value) = (cf.to_owned(), value.to_vec().into());
        let request = RawPutRequest { context: None, key: key.to_vec().into(), value, cf, ttl: 0 };
        refused(&self.call(key, request).await?.error)
    }

    /// Removes `key`, if it is there.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn delete(&mut self, cf: &str, key: &[u8]) -> Result<(), Error> {
        let request = RawDeleteRequest { context: None, key: key.to_vec().into(), cf: cf.to_owned() };
        refused(&self.call(key, request).await?.error)
    }

    /// Sets `key` to `value` if it is `previous` (`None`: not there). Returns whether it was, and what it was.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn compare_and_swap(
        &mut self,
        cf: &str,
        key: &[u8],
        previous: Option<&[u8]>,
        value: &[u8],
    ) -> Result<(bool, Option<Bytes>), Error> {
        let request = RawCasRequest {
            context: None,
            key: key.to_vec().into(),
            value: value.to_vec().into(),
            previous_not_exist: previous.is_none(),
            previous_value: previous.unwrap_or_default().to_vec().into(),
            cf: cf.to_owned(),
        };
        let answer = self.call(key, request).await?;
        refused(&answer.error)?;
        Ok((answer.succeed, (!answer.previous_not_exist).then_some(answer.previous_value)))
    }

    /// At most `limit` pairs of `start..end` in order (to the last, if `end` is empty), over as many regions as need be.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn scan(
        &mut self,
        cf: &str,
        start: &[u8],
        end: &[u8],
        limit: u32,
    ) -> Result<Vec<(Bytes, Bytes)>, Error> {
        let (mut found, mut from) = (Vec::new(), Bytes::copy_from_slice(start));
        loop {
            let request = RawScanRequest {
                start_key: from.clone(),
                limit: limit - found.len() as u32,
                cf: cf.to_owned(),
                end_key: Bytes::copy_from_slice(end),
                ..RawScanRequest::default()
            };
            let answer = self.call(&from, request).await?;
            found.extend(answer.kvs.into_iter().map(|pair| (pair.key, pair.value)));
            // The region that answered is still in the cache.
            let region_end = self.cached(&from).map(|info| info.region.end_key.clone()).unwrap_or_default();
            let is_last = region_end.is_empty() || (!end.is_empty() && region_end.as_ref() >= end);
            if is_last || found.len() as u32 >= limit {
                return Ok(found);
            }
            from = region_end;
        }
    }

    /// Sends `request` to the leader of the region that holds `key`, again and again until it is answered.
    async fn call<R: RegionRequest>(&mut self, key: &[u8], request: R) -> Result<R::Answer, Error> {
        let start = Instant::now();
        let mut wait = WAIT_MIN;
        let mut may_have_effect = false;
        loop {
            let last = match self.attempt(key, request.clone()).await {
                Ok(answer) => return Ok(answer),
                Err(Failure::Leader(leader)) if self.follow(key, leader) => {
                    "the leader has changed".to_owned()
                }
                Err(Failure::Leader(_)) => {
                    self.forget(key);
                    "the leader is not one of the peers that the scheduler knows".to_owned()
                }
                Err(Failure::Again(why)) => {
                    self.forget(key);
                    why
                }
                Err(Failure::Unknown(why)) if R::IS_READ || self.options.repeat_unknown => {
                    self.forget(key);
                    may_have_effect = !R::IS_READ;
                    why
                }
                Err(Failure::Unknown(why)) => {
                    self.forget(key);
                    return Err(Error::Unknown(why));
                }
                Err(Failure::Refused(why)) => return Err(Error::Refused(why)),
            };
            if start.elapsed() + wait > self.options.timeout {
                if may_have_effect {
                    return Err(Error::Unknown(last));
                }
                return Err(Error::Timeout { seconds: start.elapsed().as_secs_f64(), last });
            }
            tokio::time::sleep(wait).await;
            wait = (wait * 2).min(WAIT_MAX);
        }
    }

    async fn attempt<R: RegionRequest>(&mut self, key: &[u8], mut request: R) -> Result<R::Answer, Failure> {
        let info = self.region(key).await?;
        let region = &info.region;
        let leader =
            info.leader.ok_or_else(|| Failure::Again(format!("region {} has no leader", region.id)))?;
        let client = self.store(leader.store_id).await?;
        request.set_context(Context {
            region_id: region.id,
            region_epoch: region.region_epoch,
            peer: Some(leader),
            ..Context::default()
        });
        let mut request = Request::new(request);
        request.set_timeout(self.options.attempt_timeout);
        let answer = tokio::time::timeout(self.options.attempt_timeout, R::send(client, request)).await;
        let mut answer = match answer {
            Ok(Ok(answer)) => answer,
            Ok(Err(status)) => {
                self.stores.remove(&leader.store_id);
                return Err(failure(&status));
            }
            Err(_) => {
                return Err(Failure::Unknown(format!("store {} does not answer in time", leader.store_id)));
            }
        };
        match R::take_region_error(&mut answer) {
            None => Ok(answer),
            Some(errorpb::Error {
                not_leader: Some(errorpb::NotLeader { leader: Some(leader), .. }),
                ..
            }) => Err(Failure::Leader(leader)),
            Some(error) => Err(Failure::Again(format!("store {}: {}", leader.store_id, error.message))),
        }
    }

    async fn region(&mut self, key: &[u8]) -> Result<RegionInfo, Failure> {
        if let Some(known) = self.cached(key) {
            return Ok(known.clone());
        }
        let info = self.pd.region_at(key).await.map_err(|error| match error {
            pd::Error::Refused(why) => Failure::Refused(why),
            _ => Failure::Again(error.to_string()),
        })?;
        if info.leader.is_some() {
            self.regions.insert(info.region.start_key.clone(), info.clone());
        }
        Ok(info)
    }

    fn cached(&self, key: &[u8]) -> Option<&RegionInfo> {
        let (_, info) =
            self.regions.range::<[u8], _>((Bound::Unbounded, Bound::Included(key))).next_back()?;
        let end = &info.region.end_key;
        (end.is_empty() || key < end.as_ref()).then_some(info)
    }

    /// Remembers the leader of the region that holds `key`; `false` if that is not one of its peers.
    fn follow(&mut self, key: &[u8], leader: metapb::Peer) -> bool {
        let Some(info) = self.cached(key).filter(|info| info.region.peers.contains(&leader)).cloned() else {
            return false;
        };
        self.regions.insert(info.region.start_key.clone(), RegionInfo { leader: Some(leader), ..info });
        true
    }

    fn forget(&mut self, key: &[u8]) {
        if let Some(start) = self.cached(key).map(|info| info.region.start_key.clone()) {
            self.regions.remove(&start);
        }
    }

    /// A connection to a store. It is made before anything is sent: a failure here has no effect.
    async fn store(&mut self, store_id: u64) -> Result<TikvClient<Channel>, Failure> {
        if let Some(known) = self.stores.get(&store_id) {
            return Ok(known.clone());
        }
        let store = self.pd.store(store_id).await.map_err(|error| Failure::Again(error.to_string()))?;
        let endpoint = Endpoint::from_shared(format!("http://{}", store.address));
        let endpoint =
            endpoint.map_err(|error| Failure::Refused(error.to_string()))?.connect_timeout(CONNECT_TIMEOUT);
        let unreachable = |error| Failure::Again(format!("store {store_id} at {}: {error}", store.address));
        let channel = endpoint.connect().await.map_err(unreachable)?;
        let client = TikvClient::new(channel).max_decoding_message_size(ANSWER_BYTES_MAX);
        self.stores.insert(store_id, client.clone());
        Ok(client)
    }
}

fn failure(status: &Status) -> Failure {
    match status.code() {
        Code::InvalidArgument | Code::Unimplemented | Code::ResourceExhausted | Code::OutOfRange => {
            Failure::Refused(status.message().to_owned())
        }
        _ => Failure::Unknown(status.message().to_owned()),
    }
}

fn refused(error: &str) -> Result<(), Error> {
    if error.is_empty() { Ok(()) } else { Err(Error::Refused(error.to_owned())) }
}

/// A request that goes to the leader of one region.
trait RegionRequest: Clone + Send {
    type Answer: Send;
    /// Whether it changes nothing, so that it may be repeated.
    const IS_READ: bool;

    fn set_context(&mut self, context: Context);

    fn send(
        client: TikvClient<Channel>,
        request: Request<Self>,
    ) -> impl Future<Output = Result<Self::Answer, Status>> + Send;

    fn take_region_error(answer: &mut Self::Answer) -> Option<errorpb::Error>;
}

macro_rules! region_requests {
    ($($request:ident, $answer:ident, $method:ident, $is_read:literal;)*) => {$(
        impl RegionRequest for $request {
            type Answer = $answer;
            const IS_READ: bool = $is_read;

            fn set_context(&mut self, context: Context) {
                self.context = Some(context);
            }

            async fn send(
                mut client: TikvClient<Channel>,
                request: Request<Self>,
            ) -> Result<$answer, Status> {
                Ok(client.$method(request).await?.into_inner())
            }

            fn take_region_error(answer: &mut $answer) -> Option<errorpb::Error> {
                answer.region_error.take()
            }
        }
    )*};
}

region_requests! {
    RawGetRequest, RawGetResponse, raw_get, true;
    RawPutRequest, RawPutResponse, raw_put, false;
    RawDeleteRequest, RawDeleteResponse, raw_delete, false;
    RawScanRequest, RawScanResponse, raw_scan, true;
    RawCasRequest, RawCasResponse, raw_compare_and_swap, false;
}
