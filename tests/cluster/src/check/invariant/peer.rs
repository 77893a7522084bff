//! What peers show of themselves: R1 one leader in a term, R6 and R7 nothing goes back.

use ::kv::raftstore::StoreId;
use ::kv::raftstore::context::PeerStatus;
use ::raft::Role;
use raft_tests::check::describe_status;
use raft_tests::check::rules::{COMMIT_MONOTONIC, RESTART, TERM_MONOTONIC};

use super::super::world::World;
use super::super::{Verdict, ensure};
use super::election;

/// A peer of `store` shows itself.
pub fn on_peer(world: &mut World, store: StoreId, shown: &PeerStatus) -> Verdict {
    let (region_id, status) = (shown.region.id, shown.raft);
    let view = world.store(store);
    let told =
        |what: &str| format!("On store {store}, region {region_id}: {}; {what}", describe_status(&status));
    match view.peers.insert(region_id, status).filter(|last| last.id == status.id) {
        Some(last) => {
            ensure(status.term >= last.term, &TERM_MONOTONIC, store, || {
                told(&format!("its term was {}", last.term))
            })?;
            let grows = status.commit >= last.commit && status.applied >= last.applied;
            ensure(grows, &COMMIT_MONOTONIC, store, || {
                told(&format!("it had committed {} and applied {}", last.commit, last.applied))
            })?;
        }
        None => {
            let disk = view.durable_raft.get(&region_id).map(|group| group.hard_state()).unwrap_or_default();
            let kept = status.term > disk.term || (status.term == disk.term && status.vote == disk.vote);
            // A vote may be the first thing that it does after the start.
            ensure(kept || disk.vote == 0 && status.term == disk.term, &RESTART, store, || {
                told(&format!("on its disk are term {} and vote {}", disk.term, disk.vote))
            })?;
        }
    }
    ensure(status.commit <= status.last.index, &COMMIT_MONOTONIC, store, || {
        told("it has committed more than it has")
    })?;
    if status.role == Role::Leader { election::leads(world, store, region_id, status.term) } else { Ok(()) }
}
