//! `PeerStorage::append`: what a `Ready`'s entries do to the log on disk and in memory.

use proto::eraftpb::Entry;
use raft::Storage as _;

use crate::unit::fixture::desk::Desk;
use crate::unit::fixture::power::Tail;
use crate::unit::fixture::words::{entries, hard, ids, log, put_entry, raft_state, ready};
use crate::unit::{Check, Promise, ensure};

const WRITTEN: Promise = Promise::new(
    "2b-store.md#log",
    "all entries of a Ready are written, and found again: now, and after a restart",
    "what was acknowledged is gone",
);

/// Three entries in one `Ready`, one in the next.
pub fn entries_are_written() -> Check {
    let mut desk = Desk::new()?;
    let all = entries(6, &[6, 6, 6, 7]);
    desk.saves(&ready(Some(hard(6, 0, 5)), all[..3].to_vec()))?;
    desk.holds(&WRITTEN, &all[..3], "after entries 6, 7 and 8")?;
    desk.saves(&ready(Some(hard(7, 0, 5)), all[3..].to_vec()))?;
    desk.holds(&WRITTEN, &all, "after entry 9 as well")?;
    let on_disk = log(&desk.disks.raft.image());
    ensure!(WRITTEN, on_disk == all, "raftdb holds {}, not {}", ids(&on_disk), ids(&all));
    desk.reopens(Tail::Lost, Tail::Lost)?.holds(&WRITTEN, &all, "after a power cut")
}

const LAST_INDEX: Promise = Promise::new(
    "2b-store.md#log",
    "with the entries, the batch says where the log ends now",
    "a restart would not find the entries, though they are there",
);

/// The Raft state on disk.
pub fn last_index_is_saved() -> Check {
    let mut desk = Desk::new()?;
    desk.saves(&ready(Some(hard(6, 0, 5)), entries(6, &[6, 6, 6])))?;
    let last = raft_state(&desk.disks.raft.image()).last_index;
    ensure!(
        LAST_INDEX,
        last == 8,
        "entries up to 8 were saved; RaftLocalState on disk says last_index {last}"
    );
    desk.saves(&ready(Some(hard(7, 0, 5)), entries(7, &[7])))?;
    let last = raft_state(&desk.disks.raft.image()).last_index;
    ensure!(
        LAST_INDEX,
        last == 7,
        "then entry 7 was replaced, and ends the log; RaftLocalState on disk says last_index {last}"
    );
    Ok(())
}

const TAIL: Promise = Promise::new(
    "2b-store.md#log",
    "entries of the old log behind the last new one are deleted from disk, all of them",
    "after a restart, or behind the next append, entries that were never committed are in the log again",
);

/// New entries in place of the first, a middle, and the last entry of the old log.
pub fn old_tail_is_deleted() -> Check {
    let old = entries(6, &[6, 6, 6, 6, 6]);
    for (first, terms) in [(6, vec![7]), (7, vec![7, 7]), (8, vec![7]), (9, vec![7]), (10, vec![7])] {
        let mut desk = Desk::new()?;
        desk.saves(&ready(Some(hard(6, 0, 5)), old.clone()))?;
        let new = entries(first, &terms);
        desk.saves(&ready(Some(hard(7, 0, 5)), new.clone()))?;
        let kept = old.iter().filter(|entry| entry.index < first).cloned();
        let expected: Vec<Entry> = kept.chain(new.clone()).collect();
        let on_disk = log(&desk.disks.raft.image());
        ensure!(
            TAIL,
            on_disk == expected,
            "the log was {}, then came {}; raftdb holds {}",
            ids(&old),
            ids(&new),
            ids(&on_disk)
        );
        desk.holds(&TAIL, &expected, "after the conflict")?;
        desk.reopens(Tail::Lost, Tail::Lost)?.holds(
            &TAIL,
            &expected,
            "after the conflict and a power cut",
        )?;
    }
    Ok(())
}

const LAST_TERM: Promise = Promise::new(
    "2b-store.md#log",
    "the storage knows the term of the last entry as soon as the round is over",
    "the peer compares its log with a candidate's by a term of the past, and votes for one that lacks entries",
);

