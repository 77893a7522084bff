//! Reads through the log.

use kv::engine::Cf;
use kv::raftstore::msg::RegionSnapshot;

use crate::unit::fixture::ask::{Answer, Ask};
use crate::unit::fixture::store::{Setup, Store};
use crate::unit::fixture::words::{INIT, command, get, get_cf, put, put_cf, put_entry, region, snap};
use crate::unit::{Check, Promise, ensure};

/// What the gets of a command found.
fn values(ask: &Ask) -> Vec<String> {
    let responses = ask.response().map_or_else(Vec::new, |response| response.responses);
    let value = |one: &proto::raft_cmdpb::Response| {
        one.get.as_ref().map_or("no value".to_owned(), |get| String::from_utf8_lossy(&get.value).into_owned())
    };
    responses.iter().map(value).collect()
}

fn view(ask: &Ask, promise: &Promise) -> Check<RegionSnapshot> {
    match ask.answer() {
        Some(Answer::Said(result, _)) if result.snapshot.is_some() => {
            result.snapshot.ok_or_else(|| promise.broken("no view".to_owned()))
        }
        _ => Err(promise.broken(format!("a Snap heard {}, and got no view of the data", ask.describe()))),
    }
}

fn found(view: &RegionSnapshot, key: &str) -> Option<String> {
    let value = view.snapshot.get(Cf::Default, key.as_bytes()).ok().flatten();
    value.map(|value| String::from_utf8_lossy(&value).into_owned())
}

const IN_TURN: Promise = Promise::new(
    "2b-store.md#read",
    "a read sees exactly what the entries before it have written, and nothing of those behind it, also if all of them are \
     applied in one round",
    "a client that waits for its write does not read it, or reads what does not exist yet",
);

/// Writes and reads that are proposed, committed and applied together.
pub fn reads_take_their_turn() -> Check {
    let mut store = Setup::new(3).serving()?;
    store.is_asked(command(&[put("a", "0")]));
    store.replicates()?;
    let reads: Vec<[Ask; 3]> = (1..=3)
        .map(|n| {
            store.is_asked(command(&[put("a", &n.to_string()), put(&format!("k{n}"), "v")]));
            let gets = command(&[get("a"), get(&format!("k{n}")), get(&format!("k{}", n + 1))]);
            let at_once = store.is_asked(gets);
            let snap = store.is_asked(command(&[snap()]));
            let again = store.is_asked(command(&[get("a")]));
            [at_once, snap, again]
        })
        .collect();
    store.replicates()?;
    for (n, [at_once, snap, again]) in (1..=3).zip(&reads) {
        let value = n.to_string();
        let seen = values(at_once);
        ensure!(
            IN_TURN,
            seen == [value.as_str(), "v", ""],
            "behind put {n} of 3, a, k{n} and k{} read {seen:?}; the client heard {}",
            n + 1,
            at_once.describe()
        );
        let view = view(snap, &IN_TURN)?;
        let seen = (found(&view, "a"), found(&view, &format!("k{}", n + 1)));
        ensure!(IN_TURN, seen == (Some(value.clone()), None), "a view behind put {n} of 3 shows {seen:?}");
        ensure!(IN_TURN, values(again) == [value.as_str()], "read again, a is {:?}", values(again));
    }
    Ok(())
}

const BY_FAMILY: Promise = Promise::new(
    "2b-store.md#read",
    "a get reads the column family that it names; a key that is not there has an empty value, and is no error",
    "clients would find locks where they look for values, or try again for ever",
);

/// Three families, and keys that are in one of them only.
pub fn get_reads_its_family() -> Check {
    let mut store = Setup::new(1).serving()?;
    store.is_asked(command(&[
        put_cf("default", "k", "d"),
        put_cf("lock", "k", "l"),
        put_cf("write", "w", "w"),
    ]));
    store.runs()?;
    let gets = [
        get_cf("", "k"),
        get_cf("lock", "k"),
        get_cf("write", "k"),
        get_cf("write", "w"),
        get_cf("default", "w"),
    ];
    let ask = store.is_asked(command(&gets));
    store.runs()?;
    let seen = values(&ask);
    ensure!(
        BY_FAMILY,
        seen == ["d", "l", "", "w", ""],
        "default/k, lock/k, write/k, write/w, default/w read {seen:?}; the client heard {}",
        ask.describe()
    );
    Ok(())
}

