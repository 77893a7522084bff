//! What can go wrong with a snapshot file.

use super::SnapKey;
use crate::engine;

/// Result of calls on snapshots.
pub type Result<T> = std::result::Result<T, Error>;

/// What went wrong. Unless said otherwise, the store goes on: Raft asks for another snapshot later.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The operating system refused: no space, for instance.
    #[error("snapshot file {name}: {source}")]
    Io {
        /// Which file.
        name: String,
        /// Why.
        source: std::io::Error,
    },
    /// The file is not what was written, or not of this snapshot. If the region is already installing it, this is fatal: the peer has
    /// acknowledged data that it does not have.
    #[error("snapshot file {name} is corrupt: {what}")]
    Corrupt {
        /// Which file.
        name: String,
        /// What does not fit.
        what: String,
    },
    /// The engine that is read from has failed: fatal.
    #[error("engine: {0}")]
    Engine(#[from] engine::Error),
    /// There is no such file (any more).
    #[error("there is no file of the snapshot of {0}")]
    NotFound(SnapKey),
    /// The same snapshot is just being received, or installed: drop this one.
    #[error("the snapshot of {0} is in use")]
    InUse(SnapKey),
    /// As many as allowed are under way: try again later.
    #[error("{0} snapshots are under way already")]
    TooMany(usize),
    /// All files together would be larger than allowed: try again later.
    #[error("snapshot files would take {bytes} bytes of {max} allowed")]
    Full {
        /// Size with the new one.
        bytes: u64,
        /// Size allowed.
        max: u64,
    },
    /// A message that says it carries a snapshot does not: drop it.
    #[error("malformed snapshot message: {0}")]
    Malformed(String),
}

impl Error {
    pub(super) fn io(name: &str) -> impl FnOnce(std::io::Error) -> Error + '_ {
        move |source| Error::Io { name: name.to_owned(), source }
    }

    pub(super) fn corrupt(name: &str, what: impl Into<String>) -> Error {
        Error::Corrupt { name: name.to_owned(), what: what.into() }
    }
}
