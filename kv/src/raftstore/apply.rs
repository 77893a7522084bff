//! The apply side of a region's replica: its state, and what one round of applying gathers. What it does stands in
//! [`super::operation`].

use std::sync::Arc;

use proto::metapb;
use proto::raft_serverpb::RaftApplyState;

use super::RegionId;
use super::cmd_resp;
use super::context::StoreContext;
use super::error::Error;
use super::meta::keys;
use super::msg::{ApplyRes, Callback, CmdResult, ExecResult, PeerMsg, Registration};
use super::proposals::PendingProposals;
use crate::engine::{Cf, WriteBatch};

/// One region's data on this store, as its apply FSM owns it.
pub struct Apply {
    // ---- who it is ----
    /// Its region, as of the entry applied last. Persisted in kvdb, by the commands that change it.
    pub region: metapb::Region,
    /// Raft id of its peer.
    pub peer_id: u64,
    /// How it is named in logs.
    pub tag: String,

    // ---- how far it is ----
    /// Applied index and truncated state. Persisted in kvdb, in the same batch as the data.
    pub apply_state: RaftApplyState,
    /// Term of the entry applied last. Volatile: the log knows it.
    pub applied_term: u64,
    /// Raft term of the peer when it last handed entries over.
    pub term: u64,

    // ---- commands ----
    /// Those that wait for their entries.
    pub proposals: PendingProposals,

    // ---- since the last report to the peer ----
    /// Whether the apply state has changed since it was last put into a batch.
    pub is_dirty: bool,
    /// What the peer must follow up.
    pub results: Vec<ExecResult>,
    /// Bytes put into batches.
    pub written_bytes: u64,
    /// Whether anything was applied.
    pub has_news: bool,

    // ---- life ----
    /// It has been destroyed.
    pub is_stopped: bool,
}

impl Apply {
    /// The apply side of a peer, where the peer says that it stands.
    pub fn new(registration: Registration) -> Apply {
        let Registration { peer_id, region, apply_state, applied_term, term } = registration;
        Apply {
            tag: format!("[region {}] {peer_id} apply", region.id),
            region,
            peer_id,
            apply_state,
            applied_term,
            term,
            proposals: PendingProposals::default(),
            is_dirty: false,
            results: Vec::new(),
            written_bytes: 0,
            has_news: false,
            is_stopped: false,
        }
    }

    /// Its region's id.
    pub fn region_id(&self) -> RegionId {
        self.region.id
    }

    /// The answer that refuses a command, in the current term.
    pub fn refuse(&self, error: &Error) -> CmdResult {
        cmd_resp::new_error(error, self.term).into()
    }

    /// Makes what has been applied so far part of the round's batch: without this, a batch that is written would hold data
    /// whose apply state is still to come, and a restart would apply it twice.
    pub fn put_apply_state(&mut self, ctx: &mut ApplyContext) {
        if self.is_dirty {
            ctx.batch.put_msg(Cf::Raft, keys::apply_state_key(self.region_id()), &self.apply_state);
            self.is_dirty = false;
        }
    }

    /// Writes what has been applied so far, so that a read of the engine sees it.
    pub fn flush(&mut self, ctx: &mut ApplyContext) {
        self.put_apply_state(ctx);
        ctx.write();
    }

    /// Takes what the peer is to be told, if there is anything.
    pub fn take_report(&mut self) -> Option<ApplyRes> {
        if !std::mem::take(&mut self.has_news) {
            return None;
        }
        Some(ApplyRes::Applied {
            apply_state: self.apply_state,
            applied_term: self.applied_term,
            results: std::mem::take(&mut self.results),
            written_bytes: std::mem::take(&mut self.written_bytes),
        })
    }
}

/// What one round of applying gathers, over all regions in it: one batch, and the answers that wait until it is written.
pub struct ApplyContext {
    /// The store.
    pub store: Arc<StoreContext>,
    /// Data and apply states.
    pub batch: WriteBatch,
    answers: Vec<(Callback, CmdResult)>,
    reports: Vec<(RegionId, ApplyRes)>,
}

impl ApplyContext {
    /// An empty round.
    pub fn new(store: Arc<StoreContext>) -> ApplyContext {
        ApplyContext { store, batch: WriteBatch::new(), answers: Vec::new(), reports: Vec::new() }
    }

    /// Answers a command once everything gathered so far is written.
    pub fn answer(&mut self, callback: Callback, result: CmdResult) {
        self.answers.push((callback, result));
    }

    /// Tells a peer what was applied, once everything gathered so far is written.
    pub fn report(&mut self, region_id: RegionId, report: ApplyRes) {
        self.reports.push((region_id, report));
    }

    /// Writes the batch, then gives the answers, then tells the peers.
    ///
    /// The batch is not synced. Each region's data and its apply state are in one batch, so that a crash takes away both or
    /// neither; what it takes away is applied again from the Raft log, which is synced before entries are handed over, and
    /// which is not shortened before kvdb is synced. So an answer that was given stays true.
    ///
    /// After a failed write nothing is answered or told: the store stops. In a store that has stopped nothing is written either, as
    /// an entry may have been left half done.
    pub fn write(&mut self) {
        let batch = std::mem::take(&mut self.batch);
        if !batch.is_empty()
            && !self.store.fatal.is_stopped()
            && let Err(error) = self.store.engines.kv.write(batch)
        {
            self.store.fatal.stop(format!("applied entries could not be written: {error}"));
        }
        if self.store.fatal.is_stopped() {
            self.answers.clear();
            self.reports.clear();
            return;
        }
        for (callback, result) in self.answers.drain(..) {
            callback.invoke(result);
        }
        for (region_id, report) in self.reports.drain(..) {
            let told = self.store.mailboxes.force_send_peer(region_id, PeerMsg::ApplyRes(Box::new(report)));
            if told.is_err() {
                log::debug!("[region {region_id}] applied entries, but its peer is gone");
            }
        }
    }
}
