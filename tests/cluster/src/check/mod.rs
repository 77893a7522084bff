//! The checks of whole stores: what is legal, judged inside each call that crosses a seam.
//!
//! | module | what it holds |
//! |---|---|
//! | [`observe`] | the vocabulary of what the checks are told |
//! | [`rules`] | every rule in words |
//! | [`history`] | what clients asked for and were told |
//! | [`linear`] | whether some order of the operations explains all answers
//!
//! A [`Checker`] watches one run of one cluster. The simulation tells it what crosses the seams of every store: writes and
//! syncs of both databases, messages, commands and their answers, snapshot files, and what peers show of themselves. It keeps
//! what the whole group has done as no single store knows it, and after every call [`Checker::violation`] is the first rule
//! that was broken. A store that has been cut off (its crash fuse has burnt) must not be reported any more.

pub mod history;
pub mod linear;
pub mod observe;
pub mod rules;

use kv::engine::{Read, WriteBatch};
use kv::raftstore::StoreId;
use kv::raftstore::context::{PeerStatus, StoreEvent};
use kv::raftstore::msg::{CmdResult, Dropped};
use proto::raft_cmdpb::RaftCmdRequest;
use proto::raft_serverpb::RaftMessage;
pub use raft_tests::check::{Rule, Violation};

use observe::{CommandId, Db, FileEvent, Micros, SnapshotFile};

/// All checks of one run, with all that they remember.
#[derive(Default)]
pub struct Checker {
    now: Micros,
    violation: Option<Violation>,
}

impl Checker {
    /// Checks for a fresh cluster.
    pub fn new() -> Checker {
        Checker::default()
    }

    /// The first rule that was broken; its `node` is the store at fault, 0 if none alone. Nothing is judged after it.
    pub fn violation(&self) -> Option<&Violation> {
        self.violation.as_ref()
    }

    /// It is `now`.
    pub fn on_time(&mut self, now: Micros) {
        self.now = now;
    }

    /// `store` is about to start, for the first time or again, and this is what its databases hold.
    pub fn on_open(&mut self, store: StoreId, raft: &dyn Read, kv: &dyn Read) {
        let _ = (store, raft, kv);
    }

    /// `store` has stopped: crashed, killed or shut down. Commands that it has not answered are lost.
    pub fn on_stop(&mut self, store: StoreId) {
        let _ = store;
    }

    /// `store` has written `batch`: it is visible, and not yet safe.
    pub fn on_write(&mut self, store: StoreId, db: Db, batch: &WriteBatch) {
        let _ = (store, db, batch);
    }

    /// What `store` has written to `db` so far is safe now.
    pub fn on_sync(&mut self, store: StoreId, db: Db) {
        let _ = (store, db);
    }

    /// A write or sync of `store` has failed, and it has been told.
    pub fn on_engine_failure(&mut self, store: StoreId, db: Db) {
        let _ = (store, db);
    }

    /// `store` hands `message` to its transport.
    pub fn on_send(&mut self, store: StoreId, message: &RaftMessage) {
        let _ = (store, message);
    }

    /// `store` is given a command, stamped with `id` (see [`observe::stamp`]).
    pub fn on_command(&mut self, store: StoreId, id: CommandId, request: &RaftCmdRequest) {
        let _ = (store, id, request);
    }

    /// `store` answers the command `id`, or drops its callback.
    pub fn on_answer(&mut self, store: StoreId, id: CommandId, result: Result<&CmdResult, Dropped>) {
        let _ = (store, id, result);
    }

    /// Something happens to a snapshot file of `store`.
    pub fn on_snapshot_file(&mut self, store: StoreId, file: SnapshotFile, event: FileEvent) {
        let _ = (store, file, event);
    }

    /// A peer of `store` shows itself.
    pub fn on_peer(&mut self, store: StoreId, status: &PeerStatus) {
        let _ = (store, status);
    }

    /// `store` tells what happens in it.
    pub fn on_event(&mut self, store: StoreId, event: &StoreEvent) {
        let _ = (store, event);
    }

    /// The run is over, and nothing is under way any more.
    pub fn end_of_run(&mut self) {}
}
