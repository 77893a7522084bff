//! Tests.
use super::Test;
/// The tests, in order.
pub static TESTS: &[Test] = &[];
