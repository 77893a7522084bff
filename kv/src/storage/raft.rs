//! Storage through Raft: requests become commands of the raftstore, and its answers become those of the storage layer.

use std::sync::Arc;

use proto::kvrpcpb::Context;
use proto::raft_cmdpb::{
    CmdType, DeleteRangeRequest, DeleteRequest, PutRequest, RaftCmdRequest, RaftRequestHeader, Request,
    SnapRequest,
};

use super::region_reader::RegionReader;
use super::{Callback, Error, Modify, Reader, Result, Storage};
use crate::raftstore::context::Commands;
use crate::raftstore::msg::{self, CmdResult, Dropped, RaftCommand};

/// Storage on the regions of this store. Which of them is meant stands in each request's context.
pub struct RaftStorage {
    commands: Arc<dyn Commands>,
}

impl RaftStorage {
    /// Storage that sends its commands there.
    pub fn new(commands: Arc<dyn Commands>) -> RaftStorage {
        RaftStorage { commands }
    }

    fn send(
        &self,
        context: &Context,
        guard_term: u64,
        requests: Vec<Request>,
        answer: impl FnOnce(Result<CmdResult>) + Send + 'static,
    ) {
        let request = RaftCmdRequest { header: Some(header(context)), requests, ..RaftCmdRequest::default() };
        let callback = msg::Callback::new(move |result| answer(outcome(result)));
        self.commands.send_command(RaftCommand { request, guard_term, callback });
    }
}

impl Storage for RaftStorage {
    fn async_snapshot(&self, context: &Context, callback: Callback<Box<dyn Reader>>) {
        let snap = Request {
            cmd_type: CmdType::Snap as i32,
            snap: Some(SnapRequest::default()),
            ..Request::default()
        };
        self.send(context, 0, vec![snap], |result| callback(result.and_then(reader)));
    }

    fn async_write(&self, context: &Context, guard_term: u64, modifies: Vec<Modify>, callback: Callback<()>) {
        if modifies.is_empty() {
            return callback(Ok(()));
        }
        let requests = modifies.into_iter().map(request).collect();
        self.send(context, guard_term, requests, |result| callback(result.map(|_| ())));
    }
}

/// What a command's answer means. An answer that never came says nothing about the command.
fn outcome(result: std::result::Result<CmdResult, Dropped>) -> Result<CmdResult> {
    let Ok(result) = result else {
        let why = "the store stopped, or a snapshot overtook the command";
        return Err(Error::Undetermined(why.to_owned()));
    };
    match result.response.header.as_ref().and_then(|header| header.error.clone()) {
        Some(error) => Err(error.into()),
        None => Ok(result),
    }
}

fn reader(result: CmdResult) -> Result<Box<dyn Reader>> {
    let snapshot = result.snapshot.ok_or_else(|| Error::Invalid("the answer has no data".to_owned()))?;
    Ok(Box::new(RegionReader::new(snapshot)))
}

fn header(context: &Context) -> RaftRequestHeader {
    RaftRequestHeader {
        region_id: context.region_id,
        peer: context.peer,
        region_epoch: context.region_epoch,
        term: context.term,
        ..RaftRequestHeader::default()
    }
}

fn request(modify: Modify) -> Request {
    let mut request = Request::default();
    match modify {
        Modify::Put { cf, key, value } => {
            request.cmd_type = CmdType::Put as i32;
            request.put = Some(PutRequest { cf: cf.name().to_owned(), key, value });
        }
        Modify::Delete { cf, key } => {
            request.cmd_type = CmdType::Delete as i32;
            request.delete = Some(DeleteRequest { cf: cf.name().to_owned(), key });
        }
        Modify::DeleteRange { cf, start, end } => {
            request.cmd_type = CmdType::DeleteRange as i32;
            let cf = cf.name().to_owned();
            request.delete_range = Some(DeleteRangeRequest { cf, start_key: start, end_key: end });
        }
    }
    request
}
