//! Both engines through the conformance suite.

use std::fs;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use super::super::conformance::{CASES, Rig};
use super::super::{Cf, Engine, FjallEngine, Iter, MemEngine, Read, Result, Snapshot, WriteBatch};
use super::{copy_directory, journals, written_length};

struct Memory(MemEngine);

impl Rig for Memory {
    fn engine(&self) -> Arc<dyn Engine> {
        Arc::new(self.0.clone())
    }
}

#[test]
fn the_memory_engine_conforms() {
    for (name, case) in CASES {
        println!("{name}");
        case(&mut Memory(MemEngine::new()));
    }
}

/// fjall in a temporary directory. A kill goes on with a copy of the directory as it is; a power cut cuts the copy's journal
/// somewhere behind the last sync.
struct OnDisk {
    root: tempfile::TempDir,
    engine: Watched,
    lives: u64,
}

/// Notes how long the journal was at the last sync.
#[derive(Clone)]
struct Watched {
    path: PathBuf,
    engine: Option<FjallEngine>,
    synced: Arc<AtomicU64>,
}

impl OnDisk {
    fn new() -> OnDisk {
        let root = super::directory();
        let engine = Watched::open(root.path().join("0"));
        OnDisk { root, engine, lives: 0 }
    }

    /// Copies the directory, then goes on with the copy after `change` has had it.
    fn go_on_with_a_copy(&mut self, change: impl FnOnce(&Watched, PathBuf)) -> bool {
        self.lives += 1;
        let next = self.root.path().join(self.lives.to_string());
        copy_directory(&self.engine.path, &next);
        change(&self.engine, next.clone());
        self.engine.engine = None;
        self.engine = Watched::open(next);
        true
    }
}

impl Rig for OnDisk {
    fn engine(&self) -> Arc<dyn Engine> {
        Arc::new(self.engine.clone())
    }

    fn kill(&mut self) -> bool {
        self.go_on_with_a_copy(|_, _| {})
    }

    fn cut_power(&mut self) -> bool {
        let round = self.lives;
        self.go_on_with_a_copy(|watched, copy| {
            let journal = journals(&copy).pop().unwrap();
            let (synced, written) = (watched.synced.load(Ordering::SeqCst), written_length(&journal));
            // A different place each time, from nothing to everything of the tail.
            let keep = synced + (written - synced) * (round % 4) / 3;
            fs::File::options().write(true).open(&journal).unwrap().set_len(keep).unwrap();
        })
    }
}

impl Watched {
    fn open(path: PathBuf) -> Watched {
        let engine = FjallEngine::open(&path, &Cf::ALL).unwrap();
        let synced = written_length(&journals(&path).pop().unwrap());
        Watched { path, engine: Some(engine), synced: Arc::new(AtomicU64::new(synced)) }
    }

    fn inner(&self) -> &FjallEngine {
        self.engine.as_ref().unwrap()
    }
}

impl Read for Watched {
    fn get(&self, cf: Cf, key: &[u8]) -> Result<Option<bytes::Bytes>> {
        self.inner().get(cf, key)
    }

    fn range(
        &self,
        cf: Cf,
        lower: std::ops::Bound<&[u8]>,
        upper: std::ops::Bound<&[u8]>,
    ) -> Result<Iter<'_>> {
        self.inner().range(cf, lower, upper)
    }
}

impl Engine for Watched {
    fn write(&self, batch: WriteBatch) -> Result<()> {
        self.inner().write(batch)
    }

    fn sync(&self) -> Result<()> {
        self.inner().sync()?;
        self.synced.store(written_length(&journals(&self.path).pop().unwrap()), Ordering::SeqCst);
        Ok(())
    }

    fn snapshot(&self) -> Snapshot {
        self.inner().snapshot()
    }
}

#[test]
fn fjall_conforms() {
    for (name, case) in CASES {
        println!("{name}");
        case(&mut OnDisk::new());
    }
}
