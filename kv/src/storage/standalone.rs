//! Storage on one engine, without Raft: what part 1 of the course builds, and what the handlers' tests run on.

use std::ops::Bound;
use std::sync::Arc;

use bytes::Bytes;
use proto::errorpb;
use proto::kvrpcpb::Context;

use super::{Callback, Error, Modify, Reader, Result, Storage};
use crate::engine::{Cf, Engine, Iter, Op, Read, Snapshot, WriteBatch};

/// Storage on one engine. A context means nothing to it, as it has no regions.
pub struct StandaloneStorage {
    engine: Arc<dyn Engine>,
}

/// One moment of a [`StandaloneStorage`].
pub struct StandaloneReader {
    /// The engine at that moment, in all column families.
    snapshot: Snapshot,
}

impl StandaloneStorage {
    /// Storage on `engine`.
    pub fn new(engine: Arc<dyn Engine>) -> StandaloneStorage {
        StandaloneStorage { engine }
    }
}

impl Storage for StandaloneStorage {
    fn async_snapshot(&self, _context: &Context, callback: Callback<Box<dyn Reader>>) {
        callback(Ok(Box::new(self.reader())));
    }

    fn async_write(
        &self,
        _context: &Context,
        guard_term: u64,
        modifies: Vec<Modify>,
        callback: Callback<()>,
    ) {
        callback(check_guard(guard_term).and_then(|()| self.write(modifies)));
    }
}

impl StandaloneStorage {
    /// A reader of this moment: it shows every write that was acknowledged before this call and no later one, the same at each
    /// of its reads. Nothing of it may be left behind once it is dropped: an open snapshot keeps old versions on disk.
    pub fn reader(&self) -> StandaloneReader {
        // One snapshot for all of its reads. A reader that asked the engine anew each time would show two keys of one batch at
        // two moments.
        StandaloneReader { snapshot: self.engine.snapshot() }
    }

    /// Makes all changes, in order, at once or not at all: whatever happens, nobody ever sees some of them without the others.
    /// When this has returned `Ok`, they survive a power cut.
    ///
    /// # Errors
    /// [`Error::Invalid`] for a key that the engine does not take; nothing is changed then. [`Error::Engine`] if the engine
    /// failed; what is on disk is then unknown.
    pub fn write(&self, modifies: Vec<Modify>) -> Result<()> {
        let mut batch = WriteBatch::new();
        for modify in modifies {
            match modify {
                Modify::Put { cf, key, value } => batch.put(cf, key, value),
                Modify::Delete { cf, key } => batch.delete(cf, key),
                Modify::DeleteRange { cf, start, end } => {
                    delete_range(&*self.engine, &mut batch, cf, (&start, &end))?;
                }
            }
        }
        // One batch for all of them: two could be torn apart by a crash, or by a reader that comes between.
        self.engine.write(batch)?;
        // The engine buffers; only a synced batch may be acknowledged.
        Ok(self.engine.sync()?)
    }
}

impl Reader for StandaloneReader {
    /// The value of `key` in `cf`, if there is one. A missing key is no error.
    fn get_cf(&self, cf: Cf, key: &[u8]) -> Result<Option<Bytes>> {
        Ok(self.snapshot.get(cf, key)?)
    }

    /// The pairs of `cf` from `start` (inclusive) up to `end` (exclusive); an empty bound is none. Nothing is read before the
    /// iterator is asked for it.
    fn scan_cf(&self, cf: Cf, start: &[u8], end: &[u8]) -> Result<Iter<'_>> {
        // The empty key is the lowest, so as a start it needs no case of its own.
        let upper = if end.is_empty() { Bound::Unbounded } else { Bound::Excluded(end) };
        Ok(self.snapshot.range(cf, Bound::Included(start), upper)?)
    }

    fn term(&self) -> u64 {
        0
    }
}

/// Adds to `batch` what removes all keys of `range` (an empty end is none), those that the batch itself sets included.
fn delete_range(engine: &dyn Read, batch: &mut WriteBatch, cf: Cf, range: (&[u8], &[u8])) -> Result<()> {
    let (start, end) = range;
    let upper = if end.is_empty() { Bound::Unbounded } else { Bound::Excluded(end) };
    let mut keys: Vec<Bytes> = Vec::new();
    for pair in engine.range(cf, Bound::Included(start), upper)? {
        keys.push(pair?.0);
    }
    keys.extend(batch.ops().iter().filter_map(|op| match op {
        Op::Put { cf: of, key, .. }
            if *of == cf && &key[..] >= start && (end.is_empty() || &key[..] < end) =>
        {
            Some(key.clone())
        }
        _ => None,
    }));
    keys.into_iter().for_each(|key| batch.delete(cf, key));
    Ok(())
}

/// Without Raft there is no term that a write could depend on.
fn check_guard(guard_term: u64) -> Result<()> {
    if guard_term == 0 {
        return Ok(());
    }
    Err(Error::Region(Box::new(errorpb::Error {
        message: format!("the write depends on term {guard_term}, and standalone storage has none"),
        stale_command: Some(errorpb::StaleCommand {}),
        ..errorpb::Error::default()
    })))
}
