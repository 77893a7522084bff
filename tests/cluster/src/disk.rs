//! The simulated disk: an engine that tells what is durable from what was merely written.
//!
//! Batches go into a tail, and are visible at once; a sync empties the tail. A power loss keeps a *prefix* of the tail, as a
//! journal does that ends at its first bad record; the death of a process keeps all of it. Every write and every sync
//! first asks a [`Gate`], which counts them, fails some, and shuts when the store has died in the middle of its work: what
//! the dead store still does, it sees itself, and nobody else ever does.

use std::collections::{BTreeMap, VecDeque};
use std::ops::Bound;
use std::sync::{Arc, Mutex, MutexGuard};

use bytes::Bytes;
use kv::engine::{
    Cf, Engine, Error, Iter, Op, Read, Result, Snapshot, WriteBatch, check_key, is_empty_range,
};

/// What one database holds, by column family. Cheap to clone; a change after that copies the family it is in.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Image([Arc<Family>; Cf::ALL.len()]);

type Family = BTreeMap<Bytes, Bytes>;

impl Image {
    /// All pairs of one family, in order.
    pub fn pairs(&self, cf: Cf) -> impl Iterator<Item = (&Bytes, &Bytes)> {
        self.0[cf as usize].iter()
    }

    /// Takes a batch over.
    pub fn write(&mut self, batch: &WriteBatch) {
        for op in batch.ops() {
            match op {
                Op::Put { cf, key, value } => {
                    Arc::make_mut(&mut self.0[*cf as usize]).insert(key.clone(), value.clone());
                }
                Op::Delete { cf, key } => {
                    Arc::make_mut(&mut self.0[*cf as usize]).remove(key);
                }
            }
        }
    }
}

impl Read for Image {
    fn get(&self, cf: Cf, key: &[u8]) -> Result<Option<Bytes>> {
        check_key(key)?;
        Ok(self.0[cf as usize].get(key).cloned())
    }

    fn range(&self, cf: Cf, lower: Bound<&[u8]>, upper: Bound<&[u8]>) -> Result<Iter<'_>> {
        Ok(Walk::over(self.0[cf as usize].clone(), lower, upper))
    }
}

/// Walks a range of a family as it was at the start, from either end. Finding a place in it costs more than walking on from
/// there, so a walk fetches twice as many pairs each time.
struct Walk {
    family: Arc<Family>,
    /// What is not fetched yet.
    lower: Bound<Bytes>,
    upper: Bound<Bytes>,
    /// Fetched from the front, in order; all before `lower`.
    front: VecDeque<Pair>,
    /// How many pairs to fetch next.
    fetch: usize,
}

type Pair = (Bytes, Bytes);

/// Most pairs that a walk fetches at once.
const FETCH_MOST: usize = 256;

impl Walk {
    fn over(family: Arc<Family>, lower: Bound<&[u8]>, upper: Bound<&[u8]>) -> Iter<'static> {
        let owned = |bound: Bound<&[u8]>| bound.map(Bytes::copy_from_slice);
        let (lower, upper) = (owned(lower), owned(upper));
        Box::new(Walk { family, lower, upper, front: VecDeque::new(), fetch: 1 })
    }

    fn rest(&self) -> Option<std::collections::btree_map::Range<'_, Bytes, Bytes>> {
        fn borrowed(bound: &Bound<Bytes>) -> Bound<&[u8]> {
            bound.as_ref().map(|key| &key[..])
        }
        let (lower, upper) = (borrowed(&self.lower), borrowed(&self.upper));
        // The map panics at bounds that are out of order.
        let empty = is_empty_range(lower, upper);
        (!empty).then(|| self.family.range::<[u8], _>((lower, upper)))
    }

    fn fetch(&mut self) {
        let pairs = self.rest().into_iter().flatten().take(self.fetch);
        let pairs: VecDeque<Pair> = pairs.map(|(key, value)| (key.clone(), value.clone())).collect();
        if let Some((key, _)) = pairs.back() {
            self.lower = Bound::Excluded(key.clone());
        }
        self.front = pairs;
        self.fetch = (2 * self.fetch).min(FETCH_MOST);
    }
}

impl Iterator for Walk {
    type Item = Result<Pair>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.front.is_empty() {
            self.fetch();
        }
        self.front.pop_front().map(Ok)
    }
}

impl DoubleEndedIterator for Walk {
    fn next_back(&mut self) -> Option<Self::Item> {
        let last = self.rest().and_then(|mut rest| rest.next_back());
        let Some((key, value)) = last.map(|(key, value)| (key.clone(), value.clone())) else {
            return self.front.pop_back().map(Ok);
        };
        self.upper = Bound::Excluded(key.clone());
        Some(Ok((key, value)))
    }
}

/// What becomes of a call that a store makes to its surroundings.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Passage {
    /// It goes through.
    Open,
    /// The store is dead: whatever it does has no effect.
    Shut,
    /// It fails.
    Fails,
}

/// What stands between a store and its disk.
pub trait Gate: Send + Sync {
    /// A batch is about to be written.
    fn before_write(&self) -> Passage;
    /// It has been.
    fn on_write(&self, batch: &WriteBatch);
    /// A sync is about to begin, with so many batches unsynced.
    fn before_sync(&self, unsynced: usize) -> Passage;
    /// It is done.
    fn on_sync(&self);
    /// A write or a sync has failed.
    fn on_failure(&self);
}

