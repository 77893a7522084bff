//! Commands and their answers: S12 exactly one, S13 a true one, S14 and S15 what reads show.

use ::kv::engine::{Cf, Read};
use ::kv::raftstore::StoreId;
use ::kv::raftstore::msg::{CmdResult, Dropped, RegionSnapshot};
use ::raft::Index;
use bytes::Bytes;
use proto::errorpb;
use proto::metapb::Region;
use proto::raft_cmdpb::{CmdType, RaftCmdRequest};

use super::super::ghost::{Command, End, Group};
use super::super::history::{DataKey, milliseconds, value_text};
use super::super::model::{Digest, data_key, pair_digest};
use super::super::observe::CommandId;
use super::super::rules::{ANSWER_TRUE, ANSWERED_ONCE, READ_FRESH, READ_STATE};
use super::super::world::World;
use super::super::{Verdict, ensure};
use super::fail_stop;

/// The contents of a snapshot are compared only while a store holds at most so many pairs.
const PAIRS_MAX: usize = 512;

/// `store` is given a command.
pub fn on_command(world: &mut World, store: StoreId, id: CommandId, request: &RaftCmdRequest) {
    let region_id = request.header.as_ref().map_or(0, |header| header.region_id);
    let group = world.ghost.groups.get(&region_id);
    let fresh = group.map_or(0, |group| if world.lease_reads { group.shown } else { group.commit() });
    let is_read = |kind: CmdType| matches!(kind, CmdType::Get | CmdType::Snap);
    let reads =
        request.admin_request.is_none() && request.requests.iter().all(|request| is_read(request.cmd_type()));
    let request = request.clone();
    world
        .ghost
        .commands
        .insert(id, Command { store, region_id, at: world.now, fresh, reads, request, end: None });
}

/// `store` answers the command `id`, or has dropped its callback.
pub fn on_answer(
    world: &mut World,
    store: StoreId,
    id: CommandId,
    result: Result<&CmdResult, Dropped>,
) -> Verdict {
    let Some(command) = world.ghost.commands.get_mut(&id) else { return Ok(()) };
    let view = world.stores.entry(store).or_default();
    let is_up = view.is_running && view.failed.is_none();
    // Nobody can tell any more what became of a command whose entry a snapshot stands for.
    let is_covered = view.installed.get(&command.region_id).is_some_and(|&at| at >= command.at);
    let told = tell(command);
    if command.end.is_some() {
        let is_lost = command.end == Some(End::Open);
        return ensure(is_lost, &ANSWERED_ONCE, store, || {
            format!("Store {store} answers {told} a second time")
        });
    }
    let Ok(result) = result else {
        command.end = Some(End::Open);
        return ensure(!is_up || is_covered, &ANSWERED_ONCE, store, || {
            format!("Store {store} drops {told} without an answer, and goes on running")
        });
    };
    let error = result.response.header.as_ref().and_then(|header| header.error.as_ref());
    let Some(error) = error else {
        command.end = Some(End::Done);
        let command = command.clone();
        fail_stop::on_success(world, store)?;
        return match command.reads {
            true => read(world, store, id, &command, result),
            false => written(world, store, id, &command),
        };
    };
    let kind = kind(error).filter(|&kind| {
        kind != "RegionNotFound" || !world.ghost.tombstones.contains_key(&(store, command.region_id))
    });
    command.end = Some(kind.map_or(End::Open, |kind| End::Refused(kind.to_owned())));
    let reads = command.reads;
    ensure(kind.is_some() || !error.message.is_empty(), &ANSWERED_ONCE, store, || {
        format!("Store {store} answers {told} with an error that says nothing")
    })?;
    let place = world.ghost.places.get(&id).filter(|_| kind.is_some() && !reads);
    ensure(place.is_none(), &ANSWER_TRUE, store, || {
        format!(
            "Store {store} answers {told} with \"{}\", which promises that it has no effect; it has taken effect at index {}",
            kind.unwrap_or_default(),
            place.map_or(0, |&(_, index)| index)
        )
    })
}

