//! What both systems are driven through.

use std::future::Future;

use anyhow::Result;
use bytes::Bytes;
use tonic::transport::{Channel, Endpoint};

use crate::process::Server;

/// A running cluster of three.
pub trait Cluster: Sync {
    /// A client of it.
    type Client: Client;

    /// A client over this connection to the leader.
    fn client(&self, channel: Channel) -> Self::Client;

    /// The leader's address.
    fn leader(&self) -> &str;

    /// The processes that store data.
    fn servers(&self) -> &[Server];
}

/// One client: one request at a time.
pub trait Client: Clone + Send + 'static {
    /// Sets `key`; durable on a majority when it returns.
    fn put(&mut self, key: Bytes, value: Bytes) -> impl Future<Output = Result<()>> + Send;

    /// Length of the value of `key`, as of a moment between call and return.
    fn get(&mut self, key: Bytes) -> impl Future<Output = Result<usize>> + Send;
}

/// Opens a connection.
pub async fn connect(address: &str) -> Result<Channel> {
    Ok(Endpoint::from_shared(format!("http://{address}"))?.tcp_nodelay(true).connect().await?)
}
