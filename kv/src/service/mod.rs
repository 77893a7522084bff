//! The requests of clients: what they may ask for, and how their answers come about.
//!
//! | file | what it tells |
//! |---|---|
//! | `raw.rs`, `raw_batch.rs` | the raw requests, as pure functions of a reader or to a list of changes |
//! | `check.rs` | what a request may say |
//! | `latches.rs` | how a read and a write of one key become one step |
//! | `message.rs` | where errors have a place in an answer |
//! | this one | how all of that is put together |
//!
//! Nothing here waits: every answer comes by a callback, on whichever thread completes it.

pub mod check;
mod latches;
mod message;
pub mod raw;
pub mod raw_batch;

pub use latches::{Held, Latches, Wanted};
pub use message::{Request, Response, settle};

use std::collections::BTreeSet;
use std::sync::Arc;

use bytes::Bytes;
use proto::kvrpcpb::{
    RawBatchDeleteRequest, RawBatchDeleteResponse, RawBatchGetRequest, RawBatchGetResponse,
    RawBatchPutRequest, RawBatchPutResponse, RawCasRequest, RawCasResponse, RawDeleteRangeRequest,
    RawDeleteRangeResponse, RawDeleteRequest, RawDeleteResponse, RawGetRequest, RawGetResponse,
    RawPutRequest, RawPutResponse, RawScanRequest, RawScanResponse,
};

use crate::engine::Cf;
use crate::storage::{Callback, Modify, Reader, Result, Storage};

/// Answers the raw requests. Shared by all connections of a server; a clone shares the latches.
///
/// An answer is `Ok` if the message has a place for what happened: errors that concern the region are in `region_error`, a
/// request that is wrong gets its `error`. Otherwise it is [`crate::storage::Error::Invalid`] (the network's
/// `InvalidArgument`), or [`crate::storage::Error::Engine`] (this store is about to stop, and whether a write took effect is
/// unknown).
#[derive(Clone)]
pub struct RawService {
    storage: Arc<dyn Storage>,
    latches: Latches,
}

impl RawService {
    /// Requests that read and write `storage`.
    pub fn new(storage: Arc<dyn Storage>) -> RawService {
        RawService { storage, latches: Latches::new() }
    }

    /// The latches that its writes take.
    pub fn latches(&self) -> &Latches {
        &self.latches
    }

    /// See [`raw::raw_get`].
    pub fn raw_get(&self, request: RawGetRequest, answer: Callback<RawGetResponse>) {
        self.read(request, raw::raw_get, answer);
    }

    /// See [`raw::raw_scan`].
    pub fn raw_scan(&self, request: RawScanRequest, answer: Callback<RawScanResponse>) {
        self.read(request, raw::raw_scan, answer);
    }

    /// See [`raw_batch::raw_batch_get`].
    pub fn raw_batch_get(&self, request: RawBatchGetRequest, answer: Callback<RawBatchGetResponse>) {
        self.read(request, raw_batch::raw_batch_get, answer);
    }

    /// See [`raw::raw_put`].
    pub fn raw_put(&self, request: RawPutRequest, answer: Callback<RawPutResponse>) {
        self.write(&request, raw::raw_put, answer);
    }

    /// See [`raw::raw_delete`].
    pub fn raw_delete(&self, request: RawDeleteRequest, answer: Callback<RawDeleteResponse>) {
        self.write(&request, raw::raw_delete, answer);
    }

    /// See [`raw_batch::raw_batch_put`].
    pub fn raw_batch_put(&self, request: RawBatchPutRequest, answer: Callback<RawBatchPutResponse>) {
        self.write(&request, raw_batch::raw_batch_put, answer);
    }

    /// See [`raw_batch::raw_batch_delete`].
    pub fn raw_batch_delete(&self, request: RawBatchDeleteRequest, answer: Callback<RawBatchDeleteResponse>) {
        self.write(&request, raw_batch::raw_batch_delete, answer);
    }

