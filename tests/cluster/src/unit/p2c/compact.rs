//! Compacting the log: when, how far, and in which order entries go.

use std::sync::Arc;

use kv::config::RaftStoreConfig;
use kv::engine::{Cf, Engine as _, Op, WriteBatch};
use kv::raftstore::context::{Fatal, Observer, PeerStatus, StoreEvent};
use kv::raftstore::meta::{keys, states};
use kv::raftstore::operation::compact_log::{LogExtent, compact_index};
use kv::raftstore::runner::RaftLogGcRunner;
use kv::raftstore::task::RaftLogGcTask;
use kv::worker::Runnable as _;
use proto::eraftpb::Entry;
use proto::raft_serverpb::{RaftApplyState, RaftTruncatedState};

use crate::unit::fixture::power::{Db, Deed, Disks, Tail};
use crate::unit::fixture::store::{Setup, Store};
use crate::unit::fixture::words::{
    INIT, REGION, apply_state, command, compact_log, data, entries, entry, ids, log, pairs, put,
    put_apply_state, truncated,
};
use crate::unit::{Check, Promise, ensure, story};

const WHEN: Promise = Promise::new(
    "2c-store.md#compact",
    "the log is compacted behind everybody's back when it is over a limit, behind nobody's when it is over the threshold, \
     and else not at all; never beyond what is applied, and never all of it",
    "the disk fills, or followers need a snapshot for every pause, or entries go that nobody has applied",
);

/// Extents of a log, and what is to be done.
pub fn when_and_how_far_by_the_table() -> Check {
    let config = RaftStoreConfig {
        raft_log_gc_threshold: 10,
        raft_log_gc_count_limit: 100,
        raft_log_gc_bytes_limit: 5_000,
        ..RaftStoreConfig::default()
    };
    let some = Some;
    // First entry, held by all, applied, bytes; up to where.
    let table = [
        ((6, 6, 6, 0), None),
        ((6, 16, 16, 0), None),
        ((6, 17, 17, 0), some(16)),
        ((6, 40, 50, 0), some(39)),
        ((6, 50, 40, 0), some(39)),
        ((6, 0, 50, 0), None),
        ((6, 12, 50, 0), None),
        ((6, 0, 105, 0), None),
        ((6, 0, 106, 0), some(105)),
        ((6, 0, 300, 0), some(299)),
        ((6, 280, 300, 0), some(299)),
        ((6, 0, 50, 4_999), None),
        ((6, 0, 50, 5_000), some(49)),
        ((6, 30, 50, 9_000), some(49)),
        ((6, 0, 6, 9_000), None),
        ((6, 0, 7, 9_000), some(6)),
        ((6, 0, 5, 9_000), None),
        ((106, 120, 300, 0), some(299)),
        ((206, 217, 300, 0), some(216)),
        ((206, 216, 300, 0), None),
    ];
    for ((first_index, replicated_index, applied_index, bytes), expected) in table {
        let extent = LogExtent { first_index, replicated_index, applied_index, bytes };
        let told = compact_index(&extent, &config);
        ensure!(
            WHEN,
            told == expected,
            "threshold 10 entries, limits 100 entries and 5000 bytes; {extent:?}: {told:?}, not {expected:?}"
        );
    }
    Ok(())
}

/// A follower with entries 6 to `last` of term 6 and commands behind them, all committed.
fn follower(last: u64, commands: &[(u64, u64)]) -> Check<Store> {
    let mut store = Setup::new(3).follower()?;
    let mut all = entries(6, &vec![6; last as usize - 5]);
    for &(index, term) in commands {
        story::note(format!("entry {} is CompactLog up to {index}@{term}", all.len() as u64 + 6));
        all.push(entry(all.len() as u64 + 6, 6, &compact_log(index, term)));
    }
    store.is_sent(6, (INIT, 5), &all, 5 + all.len() as u64);
    store.runs()?;
    Ok(store)
}

const EVERYWHERE: Promise = Promise::new(
    "2c-store.md#compact",
    "every peer that applies CompactLog moves its truncated state to the index and term of the command; then entries up to \
     there go from disk, and no others",
    "the log grows for ever, or the next append is refused for a term that nobody knows",
);

