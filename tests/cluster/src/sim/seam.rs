//! The seams of the stores: whatever a store does to its surroundings passes through here.
//!
//! Each call first asks whether it goes through: the crash fuse of its store may burn down at it, and a disk may fail. What goes
//! through is shown to the checks at once, inside the call, and left for the world as an [`Effect`]. After the fuse has burnt,
//! the store is a *zombie* for the rest of the event: it notices nothing, and nothing that it does has any effect.

use std::sync::{Arc, Mutex, MutexGuard};

use harness::rng::{Noise, Stream};
use kv::engine::WriteBatch;
use kv::raftstore::context::{Observer, PeerStatus, StoreEvent, Transport};
use kv::raftstore::msg::{Callback, CmdResult, Dropped, RaftCommand};
use proto::raft_serverpb::RaftMessage;
use verdict::FailPoint;

use super::request::Reply;
use crate::check::Checker;
use crate::check::observe::{self, Db, FileEvent, SnapshotFile};
use crate::disk::{Gate, Passage};
use crate::files::FileGate;

/// Longest time that a slow sync takes.
const SLOW_MOST_US: u64 = 30_000;

/// What a store has done to its surroundings.
#[derive(Debug)]
pub enum Effect {
    /// It sent a message.
    Send(Box<RaftMessage>),
    /// It answered a request of a client.
    Answer {
        /// Which.
        attempt: usize,
        /// What it said.
        reply: Reply,
    },
    /// It told of something.
    Told(StoreEvent),
    /// It synced a database.
    Synced(Db),
}

/// What all seams of a run share.
pub struct Shared {
    /// The checks.
    pub checker: Checker,
    /// The stores, by position.
    pub stores: Vec<StoreSeam>,
    /// What the store at work has done, with the time that it has lost by then to a slow disk.
    pub effects: Vec<(u64, Effect)>,
    /// Calls since the event began.
    pub calls: u64,
    /// Commands that were handed to stores so far.
    pub commands: u64,
    noise: Noise,
    slow_disk_ppm: u32,
}

/// What the seams know of one store.
#[derive(Default)]
pub struct StoreSeam {
    /// Life whose calls count; others are those of a store that is gone.
    pub life: u64,
    /// The store runs.
    pub up: bool,
    /// Its fuse has burnt down: it is a zombie.
    pub zombie: bool,
    /// So many more calls go through.
    pub fuse: Option<u64>,
    /// So many more calls to its disks go through, and then it dies.
    pub disk_fuse: Option<u64>,
    /// It dies at this place, after so many more passes.
    pub point_fuse: Option<(FailPoint, u64)>,
    /// So many more calls to its disks go through, and then one fails.
    pub failing: Option<u64>,
    /// It lost so much time to a slow disk in the event at hand.
    pub stall_us: u64,
    /// State of its peer after the last round.
    pub status: Option<PeerStatus>,
    /// It said that it cannot go on.
    pub fatal: Option<String>,
    /// Its disk has failed.
    pub failed: bool,
    /// Calls to its disks in this life.
    pub disk_calls: u64,
    syncs: u64,
}

/// The seams of one store, in one life.
#[derive(Clone)]
pub struct Seam {
    shared: Arc<Mutex<Shared>>,
    store: usize,
    life: u64,
}

impl Shared {
    /// Seams of a run with so many stores, watched by `checker`.
    pub fn new(stores: u64, noise: Noise, slow_disk_ppm: u32, checker: Checker) -> Arc<Mutex<Shared>> {
        Arc::new(Mutex::new(Shared {
            checker,
            stores: (0..stores).map(|_| StoreSeam::default()).collect(),
            effects: Vec::new(),
            calls: 0,
            commands: 0,
            noise,
            slow_disk_ppm,
        }))
    }

    /// From now on, no disk is slow.
    pub fn heal(&mut self) {
        self.slow_disk_ppm = 0;
        for store in &mut self.stores {
            (store.fuse, store.disk_fuse, store.point_fuse, store.failing) = (None, None, None, None);
        }
    }

