//! Writes: whole, in order, durable before they are answered; and what they say when the disk fails.

use bytes::Bytes;
use kv::engine::{Cf, KEY_BYTES_MAX};
use kv::storage::{Error, Modify};

use super::bench::{Bench, Fault, Table, delete, describe_table, put, table_of};
use crate::unit::{Check, Promise, ensure, story};

const WHOLE: Promise = Promise::new(
    "handout 1, storage",
    "the changes of one write take effect at once or not at all, over all column families: nobody ever sees, and no power \
     cut ever leaves, some of them without the others",
    "a transaction's lock would be there without its value, and nobody could tell what was meant",
);

fn check_all_or_nothing(states: &[Table], before: &Table, after: &Table, who: &str) -> Check {
    for state in states {
        ensure!(
            WHOLE,
            state == before || state == after,
            "before the write there was {}, all of it would be {}; {who} {}",
            describe_table(before),
            describe_table(after),
            describe_table(state)
        );
    }
    Ok(())
}

/// A write over three column families, watched by a reader after each batch and cut off before the sync.
pub fn batch_is_whole() -> Check {
    let held = [(Cf::Default, "a", "1"), (Cf::Lock, "a", "1"), (Cf::Write, "b", "1")];
    let changes = || {
        vec![
            put(Cf::Default, "a", "2"),
            delete(Cf::Lock, "a"),
            put(Cf::Write, "c", "2"),
            put(Cf::Default, "d", "2"),
        ]
    };
    let after = table_of(&[
        (Cf::Default, "a", "2"),
        (Cf::Default, "d", "2"),
        (Cf::Write, "b", "1"),
        (Cf::Write, "c", "2"),
    ]);
    let bench = Bench::holding(&held);
    let before = bench.table();
    bench.write_well(changes())?;
    check_all_or_nothing(&bench.seen_after_batches(&before), &before, &after, "a reader between saw")?;

    let bench = Bench::holding(&held);
    bench.fail(Fault::Sync);
    bench.write(changes())?.err();
    story::note("the power fails".to_owned());
    check_all_or_nothing(&bench.after_power_cuts(), &before, &after, "a power cut left")
}

const ALL: Promise = Promise::new(
    "handout 1, storage",
    "every change of a write is made",
    "the client was told that all of it is there",
);

/// Many changes of all kinds.
pub fn every_change_of_a_batch_is_made() -> Check {
    let bench = Bench::holding(&[(Cf::Default, "x", "1"), (Cf::Lock, "x", "1"), (Cf::Write, "x", "1")]);
    let mut changes: Vec<Modify> = Cf::DATA
        .into_iter()
        .flat_map(|cf| (0..20).map(move |n| put(cf, &n.to_string(), cf.name())))
        .collect();
    changes.extend(Cf::DATA.map(|cf| delete(cf, "x")));
    bench.write_well(changes)?;
    let expected: Table = Cf::DATA
        .into_iter()
        .flat_map(|cf| {
            (0..20).map(move |n| ((cf, n.to_string().into_bytes()), cf.name().as_bytes().to_vec()))
        })
        .collect();
    let table = bench.table();
    ensure!(ALL, table == expected, "63 changes were asked for, and there is {}", describe_table(&table));
    Ok(())
}

const ORDER: Promise = Promise::new(
    "handout 1, storage",
    "the changes of a write are made in their order: of several to one key, the last counts",
    "a key that was removed would come back",
);

/// Several changes of one key.
pub fn changes_are_made_in_order() -> Check {
    let bench = Bench::holding(&[(Cf::Default, "gone", "1"), (Cf::Default, "back", "1")]);
    bench.write_well(vec![
        put(Cf::Default, "twice", "1"),
        put(Cf::Default, "twice", "2"),
        put(Cf::Default, "gone", "2"),
        delete(Cf::Default, "gone"),
        delete(Cf::Default, "back"),
        put(Cf::Default, "back", "2"),
    ])?;
    let expected = table_of(&[(Cf::Default, "back", "2"), (Cf::Default, "twice", "2")]);
    let table = bench.table();
    ensure!(ORDER, table == expected, "there is {}", describe_table(&table));
    Ok(())
}

const DURABLE: Promise = Promise::new(
    "handout 1, storage",
    "a write that was answered survives a power cut",
    "the client was told that it is safe, and it is gone",
);

/// The power fails right after the answer.
pub fn answered_means_durable() -> Check {
    let mut bench = Bench::new();
    for n in 0..3 {
        let key = n.to_string();
        bench.write_well(vec![put(Cf::Default, &key, "1"), put(Cf::Write, &key, "1")])?;
        let expected = bench.table();
        story::note("the power fails right after the answer".to_owned());
        for left in bench.after_power_cuts() {
            ensure!(
                DURABLE,
                left == expected,
                "{} writes were answered, and a power cut leaves {}",
                n + 1,
                describe_table(&left)
            );
        }
        let mut disk = bench.disk();
        disk.lose_power(0);
        bench = Bench::on(disk);
    }
    Ok(())
}

