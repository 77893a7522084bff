//! Storage on a workbench: the code under test on an engine of ours, which tells what was done to it.

use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};

use bytes::Bytes;
use kv::engine::{Cf, Engine, Iter, Read, Result as EngineResult, Snapshot, WriteBatch};
use kv::storage::{Modify, Reader, Result as StorageResult, StandaloneStorage, Storage};
use proto::kvrpcpb::Context;

use crate::disk::{Disk, Gate, Image, OpenGate, Passage, SimEngine};
use crate::unit::{Check, Promise, ensure, story};

/// All data, by column family and key.
pub type Table = BTreeMap<(Cf, Vec<u8>), Vec<u8>>;

/// What the storage's engine is told to do wrong.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Fault {
    /// Nothing.
    #[default]
    None,
    /// The next write fails.
    Write,
    /// The next sync fails.
    Sync,
}

/// Storage under test, on a disk.
pub struct Bench {
    /// The storage.
    pub storage: Arc<StandaloneStorage>,
    engine: Arc<SimEngine>,
    gate: Arc<Watch>,
    open: Arc<Open>,
}

/// What is open at the moment, and what was read.
#[derive(Default)]
struct Open {
    snapshots: AtomicUsize,
    iterators: AtomicUsize,
    pairs: AtomicUsize,
}

/// Fails what it is told to, and keeps what could be seen after each write.
#[derive(Default)]
struct Watch {
    fault: Mutex<Fault>,
    batches: Mutex<Vec<WriteBatch>>,
}

const ANSWERED: Promise = Promise::new(
    "handout 1, storage",
    "every call is answered, once, when it returns: storage on one engine has nothing to wait for",
    "the client would wait for ever, or take somebody else's answer for its own",
);

const CLOSED: Promise = Promise::new(
    "handout 1, storage",
    "nothing stays open once its reader is gone: no snapshot, no iterator",
    "a snapshot keeps every older version of every key on the disk, for as long as it is open",
);

impl Bench {
    /// Storage with nothing in it.
    pub fn new() -> Bench {
        Bench::on(Disk::default())
    }

    /// Storage on this disk.
    pub fn on(disk: Disk) -> Bench {
        let gate = Arc::new(Watch::default());
        let engine = Arc::new(SimEngine::open(disk, gate.clone()));
        let open = Arc::new(Open::default());
        let watched = Watched { engine: engine.clone(), open: open.clone() };
        Bench { storage: Arc::new(StandaloneStorage::new(Arc::new(watched))), engine, gate, open }
    }

    /// Storage that holds this much already.
    pub fn holding(pairs: &[(Cf, &str, &str)]) -> Bench {
        let engine = SimEngine::open(Disk::default(), Arc::new(OpenGate));
        let mut batch = WriteBatch::new();
        for (cf, key, value) in pairs {
            batch.put(*cf, Bytes::copy_from_slice(key.as_bytes()), Bytes::copy_from_slice(value.as_bytes()));
        }
        engine.write(batch).expect("our own engine takes our own keys");
        engine.sync().expect("our own engine can sync");
        story::note(format!("the storage holds {}", describe(pairs)));
        Bench::on(engine.disk())
    }

    /// Asks the storage to make these changes.
    pub fn write(&self, modifies: Vec<Modify>) -> Check<StorageResult<()>> {
        story::note(format!("write {}", describe_modifies(&modifies)));
        let answer =
            once(|answer| self.storage.async_write(&Context::default(), 0, modifies, Box::new(answer)))?;
        story::note(format!("the write is answered {answer:?}"));
        Ok(answer)
    }

    /// As `write`, of what must succeed.
    pub fn write_well(&self, modifies: Vec<Modify>) -> Check {
        let what = describe_modifies(&modifies);
        let answer = self.write(modifies)?;
        ensure!(ANSWERED, answer.is_ok(), "{what} was answered {answer:?}, and nothing is wrong with it");
        Ok(())
    }

    /// Asks the storage for a reader.
    pub fn reader(&self) -> Check<Box<dyn Reader>> {
        story::note("open a reader".to_owned());
        let answer = once(|answer| self.storage.async_snapshot(&Context::default(), Box::new(answer)))?;
        answer.map_err(|error| ANSWERED.broken(format!("asked for a reader, the storage answers {error:?}")))
    }

