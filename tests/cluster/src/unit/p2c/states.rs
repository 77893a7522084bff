//! `PeerStorage::apply_snapshot`: what a snapshot does to a peer's states and log, before any data moves.

use kv::engine::{Cf, Engine as _};
use kv::raftstore::meta::states;
use kv::raftstore::peer_storage::RoundWrites;
use kv::raftstore::task::RegionTask;
use proto::metapb::Region;
use proto::raft_serverpb::PeerState;
use raft::Ready;

use crate::disk::Image;
use crate::unit::fixture::desk::Desk;
use crate::unit::fixture::power::Tail;
use crate::unit::fixture::snap::described;
use crate::unit::fixture::words::{
    REGION, TWO, apply_state, entries, hard, hard_state, ids, log, raft_state, ready, region, truncated,
};
use crate::unit::{Check, Promise, ensure, story};

/// The region as the snapshots of these scenes describe it.
fn new_region() -> Region {
    let mut region = region(3);
    region.region_epoch.get_or_insert_default().conf_ver = 4;
    region
}

/// A peer with a log of 6 to 9, of term 6, of which 7 are committed.
fn peer() -> Check<Desk> {
    let mut desk = Desk::new()?;
    desk.saves(&ready(Some(hard(6, TWO, 7)), entries(6, &[6, 6, 6, 6])))?;
    story::note("the log is 6 to 9".to_owned());
    Ok(desk)
}

/// A `Ready` with a snapshot at 30@7, and entries of term 8 behind it.
fn news(behind: &[u64]) -> Ready {
    let commit = 30 + behind.len() as u64;
    let mut news = ready(Some(hard(8, 0, commit)), entries(31, behind));
    news.snapshot = Some(described(&new_region(), 30, 7));
    news
}

fn state_of(image: &Image) -> (Option<PeerState>, Option<Region>) {
    let state = states::load_region_state(image, REGION).ok().flatten();
    (state.as_ref().map(|state| state.state()), state.and_then(|state| state.region))
}

const STATES: Promise = Promise::new(
    "2c-store.md#install",
    "with a snapshot, one round of writes replaces the old log by the snapshot's place: last, applied and truncated index and \
     term are the snapshot's, and the region is the snapshot's, and Applying",
    "a restart finds a log, a region and data that do not belong together",
);

/// What is on disk and in memory after the round.
pub fn snapshot_replaces_the_states() -> Check {
    let mut desk = peer()?;
    desk.saves(&news(&[]))?;
    let (raft, kv) = (desk.disks.raft.image(), desk.disks.kv.image());
    let (state, told) = state_of(&kv);
    ensure!(STATES, state == Some(PeerState::Applying), "kvdb says that the region is {state:?}");
    ensure!(STATES, told == Some(new_region()), "kvdb says that the region is {told:?}");
    let apply = apply_state(&kv);
    let places = (apply.applied_index, truncated(&apply), raft_state(&raft).last_index);
    ensure!(
        STATES,
        places == (30, (30, 7), 30),
        "a snapshot at 30@7: on disk applied index, truncated place, last index are {places:?}"
    );
    ensure!(STATES, hard_state(&raft) == hard(8, 0, 30), "the hard state on disk is {:?}", hard_state(&raft));
    let left = log(&raft);
    ensure!(STATES, left.is_empty(), "of the old log there is still {}", ids(&left));
    let memory = (desk.first_index()?, desk.last_index()?, desk.term(30)?);
    ensure!(STATES, memory == (31, 30, 7), "first_index(), last_index() and term(30) are {memory:?}");
    ensure!(STATES, *desk.storage.region() == new_region(), "region() is {:?}", desk.storage.region());
    let again = desk.reopens(Tail::Lost, Tail::Lost)?;
    let memory = (again.first_index()?, again.last_index()?, again.term(30)?);
    ensure!(
        STATES,
        memory == (31, 30, 7),
        "after a power cut first_index(), last_index() and term(30) are {memory:?}"
    );
    Ok(())
}

const NO_PEER: Promise = Promise::new(
    "2c-store.md#install",
    "a peer that a message has created gets its region, and its log, from its first snapshot",
    "a new peer could never join",
);

