//! Committed entries: from the log to the data.
//!
//! # Propose
//! [`super::propose`].
//!
//! # Apply
//! [`Apply::handle_committed_entries`]: each entry is carried out once, in order, in the batch of the round; its answer waits
//! until that is written.
//!
//! # After apply
//! [`Peer::on_apply_res`]: the peer learns how far the data is, and follows up.

use prost::Message as _;
use proto::eraftpb::{Entry, EntryType};
use proto::raft_cmdpb::RaftCmdRequest;

use super::check::is_read;
use crate::raftstore::apply::{Apply, ApplyContext};
use crate::raftstore::cmd_resp;
use crate::raftstore::context::StoreContext;
use crate::raftstore::error::{Error, Result};
use crate::raftstore::meta::region::check_region_epoch;
use crate::raftstore::msg::{ApplyRes, CmdResult, ExecResult, Proposal, Registration};
use crate::raftstore::peer::Peer;
use crate::raftstore::ticker::PeerTick;

/// A batch of applied entries is written when it has grown to so many bytes.
const BATCH_BYTES_MAX: usize = 1 << 20;

impl Apply {
    /// Takes commands that were proposed.
    pub fn handle_proposals(&mut self, proposals: Vec<Proposal>) {
        proposals.into_iter().for_each(|proposal| self.proposals.push(proposal));
    }

    /// Applies committed entries, in order, and tells the commands that wait for them. `term` is the peer's Raft term.
    pub fn handle_committed_entries(&mut self, ctx: &mut ApplyContext, term: u64, entries: Vec<Entry>) {
        self.term = term;
        for entry in entries {
            if ctx.store.fatal.is_stopped() {
                return;
            }
            self.apply_entry(ctx, &entry);
            if ctx.batch.bytes() >= BATCH_BYTES_MAX {
                self.flush(ctx);
            }
        }
    }

    /// Applies one entry, and moves the applied index to it. The command that waits for exactly this entry gets the result,
    /// once the batch is written; commands that this entry proves overwritten get `StaleCommand`.
    ///
    /// An entry without data, as each new leader appends it, changes nothing. A command that cannot be carried out changes
    /// nothing but the applied index, on every replica alike.
    fn apply_entry(&mut self, ctx: &mut ApplyContext, entry: &Entry) {
        let expected = self.apply_state.applied_index + 1;
        assert_eq!(entry.index, expected, "{} applies entries with a gap", self.tag);
        let waiting = self.proposals.resolve(entry.index, entry.term);
        for callback in waiting.stale {
            ctx.answer(callback, self.refuse(&Error::StaleCommand));
        }
        let result = self.exec_entry(ctx, entry, waiting.found.is_some());
        self.apply_state.applied_index = entry.index;
        self.applied_term = entry.term;
        self.is_dirty = true;
        self.has_news = true;
        if let Some(callback) = waiting.found {
            ctx.answer(callback, result);
        }
    }

    /// What an entry comes to. `has_reader`: somebody waits for the result.
    fn exec_entry(&mut self, ctx: &mut ApplyContext, entry: &Entry, has_reader: bool) -> CmdResult {
        if entry.entry_type() != EntryType::EntryNormal {
            return self.refuse(&Error::Invalid("this store cannot change regions yet".to_owned()));
        }
        if entry.data.is_empty() {
            return cmd_resp::new_response(Vec::new(), self.term).into();
        }
        let request = match RaftCmdRequest::decode(entry.data.clone()) {
            Ok(request) => request,
            Err(error) => {
                let reason = format!("{}: entry {} is no command: {error}", self.tag, entry.index);
                ctx.store.fatal.stop(reason.clone());
                return self.refuse(&Error::Corrupt(reason));
            }
        };
        let only_reads = request.requests.first().is_some_and(|one| is_read(one.cmd_type()));
        if only_reads && !has_reader {
            return cmd_resp::new_response(Vec::new(), self.term).into();
        }
        match self.exec_command(ctx, &request, entry.term) {
            Ok(result) => result,
            Err(Error::Engine(error)) => {
                // The other replicas may have succeeded: to go on would make this one differ.
                ctx.store.fatal.stop(format!("{} cannot apply entry {}: {error}", self.tag, entry.index));
                self.refuse(&Error::Engine(error))
            }
            Err(refusal) => self.refuse(&refusal),
        }
    }

    /// Carries out a command if it still suits the region: the epoch may have moved on since it was proposed.
    fn exec_command(
        &mut self,
        ctx: &mut ApplyContext,
        request: &RaftCmdRequest,
        term: u64,
    ) -> Result<CmdResult> {
        check_region_epoch(request, &self.region, true)?;
        if let Some(admin) = &request.admin_request {
            let response = self.exec_admin(admin)?;
            return Ok(cmd_resp::new_admin_response(response, self.term).into());
        }
        if request.requests.iter().all(|one| is_read(one.cmd_type())) {
            return self.exec_read(ctx, &request.requests, term);
        }
        let responses = self.exec_write(ctx, &request.requests)?;
        Ok(cmd_resp::new_response(responses, self.term).into())
    }

    /// Starts from another place: the peer has installed a snapshot. Commands whose entries it covers were applied, or
    /// overwritten, by others: nobody here can tell which.
    pub fn handle_registration(&mut self, registration: Registration) {
        for callback in self.proposals.take_covered(registration.apply_state.applied_index) {
            callback.outcome_unknown();
        }
        let proposals = std::mem::take(&mut self.proposals);
        *self = Apply { proposals, ..Apply::new(registration) };
    }

    /// Ends the apply side: all commands that wait are told that the region is not here any more.
    pub fn handle_destroy(&mut self, ctx: &mut ApplyContext) {
        let gone = self.refuse(&Error::RegionNotFound(self.region_id()));
        for callback in self.proposals.take_all() {
            ctx.answer(callback, gone.clone());
        }
        self.is_stopped = true;
        ctx.report(self.region_id(), ApplyRes::Destroyed);
    }

    /// Ends this region's part in a round: its apply state goes into the batch, its report waits for the write.
    pub fn finish_round(&mut self, ctx: &mut ApplyContext) {
        self.put_apply_state(ctx);
        if let Some(report) = self.take_report() {
            ctx.report(self.region_id(), report);
        }
    }
}

impl Peer {
    /// The apply side has written entries.
    pub fn on_apply_res(&mut self, ctx: &StoreContext, res: ApplyRes) {
        let ApplyRes::Applied { apply_state, applied_term, results, .. } = res else {
            return self.on_apply_destroyed();
        };
        if self.is_applying_snapshot() {
            // Nothing is handed over before a snapshot is in place, so this speaks of a time before it.
            return;
        }
        let applied = apply_state.applied_index;
        self.mut_store().set_applied(apply_state, applied_term);
        self.raft_group.advance_apply(applied);
        self.ticker.schedule(PeerTick::RaftLogGc, &ctx.config);
        for result in results {
            match result {
                ExecResult::CompactLog { truncated_index, first_index } => {
                    self.on_ready_compact_log(ctx, first_index, truncated_index);
                }
            }
        }
        self.serve_reads(ctx);
    }
}
