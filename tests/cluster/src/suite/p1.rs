//! Part 1, standalone storage: 60 points.

use super::Test;

/// The tests, in order.
#[rustfmt::skip]
pub static TESTS: &[Test] = &[];
