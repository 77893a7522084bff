//! Latches and glue, with a storage whose answers come when the test says so. What the handlers answer is told by the graded
//! tests of part 1 (`tests/cluster/src/unit/p1`).

use std::collections::{BTreeSet, VecDeque};
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use proto::errorpb;
use proto::kvrpcpb::{
    Context, RawBatchPutRequest, RawCasRequest, RawCasResponse, RawDeleteRangeRequest, RawPutRequest,
    RawScanRequest,
};

use super::{Held, Latches, RawService, Wanted};
use crate::engine::{Cf, MemEngine, Read};
use crate::storage::{Callback, Error, Modify, Reader, Result, StandaloneStorage, Storage};

type Done = Arc<Mutex<Vec<&'static str>>>;

fn keys(keys: &[&'static str]) -> Wanted {
    Wanted::Keys(Cf::Default, keys.iter().map(|key| Bytes::from_static(key.as_bytes())).collect())
}

/// Takes latches, notes when it has them, and puts them where the test can let them go.
fn take(latches: &Latches, name: &'static str, wanted: Wanted, done: &Done) -> Arc<Mutex<Option<Held>>> {
    let slot = Arc::new(Mutex::new(None));
    let (kept, done) = (slot.clone(), done.clone());
    latches.acquire(wanted, move |held| {
        done.lock().unwrap().push(name);
        *kept.lock().unwrap() = Some(held);
    });
    slot
}

fn let_go(slot: &Arc<Mutex<Option<Held>>>) {
    let held = slot.lock().unwrap().take();
    drop(held.expect("it holds its latches"));
}

#[test]
fn keys_are_taken_in_the_order_of_arrival_and_others_pass_by() {
    let (latches, done) = (Latches::new(), Done::default());
    let a = take(&latches, "a", keys(&["a"]), &done);
    let ab = take(&latches, "ab", keys(&["a", "b"]), &done);
    let b = take(&latches, "b", keys(&["b"]), &done);
    let c = take(&latches, "c", keys(&["c"]), &done);
    let lock_a = Wanted::Keys(Cf::Lock, BTreeSet::from([Bytes::from_static(b"a")]));
    let other_family = take(&latches, "lock", lock_a, &done);
    assert_eq!(*done.lock().unwrap(), ["a", "c", "lock"], "b waits behind ab, which came first");
    let_go(&a);
    assert_eq!(*done.lock().unwrap(), ["a", "c", "lock", "ab"]);
    let_go(&ab);
    assert_eq!(*done.lock().unwrap(), ["a", "c", "lock", "ab", "b"]);
    for slot in [b, c, other_family] {
        let_go(&slot);
    }
    assert!(latches.is_empty());
}

#[test]
fn a_whole_family_keeps_its_keys_away_and_waits_for_them() {
    let (latches, done) = (Latches::new(), Done::default());
    let a = take(&latches, "a", keys(&["a"]), &done);
    let b = take(&latches, "b", keys(&["b"]), &done);
    let family = take(&latches, "family", Wanted::Family(Cf::Default), &done);
    let second = take(&latches, "second", Wanted::Family(Cf::Default), &done);
    let later = take(&latches, "later", keys(&["z"]), &done);
    let other = take(&latches, "other", Wanted::Family(Cf::Lock), &done);
    assert_eq!(*done.lock().unwrap(), ["a", "b", "other"]);
    let_go(&a);
    assert_eq!(done.lock().unwrap().len(), 3, "b is still held");
    let_go(&b);
    assert_eq!(*done.lock().unwrap(), ["a", "b", "other", "family"]);
    let_go(&family);
    assert_eq!(*done.lock().unwrap(), ["a", "b", "other", "family", "second"]);
    let_go(&second);
    assert_eq!(done.lock().unwrap().last(), Some(&"later"));
    let_go(&later);
    let_go(&other);
    assert!(latches.is_empty());
}

#[test]
fn any_order_of_random_commands_ends_and_keeps_them_apart() {
    // Commands for a few of four keys, or all; each is let go some steps after it began. Drawn by a small generator.
    let mut draw = 0x9E37_79B9_u64;
    let mut next = move |below: u64| {
        draw = draw.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (draw >> 33) % below
    };
    let latches = Latches::new();
    let running: Arc<Mutex<Vec<(u64, Held)>>> = Arc::default();
    let mut finished = 0;
    for _ in 0..2000 {
        let mask = if next(8) == 0 { 15 } else { next(15) + 1 };
        let names = ["a", "b", "c", "d"];
        let wanted = if mask == 15 {
            Wanted::Family(Cf::Default)
        } else {
            keys(&(0..4).filter(|bit| mask & (1 << bit) != 0).map(|bit| names[bit]).collect::<Vec<_>>())
        };
        let slot = running.clone();
        latches.acquire(wanted, move |held| {
            let mut running = slot.lock().unwrap();
            assert!(running.iter().all(|(other, _)| other & mask == 0), "two commands hold the same key");
            running.push((mask, held));
        });
        while running.lock().unwrap().len() > usize::try_from(next(3)).unwrap() {
            let held = running.lock().unwrap().remove(0);
            drop(held);
            finished += 1;
        }
    }
    while !latches.is_empty() {
        let held = running.lock().unwrap().pop().expect("somebody always runs");
        drop(held);
        finished += 1;
    }
    assert_eq!(finished, 2000);
}

#[test]
fn a_long_queue_does_not_overflow_the_stack() {
    let latches = Latches::new();
    let count = Arc::new(Mutex::new(0));
    let first = take(&latches, "first", keys(&["a"]), &Done::default());
    for _ in 0..100_000 {
        let count = count.clone();
        latches.acquire(keys(&["a"]), move |held| {
            *count.lock().unwrap() += 1;
            drop(held);
        });
    }
    let_go(&first);
    assert_eq!(*count.lock().unwrap(), 100_000);
    assert!(latches.is_empty());
}

/// Standalone storage whose calls wait until they are told to go on, and which then fails if it is told so.
#[derive(Clone)]
struct Slow {
    storage: Arc<StandaloneStorage>,
    waiting: Arc<Mutex<VecDeque<Call>>>,
    term: u64,
}

enum Call {
    Snapshot(Callback<Box<dyn Reader>>),
    Write(u64, Vec<Modify>, Callback<()>),
}

struct InTerm(Box<dyn Reader>, u64);

impl Reader for InTerm {
    fn get_cf(&self, cf: Cf, key: &[u8]) -> Result<Option<Bytes>> {
        self.0.get_cf(cf, key)
    }

    fn scan_cf(&self, cf: Cf, start: &[u8], end: &[u8]) -> Result<crate::engine::Iter<'_>> {
        self.0.scan_cf(cf, start, end)
    }

    fn term(&self) -> u64 {
        self.1
    }
}

