//! The tests of TinyKV's project 1 by name and meaning, whole: from the request through handlers and storage to the engine.

use bytes::Bytes;
use kv::engine::Cf;
use kv::service::RawService;
use proto::kvrpcpb::{
    KvPair, RawDeleteRequest, RawDeleteResponse, RawGetRequest, RawGetResponse, RawPutRequest,
    RawPutResponse, RawScanRequest, RawScanResponse,
};

use super::bench::{Bench, Table, describe_table, once, show, table_of};
use crate::unit::{Check, Promise, ensure, story};

/// A store as a client sees it. The names of the column families are the client's.
struct Server {
    bench: Bench,
    service: RawService,
}

const NO_TROUBLE: Promise = Promise::new(
    "handout 1, get",
    "a request that is right is answered without an error",
    "the client would give up, although nothing is wrong",
);

impl Server {
    fn holding(pairs: &[(Cf, &str, &str)]) -> Server {
        let bench = Bench::holding(pairs);
        let service = RawService::new(bench.storage.clone());
        Server { bench, service }
    }

    fn get(&self, cf: &str, key: &str) -> Check<RawGetResponse> {
        let request = RawGetRequest { key: bytes(key), cf: cf.to_owned(), ..RawGetRequest::default() };
        story::note(format!("RawGet {cf}/{key}"));
        let answer = once(|answer| self.service.raw_get(request, answer))?;
        let answer =
            answer.map_err(|error| NO_TROUBLE.broken(format!("RawGet {cf}/{key} fails: {error:?}")))?;
        let fine = answer.error.is_empty() && answer.region_error.is_none();
        ensure!(NO_TROUBLE, fine, "RawGet {cf}/{key} is answered {answer:?}");
        Ok(answer)
    }

    fn put(&self, cf: &str, key: &str, value: &str) -> Check {
        let (key_of, value_of) = (bytes(key), bytes(value));
        let request =
            RawPutRequest { key: key_of, value: value_of, cf: cf.to_owned(), ..RawPutRequest::default() };
        story::note(format!("RawPut {cf}/{key}={value}"));
        let answer = once(|answer| self.service.raw_put(request, answer))?;
        let fine = answer.as_ref().is_ok_and(|answer| *answer == RawPutResponse::default());
        ensure!(NO_TROUBLE, fine, "RawPut {cf}/{key}={value} is answered {answer:?}");
        Ok(())
    }

    fn delete(&self, cf: &str, key: &str) -> Check {
        let request = RawDeleteRequest { key: bytes(key), cf: cf.to_owned(), ..RawDeleteRequest::default() };
        story::note(format!("RawDelete {cf}/{key}"));
        let answer = once(|answer| self.service.raw_delete(request, answer))?;
        let fine = answer.as_ref().is_ok_and(|answer| *answer == RawDeleteResponse::default());
        ensure!(NO_TROUBLE, fine, "RawDelete {cf}/{key} is answered {answer:?}");
        Ok(())
    }

    /// Keys and values of a scan.
    fn scan(&self, cf: &str, start: &str, limit: u32) -> Check<Vec<(String, String)>> {
        let request =
            RawScanRequest { start_key: bytes(start), limit, cf: cf.to_owned(), ..RawScanRequest::default() };
        story::note(format!("RawScan {cf}/{start}, {limit} pairs"));
        let answer = once(|answer| self.service.raw_scan(request, answer))?;
        let answer: RawScanResponse =
            answer.map_err(|error| NO_TROUBLE.broken(format!("RawScan {cf}/{start} fails: {error:?}")))?;
        ensure!(NO_TROUBLE, answer.region_error.is_none(), "RawScan {cf}/{start} is answered {answer:?}");
        Ok(answer.kvs.iter().map(|KvPair { key, value, .. }| (show(key), show(value))).collect())
    }
}

fn bytes(text: &str) -> Bytes {
    Bytes::copy_from_slice(text.as_bytes())
}

fn pairs(of: &[(&str, &str)]) -> Vec<(String, String)> {
    of.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
}

const GET: Promise = Promise::new(
    "handout 1, get",
    "RawGet answers with the value that the key has",
    "a store that does not give back what it was given is none",
);

/// TestRawGet1.
pub fn raw_get() -> Check {
    let server = Server::holding(&[(Cf::Default, "99", "42")]);
    let answer = server.get("default", "99")?;
    ensure!(GET, answer.value == "42" && !answer.not_found, "99 is 42, and the answer is {answer:?}");
    Ok(())
}

const NOT_FOUND: Promise = Promise::new(
    "handout 1, get",
    "a key that is not there is no error: the answer says not_found, and has no value",
    "a client could not tell a missing key from a failure, and would try again for ever",
);

/// TestRawGetNotFound1.
pub fn raw_get_not_found() -> Check {
    for held in [&[][..], &[(Cf::Default, "98", "1"), (Cf::Default, "999", "2")][..]] {
        let server = Server::holding(held);
        let answer = server.get("default", "99")?;
        ensure!(
            NOT_FOUND,
            answer.not_found && answer.value.is_empty(),
            "99 is not there, and the answer is {answer:?}"
        );
    }
    Ok(())
}

const PUT: Promise = Promise::new(
    "handout 1, put",
    "RawPut sets the key to the value, whether the key was there or not, and changes nothing else",
    "what the client was told is written would not be there",
);

fn check_table(promise: &Promise, server: &Server, expected: &Table) -> Check {
    let table = server.bench.table();
    ensure!(
        promise,
        table == *expected,
        "the engine should hold {}, and holds {}",
        describe_table(expected),
        describe_table(&table)
    );
    Ok(())
}

