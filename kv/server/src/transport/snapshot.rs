//! Snapshots between stores.
