//! The scheduler's core: who is in the cluster, which region is where, ids and timestamps.
//!
//! Pure: values in, values out, no I/O, no thread, no clock. The shell around it is the package `tinyscheduler-server`, and
//! does for every request:
//!
//! ```text
//! let answer = cluster.put_store(store)?;         // 1. ask the core
//! disk.write_and_sync(cluster.take_changes())?;   // 2. make safe what it decided
//! reply(answer)                                   // 3. only then answer
//! ```
//!
//! A scheduler that stops between 2 and 3 has at worst given away an id or a stretch of time that nobody uses. One that
//! answered before 2 could give the same id, or the same timestamp, twice.
//!
//! | file | what it tells |
//! |---|---|
//! | [`cluster`] | the whole: registration of stores, the first region, heartbeats |
//! | [`regions`] | regions by key range, and which of two reports about one range is newer |
//! | [`ids`] | ids that are never given twice |
//! | [`tso`] | timestamps that never go back |
//! | [`change`] | what is kept on disk, as keys and values |
//!
//! **Left out:** several schedulers that elect a leader (PD has etcd inside), operators and balancing (part 3C), labels,
//! more than one first region.

pub mod change;
pub mod cluster;
pub mod error;
pub mod ids;
pub mod regions;
pub mod tso;

pub use change::Change;
pub use cluster::Cluster;
pub use error::{Error, Result};
