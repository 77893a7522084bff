//! Committed entries become data, each once, and whoever waits is told.

use std::sync::{Arc, Mutex};

use kv::engine::{Cf, Op};
use kv::raftstore::msg::{Callback, Proposal};
use kv::raftstore::proposals::PendingProposals;
use proto::eraftpb::Entry;
use raft_tests::unit::msg;

use crate::unit::fixture::ask::Answer;
use crate::unit::fixture::power::{Db, Deed, Tail};
use crate::unit::fixture::store::Setup;
use crate::unit::fixture::words::{
    INIT, ME, TWO, apply_state, command, data, entry, ids, log, pairs, put, put_entry,
};
use crate::unit::{Check, Promise, ensure};

const TOGETHER: Promise = Promise::new(
    "2b-store.md#apply",
    "the data of an entry and the applied index that includes it are in one batch",
    "a power cut between the two has entries applied twice, or never",
);

/// Six puts of one key, applied in some rounds; then the power goes, at every place between two batches.
pub fn data_and_applied_index_survive_together() -> Check {
    for commits in [vec![11], vec![8, 11], (6..=11).collect()] {
        let mut store = Setup::new(3).follower()?;
        store.disks.power.forget();
        let puts: Vec<Entry> = (6..=11).map(|index| put_entry(index, 6, "k", &index.to_string())).collect();
        store.is_sent(6, (INIT, 5), &puts, INIT);
        store.runs()?;
        for commit in commits {
            store.hears(msg::heartbeat(TWO, ME, 6, commit));
            store.runs()?;
        }
        let tail = store.disks.kv.unsynced();
        for keep in 0..=tail {
            let mut disk = store.disks.kv.disk();
            disk.lose_power(keep);
            let image = disk.image();
            let (applied, found) = (apply_state(&image).applied_index, data(&image, Cf::Default));
            let value = applied.to_string();
            let expected = if applied > INIT { pairs(&[("k", &value)]) } else { pairs(&[]) };
            ensure!(
                TOGETHER,
                found == expected,
                "entries 6 to 11 put their index; a power cut kept {keep} of {tail} batches: applied index {applied}, \
                 data {found:?}"
            );
        }
    }
    Ok(())
}

const WRITTEN: Promise = Promise::new(
    "2b-store.md#apply",
    "the applied index on disk moves with every entry, also with one that has no data",
    "after a restart everything since the beginning is applied again",
);

/// A put, the empty entry of a new leader, a put.
pub fn applied_index_moves_with_every_entry() -> Check {
    let mut store = Setup::new(3).follower()?;
    let empty = |index, term| Entry { index, term, ..Entry::default() };
    let log = [put_entry(6, 6, "a", "1"), empty(7, 7), put_entry(8, 7, "b", "2"), empty(9, 8)];
    store.is_sent(8, (INIT, 5), &log, INIT);
    store.runs()?;
    for commit in 6..=9 {
        store.hears(msg::heartbeat(TWO, ME, 8, commit));
        store.runs()?;
        let on_disk = apply_state(&store.data()).applied_index;
        ensure!(
            WRITTEN,
            on_disk == commit,
            "entry {commit} of {} is applied; on disk it says {on_disk}",
            ids(&log)
        );
        let known = store.applied();
        ensure!(
            WRITTEN,
            known == commit,
            "entry {commit} of {} is applied; its peer knows of {known}",
            ids(&log)
        );
    }
    let found = data(&store.data(), Cf::Default);
    ensure!(WRITTEN, found == pairs(&[("a", "1"), ("b", "2")]), "the data is {found:?}");
    Ok(())
}

const NOT_TWICE: Promise = Promise::new(
    "2b-store.md#apply",
    "what is applied is not applied again by a restart, and what a power cut took from the data is",
    "a read sees the data half-way through its past, or without what was acknowledged",
);

/// A restart without loss writes no data; one that lost kvdb's tail writes what is missing.
pub fn restart_applies_what_is_missing() -> Check {
    let mut store = Setup::new(1).serving()?;
    for n in 1..=5 {
        store.is_asked(command(&[put("k", &n.to_string())]));
        store.runs()?;
    }
    let reborn = store.reborn(Tail::Kept, Tail::Kept)?;
    let writes = |deed: &Deed| match deed {
        Deed::Wrote(Db::Kv, batch) => {
            batch.ops().iter().any(|op| matches!(op, Op::Put { cf: Cf::Default, .. }))
        }
        _ => false,
    };
    let again = reborn.disks.power.deeds().iter().filter(|deed| writes(deed)).count();
    ensure!(NOT_TWICE, again == 0, "nothing was lost, and the restart wrote data in {again} batches");
    for kv in [Tail::Lost, Tail::First] {
        let mut reborn = store.reborn(Tail::Kept, kv)?;
        reborn.wins()?;
        reborn.runs()?;
        let found = data(&reborn.data(), Cf::Default);
        ensure!(
            NOT_TWICE,
            found == pairs(&[("k", "5")]),
            "five puts were acknowledged; the data is {found:?}"
        );
    }
    Ok(())
}

