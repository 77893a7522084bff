//! Get, put and delete by handlers alone: column families, empty values, whole key lengths.

use bytes::Bytes;
use kv::engine::{Cf, KEY_BYTES_MAX};
use kv::service::raw;
use kv::storage::{Error, Modify};
use proto::kvrpcpb::{RawDeleteRequest, RawGetRequest, RawGetResponse, RawPutRequest, RawScanRequest};

use super::bench::{Table, describe_table, show, table_of};
use super::shelf::{Shelf, Trouble, elsewhere};
use crate::unit::{Check, Promise, ensure, story};

const FAMILIES: Promise = Promise::new(
    "handout 1, get",
    "a request means the column family that it names, and an empty name means the default one",
    "a lock would be read as a value, and a value be overwritten by a lock",
);

/// One key in three families, each with a value of its own.
fn shelf() -> Shelf {
    Shelf::holding(&[(Cf::Default, "k", "d"), (Cf::Lock, "k", "l"), (Cf::Write, "k", "w")])
}

const NAMES: [(&str, Cf, &str); 4] = [
    ("default", Cf::Default, "d"),
    ("lock", Cf::Lock, "l"),
    ("write", Cf::Write, "w"),
    ("", Cf::Default, "d"),
];

fn get(shelf: &Shelf, cf: &str, key: &[u8]) -> Check<RawGetResponse> {
    let request =
        RawGetRequest { key: Bytes::copy_from_slice(key), cf: cf.to_owned(), ..RawGetRequest::default() };
    story::note(format!("raw_get of {} in {cf:?}", show(key)));
    raw::raw_get(shelf, &request).map_err(|error| FAMILIES.broken(format!("raw_get fails: {error:?}")))
}

fn put(cf: &str, key: &[u8], value: &[u8]) -> Check<Vec<Modify>> {
    let (key, value) = (Bytes::copy_from_slice(key), Bytes::copy_from_slice(value));
    story::note(format!("raw_put of {}={} in {cf:?}", show(&key), show(&value)));
    let request = RawPutRequest { key, value, cf: cf.to_owned(), ..RawPutRequest::default() };
    raw::raw_put(&request).map_err(|error| FAMILIES.broken(format!("raw_put fails: {error:?}")))
}

fn delete(cf: &str, key: &[u8]) -> Check<Vec<Modify>> {
    let key = Bytes::copy_from_slice(key);
    story::note(format!("raw_delete of {} in {cf:?}", show(&key)));
    let request = RawDeleteRequest { key, cf: cf.to_owned(), ..RawDeleteRequest::default() };
    raw::raw_delete(&request).map_err(|error| FAMILIES.broken(format!("raw_delete fails: {error:?}")))
}

fn check_after(promise: &Promise, shelf: &Shelf, modifies: &[Modify], expected: &Table) -> Check {
    let after = shelf.after(modifies);
    ensure!(
        promise,
        after == *expected,
        "there should be {} afterwards; the changes lead to {}",
        describe_table(expected),
        describe_table(&after)
    );
    Ok(())
}

/// Get, put and delete of the same key in each family.
pub fn families_are_separate() -> Check {
    for (name, cf, value) in NAMES {
        let shelf = shelf();
        let found = get(&shelf, name, b"k")?;
        ensure!(FAMILIES, found.value == value, "in {name:?}, k is {value}; the answer is {found:?}");
        let mut changed = shelf.after(&[]);
        changed.insert((cf, b"k".to_vec()), b"new".to_vec());
        check_after(&FAMILIES, &shelf, &put(name, b"k", b"new")?, &changed)?;
        changed.remove(&(cf, b"k".to_vec()));
        check_after(&FAMILIES, &shelf, &delete(name, b"k")?, &changed)?;
    }
    Ok(())
}

const EMPTY_VALUE: Promise = Promise::new(
    "handout 1, get",
    "an empty value is a value: its key is there",
    "a client that marks something by an empty value would never find its mark",
);

/// Put and get of an empty value.
pub fn empty_value_is_a_value() -> Check {
    let shelf = Shelf::holding(&[(Cf::Default, "empty", "")]);
    let found = get(&shelf, "", b"empty")?;
    ensure!(EMPTY_VALUE, !found.not_found, "the key has an empty value, and the answer is {found:?}");
    let nothing = Shelf::holding(&[]);
    check_after(&EMPTY_VALUE, &nothing, &put("", b"k", b"")?, &table_of(&[(Cf::Default, "k", "")]))
}

const ANY_BYTES: Promise = Promise::new(
    "handout 1, put",
    "keys of 1 to 65535 bytes and values are any bytes, and are kept as they are",
    "keys of transactions hold zeros and bytes that are no text",
);

/// Zeros, 255s, no text, the longest key.
pub fn keys_and_values_are_any_bytes() -> Check {
    let longest = vec![b'k'; KEY_BYTES_MAX];
    for key in [&b"\x00"[..], b"\xff\xff", b"a\x00b", b"\xc3\x28", &longest] {
        let value = [key, b"\x00\xff"].concat();
        let expected: Table = [((Cf::Default, key.to_vec()), value.clone())].into();
        let nothing = Shelf::holding(&[]);
        check_after(&ANY_BYTES, &nothing, &put("", key, &value)?, &expected)?;
        let shelf = Shelf::of(expected);
        let found = get(&shelf, "", key)?;
        ensure!(ANY_BYTES, found.value == value, "the key is there, and the answer is {found:?}");
        check_after(&ANY_BYTES, &shelf, &delete("", key)?, &Table::new())?;
    }
    Ok(())
}

const PASSED_ON: Promise = Promise::new(
    "handout 1, get",
    "an error of the reader is the handler's error, unchanged",
    "the client would take the wrong store's ignorance for a missing key",
);

/// A key of another region, for get and scan.
pub fn errors_of_the_reader_are_passed_on() -> Check {
    let shelf = shelf().in_trouble(Trouble::Region);
    let request = RawGetRequest { key: Bytes::from_static(b"k"), ..RawGetRequest::default() };
    let answer = raw::raw_get(&shelf, &request).err();
    ensure!(PASSED_ON, answer == Some(elsewhere()), "raw_get answers {answer:?}");
    let answer = raw::raw_scan(&shelf, &RawScanRequest { limit: 5, ..RawScanRequest::default() }).err();
    ensure!(PASSED_ON, answer == Some(elsewhere()), "raw_scan answers {answer:?}");
    let shelf = Shelf::holding(&[(Cf::Default, "a", "1"), (Cf::Default, "b", "2"), (Cf::Default, "c", "3")]);
    let shelf = shelf.in_trouble(Trouble::Corrupt(1));
    let answer = raw::raw_scan(&shelf, &RawScanRequest { limit: 5, ..RawScanRequest::default() });
    let told = matches!(answer, Err(Error::Engine(_)));
    ensure!(PASSED_ON, told, "the second of three pairs could not be read; raw_scan answers {answer:?}");
    Ok(())
}