    /// A store starts a new life.
    pub fn begin_life(&mut self, store: usize, life: u64) {
        let syncs = self.stores[store].syncs;
        self.stores[store] = StoreSeam { life, up: true, syncs, ..StoreSeam::default() };
    }

    /// A store is about to do something; says whether it may die in the middle of it.
    pub fn begin_event(&mut self, store: usize) -> bool {
        self.calls = 0;
        let seam = &mut self.stores[store];
        seam.stall_us = 0;
        seam.fuse.is_some() || seam.disk_fuse.is_some() || seam.point_fuse.is_some() || seam.zombie
    }

    /// Whether what a store says in this life still counts.
    fn hears(&self, store: usize, life: u64) -> bool {
        let seam = &self.stores[store];
        seam.life == life && seam.up && !seam.zombie
    }

    fn pass(&mut self, store: usize, life: u64) -> bool {
        if !self.hears(store, life) {
            return false;
        }
        let seam = &mut self.stores[store];
        match &mut seam.fuse {
            Some(0) => {
                seam.zombie = true;
                return false;
            }
            Some(calls) => *calls -= 1,
            None => {}
        }
        self.calls += 1;
        true
    }

    fn pass_disk(&mut self, store: usize, life: u64) -> Passage {
        if !self.pass(store, life) {
            return Passage::Shut;
        }
        let seam = &mut self.stores[store];
        match &mut seam.disk_fuse {
            Some(0) => {
                seam.zombie = true;
                return Passage::Shut;
            }
            Some(calls) => *calls -= 1,
            None => {}
        }
        seam.disk_calls += 1;
        match &mut seam.failing {
            Some(0) => Passage::Fails,
            Some(calls) => {
                *calls -= 1;
                Passage::Open
            }
            None => Passage::Open,
        }
    }

    /// A store comes by a named place, and may die there.
    fn come_by(&mut self, store: usize, life: u64, name: &str) {
        if !self.hears(store, life) {
            return;
        }
        let seam = &mut self.stores[store];
        match &mut seam.point_fuse {
            Some((point, 0)) if point.name() == name => seam.zombie = true,
            Some((point, passes)) if point.name() == name => *passes -= 1,
            _ => {}
        }
    }

    fn sync(&mut self, store: usize, unsynced: usize) {
        let seam = &mut self.stores[store];
        seam.syncs += 1;
        let (id, counter) = (store as u64 + 1, seam.syncs);
        if unsynced > 0 && self.noise.chance(Stream::Disk, id, counter * 2, self.slow_disk_ppm) {
            seam.stall_us += 1 + self.noise.below(Stream::Disk, id, counter * 2 + 1, SLOW_MOST_US);
        }
    }

    fn leave(&mut self, store: usize, effect: Effect) {
        let stall = self.stores[store].stall_us;
        self.effects.push((stall, effect));
    }
}

impl Seam {
    /// Seams of the store at a position, in the given life.
    pub fn new(shared: Arc<Mutex<Shared>>, store: usize, life: u64) -> Seam {
        Seam { shared, store, life }
    }

    /// What all seams share.
    pub fn lock(&self) -> MutexGuard<'_, Shared> {
        self.shared.lock().expect("no code under test runs under this lock")
    }

    /// The store answers a client's request.
    pub fn answer(&self, attempt: usize, reply: Reply) {
        let mut shared = self.lock();
        if shared.pass(self.store, self.life) {
            shared.leave(self.store, Effect::Answer { attempt, reply });
        }
    }

    fn id(&self) -> u64 {
        self.store as u64 + 1
    }
}

/// The seam between a store and one of its disks.
pub struct DiskSeam {
    /// The store's seams.
    pub seam: Seam,
    /// Which disk.
    pub db: Db,
}

