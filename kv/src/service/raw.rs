//! Raw requests for one key or one range: get, put, delete, scan. Each handler is a pure function: a read takes a reader, a
//! write returns the changes that it wants. Neither ever waits, and none of them knows whether there is Raft underneath.

use proto::kvrpcpb::{
    KvPair, RawDeleteRequest, RawGetRequest, RawGetResponse, RawPutRequest, RawScanRequest, RawScanResponse,
};

use super::check::{check_key, check_limit, check_scan_key, check_ttl, column_family};
use crate::storage::{Modify, Reader, Result};

/// Reads the value of one key. A key that is not there is no error: the answer says `not_found`, and has no value. A key with
/// an empty value is there.
///
/// # Errors
/// [`crate::storage::Error::Invalid`] for an unknown column family and for a key that is empty or too long, and whatever the
/// reader says. The same holds for all handlers.
pub fn raw_get(reader: &dyn Reader, request: &RawGetRequest) -> Result<RawGetResponse> {
    let cf = column_family(&request.cf)?;
    check_key(&request.key)?;
    Ok(match reader.get_cf(cf, &request.key)? {
        Some(value) => RawGetResponse { value, ..RawGetResponse::default() },
        None => RawGetResponse { not_found: true, ..RawGetResponse::default() },
    })
}

/// Sets one key, whether it is there or not. A time to live is refused ([`check_ttl`]).
///
/// # Errors
/// As [`raw_get`].
pub fn raw_put(request: &RawPutRequest) -> Result<Vec<Modify>> {
    let cf = column_family(&request.cf)?;
    check_key(&request.key)?;
    check_ttl(request.ttl)?;
    Ok(vec![Modify::Put { cf, key: request.key.clone(), value: request.value.clone() }])
}

/// Removes one key. That it is not there is no error.
///
/// # Errors
/// As [`raw_get`].
pub fn raw_delete(request: &RawDeleteRequest) -> Result<Vec<Modify>> {
    let cf = column_family(&request.cf)?;
    check_key(&request.key)?;
    Ok(vec![Modify::Delete { cf, key: request.key.clone() }])
}

/// Reads the first pairs of a range, `limit` at most and never more than that from the reader.
///
/// | | from | to | order |
/// |---|---|---|---|
/// | forward | `start_key`, inclusive | `end_key`, exclusive | ascending |
/// | `reverse` | `start_key`, exclusive | `end_key`, inclusive | descending |
///
/// An empty key is no bound. `key_only` leaves the values out of the answer.
///
/// # Errors
/// As [`raw_get`], where both keys may be empty ([`check_scan_key`]); and for a limit that is 0 or too large ([`check_limit`]).
pub fn raw_scan(reader: &dyn Reader, request: &RawScanRequest) -> Result<RawScanResponse> {
    let cf = column_family(&request.cf)?;
    check_scan_key(&request.start_key)?;
    check_scan_key(&request.end_key)?;
    let limit = check_limit(request.limit)?;
    let mut kvs = Vec::new();
    let mut take = |pair: crate::engine::Result<_>| -> Result<()> {
        let (key, value) = pair?;
        let value = if request.key_only { bytes::Bytes::new() } else { value };
        kvs.push(KvPair { key, value, error: None });
        Ok(())
    };
    if request.reverse {
        // A reverse scan names its bounds in the order in which it meets them; a reader wants the lower one first.
        let pairs = reader.scan_cf(cf, &request.end_key, &request.start_key)?;
        pairs.rev().take(limit).try_for_each(&mut take)?;
    } else {
        let pairs = reader.scan_cf(cf, &request.start_key, &request.end_key)?;
        pairs.take(limit).try_for_each(&mut take)?;
    }
    Ok(RawScanResponse { kvs, ..RawScanResponse::default() })
}
