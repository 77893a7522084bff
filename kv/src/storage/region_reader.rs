//! Reads of one region, at one moment.

use std::ops::Bound;

use bytes::Bytes;

use super::{Error, Reader, Result};
use crate::engine::{Cf, Iter};
use crate::raftstore;
use crate::raftstore::meta::region::check_key_in_region;
use crate::raftstore::msg::RegionSnapshot;

/// A view of one region. The store holds other regions' keys as well; they are not to be seen through it.
pub struct RegionReader {
    view: RegionSnapshot,
}

impl RegionReader {
    /// Reads from this view.
    pub fn new(view: RegionSnapshot) -> RegionReader {
        RegionReader { view }
    }
}

impl Reader for RegionReader {
    fn get_cf(&self, cf: Cf, key: &[u8]) -> Result<Option<Bytes>> {
        check_key_in_region(key, &self.view.region).map_err(told)?;
        Ok(self.view.snapshot.get(cf, key)?)
    }

    fn scan_cf(&self, cf: Cf, start: &[u8], end: &[u8]) -> Result<Iter<'_>> {
        let region = &self.view.region;
        let start = start.max(&region.start_key[..]);
        let end = match (end, &region.end_key[..]) {
            ([], theirs) => theirs,
            (ours, []) => ours,
            (ours, theirs) => ours.min(theirs),
        };
        if end.is_empty() {
            return Ok(self.view.snapshot.range(cf, Bound::Included(start), Bound::Unbounded)?);
        }
        if start >= end {
            return Ok(Box::new(std::iter::empty()));
        }
        Ok(self.view.snapshot.range(cf, Bound::Included(start), Bound::Excluded(end))?)
    }

    fn term(&self) -> u64 {
        self.view.term
    }
}

fn told(error: raftstore::Error) -> Error {
    Error::Region(Box::new((&error).into()))
}