/// The same for a peer that had nothing.
pub fn new_peer_gets_its_states() -> Check {
    let mut desk = Desk::created_by_a_message()?;
    desk.saves(&ready(Some(hard(8, TWO, 0)), Vec::new()))?;
    desk.saves(&news(&[]))?;
    let again = desk.reopens(Tail::Lost, Tail::Lost)?;
    let places = (again.first_index()?, again.last_index()?, again.storage.applied_index());
    ensure!(NO_PEER, places == (31, 30, 30), "first_index(), last_index(), applied_index() are {places:?}");
    let (state, told) = state_of(&again.disks.kv.image());
    ensure!(
        NO_PEER,
        (state, told.clone()) == (Some(PeerState::Applying), Some(new_region())),
        "{state:?} {told:?}"
    );
    Ok(())
}

const TASK: Promise = Promise::new(
    "2c-store.md#install",
    "once the states are down, the region worker is told to put the data in place, and until it has, the peer is applying; \
     after a restart too",
    "the peer goes on with half of its data, or waits for ever",
);

/// The task, the wait, and the end of it.
pub fn data_is_asked_for() -> Check {
    let apply = |task: &RegionTask| match task {
        RegionTask::Apply { region_id, job } if *region_id == REGION => Some(job.clone()),
        _ => None,
    };
    let mut desk = peer()?;
    let (ctx, writes) = desk.collects(&news(&[]))?;
    let early = desk.tasks.take().iter().any(|task| apply(task).is_some());
    ensure!(TASK, !early, "the states are not down yet, and the worker is told to put the data in place");
    desk.writes(writes);
    desk.storage.post_ready(ctx);
    let again = desk.reopens(Tail::Lost, Tail::Lost)?;
    for (name, mut desk) in [("after the round", desk), ("after a power cut", again)] {
        let Some(job) = desk.tasks.take().iter().find_map(apply) else {
            return Err(TASK.broken(format!("{name}, the worker has not been told to put the data in place")));
        };
        let waits = desk.storage.check_applying_snap() && desk.storage.is_applying_snapshot();
        ensure!(TASK, waits, "{name}, the data is not in place, and the peer does not wait for it");
        job.start();
        ensure!(
            TASK,
            desk.storage.check_applying_snap(),
            "{name}, the worker is at it, and the peer does not wait"
        );
        job.end(kv::raftstore::peer_storage::JobStatus::Finished);
        let waits = desk.storage.check_applying_snap();
        ensure!(TASK, !waits, "{name}, the data is in place, and the peer still waits");
    }
    Ok(())
}

const BEHIND: Promise = Promise::new(
    "2c-store.md#install",
    "entries that come in the same Ready as the snapshot follow it in the log",
    "they are acknowledged, and gone",
);

/// Two and none of the entries, also where the old log had entries at the same places.
pub fn entries_follow_the_snapshot() -> Check {
    for old_log in [4, 40] {
        let mut desk = Desk::new()?;
        desk.saves(&ready(Some(hard(6, TWO, 7)), entries(6, &vec![6; old_log])))?;
        desk.saves(&news(&[8, 8]))?;
        let expected = entries(31, &[8, 8]);
        desk.holds(&BEHIND, &expected, "after a snapshot at 30 and entries 31 and 32")?;
        let on_disk = log(&desk.disks.raft.image());
        ensure!(
            BEHIND,
            on_disk == expected,
            "the old log had {old_log} entries; raftdb holds {}",
            ids(&on_disk)
        );
        let again = desk.reopens(Tail::Lost, Tail::Lost)?;
        again.holds(&BEHIND, &expected, "after a power cut")?;
        ensure!(BEHIND, hard_state(&again.disks.raft.image()) == hard(8, 0, 32), "commit index 32 is lost");
    }
    Ok(())
}

const CUT: Promise = Promise::new(
    "2c-store.md#install",
    "wherever the power goes between the writes of the two databases, the next start finds the old peer whole, or the \
     snapshot, and everything that is needed to go on with it",
    "the store can never start again",
);

/// How far the round has got when the power goes.
const STEPS: [&str; 5] = [
    "before any write",
    "after the write of kvdb",
    "after the sync of kvdb",
    "after the write of raftdb",
    "after the sync of raftdb",
];

