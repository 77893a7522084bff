//! What every engine must do: one case for each sentence of the durability contract, run against any engine that comes with a
//! [`Rig`]. A case panics when a promise is broken.
//!
//! What an engine cannot be put through (nothing survives in memory; nobody pulls the plug of a real machine) its rig says by
//! answering `false`, and the case ends there.

use std::ops::Bound::{self, Excluded, Included, Unbounded};
use std::sync::Arc;

use bytes::Bytes;

use super::{Cf, Engine, Error, KEY_BYTES_MAX, Read, WriteBatch};

/// An engine with all column families and nothing in it, and what can happen to it.
pub trait Rig {
    /// The engine as it runs now.
    fn engine(&self) -> Arc<dyn Engine>;

    /// Ends the engine as the death of its process does, and starts it again.
    fn kill(&mut self) -> bool {
        false
    }

    /// Ends the engine as a power cut does, and starts it again.
    fn cut_power(&mut self) -> bool {
        false
    }

    /// Lets the next write fail.
    fn break_writes(&mut self) -> bool {
        false
    }

    /// Lets the next sync fail.
    fn break_syncs(&mut self) -> bool {
        false
    }
}

/// One case.
pub type Case = fn(&mut dyn Rig);

/// All cases, by name. Each wants a rig of its own.
#[rustfmt::skip]
pub const CASES: &[(&str, Case)] = &[
    ("a_batch_is_visible_at_once_and_everywhere", a_batch_is_visible_at_once_and_everywhere),
    ("column_families_are_separate", column_families_are_separate),
    ("the_last_change_of_a_key_wins", the_last_change_of_a_key_wins),
    ("empty_batches_and_deletes_of_nothing_do_nothing", empty_batches_and_deletes_of_nothing_do_nothing),
    ("empty_values_are_values", empty_values_are_values),
    ("bad_keys_are_refused_and_do_no_harm", bad_keys_are_refused_and_do_no_harm),
    ("keys_are_ordered_as_bytes", keys_are_ordered_as_bytes),
    ("ranges_keep_their_bounds", ranges_keep_their_bounds),
    ("ranges_run_both_ways_and_from_both_ends", ranges_run_both_ways_and_from_both_ends),
    ("ranges_that_hold_nothing_are_empty", ranges_that_hold_nothing_are_empty),
    ("an_iterator_sees_one_moment", an_iterator_sees_one_moment),
    ("snapshots_stand_still", snapshots_stand_still),
    ("what_is_written_survives_the_process", what_is_written_survives_the_process),
    ("what_is_synced_survives_a_power_cut", what_is_synced_survives_a_power_cut),
    ("a_power_cut_takes_a_suffix_of_whole_batches", a_power_cut_takes_a_suffix_of_whole_batches),
    ("after_a_failed_write_nothing_works", after_a_failed_write_nothing_works),
    ("after_a_failed_sync_nothing_works", after_a_failed_sync_nothing_works),
];

fn put(engine: &dyn Engine, cf: Cf, pairs: &[(&str, &str)]) {
    let mut batch = WriteBatch::new();
    for (key, value) in pairs {
        batch.put(cf, Bytes::copy_from_slice(key.as_bytes()), Bytes::copy_from_slice(value.as_bytes()));
    }
    engine.write(batch).expect("a healthy engine takes a batch");
}

fn get(read: &dyn Read, cf: Cf, key: &str) -> Option<String> {
    let value = read.get(cf, key.as_bytes()).expect("a healthy engine can be read");
    value.map(|value| text(&value))
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).expect("the cases write texts")
}

fn keys(read: &dyn Read, lower: Bound<&[u8]>, upper: Bound<&[u8]>) -> Vec<String> {
    let pairs = read.range(Cf::Default, lower, upper).expect("a healthy engine can be read");
    pairs.map(|pair| text(&pair.expect("a healthy engine can be read").0)).collect()
}

fn all_keys(read: &dyn Read) -> Vec<String> {
    keys(read, Unbounded, Unbounded)
}

fn a_batch_is_visible_at_once_and_everywhere(rig: &mut dyn Rig) {
    let engine = rig.engine();
    let mut batch = WriteBatch::new();
    for cf in Cf::ALL {
        batch.put(cf, "key", cf.name());
    }
    engine.write(batch).expect("a healthy engine takes a batch");
    for cf in Cf::ALL {
        assert_eq!(get(&*engine, cf, "key").as_deref(), Some(cf.name()));
    }
    std::thread::scope(|scope| {
        scope.spawn(|| assert_eq!(get(&*engine, Cf::Write, "key").as_deref(), Some("write")));
    });
}

