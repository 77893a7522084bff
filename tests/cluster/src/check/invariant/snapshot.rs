//! S10: a snapshot stands for what was committed up to its index, and takes the region there as a whole.

use ::kv::raftstore::StoreId;
use proto::eraftpb::MessageType;
use proto::raft_serverpb::RaftMessage;

use super::super::rules::SNAPSHOT;
use super::super::world::World;
use super::super::{Verdict, ensure};
use super::Case;

/// `store` sends `message`: a snapshot must be of its own past.
pub fn on_send(world: &mut World, store: StoreId, message: &RaftMessage) -> Verdict {
    let region_id = message.region_id;
    let Some(message) =
        message.message.as_ref().filter(|message| message.msg_type() == MessageType::MsgSnapshot)
    else {
        return Ok(());
    };
    let meta = message.snapshot.as_ref().and_then(|snapshot| snapshot.metadata.clone()).unwrap_or_default();
    let applied = world.store(store).states(region_id).applied();
    let Some(group) = world.ghost.groups.get(&region_id) else { return Ok(()) };
    let term = group.term(meta.index);
    let told = |what: String| {
        format!(
            "Store {store} sends a snapshot of region {region_id} at index {} of term {}, {what}",
            meta.index, meta.term
        )
    };
    ensure(meta.index <= applied, &SNAPSHOT, store, || told(format!("and has applied only {applied}")))?;
    ensure(term.is_none_or(|term| term == meta.term), &SNAPSHOT, store, || {
        told(format!("where the committed entry is of term {}", term.unwrap_or_default()))
    })
}

/// The states of a region, or its data, have changed.
pub fn on_write(world: &mut World, case: &Case<'_>) -> Verdict {
    let Case { old, new, .. } = *case;
    match (old.is_applying(), new.is_applying()) {
        (false, true) => begun(world, case),
        (true, true) if new.applied() > old.applied() && new.truncated().index == new.applied() => {
            begun(world, case)
        }
        (true, true) => ensure(new.apply == old.apply, &SNAPSHOT, case.store, || {
            format!(
                "Store {} applies entries of region {} up to {} while its data is half that of a snapshot at index {}",
                case.store,
                case.region_id,
                new.applied(),
                old.applied()
            )
        }),
        (true, false) if new.is_normal() => finished(world, case),
        _ => Ok(()),
    }
}

fn begun(world: &mut World, case: &Case<'_>) -> Verdict {
    let Case { store, region_id, old, new, .. } = *case;
    let now = world.now;
    world.store(store).installed.insert(region_id, now);
    let (applied, truncated) = (new.applied(), new.truncated());
    let told = |what: &str| {
        format!(
            "Store {store} begins to install a snapshot of region {region_id} at index {applied} (term {}), {what}",
            truncated.term
        )
    };
    ensure(applied > old.applied(), &SNAPSHOT, store, || {
        told(&format!("and has applied {}", old.applied()))
    })?;
    ensure(truncated.index == applied, &SNAPSHOT, store, || {
        told(&format!("and says that the log begins behind {}", truncated.index))
    })?;
    ensure(new.snapshot.is_some(), &SNAPSHOT, store, || {
        told(
            "without its Raft state in the same batch: if raftdb loses what follows, the store can neither finish nor go back",
        )
    })?;
    let group = world.ghost.groups.get(&region_id);
    let term = group.and_then(|group| group.term(applied));
    ensure(term.is_none_or(|term| term == truncated.term), &SNAPSHOT, store, || {
        told(&format!("where the committed entry is of term {}", term.unwrap_or_default()))
    })
}

fn finished(world: &mut World, case: &Case<'_>) -> Verdict {
    let Case { store, region_id, new, .. } = *case;
    let index = new.applied();
    let expected = world.ghost.groups.get(&region_id).and_then(|group| group.digest_at(index));
    let found = world.store(store).kv.digest(region_id);
    ensure(expected.is_none_or(|expected| expected == found), &SNAPSHOT, store, || {
        format!(
            "Store {store} has installed a snapshot of region {region_id} at index {index}, and the data is not what the log says \
             there: something is missing, or is left over from before"
        )
    })
}
