//! Why the scheduler refuses.

/// Result of scheduler calls.
pub type Result<T> = std::result::Result<T, Error>;

/// Why. Nothing has changed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// Fewer stores have registered than a region has replicas: ask again later.
    #[error("the cluster is not ready: {registered} of {needed} stores have registered")]
    NotBootstrapped {
        /// Stores so far.
        registered: usize,
        /// Stores that the first region needs.
        needed: usize,
    },
    /// No region by this id, or none before this key.
    #[error("there is no such region: {0}")]
    RegionNotFound(String),
    /// No store by this id.
    #[error("there is no store {0}")]
    StoreNotFound(u64),
    /// The store left the cluster for good: its directory must not be used again.
    #[error("store {0} is a tombstone: remove its directory, and let it join as a new store")]
    StoreTombstone(u64),
    /// Two stores cannot share an address.
    #[error("address {address} belongs to store {owner}: start that store again, or choose another address")]
    AddressTaken {
        /// The address.
        address: String,
        /// Store that has it.
        owner: u64,
    },
    /// A heartbeat that tells older news than the scheduler has. It is of a deposed leader, or was late: ignore the answer.
    #[error("stale heartbeat of region {region_id}: {what}")]
    Stale {
        /// Region of the heartbeat.
        region_id: u64,
        /// What is newer.
        what: String,
    },
    /// The request itself is wrong.
    #[error("invalid request: {0}")]
    Invalid(String),
    /// The directory does not hold the state of a scheduler.
    #[error("the scheduler's state is corrupt at {0}: restore the directory from a backup")]
    Corrupt(String),
}
