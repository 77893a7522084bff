//! Shortening the log: a replica's log would otherwise grow for ever.
//!
//! # Propose
//! Now and then the leader looks how long the log is, and proposes to compact it up to what all peers hold; or, if it has
//! grown beyond a limit, up to what it has applied itself, and whoever still needs the rest gets a snapshot
//! ([`Peer::on_raft_gc_log_tick`]).
//!
//! # Apply
//! Every replica moves its truncated state (`Apply::exec_compact_log`). From now on Raft does not see the entries any more.
//!
//! # After apply
//! The entries are dropped from memory, and a worker deletes them from disk ([`Peer::on_ready_compact_log`]).

use proto::raft_cmdpb::{
    AdminCmdType, AdminRequest, AdminResponse, CompactLogRequest, RaftCmdRequest, RaftRequestHeader,
};
use proto::raft_serverpb::RaftTruncatedState;
use raft::LogId;

use crate::config::RaftStoreConfig;
use crate::raftstore::apply::Apply;
use crate::raftstore::cmd_resp;
use crate::raftstore::context::StoreContext;
use crate::raftstore::error::{Error, Result};
use crate::raftstore::msg::{Callback, ExecResult};
use crate::raftstore::peer::Peer;
use crate::raftstore::task::RaftLogGcTask;
use crate::raftstore::ticker::PeerTick;

/// What the leader knows of its log when it decides whether to compact it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LogExtent {
    /// First entry that nobody has asked to compact yet.
    pub first_index: u64,
    /// Last entry that all peers are known to hold; 0 if one of them has not answered yet.
    pub replicated_index: u64,
    /// Last entry that is applied here.
    pub applied_index: u64,
    /// About how many bytes of applied entries it holds.
    pub bytes: u64,
}

/// Up to which entry, inclusive, the log is to be compacted; `None` if not now. What is not applied here is never compacted.
///
/// - `raft_log_gc_count_limit` or more applied entries behind the first, or `raft_log_gc_bytes_limit` or more bytes of them:
///   all that is applied, though some peer may need it.
/// - More than `raft_log_gc_threshold` entries behind the first that all peers hold: those.
///
/// One entry less than that goes, so that the log is never empty, and nothing if that leaves less than the first.
pub fn compact_index(log: &LogExtent, config: &RaftStoreConfig) -> Option<u64> {
    let applied = log.applied_index.saturating_sub(log.first_index);
    let replicated = log.replicated_index.saturating_sub(log.first_index);
    let too_long = applied > 0 && applied >= config.raft_log_gc_count_limit;
    let index = if too_long || log.bytes >= config.raft_log_gc_bytes_limit {
        log.applied_index
    } else if replicated > config.raft_log_gc_threshold {
        // Compacting always, and not only over a threshold, would go on for ever: the command itself makes the log grow.
        log.replicated_index.min(log.applied_index)
    } else {
        return None;
    };
    let last_dropped = index.checked_sub(1)?;
    (last_dropped >= log.first_index).then_some(last_dropped)
}

impl Peer {
    /// The periodic look at the log: the leader proposes to compact it, if that is worth while, and looks again later. Everybody
    /// drops entries from memory that nobody is going to ask for.
    pub fn on_raft_gc_log_tick(&mut self, ctx: &StoreContext) {
        let log = self.log_extent();
        if !self.is_leader() {
            return self.mut_store().compact_cache_to(log.applied_index + 1);
        }
        self.mut_store().compact_cache_to(log.replicated_index.min(log.applied_index) + 1);
        self.ticker.schedule(PeerTick::RaftLogGc, &ctx.config);
        let Some(index) = compact_index(&log, &ctx.config) else { return };
        let Some(term) = self.raft_group.log_term(index) else { return };
        self.compacting = LogId { term: self.term(), index };
        let request = self.new_compact_log_request(index, term);
        self.propose_normal(&ctx.config, &request, Callback::none());
    }

    fn log_extent(&self) -> LogExtent {
        let (store, leader_term) = (self.get_store(), self.term());
        // What was proposed in this term is as good as done. Proposing it again and again would make the log longer.
        let compacting = if self.compacting.term == leader_term { self.compacting.index } else { 0 };
        let matched = |id: u64| self.raft_group.progress(id).map_or(0, |progress| progress.matched);
        LogExtent {
            first_index: store.truncated_index().max(compacting) + 1,
            replicated_index: self.region().peers.iter().map(|peer| matched(peer.id)).min().unwrap_or(0),
            applied_index: store.applied_index(),
            bytes: self.raft_log_size_hint,
        }
    }

    fn new_compact_log_request(&self, compact_index: u64, compact_term: u64) -> RaftCmdRequest {
        let header = RaftRequestHeader {
            region_id: self.region_id,
            peer: Some(self.peer),
            ..RaftRequestHeader::default()
        };
        let admin = AdminRequest {
            cmd_type: AdminCmdType::CompactLog as i32,
            compact_log: Some(CompactLogRequest { compact_index, compact_term }),
            ..AdminRequest::default()
        };
        RaftCmdRequest { header: Some(header), admin_request: Some(admin), ..RaftCmdRequest::default() }
    }

