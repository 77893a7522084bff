//! Snapshots of regions as files: what a follower gets when the entries that it needs have been deleted.
//!
//! ```text
//! leader's region worker     build ──► gen_R_T_I.snap ──► open_for_sending ──► chunks ─┐
//!                                                                                     │ network
//! follower's region worker   open_for_applying ◄── rev_R_T_I.snap ◄── begin_receiving ◄┘
//! ```
//!
//! | file | what it tells |
//! |---|---|
//! | `key.rs` | which snapshot, and how its files are called |
//! | `files.rs` | where files live: a directory, or memory |
//! | `format.rs` | what is in a file, and how it is found out that it is something else |
//! | `manager.rs` | [`SnapManager`]: which files there are, who uses them, which may go |
//! | `transfer.rs` | sending and receiving |
//!
//! The Raft message carries a `RaftSnapshotData` without data: region, length of the file, and for each column family length and
//! checksum of its pairs. The file travels beside it, and the message is delivered when the file is whole and safe.
//!
//! # Crash
//!
//! A file gets its name only when all of it is synced. At the start of a store, kvdb says which received files a region is
//! installing; all others are thrown away, as nobody remembers what they were for: Raft asks again.

mod error;
mod files;
mod format;
mod key;
mod manager;
mod transfer;

pub use error::{Error, Result};
pub use files::{MemFiles, RealFiles, SnapFile, SnapFiles};
pub use format::{Block, SnapReader};
pub use key::SnapKey;
pub use manager::{Built, SnapLimits, SnapManager, SnapPin, SnapStats};
pub use transfer::{SnapReceiver, SnapSender};
