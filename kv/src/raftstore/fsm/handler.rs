//! What a poller does in a round. Here, and nowhere else, are the databases written for Raft: once a round, for all its peers.

use std::sync::Arc;

use super::apply::{ApplyControl, ApplyFsm, Never};
use super::peer::PeerFsm;
use super::store::StoreFsm;
use crate::batch::PollHandler;
use crate::clock::Micros;
use crate::engine;
use crate::raftstore::apply::ApplyContext;
use crate::raftstore::context::StoreContext;
use crate::raftstore::msg::{ApplyMsg, PeerMsg, StoreMsg};
use crate::raftstore::peer_storage::RoundWrites;

/// The raft side: collects the `Ready`s of a round, writes them at once, and then lets every peer act on its own.
pub struct RaftPoller {
    ctx: Arc<StoreContext>,
    writes: RoundWrites,
    began: Micros,
}

impl RaftPoller {
    /// A poller of this store.
    pub fn new(ctx: Arc<StoreContext>) -> RaftPoller {
        RaftPoller { ctx, writes: RoundWrites::default(), began: Micros::default() }
    }

    /// Writes what the round has collected. Returns when it is as durable as it has to be.
    ///
    /// kvdb first, and synced: it only gets something when a snapshot replaces a peer's state, and then the same round deletes
    /// the old log from raftdb. After a crash in between, kvdb says that a snapshot is being installed, and the next start
    /// carries on with it, whatever raftdb still holds. In the other order, a peer could find its log gone and nothing in its
    /// place.
    ///
    /// Then raftdb, in one batch for all peers: a crash takes away all of the round or nothing. It is synced if any peer's term,
    /// vote or entries changed; a commit index alone may be lost, as the leader tells it again. No message of the round that
    /// rests on it has been sent so far, and no entry of it applied.
    fn write(&mut self) -> engine::Result<()> {
        let RoundWrites { kv, raft, sync_raft } = std::mem::take(&mut self.writes);
        let StoreContext { engines, observer, .. } = &*self.ctx;
        observer.on_fail_point("raft_before_save");
        if !kv.is_empty() {
            engines.kv.write(kv)?;
            engines.kv.sync()?;
            observer.on_fail_point("raft_between_save");
        }
        if !raft.is_empty() {
            engines.raft.write(raft)?;
        }
        if sync_raft {
            engines.raft.sync()?;
        }
        observer.on_fail_point("raft_after_save");
        Ok(())
    }

    /// A round that lasts as long as an election means that this store cannot keep up.
    fn check_busy(&self, peers: usize) {
        let election_ms =
            u64::from(self.ctx.config.raft_election_timeout_ticks) * self.ctx.config.raft_base_tick_ms;
        let took_ms = self.ctx.clock.now().since(self.began) / 1000;
        let is_slow = took_ms >= election_ms;
        if is_slow {
            log::warn!(
                "a round over {peers} peers took {took_ms} ms: the disk is too slow, or there is too much to do"
            );
        }
        self.ctx.stats.on_round(is_slow);
    }
}

impl PollHandler<PeerFsm, StoreFsm> for RaftPoller {
    fn begin(&mut self, _batch_size: usize) {
        self.began = self.ctx.clock.now();
    }

    fn handle_control(&mut self, store: &mut StoreFsm, messages: &mut Vec<StoreMsg>) -> Option<usize> {
        for message in messages.drain(..) {
            store.on_msg(&self.ctx, message);
        }
        Some(0)
    }

    fn handle_normal(&mut self, fsm: &mut PeerFsm, messages: &mut Vec<PeerMsg>) -> Option<usize> {
        for message in messages.drain(..) {
            if self.ctx.fatal.is_stopped() {
                PeerFsm::refuse(message);
            } else {
                fsm.on_msg(&self.ctx, message);
            }
        }
        if !self.ctx.fatal.is_stopped() {
            fsm.collect_ready(&self.ctx, &mut self.writes);
        }
        Some(0)
    }

    fn end(&mut self, fsms: &mut [Box<PeerFsm>]) {
        if self.ctx.fatal.is_stopped() {
            return;
        }
        if let Err(error) = self.write() {
            return self.ctx.fatal.stop(format!("raft states could not be written: {error}"));
        }
        for fsm in &mut *fsms {
            fsm.post_ready(&self.ctx);
        }
        self.check_busy(fsms.len());
    }
}

/// An apply FSM that has put so many bytes into a round makes room for others.
const ROUND_BYTES_MAX: u64 = 4 << 20;

/// The apply side: carries out the committed entries of a round in one batch.
pub struct ApplyPoller {
    ctx: ApplyContext,
}

impl ApplyPoller {
    /// A poller of this store.
    pub fn new(store: Arc<StoreContext>) -> ApplyPoller {
        ApplyPoller { ctx: ApplyContext::new(store) }
    }
}

impl PollHandler<ApplyFsm, ApplyControl> for ApplyPoller {
    fn begin(&mut self, _batch_size: usize) {}

    fn handle_control(&mut self, _: &mut ApplyControl, messages: &mut Vec<Never>) -> Option<usize> {
        if let Some(message) = messages.pop() {
            match message {}
        }
        Some(0)
    }

    /// An FSM that has put much into the round's batch leaves the rest of its messages for the next round, so that the others
    /// get their turn.
    fn handle_normal(&mut self, fsm: &mut ApplyFsm, messages: &mut Vec<ApplyMsg>) -> Option<usize> {
        messages.reverse();
        let mut is_tired = false;
        while !is_tired && let Some(message) = messages.pop() {
            if !self.ctx.store.fatal.is_stopped() {
                fsm.on_msg(&mut self.ctx, message);
            }
            is_tired = fsm.apply.written_bytes >= ROUND_BYTES_MAX;
        }
        messages.reverse();
        fsm.apply.finish_round(&mut self.ctx);
        if messages.is_empty() { Some(0) } else { None }
    }

    fn end(&mut self, _: &mut [Box<ApplyFsm>]) {
        self.ctx.write();
    }
}
