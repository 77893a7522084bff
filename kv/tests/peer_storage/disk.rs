//! A disk that counts what is asked of it, stops at a chosen call, and loses what was not synced.

use std::collections::BTreeMap;
use std::io::{self, Cursor};
use std::ops::Bound;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use kv::engine::{Cf, Engine, Engines, Error, Iter, MemEngine, Read, Result, Snapshot, WriteBatch};
use kv::snap::{SnapFile, SnapFiles};

/// Goes off at the n-th call that changes anything on any part of the disk: that call, and all later ones, fail.
#[derive(Debug)]
pub struct Fuse(AtomicUsize);

impl Fuse {
    pub fn new(calls: usize) -> Arc<Fuse> {
        Arc::new(Fuse(AtomicUsize::new(calls)))
    }

    /// Takes one call, if there is one left.
    fn burn(&self) -> bool {
        let left = |calls: usize| calls.checked_sub(1);
        self.0.fetch_update(Ordering::Relaxed, Ordering::Relaxed, left).is_ok()
    }

    /// Sets how many calls are left.
    pub fn blow_after(&self, calls: usize) {
        self.0.store(calls, Ordering::Relaxed);
    }

    pub fn left(&self) -> usize {
        self.0.load(Ordering::Relaxed)
    }
}

/// One database: batches in order, of which the first so many are synced.
pub struct Db {
    fuse: Arc<Fuse>,
    reads: AtomicUsize,
    on_write: Mutex<Option<OnWrite>>,
    shown: MemEngine,
    log: Mutex<Log>,
}

type OnWrite = Box<dyn FnMut(&WriteBatch) + Send>;

#[derive(Clone, Default)]
struct Log {
    batches: Vec<WriteBatch>,
    synced: usize,
}

impl Db {
    fn with(fuse: &Arc<Fuse>, batches: Vec<WriteBatch>) -> Db {
        let shown = MemEngine::new();
        for batch in &batches {
            shown.write(batch.clone()).unwrap();
        }
        let synced = batches.len();
        let log = Mutex::new(Log { batches, synced });
        Db { fuse: fuse.clone(), reads: AtomicUsize::new(0), on_write: Mutex::default(), shown, log }
    }

    /// What is left of it if the power goes now, and `kept` of the batches that were not synced survive.
    fn after_power_loss(&self, kept: usize, fuse: &Arc<Fuse>) -> Db {
        let log = self.log.lock().unwrap();
        Db::with(fuse, log.batches[..log.synced + kept].to_vec())
    }

    /// Calls `hook` with each batch that is written.
    pub fn on_write(&self, hook: impl FnMut(&WriteBatch) + Send + 'static) {
        *self.on_write.lock().unwrap() = Some(Box::new(hook));
    }

    /// How often it has been read.
    pub fn reads(&self) -> usize {
        self.reads.load(Ordering::Relaxed)
    }

    /// How many keys there are.
    pub fn range_count(&self, cf: Cf) -> usize {
        self.range(cf, Bound::Unbounded, Bound::Unbounded).unwrap().count()
    }

    fn unsynced(&self) -> usize {
        let log = self.log.lock().unwrap();
        log.batches.len() - log.synced
    }
}

impl Read for Db {
    fn get(&self, cf: Cf, key: &[u8]) -> Result<Option<Bytes>> {
        self.reads.fetch_add(1, Ordering::Relaxed);
        self.shown.get(cf, key)
    }

    fn range(&self, cf: Cf, lower: Bound<&[u8]>, upper: Bound<&[u8]>) -> Result<Iter<'_>> {
        self.reads.fetch_add(1, Ordering::Relaxed);
        self.shown.range(cf, lower, upper)
    }
}

impl Engine for Db {
    fn write(&self, batch: WriteBatch) -> Result<()> {
        if batch.is_empty() {
            return Ok(());
        }
        if !self.fuse.burn() {
            return Err(Error::Poisoned);
        }
        if let Some(hook) = &mut *self.on_write.lock().unwrap() {
            hook(&batch);
        }
        self.log.lock().unwrap().batches.push(batch.clone());
        self.shown.write(batch)
    }

    fn sync(&self) -> Result<()> {
        if !self.fuse.burn() {
            return Err(Error::Poisoned);
        }
        let mut log = self.log.lock().unwrap();
        log.synced = log.batches.len();
        Ok(())
    }

    fn snapshot(&self) -> Snapshot {
        self.shown.snapshot()
    }
}

#[derive(Clone, Default)]
struct Contents {
    bytes: Vec<u8>,
    synced: usize,
    /// Whether its name survives.
    durable: bool,
}

/// Files that forget what was not synced.
#[derive(Clone)]
pub struct Files {
    fuse: Arc<Fuse>,
    files: Arc<Mutex<BTreeMap<String, Arc<Mutex<Contents>>>>>,
    at_open: Arc<Mutex<Option<Hook>>>,
}

type Hook = Box<dyn FnOnce() + Send>;

impl Files {
    fn with(fuse: &Arc<Fuse>, files: BTreeMap<String, Arc<Mutex<Contents>>>) -> Files {
        Files { fuse: fuse.clone(), files: Arc::new(Mutex::new(files)), at_open: Arc::default() }
    }

