//! Scans by the handler alone: bounds, limits, directions.

use bytes::Bytes;
use kv::engine::Cf;
use kv::service::raw;
use proto::kvrpcpb::{RawScanRequest, RawScanResponse};

use super::bench::{Table, show};
use super::shelf::Shelf;
use crate::unit::{Check, Promise, ensure, story};

/// `a` to `f` in the default family, and something between them in the others.
fn shelf() -> Shelf {
    let key = |cf, key: &[u8]| ((cf, key.to_vec()), key.to_ascii_uppercase());
    let default = [b"a", b"b", b"c", b"d", b"e", b"f"].map(|letter| key(Cf::Default, letter));
    let others = [key(Cf::Lock, b"bb"), key(Cf::Write, b"cc"), key(Cf::Raft, b"dd")];
    Shelf::of(default.into_iter().chain(others).collect::<Table>())
}

fn request(start: &str, end: &str, limit: u32) -> RawScanRequest {
    let (start_key, end_key) =
        (Bytes::copy_from_slice(start.as_bytes()), Bytes::copy_from_slice(end.as_bytes()));
    RawScanRequest { start_key, end_key, limit, ..RawScanRequest::default() }
}

fn scan(promise: &Promise, shelf: &Shelf, request: &RawScanRequest) -> Check<RawScanResponse> {
    let direction = if request.reverse { "backwards" } else { "forwards" };
    let (start, end) = (show(&request.start_key), show(&request.end_key));
    story::note(format!("raw_scan {direction} from {start} to {end}, limit {}", request.limit));
    raw::raw_scan(shelf, request).map_err(|error| promise.broken(format!("the scan fails: {error:?}")))
}

/// Checks that a scan brings these keys, with their values.
fn check(promise: &Promise, request: &RawScanRequest, expected: &str) -> Check {
    let answer = scan(promise, &shelf(), request)?;
    let keys: Vec<String> = answer.kvs.iter().map(|pair| show(&pair.key)).collect();
    let (start, end) = (show(&request.start_key), show(&request.end_key));
    ensure!(
        promise,
        keys.concat() == expected && keys.len() == expected.len(),
        "of the keys a to f, the scan from {start} to {end} with limit {} should bring {expected:?} and brought {keys:?}",
        request.limit
    );
    let values =
        answer.kvs.iter().all(|pair| pair.value == pair.key.to_ascii_uppercase() && pair.error.is_none());
    ensure!(promise, values, "each value should be its key in capitals; the scan brought {answer:?}");
    Ok(())
}

const BOUNDS: Promise = Promise::new(
    "handout 1, scan",
    "a scan begins at its start key, which is included, and ends before its end key, which is not; an empty key is no bound",
    "clients read a range region by region: what is included twice comes twice, what is excluded twice never comes",
);

/// The start key: included, between keys, beyond all of them.
pub fn scan_starts_at_its_start_key() -> Check {
    for (start, expected) in
        [("", "abcdef"), ("a", "abcdef"), ("c", "cdef"), ("cc", "def"), ("f", "f"), ("g", "")]
    {
        check(&BOUNDS, &request(start, "", 100), expected)?;
    }
    Ok(())
}

/// The end key: excluded, between keys, at and before the start.
pub fn scan_ends_before_its_end_key() -> Check {
    let cases = [
        ("", "d", "abc"),
        ("b", "d", "bc"),
        ("b", "dd", "bcd"),
        ("b", "z", "bcdef"),
        ("b", "bb", "b"),
        ("b", "b", ""),
        ("d", "b", ""),
    ];
    for (start, end, expected) in cases {
        check(&BOUNDS, &request(start, end, 100), expected)?;
    }
    Ok(())
}

const LIMIT: Promise = Promise::new(
    "handout 1, scan",
    "a scan brings as many pairs as its limit says if there are so many, and reads no more than it brings",
    "a scan of ten keys would read the whole database",
);

/// Limits below, at and above what there is.
pub fn scan_stops_at_its_limit() -> Check {
    let shelf = shelf();
    for (limit, expected) in [(1, 1), (2, 2), (5, 5), (6, 6), (7, 6), (10_240, 6)] {
        for reverse in [false, true] {
            let before = shelf.taken();
            let answer = scan(&LIMIT, &shelf, &RawScanRequest { reverse, ..request("", "", limit) })?;
            let (brought, read) = (answer.kvs.len(), shelf.taken() - before);
            ensure!(
                LIMIT,
                brought == expected && read == expected,
                "of six pairs with limit {limit}, it should bring {expected}, brought {brought}, and read {read}"
            );
        }
    }
    Ok(())
}

const BACKWARDS: Promise = Promise::new(
    "handout 1, scan",
    "a reverse scan runs down from its start key, which is excluded, to its end key, which is included; an empty key is no \
     bound",
    "clients read a range region by region, downwards too: what is included twice comes twice, what is excluded twice never \
     comes",
);

/// Both bounds, and limits, backwards.
pub fn scan_backwards() -> Check {
    let cases = [
        ("", "", 100, "fedcba"),
        ("", "", 2, "fe"),
        ("d", "", 100, "cba"),
        ("dd", "", 100, "dcba"),
        ("d", "", 1, "c"),
        ("d", "b", 100, "cb"),
        ("d", "bb", 100, "c"),
        ("z", "e", 100, "fe"),
        ("b", "b", 100, ""),
        ("b", "d", 100, ""),
        ("a", "", 100, ""),
    ];
    for (start, end, limit, expected) in cases {
        check(&BACKWARDS, &RawScanRequest { reverse: true, ..request(start, end, limit) }, expected)?;
    }
    Ok(())
}

const KEY_ONLY: Promise = Promise::new(
    "handout 1, scan",
    "with key_only, a scan brings the same keys without their values",
    "a client that counts keys would be sent all the data",
);

/// Keys without values, both ways.
pub fn scan_without_values() -> Check {
    for (reverse, expected) in [(false, ["b", "c"]), (true, ["f", "e"])] {
        let plain = request(if reverse { "" } else { "b" }, "", 2);
        let answer = scan(&KEY_ONLY, &shelf(), &RawScanRequest { reverse, key_only: true, ..plain })?;
        let keys: Vec<String> = answer.kvs.iter().map(|pair| show(&pair.key)).collect();
        let bare = answer.kvs.iter().all(|pair| pair.value.is_empty());
        ensure!(
            KEY_ONLY,
            keys == expected && bare,
            "it should bring {expected:?} alone, and brought {answer:?}"
        );
    }
    Ok(())
}

const FAMILY: Promise =
    Promise::new("handout 1, scan", "a scan stays in its column family", "locks would come out as data");

/// A scan of each family.
pub fn scan_stays_in_its_family() -> Check {
    for (name, expected) in [("lock", "bb"), ("write", "cc")] {
        for reverse in [false, true] {
            let request = RawScanRequest { cf: name.to_owned(), reverse, ..request("", "", 100) };
            let answer = scan(&FAMILY, &shelf(), &request)?;
            let keys: Vec<String> = answer.kvs.iter().map(|pair| show(&pair.key)).collect();
            ensure!(
                FAMILY,
                keys == [expected],
                "{name} holds {expected} alone, and the scan brought {keys:?}"
            );
        }
    }
    Ok(())
}
