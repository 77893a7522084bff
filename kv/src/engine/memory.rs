//! An engine in memory: ordered maps, and nothing survives. It is the oracle that the other engines are compared with.

use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::{Arc, RwLock};

use bytes::Bytes;

use super::{Cf, Engine, Iter, Op, Read, Result, Snapshot, WriteBatch, check_key, is_empty_range};

type Map = BTreeMap<Bytes, Bytes>;

/// An engine in memory. A clone shares its data.
#[derive(Clone, Debug, Default)]
pub struct MemEngine {
    // Readers take the `Arc` out and let go of the lock, so an iterator never holds a writer up. A writer copies a map only
    // while somebody still looks at the old one.
    data: Arc<RwLock<Arc<Data>>>,
}

/// The data of one moment.
#[derive(Clone, Debug, Default)]
struct Data {
    cfs: [Arc<Map>; Cf::ALL.len()],
}

impl MemEngine {
    /// An empty engine.
    pub fn new() -> MemEngine {
        MemEngine::default()
    }

    fn now(&self) -> Arc<Data> {
        self.data.read().expect("no holder of this lock can panic").clone()
    }
}

impl Read for MemEngine {
    fn get(&self, cf: Cf, key: &[u8]) -> Result<Option<Bytes>> {
        self.now().get(cf, key)
    }

    fn range(&self, cf: Cf, lower: Bound<&[u8]>, upper: Bound<&[u8]>) -> Result<Iter<'_>> {
        Ok(Box::new(self.now().pairs(cf, lower, upper)))
    }
}

impl Engine for MemEngine {
    fn write(&self, batch: WriteBatch) -> Result<()> {
        batch.check_keys()?;
        let mut data = self.data.write().expect("no holder of this lock can panic");
        let data = Arc::make_mut(&mut data);
        for op in batch.into_ops() {
            data.apply(op);
        }
        Ok(())
    }

    fn sync(&self) -> Result<()> {
        Ok(())
    }

    fn snapshot(&self) -> Snapshot {
        self.now()
    }
}

impl Data {
    fn pairs(&self, cf: Cf, lower: Bound<&[u8]>, upper: Bound<&[u8]>) -> Pairs {
        let map = self.cfs[cf as usize].clone();
        Pairs { map, lower: lower.map(Bytes::copy_from_slice), upper: upper.map(Bytes::copy_from_slice) }
    }

    fn apply(&mut self, op: Op) {
        match op {
            Op::Put { cf, key, value } => {
                Arc::make_mut(&mut self.cfs[cf as usize]).insert(key, value);
            }
            Op::Delete { cf, key } => {
                Arc::make_mut(&mut self.cfs[cf as usize]).remove(&key);
            }
        }
    }
}

impl Read for Data {
    fn get(&self, cf: Cf, key: &[u8]) -> Result<Option<Bytes>> {
        check_key(key)?;
        Ok(self.cfs[cf as usize].get(key).cloned())
    }

    fn range(&self, cf: Cf, lower: Bound<&[u8]>, upper: Bound<&[u8]>) -> Result<Iter<'_>> {
        Ok(Box::new(self.pairs(cf, lower, upper)))
    }
}

/// What is left of a range. It owns its map, and so cannot keep an iterator of it: each step looks its place up again.
struct Pairs {
    map: Arc<Map>,
    lower: Bound<Bytes>,
    upper: Bound<Bytes>,
}

impl Pairs {
    fn rest(&self) -> Option<std::collections::btree_map::Range<'_, Bytes, Bytes>> {
        let lower = self.lower.as_ref().map(Bytes::as_ref);
        let upper = self.upper.as_ref().map(Bytes::as_ref);
        // `BTreeMap::range` panics on a range that ends before it begins.
        if is_empty_range(lower, upper) { None } else { Some(self.map.range::<[u8], _>((lower, upper))) }
    }
}

impl Iterator for Pairs {
    type Item = Result<(Bytes, Bytes)>;

    fn next(&mut self) -> Option<Result<(Bytes, Bytes)>> {
        let (key, value) = self.rest()?.next().map(|(key, value)| (key.clone(), value.clone()))?;
        self.lower = Bound::Excluded(key.clone());
        Some(Ok((key, value)))
    }
}

impl DoubleEndedIterator for Pairs {
    fn next_back(&mut self) -> Option<Result<(Bytes, Bytes)>> {
        let (key, value) = self.rest()?.next_back().map(|(key, value)| (key.clone(), value.clone()))?;
        self.upper = Bound::Excluded(key.clone());
        Some(Ok((key, value)))
    }
}
