//! Part 2c, snapshots and log compaction in the store.

pub mod compact;
pub mod generate;
pub mod install;
pub mod states;
