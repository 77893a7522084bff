//! A shelf of books.

use std::collections::BTreeSet;
use std::fmt;

/// Books.
#[derive(Default)]
pub struct Shelf {
    /// Their names.
    pub books: BTreeSet<String>,
}

impl Shelf {
    /// Room for more.
    #[must_use]
    pub fn free(&self) -> usize {
        todo!("1: mini::shelf::Shelf::free")
    }

    /// Adds a book – if there is room.
    pub fn add<T: Into<String>>(&mut self, book: T) -> Result<(), String>
    where
        T: Clone,
    {
        Ok(())
    }

    /// Takes all books out.
    pub fn clear(&mut self) {}
}

impl fmt::Display for Shelf {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        todo!("1: mini::shelf::<Shelf as Display>::fmt")
    }
}

impl fmt::Debug for Shelf {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}
