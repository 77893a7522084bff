//! Random walks and searches over all orders of a few events.

use verdict::{Cost, Failure, Layers};

use crate::core::Face;

/// A graded test that searches.
#[derive(Clone, Copy, Debug)]
pub struct SearchTest {
    /// Full name: part, `::`, name.
    pub name: &'static str,
    /// Through which of the core's faces it is driven.
    pub face: Face,
}

/// Runs `test`.
///
/// # Errors
/// The failure, with a short story.
pub fn run(_test: &SearchTest, _base_seed: u64, _layers: Layers) -> Result<Cost, Box<Failure>> {
    Ok(Cost::default())
}