    fn after_power_loss(&self, fuse: &Arc<Fuse>) -> Files {
        let files = self.files.lock().unwrap();
        let kept = files.iter().filter_map(|(name, contents)| {
            let mut contents = contents.lock().unwrap().clone();
            contents.bytes.truncate(contents.synced);
            contents.durable.then(|| (name.clone(), Arc::new(Mutex::new(contents))))
        });
        Files::with(fuse, kept.collect())
    }

    fn check(&self) -> io::Result<()> {
        if self.fuse.burn() { Ok(()) } else { Err(io::Error::other("the disk is gone")) }
    }

    pub fn names(&self) -> Vec<String> {
        self.files.lock().unwrap().keys().cloned().collect()
    }

    /// Calls `hook` when the next file is opened for reading.
    pub fn at_next_open(&self, hook: impl FnOnce() + Send + 'static) {
        *self.at_open.lock().unwrap() = Some(Box::new(hook));
    }

    /// Changes a file behind the back of everybody.
    pub fn damage(&self, name: &str, change: impl FnOnce(&mut Vec<u8>)) {
        let files = self.files.lock().unwrap();
        change(&mut files.get(name).expect("the file is there").lock().unwrap().bytes);
    }
}

impl SnapFiles for Files {
    fn create(&self, name: &str) -> io::Result<Box<dyn SnapFile>> {
        self.check()?;
        let contents: Arc<Mutex<Contents>> = Arc::default();
        self.files.lock().unwrap().insert(name.to_owned(), contents.clone());
        Ok(Box::new(File { fuse: self.fuse.clone(), contents }))
    }

    fn open(&self, name: &str) -> io::Result<Box<dyn io::Read + Send>> {
        if let Some(hook) = self.at_open.lock().unwrap().take() {
            hook();
        }
        let files = self.files.lock().unwrap();
        let contents = files.get(name).ok_or(io::ErrorKind::NotFound)?;
        Ok(Box::new(Cursor::new(contents.lock().unwrap().bytes.clone())))
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        self.check()?;
        let mut files = self.files.lock().unwrap();
        let contents = files.remove(from).ok_or(io::ErrorKind::NotFound)?;
        contents.lock().unwrap().durable = true;
        files.insert(to.to_owned(), contents);
        Ok(())
    }

    fn delete(&self, name: &str) -> io::Result<()> {
        self.check()?;
        self.files.lock().unwrap().remove(name);
        Ok(())
    }

    fn list(&self) -> io::Result<Vec<(String, u64)>> {
        let files = self.files.lock().unwrap();
        Ok(files.iter().map(|(name, file)| (name.clone(), file.lock().unwrap().bytes.len() as u64)).collect())
    }
}

struct File {
    fuse: Arc<Fuse>,
    contents: Arc<Mutex<Contents>>,
}

impl SnapFile for File {
    fn append(&mut self, data: &[u8]) -> io::Result<()> {
        if !self.fuse.burn() {
            return Err(io::Error::other("the disk is gone"));
        }
        self.contents.lock().unwrap().bytes.extend_from_slice(data);
        Ok(())
    }

    fn sync(&mut self) -> io::Result<()> {
        if !self.fuse.burn() {
            return Err(io::Error::other("the disk is gone"));
        }
        let contents = &mut *self.contents.lock().unwrap();
        contents.synced = contents.bytes.len();
        Ok(())
    }
}

/// Everything that one store has on disk.
#[derive(Clone)]
pub struct Disk {
    pub fuse: Arc<Fuse>,
    pub raft: Arc<Db>,
    pub kv: Arc<Db>,
    pub files: Files,
}

impl Disk {
    /// An empty disk that fails after so many calls.
    pub fn new(calls: usize) -> Disk {
        let fuse = Fuse::new(calls);
        Disk {
            raft: Arc::new(Db::with(&fuse, Vec::new())),
            kv: Arc::new(Db::with(&fuse, Vec::new())),
            files: Files::with(&fuse, BTreeMap::new()),
            fuse,
        }
    }

    pub fn engines(&self) -> Engines {
        Engines { raft: self.raft.clone(), kv: self.kv.clone() }
    }

    /// The disk after the power went: `raft` and `kv` of the batches that were not synced survive.
    pub fn after_power_loss(&self, raft: usize, kv: usize, calls: usize) -> Disk {
        let fuse = Fuse::new(calls);
        Disk {
            raft: Arc::new(self.raft.after_power_loss(raft, &fuse)),
            kv: Arc::new(self.kv.after_power_loss(kv, &fuse)),
            files: self.files.after_power_loss(&fuse),
            fuse,
        }
    }

    /// All the ways in which it can come out of a power loss: how many batches of raftdb and of kvdb survive.
    pub fn losses(&self) -> Vec<(usize, usize)> {
        let (raft, kv) = (self.raft.unsynced(), self.kv.unsynced());
        (0..=raft).flat_map(|raft| (0..=kv).map(move |kv| (raft, kv))).collect()
    }

    /// The disk after the death of the process: everything written is there.
    pub fn after_kill(&self) -> Disk {
        self.after_power_loss(self.raft.unsynced(), self.kv.unsynced(), usize::MAX)
    }
}
