//! The checks of whole stores: what is legal, judged inside each call that crosses a seam.
//!
//! | module | what it holds |
//! |---|---|
//! | [`observe`] | the vocabulary of what the checks are told |
//! | [`rules`] | every rule in words |
//! | `invariant` | what must hold at each call, one file for each promise; remembers in `ghost` and `mirror` |
//! | `ghost` | what the cluster has done so far, as no single store knows it |
//! | `mirror` | what each store has on its disks, as written and as a power cut would leave it |
//! | `model` | what the committed log makes of the data |
//! | [`history`] | what clients asked for and were told |
//! | [`linear`] | whether some order of the operations explains all answers |
//! | [`log_order`] | whether the order of the log does |
//!
//! A [`Checker`] watches one run of one cluster. The simulation tells it what crosses the seams of every store: writes and
//! syncs of both databases, messages, commands and their answers, snapshot files, and what peers show of themselves. After
//! every call [`Checker::violation`] is the first rule that was broken. A store that has been cut off (its crash fuse has burnt)
//! must not be reported any more.
//!
//! What the checks compare with is not another replica but a model that they run themselves, over the log in the order in
//! which it is applied: the first store to go wrong is named, and alone if need be.

mod ghost;
pub mod history;
mod invariant;
mod keys;
pub mod linear;
pub mod log_order;
mod mirror;
mod model;
pub mod observe;
pub mod rules;
#[cfg(test)]
mod tests;
mod world;

use ::kv::engine::{Read, WriteBatch};
use ::kv::raftstore::StoreId;
use ::kv::raftstore::context::PeerStatus;
use ::kv::raftstore::msg::{CmdResult, Dropped};
use ::raft::Index;

pub use harness::rule::{Rule, Violation};
use proto::raft_cmdpb::RaftCmdRequest;
use proto::raft_serverpb::RaftMessage;

use observe::{CommandId, Db, FileEvent, Micros, SnapshotFile};
use world::World;

/// Whether all is well; if not, which rule is broken.
pub(crate) type Verdict = Result<(), Violation>;

/// All checks of one run, with all that they remember.
#[derive(Default)]
pub struct Checker {
    world: World,
    violation: Option<Violation>,
}

impl Checker {
    /// Checks for a fresh cluster.
    pub fn new() -> Checker {
        Checker::default()
    }

    /// The same for a cluster whose leaders read locally while their lease lasts. Such a leader may not have applied yet what
    /// another store has; it only must not miss what a client can know of.
    pub fn with_lease_reads() -> Checker {
        let mut checker = Checker::default();
        checker.world.lease_reads = true;
        checker
    }

    /// The first rule that was broken; its `node` is the store at fault, 0 if none alone. Nothing is judged after it.
    pub fn violation(&self) -> Option<&Violation> {
        self.violation.as_ref()
    }

    /// Highest index of a region that some store has applied.
    pub fn committed(&self, region_id: u64) -> Index {
        self.world.ghost.groups.get(&region_id).map_or(0, |group| group.commit())
    }

    /// What was applied so far, in the order in which it was first applied by some store: for [`log_order::check`].
    pub fn log(&self) -> Vec<log_order::Applied> {
        log_order::applied(self.world.ghost.groups.values())
    }

    /// It is `now`.
    pub fn on_time(&mut self, now: Micros) {
        self.world.now = now;
    }

    /// `store` is about to start, for the first time or again, and this is what its databases hold.
    pub fn on_open(&mut self, store: StoreId, raft: &dyn Read, kv: &dyn Read) {
        self.judge(|world| invariant::restart::on_open(world, store, raft, kv));
    }

    /// `store` has stopped: crashed, killed or shut down. Commands that it has not answered are lost.
    pub fn on_stop(&mut self, store: StoreId) {
        self.judge(|world| {
            world.stop(store);
            Ok(())
        });
    }

    /// `store` has written `batch`: it is visible, and not yet safe.
    pub fn on_write(&mut self, store: StoreId, db: Db, batch: &WriteBatch) {
        self.judge(|world| {
            invariant::fail_stop::on_write(world, store, db)?;
            match db {
                Db::Raft => invariant::on_raft_write(world, store, batch),
                Db::Kv => invariant::on_kv_write(world, store, batch),
            }
        });
    }

    /// What `store` has written to `db` so far is safe now.
    pub fn on_sync(&mut self, store: StoreId, db: Db) {
        self.judge(|world| {
            world.store(store).sync(db);
            Ok(())
        });
    }

    /// A write or sync of `store` has failed, and it has been told.
    pub fn on_engine_failure(&mut self, store: StoreId, db: Db) {
        self.judge(|world| {
            world.store(store).failed = Some(db);
            Ok(())
        });
    }

    /// `store` hands `message` to its transport.
    pub fn on_send(&mut self, store: StoreId, message: &RaftMessage) {
        self.judge(|world| invariant::on_send(world, store, message));
    }

    /// `store` is given a command, stamped with `id` (see [`observe::stamp`]).
    pub fn on_command(&mut self, store: StoreId, id: CommandId, request: &RaftCmdRequest) {
        self.judge(|world| {
            invariant::answer::on_command(world, store, id, request);
            Ok(())
        });
    }

    /// `store` answers the command `id`, or drops its callback.
    pub fn on_answer(&mut self, store: StoreId, id: CommandId, result: Result<&CmdResult, Dropped>) {
        self.judge(|world| invariant::answer::on_answer(world, store, id, result));
    }

    /// Something happens to a snapshot file of `store`.
    pub fn on_snapshot_file(&mut self, store: StoreId, file: SnapshotFile, event: FileEvent) {
        self.judge(|world| invariant::snapshot_file::on_event(world, store, file, event));
    }

    /// A peer of `store` shows itself.
    pub fn on_peer(&mut self, store: StoreId, status: &PeerStatus) {
        self.judge(|world| invariant::peer::on_peer(world, store, status));
    }

    /// The run is over: the faults have ended long ago, and nothing is under way any more.
    pub fn end_of_run(&mut self) {
        self.judge(|world| {
            invariant::answer::at_end(world)?;
            invariant::life::at_end(world)
        });
    }

    fn judge(&mut self, check: impl FnOnce(&mut World) -> Verdict) {
        if self.violation.is_none() {
            self.violation = check(&mut self.world).err();
        }
    }
}

/// Accuses `store` of breaking `rule`, unless `holds`.
pub(crate) fn ensure(
    holds: bool,
    rule: &'static Rule,
    store: StoreId,
    seen: impl FnOnce() -> String,
) -> Verdict {
    if holds { Ok(()) } else { Err(Violation { rule, node: store, seen: seen() }) }
}