/// One command, and the state, the log and the disk after it.
pub fn compact_log_truncates() -> Check {
    let store = follower(12, &[(9, 6)])?;
    let state = apply_state(&store.data());
    ensure!(
        EVERYWHERE,
        truncated(&state) == (9, 6),
        "CompactLog up to 9@6; on disk truncated is {:?}",
        truncated(&state)
    );
    ensure!(
        EVERYWHERE,
        state.applied_index == 13,
        "entry 13 is applied; on disk it says {}",
        state.applied_index
    );
    let on_disk = log(&store.disks.raft.image());
    let kept: Vec<u64> = on_disk.iter().map(|entry| entry.index).collect();
    ensure!(
        EVERYWHERE,
        kept == [10, 11, 12, 13],
        "the log was 6 to 13, compacted up to 9; raftdb holds {}",
        ids(&on_disk)
    );
    let first = store.status().map_or(0, |status| status.raft.first_index);
    ensure!(EVERYWHERE, first == 10, "compacted up to 9; Raft's first index is {first}");
    for tail in Tail::ALL {
        let mut reborn = store.reborn(Tail::Lost, tail)?;
        reborn.is_sent(6, (13, 6), &entries(14, &[6]), 14);
        reborn.runs()?;
        let found = data(&reborn.data(), Cf::Default);
        ensure!(
            EVERYWHERE,
            found == pairs(&[("k", "14@6")]),
            "after a power cut and entry 14 the data is {found:?}"
        );
    }
    Ok(())
}

const FORWARD: Promise = Promise::new(
    "2c-store.md#compact",
    "the truncated index never moves back, nor beyond what is applied, and never without a term: such a command changes \
     nothing",
    "a peer claims entries that are deleted, or loses entries that it has not applied",
);

/// Commands that come too late, or cannot be.
pub fn truncated_index_never_moves_back() -> Check {
    for late in [(7, 6), (9, 6), (5, 5), (1, 5), (40, 6), (11, 0)] {
        let store = follower(12, &[(9, 6), late])?;
        let state = apply_state(&store.data());
        ensure!(
            FORWARD,
            truncated(&state) == (9, 6) && state.applied_index == 14,
            "compacted up to 9@6, then CompactLog up to {}@{} as entry 14: truncated {:?}, applied {}",
            late.0,
            late.1,
            truncated(&state),
            state.applied_index
        );
        store.reborn(Tail::Lost, Tail::Kept)?;
    }
    let store = follower(12, &[(8, 6), (10, 6)])?;
    let state = apply_state(&store.data());
    ensure!(
        FORWARD,
        truncated(&state) == (10, 6),
        "up to 8, then up to 10: truncated is {:?}",
        truncated(&state)
    );
    Ok(())
}

const SYNCED: Promise = Promise::new(
    "2c-store.md#compact",
    "an entry is deleted only after kvdb has been synced with all that the entry, and the truncated state, have changed",
    "the log is kvdb's redo log: a power cut takes the data back, and the entries are gone",
);

/// Reads along what is written and synced, in order.
pub fn kvdb_is_synced_before_entries_go() -> Check {
    let store = follower(12, &[(9, 6)])?;
    let (mut written, mut synced) = (RaftApplyState::default(), RaftApplyState::default());
    let mut deleted = 0;
    for deed in store.disks.power.deeds() {
        match deed {
            Deed::Wrote(Db::Kv, batch) => written = put_apply_state(&batch).unwrap_or(written),
            Deed::Synced(Db::Kv) => synced = written,
            Deed::Wrote(Db::Raft, batch) => {
                for index in deleted_entries(&batch) {
                    deleted += 1;
                    let durable = index <= truncated(&synced).0 && index <= synced.applied_index;
                    ensure!(
                        SYNCED,
                        durable,
                        "entry {index} was deleted; kvdb was durable with applied index {}, truncated index {}",
                        synced.applied_index,
                        truncated(&synced).0
                    );
                }
            }
            Deed::Synced(Db::Raft) => {}
        }
    }
    ensure!(SYNCED, deleted >= 4, "the log was compacted up to 9, and {deleted} entries were deleted");
    Ok(())
}

fn deleted_entries(batch: &WriteBatch) -> Vec<u64> {
    let deleted = |index: &u64| {
        let key = keys::raft_log_key(REGION, *index);
        batch.ops().iter().any(|op| matches!(op, Op::Delete { key: other, .. } if *other == key))
    };
    (0..40).filter(deleted).collect()
}

const REMEMBERS: Promise = Promise::new(
    "2c-store.md#compact",
    "with the entries it is written, in the same batch, up to where they are deleted",
    "the next deletion begins at 1 again, and reads its way through all that was ever deleted",
);