/// The platters of one database: what outlives its process.
#[derive(Clone, Default)]
pub struct Disk {
    /// Safe from a power loss.
    synced: Image,
    /// Written since, oldest first.
    tail: Vec<WriteBatch>,
}

impl Disk {
    /// How many batches are not synced yet.
    pub fn unsynced(&self) -> usize {
        self.tail.len()
    }

    /// The power fails: of the batches that are not synced, the first `keep` survive.
    pub fn lose_power(&mut self, keep: usize) {
        self.tail.truncate(keep);
        self.sync();
    }

    /// What a process would find.
    pub fn image(&self) -> Image {
        let mut image = self.synced.clone();
        self.tail.iter().for_each(|batch| image.write(batch));
        image
    }

    fn sync(&mut self) {
        for batch in self.tail.drain(..) {
            self.synced.write(&batch);
        }
    }
}

/// An engine on a [`Disk`].
pub struct SimEngine {
    state: Mutex<State>,
    gate: Arc<dyn Gate>,
}

struct State {
    disk: Disk,
    /// What readers see.
    live: Image,
    /// An earlier call has failed.
    poisoned: bool,
}

impl SimEngine {
    /// Opens what is on the disk.
    pub fn open(disk: Disk, gate: Arc<dyn Gate>) -> SimEngine {
        let live = disk.image();
        SimEngine { state: Mutex::new(State { disk, live, poisoned: false }), gate }
    }

    /// The disk as it is now: what a crash at this moment would leave, if nothing unsynced got lost.
    pub fn disk(&self) -> Disk {
        self.lock().disk.clone()
    }

    /// What readers see now.
    pub fn image(&self) -> Image {
        self.lock().live.clone()
    }

    /// What is safe from a power loss.
    pub fn safe_image(&self) -> Image {
        self.lock().disk.synced.clone()
    }

    /// How many batches are not synced yet.
    pub fn unsynced(&self) -> usize {
        self.lock().disk.unsynced()
    }

    fn healthy(&self) -> Result<MutexGuard<'_, State>> {
        let state = self.lock();
        if state.poisoned { Err(Error::Poisoned) } else { Ok(state) }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("no code under test runs under this lock")
    }
}

impl Read for SimEngine {
    fn get(&self, cf: Cf, key: &[u8]) -> Result<Option<Bytes>> {
        self.healthy()?.live.get(cf, key)
    }

    fn range(&self, cf: Cf, lower: Bound<&[u8]>, upper: Bound<&[u8]>) -> Result<Iter<'_>> {
        let family = self.healthy()?.live.0[cf as usize].clone();
        Ok(Walk::over(family, lower, upper))
    }
}

impl Engine for SimEngine {
    fn write(&self, batch: WriteBatch) -> Result<()> {
        let mut state = self.healthy()?;
        check_keys(&batch)?;
        if batch.is_empty() {
            return Ok(());
        }
        match self.gate.before_write() {
            Passage::Open => {
                state.live.write(&batch);
                self.gate.on_write(&batch);
                state.disk.tail.push(batch);
                Ok(())
            }
            Passage::Shut => {
                state.live.write(&batch);
                Ok(())
            }
            Passage::Fails => Err(fail(&mut state, &*self.gate)),
        }
    }

    fn sync(&self) -> Result<()> {
        let mut state = self.healthy()?;
        match self.gate.before_sync(state.disk.tail.len()) {
            Passage::Open => {
                state.disk.sync();
                self.gate.on_sync();
                Ok(())
            }
            Passage::Shut => Ok(()),
            Passage::Fails => Err(fail(&mut state, &*self.gate)),
        }
    }

    fn snapshot(&self) -> Snapshot {
        match self.healthy() {
            Ok(state) => Arc::new(state.live.clone()),
            Err(_) => Arc::new(Broken),
        }
    }
}

/// What is left to see of an engine that has failed.
struct Broken;

impl Read for Broken {
    fn get(&self, _: Cf, _: &[u8]) -> Result<Option<Bytes>> {
        Err(Error::Poisoned)
    }

    fn range(&self, _: Cf, _: Bound<&[u8]>, _: Bound<&[u8]>) -> Result<Iter<'_>> {
        Err(Error::Poisoned)
    }
}

fn check_keys(batch: &WriteBatch) -> Result<()> {
    for op in batch.ops() {
        let (Op::Put { key, .. } | Op::Delete { key, .. }) = op;
        check_key(key)?;
    }
    Ok(())
}

fn fail(state: &mut State, gate: &dyn Gate) -> Error {
    state.poisoned = true;
    gate.on_failure();
    Error::Io(std::io::Error::other("input/output error (simulated)"))
}

/// A gate that lets everything through.
pub struct OpenGate;

impl Gate for OpenGate {
    fn before_write(&self) -> Passage {
        Passage::Open
    }

    fn on_write(&self, _: &WriteBatch) {}

    fn before_sync(&self, _: usize) -> Passage {
        Passage::Open
    }

    fn on_sync(&self) {}

    fn on_failure(&self) {}
}

#[cfg(test)]
mod tests;
