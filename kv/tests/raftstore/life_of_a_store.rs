//! Bootstrap that may be stopped anywhere, and stores that start, stop and start again on their threads.

use std::ops::Bound;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Sender, channel};

use crate::common::{Cluster, REGION, config, first_region, put, take};
use bytes::Bytes;
use kv::clock::ManualClock;
use kv::config::ReadMode;
use kv::engine::{self, Cf, Engine, Engines, FjallEngine, Iter, MemEngine, Read, Snapshot, WriteBatch};
use kv::raftstore::bootstrap::{
    bootstrap_store, check_store_ident, clear_prepare_bootstrap, prepare_bootstrap, undo_prepare_bootstrap,
};
use kv::raftstore::context::{Observer, PeerStatus, StoreEvent, Transport};
use kv::raftstore::meta::states::{load_prepare_bootstrap, load_raft_state, load_region_state};
use kv::raftstore::system::{StoreBuilder, ThreadStore};
use kv::raftstore::{Error, RAFT_INIT_LOG_INDEX};
use kv::snap::MemFiles;
use kv::storage::Storage;
use kv::storage::raft::RaftStorage;
use proto::kvrpcpb::Context;
use proto::metapb::Store;
use proto::raft_serverpb::{RaftMessage, StoreIdent};

fn memory() -> Engines {
    Engines { raft: Arc::new(MemEngine::new()), kv: Arc::new(MemEngine::new()) }
}

fn bootstrap(engines: &Engines) -> kv::raftstore::Result<()> {
    bootstrap_store(engines, 7, 1)?;
    prepare_bootstrap(engines, &first_region(1))?;
    clear_prepare_bootstrap(engines)
}

#[test]
fn a_bootstrapped_store_knows_who_it_is_and_has_its_region() {
    let engines = memory();
    assert_eq!(check_store_ident(&engines).unwrap(), None);
    bootstrap(&engines).unwrap();
    assert_eq!(check_store_ident(&engines).unwrap(), Some(StoreIdent { cluster_id: 7, store_id: 1 }));
    assert_eq!(load_prepare_bootstrap(&*engines.kv).unwrap(), None);
    let raft = load_raft_state(&*engines.raft, REGION).unwrap().unwrap();
    assert_eq!(raft.last_index, RAFT_INIT_LOG_INDEX);
}

#[test]
fn databases_of_another_store_or_of_nobody_are_refused() {
    let engines = memory();
    bootstrap_store(&engines, 7, 1).unwrap();
    for (cluster, store) in [(8, 1), (7, 2)] {
        assert!(matches!(bootstrap_store(&engines, cluster, store), Err(Error::Corrupt(_))));
    }
    let other = memory();
    bootstrap_store(&other, 7, 2).unwrap();
    let mixed = Engines { raft: engines.raft.clone(), kv: other.kv };
    assert!(check_store_ident(&mixed).unwrap_err().to_string().contains("store 2"));

    let foreign = memory();
    let mut batch = WriteBatch::new();
    batch.put(Cf::Default, "a", "1");
    foreign.kv.write(batch).unwrap();
    assert!(matches!(bootstrap_store(&foreign, 7, 1), Err(Error::Corrupt(_))));
}

#[test]
fn a_region_that_is_at_work_is_not_bootstrapped_again() {
    let mut cluster = Cluster::new(1, config(ReadMode::Log));
    cluster.settle();
    cluster.must_put(1, "a", "1");
    cluster.stop(1);
    let engines = cluster.nodes[&1].engines.clone();
    let before = load_raft_state(&*engines.raft, REGION).unwrap();
    prepare_bootstrap(&engines, &first_region(1)).unwrap();
    assert_eq!(load_raft_state(&*engines.raft, REGION).unwrap(), before);
    cluster.start(1);
    cluster.settle();
    assert_eq!(cluster.must_get(1, "a").unwrap(), "1");
}

