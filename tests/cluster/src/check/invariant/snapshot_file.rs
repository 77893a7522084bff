//! S11: a snapshot file stays as long as it is needed.

use ::kv::raftstore::StoreId;

use super::super::observe::{FileEvent, SnapshotFile};
use super::super::rules::SNAPSHOT_FILE;
use super::super::world::World;
use super::super::{Verdict, ensure};

/// Something happens to `file` on `store`.
pub fn on_event(world: &mut World, store: StoreId, file: SnapshotFile, event: FileEvent) -> Verdict {
    let view = world.store(store);
    match event {
        FileEvent::Opened => *view.open_files.entry(file).or_default() += 1,
        FileEvent::Closed => {
            if let Some(count) = view.open_files.get_mut(&file) {
                *count = count.saturating_sub(1);
            }
        }
        FileEvent::Deleted => return deleted(world, store, file),
    }
    Ok(())
}

fn deleted(world: &mut World, store: StoreId, file: SnapshotFile) -> Verdict {
    let view = world.store(store);
    let SnapshotFile { region_id, term, index, received } = file;
    let told = |why: &str| {
        let kind = if received { "received" } else { "generated" };
        format!(
            "Store {store} deletes the {kind} snapshot of region {region_id} at index {index} (term {term}), {why}"
        )
    };
    let readers = view.open_files.get(&file).copied().unwrap_or_default();
    ensure(readers == 0, &SNAPSHOT_FILE, store, || told("which is being read"))?;
    let waiting = view.durable_kv.get(&region_id).filter(|states| states.is_applying());
    let is_needed = received && waiting.is_some_and(|states| states.applied() == index);
    ensure(!is_needed, &SNAPSHOT_FILE, store, || {
        told("and what is safe in its kvdb still says that it must be installed")
    })
}
