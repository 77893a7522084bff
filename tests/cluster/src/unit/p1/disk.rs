//! The storage on the real engine, in a directory; and against a map, for as long as it takes.

use std::sync::Arc;

use bytes::Bytes;
use harness::rng::Dice;
use kv::engine::{Cf, Engine, Error as EngineError, FjallEngine};
use kv::service::RawService;
use kv::storage::{Modify, Reader, StandaloneStorage, Storage};
use proto::kvrpcpb::{Context, KvPair, RawDeleteRequest, RawGetRequest, RawPutRequest, RawScanRequest};

use super::bench::{Bench, Table, describe_table, once, put, show};
use crate::unit::{Check, Promise, ensure, story};

const REOPENED: Promise = Promise::new(
    "handout 1, storage",
    "once the storage is gone, its engine is closed: the directory can be opened again, and holds what was answered",
    "a handle that is kept somewhere keeps the directory locked, so that a store could never start again",
);

fn open(path: &std::path::Path) -> Check<FjallEngine> {
    match FjallEngine::open(path, &Cf::ALL) {
        Ok(engine) => Ok(engine),
        Err(error @ EngineError::Locked(_)) => Err(REOPENED.broken(error.to_string())),
        Err(error) => panic!("the test's own directory cannot be opened: {error}"),
    }
}

fn read(storage: &StandaloneStorage) -> Check<Box<dyn Reader>> {
    let reader = once(|answer| storage.async_snapshot(&Context::default(), Box::new(answer)))?;
    reader.map_err(|error| REOPENED.broken(format!("asked for a reader, the storage answers {error}")))
}

/// Write, stop, start again; three times in the same directory.
pub fn survives_a_restart() -> Check {
    let directory = tempfile::tempdir().expect("a directory for the test");
    let path = directory.path().join("kv");
    for round in 0..3_usize {
        story::note(format!("start number {round}"));
        let engine: Arc<dyn Engine> = Arc::new(open(&path)?);
        let storage = StandaloneStorage::new(engine);
        let reader = read(&storage)?;
        let held = reader.scan_cf(Cf::Default, b"", b"").map(|pairs| pairs.filter_map(Result::ok).count());
        ensure!(
            REOPENED,
            held.as_ref().is_ok_and(|held| *held == round * 2),
            "after {round} rounds of two keys each, there are {held:?}"
        );
        let changes = [0, 1].map(|n| put(Cf::Default, &format!("{round}-{n}"), "1"));
        let written = once(|answer| {
            storage.async_write(&Context::default(), 0, changes.to_vec(), Box::new(answer));
        })?;
        ensure!(REOPENED, written.is_ok(), "a write on a healthy disk is answered {written:?}");
        story::note("the reader and the storage are dropped".to_owned());
        drop(reader);
        drop(storage);
    }
    Ok(())
}

const AS_A_MAP: Promise = Promise::new(
    "handout 1, going further",
    "any history of requests is answered as an ordered map would answer it",
    "there is no other meaning of get, put, delete and scan",
);

/// A few thousand requests on a few keys, compared with a map. Chance is decided by a fixed seed.
pub fn answers_as_a_map_does() -> Check {
    const REQUESTS: u64 = 3_000;
    let mut dice = Dice::new(0x7469_6e79, 1);
    let mut map = Table::new();
    let bench = Bench::new();
    let service = RawService::new(bench.storage.clone());
    for _ in 0..REQUESTS {
        let cf = dice.pick(&Cf::DATA);
        let key = draw_key(&mut dice);
        match dice.below(10) {
            0..3 => check_put(&service, &mut map, cf, &key, dice.below(1000))?,
            3..5 => check_delete(&service, &mut map, cf, &key)?,
            5..7 => check_get(&service, &map, cf, &key)?,
            _ => {
                let range = (key, if dice.one_in(3) { Vec::new() } else { draw_key(&mut dice) });
                let limit = u32::try_from(dice.range(1, 12)).expect("a small number");
                check_scan(&service, &map, cf, &range, limit, dice.one_in(2))?;
            }
        }
    }
    let table = bench.table();
    ensure!(
        AS_A_MAP,
        table == map,
        "in the end there should be {}, and there is {}",
        describe_table(&map),
        describe_table(&table)
    );
    bench.check_closed("all requests")
}

/// Short keys of few letters, so that requests meet.
fn draw_key(dice: &mut Dice) -> Vec<u8> {
    let length = dice.range(1, 3);
    (0..length).map(|_| dice.pick(b"\x00ab\xff")).collect()
}

fn check_put(service: &RawService, map: &mut Table, cf: Cf, key: &[u8], value: u64) -> Check {
    let value = value.to_string();
    story::note(format!("put {}/{}={value}", cf.name(), show(key)));
    let request = RawPutRequest {
        key: Bytes::copy_from_slice(key),
        value: Bytes::from(value.clone()),
        cf: cf.name().to_owned(),
        ..RawPutRequest::default()
    };
    let answer = once(|answer| service.raw_put(request, answer))?;
    ensure!(AS_A_MAP, answer.as_ref().is_ok_and(|a| a.error.is_empty()), "a put is answered {answer:?}");
    map.insert((cf, key.to_vec()), value.into_bytes());
    Ok(())
}