fn column_families_are_separate(rig: &mut dyn Rig) {
    let engine = rig.engine();
    put(&*engine, Cf::Lock, &[("a", "1")]);
    put(&*engine, Cf::Write, &[("a", "2")]);
    assert_eq!(get(&*engine, Cf::Default, "a"), None);
    let mut batch = WriteBatch::new();
    batch.delete(Cf::Lock, "a");
    engine.write(batch).expect("a healthy engine takes a batch");
    assert_eq!(get(&*engine, Cf::Lock, "a"), None);
    assert_eq!(get(&*engine, Cf::Write, "a").as_deref(), Some("2"));
    assert!(all_keys(&*engine).is_empty());
}

fn the_last_change_of_a_key_wins(rig: &mut dyn Rig) {
    let engine = rig.engine();
    let mut batch = WriteBatch::new();
    batch.put(Cf::Default, "twice", "1");
    batch.put(Cf::Default, "twice", "2");
    batch.put(Cf::Default, "gone", "1");
    batch.delete(Cf::Default, "gone");
    batch.delete(Cf::Default, "back");
    batch.put(Cf::Default, "back", "1");
    engine.write(batch).expect("a healthy engine takes a batch");
    assert_eq!(get(&*engine, Cf::Default, "twice").as_deref(), Some("2"));
    assert_eq!(all_keys(&*engine), ["back", "twice"]);
}

fn empty_batches_and_deletes_of_nothing_do_nothing(rig: &mut dyn Rig) {
    let engine = rig.engine();
    engine.write(WriteBatch::new()).expect("an empty batch is a batch");
    let mut batch = WriteBatch::new();
    batch.delete(Cf::Default, "nothing");
    engine.write(batch).expect("what is not there can be deleted");
    engine.sync().expect("a healthy engine can sync");
    assert!(all_keys(&*engine).is_empty());
}

fn empty_values_are_values(rig: &mut dyn Rig) {
    let engine = rig.engine();
    put(&*engine, Cf::Default, &[("empty", "")]);
    assert_eq!(get(&*engine, Cf::Default, "empty").as_deref(), Some(""));
    assert_eq!(all_keys(&*engine), ["empty"]);
}

fn bad_keys_are_refused_and_do_no_harm(rig: &mut dyn Rig) {
    let engine = rig.engine();
    let longest = Bytes::from(vec![7; KEY_BYTES_MAX]);
    let too_long = Bytes::from(vec![7; KEY_BYTES_MAX + 1]);
    for bad in [Bytes::new(), too_long] {
        let mut batch = WriteBatch::new();
        batch.put(Cf::Default, "good", "1");
        batch.put(Cf::Default, bad.clone(), "1");
        assert!(matches!(engine.write(batch), Err(Error::InvalidKey { bytes }) if bytes == bad.len()));
        let mut batch = WriteBatch::new();
        batch.delete(Cf::Default, bad.clone());
        assert!(matches!(engine.write(batch), Err(Error::InvalidKey { .. })));
        assert!(matches!(engine.get(Cf::Default, &bad), Err(Error::InvalidKey { .. })));
        assert_eq!(get(&*engine, Cf::Default, "good"), None, "a refused batch was written in part");
    }
    let mut batch = WriteBatch::new();
    batch.put(Cf::Default, longest.clone(), "1");
    engine.write(batch).expect("the longest key is a key");
    engine.sync().expect("a refused key does no harm");
    let value = engine.get(Cf::Default, &longest).expect("a healthy engine can be read");
    assert_eq!(value.as_deref(), Some("1".as_bytes()));
}

fn keys_are_ordered_as_bytes(rig: &mut dyn Rig) {
    let engine = rig.engine();
    let written: [&[u8]; 6] = [&[0], &[0, 0], &[0, 1], &[1], &[127, 255], &[255, 255]];
    for key in written.iter().rev() {
        let mut batch = WriteBatch::new();
        batch.put(Cf::Default, Bytes::copy_from_slice(key), Bytes::copy_from_slice(key));
        engine.write(batch).expect("a healthy engine takes a batch");
    }
    let pairs = engine.range(Cf::Default, Unbounded, Unbounded).expect("a healthy engine can be read");
    let pairs: Vec<(Bytes, Bytes)> = pairs.map(|pair| pair.expect("a healthy engine can be read")).collect();
    let expected: Vec<(Bytes, Bytes)> =
        written.iter().map(|key| (Bytes::copy_from_slice(key), Bytes::copy_from_slice(key))).collect();
    assert_eq!(pairs, expected);
}

