//! All that the checks remember of a run.

use std::collections::BTreeMap;

use ::kv::raftstore::StoreId;
use ::raft::{Index, Term};

use super::ghost::Ghost;
use super::mirror::kv::{Mirror, States};
use super::mirror::raft::{Change, Group};
use super::observe::{Db, Micros, SnapshotFile};

/// The cluster, and each of its stores.
#[derive(Debug, Default)]
pub struct World {
    /// The present moment.
    pub now: Micros,
    /// What the cluster has done.
    pub ghost: Ghost,
    /// By id.
    pub stores: BTreeMap<StoreId, Store>,
    /// See `Checker::with_lease_reads`.
    pub lease_reads: bool,
}

impl World {
    /// A store, also one that was never heard of.
    pub fn store(&mut self, id: StoreId) -> &mut Store {
        self.stores.entry(id).or_default()
    }

    /// `id` runs no more. What was asked of it stays open.
    pub fn stop(&mut self, id: StoreId) {
        self.store(id).is_running = false;
        let open = |command: &&mut super::ghost::Command| command.store == id && command.end.is_none();
        for command in self.ghost.commands.values_mut().filter(open) {
            command.end = Some(super::ghost::End::Open);
        }
    }
}

/// One store.
#[derive(Debug, Default)]
pub struct Store {
    /// Whether it is up.
    pub is_running: bool,
    /// Which database has failed since it started.
    pub failed: Option<Db>,
    /// Its raftdb, by region.
    pub raft: BTreeMap<u64, Group>,
    /// The same after a power cut.
    pub durable_raft: BTreeMap<u64, Group>,
    unsynced: Vec<BTreeMap<u64, Change>>,
    /// Its kvdb.
    pub kv: Mirror,
    /// What a power cut would leave of the states in it.
    pub durable_kv: BTreeMap<u64, States>,
    /// Snapshot files that are being read, and how often.
    pub open_files: BTreeMap<SnapshotFile, u32>,
    /// When each region last began to install a snapshot.
    pub installed: BTreeMap<u64, Micros>,
    /// What each peer showed last since the start.
    pub peers: BTreeMap<u64, ::raft::Status>,
}

impl Store {
    /// A store that has just started with these databases.
    pub fn started(raft: BTreeMap<u64, Group>, kv: Mirror) -> Store {
        Store {
            is_running: true,
            durable_raft: raft.clone(),
            durable_kv: kv.states.clone(),
            raft,
            kv,
            ..Store::default()
        }
    }

    /// What was written to raftdb, and is not safe yet.
    pub fn note_unsynced(&mut self, changes: BTreeMap<u64, Change>) {
        self.unsynced.push(changes);
    }

    /// Everything in `db` is safe.
    pub fn sync(&mut self, db: Db) {
        match db {
            Db::Kv => self.durable_kv.clone_from(&self.kv.states),
            Db::Raft => {
                for changes in self.unsynced.drain(..) {
                    for (region_id, change) in changes {
                        self.durable_raft.entry(region_id).or_default().apply(&change);
                    }
                }
            }
        }
    }

    /// What kvdb says about a region.
    pub fn states(&self, region_id: u64) -> States {
        self.kv.states.get(&region_id).cloned().unwrap_or_default()
    }

    /// Whether a power cut would leave the entry at `index`, or a snapshot that stands for it. `None` as term: any entry.
    pub fn holds_durably(&self, region_id: u64, index: Index, term: Option<Term>) -> bool {
        let truncated = self.durable_kv.get(&region_id).map_or(0, |states| states.truncated().index);
        let stored = self.durable_raft.get(&region_id).and_then(|group| group.term(index));
        index <= truncated || stored.is_some_and(|stored| term.is_none_or(|term| term == stored))
    }
}
