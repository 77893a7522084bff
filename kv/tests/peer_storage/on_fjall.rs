//! The way of a snapshot on the engines and files of production: what the other tests show in memory holds there too.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;

use kv::engine::{Cf, Engines, FjallEngine, WriteBatch};
use kv::raftstore::context::Fatal;
use kv::raftstore::meta::states;
use kv::raftstore::peer_storage::{PeerStorage, RoundWrites};
use kv::raftstore::runner::RegionRunner;
use kv::snap::{RealFiles, SnapManager};
use kv::worker::manual::ManualWorker;
use proto::metapb::Region;
use proto::raft_serverpb::PeerState;
use raft::{Ready, Storage};

use crate::model::{REGION, data_at, data_of, entries, hard_state, leaders_snapshot, region, unknown_region};
use crate::node::{Listener, Nowhere, limits};
use crate::snapshot::install;

struct Store {
    engines: Engines,
    snaps: SnapManager,
    worker: ManualWorker<RegionRunner>,
    fatal: Arc<Fatal>,
    storage: PeerStorage,
}

fn start(dir: &Path, region: Region) -> Store {
    let open = |name: &str, cfs: &[Cf]| Arc::new(FjallEngine::open(dir.join(name), cfs).unwrap());
    let engines = Engines { raft: open("raft", &[Cf::Raft]), kv: open("kv", &Cf::ALL) };
    let applying = kv::raftstore::peer_storage::applying_snapshots(&*engines.kv).unwrap();
    let files = Arc::new(RealFiles::open(dir.join("snap")).unwrap());
    let snaps = SnapManager::open(files, limits(), &applying).unwrap();
    let listener = Arc::new(Listener::default());
    let fatal = Arc::new(Fatal::new(listener.clone()));
    let runner =
        RegionRunner::new(engines.clone(), snaps.clone(), Arc::new(Nowhere), listener, fatal.clone());
    let worker = ManualWorker::new(runner);
    let storage =
        PeerStorage::new(engines.clone(), region, worker.scheduler(), "peer 1".to_owned(), 1000).unwrap();
    Store { engines, snaps, worker, fatal, storage }
}

impl Store {
    fn round(&mut self, ready: &Ready) {
        let mut writes = RoundWrites::default();
        let ctx = self.storage.save_ready_state(ready, &mut writes).unwrap();
        self.engines.kv.write(writes.kv).unwrap();
        self.engines.kv.sync().unwrap();
        self.engines.raft.write(writes.raft).unwrap();
        self.engines.raft.sync().unwrap();
        self.storage.post_ready(ctx);
    }
}

#[test]
fn a_snapshot_is_installed_and_taken_up_again() {
    let dir = tempfile::tempdir().unwrap();
    let (snapshot, file) = leaders_snapshot(&region("", ""), 40, 9);
    let mut store = start(dir.path(), unknown_region());
    let mut stale = WriteBatch::new();
    stale.put(Cf::Lock, "stale", "of an earlier life");
    store.engines.kv.write(stale).unwrap();

    let mut receiver = store.snaps.begin_receiving(&snapshot).unwrap();
    receiver.append(&file).unwrap();
    receiver.finish().unwrap();
    let following = Ready { entries: entries(41, 45, 9), ..Ready::default() };
    store.round(&install(&snapshot, Ready { hard_state: Some(hard_state(9, 2, 43)), ..following }));
    drop(store);

    let mut store = start(dir.path(), region("", ""));
    assert!(store.storage.is_applying_snapshot());
    while store.worker.run_one() {}
    assert!(!store.fatal.is_stopped());
    assert!(!store.storage.check_applying_snap());
    assert_eq!(data_of(&*store.engines.kv), data_at(40, &region("", "")));
    assert_eq!(store.storage.entries(41, 46, u64::MAX).unwrap(), entries(41, 45, 9));
    assert_eq!(std::fs::read_dir(dir.path().join("snap")).unwrap().count(), 0);
    let state = states::load_region_state(&*store.engines.kv, REGION).unwrap().unwrap();
    assert_eq!(state.state(), PeerState::Normal);
    assert_eq!(store.snaps.stats().files, 0);
    assert_eq!(kv::raftstore::peer_storage::applying_snapshots(&*store.engines.kv).unwrap(), BTreeSet::new());
}