const IN_ORDER: Promise = Promise::new(
    "2b-store.md#apply",
    "what an entry has put stays put until a later entry changes it",
    "old values come back over newer ones",
);

/// Looks at the data after every batch.
pub fn old_values_do_not_come_back() -> Check {
    let mut store = Setup::new(3).follower()?;
    let puts: Vec<Entry> = (6..=11).map(|index| put_entry(index, 6, "k", &index.to_string())).collect();
    store.disks.power.forget();
    store.is_sent(6, (INIT, 5), &puts, INIT);
    store.runs()?;
    for commit in 6..=11 {
        store.hears(msg::heartbeat(TWO, ME, 6, commit));
        store.runs()?;
    }
    let mut last = 0;
    for deed in store.disks.power.deeds() {
        let Deed::Wrote(Db::Kv, batch) = deed else { continue };
        for op in batch.ops() {
            let Op::Put { cf: Cf::Default, value, .. } = op else { continue };
            let value: u64 = String::from_utf8_lossy(value).parse().unwrap_or(0);
            ensure!(
                IN_ORDER,
                value > last,
                "entries put 6, 7, .. 11, in this order; {value} was written after {last}"
            );
            last = value;
        }
    }
    Ok(())
}

const OVERWRITTEN: Promise = Promise::new(
    "2b-store.md#apply",
    "a command whose entry was overwritten by another leader's is answered with StaleCommand",
    "the client waits for its timeout; or it is told that a write succeeded that does not exist",
);

/// A leader proposes three commands, is deposed before anybody has heard of them, and gets other entries in their place.
pub fn overwritten_commands_are_stale() -> Check {
    for theirs in 1..=4 {
        let mut store = Setup::new(3).serving()?;
        let (term, base) = (store.term(), store.last_index());
        let asks = [1, 2, 3].map(|n| store.is_asked(command(&[put("mine", &n.to_string())])));
        store.runs()?;
        let new: Vec<Entry> =
            (0..theirs).map(|n| put_entry(base + 1 + n, term + 1, "theirs", &n.to_string())).collect();
        store.is_sent(term + 1, (base, term), &new, base + theirs);
        store.runs()?;
        for (n, ask) in (1..=3).zip(&asks) {
            ensure!(
                OVERWRITTEN,
                ask.is_stale(),
                "commands 1 to 3 of term {term} were overwritten by {} of term {}, which {} applied; command {n} heard {}",
                ids(&new),
                term + 1,
                if theirs == 1 { "is" } else { "are" },
                ask.describe()
            );
        }
        let last = (theirs - 1).to_string();
        let found = data(&store.data(), Cf::Default);
        ensure!(OVERWRITTEN, found == pairs(&[("theirs", &last)]), "the data is {found:?}");
    }
    Ok(())
}

const CARRIED: Promise = Promise::new(
    "2b-store.md#apply",
    "a command that a later leader carries on is answered with its success",
    "a client does again what is done",
);

/// The leader is deposed after one follower has taken the entry, which the new leader commits.
pub fn command_survives_its_leader() -> Check {
    let mut store = Setup::new(3).serving()?;
    let (term, base) = (store.term(), store.last_index());
    let ask = store.is_asked(command(&[put("a", "1")]));
    let lost = store.is_asked(command(&[put("a", "2")]));
    store.runs()?;
    let new = [Entry { index: base + 2, term: term + 1, ..Entry::default() }];
    store.is_sent(term + 1, (base + 1, term), &new, base + 2);
    store.runs()?;
    ensure!(
        CARRIED,
        ask.succeeded(),
        "its entry was committed by the next leader; the client heard {}",
        ask.describe()
    );
    ensure!(
        OVERWRITTEN,
        lost.is_stale(),
        "the one behind was overwritten; its client heard {}",
        lost.describe()
    );
    let found = data(&store.data(), Cf::Default);
    ensure!(CARRIED, found == pairs(&[("a", "1")]), "the data is {found:?}");
    Ok(())
}

const PENDING: Promise = Promise::new(
    "2b-store.md#apply",
    "an applied entry answers the command at its index and term, makes those stale that can never come any more, and \
     leaves the others waiting",
    "a callback is lost, or answers for another entry",
);

