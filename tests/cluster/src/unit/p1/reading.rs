//! Readers: one moment, nothing left open, nothing read for nothing.

use kv::engine::Cf;
use kv::storage::Reader;

use super::bench::{Bench, delete, put, show};
use crate::unit::{Check, Promise, ensure, story};

const ONE_MOMENT: Promise = Promise::new(
    "handout 1, storage",
    "a reader shows one moment, that of the call that asked for it: all of its reads agree with each other, whatever is \
     written meanwhile",
    "a request that reads two keys would see half of somebody's change, and act on a state that never was",
);

fn get(reader: &dyn Reader, cf: Cf, key: &str) -> Check<Option<String>> {
    let value = reader.get_cf(cf, key.as_bytes());
    let value = value.map_err(|error| ONE_MOMENT.broken(format!("reading {key} fails: {error}")))?;
    Ok(value.map(|value| show(&value)))
}

fn keys(reader: &dyn Reader, cf: Cf) -> Check<Vec<String>> {
    let failed = |error: String| ONE_MOMENT.broken(format!("a scan fails: {error}"));
    let pairs = reader.scan_cf(cf, b"", b"").map_err(|error| failed(error.to_string()))?;
    pairs.map(|pair| pair.map(|(key, _)| show(&key)).map_err(|error| failed(error.to_string()))).collect()
}

/// Gets and scans of one reader, with writes between them.
pub fn reader_is_one_moment() -> Check {
    let bench = Bench::holding(&[(Cf::Default, "a", "1"), (Cf::Default, "b", "1"), (Cf::Lock, "a", "1")]);
    let reader = bench.reader()?;
    let first = get(&*reader, Cf::Default, "a")?;
    bench.write_well(vec![
        put(Cf::Default, "a", "2"),
        put(Cf::Lock, "a", "2"),
        delete(Cf::Default, "b"),
        put(Cf::Default, "c", "2"),
    ])?;
    let seen = [
        first,
        get(&*reader, Cf::Default, "a")?,
        get(&*reader, Cf::Lock, "a")?,
        get(&*reader, Cf::Default, "b")?,
    ];
    let one = Some("1".to_owned());
    ensure!(
        ONE_MOMENT,
        seen.iter().all(|value| *value == one) && get(&*reader, Cf::Default, "c")?.is_none(),
        "everything was 1 when the reader came, then all was changed; it saw {seen:?}"
    );
    let scanned = keys(&*reader, Cf::Default)?;
    ensure!(
        ONE_MOMENT,
        scanned == ["a", "b"],
        "a and b were there when the reader came; it scans {scanned:?}"
    );
    Ok(())
}

const FRESH: Promise = Promise::new(
    "handout 1, storage",
    "a reader sees every write that was answered before it was asked for",
    "a client would read a value that it knows to be overwritten: reads would not be linearizable",
);

/// New readers see new writes, old ones stay.
pub fn reader_sees_all_that_was_answered() -> Check {
    let bench = Bench::new();
    let mut readers = Vec::new();
    for n in 0..5 {
        bench.write_well(vec![put(Cf::Default, "n", &n.to_string()), put(Cf::Write, &n.to_string(), "x")])?;
        readers.push(bench.reader()?);
    }
    for (n, reader) in readers.iter().enumerate() {
        let value = get(&**reader, Cf::Default, "n")?;
        ensure!(
            FRESH,
            value == Some(n.to_string()),
            "the reader that came after n={n} was answered sees {value:?}"
        );
        let count = keys(&**reader, Cf::Write)?.len();
        ensure!(FRESH, count == n + 1, "after {} writes, a scan brings {count} keys", n + 1);
    }
    Ok(())
}

/// Readers, iterators, writes: nothing of them is left behind.
pub fn nothing_is_left_open() -> Check {
    let bench = Bench::holding(&[(Cf::Default, "a", "1"), (Cf::Default, "b", "1"), (Cf::Default, "c", "1")]);
    for round in 0..3 {
        bench.write_well(vec![put(Cf::Default, "a", &round.to_string())])?;
        bench.check_closed("a write")?;
        let reader = bench.reader()?;
        get(&*reader, Cf::Default, "a")?;
        get(&*reader, Cf::Default, "missing")?;
        keys(&*reader, Cf::Default)?;
        // A scan that is given up in the middle.
        let scan = reader.scan_cf(Cf::Default, b"a", b"c");
        let first = scan.map(|mut pairs| pairs.next().is_some());
        ensure!(ONE_MOMENT, matches!(first, Ok(true)), "the scan of a..c begins with {first:?}");
        story::note("the reader is gone".to_owned());
        drop(reader);
        bench.check_closed("a reader is gone")?;
    }
    Ok(())
}

const LAZY: Promise = Promise::new(
    "handout 1, storage",
    "a scan reads what it is asked for, when it is asked for it",
    "a scan of ten keys would read the whole database, and keep it in memory",
);

/// Three pairs of a thousand.
pub fn scan_reads_what_is_asked_for() -> Check {
    // Some engines look one pair ahead; nobody needs to look further.
    const SLACK: usize = 8;
    let bench = Bench::new();
    let many = (0..1000).map(|n| put(Cf::Default, &format!("{n:04}"), "1")).collect();
    bench.storage.write(many).map_err(|error| LAZY.broken(format!("a write of 1000 keys fails: {error}")))?;
    let reader = bench.reader()?;
    for backwards in [false, true] {
        let before = bench.pairs_read();
        let pairs = reader.scan_cf(Cf::Default, b"0100", b"0900");
        let mut pairs = pairs.map_err(|error| LAZY.broken(format!("a scan fails: {error}")))?;
        let taken =
            if backwards { pairs.by_ref().rev().take(3).count() } else { pairs.by_ref().take(3).count() };
        let read = bench.pairs_read() - before;
        ensure!(
            LAZY,
            taken == 3 && read <= 3 + SLACK,
            "to bring 3 of 800 pairs, it read {read} from the engine"
        );
    }
    Ok(())
}
