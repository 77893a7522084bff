//! Put, delete, delete range.
//!
//! # Propose
//! [`super::propose`], policy `ProposeNormal`.
//!
//! # Apply
//! [`Apply::exec_write`]: into the round's batch.
//!
//! # After apply
//! The answer goes out once the batch is written.

use std::ops::Bound;

use bytes::Bytes;
use proto::raft_cmdpb::{CmdType, DeleteRangeRequest, Request, Response};

use super::check::{cf_of, check_request, missing};
use crate::engine::{self, Cf, Op, WriteBatch};
use crate::raftstore::apply::{Apply, ApplyContext};
use crate::raftstore::cmd_resp;
use crate::raftstore::error::{Error, Result};
use crate::raftstore::meta::region::end_bound;

impl Apply {
    /// Carries out all `requests` of a command, in order, in the round's batch, and returns one response for each, of the same
    /// kind. If any of them cannot be carried out, none is.
    ///
    /// # Errors
    /// As [`check_request`], against the region as it is now; `Engine` if a range could not be read.
    pub fn exec_write(&mut self, ctx: &mut ApplyContext, requests: &[Request]) -> Result<Vec<Response>> {
        // All checks come first: what is in the batch cannot be taken back.
        requests.iter().try_for_each(|request| check_request(request, &self.region))?;
        if requests.iter().any(|request| request.cmd_type() == CmdType::DeleteRange) {
            // It has to see the keys that earlier commands of this round have put.
            self.flush(ctx);
        }
        let mut command = WriteBatch::new();
        let responses = requests.iter().map(|request| self.exec_one(ctx, request, &mut command));
        let responses = responses.collect::<Result<Vec<Response>>>()?;
        self.written_bytes += command.bytes() as u64;
        ctx.batch.append(command);
        Ok(responses)
    }

    /// Adds what one request changes, in the column family that it names, to the command's batch, and returns the response
    /// of its kind. Whether key and family are valid has been checked.
    ///
    /// # Errors
    /// `Invalid` for a request without its arguments, or one that reads; `Engine` if a range could not be read.
    /// Adds what one write asks for to the command's batch, and returns an empty response of its kind.
    ///
    /// # Errors
    /// `Invalid` if it is no write, or has no arguments; `Engine` if a range could not be read.
    fn exec_one(&self, ctx: &ApplyContext, request: &Request, batch: &mut WriteBatch) -> Result<Response> {
        match request.cmd_type() {
            CmdType::Put => {
                let put = request.put.clone().ok_or_else(missing)?;
                batch.put(cf_of(&put.cf)?, put.key, put.value);
            }
            CmdType::Delete => {
                let delete = request.delete.clone().ok_or_else(missing)?;
                batch.delete(cf_of(&delete.cf)?, delete.key);
            }
            CmdType::DeleteRange => {
                let range = request.delete_range.as_ref().ok_or_else(missing)?;
                self.delete_range(ctx, range, batch)?;
            }
            CmdType::Get | CmdType::Snap | CmdType::Invalid => {
                return Err(Error::Invalid("reads and writes cannot go together".to_owned()));
            }
        }
        Ok(cmd_resp::empty(request.cmd_type()))
    }

    /// Deletes what the engine holds in the range, and what this command has put there before.
    fn delete_range(
        &self,
        ctx: &ApplyContext,
        range: &DeleteRangeRequest,
        batch: &mut WriteBatch,
    ) -> Result<()> {
        let cf = cf_of(&range.cf)?;
        let end = if range.end_key.is_empty() { &self.region.end_key } else { &range.end_key };
        let (start, end) = (&range.start_key[..], &end[..]);
        if !end.is_empty() && start >= end {
            return Ok(());
        }
        let in_range = |key: &[u8]| key >= start && (end.is_empty() || key < end);
        let put = batch.ops().iter().filter_map(|op| match op {
            Op::Put { cf: other, key, .. } if *other == cf && in_range(key) => Some(key.clone()),
            Op::Put { .. } | Op::Delete { .. } => None,
        });
        let doomed: Vec<Bytes> = put.chain(keys_in(ctx, cf, start, end)?).collect();
        doomed.into_iter().for_each(|key| batch.delete(cf, key));
        Ok(())
    }
}

fn keys_in(ctx: &ApplyContext, cf: Cf, start: &[u8], end: &[u8]) -> engine::Result<Vec<Bytes>> {
    let pairs = ctx.store.engines.kv.range(cf, Bound::Included(start), end_bound(end))?;
    pairs.map(|pair| pair.map(|(key, _)| key)).collect()
}
