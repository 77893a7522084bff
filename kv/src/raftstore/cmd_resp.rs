//! Answers to commands.

use proto::errorpb;
use proto::raft_cmdpb::{
    AdminCmdType, AdminResponse, CmdType, RaftCmdResponse, RaftResponseHeader, Response,
};

use super::error::Error;
use super::msg::CmdResult;

/// Tells the client in which term it was answered; 0, which is not told, means that nobody knows.
pub fn bind_term(response: &mut RaftCmdResponse, term: u64) {
    if term != 0 {
        header(response).current_term = term;
    }
}

/// A refusal.
pub fn new_error(error: &Error, term: u64) -> RaftCmdResponse {
    let mut response = RaftCmdResponse::default();
    header(&mut response).error = Some(errorpb::Error::from(error));
    bind_term(&mut response, term);
    response
}

/// An answer without data, in a term.
pub fn new_response(responses: Vec<Response>, term: u64) -> RaftCmdResponse {
    let mut response = RaftCmdResponse { responses, ..RaftCmdResponse::default() };
    header(&mut response);
    bind_term(&mut response, term);
    response
}

/// The answer to an administrative command.
pub fn new_admin_response(admin: AdminResponse, term: u64) -> RaftCmdResponse {
    RaftCmdResponse { admin_response: Some(admin), ..new_response(Vec::new(), term) }
}

/// An empty answer to one request of a command.
pub fn empty(cmd_type: CmdType) -> Response {
    Response { cmd_type: cmd_type as i32, ..Response::default() }
}

/// An empty answer to an administrative command.
pub fn empty_admin(cmd_type: AdminCmdType) -> AdminResponse {
    AdminResponse { cmd_type: cmd_type as i32, ..AdminResponse::default() }
}

/// The error that an answer carries, if it is a refusal.
pub fn error_of(response: &RaftCmdResponse) -> Option<&errorpb::Error> {
    response.header.as_ref().and_then(|header| header.error.as_ref())
}

impl From<RaftCmdResponse> for CmdResult {
    fn from(response: RaftCmdResponse) -> CmdResult {
        CmdResult { response, snapshot: None }
    }
}

fn header(response: &mut RaftCmdResponse) -> &mut RaftResponseHeader {
    response.header.get_or_insert_default()
}
