//! Part 2c, snapshots and log compaction in the store.