fn ranges_keep_their_bounds(rig: &mut dyn Rig) {
    let engine = rig.engine();
    put(&*engine, Cf::Default, &[("a", "1"), ("b", "2"), ("c", "3"), ("d", "4")]);
    put(&*engine, Cf::Lock, &[("bb", "of another family")]);
    let check = |lower: Bound<&[u8]>, upper: Bound<&[u8]>, expected: &[&str]| {
        assert_eq!(keys(&*engine, lower, upper), expected, "{lower:?} to {upper:?}");
    };
    check(Unbounded, Unbounded, &["a", "b", "c", "d"]);
    check(Included(b"b"), Unbounded, &["b", "c", "d"]);
    check(Excluded(b"b"), Unbounded, &["c", "d"]);
    check(Unbounded, Included(b"c"), &["a", "b", "c"]);
    check(Unbounded, Excluded(b"c"), &["a", "b"]);
    check(Included(b"b"), Included(b"b"), &["b"]);
    check(Excluded(b"a"), Excluded(b"d"), &["b", "c"]);
    check(Included(b"aa"), Excluded(b"cc"), &["b", "c"]);
    check(Included(b""), Unbounded, &["a", "b", "c", "d"]);
}

fn ranges_run_both_ways_and_from_both_ends(rig: &mut dyn Rig) {
    let engine = rig.engine();
    put(&*engine, Cf::Default, &[("a", "1"), ("b", "2"), ("c", "3"), ("d", "4")]);
    let range = || engine.range(Cf::Default, Included(b"a"), Excluded(b"d")).expect("it can be read");
    let key = |pair: super::Result<(Bytes, Bytes)>| text(&pair.expect("it can be read").0);
    assert_eq!(range().rev().map(key).collect::<Vec<_>>(), ["c", "b", "a"]);
    let mut ends = range();
    assert_eq!(ends.next().map(key).as_deref(), Some("a"));
    assert_eq!(ends.next_back().map(key).as_deref(), Some("c"));
    assert_eq!(ends.next().map(key).as_deref(), Some("b"));
    assert!(ends.next().is_none() && ends.next_back().is_none());
}

fn ranges_that_hold_nothing_are_empty(rig: &mut dyn Rig) {
    let engine = rig.engine();
    put(&*engine, Cf::Default, &[("a", "1"), ("b", "2"), ("c", "3")]);
    assert!(keys(&*engine, Included(b"c"), Excluded(b"a")).is_empty());
    assert!(keys(&*engine, Included(b"b"), Excluded(b"b")).is_empty());
    assert!(keys(&*engine, Excluded(b"b"), Excluded(b"b")).is_empty());
    assert!(keys(&*engine, Excluded(b"b"), Included(b"b")).is_empty());
    assert!(keys(&*engine, Included(b"x"), Unbounded).is_empty());
    assert!(keys(&*engine, Unbounded, Excluded(b"a")).is_empty());
}

fn an_iterator_sees_one_moment(rig: &mut dyn Rig) {
    let engine = rig.engine();
    put(&*engine, Cf::Default, &[("a", "1"), ("c", "1")]);
    let mut pairs = engine.range(Cf::Default, Unbounded, Unbounded).expect("a healthy engine can be read");
    let first = pairs.next().expect("two keys were written").expect("a healthy engine can be read");
    assert_eq!(first, ("a".into(), "1".into()));
    put(&*engine, Cf::Default, &[("b", "2"), ("c", "2"), ("d", "2")]);
    let rest: Vec<_> = pairs.map(|pair| pair.expect("a healthy engine can be read")).collect();
    assert_eq!(rest, [("c".into(), "1".into())]);
    assert_eq!(all_keys(&*engine), ["a", "b", "c", "d"]);
}

