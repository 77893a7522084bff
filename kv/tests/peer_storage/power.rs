//! A life with two snapshots in it, cut short at every call to the disk, with every way in which the two databases can lose what
//! was not synced; and each restart cut short as well.

use kv::engine::Engine;
use kv::raftstore::peer_storage::RoundWrites;
use kv::raftstore::{Result, meta::states};
use proto::eraftpb::HardState;
use proto::metapb::Region;
use proto::raft_serverpb::PeerState;
use raft::{Ready, Storage};

use crate::disk::Disk;
use crate::log::on_disk;
use crate::model::{REGION, data_at, data_of, entries, hard_state, in_region, leaders_snapshot, region};
use crate::node::Node;
use crate::snapshot::install;

/// What the peer has promised to others: it must survive everything.
#[derive(Clone, Debug, Default)]
struct Promises {
    /// Term and vote.
    vote: (u64, u64),
    /// Last entry acknowledged: index and term.
    last: (u64, u64),
    /// Highest index known to be committed, so that no snapshot and no leader takes it back.
    committed: u64,
}

/// One life. Stops at the first failing call; `promises` are those that were made by then.
fn live(node: &mut Node, promises: &mut Promises) -> Result<()> {
    // A message creates the peer: it votes, and gets a snapshot with entries behind it.
    round(node, promises, Ready { hard_state: Some(state(6, 0)), must_sync: true, ..Ready::default() })?;
    let following = Ready { entries: entries(11, 12, 6), hard_state: Some(state(6, 12)), ..Ready::default() };
    take_snapshot(node, promises, &region("", ""), (10, 6), following)?;
    node.apply_to(12)?;
    // Entries, of which some are replaced by those of another leader.
    round(node, promises, append(13, 20, 6, 15))?;
    node.apply_to(15)?;
    round(node, promises, append(16, 18, 7, 15))?;
    round(node, promises, Ready { hard_state: Some(state(7, 18)), ..Ready::default() })?;
    node.apply_to(18)?;
    node.compact_to(14)?;
    round(node, promises, append(19, 45, 8, 18))?;
    // It missed a lot: a smaller region, a log that conflicts from 19 on, and is shorter.
    let following = Ready { entries: entries(41, 41, 9), ..Ready::default() };
    let following = Ready { hard_state: Some(state(9, 40)), ..following };
    take_snapshot(node, promises, &region("c", "k"), (40, 9), following)?;
    round(node, promises, append(42, 44, 9, 44))?;
    node.apply_to(44)?;
    node.compact_to(43)?;
    // And once more, with an empty log behind it.
    take_snapshot(node, promises, &region("c", "k"), (60, 9), Ready::default())?;
    round(node, promises, append(61, 62, 9, 62))?;
    node.apply_to(62)
}

/// Term, the vote that the peer gave in it, and commit index.
fn state(term: u64, commit: u64) -> HardState {
    let vote = match term {
        6 => 2,
        9 => 3,
        _ => 0,
    };
    hard_state(term, vote, commit)
}

fn append(from: u64, to: u64, term: u64, commit: u64) -> Ready {
    let hard_state = Some(state(term, commit));
    Ready { entries: entries(from, to, term), hard_state, must_sync: true, ..Ready::default() }
}

/// A round; after it, the peer has promised what was in the `Ready`.
fn round(node: &mut Node, promises: &mut Promises, ready: Ready) -> Result<()> {
    node.round(&ready)?;
    if let Some(HardState { term, vote, commit }) = ready.hard_state {
        promises.vote = (term, vote);
        // Not synced, but applied from here on: then it must survive in one of the two.
        promises.committed = promises.committed.max(if ready.must_sync { commit } else { 0 });
    }
    if let Some(meta) = ready.snapshot.and_then(|snapshot| snapshot.metadata) {
        promises.last = (meta.index, meta.term);
        promises.committed = promises.committed.max(meta.index);
    }
    if let Some(last) = ready.entries.last() {
        promises.last = (last.index, last.term);
    }
    Ok(())
}

fn take_snapshot(
    node: &mut Node,
    promises: &mut Promises,
    region: &Region,
    (index, term): (u64, u64),
    following: Ready,
) -> Result<()> {
    let (snapshot, file) = leaders_snapshot(region, index, term);
    node.receive(&snapshot, &file).map_err(|error| kv::raftstore::Error::Invalid(error.to_string()))?;
    let hard_state = following.hard_state.unwrap_or(state(term, index));
    let following = Ready { hard_state: Some(hard_state), ..following };
    round(node, promises, install(&snapshot, following))?;
    node.work()?;
    assert!(!node.storage.check_applying_snap());
    Ok(())
}