    /// See [`raw_batch::raw_delete_range`].
    pub fn raw_delete_range(&self, request: RawDeleteRangeRequest, answer: Callback<RawDeleteRangeResponse>) {
        self.write(&request, raw_batch::raw_delete_range, answer);
    }

    /// See [`raw_batch::raw_compare_and_swap`]. One step for everybody who looks: the latch keeps the other writers of this
    /// store away, from before the read until the write is answered, and the write counts only in the Raft term of the read, in
    /// which no other store can write.
    pub fn raw_compare_and_swap(&self, request: RawCasRequest, answer: Callback<RawCasResponse>) {
        let cf = match check::column_family(&request.cf) {
            Ok(cf) => cf,
            Err(error) => return answer(settle(Err(error))),
        };
        let wanted = Wanted::Keys(cf, BTreeSet::from([request.key.clone()]));
        let storage = self.storage.clone();
        self.latches.acquire(wanted, move |held| compare_and_swap(storage, request, held, answer));
    }

    fn read<Q: Request, A: Response>(
        &self,
        request: Q,
        handler: fn(&dyn Reader, &Q) -> Result<A>,
        answer: Callback<A>,
    ) {
        let context = request.context();
        let callback = move |reader: Result<Box<dyn Reader>>| {
            answer(settle(reader.and_then(|reader| handler(&*reader, &request))));
        };
        self.storage.async_snapshot(&context, Box::new(callback));
    }

    fn write<Q: Request, A: Response>(
        &self,
        request: &Q,
        handler: fn(&Q) -> Result<Vec<Modify>>,
        answer: Callback<A>,
    ) {
        let modifies = match handler(request) {
            Ok(modifies) => modifies,
            Err(error) => return answer(settle(Err(error))),
        };
        let Some(wanted) = wanted(&modifies) else { return answer(Ok(A::default())) };
        let (storage, context) = (self.storage.clone(), request.context());
        self.latches.acquire(wanted, move |held| {
            let callback = move |result: Result<()>| {
                drop(held);
                answer(settle(result.map(|()| A::default())));
            };
            storage.async_write(&context, 0, modifies, Box::new(callback));
        });
    }
}

/// Reads, compares, and writes if that is right, all under the latch.
fn compare_and_swap(
    storage: Arc<dyn Storage>,
    request: RawCasRequest,
    held: Held,
    answer: Callback<RawCasResponse>,
) {
    let context = request.context();
    let writer = storage.clone();
    let callback = move |reader: Result<Box<dyn Reader>>| {
        let compared = reader.and_then(|reader| {
            let compared = raw_batch::raw_compare_and_swap(&*reader, &request)?;
            Ok((reader.term(), compared))
        });
        let (term, response, modifies) = match compared {
            Ok((term, (response, modifies))) => (term, response, modifies),
            Err(error) => return answer(settle(Err(error))),
        };
        if modifies.is_empty() {
            drop(held);
            return answer(Ok(response));
        }
        let callback = move |result: Result<()>| {
            drop(held);
            answer(settle(result.map(|()| response)));
        };
        writer.async_write(&request.context(), term, modifies, Box::new(callback));
    };
    storage.async_snapshot(&context, Box::new(callback));
}

/// The latches that a write needs; `None` if it changes nothing.
fn wanted(modifies: &[Modify]) -> Option<Wanted> {
    let mut keys: BTreeSet<Bytes> = BTreeSet::new();
    let mut family: Option<Cf> = None;
    for modify in modifies {
        match modify {
            // One request names one column family.
            Modify::DeleteRange { cf, .. } => return Some(Wanted::Family(*cf)),
            Modify::Put { cf, key, .. } | Modify::Delete { cf, key } => {
                family = Some(*cf);
                keys.insert(key.clone());
            }
        }
    }
    family.map(|cf| Wanted::Keys(cf, keys))
}

#[cfg(test)]
mod tests;