/// Every command has been answered.
pub fn at_end(world: &mut World) -> Verdict {
    for command in world.ghost.commands.values().filter(|command| command.end.is_none()) {
        let store = command.store;
        let is_up = world.stores.get(&store).is_some_and(|view| view.is_running && view.failed.is_none());
        ensure(!is_up, &ANSWERED_ONCE, store, || {
            format!("Store {store} has never answered {}", tell(command))
        })?;
    }
    Ok(())
}

fn tell(command: &Command) -> String {
    let kind = if command.reads { "a read" } else { "a write" };
    format!("{kind} of region {} that it was given at {}", command.region_id, milliseconds(command.at))
}

/// The errors that promise that the command has no effect, now or later.
fn kind(error: &errorpb::Error) -> Option<&'static str> {
    let kinds = [
        ("NotLeader", error.not_leader.is_some()),
        ("RegionNotFound", error.region_not_found.is_some()),
        ("KeyNotInRegion", error.key_not_in_region.is_some()),
        ("EpochNotMatch", error.epoch_not_match.is_some()),
        ("ServerIsBusy", error.server_is_busy.is_some()),
        ("StaleCommand", error.stale_command.is_some()),
        ("StoreNotMatch", error.store_not_match.is_some()),
        ("RaftEntryTooLarge", error.raft_entry_too_large.is_some()),
        ("ReadIndexNotReady", error.read_index_not_ready.is_some()),
        ("RegionNotInitialized", error.region_not_initialized.is_some()),
        ("DiskFull", error.disk_full.is_some()),
    ];
    kinds.into_iter().find(|&(_, is)| is).map(|(kind, _)| kind)
}

/// A write was answered with success.
fn written(world: &mut World, store: StoreId, id: CommandId, command: &Command) -> Verdict {
    let region_id = command.region_id;
    let applied = world.store(store).states(region_id).applied();
    let told = tell(command);
    let Some(&(_, index)) = world.ghost.places.get(&id) else {
        return ensure(false, &ANSWER_TRUE, store, || {
            format!(
                "Store {store} answers {told} with success, and no entry that any store has applied (up to index {applied} here) \
                 gives it effect"
            )
        });
    };
    if let Some(group) = world.ghost.groups.get_mut(&region_id) {
        group.shown = group.shown.max(index);
    }
    ensure(index <= applied, &ANSWER_TRUE, store, || {
        format!(
            "Store {store} answers {told} with success; it stands at index {index}, and here only {applied} is applied"
        )
    })
}

/// A read was answered.
fn read(world: &mut World, store: StoreId, id: CommandId, command: &Command, result: &CmdResult) -> Verdict {
    let region_id = command.region_id;
    let view = world.stores.entry(store).or_default();
    let applied = view.states(region_id).applied();
    let Some(group) = world.ghost.groups.get_mut(&region_id) else { return Ok(()) };
    // A read that went through the log sees all that stands before it there.
    let place = world.ghost.places.get(&id).map_or(0, |&(_, index)| index);
    let (fresh, why) = match place > command.fresh {
        true => (place, format!("it stands at index {place} of the log")),
        false => {
            (command.fresh, format!("index {} was known to be committed when it was asked", command.fresh))
        }
    };
    let window = Window { store, told: tell(command), fresh, why, applied };
    ensure(applied >= fresh, &READ_FRESH, store, || {
        format!("Store {store} answers {}, and has applied only index {applied}; {}", window.told, window.why)
    })?;
    for (request, response) in command.request.requests.iter().zip(&result.response.responses) {
        let Some(key) = request.get.as_ref().and_then(|get| data_key(&get.cf, &get.key)) else { continue };
        let value = response.get.as_ref().map(|get| get.value.clone()).unwrap_or_default();
        get(group, &window, &key, &value)?;
    }
    let snaps = command.request.requests.iter().any(|request| request.cmd_type() == CmdType::Snap);
    match &result.snapshot {
        _ if !snaps => Ok(()),
        Some(snapshot) => {
            let is_small = view.kv.data.len() <= PAIRS_MAX;
            let held = view.states(region_id).held().cloned();
            snap(group, &window, snapshot, held.as_ref(), is_small)
        }
        None => ensure(false, &READ_STATE, store, || {
            format!("Store {store} answers {} without a snapshot", window.told)
        }),
    }
}