/// Every step, with every combination of what is kept, with and without entries behind the snapshot.
pub fn power_cut_between_the_databases() -> Check {
    for behind in [&[][..], &[8, 8]] {
        for (step, name) in STEPS.iter().enumerate() {
            for raft in Tail::ALL {
                for kv in Tail::ALL {
                    let mut desk = peer()?;
                    let (_, writes) = desk.collects(&news(behind))?;
                    story::note(format!("the power goes {name}"));
                    write_to(&desk, writes, step);
                    let again = desk.reopens(raft, kv)?;
                    let name = format!("power cut {name}, raftdb's tail {raft:?}, kvdb's {kv:?}");
                    is_whole(&again, step, &name)?;
                }
            }
        }
    }
    Ok(())
}

fn write_to(desk: &Desk, writes: RoundWrites, step: usize) {
    let fine = "this power is not cut";
    if step >= 1 {
        desk.disks.kv.write(writes.kv).expect(fine);
    }
    if step >= 2 {
        desk.disks.kv.sync().expect(fine);
    }
    if step >= 3 {
        desk.disks.raft.write(writes.raft).expect(fine);
    }
    if step >= 4 {
        desk.disks.raft.sync().expect(fine);
    }
}

fn is_whole(desk: &Desk, step: usize, name: &str) -> Check {
    let places = (desk.first_index()?, desk.last_index()?, desk.storage.applied_index());
    let hard_state = hard_state(&desk.disks.raft.image());
    ensure!(CUT, hard_state.term >= 6, "{name}: it knew term 6, and now term {}", hard_state.term);
    if desk.storage.is_applying_snapshot() {
        let right = (places.0, places.2) == (31, 30) && places.1 >= 30;
        ensure!(
            CUT,
            right,
            "{name}: it goes on with the snapshot; first, last, applied index are {places:?}"
        );
        ensure!(CUT, desk.term(30)? == 7, "{name}: the snapshot was at 30@7; term(30) is {}", desk.term(30)?);
        let left = log(&desk.disks.raft.image());
        let stale: Vec<u64> = left.iter().map(|entry| entry.index).filter(|index| *index <= 30).collect();
        ensure!(CUT, stale.is_empty(), "{name}: of the old log there are still {stale:?}");
    } else {
        ensure!(CUT, step < 2, "{name}: kvdb was synced, and the snapshot is forgotten");
        ensure!(
            CUT,
            places == (6, 9, 5),
            "{name}: it is the old peer; first, last, applied index are {places:?}"
        );
        desk.holds(&CUT, &entries(6, &[6, 6, 6, 6]), name)?;
    }
    desk.log()?;
    Ok(())
}

const WRONG: Promise = Promise::new(
    "2c-store.md#install",
    "a snapshot of another region, or of none, is refused, and changes nothing",
    "the peer becomes one of a region that is not its own",
);

/// Two snapshots that cannot be.
pub fn snapshot_of_another_region_is_refused() -> Check {
    let mut other = new_region();
    other.id = 8;
    let mut nothing = described(&new_region(), 30, 7);
    nothing.data = bytes::Bytes::new();
    for (name, snapshot) in [("of region 8", described(&other, 30, 7)), ("without a region", nothing)] {
        let mut desk = peer()?;
        let mut news = news(&[]);
        news.snapshot = Some(snapshot);
        let mut writes = RoundWrites::default();
        let taken = desk.storage.save_ready_state(&news, &mut writes).is_ok();
        ensure!(WRONG, !taken, "the peer is of region {REGION}; a snapshot {name} was taken");
        desk.holds(&WRONG, &entries(6, &[6, 6, 6, 6]), "after that")?;
    }
    let data = |cf| desk_is_clean(cf);
    Cf::DATA.into_iter().try_for_each(data)
}

/// States never go among the data.
fn desk_is_clean(cf: Cf) -> Check {
    let mut desk = peer()?;
    desk.saves(&news(&[]))?;
    let found = desk.disks.kv.image().pairs(cf).count();
    ensure!(WRONG, found == 0, "states of the snapshot are among the data of family {cf:?}");
    Ok(())
}
