//! How a command gets into the log.
//!
//! # Propose
//! The client's command is checked, a policy is chosen for it, and it becomes an entry of the leader's log. Its callback goes
//! to the apply side together with the place that the entry got, ahead of the entry itself.
//!
//! # Apply
//! [`super::apply_committed`].
//!
//! # After apply
//! The apply side answers; nothing is left to do here.

use prost::Message as _;
use proto::raft_cmdpb::{AdminCmdType, RaftCmdRequest};

use super::check::is_read;
use crate::config::{RaftStoreConfig, ReadMode};
use crate::raftstore::cmd_resp;
use crate::raftstore::context::StoreContext;
use crate::raftstore::error::{Error, Result};
use crate::raftstore::msg::{ApplyMsg, Callback, Proposal, RaftCommand};
use crate::raftstore::peer::Peer;

/// What is done with a command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RequestPolicy {
    /// A read that a quorum's word, or the lease, makes safe; no entry.
    ReadIndex,
    /// An entry of the log.
    ProposeNormal,
    /// Raft hands leadership over; no entry.
    ProposeTransferLeader,
    /// An entry of the log that changes the group. Not built yet.
    ProposeConfChange,
}

impl Peer {
    /// Handles a command: answers it at once if it cannot be proposed or needs no entry, or proposes it. Its callback is
    /// called exactly once, now or when the entry's fate is known.
    pub fn propose_raft_command(&mut self, ctx: &StoreContext, command: RaftCommand) {
        let RaftCommand { request, guard_term, callback } = command;
        match self.pre_propose(ctx, &request, guard_term) {
            Ok(RequestPolicy::ReadIndex) => self.pending_reads.push(request, callback),
            Ok(RequestPolicy::ProposeNormal) => self.propose_normal(&ctx.config, &request, callback),
            Ok(RequestPolicy::ProposeTransferLeader) => self.propose_transfer_leader(&request, callback),
            Ok(RequestPolicy::ProposeConfChange) => self.refuse(callback, &not_built()),
            Err(refusal) => match self.execute_status_command(ctx, &request) {
                Ok(Some(answer)) => callback.respond(answer),
                Ok(None) => self.refuse(callback, &refusal),
                Err(refusal) => self.refuse(callback, &refusal),
            },
        }
    }

    /// Checks a command, and chooses its policy.
    fn pre_propose(
        &self,
        ctx: &StoreContext,
        request: &RaftCmdRequest,
        guard_term: u64,
    ) -> Result<RequestPolicy> {
        if self.pending_remove {
            return Err(Error::RegionNotFound(self.region_id));
        }
        self.pre_propose_raft_command(ctx, request)?;
        if guard_term != 0 && guard_term != self.term() {
            return Err(Error::StaleCommand);
        }
        self.inspect(ctx, request)
    }

    /// The policy for a command that has passed all checks.
    fn inspect(&self, ctx: &StoreContext, request: &RaftCmdRequest) -> Result<RequestPolicy> {
        if let Some(admin) = &request.admin_request {
            return match admin.cmd_type() {
                AdminCmdType::CompactLog => Ok(RequestPolicy::ProposeNormal),
                AdminCmdType::TransferLeader => Ok(RequestPolicy::ProposeTransferLeader),
                AdminCmdType::ChangePeer => Ok(RequestPolicy::ProposeConfChange),
                AdminCmdType::Split => Err(not_built()),
                AdminCmdType::InvalidAdmin => Err(Error::Invalid("an admin command of no kind".to_owned())),
            };
        }
        let only_reads = request.requests.iter().all(|one| is_read(one.cmd_type()));
        // Before it has applied an entry of its own term, a leader may not know all that is committed.
        let knows_all = self.get_store().applied_term() == self.term();
        let policy = match ctx.config.read_mode {
            _ if !only_reads || !knows_all => RequestPolicy::ProposeNormal,
            ReadMode::Log => RequestPolicy::ProposeNormal,
            ReadMode::Index => RequestPolicy::ReadIndex,
            ReadMode::Lease if self.lease.is_trusted(ctx.clock.now()) => RequestPolicy::ReadIndex,
            ReadMode::Lease => RequestPolicy::ProposeNormal,
        };
        Ok(policy)
    }

    /// Proposes `request` as an entry of the log, and keeps `callback` with the place that the entry has got, for the apply
    /// side. If it cannot be proposed, answers it at once: `RaftEntryTooLarge` if its encoding is longer than
    /// `raft_entry_bytes_max`, else what `Peer::proposal_refused` makes of Raft's error.
    pub fn propose_normal(&mut self, config: &RaftStoreConfig, request: &RaftCmdRequest, callback: Callback) {
        let data = request.encode_to_vec();
        let bytes = data.len() as u64;
        if bytes > config.raft_entry_bytes_max {
            let region_id = self.region_id;
            return self.refuse(callback, &Error::RaftEntryTooLarge { region_id, bytes });
        }
        if let Err(error) = self.raft_group.propose(data) {
            let refusal = self.proposal_refused(error);
            return self.refuse(callback, &refusal);
        }
        // Read after the proposal: the entry is the last one now. Its term says later whether it stayed in its place.
        let status = self.raft_group.status();
        self.apply_proposals.push(Proposal { index: status.last.index, term: status.term, callback });
    }

    /// What a client is told when Raft refuses its proposal.
    fn proposal_refused(&self, error: raft::Error) -> Error {
        match error {
            raft::Error::ProposalDropped if self.is_leader() => {
                Error::ServerIsBusy("the leader is handing over".to_owned())
            }
            raft::Error::ProposalDropped => self.not_leader(),
            other => Error::Raft(other),
        }
    }

    /// Answers a command with an error, in the current term.
    pub fn refuse(&self, callback: Callback, error: &Error) {
        callback.respond(cmd_resp::new_error(error, self.term()));
    }

    /// Hands the proposals of this round to the apply side. Called before the round's committed entries are, so that a
    /// callback is always there before its entry.
    pub fn send_proposals(&mut self, ctx: &StoreContext) {
        if self.apply_proposals.is_empty() {
            return;
        }
        let proposals = std::mem::take(&mut self.apply_proposals);
        let sent = ctx.mailboxes.force_send_apply(self.region_id, ApplyMsg::Proposals(proposals));
        if let Err(unsent) = sent
            && let ApplyMsg::Proposals(proposals) = unsent.into_inner()
        {
            for proposal in proposals {
                self.refuse(proposal.callback, &Error::RegionNotFound(self.region_id));
            }
        }
    }
}

/// What is said of commands that a later part of the system brings.
fn not_built() -> Error {
    Error::Invalid("this store cannot change or split regions yet".to_owned())
}
