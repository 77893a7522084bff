//! What can go wrong with a command, and what the client is told.

use proto::errorpb;
use proto::metapb;

use super::{RegionId, StoreId};
use crate::engine;

/// Result of raftstore calls.
pub type Result<T> = std::result::Result<T, Error>;

/// What went wrong.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Ask the leader instead, if one is known.
    #[error("region {region_id} is not led from here")]
    NotLeader {
        /// Region.
        region_id: RegionId,
        /// Its leader, as far as known.
        leader: Option<metapb::Peer>,
    },
    /// Refresh the region, and try there.
    #[error("region {0} is not on this store")]
    RegionNotFound(RegionId),
    /// Refresh the region, and try there.
    #[error("key is not in region {}", .region.id)]
    KeyNotInRegion {
        /// The key.
        key: Vec<u8>,
        /// The region.
        region: Box<metapb::Region>,
    },
    /// The region has changed: refresh it, and try again.
    #[error("the region's epoch has changed")]
    EpochNotMatch(Vec<metapb::Region>),
    /// The command was overwritten by another leader, or its term is over. It has had no effect; try again.
    #[error("the command is stale")]
    StaleCommand,
    /// The command went to another store than it was meant for.
    #[error("meant for store {request}, but this is store {actual}")]
    StoreNotMatch {
        /// Store that the request names.
        request: StoreId,
        /// This store.
        actual: StoreId,
    },
    /// Too much waits already; try again a little later.
    #[error("busy: {0}")]
    ServerIsBusy(String),
    /// The command does not fit into an entry: cut it up.
    #[error("a command of {bytes} bytes is too large for region {region_id}")]
    RaftEntryTooLarge {
        /// Region.
        region_id: RegionId,
        /// Its size.
        bytes: u64,
    },
    /// The request itself is wrong.
    #[error("invalid request: {0}")]
    Invalid(String),
    /// Raft refused.
    #[error("raft: {0}")]
    Raft(#[from] raft::Error),
    /// The engine failed: the store must stop.
    #[error("engine: {0}")]
    Engine(#[from] engine::Error),
    /// What is on disk contradicts itself: the store must not start.
    #[error("{0}")]
    Corrupt(String),
}

/// The one place that says what a client is told. Everything that has no field of its own travels as its message.
impl From<&Error> for errorpb::Error {
    fn from(error: &Error) -> errorpb::Error {
        let mut told = errorpb::Error { message: error.to_string(), ..errorpb::Error::default() };
        match error {
            Error::NotLeader { region_id, leader } => {
                told.not_leader = Some(errorpb::NotLeader { region_id: *region_id, leader: *leader });
            }
            Error::RegionNotFound(region_id) => {
                told.region_not_found = Some(errorpb::RegionNotFound { region_id: *region_id });
            }
            Error::KeyNotInRegion { key, region } => {
                told.key_not_in_region = Some(errorpb::KeyNotInRegion {
                    key: key.clone().into(),
                    region_id: region.id,
                    start_key: region.start_key.clone(),
                    end_key: region.end_key.clone(),
                });
            }
            Error::EpochNotMatch(current) => {
                told.epoch_not_match = Some(errorpb::EpochNotMatch { current_regions: current.clone() });
            }
            Error::StaleCommand => told.stale_command = Some(errorpb::StaleCommand {}),
            Error::StoreNotMatch { request, actual } => {
                told.store_not_match =
                    Some(errorpb::StoreNotMatch { request_store_id: *request, actual_store_id: *actual });
            }
            Error::ServerIsBusy(reason) => {
                told.server_is_busy = Some(errorpb::ServerIsBusy {
                    reason: reason.clone(),
                    ..errorpb::ServerIsBusy::default()
                });
            }
            Error::RaftEntryTooLarge { region_id, bytes } => {
                told.raft_entry_too_large =
                    Some(errorpb::RaftEntryTooLarge { region_id: *region_id, entry_size: *bytes });
            }
            Error::Invalid(_) | Error::Raft(_) | Error::Engine(_) | Error::Corrupt(_) => {}
        }
        told
    }
}
