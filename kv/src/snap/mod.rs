//! Snapshots of regions as files.

mod key;

pub use key::SnapKey;
