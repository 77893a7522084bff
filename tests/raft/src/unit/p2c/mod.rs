//! Exact tests of the raft half of part 2c: snapshots.

pub mod behind;
pub mod installing;
pub mod sending;
