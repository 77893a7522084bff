//! Requests of clients as the store's handlers take them, and answers as histories keep them.

use std::collections::BTreeMap;

use bytes::Bytes;
use kv::engine::Cf;
use kv::service::RawService;
use kv::storage;
use proto::errorpb;
use proto::kvrpcpb::{
    Context, KvPair, RawCasRequest, RawCasResponse, RawDeleteRequest, RawDeleteResponse, RawGetRequest,
    RawGetResponse, RawPutRequest, RawPutResponse, RawScanRequest, RawScanResponse,
};
use verdict::Request;

use super::seam::Seam;
use crate::check::history::{Answer, Call, DataKey, Range};

/// What a client hears.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reply {
    /// The answer.
    Answer(Answer),
    /// An error that promises that nothing has happened, and nothing will.
    Refused {
        /// Store that leads, if the error says so.
        leader: Option<u64>,
        /// In a few words.
        why: &'static str,
    },
    /// An error that leaves open whether anything happens, now or later.
    Open(String),
    /// The connection broke.
    Broken,
}

/// The key with this number: most are of the default family, every fourth is of another.
pub fn data_key(key: u64) -> DataKey {
    let cf = if key % 4 == 3 { Cf::Write } else { Cf::Default };
    DataKey { cf, key: Bytes::from(format!("k{key:03}")) }
}

/// A value that nobody else writes.
pub fn unique_value(client: u64, number: u64, bytes: u64) -> Bytes {
    let mut value = format!("{client}.{number}");
    while (value.len() as u64) < bytes {
        value.push('.');
    }
    Bytes::from(value)
}

/// What a request of the plan asks for, by a client that has last seen these values; `value` is used if it writes.
pub fn call_of(request: &Request, seen: &BTreeMap<u64, Option<Bytes>>, value: Bytes) -> Call {
    match *request {
        Request::Get { key } => Call::Get { key: data_key(key) },
        Request::Put { key } => Call::Put { key: data_key(key), value },
        Request::Delete { key } => Call::Delete { key: data_key(key) },
        Request::Cas { key } => {
            let expected = seen.get(&key).cloned().flatten();
            Call::Cas { key: data_key(key), expected, value }
        }
        Request::Scan { from, to, limit, reverse } => {
            let DataKey { cf, key } = data_key(from);
            let end = data_key(to.max(from)).key;
            Call::Scan(Range { cf, start: key, end, limit: limit.max(1) as usize, reverse })
        }
    }
}

/// Whether a call can change anything.
pub fn writes(call: &Call) -> bool {
    match call {
        Call::Put { .. } | Call::Delete { .. } | Call::Cas { .. } => true,
        Call::Get { .. } | Call::Scan(_) => false,
    }
}

/// Puts a call to a store. Its answer comes through the seam, for the given attempt.
pub fn put_to(service: &RawService, call: &Call, context: Context, seam: Seam, attempt: usize) {
    let context = Some(context);
    match call {
        Call::Get { key: DataKey { cf, key } } => {
            let request = RawGetRequest { context, key: key.clone(), cf: cf.name().to_owned() };
            service.raw_get(
                request,
                answering(seam, attempt, |got: RawGetResponse| {
                    let value = (!got.not_found).then_some(got.value);
                    (got.region_error, got.error, Answer::Value(value))
                }),
            );
        }
        Call::Put { key: DataKey { cf, key }, value } => {
            let cf = cf.name().to_owned();
            let request = RawPutRequest { context, key: key.clone(), value: value.clone(), cf, ttl: 0 };
            service.raw_put(
                request,
                answering(seam, attempt, |got: RawPutResponse| (got.region_error, got.error, Answer::Done)),
            );
        }
        Call::Delete { key: DataKey { cf, key } } => {
            let request = RawDeleteRequest { context, key: key.clone(), cf: cf.name().to_owned() };
            service.raw_delete(
                request,
                answering(seam, attempt, |got: RawDeleteResponse| {
                    (got.region_error, got.error, Answer::Done)
                }),
            );
        }
        Call::Cas { key: DataKey { cf, key }, expected, value } => {
            let request = RawCasRequest {
                context,
                key: key.clone(),
                value: value.clone(),
                previous_not_exist: expected.is_none(),
                previous_value: expected.clone().unwrap_or_default(),
                cf: cf.name().to_owned(),
            };
            service.raw_compare_and_swap(
                request,
                answering(seam, attempt, |got: RawCasResponse| {
                    let previous = (!got.previous_not_exist).then_some(got.previous_value);
                    (got.region_error, got.error, Answer::Swapped { done: got.succeed, previous })
                }),
            );
        }
        Call::Scan(range) => scan(service, range, context, seam, attempt),
    }
}

fn scan(service: &RawService, range: &Range, context: Option<Context>, seam: Seam, attempt: usize) {
    let Range { cf, start, end, limit, reverse } = range.clone();
    // Running backwards, kvproto's bounds change places: the scan starts below `start_key` and ends at `end_key`.
    let (start_key, end_key) = if reverse { (end, start) } else { (start, end) };
    let request = RawScanRequest {
        context,
        start_key,
        limit: limit as u32,
        key_only: false,
        cf: cf.name().to_owned(),
        reverse,
        end_key,
    };
    service.raw_scan(
        request,
        answering(seam, attempt, |got: RawScanResponse| {
            let pairs = got.kvs.into_iter().map(|KvPair { key, value, .. }| (key, value));
            (got.region_error, String::new(), Answer::Pairs(pairs.collect()))
        }),
    );
}

fn answering<R: 'static>(
    seam: Seam,
    attempt: usize,
    read: impl FnOnce(R) -> (Option<errorpb::Error>, String, Answer) + Send + 'static,
) -> storage::Callback<R> {
    Box::new(move |result| {
        let reply = match result {
            Ok(response) => match read(response) {
                (Some(error), ..) => refusal(&error),
                (None, error, _) if !error.is_empty() => Reply::Open(error),
                (None, _, answer) => Reply::Answer(answer),
            },
            Err(storage::Error::Region(error)) => refusal(&error),
            Err(error) => Reply::Open(error.to_string()),
        };
        seam.answer(attempt, reply);
    })
}

/// What a region error means to a client.
fn refusal(error: &errorpb::Error) -> Reply {
    let refused = |why| Reply::Refused { leader: None, why };
    match error {
        errorpb::Error { not_leader: Some(not_leader), .. } => {
            let leader = not_leader.leader.as_ref().map(|peer| peer.store_id);
            Reply::Refused { leader, why: "not leader" }
        }
        errorpb::Error { region_not_found: Some(_), .. } => refused("region not found"),
        errorpb::Error { key_not_in_region: Some(_), .. } => refused("key not in region"),
        errorpb::Error { epoch_not_match: Some(_), .. } => refused("epoch does not match"),
        errorpb::Error { store_not_match: Some(_), .. } => refused("another store was meant"),
        errorpb::Error { server_is_busy: Some(_), .. } => refused("busy"),
        errorpb::Error { stale_command: Some(_), .. } => refused("stale command"),
        errorpb::Error { raft_entry_too_large: Some(_), .. } => refused("too large"),
        _ => Reply::Open(error.message.clone()),
    }
}
