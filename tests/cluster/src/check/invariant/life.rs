//! S8 and S9: a removed peer never comes back, and leaves nothing behind.

use ::kv::raftstore::StoreId;
use proto::raft_serverpb::RaftMessage;

use super::super::mirror::kv::States;
use super::super::rules::{DESTROYED, TOMBSTONE};
use super::super::world::World;
use super::super::{Verdict, ensure};
use super::Case;

/// The states of a region may have changed.
pub fn on_write(world: &mut World, case: &Case<'_>) -> Verdict {
    let Case { store, region_id, old, new, writes_data } = *case;
    let peer_of = |states: &States| {
        let region = states.region.as_ref().and_then(|state| state.region.as_ref());
        region.and_then(|region| region.peers.iter().find(|peer| peer.store_id == store)).map(|peer| peer.id)
    };
    let gone = world.ghost.tombstones.get(&(store, region_id)).copied();
    if new.is_tombstone() {
        // The region may already be written without the peer that has been removed.
        let peer = peer_of(new).or_else(|| peer_of(old)).unwrap_or_default();
        world.ghost.tombstones.insert((store, region_id), peer.max(gone.unwrap_or_default()));
        return Ok(());
    }
    let Some(gone) = gone else { return Ok(()) };
    let lives = new.held().is_some() && (writes_data || old != new);
    let is_newer = peer_of(new).is_some_and(|peer| peer > gone);
    ensure(!lives || is_newer, &TOMBSTONE, store, || {
        format!("Store {store} writes for region {region_id} again, whose peer {gone} here is a tombstone")
    })
}

/// `store` sends a message for one of its peers.
pub fn on_send(world: &mut World, store: StoreId, message: &RaftMessage) -> Verdict {
    let gone = world.ghost.tombstones.get(&(store, message.region_id)).copied();
    let peer = message.from_peer.as_ref().map_or(0, |peer| peer.id);
    ensure(gone.is_none_or(|gone| peer > gone || gone == 0), &TOMBSTONE, store, || {
        format!(
            "Peer {peer} of region {} sends a message from store {store}, where it is a tombstone",
            message.region_id
        )
    })
}

/// Nothing is under way any more.
pub fn at_end(world: &mut World) -> Verdict {
    for (&store, view) in world.stores.iter().filter(|(_, view)| view.is_running) {
        let gone =
            |region_id: &u64| view.kv.states.get(region_id).is_some_and(|states| states.is_tombstone());
        let left = view.raft.iter().find(|(region_id, group)| gone(region_id) && !group.log.is_empty());
        ensure(left.is_none(), &DESTROYED, store, || {
            let (region_id, group) = left.expect("only then");
            format!(
                "Store {store} still holds {} log entries of region {region_id}, a tombstone",
                group.log.len()
            )
        })?;
        let has_region = view.kv.states.values().any(|states| states.held().is_some());
        let stray = view.kv.data.keys().find(|key| has_region && view.kv.region_of(key).is_none());
        ensure(stray.is_none(), &DESTROYED, store, || {
            let key = stray.map(|key| key.to_string()).unwrap_or_default();
            format!("Store {store} still holds the key {key}, which lies in none of its regions")
        })?;
    }
    Ok(())
}