/// What a read may show: the states from `fresh` to `applied`.
struct Window {
    store: StoreId,
    told: String,
    fresh: Index,
    /// Why not less.
    why: String,
    applied: Index,
}

impl Window {
    /// The earliest state within the window that fits; otherwise the latest one before it.
    fn find(&self, base: Index, fits: impl Fn(Index) -> bool) -> Result<Index, Option<Index>> {
        let within = (self.fresh.max(base)..=self.applied).find(|&index| fits(index));
        within.ok_or_else(|| (base..self.fresh).rev().find(|&index| fits(index)))
    }

    fn stale(&self, what: &str, index: Index) -> Verdict {
        ensure(false, &READ_FRESH, self.store, || {
            format!(
                "Store {} answers {} with {what}, as of index {index}; {}",
                self.store, self.told, self.why
            )
        })
    }
}

fn get(group: &mut Group, window: &Window, key: &DataKey, value: &Bytes) -> Verdict {
    // On the wire an absent value and an empty one are the same.
    let at = |index: Index| group.model.at(key, index).cloned().unwrap_or_default();
    match window.find(group.base, |index| at(index) == *value) {
        Ok(index) => group.shown = group.shown.max(index),
        Err(Some(index)) => return window.stale(&format!("{key} = {}", value_text(Some(value))), index),
        Err(None) => {
            let seen = format!(
                "Store {} answers {} with {key} = {}, and the key never had that value",
                window.store,
                window.told,
                value_text(Some(value))
            );
            return ensure(false, &READ_STATE, window.store, || seen);
        }
    }
    Ok(())
}

fn snap(
    group: &mut Group,
    window: &Window,
    snapshot: &RegionSnapshot,
    held: Option<&Region>,
    is_small: bool,
) -> Verdict {
    let Window { store, told, .. } = window;
    let same = held.is_none_or(|held| {
        (&held.start_key, &held.end_key, held.region_epoch)
            == (&snapshot.region.start_key, &snapshot.region.end_key, snapshot.region.region_epoch)
    });
    ensure(same, &READ_STATE, *store, || {
        format!("Store {store} answers {told} with a snapshot of another range or epoch than the region's")
    })?;
    if !is_small {
        return Ok(());
    }
    let digest = match contents(snapshot) {
        Ok(digest) => digest,
        Err(what) => {
            return ensure(false, &READ_STATE, *store, || format!("Store {store} answers {told}: {what}"));
        }
    };
    match window.find(group.base, |index| group.digest_at(index) == Some(digest)) {
        Ok(index) => group.shown = group.shown.max(index),
        Err(Some(index)) => return window.stale("a snapshot", index),
        Err(None) => {
            return ensure(false, &READ_STATE, *store, || {
                format!("Store {store} answers {told} with a snapshot that shows a state which never was")
            });
        }
    }
    Ok(())
}

/// Digest of the pairs of the region in a snapshot.
fn contents(snapshot: &RegionSnapshot) -> Result<Digest, String> {
    use std::ops::Bound::{Excluded, Included, Unbounded};
    let region = &snapshot.region;
    let end = if region.end_key.is_empty() { Unbounded } else { Excluded(&region.end_key[..]) };
    let data: &dyn Read = &*snapshot.snapshot;
    let mut digest: Digest = 0;
    for cf in Cf::DATA {
        for pair in data.range(cf, Included(&region.start_key[..]), end).map_err(|error| error.to_string())? {
            let (key, value) = pair.map_err(|error| error.to_string())?;
            digest = digest.wrapping_add(pair_digest(&DataKey { cf, key }, &value));
        }
    }
    Ok(digest)
}
