//! Raw requests for many keys at once, for a range, and compare-and-swap: pure functions as in [`super::raw`].

use proto::kvrpcpb::{
    KvPair, RawBatchDeleteRequest, RawBatchGetRequest, RawBatchGetResponse, RawBatchPutRequest,
    RawCasRequest, RawCasResponse, RawDeleteRangeRequest,
};

use super::check::{check_key, check_scan_key, column_family};
use crate::storage::{Modify, Reader, Result};

/// Reads the values of some keys, all at one moment. Keys that are not there are left out of the answer.
///
/// # Errors
/// As [`super::raw::raw_get`], for each key. The same holds for all functions here.
pub fn raw_batch_get(reader: &dyn Reader, request: &RawBatchGetRequest) -> Result<RawBatchGetResponse> {
    let cf = column_family(&request.cf)?;
    request.keys.iter().try_for_each(|key| check_key(key))?;
    let mut pairs = Vec::new();
    for key in &request.keys {
        if let Some(value) = reader.get_cf(cf, key)? {
            pairs.push(KvPair { key: key.clone(), value, error: None });
        }
    }
    Ok(RawBatchGetResponse { pairs, ..RawBatchGetResponse::default() })
}

/// Sets some keys. If one comes twice, the last value counts.
pub fn raw_batch_put(request: &RawBatchPutRequest) -> Result<Vec<Modify>> {
    let cf = column_family(&request.cf)?;
    request.pairs.iter().try_for_each(|pair| check_key(&pair.key))?;
    let put = |pair: &KvPair| Modify::Put { cf, key: pair.key.clone(), value: pair.value.clone() };
    Ok(request.pairs.iter().map(put).collect())
}

/// Removes some keys.
pub fn raw_batch_delete(request: &RawBatchDeleteRequest) -> Result<Vec<Modify>> {
    let cf = column_family(&request.cf)?;
    request.keys.iter().try_for_each(|key| check_key(key))?;
    Ok(request.keys.iter().map(|key| Modify::Delete { cf, key: key.clone() }).collect())
}

/// Removes all keys from `start_key` (inclusive) to `end_key` (exclusive). An empty bound is that of the region. A range that
/// ends before it begins holds nothing.
pub fn raw_delete_range(request: &RawDeleteRangeRequest) -> Result<Vec<Modify>> {
    let cf = column_family(&request.cf)?;
    check_scan_key(&request.start_key)?;
    check_scan_key(&request.end_key)?;
    if !request.end_key.is_empty() && request.start_key >= request.end_key {
        return Ok(Vec::new());
    }
    Ok(vec![Modify::DeleteRange { cf, start: request.start_key.clone(), end: request.end_key.clone() }])
}

/// Sets a key if it has the value that the client expects, or none if the client expects none. The answer tells whether it did,
/// and what was there. This is the whole comparison and half of the swap: it holds only if nobody changes the key between this
/// read and the write, which is up to the caller.
pub fn raw_compare_and_swap(
    reader: &dyn Reader,
    request: &RawCasRequest,
) -> Result<(RawCasResponse, Vec<Modify>)> {
    let cf = column_family(&request.cf)?;
    check_key(&request.key)?;
    let found = reader.get_cf(cf, &request.key)?;
    let expected = (!request.previous_not_exist).then_some(&request.previous_value);
    let succeed = found.as_ref() == expected;
    let modifies = if succeed {
        vec![Modify::Put { cf, key: request.key.clone(), value: request.value.clone() }]
    } else {
        Vec::new()
    };
    let response = RawCasResponse {
        succeed,
        previous_not_exist: found.is_none(),
        previous_value: found.unwrap_or_default(),
        ..RawCasResponse::default()
    };
    Ok((response, modifies))
}
