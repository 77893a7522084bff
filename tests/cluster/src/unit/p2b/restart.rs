//! Restarts, power cuts and failing disks of a whole store.

use std::collections::BTreeMap;

use kv::engine::Cf;
use raft_tests::unit::msg;

use crate::unit::fixture::ask::Ask;
use crate::unit::fixture::power::{Db, Tail};
use crate::unit::fixture::store::{Setup, Store};
use crate::unit::fixture::words::{INIT, ME, TWO, command, data, delete_cf, entries, get, pairs, put};
use crate::unit::{Check, Promise, ensure, story};

const SERVES: Promise = Promise::new(
    "2b-store.md#restart",
    "a store that starts again has everything that was acknowledged, and goes on",
    "clients lose what they were promised",
);

/// Twice in a row, without a loss.
pub fn store_goes_on_after_a_restart() -> Check {
    let mut store = Setup::new(1).serving()?;
    let mut expected = BTreeMap::new();
    for round in 1..=3 {
        for n in 1..=3 {
            let (key, value) = (format!("k{n}"), format!("{round}.{n}"));
            let ask = store.is_asked(command(&[put(&key, &value), delete_cf("", "gone"), put("gone", "1")]));
            store.runs()?;
            ensure!(SERVES, ask.succeeded(), "in life {round} a put heard {}", ask.describe());
            expected.insert(key, value);
            expected.insert("gone".to_owned(), "1".to_owned());
        }
        store = store.restarts(Tail::Kept, Tail::Kept)?;
        store.wins()?;
        store.runs()?;
        let found = data(&store.data(), Cf::Default);
        ensure!(SERVES, found == expected, "after restart {round} the data is {found:?}, not {expected:?}");
    }
    Ok(())
}

const LASTS: Promise = Promise::new(
    "2b-store.md#restart",
    "what was acknowledged survives a power cut at any moment, whatever the two databases lose of what was not synced",
    "an acknowledged write is lost",
);

/// A script of a lone leader: the commands, each answered before the next.
fn script(store: &mut Store) -> Check<Vec<Ask>> {
    let mut asks = Vec::new();
    for n in 1..=4 {
        asks.push(store.is_asked(command(&[put("k", &n.to_string()), put(&format!("k{n}"), "v")])));
        store.runs()?;
    }
    Ok(asks)
}

/// The power goes after every single write and sync of the script, with every combination of what is kept.
pub fn acknowledged_writes_survive_power_cuts() -> Check {
    let mut whole = Setup::new(1).serving()?;
    whole.disks.power.forget();
    script(&mut whole)?;
    let calls = whole.disks.power.calls();
    for cut in 0..=calls {
        let mut store = Setup::new(1).serving()?;
        store.disks.power.forget();
        store.disks.power.cut_after(cut);
        story::note(format!("the power goes after {cut} writes and syncs"));
        let asks = script(&mut store)?;
        // What a store without power still says, nobody hears; each answer carries the data of its moment.
        let acknowledged = answered_alive(&asks);
        for raft in Tail::ALL {
            for kv in Tail::ALL {
                let mut reborn = store.reborn(raft, kv)?;
                reborn.wins()?;
                reborn.runs()?;
                let found = data(&reborn.data(), Cf::Default);
                let last: usize = found.get("k").and_then(|value| value.parse().ok()).unwrap_or(0);
                ensure!(
                    LASTS,
                    last >= acknowledged
                        && (1..=4).all(|n| found.contains_key(&format!("k{n}")) == (n <= last)),
                    "{acknowledged} puts were acknowledged, then the power went (raftdb {raft:?}, kvdb {kv:?}); the \
                     data is {found:?}"
                );
            }
        }
    }
    Ok(())
}

fn answered_alive(asks: &[Ask]) -> usize {
    asks.iter().filter(|ask| ask.succeeded() && !ask.was_late()).count()
}

const BEHIND: Promise = Promise::new(
    "2b-store.md#restart",
    "a follower that has lost the tail of its data gets it back from its log as soon as a leader tells what is committed",
    "its data would have a hole",
);

/// All of kvdb's tail is gone.
pub fn follower_replays_its_log() -> Check {
    for kv in [Tail::Lost, Tail::First] {
        let mut store = Setup::new(3).follower()?;
        store.is_sent(6, (INIT, 5), &entries(6, &[6, 6, 6, 6]), INIT);
        store.runs()?;
        for commit in 6..=8 {
            store.hears(msg::heartbeat(TWO, ME, 6, commit));
            store.runs()?;
        }
        let mut store = store.restarts(Tail::Lost, kv)?;
        store.hears(msg::heartbeat(TWO, ME, 6, 9));
        store.runs()?;
        let found = data(&store.data(), Cf::Default);
        ensure!(
            BEHIND,
            found == pairs(&[("k", "9@6")]),
            "entries 6 to 9 are committed; the data is {found:?}"
        );
    }
    Ok(())
}

const FAIL_STOP: Promise = Promise::new(
    "2b-store.md#ready",
    "after a write or a sync has failed, no message and no answer leaves the store any more",
    "nobody knows what is on the disk: whatever the store still says may be a lie",
);

/// The disk of one database fails at its next call, or at one of those after.
pub fn failing_disk_silences_the_store() -> Check {
    for db in [Db::Raft, Db::Kv] {
        for after in 0..4 {
            let mut store = Setup::new(1).serving()?;
            store.disks.power.fail_after(db, after);
            story::note(format!("{db:?}'s disk fails after {after} more writes and syncs"));
            let mut asks = Vec::new();
            for n in 1..=6 {
                asks.push(store.is_asked(command(&[put("k", &n.to_string())])));
                asks.push(store.is_asked(command(&[get("k")])));
                store.runs()?;
            }
            ensure!(
                FAIL_STOP,
                store.disks.power.is_off(),
                "6 puts came, and {db:?} was not written {after} times"
            );
            let late = asks.iter().find(|ask| ask.was_late());
            if let Some(late) = late {
                return Err(FAIL_STOP
                    .broken(format!("{db:?}'s disk failed; then a client heard {}", late.describe())));
            }
        }
    }
    Ok(())
}

/// The same for a follower: it acknowledges nothing, and votes for nobody.
pub fn failing_disk_silences_a_follower() -> Check {
    for after in 0..3 {
        let mut store = Setup::new(3).follower()?;
        store.disks.power.fail_after(Db::Raft, after);
        story::note(format!("raftdb's disk fails after {after} more writes and syncs"));
        for (n, prev) in (6..=9).zip([(5, 5), (6, 6), (7, 6), (8, 6)]) {
            store.is_sent(6, prev, &entries(n, &[6]), INIT);
            store.runs()?;
        }
        store.hears(msg::vote(crate::unit::fixture::words::THREE, ME, 9, msg::at(20, 6)));
        store.runs()?;
        store.has_not_lied()?;
        let off = store.disks.power.is_off();
        ensure!(FAIL_STOP, off, "entries came, and raftdb was not written {after} times");
        let said = store.sent_late();
        ensure!(FAIL_STOP, said.is_empty(), "raftdb's disk failed; then the store sent {}", said.join("; "));
    }
    Ok(())
}
