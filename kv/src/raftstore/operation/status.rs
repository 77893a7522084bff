//! Questions that a peer answers by itself, without the log: who leads, and what the region is. The answer may be old.

use proto::raft_cmdpb::{
    RaftCmdRequest, RaftCmdResponse, RegionDetailResponse, RegionLeaderResponse, StatusCmdType,
    StatusRequest, StatusResponse,
};

use super::check::header_of;
use crate::raftstore::cmd_resp;
use crate::raftstore::context::StoreContext;
use crate::raftstore::error::{Error, Result};
use crate::raftstore::peer::Peer;

impl Peer {
    /// Answers a status command, if `request` is one.
    ///
    /// # Errors
    /// `StoreNotMatch`, or `Invalid` for a question of no kind.
    pub fn execute_status_command(
        &self,
        ctx: &StoreContext,
        request: &RaftCmdRequest,
    ) -> Result<Option<RaftCmdResponse>> {
        let Some(question) = &request.status_request else { return Ok(None) };
        self.check_store_id(ctx, &header_of(request))?;
        let mut response = cmd_resp::new_response(Vec::new(), self.term());
        response.status_response = Some(self.answer_status(question)?);
        Ok(Some(response))
    }

    fn answer_status(&self, question: &StatusRequest) -> Result<StatusResponse> {
        let leader = self.get_peer_from_cache(self.leader_id());
        let mut answer = StatusResponse { cmd_type: question.cmd_type, ..StatusResponse::default() };
        match question.cmd_type() {
            StatusCmdType::RegionLeader => answer.region_leader = Some(RegionLeaderResponse { leader }),
            StatusCmdType::RegionDetail => {
                let region = Some(self.region().clone());
                answer.region_detail = Some(RegionDetailResponse { region, leader });
            }
            StatusCmdType::InvalidStatus => {
                return Err(Error::Invalid("a status command of no kind".to_owned()));
            }
        }
        Ok(answer)
    }
}