/// TestRawPut1.
pub fn raw_put() -> Check {
    let server = Server::holding(&[(Cf::Default, "7", "old"), (Cf::Lock, "99", "other")]);
    server.put("default", "99", "42")?;
    server.put("default", "7", "new")?;
    let expected =
        table_of(&[(Cf::Default, "7", "new"), (Cf::Default, "99", "42"), (Cf::Lock, "99", "other")]);
    check_table(&PUT, &server, &expected)
}

const READ_YOUR_WRITE: Promise = Promise::new(
    "handout 1, storage",
    "a read that begins after a write was answered sees that write",
    "a client would not find what it has just written",
);

/// TestRawGetAfterRawPut1.
pub fn raw_get_after_raw_put() -> Check {
    let server = Server::holding(&[(Cf::Default, "99", "old"), (Cf::Write, "99", "w")]);
    for value in ["42", "43", "44"] {
        server.put("default", "99", value)?;
        let answer = server.get("default", "99")?;
        ensure!(
            READ_YOUR_WRITE,
            answer.value == value,
            "99 was set to {value}, and is {}",
            show(&answer.value)
        );
    }
    let other = server.get("write", "99")?;
    ensure!(READ_YOUR_WRITE, other.value == "w", "99 in another family was w, and is {}", show(&other.value));
    Ok(())
}

/// TestRawGetAfterRawDelete1.
pub fn raw_get_after_raw_delete() -> Check {
    let server = Server::holding(&[(Cf::Default, "99", "42"), (Cf::Lock, "99", "43")]);
    server.delete("default", "99")?;
    let answer = server.get("default", "99")?;
    ensure!(READ_YOUR_WRITE, answer.not_found, "99 was removed, and the answer is {answer:?}");
    let other = server.get("lock", "99")?;
    ensure!(
        READ_YOUR_WRITE,
        other.value == "43",
        "99 of another family was not removed, and the answer is {other:?}"
    );
    Ok(())
}

const DELETE: Promise = Promise::new(
    "handout 1, delete",
    "RawDelete removes the key from its column family and nothing else; that it is not there is no error",
    "data of somebody else would vanish, or data that must go would stay",
);

/// TestRawDelete1.
pub fn raw_delete() -> Check {
    let held = [(Cf::Default, "99", "42"), (Cf::Default, "9", "1"), (Cf::Write, "99", "43")];
    let server = Server::holding(&held);
    server.delete("default", "99")?;
    server.delete("default", "nothing")?;
    check_table(&DELETE, &server, &table_of(&held[1..]))
}

const SCAN: Promise = Promise::new(
    "handout 1, scan",
    "RawScan answers with the first pairs from its start key on, in the order of their keys, at most as many as asked for",
    "clients walk a range piece by piece: what one answer leaves out or repeats is lost or done twice",
);

fn check_scan(server: &Server, cf: &str, start: &str, limit: u32, expected: &[(&str, &str)]) -> Check {
    let found = server.scan(cf, start, limit)?;
    ensure!(
        SCAN,
        found == pairs(expected),
        "the scan should bring {expected:?}, and brought {found:?} ({cf}, from {start}, limit {limit})"
    );
    Ok(())
}

const FIVE: [(Cf, &str, &str); 5] = [
    (Cf::Default, "1", "233"),
    (Cf::Default, "2", "234"),
    (Cf::Default, "3", "235"),
    (Cf::Default, "4", "236"),
    (Cf::Lock, "25", "other"),
];

/// TestRawScan1.
pub fn raw_scan() -> Check {
    let server = Server::holding(&FIVE);
    check_scan(&server, "default", "1", 3, &[("1", "233"), ("2", "234"), ("3", "235")])?;
    check_scan(&server, "default", "2", 10, &[("2", "234"), ("3", "235"), ("4", "236")])?;
    check_scan(&server, "default", "5", 10, &[])?;
    check_scan(&server, "lock", "1", 10, &[("25", "other")])
}

/// TestRawScanAfterRawPut1.
pub fn raw_scan_after_raw_put() -> Check {
    let server = Server::holding(&FIVE);
    server.put("default", "5", "237")?;
    server.put("default", "11", "new")?;
    server.put("default", "2", "changed")?;
    let expected = [("1", "233"), ("11", "new"), ("2", "changed"), ("3", "235"), ("4", "236"), ("5", "237")];
    check_scan(&server, "default", "1", 10, &expected)
}

/// TestRawScanAfterRawDelete1.
pub fn raw_scan_after_raw_delete() -> Check {
    let server = Server::holding(&FIVE);
    server.delete("default", "3")?;
    check_scan(&server, "default", "1", 10, &[("1", "233"), ("2", "234"), ("4", "236")])
}

/// TestIterWithRawDelete1: all but one are removed while a scan could still be looking.
pub fn iter_with_raw_delete() -> Check {
    let server = Server::holding(&FIVE);
    let reader = server.bench.reader()?;
    let scan =
        || reader.scan_cf(Cf::Default, b"", b"").map_err(|error| SCAN.broken(format!("it fails: {error}")));
    let mut before = scan()?;
    let first = before.next();
    for key in ["1", "2", "4"] {
        server.delete("default", key)?;
    }
    check_scan(&server, "default", "1", 10, &[("3", "235")])?;
    let mut seen = Vec::new();
    for pair in first.into_iter().chain(before).chain(scan()?) {
        let (key, _) =
            pair.map_err(|error| SCAN.broken(format!("a scan that began before fails: {error}")))?;
        seen.push(show(&key));
    }
    ensure!(
        SCAN,
        seen == ["1", "2", "3", "4", "1", "2", "3", "4"],
        "a reader from before the removals saw {seen:?} in two scans: it must see 1, 2, 3, 4 in each"
    );
    Ok(())
}
