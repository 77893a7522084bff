//! S4 and S6: regions of a store do not overlap, and an epoch names one region.

use proto::metapb::Region;

use super::super::history::text;
use super::super::rules::{DISJOINT, EPOCH};
use super::super::world::World;
use super::super::{Verdict, ensure};
use super::Case;

/// The states of a region may have changed.
pub fn on_write(world: &mut World, case: &Case<'_>) -> Verdict {
    let Case { store, region_id, old, new, .. } = *case;
    let Some(region) = new.held().filter(|_| !new.has_region_of(old)) else { return Ok(()) };
    if region.peers.is_empty() {
        // Not initialised yet: it has no range.
        return Ok(());
    }
    let others = world.store(store).kv.states.iter().filter(|(other, _)| **other != region_id);
    let overlap = others
        .filter_map(|(_, states)| states.held())
        .find(|other| !other.peers.is_empty() && overlaps(region, other));
    ensure(overlap.is_none(), &DISJOINT, store, || {
        let other = overlap.cloned().unwrap_or_default();
        format!(
            "Store {store} holds region {region_id} ({}) and region {} ({}), which have keys in common",
            range(region),
            other.id,
            range(&other)
        )
    })?;
    let Some(group) = world.ghost.groups.get_mut(&region_id) else { return Ok(()) };
    let other = group.note_epoch(region);
    ensure(other.is_none(), &EPOCH, store, || {
        let other = other.unwrap_or_default();
        format!(
            "Store {store} writes region {region_id} with epoch {:?} and {} with {} peers; at that epoch it was {} with {} peers",
            region.region_epoch.unwrap_or_default(),
            range(region),
            region.peers.len(),
            range(&other),
            other.peers.len()
        )
    })
}

fn overlaps(a: &Region, b: &Region) -> bool {
    let begins_before_end = |a: &Region, b: &Region| b.end_key.is_empty() || a.start_key < b.end_key;
    begins_before_end(a, b) && begins_before_end(b, a)
}

fn range(region: &Region) -> String {
    let bound = |key: &[u8], none: &str| if key.is_empty() { none.to_owned() } else { text(key) };
    format!("{} to {}", bound(&region.start_key, "the start"), bound(&region.end_key, "the end"))
}