impl Storage for Slow {
    fn async_snapshot(&self, _: &Context, callback: Callback<Box<dyn Reader>>) {
        self.waiting.lock().unwrap().push_back(Call::Snapshot(callback));
    }

    fn async_write(&self, _: &Context, guard_term: u64, modifies: Vec<Modify>, callback: Callback<()>) {
        self.waiting.lock().unwrap().push_back(Call::Write(guard_term, modifies, callback));
    }
}

impl Slow {
    fn new(term: u64) -> (Slow, MemEngine) {
        let engine = MemEngine::new();
        let storage = Arc::new(StandaloneStorage::new(Arc::new(engine.clone())));
        (Slow { storage, waiting: Arc::default(), term }, engine)
    }

    /// Serves the call that waits longest: writes must carry `guard_term`.
    fn serve(&self, guard_term: u64) {
        let call = self.waiting.lock().unwrap().pop_front().expect("a call waits");
        match call {
            Call::Snapshot(callback) => {
                callback(Ok(Box::new(InTerm(Box::new(self.storage.reader()), self.term))))
            }
            Call::Write(guard, modifies, callback) => {
                assert_eq!(guard, guard_term, "guard of a write");
                callback(self.storage.write(modifies));
            }
        }
    }

    fn fail(&self, error: Error) {
        let call = self.waiting.lock().unwrap().pop_front().expect("a call waits");
        match call {
            Call::Snapshot(callback) => callback(Err(error)),
            Call::Write(_, _, callback) => callback(Err(error)),
        }
    }

    fn waiting(&self) -> usize {
        self.waiting.lock().unwrap().len()
    }
}

fn swap(from: Option<&'static str>, to: &'static str) -> RawCasRequest {
    RawCasRequest {
        key: Bytes::from_static(b"k"),
        value: Bytes::from_static(to.as_bytes()),
        previous_not_exist: from.is_none(),
        previous_value: Bytes::from_static(from.unwrap_or_default().as_bytes()),
        ..RawCasRequest::default()
    }
}

/// Where an answer lands.
type Slot<T> = Arc<Mutex<Option<Result<T>>>>;

/// A callback, and where its answer lands.
fn answer<T: Send + 'static>() -> (Callback<T>, Slot<T>) {
    let slot = Arc::new(Mutex::new(None));
    let kept = slot.clone();
    (Box::new(move |result| assert!(kept.lock().unwrap().replace(result).is_none(), "a second answer")), slot)
}

