//! Installing a snapshot in a store: the data, the file, the apply side, and what a power cut leaves of it.

use kv::engine::Cf;
use kv::raftstore::meta::states;
use kv::raftstore::system::Job;
use kv::snap::SnapFiles as _;
use proto::eraftpb::MessageType;
use proto::raft_serverpb::PeerState;
use raft_tests::unit::msg;

use crate::unit::fixture::power::{Db, Deed, Tail};
use crate::unit::fixture::snap::{Data, Made, data_of, made};
use crate::unit::fixture::store::{Setup, Store};
use crate::unit::fixture::words::{
    INIT, ME, REGION, TWO, apply_state, command, entry, put_cf, put_entry, raft_state, region,
};
use crate::unit::{Check, Promise, ensure, story};

/// A follower that has applied 6 to 9: `a` and `old` in two families.
fn follower() -> Check<Store> {
    let mut store = Setup::new(3).follower()?;
    let log = [
        put_entry(6, 6, "a", "old"),
        put_entry(7, 6, "gone", "old"),
        entry(8, 6, &command(&[put_cf("lock", "a", "old"), put_cf("lock", "gone", "old")])),
        put_entry(9, 6, "zz", "old"),
    ];
    store.is_sent(6, (INIT, 5), &log, 9);
    store.runs()?;
    Ok(store)
}

/// A snapshot at 30@6, of more data than one block of the file holds.
fn snapshot() -> Made {
    let value = "v".repeat(2_000);
    let keys: Vec<String> = (0..80).map(|n| format!("k{n:02}")).collect();
    let mut data = vec![(Cf::Default, "a", "new"), (Cf::Lock, "a", "new"), (Cf::Write, "w", "new")];
    data.extend(keys.iter().map(|key| (Cf::Default, key.as_str(), value.as_str())));
    made(&region(3), 30, 6, &data)
}

/// The first difference between two sets of data, in words.
fn difference(found: &Data, expected: &Data) -> Option<String> {
    let missing = expected.iter().find(|(key, value)| found.get(*key) != Some(value));
    let extra = found.keys().find(|key| !expected.contains_key(*key));
    match (missing, extra) {
        (Some((key, _)), _) => Some(format!("{}/{} is missing, or has an old value", key.0, key.1)),
        (None, Some(key)) => Some(format!("{}/{} is there, and should not", key.0, key.1)),
        (None, None) => None,
    }
}

fn holds(store: &Store, promise: &Promise, expected: &Data, when: &str) -> Check {
    match difference(&data_of(&store.data()), expected) {
        None => Ok(()),
        Some(seen) => Err(promise.broken(format!("{when}: {seen}"))),
    }
}

const REPLACED: Promise = Promise::new(
    "2c-store.md#install",
    "a snapshot replaces all data of the region: what was there goes, and all that is in the file comes",
    "keys that were deleted since come back, or others are missing",
);

/// Data in all families, old and new.
pub fn snapshot_replaces_the_data() -> Check {
    let (mut store, snapshot) = (follower()?, snapshot());
    snapshot.arrives(&store, 6);
    store.runs()?;
    holds(&store, &REPLACED, &snapshot.data, "after the snapshot")?;
    let reborn = store.reborn(Tail::Lost, Tail::Lost)?;
    holds(&reborn, &REPLACED, &snapshot.data, "after the snapshot and a power cut")?;
    let applied = (store.applied(), apply_state(&store.data()).applied_index);
    ensure!(
        REPLACED,
        applied == (30, 30),
        "a snapshot at 30; the peer and the disk say that {applied:?} is applied"
    );
    Ok(())
}

const CLEAN: Promise = Promise::new(
    "2c-store.md#install",
    "once the data is in place the region is Normal, and what was only needed for the installation is gone: the copy of the \
     Raft state in kvdb, and the file",
    "the next snapshot's crash finds the states of this one, or the disk fills with files",
);

