//! What concerns a store as a whole: unreachable stores, messages without a peer, its own ticks.

use std::sync::{Arc, Mutex};

use kv::clock::{ManualClock, Micros};
use kv::engine::{Engines, MemEngine};
use kv::raftstore::context::{Mailboxes, SendError, StoreContext};
use kv::raftstore::fsm::store::StoreFsm;
use kv::raftstore::msg::{ApplyMsg, PeerMsg, SignificantMsg, StoreMsg};
use kv::raftstore::task::RegionTask;
use proto::eraftpb::Message;
use proto::metapb::{Peer, RegionEpoch, Store};
use proto::raft_serverpb::RaftMessage;

use crate::common::apply::{Tasks, context};
use crate::common::{REGION, first_region};

/// Keeps what peers are told; there is a peer of one region only.
#[derive(Default)]
struct Told(Mutex<Vec<PeerMsg>>);

impl Mailboxes for Told {
    fn send_peer(&self, region_id: u64, message: PeerMsg) -> Result<(), SendError<PeerMsg>> {
        if region_id != REGION {
            return Err(SendError::Disconnected(message));
        }
        self.0.lock().unwrap().push(message);
        Ok(())
    }

    fn force_send_peer(&self, region_id: u64, message: PeerMsg) -> Result<(), SendError<PeerMsg>> {
        self.send_peer(region_id, message)
    }

    fn force_send_apply(&self, _: u64, message: ApplyMsg) -> Result<(), SendError<ApplyMsg>> {
        Err(SendError::Disconnected(message))
    }

    fn send_store(&self, message: StoreMsg) -> Result<(), SendError<StoreMsg>> {
        Err(SendError::Disconnected(message))
    }
}

struct Fixture {
    ctx: StoreContext,
    clock: Arc<ManualClock>,
    told: Arc<Told>,
    tasks: Arc<Tasks<RegionTask>>,
    store: StoreFsm,
}

impl Fixture {
    fn new() -> Fixture {
        let engines = Engines { raft: Arc::new(MemEngine::new()), kv: Arc::new(MemEngine::new()) };
        let (told, tasks, clock) =
            (Arc::new(Told::default()), Arc::new(Tasks(Mutex::default())), Arc::default());
        let mut ctx = context(engines, told.clone(), Arc::default(), tasks.clone());
        ctx.clock = Arc::<ManualClock>::clone(&clock);
        ctx.lock_meta().set_region(first_region(3));
        let mut fixture = Fixture { ctx, clock, told, tasks, store: StoreFsm::default() };
        fixture.on_msg(StoreMsg::Start { store: Store::default() });
        fixture
    }

    fn on_msg(&mut self, message: StoreMsg) {
        self.store.on_msg(&self.ctx, message);
    }

    fn told(&self) -> Vec<PeerMsg> {
        std::mem::take(&mut self.told.0.lock().unwrap())
    }
}

#[test]
fn peers_hear_of_an_unreachable_store_once_an_election_timeout() {
    let mut fixture = Fixture::new();
    let timeout =
        u64::from(fixture.ctx.config.raft_election_timeout_ticks) * fixture.ctx.config.raft_base_tick_ms;
    for (at, expected) in [(0, 1), (1, 0), (timeout - 1, 0), (timeout, 1), (timeout + 1, 0)] {
        fixture.clock.set(Micros(0).plus_millis(at));
        fixture.on_msg(StoreMsg::StoreUnreachable { store_id: 2 });
        let told = fixture.told();
        assert_eq!(told.len(), expected, "at {at} ms");
        let unreachable = |message: &PeerMsg| {
            matches!(message, PeerMsg::SignificantMsg(SignificantMsg::Unreachable { to_peer_id: 20 }))
        };
        assert!(told.iter().all(unreachable), "{told:?}");
    }
    fixture.on_msg(StoreMsg::StoreUnreachable { store_id: 3 });
    assert_eq!(fixture.told().len(), 1, "another store has a pause of its own");
    fixture.on_msg(StoreMsg::StoreUnreachable { store_id: 9 });
    assert!(fixture.told().is_empty(), "nobody has a mate there");
}

#[test]
fn a_message_goes_to_a_peer_that_has_come_meanwhile_and_otherwise_nowhere() {
    let mut fixture = Fixture::new();
    let message = |region_id: u64, store_id: u64| {
        StoreMsg::RaftMessage(Box::new(RaftMessage {
            region_id,
            from_peer: Some(Peer { id: 20, store_id: 2 }),
            to_peer: Some(Peer { id: 10, store_id }),
            region_epoch: Some(RegionEpoch::default()),
            message: Some(Message::default()),
            ..RaftMessage::default()
        }))
    };
    fixture.on_msg(message(REGION, 1));
    assert!(matches!(&fixture.told()[..], [PeerMsg::RaftMessage(_)]));
    fixture.on_msg(message(REGION, 3));
    fixture.on_msg(message(77, 1));
    assert!(fixture.told().is_empty());
}

#[test]
fn snapshot_files_are_looked_at_now_and_then() {
    let mut fixture = Fixture::new();
    for _ in 0..2 {
        for _ in 0..fixture.ctx.config.snap_gc_ticks {
            assert!(fixture.tasks.0.lock().unwrap().is_empty());
            fixture.on_msg(StoreMsg::Tick);
        }
        let tasks = std::mem::take(&mut *fixture.tasks.0.lock().unwrap());
        assert!(matches!(&tasks[..], [RegionTask::DeleteStaleSnapshots { .. }]), "{tasks:?}");
    }
}