#[test]
fn a_region_that_the_cluster_did_not_take_can_be_taken_back() {
    let engines = memory();
    bootstrap_store(&engines, 7, 1).unwrap();
    prepare_bootstrap(&engines, &first_region(1)).unwrap();
    undo_prepare_bootstrap(&engines, REGION).unwrap();
    assert_eq!(load_region_state(&*engines.kv, REGION).unwrap(), None);
    assert_eq!(load_raft_state(&*engines.raft, REGION).unwrap(), None);
    assert_eq!(load_prepare_bootstrap(&*engines.kv).unwrap(), None);
}

/// Two engines that share a fuse: when it has burnt down, every write and sync fails, and what was not synced is gone.
struct Fused {
    synced: MemEngine,
    unsynced: std::sync::Mutex<Vec<WriteBatch>>,
    fuse: Arc<AtomicUsize>,
}

impl Fused {
    fn burn(&self) -> engine::Result<()> {
        let left = self.fuse.load(Ordering::SeqCst);
        self.fuse.store(left.saturating_sub(1), Ordering::SeqCst);
        if left == 0 { Err(engine::Error::Poisoned) } else { Ok(()) }
    }
}

impl Read for Fused {
    fn get(&self, cf: Cf, key: &[u8]) -> engine::Result<Option<Bytes>> {
        self.synced.get(cf, key)
    }

    fn range(&self, cf: Cf, lower: Bound<&[u8]>, upper: Bound<&[u8]>) -> engine::Result<Iter<'_>> {
        self.synced.range(cf, lower, upper)
    }
}

impl Engine for Fused {
    fn write(&self, batch: WriteBatch) -> engine::Result<()> {
        self.burn()?;
        self.unsynced.lock().unwrap().push(batch);
        Ok(())
    }

    fn sync(&self) -> engine::Result<()> {
        self.burn()?;
        let batches = std::mem::take(&mut *self.unsynced.lock().unwrap());
        batches.into_iter().try_for_each(|batch| self.synced.write(batch))
    }

    fn snapshot(&self) -> Snapshot {
        self.synced.snapshot()
    }
}

#[test]
fn a_bootstrap_that_is_stopped_anywhere_can_be_taken_again() {
    for cut in 0.. {
        let fuse = Arc::new(AtomicUsize::new(cut));
        let engine = || {
            let (synced, unsynced) = (MemEngine::new(), std::sync::Mutex::default());
            Arc::new(Fused { synced, unsynced, fuse: fuse.clone() })
        };
        let (raft, kv) = (engine(), engine());
        let engines = Engines { raft: raft.clone(), kv: kv.clone() };
        let done = bootstrap(&engines).is_ok();
        // The power is back; what was not synced is gone.
        raft.unsynced.lock().unwrap().clear();
        kv.unsynced.lock().unwrap().clear();
        fuse.store(usize::MAX, Ordering::SeqCst);
        check_store_ident(&engines).unwrap();
        bootstrap(&engines).unwrap_or_else(|error| panic!("cut at {cut}: {error}"));
        assert!(load_region_state(&*engines.kv, REGION).unwrap().is_some(), "cut at {cut}");
        assert!(load_raft_state(&*engines.raft, REGION).unwrap().is_some(), "cut at {cut}");
        if done {
            assert!(cut >= 8, "there are fewer seam calls than there should be");
            return;
        }
    }
}

struct Nowhere;

impl Transport for Nowhere {
    fn send(&self, _: RaftMessage) {}
}

/// Tells when the peer has become leader.
struct Elected(std::sync::Mutex<Sender<()>>);

impl Observer for Elected {
    fn on_event(&self, event: StoreEvent) {
        if let StoreEvent::RoleChanged { role: raft::Role::Leader, .. } = event {
            self.0.lock().unwrap().send(()).unwrap();
        }
    }

    fn on_peer(&self, _: PeerStatus) {}
}

/// A lone store on threads, as soon as it leads its region.
fn start_threads(engines: Engines, files: &MemFiles) -> ThreadStore {
    let (elected, is_elected) = channel();
    let builder = StoreBuilder {
        config: config(ReadMode::Index),
        store: Store { id: 1, ..Store::default() },
        engines,
        snap_files: Arc::new(files.clone()),
        transport: Arc::new(Nowhere),
        clock: Arc::new(ManualClock::default()),
        observer: Arc::new(Elected(std::sync::Mutex::new(elected))),
    };
    let store = builder.start_threads().unwrap();
    is_elected.recv().unwrap();
    store
}

