//! What the raftstore keeps about its regions: under which keys, in which encoding, and the questions asked about a region.
//!
//! | file | what it tells |
//! |---|---|
//! | `keys.rs` | every key that the raftstore writes, in raftdb and kvdb |
//! | `states.rs` | the values: loading, encoding, the checksum of log entries |
//! | `region.rs` | epochs, key ranges, peers of a region |
//! | `store_meta.rs` | which region holds which keys, over all regions of a store |

pub mod keys;
pub mod region;
pub mod states;
pub mod store_meta;

#[cfg(test)]
mod tests;