fn check_delete(service: &RawService, map: &mut Table, cf: Cf, key: &[u8]) -> Check {
    story::note(format!("delete {}/{}", cf.name(), show(key)));
    let (key_of, cf_of) = (Bytes::copy_from_slice(key), cf.name().to_owned());
    let request = RawDeleteRequest { key: key_of, cf: cf_of, ..RawDeleteRequest::default() };
    let answer = once(|answer| service.raw_delete(request, answer))?;
    ensure!(AS_A_MAP, answer.as_ref().is_ok_and(|a| a.error.is_empty()), "a delete is answered {answer:?}");
    map.remove(&(cf, key.to_vec()));
    Ok(())
}

fn check_get(service: &RawService, map: &Table, cf: Cf, key: &[u8]) -> Check {
    story::note(format!("get {}/{}", cf.name(), show(key)));
    let (key_of, cf_of) = (Bytes::copy_from_slice(key), cf.name().to_owned());
    let request = RawGetRequest { key: key_of, cf: cf_of, ..RawGetRequest::default() };
    let answer = once(|answer| service.raw_get(request, answer))?;
    let expected = map.get(&(cf, key.to_vec()));
    let right = answer.as_ref().is_ok_and(|answer| {
        answer.not_found == expected.is_none() && answer.value == expected.cloned().unwrap_or_default()
    });
    ensure!(
        AS_A_MAP,
        right,
        "{}/{} is {:?}, and the answer is {answer:?}",
        cf.name(),
        show(key),
        expected.map(|value| show(value))
    );
    Ok(())
}

fn check_scan(
    service: &RawService,
    map: &Table,
    cf: Cf,
    range: &(Vec<u8>, Vec<u8>),
    limit: u32,
    reverse: bool,
) -> Check {
    let (start, end) = range;
    story::note(format!(
        "scan {} from {} to {}, limit {limit}, reverse {reverse}",
        cf.name(),
        show(start),
        show(end)
    ));
    let request = RawScanRequest {
        start_key: Bytes::copy_from_slice(start),
        end_key: Bytes::copy_from_slice(end),
        limit,
        reverse,
        cf: cf.name().to_owned(),
        ..RawScanRequest::default()
    };
    let answer = once(|answer| service.raw_scan(request, answer))?;
    let (lower, upper) = if reverse { (end, start) } else { (start, end) };
    let inside = |key: &Vec<u8>| key >= lower && (upper.is_empty() || key < upper);
    let mut expected: Vec<(Vec<u8>, Vec<u8>)> = map
        .iter()
        .filter(|((of, key), _)| *of == cf && inside(key))
        .map(|((_, key), value)| (key.clone(), value.clone()))
        .collect();
    if reverse {
        expected.reverse();
    }
    expected.truncate(usize::try_from(limit).expect("a small number"));
    let pair = |pair: &KvPair| (pair.key.to_vec(), pair.value.to_vec());
    let right = answer.as_ref().is_ok_and(|answer| answer.kvs.iter().map(pair).eq(expected.iter().cloned()));
    ensure!(AS_A_MAP, right, "the scan should bring {expected:?}, and the answer is {answer:?}");
    Ok(())
}

const POWER: Promise = Promise::new(
    "handout 1, storage",
    "after any power cut, the storage holds exactly the writes that were answered, and perhaps one more that was not",
    "what a client was told would not be true any more",
);

/// Writes, with a power cut after each of them at every place that one can strike.
pub fn survives_power_cuts() -> Check {
    let mut dice = Dice::new(0x7469_6e79, 2);
    let mut bench = Bench::new();
    let mut answered = Table::new();
    for _ in 0..30 {
        let count = dice.range(1, 4);
        let mut after = answered.clone();
        let changes: Vec<Modify> = (0..count)
            .map(|_| {
                let (cf, key) = (dice.pick(&Cf::DATA), draw_key(&mut dice));
                let value = Bytes::from(dice.below(100).to_string());
                after.insert((cf, key.clone()), value.to_vec());
                Modify::Put { cf, key: Bytes::from(key), value }
            })
            .collect();
        let unanswered = dice.one_in(3);
        if unanswered {
            bench.fail(super::bench::Fault::Sync);
            bench.write(changes)?.err();
        } else {
            bench.write_well(changes)?;
        }
        story::note("the power fails".to_owned());
        for left in bench.after_power_cuts() {
            let legal = left == after || (unanswered && left == answered);
            ensure!(
                POWER,
                legal,
                "answered was {}; a power cut leaves {}",
                describe_table(if unanswered { &answered } else { &after }),
                describe_table(&left)
            );
        }
        let mut disk = bench.disk();
        let keep = dice.below(disk.unsynced() as u64 + 1);
        disk.lose_power(usize::try_from(keep).expect("a small number"));
        bench = Bench::on(disk);
        answered = bench.table();
    }
    Ok(())
}