    /// What the engine holds.
    pub fn table(&self) -> Table {
        table(&self.engine.image())
    }

    /// What a power cut leaves, for each number of unsynced batches that can survive it.
    pub fn after_power_cuts(&self) -> Vec<Table> {
        let disk = self.engine.disk();
        let left = |keep| {
            let mut disk = disk.clone();
            disk.lose_power(keep);
            table(&disk.image())
        };
        (0..=disk.unsynced()).map(left).collect()
    }

    /// The disk as it is now.
    pub fn disk(&self) -> Disk {
        self.engine.disk()
    }

    /// Lets the next write or sync of the engine fail.
    pub fn fail(&self, fault: Fault) {
        story::note(format!("from now on, the disk fails: {fault:?}"));
        *lock(&self.gate.fault) = fault;
    }

    /// What a reader that looked after each batch saw, from the first batch on.
    pub fn seen_after_batches(&self, before: &Table) -> Vec<Table> {
        let mut seen = before.clone();
        let batches = lock(&self.gate.batches);
        let states = batches.iter().map(|batch| {
            batch.ops().iter().for_each(|op| match op {
                kv::engine::Op::Put { cf, key, value } => {
                    seen.insert((*cf, key.to_vec()), value.to_vec());
                }
                kv::engine::Op::Delete { cf, key } => {
                    seen.remove(&(*cf, key.to_vec()));
                }
            });
            seen.clone()
        });
        states.collect()
    }

    /// Pairs that came out of the engine's iterators so far.
    pub fn pairs_read(&self) -> usize {
        self.open.pairs.load(Ordering::SeqCst)
    }

    /// Checks that no snapshot and no iterator is open.
    pub fn check_closed(&self, after: &str) -> Check {
        let snapshots = self.open.snapshots.load(Ordering::SeqCst);
        let iterators = self.open.iterators.load(Ordering::SeqCst);
        ensure!(
            CLOSED,
            (snapshots, iterators) == (0, 0),
            "after {after}, {snapshots} snapshots and {iterators} iterators are open"
        );
        Ok(())
    }
}

impl Default for Bench {
    fn default() -> Bench {
        Bench::new()
    }
}

/// Calls something that answers by callback, and gives back the answer.
pub fn once<T: Send + 'static>(call: impl FnOnce(Box<dyn FnOnce(T) + Send>)) -> Check<T> {
    let answers = Arc::new(Mutex::new(Vec::new()));
    let kept = answers.clone();
    call(Box::new(move |answer| lock(&kept).push(answer)));
    let mut answers = lock(&answers);
    ensure!(ANSWERED, answers.len() == 1, "a call was answered {} times", answers.len());
    Ok(answers.pop().expect("one answer"))
}

/// Sets a key.
pub fn put(cf: Cf, key: &str, value: &str) -> Modify {
    let (key, value) = (Bytes::copy_from_slice(key.as_bytes()), Bytes::copy_from_slice(value.as_bytes()));
    Modify::Put { cf, key, value }
}

/// Removes a key.
pub fn delete(cf: Cf, key: &str) -> Modify {
    Modify::Delete { cf, key: Bytes::copy_from_slice(key.as_bytes()) }
}

/// A table with these pairs.
pub fn table_of(pairs: &[(Cf, &str, &str)]) -> Table {
    pairs.iter().map(|(cf, key, value)| ((*cf, key.as_bytes().to_vec()), value.as_bytes().to_vec())).collect()
}

/// A table in words.
pub fn describe_table(table: &Table) -> String {
    if table.is_empty() {
        return "nothing".to_owned();
    }
    let pair = |((cf, key), value): (&(Cf, Vec<u8>), &Vec<u8>)| {
        format!("{}/{}={}", cf.name(), show(key), show(value))
    };
    table.iter().map(pair).collect::<Vec<_>>().join(" ")
}

/// Bytes as a person reads them; long ones are cut.
pub fn show(bytes: &[u8]) -> String {
    const LONGEST: usize = 24;
    if bytes.is_empty() {
        return "(empty)".to_owned();
    }
    let text = bytes[..bytes.len().min(LONGEST)].escape_ascii().to_string();
    if bytes.len() > LONGEST { format!("{text}… ({} bytes)", bytes.len()) } else { text }
}

fn describe(pairs: &[(Cf, &str, &str)]) -> String {
    describe_table(&table_of(pairs))
}

