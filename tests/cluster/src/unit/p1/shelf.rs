//! A reader of our own: what the handlers read from when there is no storage in the test.

use std::ops::Bound;
use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::Bytes;
use kv::engine::{Cf, Error as EngineError, Iter, is_empty_range};
use kv::storage::{Error, Modify, Reader, Result};
use proto::errorpb;

use super::bench::{Table, describe_table, table_of};
use crate::unit::story;

/// Some data, and what becomes of those who read it.
pub struct Shelf {
    table: Table,
    /// Pairs that came out of its iterators.
    taken: AtomicUsize,
    trouble: Trouble,
}

/// What is wrong with a shelf.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trouble {
    /// Nothing.
    None,
    /// The key is not in this region.
    Region,
    /// A scan meets a corrupt block instead of this pair, counted from 0.
    Corrupt(usize),
}

impl Shelf {
    /// A reader of these pairs.
    pub fn holding(pairs: &[(Cf, &str, &str)]) -> Shelf {
        Shelf::of(table_of(pairs))
    }

    /// A reader of this data.
    pub fn of(table: Table) -> Shelf {
        story::note(format!("there is {}", describe_table(&table)));
        Shelf { table, taken: AtomicUsize::new(0), trouble: Trouble::None }
    }

    /// The same, in trouble.
    pub fn in_trouble(self, trouble: Trouble) -> Shelf {
        story::note(format!("reading it meets trouble: {trouble:?}"));
        Shelf { trouble, ..self }
    }

    /// Pairs that came out of its iterators so far.
    pub fn taken(&self) -> usize {
        self.taken.load(Ordering::SeqCst)
    }

    /// What the data would be after these changes.
    pub fn after(&self, modifies: &[Modify]) -> Table {
        let mut table = self.table.clone();
        for modify in modifies {
            match modify {
                Modify::Put { cf, key, value } => {
                    table.insert((*cf, key.to_vec()), value.to_vec());
                }
                Modify::Delete { cf, key } => {
                    table.remove(&(*cf, key.to_vec()));
                }
                Modify::DeleteRange { cf, start, end } => table.retain(|(of, key), _| {
                    of != cf || key[..] < start[..] || (!end.is_empty() && key[..] >= end[..])
                }),
            }
        }
        table
    }

    fn check_region(&self) -> Result<()> {
        if self.trouble != Trouble::Region {
            return Ok(());
        }
        Err(elsewhere())
    }
}

/// The error of a shelf whose region is elsewhere.
pub fn elsewhere() -> Error {
    let message = "that key is in another region".to_owned();
    let region_not_found = Some(errorpb::RegionNotFound { region_id: 7 });
    Error::Region(Box::new(errorpb::Error { message, region_not_found, ..errorpb::Error::default() }))
}

impl Reader for Shelf {
    fn get_cf(&self, cf: Cf, key: &[u8]) -> Result<Option<Bytes>> {
        self.check_region()?;
        Ok(self.table.get(&(cf, key.to_vec())).map(|value| Bytes::copy_from_slice(value)))
    }

    fn scan_cf(&self, cf: Cf, start: &[u8], end: &[u8]) -> Result<Iter<'_>> {
        self.check_region()?;
        let upper = if end.is_empty() { Bound::Unbounded } else { Bound::Excluded(end) };
        let empty = is_empty_range(Bound::Included(start), upper);
        let inside = move |key: &[u8]| !empty && key >= start && (end.is_empty() || key < end);
        let pairs: Vec<(Bytes, Bytes)> = self
            .table
            .iter()
            .filter(|((of, key), _)| *of == cf && inside(key))
            .map(|((_, key), value)| (Bytes::copy_from_slice(key), Bytes::copy_from_slice(value)))
            .collect();
        let taken = move |(key, value)| {
            let nth = self.taken.fetch_add(1, Ordering::SeqCst);
            if self.trouble == Trouble::Corrupt(nth) {
                return Err(EngineError::Corrupt { place: "a block".to_owned(), what: "bits".to_owned() });
            }
            Ok((key, value))
        };
        Ok(Box::new(pairs.into_iter().map(taken)))
    }

    fn term(&self) -> u64 {
        0
    }
}
