//! What survives what.

use std::sync::atomic::{AtomicU8, Ordering};

use kv::engine::conformance::{CASES, Rig};

use super::*;

fn put(engine: &SimEngine, key: &str) {
    let mut batch = WriteBatch::new();
    batch.put(Cf::Default, key.as_bytes().to_vec(), b"value".as_slice());
    batch.put(Cf::Raft, key.as_bytes().to_vec(), b"raft".as_slice());
    engine.write(batch).expect("the gate is open");
}

fn keys(image: &Image) -> String {
    let names = |cf| image.pairs(cf).map(|(key, _)| String::from_utf8_lossy(key).into_owned()).collect();
    let (data, raft): (Vec<String>, Vec<String>) = (names(Cf::Default), names(Cf::Raft));
    assert_eq!(data, raft, "a batch is all or nothing");
    data.concat()
}

#[test]
fn a_power_loss_keeps_what_is_synced_and_a_prefix_of_the_rest() {
    let engine = SimEngine::open(Disk::default(), Arc::new(OpenGate));
    put(&engine, "a");
    engine.sync().expect("the gate is open");
    ["b", "c", "d"].into_iter().for_each(|key| put(&engine, key));
    assert_eq!((engine.unsynced(), keys(&engine.image())), (3, "abcd".to_owned()));
    for (keep, left) in [(0, "a"), (1, "ab"), (2, "abc"), (3, "abcd")] {
        let mut disk = engine.disk();
        disk.lose_power(keep);
        assert_eq!((disk.unsynced(), keys(&disk.image())), (0, left.to_owned()));
    }
}

#[test]
fn the_death_of_a_process_loses_nothing_but_a_power_loss_after_it_may() {
    let engine = SimEngine::open(Disk::default(), Arc::new(OpenGate));
    put(&engine, "a");
    let engine = SimEngine::open(engine.disk(), Arc::new(OpenGate));
    assert_eq!(keys(&engine.image()), "a");
    let mut disk = engine.disk();
    disk.lose_power(0);
    assert_eq!(keys(&disk.image()), "");
}

/// Lets so many calls through, then does as told.
struct Fuse(AtomicU8, Passage);

impl Fuse {
    fn burn(&self) -> Passage {
        let more = self.0.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1));
        if more.is_ok() { Passage::Open } else { self.1 }
    }
}

impl Gate for Fuse {
    fn before_write(&self) -> Passage {
        self.burn()
    }

    fn on_write(&self, _: &WriteBatch) {}

    fn before_sync(&self, _: usize) -> Passage {
        self.burn()
    }

    fn on_sync(&self) {}

    fn on_failure(&self) {}
}

#[test]
fn a_dead_store_sees_its_own_writes_and_nobody_else_does() {
    let engine = SimEngine::open(Disk::default(), Arc::new(Fuse(AtomicU8::new(2), Passage::Shut)));
    ["a", "b", "c"].into_iter().for_each(|key| put(&engine, key));
    engine.sync().expect("the dead are not told");
    assert_eq!(keys(&engine.image()), "abc");
    assert_eq!((engine.unsynced(), keys(&engine.disk().image())), (2, "ab".to_owned()));
}

#[test]
fn after_a_failure_every_call_fails() {
    let engine = SimEngine::open(Disk::default(), Arc::new(Fuse(AtomicU8::new(1), Passage::Fails)));
    put(&engine, "a");
    assert!(matches!(engine.sync(), Err(Error::Io(_))));
    assert!(matches!(engine.sync(), Err(Error::Poisoned)));
    assert!(matches!(engine.write(WriteBatch::new()), Err(Error::Poisoned)));
    assert_eq!(engine.unsynced(), 1);
}

#[test]
fn snapshots_and_iterators_stand_still() {
    let engine = SimEngine::open(Disk::default(), Arc::new(OpenGate));
    ["a", "b", "c"].into_iter().for_each(|key| put(&engine, key));
    let snapshot = engine.snapshot();
    let mut iter = engine.range(Cf::Default, Bound::Unbounded, Bound::Unbounded).expect("readable");
    put(&engine, "bb");
    let next = |pair: Option<Result<(Bytes, Bytes)>>| pair.map(|pair| pair.expect("readable").0);
    assert_eq!(next(iter.next()), Some(Bytes::from_static(b"a")));
    assert_eq!(next(iter.next_back()), Some(Bytes::from_static(b"c")));
    assert_eq!(next(iter.next()), Some(Bytes::from_static(b"b")));
    assert_eq!((next(iter.next()), next(iter.next_back())), (None, None));
    drop(iter);
    assert!(snapshot.get(Cf::Default, b"bb").expect("readable").is_none());
    let nothing = snapshot.range(Cf::Default, Bound::Excluded(b"c"), Bound::Included(b"a"));
    assert_eq!(nothing.expect("readable").count(), 0);
}

/// Lets everything through, but for the next write and the next sync.
struct Switch {
    write: Mutex<Passage>,
    sync: Mutex<Passage>,
}

impl Gate for Switch {
    fn before_write(&self) -> Passage {
        *self.write.lock().expect("tests do not panic here")
    }

    fn on_write(&self, _: &WriteBatch) {}

    fn before_sync(&self, _: usize) -> Passage {
        *self.sync.lock().expect("tests do not panic here")
    }

    fn on_sync(&self) {}

    fn on_failure(&self) {}
}

struct SimRig {
    engine: Arc<SimEngine>,
    gate: Arc<Switch>,
    /// How many unsynced batches the next power cut leaves.
    keep: usize,
}

impl SimRig {
    fn new(keep: usize) -> SimRig {
        let gate = Arc::new(Switch { write: Mutex::new(Passage::Open), sync: Mutex::new(Passage::Open) });
        SimRig { engine: Arc::new(SimEngine::open(Disk::default(), gate.clone())), gate, keep }
    }
}

impl Rig for SimRig {
    fn engine(&self) -> Arc<dyn Engine> {
        self.engine.clone()
    }

    fn kill(&mut self) -> bool {
        self.engine = Arc::new(SimEngine::open(self.engine.disk(), self.gate.clone()));
        true
    }

    fn cut_power(&mut self) -> bool {
        let mut disk = self.engine.disk();
        disk.lose_power(self.keep);
        self.engine = Arc::new(SimEngine::open(disk, self.gate.clone()));
        true
    }

    fn break_writes(&mut self) -> bool {
        *self.gate.write.lock().expect("tests do not panic here") = Passage::Fails;
        true
    }

    fn break_syncs(&mut self) -> bool {
        *self.gate.sync.lock().expect("tests do not panic here") = Passage::Fails;
        true
    }
}

#[test]
fn the_simulated_engine_conforms() {
    for (name, case) in CASES {
        for keep in 0..4 {
            println!("{name}, keeping {keep}");
            case(&mut SimRig::new(keep));
        }
    }
}