fn describe_modifies(modifies: &[Modify]) -> String {
    let one = |modify: &Modify| match modify {
        Modify::Put { cf, key, value } => format!("{}/{}={}", cf.name(), show(key), show(value)),
        Modify::Delete { cf, key } => format!("{}/{} removed", cf.name(), show(key)),
        Modify::DeleteRange { cf, start, end } => {
            format!("{}/{}..{} removed", cf.name(), show(start), show(end))
        }
    };
    format!("[{}]", modifies.iter().map(one).collect::<Vec<_>>().join(", "))
}

fn table(image: &Image) -> Table {
    let of = |cf: Cf| image.pairs(cf).map(move |(key, value)| ((cf, key.to_vec()), value.to_vec()));
    Cf::ALL.into_iter().flat_map(of).collect()
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().expect("no code under test runs under this lock")
}

impl Gate for Watch {
    fn before_write(&self) -> Passage {
        if *lock(&self.fault) == Fault::Write { Passage::Fails } else { Passage::Open }
    }

    fn on_write(&self, batch: &WriteBatch) {
        story::note(format!("the engine takes a batch of {} changes", batch.ops().len()));
        lock(&self.batches).push(batch.clone());
    }

    fn before_sync(&self, _unsynced: usize) -> Passage {
        if *lock(&self.fault) == Fault::Sync { Passage::Fails } else { Passage::Open }
    }

    fn on_sync(&self) {
        story::note("the engine syncs".to_owned());
    }

    fn on_failure(&self) {
        story::note("the disk fails".to_owned());
    }
}

/// The engine that the code under test is given.
struct Watched {
    engine: Arc<SimEngine>,
    open: Arc<Open>,
}

/// A snapshot that is counted for as long as it lives.
struct Counted {
    snapshot: Snapshot,
    open: Arc<Open>,
}

/// An iterator that is counted for as long as it lives.
struct Walk<'a> {
    pairs: Iter<'a>,
    open: Arc<Open>,
}

impl Read for Watched {
    fn get(&self, cf: Cf, key: &[u8]) -> EngineResult<Option<Bytes>> {
        self.engine.get(cf, key)
    }

    fn range(&self, cf: Cf, lower: Bound<&[u8]>, upper: Bound<&[u8]>) -> EngineResult<Iter<'_>> {
        self.engine.range(cf, lower, upper).map(|pairs| Walk::over(pairs, &self.open))
    }
}

impl Engine for Watched {
    fn write(&self, batch: WriteBatch) -> EngineResult<()> {
        self.engine.write(batch)
    }

    fn sync(&self) -> EngineResult<()> {
        self.engine.sync()
    }

    fn snapshot(&self) -> Snapshot {
        self.open.snapshots.fetch_add(1, Ordering::SeqCst);
        Arc::new(Counted { snapshot: self.engine.snapshot(), open: self.open.clone() })
    }
}

impl Read for Counted {
    fn get(&self, cf: Cf, key: &[u8]) -> EngineResult<Option<Bytes>> {
        self.snapshot.get(cf, key)
    }

    fn range(&self, cf: Cf, lower: Bound<&[u8]>, upper: Bound<&[u8]>) -> EngineResult<Iter<'_>> {
        self.snapshot.range(cf, lower, upper).map(|pairs| Walk::over(pairs, &self.open))
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.open.snapshots.fetch_sub(1, Ordering::SeqCst);
    }
}

impl<'a> Walk<'a> {
    fn over(pairs: Iter<'a>, open: &Arc<Open>) -> Iter<'a> {
        open.iterators.fetch_add(1, Ordering::SeqCst);
        Box::new(Walk { pairs, open: open.clone() })
    }
}

impl Iterator for Walk<'_> {
    type Item = EngineResult<(Bytes, Bytes)>;

    fn next(&mut self) -> Option<Self::Item> {
        self.open.pairs.fetch_add(1, Ordering::SeqCst);
        self.pairs.next()
    }
}

impl DoubleEndedIterator for Walk<'_> {
    fn next_back(&mut self) -> Option<Self::Item> {
        self.open.pairs.fetch_add(1, Ordering::SeqCst);
        self.pairs.next_back()
    }
}

impl Drop for Walk<'_> {
    fn drop(&mut self) {
        self.open.iterators.fetch_sub(1, Ordering::SeqCst);
    }
}