impl Gate for DiskSeam {
    fn before_write(&self) -> Passage {
        let Seam { store, life, .. } = self.seam;
        self.seam.lock().pass_disk(store, life)
    }

    fn on_write(&self, batch: &WriteBatch) {
        self.seam.lock().checker.on_write(self.seam.id(), self.db, batch);
    }

    fn before_sync(&self, unsynced: usize) -> Passage {
        let Seam { store, life, .. } = self.seam;
        let mut shared = self.seam.lock();
        let passage = shared.pass_disk(store, life);
        if passage == Passage::Open {
            shared.sync(store, unsynced);
        }
        passage
    }

    fn on_sync(&self) {
        let mut shared = self.seam.lock();
        shared.checker.on_sync(self.seam.id(), self.db);
        shared.leave(self.seam.store, Effect::Synced(self.db));
    }

    fn on_failure(&self) {
        let mut shared = self.seam.lock();
        shared.stores[self.seam.store].failed = true;
        shared.checker.on_engine_failure(self.seam.id(), self.db);
    }
}

impl Transport for Seam {
    fn send(&self, message: RaftMessage) {
        let mut shared = self.lock();
        if shared.pass(self.store, self.life) {
            shared.checker.on_send(self.id(), &message);
            shared.leave(self.store, Effect::Send(Box::new(message)));
        }
    }
}

impl Observer for Seam {
    fn on_event(&self, event: StoreEvent) {
        let mut shared = self.lock();
        if !shared.hears(self.store, self.life) {
            return;
        }
        let seam = &mut shared.stores[self.store];
        if let StoreEvent::Fatal { reason } = &event {
            seam.fatal = Some(reason.clone());
        }
        shared.leave(self.store, Effect::Told(event));
    }

    fn on_peer(&self, status: PeerStatus) {
        let mut shared = self.lock();
        if !shared.hears(self.store, self.life) {
            return;
        }
        shared.checker.on_peer(self.id(), &status);
        shared.stores[self.store].status = Some(status);
    }

    fn on_fail_point(&self, name: &'static str) {
        self.lock().come_by(self.store, self.life, name);
    }
}

impl Seam {
    /// A command on its way into the store: stamped, so that it is known again in the log, and its answer watched.
    pub fn watch(&self, command: RaftCommand) -> RaftCommand {
        let mut shared = self.lock();
        shared.come_by(self.store, self.life, FailPoint::RaftkvAsyncWrite.name());
        if !shared.hears(self.store, self.life) {
            drop(shared);
            return command;
        }
        let RaftCommand { mut request, guard_term, callback } = command;
        shared.commands += 1;
        let id = shared.commands;
        observe::stamp(&mut request, id);
        shared.checker.on_command(self.id(), id, &request);
        drop(shared);
        let seam = self.clone();
        let callback = Callback::new(move |result| seam.on_answer(id, result, callback));
        RaftCommand { request, guard_term, callback }
    }

    fn on_answer(&self, id: u64, result: Result<CmdResult, Dropped>, callback: Callback) {
        let mut shared = self.lock();
        shared.come_by(self.store, self.life, FailPoint::RaftkvAsyncWriteFinish.name());
        if shared.pass(self.store, self.life) {
            shared.checker.on_answer(self.id(), id, result.as_ref().map_err(|dropped| *dropped));
        }
        drop(shared);
        if let Ok(result) = result {
            callback.invoke(result);
        }
    }
}

impl FileGate for Seam {
    fn before_change(&self) -> Passage {
        // A file that cannot be written costs a snapshot, not the store.
        match self.lock().pass_disk(self.store, self.life) {
            Passage::Shut => Passage::Shut,
            Passage::Open | Passage::Fails => Passage::Open,
        }
    }

    fn on_file(&self, file: SnapshotFile, event: FileEvent) {
        let mut shared = self.lock();
        if shared.hears(self.store, self.life) {
            shared.checker.on_snapshot_file(self.id(), file, event);
        }
    }
}
