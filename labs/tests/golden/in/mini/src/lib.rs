//! A tiny crate for the stamper's tests: é, so that bytes and characters differ.

pub mod shelf;

use shelf::Shelf;

/// How many books fit. See [`Shelf::free`].
pub fn capacity(shelf: &Shelf) -> usize {
    // A reason that would give the solution away.
    helper(shelf) + shelf.books.len()
}

/// Gives the solution away.
fn helper(shelf: &Shelf) -> usize {
    shelf.free()
}

/// Not a hole; calls nothing.
pub fn doubled(n: usize) -> usize { 2 * n }

#[cfg(test)]
mod tests {
    #[test]
    fn two() {
        assert_eq!(super::doubled(1), 2);
    }
}
