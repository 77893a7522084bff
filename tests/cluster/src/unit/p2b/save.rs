//! `PeerStorage::save_ready_state`: one `Ready` as part of a round.

use kv::raftstore::peer_storage::RoundWrites;
use raft::Storage as _;

use crate::unit::fixture::desk::Desk;
use crate::unit::fixture::power::Tail;
use crate::unit::fixture::words::{ME, THREE, TWO, entries, hard, hard_state, ids, log, ready};
use crate::unit::{Check, Promise, ensure};

const HARD_STATE: Promise = Promise::new(
    "2b-store.md#save",
    "term, vote and commit index are written when they change, with entries or without",
    "after a restart the peer votes again in the same term, for somebody else: two leaders",
);

/// A vote, without any entry.
pub fn vote_is_saved() -> Check {
    let mut desk = Desk::new()?;
    for state in [hard(8, TWO, 5), hard(9, THREE, 5), hard(9, THREE, 5), hard(12, ME, 5)] {
        desk.saves(&ready(Some(state), Vec::new()))?;
        let found = hard_state(&desk.reopens(Tail::Lost, Tail::Lost)?.disks.raft.image());
        ensure!(HARD_STATE, found == state, "{state:?} was saved; after a power cut there is {found:?}");
        let told = desk.storage.initial_state().map(|state| state.hard_state);
        let told = told.map_err(|error| HARD_STATE.broken(format!("initial_state() says: {error}")))?;
        ensure!(HARD_STATE, told == state, "{state:?} was saved; initial_state() says {told:?}");
    }
    Ok(())
}

/// The same for a peer that has neither log nor region yet.
pub fn vote_of_a_new_peer_is_saved() -> Check {
    let mut desk = Desk::created_by_a_message()?;
    let state = hard(6, TWO, 0);
    desk.saves(&ready(Some(state), Vec::new()))?;
    let found = hard_state(&desk.reopens(Tail::Lost, Tail::Lost)?.disks.raft.image());
    ensure!(
        HARD_STATE,
        found == state,
        "it has no log and no region; {state:?} was saved; after a power cut there is {found:?}"
    );
    Ok(())
}

const COMMIT: Promise = Promise::new(
    "2b-store.md#save",
    "a commit index that changes alone is written too",
    "a restarted peer would not know what is committed before a leader tells it again",
);

/// Without a sync, so only the death of the process is survived for certain.
pub fn commit_alone_is_saved() -> Check {
    let mut desk = Desk::new()?;
    desk.saves(&ready(Some(hard(6, TWO, 5)), entries(6, &[6, 6])))?;
    let mut news = ready(Some(hard(6, TWO, 7)), Vec::new());
    news.must_sync = false;
    desk.saves(&news)?;
    let found = hard_state(&desk.reopens(Tail::Kept, Tail::Kept)?.disks.raft.image());
    ensure!(COMMIT, found == hard(6, TWO, 7), "commit index 7 was saved; after a restart there is {found:?}");
    Ok(())
}

const BOTH: Promise = Promise::new(
    "2b-store.md#save",
    "a Ready with entries and a hard state saves both",
    "a new leader's first message brings both, and half of it would be lost",
);

/// Entries and a hard state that commits some of them.
pub fn entries_and_hard_state_are_saved() -> Check {
    let mut desk = Desk::new()?;
    let all = entries(6, &[6, 6, 7, 7]);
    let state = hard(7, TWO, 8);
    desk.saves(&ready(Some(state), all.clone()))?;
    desk.holds(&BOTH, &all, "after entries and a hard state in one Ready")?;
    let reopened = desk.reopens(Tail::Lost, Tail::Lost)?;
    reopened.holds(&BOTH, &all, "after a power cut")?;
    let found = hard_state(&reopened.disks.raft.image());
    ensure!(BOTH, found == state, "{state:?} was saved with 4 entries; after a power cut there is {found:?}");
    Ok(())
}

const SYNC: Promise = Promise::new(
    "2b-store.md#save",
    "if a Ready must be synced, the round is synced, whatever else is in the round",
    "a power cut takes back what was promised to others",
);

/// Whatever it is that the `Ready` brings.
pub fn sync_is_asked_for() -> Check {
    let readys = [
        ready(Some(hard(8, TWO, 5)), Vec::new()),
        ready(None, entries(6, &[5])),
        ready(Some(hard(8, 0, 5)), entries(6, &[8])),
    ];
    for news in readys {
        let mut desk = Desk::new()?;
        let (_, writes) = desk.collects(&news)?;
        let what = (ids(&news.entries), news.hard_state);
        ensure!(SYNC, writes.sync_raft, "a Ready with must_sync and {what:?}; sync_raft is false");
    }
    Ok(())
}

/// A round has several peers; the last one has nothing to be synced.
pub fn sync_is_never_taken_back() -> Check {
    let mut round = RoundWrites::default();
    let (mut one, mut two, mut three) = (Desk::new()?, Desk::new()?, Desk::new()?);
    one.collects_into(&ready(None, entries(6, &[5])), &mut round)?;
    two.collects_into(&ready(Some(hard(6, 0, 5)), Vec::new()), &mut round)?;
    three.collects_into(&ready(None, Vec::new()), &mut round)?;
    ensure!(
        SYNC,
        round.sync_raft,
        "of three Readys of a round the first two must be synced; sync_raft is false"
    );
    Ok(())
}

const ROUND: Promise = Promise::new(
    "2b-store.md#save",
    "save_ready_state adds to the round's writes, and takes nothing away that other peers have put there",
    "peers of one store would lose each other's votes",
);

/// Two peers of different regions would be more honest; the keys tell them apart all the same.
pub fn writes_of_other_peers_stay() -> Check {
    let mut desk = Desk::new()?;
    let mut round = RoundWrites::default();
    round.raft.put(kv::engine::Cf::Raft, "theirs", "raft");
    round.kv.put(kv::engine::Cf::Raft, "theirs", "kv");
    let ctx = desk.collects_into(&ready(Some(hard(6, TWO, 5)), entries(6, &[6])), &mut round)?;
    desk.writes(round);
    desk.storage.post_ready(ctx);
    let found =
        |image: &crate::disk::Image| image.pairs(kv::engine::Cf::Raft).any(|(key, _)| &key[..] == b"theirs");
    let (raft, kv) = (desk.disks.raft.image(), desk.disks.kv.image());
    ensure!(ROUND, found(&raft) && found(&kv), "another peer's writes were in the round, and are gone");
    ensure!(ROUND, ids(&log(&raft)) == "[6@6]", "entry 6@6 was saved; raftdb holds {}", ids(&log(&raft)));
    Ok(())
}