/// kvdb and the files afterwards.
pub fn nothing_is_left_behind() -> Check {
    let (mut store, snapshot) = (follower()?, snapshot());
    snapshot.arrives(&store, 6);
    store.runs()?;
    let kv = store.data();
    let state = states::load_region_state(&kv, REGION).ok().flatten().map(|state| state.state());
    ensure!(
        CLEAN,
        state == Some(PeerState::Normal),
        "the data is in place; kvdb says that the region is {state:?}"
    );
    let copy = states::load_snapshot_raft_state(&kv, REGION).ok().flatten();
    ensure!(
        CLEAN,
        copy.is_none(),
        "the data is in place; kvdb still holds the copy of the Raft state, {copy:?}"
    );
    let files = store.files.list().unwrap_or_default();
    ensure!(CLEAN, files.is_empty(), "the data is in place; the files {files:?} are still there");
    Ok(())
}

const WAITS: Promise = Promise::new(
    "2c-store.md#install",
    "while the data is being replaced, nothing is applied; afterwards the peer goes on from the snapshot's index",
    "new entries are applied to half of the data, and overwritten by the rest of it",
);

/// Entries behind the snapshot arrive while the worker has not done its part, and after it.
pub fn peer_waits_for_its_data() -> Check {
    let (mut store, snapshot) = (follower()?, snapshot());
    snapshot.arrives(&store, 6);
    let worker = |job: &Job| matches!(job, Job::Region);
    store.runs_but(worker)?;
    let state = states::load_region_state(&store.data(), REGION).ok().flatten().map(|state| state.state());
    ensure!(
        WAITS,
        state == Some(PeerState::Applying),
        "the data is not in place; kvdb says the region is {state:?}"
    );
    store.is_sent(6, (30, 6), &[put_entry(31, 6, "late", "1")], 31);
    store.runs_but(worker)?;
    for _ in 0..3 {
        store.manual().router().tick();
        store.runs_but(worker)?;
    }
    let early = data_of(&store.data()).contains_key(&("default", "late".to_owned()));
    ensure!(WAITS, !early, "the data is not in place, and entry 31 is applied already");
    store.runs()?;
    // The first may have been dropped while the peer was busy.
    for (prev, entry) in [(30, put_entry(31, 6, "late", "1")), (31, put_entry(32, 6, "later", "1"))] {
        store.is_sent(6, (prev, 6), std::slice::from_ref(&entry), entry.index);
        store.runs()?;
    }
    let mut expected = snapshot.data.clone();
    for key in ["late", "later"] {
        expected.insert(("default", key.to_owned()), "1".to_owned());
    }
    holds(&store, &WAITS, &expected, "a snapshot at 30, then entries 31 and 32")?;
    let status = store.status().map(|status| status.raft).unwrap_or_default();
    ensure!(WAITS, status.applied == 32, "entry 32 is applied; Raft was told of {}", status.applied);
    let sent = store.sends();
    let answered = sent
        .iter()
        .any(|sent| sent.msg_type() == MessageType::MsgAppendResponse && !sent.reject && sent.index == 32);
    ensure!(WAITS, answered, "the leader heard {}", msg::describe_all(&sent));
    store.has_not_lied()
}

const GOES_ON: Promise = Promise::new(
    "2c-store.md#install",
    "once the data is in place Raft is told that the snapshot is applied, and the leader hears that it arrived",
    "Raft waits for somebody to say so, and hands out nothing",
);

/// Nothing else happens after the snapshot.
pub fn raft_is_told_that_it_is_applied() -> Check {
    let (mut store, snapshot) = (follower()?, snapshot());
    store.sends();
    snapshot.arrives(&store, 6);
    store.runs()?;
    let status = store.status().map(|status| status.raft).unwrap_or_default();
    ensure!(
        GOES_ON,
        status.applied == 30,
        "the snapshot at 30 is in place; Raft was told of {}",
        status.applied
    );
    let sent = store.sends();
    let answered = sent
        .iter()
        .any(|sent| sent.msg_type() == MessageType::MsgAppendResponse && !sent.reject && sent.index >= 30);
    ensure!(
        GOES_ON,
        answered,
        "the snapshot at 30 is in place; the leader heard {}",
        msg::describe_all(&sent)
    );
    Ok(())
}

