//! Engines that say what is done to them, and fail when told to.

use std::ops::Bound;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use kv::engine::{self, Cf, Engine, Iter, MemEngine, Read, Snapshot, WriteBatch};

/// What happened, in order: a store, and what it did.
#[derive(Clone, Default)]
pub struct Log(Arc<Mutex<Vec<(u64, &'static str)>>>);

impl Log {
    pub fn add(&self, store: u64, what: &'static str) {
        self.0.lock().unwrap().push((store, what));
    }

    /// What this store did since the last look.
    pub fn take(&self, store: u64) -> Vec<&'static str> {
        let mut all = self.0.lock().unwrap();
        let taken = all.iter().filter(|(who, _)| *who == store).map(|(_, what)| *what).collect();
        all.retain(|(who, _)| *who != store);
        taken
    }
}

/// An engine of one store, under the name of what its writes and syncs are logged as.
pub struct Traced {
    engine: MemEngine,
    store: u64,
    names: (&'static str, &'static str),
    log: Log,
    /// Makes the next sync fail, and everything after it.
    pub fails: Arc<AtomicBool>,
}

impl Traced {
    pub fn new(store: u64, names: (&'static str, &'static str), log: &Log) -> Traced {
        Traced { engine: MemEngine::new(), store, names, log: log.clone(), fails: Arc::default() }
    }
}

impl Read for Traced {
    fn get(&self, cf: Cf, key: &[u8]) -> engine::Result<Option<Bytes>> {
        self.engine.get(cf, key)
    }

    fn range(&self, cf: Cf, lower: Bound<&[u8]>, upper: Bound<&[u8]>) -> engine::Result<Iter<'_>> {
        self.engine.range(cf, lower, upper)
    }
}

impl Engine for Traced {
    fn write(&self, batch: WriteBatch) -> engine::Result<()> {
        self.log.add(self.store, self.names.0);
        self.engine.write(batch)
    }

    fn sync(&self) -> engine::Result<()> {
        if self.fails.load(Ordering::SeqCst) {
            return Err(engine::Error::Poisoned);
        }
        self.log.add(self.store, self.names.1);
        self.engine.sync()
    }

    fn snapshot(&self) -> Snapshot {
        self.engine.snapshot()
    }
}