fn context() -> Context {
    let region = first_region(1);
    let peer = region.peers.first().copied();
    Context { region_id: REGION, region_epoch: region.region_epoch, peer, term: 0 }
}

#[test]
fn a_store_on_threads_serves_and_lets_go_of_everything_when_dropped() {
    let dir = tempfile::tempdir().unwrap();
    let files = MemFiles::default();
    for round in 0..3 {
        // Opening it again proves that nobody has kept a handle.
        let open = |name: &str| Arc::new(FjallEngine::open(dir.path().join(name), &Cf::ALL).unwrap());
        let engines = Engines { raft: open("raft"), kv: open("kv") };
        bootstrap(&engines).unwrap();
        let store = start_threads(engines, &files);
        let storage = RaftStorage::new(Arc::new(store.router()));
        let (answered, answer) = channel();
        let key = format!("k{round}");
        storage.async_write(
            &context(),
            0,
            vec![put(&key, "x")],
            Box::new(move |result| answered.send(result).unwrap()),
        );
        answer.recv().unwrap().unwrap();
        let (answered, answer) = channel();
        storage.async_snapshot(&context(), Box::new(move |result| answered.send(result).unwrap()));
        let reader = answer.recv().unwrap().unwrap();
        for earlier in 0..=round {
            let key = format!("k{earlier}");
            assert_eq!(reader.get_cf(Cf::Default, key.as_bytes()).unwrap().unwrap(), "x");
        }
        drop(reader);
        drop(store);

        let (answered, answer) = channel();
        storage.async_write(
            &context(),
            0,
            vec![put("late", "x")],
            Box::new(move |result| answered.send(result).unwrap()),
        );
        assert!(answer.recv().unwrap().is_err(), "a store that has stopped refuses");
    }
}

#[test]
fn a_store_does_not_start_on_data_that_is_not_its_own() {
    let start = |engines: &Engines| {
        let builder = StoreBuilder {
            config: config(ReadMode::Index),
            store: Store { id: 1, ..Store::default() },
            engines: engines.clone(),
            snap_files: Arc::new(MemFiles::default()),
            transport: Arc::new(Nowhere),
            clock: Arc::new(ManualClock::default()),
            observer: Arc::new(crate::common::Recorder::default()),
        };
        builder.start_manual().err().map(|error| error.to_string())
    };
    let engines = memory();
    assert!(start(&engines).unwrap().contains("not been bootstrapped"));
    bootstrap_store(&engines, 7, 2).unwrap();
    assert!(start(&engines).unwrap().contains("store 2"));
}

#[test]
fn data_that_no_region_holds_goes_at_the_start() {
    let mut cluster = Cluster::new(1, config(ReadMode::Log));
    cluster.settle();
    cluster.must_put(1, "a", "1");
    cluster.stop(1);
    let engines = cluster.nodes[&1].engines.clone();
    // The region shrinks on disk, as a snapshot would have it, and the store stops before the rest is cleared away.
    let mut state = load_region_state(&*engines.kv, REGION).unwrap().unwrap();
    state.region.as_mut().unwrap().end_key = Bytes::from_static(b"m");
    let mut batch = WriteBatch::new();
    batch.put_msg(Cf::Raft, kv::raftstore::meta::keys::region_state_key(REGION), &state);
    batch.put(Cf::Default, "m", "ghost");
    batch.put(Cf::Lock, "z", "ghost");
    engines.kv.write(batch).unwrap();
    cluster.start(1);
    cluster.settle();
    assert_eq!(engines.kv.get(Cf::Default, b"m").unwrap(), None);
    assert_eq!(engines.kv.get(Cf::Lock, b"z").unwrap(), None);
    assert_eq!(engines.kv.get(Cf::Default, b"a").unwrap().unwrap(), "1");
    let slot = cluster.put(1, "z", "x");
    cluster.settle();
    let Err(kv::storage::Error::Region(error)) = take(&slot) else { panic!("taken") };
    assert_eq!(error.key_not_in_region.unwrap().end_key, "m");
}