const VIEW: Promise = Promise::new(
    "2b-store.md#read",
    "a Snap hands out the data, the region and the applied index of its own place in the log, and they stay as they are",
    "a client that reads several keys sees them at different moments",
);

/// A view, and writes after it.
pub fn snap_stands_still() -> Check {
    let mut store = Setup::new(1).serving()?;
    store.is_asked(command(&[put("a", "1")]));
    let ask = store.is_asked(command(&[snap()]));
    store.runs()?;
    let own = store.last_index();
    store.is_asked(command(&[put("a", "2"), put("b", "2")]));
    store.runs()?;
    let view = view(&ask, &VIEW)?;
    let seen = (found(&view, "a"), found(&view, "b"));
    ensure!(
        VIEW,
        seen == (Some("1".to_owned()), None),
        "a was put, seen, put again: the view shows {seen:?}"
    );
    ensure!(VIEW, view.region == region(1), "the view is of the region {:?}", view.region);
    // Its own entry changes nothing, so it may count it or not.
    let applied = view.applied_index;
    ensure!(
        VIEW,
        applied == own || applied + 1 == own,
        "the Snap is entry {own}; the view is of index {applied}"
    );
    let told =
        ask.response().and_then(|response| response.responses[0].snap.clone()).and_then(|snap| snap.region);
    ensure!(VIEW, told == Some(region(1)), "the response tells of the region {told:?}");
    Ok(())
}

const DEPOSED: Promise = Promise::new(
    "2b-store.md#read",
    "a leader that was deposed, and does not know it, answers no read",
    "a client reads a value that has been overwritten, and acknowledged to somebody else",
);

/// A leader that nobody answers any more, for as long as it believes in itself; then it hears the truth.
pub fn deposed_leader_answers_no_read() -> Check {
    let mut store = Setup::new(3).serving()?;
    store.is_asked(command(&[put("a", "old")]));
    store.replicates()?;
    let (term, base) = (store.term(), store.last_index());
    let reads = [store.is_asked(command(&[get("a")])), store.is_asked(command(&[snap()]))];
    let silent = |store: &Store, when: &str| -> Check {
        for read in &reads {
            let quiet = read.answer().is_none();
            ensure!(DEPOSED, quiet, "{when}; the client's read heard {}", read.describe());
        }
        store.has_not_lied()
    };
    store.runs()?;
    silent(&store, "no follower has answered since the read came")?;
    store.ticks(3)?;
    silent(&store, "3 ticks passed, and no follower has answered since the read came")?;
    store.is_sent(term + 1, (base, term), &[put_entry(base + 1, term + 1, "a", "new")], base + 1);
    store.runs()?;
    for read in reads {
        ensure!(
            DEPOSED,
            !read.succeeded(),
            "another leader has committed a write in place of the read; the client's read heard {}",
            read.describe()
        );
    }
    Ok(())
}

const FOLLOWERS: Promise = Promise::new(
    "2b-store.md#read",
    "the entry of a read changes nothing at a peer where nobody waits for it",
    "a follower would do for nothing what only the leader's client needs, or stop at it",
);

/// A follower gets reads and writes in its log.
pub fn reads_of_others_are_passed_over() -> Check {
    use crate::unit::fixture::words::{apply_state, entry};
    let mut store = Setup::new(3).follower()?;
    let log =
        [put_entry(6, 6, "a", "1"), entry(7, 6, &command(&[get("a")])), entry(8, 6, &command(&[snap()]))];
    store.is_sent(6, (INIT, 5), &log, 8);
    store.runs()?;
    let applied = apply_state(&store.data()).applied_index;
    ensure!(
        FOLLOWERS,
        applied == 8,
        "a put, a get and a snap up to entry 8 were committed; applied index {applied}"
    );
    Ok(())
}