/// Starts on what is left, and checks that all promises are kept; then cuts that start short as well, `deeper` times.
fn check(disk: &Disk, promises: &Promises, deeper: usize) {
    let calls = disk.fuse.left();
    let mut node = Node::start(disk.clone()).unwrap_or_else(|error| panic!("{error}; {promises:?}"));
    let resumed = node.storage.is_applying_snapshot();
    node.work().unwrap();
    assert!(!node.storage.check_applying_snap());
    check_promises(&node, promises);
    check_data(&mut node, resumed);
    let calls = calls - node.disk.fuse.left();
    if deeper == 0 {
        return;
    }
    for calls in 0..calls {
        let image = disk.after_power_loss(0, 0, calls);
        if let Ok(mut node) = Node::start(image.clone()) {
            let _ = node.work();
        }
        for (raft, kv) in image.losses() {
            check(&image.after_power_loss(raft, kv, usize::MAX), promises, deeper - 1);
        }
    }
}

fn check_promises(node: &Node, promises: &Promises) {
    let state = node.storage.initial_state().unwrap().hard_state;
    let (term, vote) = promises.vote;
    assert!(
        state.term > term || (state.term == term && (vote == 0 || state.vote == vote)),
        "voted {:?}, remembers {state:?}",
        promises.vote
    );
    let (index, term) = promises.last;
    let found = node.storage.term(index);
    // Another leader's entries or snapshot may have been written by then, without being promised.
    let superseded = state.term > term || node.storage.truncated_index() >= index;
    assert!(superseded || found == Ok(term), "{promises:?}, but {found:?}");
    assert!(node.storage.last_index().unwrap() >= promises.committed, "{promises:?}");
    assert!(node.storage.applied_index() <= node.storage.last_index().unwrap());
}

/// The data is that of the applied index, and what is committed can be applied again.
fn check_data(node: &mut Node, resumed: bool) {
    let state = states::load_region_state(&*node.disk.kv, REGION).unwrap();
    let Some(state) = state else {
        assert_eq!(data_of(&*node.disk.kv), Default::default());
        return;
    };
    assert_eq!(state.state(), PeerState::Normal);
    let region = state.region.unwrap();
    let data = || {
        let mut data = data_of(&*node.disk.kv);
        // A task to clear what lies outside may have been lost; the raftstore removes that at its start.
        data.retain(|(_, key), _| in_region(key, &region));
        data
    };
    let applied = node.storage.applied_index();
    assert_eq!(data(), data_at(applied, &region), "at {applied}");
    if resumed {
        assert_eq!(node.disk.files.names(), Vec::<String>::new(), "the file went with the installation");
    }
    let deleted = states::load_raft_gc_index(&*node.disk.raft, REGION).unwrap();
    let log = deleted + 1..=node.storage.last_index().unwrap();
    assert!(on_disk(&node.disk).iter().all(|index| log.contains(index)), "entries that nobody would delete");
    let commit = node.storage.initial_state().unwrap().hard_state.commit;
    for index in applied + 1..=commit {
        assert!(node.storage.entries(index, index + 1, u64::MAX).is_ok(), "entry {index} is committed");
    }
}

#[test]
fn the_whole_life() {
    let mut node = Node::start(Disk::new(usize::MAX)).unwrap();
    live(&mut node, &mut Promises::default()).unwrap();
    assert_eq!(data_of(&*node.disk.kv), data_at(62, &region("c", "k")));
}

#[test]
fn it_can_be_cut_short_at_every_call() {
    let mut node = Node::start(Disk::new(usize::MAX)).unwrap();
    let before = node.disk.fuse.left();
    live(&mut node, &mut Promises::default()).unwrap();
    let calls = before - node.disk.fuse.left();
    let mut images = 0;
    for calls in 0..calls {
        let disk = Disk::new(calls);
        let mut promises = Promises::default();
        if let Ok(mut node) = Node::start(disk.clone()) {
            assert!(live(&mut node, &mut promises).is_err());
        }
        for (raft, kv) in disk.losses() {
            images += 1;
            check(&disk.after_power_loss(raft, kv, usize::MAX), &promises, 1);
        }
    }
    assert!(calls >= 100 && images >= 300, "{calls} calls, {images} images");
}

#[test]
fn a_peer_that_goes_away_is_gone_or_there() {
    // kvdb: write, sync; raftdb: write, sync.
    for calls in 0..=4 {
        let mut node = Node::start(Disk::new(usize::MAX)).unwrap();
        live(&mut node, &mut Promises::default()).unwrap();
        node.disk.kv.sync().unwrap();
        node.disk.raft.sync().unwrap();
        node.disk.fuse.blow_after(calls);
        let mut writes = RoundWrites { sync_raft: true, ..RoundWrites::default() };
        node.storage.clear_meta(&mut writes).unwrap();
        assert_eq!(node.write(writes).is_ok(), calls == 4);
        for (raft, kv) in node.disk.losses() {
            let disk = node.disk.after_power_loss(raft, kv, usize::MAX);
            let region = states::load_region_state(&*disk.kv, REGION).unwrap();
            let log = states::load_raft_state(&*disk.raft, REGION).unwrap();
            assert!(region.is_none() || log.is_some(), "a region without its log");
        }
    }
}