/// `term(last_index())`, after entries of higher terms.
pub fn last_term_moves() -> Check {
    let mut desk = Desk::new()?;
    let term = desk.term(5)?;
    ensure!(LAST_TERM, term == 5, "a new region's log ends with 5@5; term(5) is {term}");
    for (index, term) in [(6, 6), (7, 8), (7, 9), (8, 9)] {
        desk.saves(&ready(Some(hard(term, 0, 5)), entries(index, &[term])))?;
        let told = desk.term(index)?;
        ensure!(LAST_TERM, told == term, "entry {index}@{term} was saved; term({index}) is {told}");
    }
    Ok(())
}

const SAME: Promise = Promise::new(
    "2b-store.md#log",
    "entries read from memory are those on disk",
    "a follower would be sent, or the state machine given, what the log does not say any more",
);

/// With much, little and no room for entries in memory.
pub fn memory_agrees_with_the_disk() -> Check {
    for cache_bytes in [0, 200, 1 << 20] {
        let mut desk = Desk::with_cache(cache_bytes)?;
        let rounds = [entries(6, &[6, 6, 6, 6]), entries(10, &[6]), entries(8, &[7, 7]), entries(10, &[7])];
        let mut expected: Vec<Entry> = Vec::new();
        for round in rounds {
            expected.retain(|entry| entry.index < round[0].index);
            expected.extend(round.clone());
            let term = round[0].term;
            desk.saves(&ready(Some(hard(term, 0, 5)), round))?;
            desk.holds(&SAME, &expected, "read back")?;
        }
        for index in 6..=10 {
            let one = desk.storage.entries(index, index + 1, u64::MAX);
            let one = one.map_err(|error| SAME.broken(format!("entry {index} cannot be read: {error}")))?;
            let right = one == expected[index as usize - 6..][..1];
            ensure!(SAME, right, "entry {index} reads {}", ids(&one));
        }
    }
    Ok(())
}

const NOTHING: Promise = Promise::new(
    "2b-store.md#log",
    "without entries, the log stays as it is",
    "a heartbeat would cut off the log",
);

/// A `Ready` with a hard state only, and one with nothing at all.
pub fn no_entries_change_nothing() -> Check {
    let mut desk = Desk::new()?;
    let all = entries(6, &[6, 6]);
    desk.saves(&ready(Some(hard(6, 0, 5)), all.clone()))?;
    desk.saves(&ready(Some(hard(7, 0, 6)), Vec::new()))?;
    desk.holds(&NOTHING, &all, "after a Ready with a hard state only")?;
    desk.saves(&ready(None, Vec::new()))?;
    desk.holds(&NOTHING, &all, "after an empty Ready")?;
    desk.reopens(Tail::Lost, Tail::Lost)?.holds(&NOTHING, &all, "after that and a power cut")
}

const ITS_OWN: Promise = Promise::new(
    "2b-store.md#log",
    "a peer writes its entries under the keys of its own region",
    "regions on one store would overwrite each other's logs",
);

/// Only keys of region 7 change.
pub fn other_regions_are_left_alone() -> Check {
    use kv::raftstore::meta::{keys, states};
    let mut desk = Desk::new()?;
    let theirs = put_entry(6, 6, "k", "theirs");
    let mut batch = kv::engine::WriteBatch::new();
    for region in [6, 8, 101] {
        batch.put(kv::engine::Cf::Raft, keys::raft_log_key(region, 6), states::encode_entry(&theirs));
    }
    kv::engine::Engine::write(&*desk.disks.raft, batch).expect("this power is not cut");
    desk.saves(&ready(Some(hard(6, 0, 5)), entries(6, &[6, 6, 6])))?;
    desk.saves(&ready(Some(hard(7, 0, 5)), entries(6, &[7])))?;
    let image = desk.disks.raft.image();
    for region in [6, 8, 101] {
        let found: Vec<Entry> =
            (0..12).filter_map(|index| states::load_entry(&image, region, index).ok().flatten()).collect();
        let untouched = found == std::slice::from_ref(&theirs);
        ensure!(ITS_OWN, untouched, "the log of region {region} was [6@6], and now is {}", ids(&found));
    }
    Ok(())
}
