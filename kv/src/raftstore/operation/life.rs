//! The life of a peer: its start, its base ticks, its end.

use crate::raftstore::context::{PeerStatus, StoreContext, StoreEvent};
use crate::raftstore::meta::region::is_same_region;
use crate::raftstore::peer::Peer;
use crate::raftstore::ticker::PeerTick;

impl Peer {
    /// The first thing that a peer does.
    pub fn on_start(&mut self, ctx: &StoreContext) {
        let (region_id, peer_id) = (self.region_id, self.peer_id());
        ctx.observer.on_event(StoreEvent::PeerStarted { region_id, peer_id });
        self.ticker.schedule(PeerTick::Raft, &ctx.config);
        let is_alone = self.region().peers.len() == 1 && self.region().peers[0].id == peer_id;
        if is_alone && let Err(error) = self.raft_group.campaign() {
            log::warn!("{} cannot campaign: {error}", self.tag);
        }
    }

    /// A base tick has passed: does the periodic jobs that are due. None is while a snapshot is on its way in: Raft's log begins
    /// behind its end then, and a campaign would be nonsense.
    pub fn on_base_tick(&mut self, ctx: &StoreContext) {
        if self.pending_remove {
            return;
        }
        self.maybe_finish_snapshot(ctx);
        if self.is_applying_snapshot() || self.has_pending_snapshot() {
            return;
        }
        self.ticker.tick_clock();
        if self.ticker.is_on_tick(PeerTick::Raft) {
            self.ticker.schedule(PeerTick::Raft, &ctx.config);
            self.lease.on_tick(ctx.clock.now());
            self.raft_group.tick();
        }
        if self.ticker.is_on_tick(PeerTick::RaftLogGc) {
            self.on_raft_gc_log_tick(ctx);
        }
    }

    /// The apply side has ended. Only a peer that is being destroyed asks for that, which comes with membership changes.
    pub fn on_apply_destroyed(&mut self) {
        log::info!("{} has no apply side any more", self.tag);
    }

    /// Tells the observer what this peer looks like, if that has changed.
    pub fn tell_status(&mut self, ctx: &StoreContext) {
        if !self.told.as_ref().is_some_and(|told| self.looks_like(told)) {
            let status = self.status();
            self.told = Some(status.clone());
            ctx.observer.on_peer(status);
        }
    }

    /// Whether `told` is what [`Peer::status`] would say. After most rounds it is, and comparing is cheaper than saying it.
    fn looks_like(&self, told: &PeerStatus) -> bool {
        told.raft == self.raft_group.status()
            && told.apply_state == *self.get_store().apply_state()
            && told.applying_snapshot == self.is_applying_snapshot()
            && is_same_region(&told.region, self.region())
    }
}
