//! Part 2b, the replicated store: the exact tests, 90 of 200 points.

use super::Test;

/// The tests, in order.
#[rustfmt::skip]
pub static EXACT: &[Test] = &[];