    /// The log now begins behind `truncated_index`; before, it began at `first_index`. Drops the entries from memory, and has
    /// them deleted from disk.
    pub fn on_ready_compact_log(&mut self, ctx: &StoreContext, first_index: u64, truncated_index: u64) {
        // Entries of equal size, as a guess: the true sizes are not known any more.
        let total = self.last_applying_idx.saturating_sub(first_index - 1);
        let left = self.last_applying_idx.saturating_sub(truncated_index);
        self.raft_log_size_hint = scale(self.raft_log_size_hint, left, total);
        self.mut_store().compact_cache_to(truncated_index + 1);
        let task = RaftLogGcTask { region_id: self.region_id, end_index: truncated_index + 1 };
        if ctx.raftlog_gc_scheduler.schedule(task).is_err() {
            log::debug!("{} leaves old entries on disk: the store stops", self.tag);
        }
    }
}

fn scale(bytes: u64, part: u64, whole: u64) -> u64 {
    if whole == 0 { 0 } else { (u128::from(bytes) * u128::from(part) / u128::from(whole)) as u64 }
}

impl Apply {
    /// Carries out an administrative command.
    ///
    /// # Errors
    /// `Invalid` for what is unknown, or cannot be.
    pub fn exec_admin(&mut self, admin: &AdminRequest) -> Result<AdminResponse> {
        match admin.cmd_type() {
            AdminCmdType::CompactLog => {
                let request = admin.compact_log.ok_or_else(super::check::missing)?;
                self.exec_compact_log(&request)?;
                Ok(cmd_resp::empty_admin(AdminCmdType::CompactLog))
            }
            AdminCmdType::ChangePeer
            | AdminCmdType::Split
            | AdminCmdType::TransferLeader
            | AdminCmdType::InvalidAdmin => {
                Err(Error::Invalid(format!("{} cannot be applied", admin.cmd_type().as_str_name())))
            }
        }
    }

    /// Moves the truncated state to the index and term of the request, and lets the peer follow up. Does nothing if the log
    /// was compacted as far already: a log never grows at its front.
    ///
    /// # Errors
    /// `Invalid` if the request has no term, or an index that is not applied yet.
    fn exec_compact_log(&mut self, request: &CompactLogRequest) -> Result<()> {
        let CompactLogRequest { compact_index, compact_term } = *request;
        let truncated = self.apply_state.truncated_state.unwrap_or_default();
        if compact_index <= truncated.index {
            return Ok(());
        }
        if compact_term == 0 || compact_index > self.apply_state.applied_index {
            let applied = self.apply_state.applied_index;
            return Err(Error::Invalid(format!(
                "compact {compact_index}@{compact_term}, but applied is {applied}"
            )));
        }
        self.apply_state.truncated_state =
            Some(RaftTruncatedState { index: compact_index, term: compact_term });
        self.results.push(ExecResult::CompactLog {
            first_index: truncated.index + 1,
            truncated_index: compact_index,
        });
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CONFIG: fn() -> RaftStoreConfig = || RaftStoreConfig {
        raft_log_gc_threshold: 10,
        raft_log_gc_count_limit: 100,
        raft_log_gc_bytes_limit: 1000,
        ..RaftStoreConfig::default()
    };

    fn decide(first_index: u64, replicated_index: u64, applied_index: u64, bytes: u64) -> Option<u64> {
        compact_index(&LogExtent { first_index, replicated_index, applied_index, bytes }, &CONFIG())
    }

    #[test]
    fn a_short_log_stays() {
        assert_eq!(decide(6, 16, 20, 0), None, "ten entries are not more than ten");
        assert_eq!(decide(6, 0, 20, 0), None, "nothing is known of one peer");
        assert_eq!(decide(6, 3, 20, 0), None, "one peer needs a snapshot anyway");
        assert_eq!(decide(1, 0, 0, 0), None, "nothing is applied");
        assert_eq!(decide(1, 0, 0, 5000), None);
    }

    #[test]
    fn what_all_hold_goes_but_for_one_entry() {
        assert_eq!(decide(6, 17, 20, 0), Some(16));
    }

    #[test]
    fn nothing_goes_that_is_not_applied_here() {
        assert_eq!(decide(6, 50, 20, 0), Some(19));
        assert_eq!(decide(6, 50, 7, 0), Some(6));
        assert_eq!(decide(6, 50, 6, 0), None);
    }

    #[test]
    fn a_long_log_goes_whoever_needs_it() {
        assert_eq!(decide(6, 6, 105, 0), None);
        assert_eq!(decide(6, 6, 106, 0), Some(105));
        assert_eq!(decide(6, 0, 106, 0), Some(105));
    }

    #[test]
    fn a_big_log_goes_whoever_needs_it() {
        assert_eq!(decide(6, 6, 20, 999), None);
        assert_eq!(decide(6, 6, 20, 1000), Some(19));
    }
}
