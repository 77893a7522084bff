//! Part 2c in the store, log compaction and snapshots: the exact tests, 35 of 80 points.

use super::Test;

/// The tests, in order.
#[rustfmt::skip]
pub static EXACT: &[Test] = &[];
