//! The store FSM: its table, and the little that concerns the store as a whole.

use std::collections::BTreeMap;

use proto::raft_serverpb::RaftMessage;

use crate::batch::Fsm;
use crate::clock::Micros;
use crate::raftstore::StoreId;
use crate::raftstore::context::StoreContext;
use crate::raftstore::meta::region::find_peer;
use crate::raftstore::msg::{PeerMsg, SignificantMsg, StoreMsg};
use crate::raftstore::operation::step::is_valid;
use crate::raftstore::task::RegionTask;
use crate::raftstore::ticker::{StoreTick, Ticker};

/// The control FSM of a store.
#[derive(Default)]
pub struct StoreFsm {
    ticker: Ticker<StoreTick>,
    /// When peers were last told that a store cannot be reached.
    last_unreachable: BTreeMap<StoreId, Micros>,
}

impl Fsm for StoreFsm {
    type Message = StoreMsg;

    fn is_stopped(&self) -> bool {
        false
    }
}

impl StoreFsm {
    /// Handles one message.
    pub fn on_msg(&mut self, ctx: &StoreContext, message: StoreMsg) {
        match message {
            StoreMsg::RaftMessage(message) => self.on_raft_message(ctx, message),
            StoreMsg::Tick => self.on_tick(ctx),
            StoreMsg::StoreUnreachable { store_id } => self.on_store_unreachable(ctx, store_id),
            StoreMsg::Start { store } => {
                log::info!("store {} starts at {}", store.id, store.address);
                self.ticker.schedule(StoreTick::SnapGc, &ctx.config);
            }
        }
    }

    /// A message for a region without a peer here. It may have got one since the message was sent on; creating peers, and
    /// telling others that theirs are gone, comes with membership changes.
    fn on_raft_message(&mut self, ctx: &StoreContext, message: Box<RaftMessage>) {
        if !is_valid(ctx, &message) {
            return;
        }
        let region_id = message.region_id;
        if ctx.mailboxes.send_peer(region_id, PeerMsg::RaftMessage(message)).is_err() {
            log::debug!("a message for region {region_id}, which is not here, is dropped");
        }
    }

    fn on_tick(&mut self, ctx: &StoreContext) {
        self.ticker.tick_clock();
        if self.ticker.is_on_tick(StoreTick::SnapGc) {
            self.ticker.schedule(StoreTick::SnapGc, &ctx.config);
            let (now, keep_ms) = (ctx.clock.now(), ctx.config.snap_keep_ms);
            let task = RegionTask::DeleteStaleSnapshots { now, keep_ms };
            if ctx.region_scheduler.schedule(task).is_err() {
                log::debug!("snapshot files stay: the store stops");
            }
        }
    }

    /// Tells all peers with a mate on that store, so that they probe before they send much again. A broken connection is
    /// reported with every message that it eats, so this is done once an election timeout at most.
    fn on_store_unreachable(&mut self, ctx: &StoreContext, store_id: StoreId) {
        let now = ctx.clock.now();
        let pause = u64::from(ctx.config.raft_election_timeout_ticks) * ctx.config.raft_base_tick_ms;
        let last = self.last_unreachable.get(&store_id);
        if last.is_some_and(|last| now < last.plus_millis(pause)) {
            return;
        }
        self.last_unreachable.insert(store_id, now);
        let mates: Vec<(u64, u64)> = {
            let meta = ctx.lock_meta();
            let mate = |region| find_peer(region, store_id).map(|peer| (region.id, peer.id));
            meta.regions().filter_map(mate).collect()
        };
        for (region_id, to_peer_id) in mates {
            let message = PeerMsg::SignificantMsg(SignificantMsg::Unreachable { to_peer_id });
            if ctx.mailboxes.force_send_peer(region_id, message).is_err() {
                log::debug!("region {region_id} has just left");
            }
        }
    }
}
