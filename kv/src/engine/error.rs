//! What can go wrong in an engine.

use std::path::PathBuf;

/// Result of engine calls.
pub type Result<T> = std::result::Result<T, Error>;

/// What went wrong. All but [`Error::InvalidKey`] are fatal for the store.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The caller's fault; nothing was written, and the engine goes on.
    #[error("invalid key of {bytes} bytes: keys are 1 to 65535 bytes long")]
    InvalidKey {
        /// Its length.
        bytes: usize,
    },
    /// The operating system refused.
    #[error("disk: {0}")]
    Io(#[from] std::io::Error),
    /// There is no room left on the disk.
    #[error("no space left for {}: make room, then start this store again", .0.display())]
    Full(PathBuf),
    /// Another process has the directory open.
    #[error("{} is in use by another process: stop that one first, or give this store a directory of its own", .0.display())]
    Locked(PathBuf),
    /// The directory was not made by an engine of this kind.
    #[error("{} is not this engine's: {what}; give this store a directory of its own", .path.display())]
    Foreign {
        /// The directory.
        path: PathBuf,
        /// What is there instead.
        what: String,
    },
    /// The directory was written by a newer version of this program.
    #[error("{} has data format {found}, and this program knows formats up to {known}: use a newer one", .path.display())]
    NewerFormat {
        /// The directory.
        path: PathBuf,
        /// Its format.
        found: u32,
        /// The newest format that we know.
        known: u32,
    },
    /// What is on disk is not what was written.
    #[error("{place} is corrupt: {what}; rebuild this store from its peers")]
    Corrupt {
        /// Directory, database or key.
        place: String,
        /// What does not fit.
        what: String,
    },
    /// An earlier write or sync failed, so nobody knows what is on disk.
    #[error("the engine stopped after an earlier failure")]
    Poisoned,
    /// Whatever else the database reports.
    #[error("database: {0}")]
    Other(String),
}
