//! Requests that are wrong, and are told so.

use bytes::Bytes;
use kv::engine::{Cf, KEY_BYTES_MAX};
use kv::service::raw;
use kv::storage::{Error, Result};
use proto::kvrpcpb::{RawDeleteRequest, RawGetRequest, RawPutRequest, RawScanRequest};

use super::bench::show;
use super::shelf::Shelf;
use crate::unit::{Check, Promise, ensure, story};

fn shelf() -> Shelf {
    Shelf::holding(&[(Cf::Default, "a", "1"), (Cf::Default, "b", "2"), (Cf::Raft, "secret", "state")])
}

/// Checks that a handler refused its request as invalid.
fn check_refused<T: std::fmt::Debug>(promise: &Promise, what: &str, answer: Result<T>) -> Check {
    story::note(format!("{what} is answered {answer:?}"));
    ensure!(promise, matches!(answer, Err(Error::Invalid(_))), "{what} is answered {answer:?}");
    Ok(())
}

const FAMILY: Promise = Promise::new(
    "handout 1, refusals",
    "a request for a column family other than default, lock and write is refused as invalid",
    "a client could read and overwrite what the store keeps for itself, or its data would land in another family",
);

/// Unknown families, and the store's own.
pub fn wrong_families_are_refused() -> Check {
    let shelf = shelf();
    let key = || Bytes::from_static(b"secret");
    for name in ["raft", "Default", "defaults", "LOCK", "0"] {
        let cf = || name.to_owned();
        let get = RawGetRequest { key: key(), cf: cf(), ..RawGetRequest::default() };
        check_refused(&FAMILY, &format!("raw_get in {name:?}"), raw::raw_get(&shelf, &get))?;
        let put = RawPutRequest { key: key(), cf: cf(), ..RawPutRequest::default() };
        check_refused(&FAMILY, &format!("raw_put in {name:?}"), raw::raw_put(&put))?;
        let delete = RawDeleteRequest { key: key(), cf: cf(), ..RawDeleteRequest::default() };
        check_refused(&FAMILY, &format!("raw_delete in {name:?}"), raw::raw_delete(&delete))?;
        let scan = RawScanRequest { limit: 1, cf: cf(), ..RawScanRequest::default() };
        check_refused(&FAMILY, &format!("raw_scan in {name:?}"), raw::raw_scan(&shelf, &scan))?;
    }
    Ok(())
}

const KEY: Promise = Promise::new(
    "handout 1, refusals",
    "a key that is empty or longer than 65535 bytes is refused as invalid; a scan may leave its bounds empty",
    "the engine would stop at a key that it cannot keep, and the whole store with it",
);

/// Empty and over-long keys.
pub fn wrong_keys_are_refused() -> Check {
    let shelf = shelf();
    let too_long = Bytes::from(vec![b'k'; KEY_BYTES_MAX + 1]);
    for key in [Bytes::new(), too_long.clone()] {
        let named = |handler: &str| format!("{handler} of {}", show(&key));
        let get = RawGetRequest { key: key.clone(), ..RawGetRequest::default() };
        check_refused(&KEY, &named("raw_get"), raw::raw_get(&shelf, &get))?;
        let put = RawPutRequest { key: key.clone(), ..RawPutRequest::default() };
        check_refused(&KEY, &named("raw_put"), raw::raw_put(&put))?;
        let delete = RawDeleteRequest { key: key.clone(), ..RawDeleteRequest::default() };
        check_refused(&KEY, &named("raw_delete"), raw::raw_delete(&delete))?;
    }
    let from = RawScanRequest { start_key: too_long.clone(), limit: 1, ..RawScanRequest::default() };
    check_refused(&KEY, "raw_scan from an over-long key", raw::raw_scan(&shelf, &from))?;
    let to = RawScanRequest { end_key: too_long, limit: 1, ..RawScanRequest::default() };
    check_refused(&KEY, "raw_scan up to an over-long key", raw::raw_scan(&shelf, &to))?;
    let open = raw::raw_scan(&shelf, &RawScanRequest { limit: 10, ..RawScanRequest::default() });
    let both = open.as_ref().is_ok_and(|answer| answer.kvs.len() == 2);
    ensure!(KEY, both, "a scan without bounds of two keys is answered {open:?}");
    Ok(())
}

const LIMIT: Promise = Promise::new(
    "handout 1, refusals",
    "a scan for no pairs, or for more than 10240, is refused as invalid",
    "a scan for nothing is a mistake that would look like the end of the data; one for everything would fill the memory",
);

/// Limits of 0, of the most, and beyond.
pub fn wrong_limits_are_refused() -> Check {
    let shelf = shelf();
    let scan = |limit| raw::raw_scan(&shelf, &RawScanRequest { limit, ..RawScanRequest::default() });
    for limit in [0, 10_241, u32::MAX] {
        check_refused(&LIMIT, &format!("raw_scan with limit {limit}"), scan(limit))?;
    }
    let most = scan(10_240);
    let both = most.as_ref().is_ok_and(|answer| answer.kvs.len() == 2);
    ensure!(LIMIT, both, "raw_scan with limit 10240 of two keys is answered {most:?}");
    Ok(())
}

const TTL: Promise = Promise::new(
    "handout 1, refusals",
    "a value with a time to live is refused as invalid, as nothing here ever removes it",
    "the client would count on the value to vanish",
);

/// A time to live.
pub fn time_to_live_is_refused() -> Check {
    let put = |ttl| RawPutRequest { key: Bytes::from_static(b"k"), ttl, ..RawPutRequest::default() };
    check_refused(&TTL, "raw_put with ttl 1", raw::raw_put(&put(1)))?;
    let plain = raw::raw_put(&put(0));
    ensure!(TTL, plain.is_ok(), "raw_put with ttl 0, which means none, is answered {plain:?}");
    Ok(())
}