/// `PendingProposals` alone: commands that wait, an entry, and what becomes of them.
pub fn pending_commands_by_the_table() -> Check {
    type Place = (u64, u64);
    type Case<'a> = (&'a [Place], Place, Option<usize>, &'a [usize]);
    let cases: [Case<'_>; 11] = [
        (&[], (6, 6), None, &[]),
        (&[(6, 6)], (6, 6), Some(0), &[]),
        (&[(6, 6), (7, 6)], (6, 6), Some(0), &[]),
        (&[(7, 6), (8, 6)], (6, 6), None, &[]),
        // An entry of an earlier leader, while this one's commands wait.
        (&[(8, 7), (9, 7)], (6, 6), None, &[]),
        (&[(8, 7), (9, 7)], (7, 6), None, &[]),
        // Another leader's entry in the same place, and in one before.
        (&[(6, 6)], (6, 7), None, &[0]),
        (&[(7, 6), (8, 6), (9, 6)], (7, 7), None, &[0, 1, 2]),
        (&[(8, 6), (9, 6)], (7, 7), None, &[0, 1]),
        // Deposed, and elected again.
        (&[(7, 6), (8, 6), (8, 8), (9, 8)], (7, 7), None, &[0, 1]),
        (&[(7, 6), (8, 6), (8, 8), (9, 8)], (8, 8), Some(2), &[0, 1]),
    ];
    for (waiting, (index, term), found, stale) in cases {
        let calls: Arc<Mutex<Vec<usize>>> = Arc::default();
        let mut pending = PendingProposals::default();
        for (n, &(index, term)) in waiting.iter().enumerate() {
            let calls = calls.clone();
            let called = move |_| calls.lock().map(|mut calls| calls.push(n)).unwrap_or_default();
            pending.push(Proposal { index, term, callback: Callback::new(called) });
        }
        let called = || calls.lock().map(|mut calls| std::mem::take(&mut *calls)).unwrap_or_default();
        let resolved = pending.resolve(index, term);
        let early = called();
        ensure!(
            PENDING,
            early.is_empty(),
            "waiting {waiting:?}, entry {index}@{term}; resolve() dropped {early:?}"
        );
        drop(resolved.found);
        let told_found = called();
        drop(resolved.stale);
        let mut told_stale = called();
        told_stale.sort_unstable();
        drop(pending);
        let left = called().len();
        let name = format!("waiting (index, term) {waiting:?}, applied {index}@{term}");
        ensure!(PENDING, told_found == Vec::from_iter(found), "{name}: found {told_found:?}, not {found:?}");
        ensure!(PENDING, told_stale == stale, "{name}: stale {told_stale:?}, not {stale:?}");
        let expected = waiting.len() - stale.len() - usize::from(found.is_some());
        ensure!(PENDING, left == expected, "{name}: {left} wait on, not {expected}");
    }
    Ok(())
}

const AFTER: Promise = Promise::new(
    "2b-store.md#apply",
    "a command is answered after its batch is written, so that whoever hears the answer finds the data",
    "a client, or a crash, finds that an acknowledged write is not there",
);

/// Looks into the engine at the moment of the answer.
pub fn answers_come_after_the_write() -> Check {
    let mut store = Setup::new(3).serving()?;
    let asks = [1, 2, 3].map(|n| (n, store.is_asked(command(&[put(&format!("k{n}"), "v")]))));
    store.replicates()?;
    for (n, ask) in asks {
        let Some(Answer::Said(_, image)) = ask.answer() else {
            return Err(AFTER.broken(format!("the put of k{n} heard {}", ask.describe())));
        };
        let there = data(&image, Cf::Default).contains_key(&format!("k{n}"));
        ensure!(AFTER, there, "the put of k{n} was answered while the engine did not have it");
    }
    Ok(())
}

const ATOMIC: Promise = Promise::new(
    "2b-store.md#write",
    "if one request of a command cannot be carried out, none is, and the applied index moves all the same",
    "clients find half of a batch, or replicas stop at an entry that they can never apply",
);

/// A command that another leader has let through, with a good request, a bad one, and a good one.
pub fn refused_command_changes_nothing() -> Check {
    for bad in [put("z", "1"), put("", "1"), crate::unit::fixture::words::put_cf("colour", "c", "1")] {
        let mut setup = Setup::new(3);
        setup.region.end_key = crate::unit::fixture::words::text("m");
        let mut store = setup.follower()?;
        let half = entry(6, 6, &command(&[put("a", "1"), bad.clone(), put("b", "1")]));
        store.is_sent(6, (INIT, 5), &[half, put_entry(7, 6, "c", "1")], 7);
        store.runs()?;
        let found = data(&store.data(), Cf::Default);
        ensure!(
            ATOMIC,
            found == pairs(&[("c", "1")]),
            "entry 6 puts a, then {bad:?}, which cannot be, then b; entry 7 puts c; the data is {found:?}"
        );
        let applied = apply_state(&store.data()).applied_index;
        ensure!(ATOMIC, applied == 7, "entries 6 and 7 are applied; on disk it says {applied}");
    }
    Ok(())
}

const CHECKED_AGAIN: Promise = Promise::new(
    "2b-store.md#apply",
    "a command whose epoch is not the region's any more is refused when it is applied, by every peer alike",
    "once regions split, a command lands in a region that has given its keys away",
);

/// A command of another version, and a good one.
pub fn epoch_is_checked_again() -> Check {
    let mut store = Setup::new(3).follower()?;
    let mut old = command(&[put("a", "1")]);
    old.header.get_or_insert_default().region_epoch.get_or_insert_default().version = 9;
    store.is_sent(6, (INIT, 5), &[entry(6, 6, &old), put_entry(7, 6, "b", "1")], 7);
    store.runs()?;
    let found = data(&store.data(), Cf::Default);
    let on_disk = ids(&log(&store.disks.raft.image()));
    ensure!(
        CHECKED_AGAIN,
        found == pairs(&[("b", "1")]),
        "the log is {on_disk}, entry 6 with version 9 of the region, which is at 1; the data is {found:?}"
    );
    Ok(())
}
