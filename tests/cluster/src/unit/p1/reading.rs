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

const WHAT_IS_THERE: Promise = Promise::new(
    "handout 1, reader",
    "a reader reads the column family that it is asked for; a scan begins at its start, which is included, and ends before \
     its end, which is not; an empty bound is none",
    "every request above it would read other data than it was asked for",
);

/// Gets in each family, scans between bounds, both ways.
pub fn reader_brings_what_is_asked_for() -> Check {
    let held = [(Cf::Default, "b", "d"), (Cf::Lock, "b", "l"), (Cf::Write, "b", "w"), (Cf::Raft, "b", "r")];
    let more = ["a", "c", "e"].map(|key| (Cf::Default, key, "d"));
    let bench = Bench::holding(&[&held[..], &more].concat());
    let reader = bench.reader()?;
    for (cf, key, value) in held {
        let found = get(&*reader, cf, key)?;
        ensure!(
            WHAT_IS_THERE,
            found.as_deref() == Some(value),
            "b is {value} in {}, and read as {found:?}",
            cf.name()
        );
        let missing = get(&*reader, cf, "bb")?;
        ensure!(
            WHAT_IS_THERE,
            missing.is_none(),
            "bb is not there in {}, and read as {missing:?}",
            cf.name()
        );
    }
    let ranges = [
        ("", "", "abce"),
        ("b", "", "bce"),
        ("bb", "", "ce"),
        ("", "c", "ab"),
        ("b", "e", "bc"),
        ("b", "b", ""),
        ("c", "a", ""),
    ];
    for (start, end, expected) in ranges {
        let failed =
            |error: String| WHAT_IS_THERE.broken(format!("a scan from {start:?} to {end:?} fails: {error}"));
        for backwards in [false, true] {
            let pairs = reader.scan_cf(Cf::Default, start.as_bytes(), end.as_bytes());
            let pairs = pairs.map_err(|error| failed(error.to_string()))?;
            let keys =
                |pair: kv::engine::Result<(bytes::Bytes, bytes::Bytes)>| pair.map(|(key, _)| show(&key));
            let found: Result<Vec<String>, _> =
                if backwards { pairs.rev().map(keys).collect() } else { pairs.map(keys).collect() };
            let mut found = found.map_err(|error| failed(error.to_string()))?;
            if backwards {
                found.reverse();
            }
            ensure!(
                WHAT_IS_THERE,
                found.concat() == expected,
                "of a, b, c and e, the range from {start:?} to {end:?} should hold {expected:?}, and holds {found:?}"
            );
        }
    }
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
