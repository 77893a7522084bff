//! Storage as the request handlers see it: a snapshot to read from, and batches of changes to write.
//!
//! Two implementations: standalone, on one engine and without Raft (what part 1 of the course builds), and `raft`, which sends
//! everything through the raftstore. Answers come by callback, because a store must never wait.

pub mod raft;
pub mod region_reader;
mod standalone;

pub use standalone::{StandaloneReader, StandaloneStorage};

use bytes::Bytes;
use proto::errorpb;
use proto::kvrpcpb::Context;

use crate::engine::{self, Cf, Iter};

/// One change that a request asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Modify {
    /// Sets a key.
    Put {
        /// Where.
        cf: Cf,
        /// Key.
        key: Bytes,
        /// Value.
        value: Bytes,
    },
    /// Removes a key.
    Delete {
        /// Where.
        cf: Cf,
        /// Key.
        key: Bytes,
    },
    /// Removes all keys of `start..end`. Removes from `start` to the end of the region if `end` is empty.
    DeleteRange {
        /// Where.
        cf: Cf,
        /// First key.
        start: Bytes,
        /// Key behind the last.
        end: Bytes,
    },
}

/// Why a request was not served.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum Error {
    /// The client should look for the region elsewhere, or try again: it travels in the answer's `region_error`.
    #[error("{}", .0.message)]
    Region(Box<errorpb::Error>),
    /// The request itself is wrong, and trying again does not help.
    #[error("{0}")]
    Invalid(String),
    /// The engine failed; the store is about to stop.
    #[error("{0}")]
    Engine(String),
    /// Nobody can tell whether the request took effect, or ever will: this store has lost sight of it.
    #[error("outcome unknown: {0}")]
    Undetermined(String),
}

impl From<engine::Error> for Error {
    fn from(error: engine::Error) -> Error {
        match error {
            engine::Error::InvalidKey { .. } => Error::Invalid(error.to_string()),
            _ => Error::Engine(error.to_string()),
        }
    }
}

impl From<errorpb::Error> for Error {
    /// What has a field in kvproto's message is for the client's region cache to deal with; the rest is only words.
    fn from(error: errorpb::Error) -> Error {
        let words = errorpb::Error { message: error.message.clone(), ..errorpb::Error::default() };
        if words == error { Error::Invalid(error.message) } else { Error::Region(Box::new(error)) }
    }
}

/// Result of storage calls.
pub type Result<T> = std::result::Result<T, Error>;

/// Reads of one moment.
pub trait Reader: Send {
    /// The value of `key`, if there is one.
    ///
    /// # Errors
    /// [`Error::Region`] if the region behind this reader does not hold `key`.
    fn get_cf(&self, cf: Cf, key: &[u8]) -> Result<Option<Bytes>>;

    /// Pairs from `start` on (inclusive) up to `end` (exclusive), within the region. An empty bound means that of the region.
    /// `.rev()` runs backwards.
    ///
    /// # Errors
    /// The engine's.
    fn scan_cf(&self, cf: Cf, start: &[u8], end: &[u8]) -> Result<Iter<'_>>;

    /// Raft term in which this was read; 0 without Raft.
    fn term(&self) -> u64;
}

/// Called with the answer, exactly once.
pub type Callback<T> = Box<dyn FnOnce(Result<T>) + Send>;

/// Where requests read and write.
pub trait Storage: Send + Sync {
    /// Hands a reader to `callback` that sees every write acknowledged before this call.
    fn async_snapshot(&self, context: &Context, callback: Callback<Box<dyn Reader>>);

    /// Makes all changes at once or none, then tells `callback`. With `guard_term` other than 0, fails with `StaleCommand`
    /// unless the write is proposed in exactly that Raft term.
    fn async_write(&self, context: &Context, guard_term: u64, modifies: Vec<Modify>, callback: Callback<()>);
}
