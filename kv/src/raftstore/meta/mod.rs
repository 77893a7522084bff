//! What the raftstore keeps about its regions: under which keys, in which encoding, and the questions asked about a region.
//!
//! | file | what it tells |
//! |---|---|
//! | `keys.rs` | every key that the raftstore writes, in raftdb and kvdb |
//! | `states.rs` | the values: loading, encoding, the checksum of log entries |
//! | `region.rs` | epochs, key ranges, peers of a region |

pub mod keys;
pub mod region;
pub mod states;

#[cfg(test)]
mod tests;