fn taken<T>(slot: &Slot<T>) -> Result<T> {
    slot.lock().unwrap().take().expect("there is an answer")
}

#[test]
fn two_swaps_of_one_key_take_turns_and_one_fails() {
    let (storage, engine) = Slow::new(7);
    let service = RawService::new(Arc::new(storage.clone()));
    let ((first, first_answer), (second, second_answer)) = (answer(), answer());
    service.raw_compare_and_swap(swap(None, "1"), first);
    service.raw_compare_and_swap(swap(None, "2"), second);
    assert_eq!(storage.waiting(), 1, "the second swap must not read before the first has written");
    storage.serve(7);
    assert_eq!(storage.waiting(), 1);
    assert!(first_answer.lock().unwrap().is_none(), "the answer came before the write");
    storage.serve(7);
    assert!(taken(&first_answer).unwrap().succeed);
    storage.serve(7);
    let response: RawCasResponse = taken(&second_answer).unwrap();
    assert!(!response.succeed && !response.previous_not_exist);
    assert_eq!(response.previous_value, "1");
    assert_eq!(engine.get(Cf::Default, b"k").unwrap().as_deref(), Some("1".as_bytes()));
    assert_eq!(storage.waiting(), 0);
    assert!(service.latches().is_empty());
}

#[test]
fn other_writes_wait_for_a_swap_of_the_same_key_alone() {
    let (storage, _engine) = Slow::new(7);
    let service = RawService::new(Arc::new(storage.clone()));
    service.raw_compare_and_swap(swap(None, "1"), answer().0);
    let put = |key: &'static str| RawPutRequest { key: key.into(), ..RawPutRequest::default() };
    service.raw_put(put("k"), answer().0);
    service.raw_delete_range(RawDeleteRangeRequest::default(), answer().0);
    assert_eq!(storage.waiting(), 1, "a write passed a swap of the same key");
    service.raw_put(RawPutRequest { cf: "lock".to_owned(), ..put("k") }, answer().0);
    assert_eq!(storage.waiting(), 2, "a write waits for a swap in another column family");
    storage.serve(7);
    storage.serve(0);
    storage.serve(7);
    // The put, then the range.
    storage.serve(0);
    storage.serve(0);
    assert!(service.latches().is_empty());
}

#[test]
fn a_failure_lets_go_of_the_latch_and_is_told() {
    let (storage, _engine) = Slow::new(7);
    let service = RawService::new(Arc::new(storage.clone()));
    let region =
        || Error::Region(Box::new(errorpb::Error { message: "elsewhere".to_owned(), ..Default::default() }));
    for serve_first in [false, true] {
        let (callback, slot) = answer();
        service.raw_compare_and_swap(swap(None, "1"), callback);
        if serve_first {
            storage.serve(7);
        }
        storage.fail(region());
        assert_eq!(taken(&slot).unwrap().region_error.unwrap().message, "elsewhere");
        assert!(service.latches().is_empty());
    }
    let (callback, slot) = answer();
    service.raw_put(RawPutRequest { key: "k".into(), ..RawPutRequest::default() }, callback);
    storage.fail(Error::Engine("the disk is gone".to_owned()));
    assert!(matches!(taken(&slot), Err(Error::Engine(_))));
    assert!(service.latches().is_empty());
}

#[test]
fn wrong_requests_are_answered_in_the_message_where_it_has_a_place() {
    let (storage, _engine) = Slow::new(0);
    let service = RawService::new(Arc::new(storage.clone()));
    let (callback, slot) = answer();
    service.raw_put(RawPutRequest::default(), callback);
    assert_eq!(taken(&slot).unwrap().error, "the key is empty");
    let (callback, slot) = answer();
    service.raw_compare_and_swap(RawCasRequest { cf: "raft".to_owned(), ..swap(None, "1") }, callback);
    assert!(taken(&slot).unwrap().error.contains("choose default, lock or write"));
    assert_eq!(storage.waiting(), 0, "a wrong write went further than here");
    let (callback, slot) = answer();
    service.raw_scan(RawScanRequest::default(), callback);
    storage.serve(0);
    assert!(matches!(taken(&slot), Err(Error::Invalid(_))));
    let (callback, slot) = answer();
    service.raw_batch_put(RawBatchPutRequest::default(), callback);
    assert_eq!(taken(&slot).unwrap().error, "", "a batch of nothing is done at once");
    assert!(service.latches().is_empty());
}