const ORDER: Promise = Promise::new(
    "2c-store.md#install",
    "before raftdb forgets the old log, kvdb is written and synced, and says Applying",
    "the power goes between the two: the log is gone, and kvdb does not know why",
);

/// Reads along what is written and synced.
pub fn kvdb_is_durable_before_the_log_goes() -> Check {
    let (mut store, snapshot) = (follower()?, snapshot());
    store.disks.power.forget();
    snapshot.arrives(&store, 6);
    store.runs()?;
    let (mut written, mut durable) = (false, false);
    for deed in store.disks.power.deeds() {
        match deed {
            Deed::Wrote(Db::Kv, batch) => {
                let mut image = crate::disk::Image::default();
                image.write(&batch);
                let state = states::load_region_state(&image, REGION).ok().flatten();
                written |= state.is_some_and(|state| state.state() == PeerState::Applying);
            }
            Deed::Synced(Db::Kv) => durable = written,
            Deed::Wrote(Db::Raft, batch) => {
                let mut image = crate::disk::Image::default();
                image.write(&batch);
                let moved = raft_state(&image).last_index >= 30;
                ensure!(
                    ORDER,
                    !moved || durable,
                    "raftdb got the state of the snapshot before kvdb was durable"
                );
            }
            Deed::Synced(Db::Raft) => {}
        }
    }
    ensure!(ORDER, durable, "a snapshot came, and kvdb was never synced with the region Applying");
    Ok(())
}

const ANYWHERE: Promise = Promise::new(
    "2c-store.md#install",
    "wherever the power goes, and whatever each database loses of what was not synced, the store starts again, and comes to \
     the same data",
    "a store is lost for good; or, worse, serves half of its data",
);

/// The power goes after every write and sync of an installation.
pub fn power_cut_anywhere_in_an_installation() -> Check {
    let snapshot = snapshot();
    let mut whole = follower()?;
    whole.disks.power.forget();
    snapshot.arrives(&whole, 6);
    whole.runs()?;
    let calls = whole.disks.power.calls();
    let mut expected = snapshot.data.clone();
    expected.insert(("default", "late".to_owned()), "1".to_owned());
    for cut in 0..=calls {
        let mut store = follower()?;
        store.sends();
        store.disks.power.forget();
        store.disks.power.cut_after(cut);
        story::note(format!("the power goes after {cut} of {calls} writes and syncs"));
        snapshot.arrives(&store, 6);
        store.runs()?;
        let sent = store.sends();
        let promised = sent.iter().filter(|sent| !sent.reject).map(|sent| sent.index).max().unwrap_or(0);
        for (raft, kv) in [Tail::Lost, Tail::First, Tail::Kept]
            .into_iter()
            .flat_map(|raft| [Tail::Lost, Tail::First, Tail::Kept].map(|kv| (raft, kv)))
        {
            let mut reborn = store.reborn(raft, kv)?;
            let last = raft_state(&reborn.disks.raft.image()).last_index;
            ensure!(ANYWHERE, last >= promised, "it acknowledged {promised}, and now its log ends at {last}");
            let stopped = reborn.why_it_stopped();
            ensure!(
                ANYWHERE,
                stopped.is_none(),
                "it starts, and stops at once: {}",
                stopped.unwrap_or_default()
            );
            if reborn.applied() < 30 {
                reborn.hears(msg::heartbeat(TWO, ME, 6, 9));
                snapshot.arrives(&reborn, 6);
                reborn.runs()?;
            }
            reborn.is_sent(6, (30, 6), &[put_entry(31, 6, "late", "1")], 31);
            reborn.runs()?;
            let when = format!("power cut after {cut} of {calls} calls, raftdb {raft:?}, kvdb {kv:?}");
            holds(&reborn, &ANYWHERE, &expected, &when)?;
        }
    }
    Ok(())
}