const FAILURE: Promise = Promise::new(
    "handout 1, storage",
    "a write that the engine could not make, or not make safe, is answered with an error of the engine",
    "the client was told that its data is safe, and it is not",
);

fn check_failure(fault: Fault) -> Check {
    let bench = Bench::holding(&[(Cf::Default, "a", "1")]);
    bench.write_well(vec![put(Cf::Default, "a", "2")])?;
    bench.fail(fault);
    let answer = bench.write(vec![put(Cf::Default, "a", "3")])?;
    let told = matches!(answer, Err(Error::Engine(_)));
    ensure!(FAILURE, told, "with {fault:?} failing, the write was answered {answer:?}");
    bench.fail(Fault::None);
    let later = bench.write(vec![put(Cf::Default, "a", "4")])?;
    ensure!(
        FAILURE,
        later.is_err(),
        "the engine has failed for good, and the next write was answered {later:?}"
    );
    let reader = bench.reader()?;
    let read = reader.get_cf(Cf::Default, b"a");
    ensure!(FAILURE, read.is_err(), "the engine has failed for good, and a read was answered {read:?}");
    let scanned = reader.scan_cf(Cf::Default, b"", b"").map(|pairs| pairs.count());
    ensure!(
        FAILURE,
        scanned.is_err(),
        "the engine has failed for good, and a scan brought {scanned:?} pairs"
    );
    Ok(())
}

/// The disk fails at the write.
pub fn failed_write_is_told() -> Check {
    check_failure(Fault::Write)
}

/// The disk fails at the sync.
pub fn failed_sync_is_told() -> Check {
    check_failure(Fault::Sync)
}

const BAD_KEY: Promise = Promise::new(
    "handout 1, storage",
    "a write with a key that no engine takes is refused as invalid, whole, and does no harm",
    "one wrong request would stop the store, or leave half of a write",
);

/// Empty and over-long keys below the handlers' checks.
pub fn bad_keys_change_nothing() -> Check {
    let bench = Bench::holding(&[(Cf::Default, "a", "1")]);
    let before = bench.table();
    for key in [Bytes::new(), Bytes::from(vec![b'k'; KEY_BYTES_MAX + 1])] {
        for bad in [
            Modify::Put { cf: Cf::Default, key: key.clone(), value: Bytes::new() },
            Modify::Delete { cf: Cf::Lock, key: key.clone() },
        ] {
            let answer = bench.write(vec![put(Cf::Default, "a", "2"), bad, put(Cf::Write, "b", "2")])?;
            ensure!(BAD_KEY, matches!(answer, Err(Error::Invalid(_))), "the write was answered {answer:?}");
            let table = bench.table();
            ensure!(BAD_KEY, table == before, "a refused write left {}", describe_table(&table));
        }
    }
    bench.write_well(vec![put(Cf::Default, "a", "2")])
}

const RANGE: Promise = Promise::new(
    "handout 1, storage",
    "removing a range removes its keys, from its start (inclusive) to its end (exclusive; an empty end is none), in its \
     column family, at its place in the order of the changes",
    "data outside the range would vanish, or data inside would stay",
);

/// Ranges with and without bounds, and with changes before and after them.
pub fn ranges_are_removed() -> Check {
    let held = [
        (Cf::Default, "a", "1"),
        (Cf::Default, "b", "1"),
        (Cf::Default, "c", "1"),
        (Cf::Default, "d", "1"),
        (Cf::Lock, "b", "1"),
    ];
    let range = |start: &'static str, end: &'static str| Modify::DeleteRange {
        cf: Cf::Default,
        start: Bytes::from_static(start.as_bytes()),
        end: Bytes::from_static(end.as_bytes()),
    };
    let cases = [
        (vec![range("b", "d")], vec![held[0], held[3], held[4]]),
        (vec![range("bb", "")], vec![held[0], held[1], held[4]]),
        (vec![range("", "c")], vec![held[2], held[3], held[4]]),
        (vec![range("", "")], vec![held[4]]),
        (vec![range("x", "y")], held.to_vec()),
        (
            vec![put(Cf::Default, "bb", "2"), range("b", "d"), put(Cf::Default, "c", "2")],
            vec![held[0], (Cf::Default, "c", "2"), held[3], held[4]],
        ),
    ];
    for (changes, left) in cases {
        let bench = Bench::holding(&held);
        bench.write_well(changes)?;
        let table = bench.table();
        ensure!(
            RANGE,
            table == table_of(&left),
            "there should be {}, and there is {}",
            describe_table(&table_of(&left)),
            describe_table(&table)
        );
    }
    Ok(())
}
