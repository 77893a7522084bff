//! What the background workers of a store do: the parts of its work that read or write much.
//!
//! | file | worker | task |
//! |---|---|---|
//! | `region_snapshot.rs` | region | makes snapshots, installs them, clears ranges that no region holds |
//! | `raftlog_gc.rs` | raftlog-gc | deletes log entries that are not needed any more |
//! | `delete_range.rs` | | deletes many keys in many small batches |
//!
//! A runner that meets a failing engine stops the store, as everybody else does. What concerns one snapshot only is logged, and Raft
//! asks for another.

mod delete_range;
mod raftlog_gc;
mod region_snapshot;

pub use raftlog_gc::RaftLogGcRunner;
pub use region_snapshot::RegionRunner;