/// The deleted index, in the batch that deletes the last entry.
pub fn deleted_index_is_kept() -> Check {
    let store = follower(12, &[(9, 6)])?;
    let mut told = 0;
    for deed in store.disks.power.deeds() {
        let Deed::Wrote(Db::Raft, batch) = deed else { continue };
        let mut image = crate::disk::Image::default();
        image.write(&batch);
        told = told.max(states::load_raft_gc_index(&image, REGION).unwrap_or(0));
        let last = deleted_entries(&batch).into_iter().max().unwrap_or(0);
        ensure!(REMEMBERS, told >= last, "a batch deletes up to {last}; the deleted index is {told}");
    }
    ensure!(REMEMBERS, told == 9, "entries up to 9 are deleted; the deleted index on disk is {told}");
    Ok(())
}

struct Deaf;

impl Observer for Deaf {
    fn on_event(&self, _: StoreEvent) {}

    fn on_peer(&self, _: PeerStatus) {}
}

const WORKER: Promise = Promise::new(
    "2c-store.md#compact",
    "the worker deletes the entries below its task's end, but none that the truncated state in kvdb does not cover",
    "a task that comes late, or is wrong, takes entries that are still needed",
);

/// The worker alone, with tasks that want more and less than is truncated.
pub fn worker_deletes_no_more_than_it_may() -> Check {
    let log_of = |last: u64| -> Vec<Entry> { entries(6, &vec![6; last as usize - 5]) };
    for (last, covered, ends, kept_from) in [
        (20, 10, vec![11], 11),
        (20, 10, vec![16], 11),
        (20, 10, vec![8], 8),
        (20, 10, vec![8, 11, 9], 11),
        (1500, 1400, vec![1401], 1401),
    ] {
        let disks = Disks::new();
        let (mut raft, mut kv) = (WriteBatch::new(), WriteBatch::new());
        for entry in log_of(last) {
            raft.put(Cf::Raft, keys::raft_log_key(REGION, entry.index), states::encode_entry(&entry));
        }
        let state = RaftApplyState {
            applied_index: last,
            truncated_state: Some(RaftTruncatedState { index: covered, term: 6 }),
        };
        kv.put_msg(Cf::Raft, keys::apply_state_key(REGION), &state);
        let written = disks.raft.write(raft).and_then(|()| disks.kv.write(kv));
        written.expect("this power is not cut");
        let fatal = Arc::new(Fatal::new(Arc::new(Deaf)));
        let mut worker = RaftLogGcRunner::new(disks.engines(), Arc::new(Deaf), fatal);
        for &end_index in &ends {
            worker.run(RaftLogGcTask { region_id: REGION, end_index });
        }
        let left = log(&disks.raft.image());
        let right = left.first().is_some_and(|entry| entry.index == kept_from)
            && left.last().is_some_and(|entry| entry.index == last)
            && left.len() as u64 == last + 1 - kept_from;
        let (from, to) =
            (left.first().map_or(0, |entry| entry.index), left.last().map_or(0, |entry| entry.index));
        ensure!(
            WORKER,
            right,
            "a log of 6 to {last}, truncated at {covered}, tasks up to (not including) {ends:?}: left are {} entries, \
             from {from} to {to}",
            left.len()
        );
    }
    Ok(())
}

const BY_ITSELF: Promise = Promise::new(
    "2c-store.md#compact",
    "a leader whose followers have everything compacts its log by itself, in the end",
    "the disk fills",
);

/// Puts, ticks, and followers that keep up.
pub fn leader_compacts_by_itself() -> Check {
    let mut setup = Setup::new(3);
    setup.config.raft_log_gc_ticks = 2;
    setup.config.raft_log_gc_threshold = 5;
    let mut store = setup.serving()?;
    for n in 0..12 {
        store.is_asked(command(&[put("k", &n.to_string())]));
        store.replicates()?;
    }
    for _ in 0..12 {
        store.ticks(1)?;
        store.replicates()?;
    }
    let (index, _) = truncated(&apply_state(&store.data()));
    let left = log(&store.disks.raft.image());
    ensure!(
        BY_ITSELF,
        index > 8 && left.iter().all(|entry| entry.index > index),
        "13 entries, all followers have them, threshold 5, a look every 2 ticks, 12 ticks: truncated is {index}, raftdb \
         holds {}",
        ids(&left)
    );
    Ok(())
}