fn snapshots_stand_still(rig: &mut dyn Rig) {
    let engine = rig.engine();
    put(&*engine, Cf::Default, &[("a", "1"), ("b", "1")]);
    let before = engine.snapshot();
    let mut batch = WriteBatch::new();
    batch.put(Cf::Default, "a", "2");
    batch.delete(Cf::Default, "b");
    batch.put(Cf::Lock, "c", "2");
    engine.write(batch).expect("a healthy engine takes a batch");
    let after = engine.snapshot();
    put(&*engine, Cf::Default, &[("a", "3")]);
    engine.sync().expect("a healthy engine can sync");

    assert_eq!(get(&*before, Cf::Default, "a").as_deref(), Some("1"));
    assert_eq!(get(&*before, Cf::Lock, "c"), None);
    assert_eq!(all_keys(&*before), ["a", "b"]);
    assert_eq!(get(&*after, Cf::Default, "a").as_deref(), Some("2"));
    assert_eq!(get(&*after, Cf::Lock, "c").as_deref(), Some("2"));
    assert_eq!(all_keys(&*after), ["a"]);
    assert_eq!(get(&*engine, Cf::Default, "a").as_deref(), Some("3"));
}

fn what_is_written_survives_the_process(rig: &mut dyn Rig) {
    let written: Vec<String> = (0..50).map(|n| format!("{n:02}")).collect();
    for key in &written {
        put(&*rig.engine(), Cf::Default, &[(key, "1")]);
    }
    for _ in 0..2 {
        if rig.kill() {
            assert_eq!(all_keys(&*rig.engine()), written);
        }
    }
}

fn what_is_synced_survives_a_power_cut(rig: &mut dyn Rig) {
    put(&*rig.engine(), Cf::Default, &[("a", "1"), ("b", "1")]);
    put(&*rig.engine(), Cf::Lock, &[("a", "2")]);
    rig.engine().sync().expect("a healthy engine can sync");
    for _ in 0..2 {
        if rig.cut_power() {
            assert_eq!(all_keys(&*rig.engine()), ["a", "b"]);
            assert_eq!(get(&*rig.engine(), Cf::Lock, "a").as_deref(), Some("2"));
        }
    }
}

fn a_power_cut_takes_a_suffix_of_whole_batches(rig: &mut dyn Rig) {
    let count = |rig: &dyn Rig, cf: Cf| {
        let engine = rig.engine();
        let pairs = engine.range(cf, Unbounded, Unbounded).expect("a healthy engine can be read");
        pairs.map(|pair| text(&pair.expect("a healthy engine can be read").0)).collect::<Vec<_>>()
    };
    let mut safe = 0;
    for round in 1..=10_usize {
        let (sync_at, last) = (round * 10 - 5, round * 10);
        let first = count(rig, Cf::Default).len();
        for n in first..last {
            let mut batch = WriteBatch::new();
            batch.put(Cf::Default, format!("{n:03}"), "1");
            batch.put(Cf::Write, format!("{n:03}"), "1");
            rig.engine().write(batch).expect("a healthy engine takes a batch");
            if n + 1 == sync_at {
                rig.engine().sync().expect("a healthy engine can sync");
                safe = sync_at;
            }
        }
        if !rig.cut_power() {
            return;
        }
        let left = count(rig, Cf::Default);
        assert_eq!(left, count(rig, Cf::Write), "a batch survived in part");
        let prefix: Vec<String> = (0..left.len()).map(|n| format!("{n:03}")).collect();
        assert_eq!(left, prefix, "a batch is missing before one that survived");
        assert!(left.len() >= safe, "{safe} batches were synced, {} are left", left.len());
    }
}

fn check_stopped(engine: &dyn Engine) {
    let mut batch = WriteBatch::new();
    batch.put(Cf::Default, "later", "1");
    assert!(engine.write(batch).is_err(), "a write after a failure");
    assert!(engine.sync().is_err(), "a sync after a failure");
    assert!(engine.get(Cf::Default, b"a").is_err(), "a read after a failure");
    assert!(engine.snapshot().get(Cf::Default, b"a").is_err(), "a read of a snapshot after a failure");
    assert!(engine.range(Cf::Default, Unbounded, Unbounded).is_err(), "a scan after a failure");
}

fn after_a_failed_write_nothing_works(rig: &mut dyn Rig) {
    let engine = rig.engine();
    put(&*engine, Cf::Default, &[("a", "1")]);
    if !rig.break_writes() {
        return;
    }
    let mut batch = WriteBatch::new();
    batch.put(Cf::Default, "b", "1");
    assert!(engine.write(batch).is_err());
    check_stopped(&*engine);
}

fn after_a_failed_sync_nothing_works(rig: &mut dyn Rig) {
    let engine = rig.engine();
    put(&*engine, Cf::Default, &[("a", "1")]);
    if !rig.break_syncs() {
        return;
    }
    assert!(engine.sync().is_err());
    check_stopped(&*engine);
}
