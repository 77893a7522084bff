//! Get, and a snapshot of the data.
//!
//! Two ways, by configuration. Through the log a read is an entry like any other, and is as linearizable as a write. Without it,
//! the leader makes sure that it still leads at some moment after the read came in, and reads once everything that was
//! committed by then is applied (§6.4 of Ongaro's thesis).
//!
//! # Propose
//! Log: [`super::propose`]. Otherwise the reads of a round are gathered, and Raft is asked once for all of them.
//!
//! # Apply
//! Log: [`Apply::exec_read`] reads what all entries before it have written.
//!
//! # After apply
//! Otherwise: a read that is confirmed at an index is served here as soon as that is applied.

use proto::metapb::Region;
use proto::raft_cmdpb::{CmdType, GetResponse, RaftCmdRequest, Request, Response, SnapResponse};
use raft::{ReadState, Role};

use super::check::{cf_of, check_request, missing};
use crate::clock::Micros;
use crate::config::ReadMode;
use crate::engine::{Read, Snapshot};
use crate::raftstore::apply::{Apply, ApplyContext};
use crate::raftstore::cmd_resp;
use crate::raftstore::context::StoreContext;
use crate::raftstore::error::{Error, Result};
use crate::raftstore::meta::region::check_region_epoch;
use crate::raftstore::meta::store_meta::ReadDelegate;
use crate::raftstore::msg::{CmdResult, RegionSnapshot};
use crate::raftstore::peer::Peer;
use crate::raftstore::reads::PendingRead;

impl Apply {
    /// Carries out a command that only reads, at its place in the log: it sees all that the entries before it have written,
    /// and nothing of those behind it. Returns one response for each request, of the same kind, and the data for a `Snap`.
    ///
    /// # Errors
    /// As [`check_request`], against the region as it is now; `Engine` if the engine cannot be read.
    pub fn exec_read(
        &mut self,
        ctx: &mut ApplyContext,
        requests: &[Request],
        term: u64,
    ) -> Result<CmdResult> {
        requests.iter().try_for_each(|request| check_request(request, &self.region))?;
        // What earlier entries of this round have put is not in the engine yet.
        self.flush(ctx);
        let snapshot = RegionSnapshot {
            snapshot: ctx.store.engines.kv.snapshot(),
            region: self.region.clone(),
            term,
            applied_index: self.apply_state.applied_index,
        };
        serve(requests, snapshot)
    }
}

/// Answers reads from a snapshot.
///
/// # Errors
/// `Engine` if it cannot be read.
pub fn serve(requests: &[Request], snapshot: RegionSnapshot) -> Result<CmdResult> {
    let data: &dyn Read = &*snapshot.snapshot;
    let responses = requests.iter().map(|request| serve_one(request, data, &snapshot.region));
    let responses = responses.collect::<Result<Vec<Response>>>()?;
    let response = cmd_resp::new_response(responses, snapshot.term);
    let wants_data = requests.iter().any(|request| request.cmd_type() == CmdType::Snap);
    Ok(CmdResult { response, snapshot: wants_data.then_some(snapshot) })
}

fn serve_one(request: &Request, data: &dyn Read, region: &Region) -> Result<Response> {
    let mut response = cmd_resp::empty(request.cmd_type());
    match request.cmd_type() {
        CmdType::Get => {
            let get = request.get.as_ref().ok_or_else(missing)?;
            let value = data.get(cf_of(&get.cf)?, &get.key)?.unwrap_or_default();
            response.get = Some(GetResponse { value });
        }
        CmdType::Snap => response.snap = Some(SnapResponse { region: Some(region.clone()) }),
        CmdType::Put | CmdType::Delete | CmdType::DeleteRange | CmdType::Invalid => {
            return Err(Error::Invalid("reads and writes cannot go together".to_owned()));
        }
    }
    Ok(response)
}

impl Peer {
    /// Asks Raft, once, for all reads that this round has brought; or, if the round has ended the leadership, answers all reads.
    pub fn ask_read_index(&mut self, ctx: &StoreContext) {
        let status = self.raft_group.status();
        if status.transferee != raft::NONE {
            self.lease.offered_in_term = status.term;
            self.revoke_lease(ctx);
        }
        let knows_all = self.get_store().applied_term() == status.term;
        if status.role != Role::Leader || !knows_all {
            // The leadership that the waiting reads belong to is over, and Raft has forgotten them, or would not answer new ones.
            self.fail_reads();
        } else if let Some(number) = self.pending_reads.ask(self.lease.until()) {
            self.raft_group.read_index(number.to_be_bytes().to_vec());
        }
    }

    /// Raft has confirmed reads.
    pub fn on_read_states(&mut self, ctx: &StoreContext, states: Vec<ReadState>) {
        let mut lease_until = None;
        for state in states {
            if let Ok(number) = <[u8; 8]>::try_from(state.context.as_ref()) {
                let confirmed = self.pending_reads.confirm(u64::from_be_bytes(number), state.index);
                lease_until = lease_until.max(confirmed);
            }
        }
        if let Some(until) = lease_until {
            self.publish_lease(ctx, until);
        }
        self.serve_reads(ctx);
    }

    /// Lets others read on their own threads until then ([`crate::raftstore::local_reader`]).
    fn publish_lease(&self, ctx: &StoreContext, until: Micros) {
        if ctx.config.read_mode != ReadMode::Lease || self.lease.offered_in_term == self.term() {
            return;
        }
        let delegate = ReadDelegate {
            region: self.region().clone(),
            peer_id: self.peer_id(),
            term: self.term(),
            applied_index: self.get_store().applied_index(),
            lease_until: until,
        };
        ctx.lock_meta().set_reader(delegate);
    }

    /// Serves the confirmed reads that wait for nothing any more, all from one snapshot.
    pub fn serve_reads(&mut self, ctx: &StoreContext) {
        let applied_index = self.get_store().applied_index();
        let ready = self.pending_reads.take_ready(applied_index);
        if ready.is_empty() {
            return;
        }
        let snapshot = ctx.engines.kv.snapshot();
        for PendingRead { request, callback } in ready {
            match self.serve_read(&request, snapshot.clone()) {
                Ok(result) => callback.invoke(result),
                Err(Error::Engine(error)) => {
                    ctx.fatal.stop(format!("{} cannot read: {error}", self.tag));
                    callback.outcome_unknown();
                }
                Err(refusal) => self.refuse(callback, &refusal),
            }
        }
    }

    fn serve_read(&self, request: &RaftCmdRequest, snapshot: Snapshot) -> Result<CmdResult> {
        let region = self.region();
        check_region_epoch(request, region, true)?;
        request.requests.iter().try_for_each(|one| check_request(one, region))?;
        let applied_index = self.get_store().applied_index();
        let snapshot = RegionSnapshot { snapshot, region: region.clone(), term: self.term(), applied_index };
        serve(&request.requests, snapshot)
    }

    /// Nobody may read under this peer's lease any more.
    pub fn revoke_lease(&self, ctx: &StoreContext) {
        ctx.lock_meta().remove_reader(self.region_id);
    }

    /// This peer leads no more, or not in the same term: answers all reads that wait.
    pub fn fail_reads(&mut self) {
        let error = self.not_leader();
        for read in self.pending_reads.take_all() {
            self.refuse(read.callback, &error);
        }
    }
}
