//! Reads under a lease on the caller's own thread: no mailbox, no round, no message.
//!
//! A leader whose lease was just confirmed leaves a [`ReadDelegate`] in the store's metadata. Whoever finds one that is valid may
//! read at once. At that moment nobody else leads, so every write that was acknowledged before was acknowledged here, after it
//! was in the engine; and a view of the engine that is taken afterwards shows it.

use std::sync::{Arc, Mutex, Weak};

use proto::raft_cmdpb::RaftCmdRequest;

use super::StoreId;
use super::context::{Commands, Fatal};
use super::meta::region::check_region_epoch;
use super::meta::store_meta::{ReadDelegate, StoreMeta};
use super::msg::{CmdResult, RaftCommand, RegionSnapshot};
use super::operation::check::{check_request, header_of, is_read};
use super::operation::read::serve;
use super::router::RaftRouter;
use crate::clock::Clock;
use crate::engine::Engine;

/// Serves reads if a lease allows it, and passes everything else on. The one confirmed read that renews the lease goes the long
/// way, so the lease lives as long as there are reads.
#[derive(Clone)]
pub struct LocalReader {
    pub(super) store_id: StoreId,
    pub(super) store_meta: Arc<Mutex<StoreMeta>>,
    /// Weak: whoever keeps a reader must not keep a stopped store's directory locked.
    pub(super) kv: Weak<dyn Engine>,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) fatal: Arc<Fatal>,
    pub(super) router: RaftRouter,
}

impl Commands for LocalReader {
    fn send_command(&self, command: RaftCommand) {
        match self.read(&command) {
            Some(result) => command.callback.invoke(result),
            None => self.router.send_command(command),
        }
    }
}

impl LocalReader {
    /// The result of a command that only reads, if there is a lease for it. All that is not as it should be is left to the peer,
    /// which knows what to say.
    fn read(&self, command: &RaftCommand) -> Option<CmdResult> {
        let request = &command.request;
        let only_reads = request.requests.iter().all(|one| is_read(one.cmd_type()));
        let is_plain = request.admin_request.is_none() && request.status_request.is_none();
        if !only_reads || !is_plain || request.requests.is_empty() || command.guard_term != 0 {
            return None;
        }
        let delegate = self.delegate(request)?;
        let kv = self.kv.upgrade().filter(|_| !self.fatal.is_stopped())?;
        let snapshot = RegionSnapshot {
            // After the lease was found valid, not before.
            snapshot: kv.snapshot(),
            region: delegate.region,
            term: delegate.term,
            applied_index: delegate.applied_index,
        };
        serve(&request.requests, snapshot).ok()
    }

    fn delegate(&self, request: &RaftCmdRequest) -> Option<ReadDelegate> {
        let header = header_of(request);
        let meta = self.store_meta.lock().expect("nothing panics while it holds this lock");
        let delegate = meta.reader(header.region_id, self.clock.now())?;
        let meant = header.peer.unwrap_or_default();
        let is_meant = (meant.store_id, meant.id) == (self.store_id, delegate.peer_id);
        let is_current = header.term == 0 || delegate.term <= header.term + 1;
        let region = &delegate.region;
        let is_right = is_meant
            && is_current
            && check_region_epoch(request, region, false).is_ok()
            && request.requests.iter().all(|one| check_request(one, region).is_ok());
        is_right.then(|| delegate.clone())
    }
}
