//! The simulated world: stores, network, clients and time, driven by one queue of events.

use std::sync::{Arc, Mutex, MutexGuard};

use harness::budget::Messages;
use harness::links::Weather;
use harness::panics::Panic;
use harness::plan::{Clock, TICK_US};
use harness::queue::Queue;
use harness::record::Recorder;
use harness::rng::{self, Noise};
use harness::rule::Violation;
use harness::simulation::Place;
use kv::raftstore::context::PeerStatus;
use proto::metapb::Region;
use raft::Role;
use verdict::{Cost, Layers, Plan};

use super::acts::Acts;
use super::bootstrap;
use super::client::Clients;
use super::event::Event;
use super::net::Net;
use super::seam::{Seam, Shared};
use super::store::{Disks, Store, first_region};
use super::transfer::Transfer;
use crate::check::Checker;

/// Why the world stopped in the middle of an event.
#[derive(Debug)]
pub enum Stop {
    /// A promise was broken.
    Broken(Box<Violation>),
    /// Code under test panicked.
    Panicked(Box<Panic>),
}

impl From<Violation> for Stop {
    fn from(violation: Violation) -> Stop {
        Stop::Broken(Box::new(violation))
    }
}

/// One run.
pub struct World<'a> {
    /// What decides it.
    pub plan: &'a Plan,
    /// Checks that are on.
    pub layers: Layers,
    /// All chance.
    pub noise: Noise,
    /// Virtual time.
    pub now: u64,
    /// What happens next.
    pub queue: Queue<Event>,
    /// Messages on their way.
    pub net: Net,
    /// Snapshots on their way.
    pub transfers: Vec<Option<Transfer>>,
    /// Stores, by position: store `id` is at `id - 1`.
    pub stores: Vec<Store>,
    /// The region that they hold, as clients know it.
    pub region: Region,
    /// What passes between stores and world, and the checks on it.
    pub shared: Arc<Mutex<Shared>>,
    /// The clients.
    pub clients: Clients,
    /// Where in the play we are.
    pub acts: Acts,
    /// Messages that were sent in this virtual second.
    pub messages: Messages,
    /// Digest of all events so far.
    pub hash: u64,
    /// For the scorecard.
    pub cost: Cost,
    /// Writes everything down, in runs that are to be told.
    pub recorder: Option<Box<Recorder>>,
    /// What is being done.
    pub doing: Place,
    /// Machines are as slow as in the plan; otherwise never slow.
    pub slow_machines: bool,
    /// Calls that each store had made to its disks when the faults ended.
    pub disk_calls: Vec<u64>,
    /// The bootstrap of every store was cut short there, and done again.
    pub bootstrap_cut: Option<bootstrap::Cut>,
}

impl<'a> World<'a> {
    /// The world of a plan, before anything happened.
    pub fn new(plan: &'a Plan, layers: Layers) -> World<'a> {
        let noise = Noise(plan.noise);
        let nodes = plan.knobs.nodes;
        let checker = match plan.knobs.store.read_mode {
            0 | 1 => Checker::new(),
            _ => Checker::with_lease_reads(),
        };
        World {
            plan,
            layers,
            noise,
            now: 0,
            queue: Queue::default(),
            net: Net::new(noise, Weather::of(&plan.knobs)),
            transfers: Vec::new(),
            stores: Vec::new(),
            region: first_region(nodes),
            shared: Shared::new(nodes, noise, plan.knobs.slow_disk_ppm, checker),
            clients: Clients::new(plan),
            acts: Acts::new(&plan.knobs),
            messages: Messages::default(),
            hash: rng::fold(0, nodes),
            cost: Cost { runs: 1, ..Cost::default() },
            recorder: None,
            doing: Place::default(),
            slow_machines: true,
            disk_calls: Vec::new(),
            bootstrap_cut: None,
        }
    }

    /// Plays the plan to its end.
    ///
    /// # Errors
    /// What went wrong.
    pub fn run(&mut self) -> Result<(), Stop> {
        let played = self.play();
        self.cost.messages = self.net.count;
        self.cost.ticks = self.now / TICK_US;
        self.cost.committed = self.statuses().map(|status| status.raft.commit).max().unwrap_or(0);
        played
    }

    fn play(&mut self) -> Result<(), Stop> {
        for id in 1..=self.plan.knobs.nodes {
            self.add_store(id);
        }
        for i in 0..self.stores.len() {
            self.start(i)?;
        }
        for (index, fault) in self.plan.faults.iter().enumerate() {
            self.queue.push(fault.at_us, Event::Fault { index });
        }
        for client in 0..self.clients.all.len() {
            self.queue.push(1, Event::Ask { client });
        }
        self.queue.push(self.plan.knobs.chaos_ms * 1_000, Event::Watch);
        while !self.acts.is_over() {
            let Some((at, event)) = self.queue.pop() else { break };
            self.now = at;
            self.cost.events += 1;
            self.check_events()?;
            self.dispatch(event)?;
        }
        Ok(())
    }

    fn add_store(&mut self, id: u64) {
        let store = self.stores.len();
        let Clock { tick_us, first_us } = Clock::of(id, &self.plan.knobs, self.noise);
        let disks = match self.bootstrap_cut {
            None => Disks::new(id, &self.region),
            Some(cut) => bootstrap::disks_after(cut, id, &self.region),
        };
        self.stores.push(Store::new(id, disks, tick_us));
        self.queue.push(first_us, Event::Tick { store });
    }

    /// Does what is due.
    pub fn dispatch(&mut self, event: Event) -> Result<(), Stop> {
        if let Some(i) = self.meets_paused(event) {
            self.stores[i].backlog.push(event);
            return Ok(());
        }
        match event {
            Event::Tick { store } => self.on_tick(store),
            Event::Work { store, life, duty } => self.on_work(store, life, duty),
            Event::Deliver { slot } => self.on_deliver(slot),
            Event::Piece { transfer } => self.on_piece(transfer),
            Event::Report { store, life, region, peer, what } => {
                self.on_report(store, life, (region, peer), what)
            }
            Event::Ask { client } => self.on_ask(client),
            Event::Arrive { attempt } => self.on_arrive(attempt),
            Event::Answer { attempt } => self.on_answer(attempt),
            Event::Timeout { client, request } => {
                self.on_timeout(client, request);
                Ok(())
            }
            Event::Fault { index } => self.on_fault(index),
            Event::End(what) => self.on_end(what),
            Event::Watch => self.on_watch(),
        }
    }

    /// The paused store that the event is for. Ticks do not wait: a stopped process misses them.
    fn meets_paused(&self, event: Event) -> Option<usize> {
        let store = match event {
            Event::Deliver { slot } => self.net.ends(slot).1,
            Event::Piece { transfer } => self.transfers[transfer].as_ref()?.to(),
            Event::Work { store, .. } | Event::Report { store, .. } => store,
            Event::Arrive { attempt } => self.clients.store_of(attempt),
            _ => return None,
        };
        self.stores.get(store).is_some_and(|store| store.paused > 0).then_some(store)
    }

    /// Goes through what came up at a store while it was paused.
    pub fn catch_up(&mut self, i: usize) -> Result<(), Stop> {
        for event in std::mem::take(&mut self.stores[i].backlog) {
            self.dispatch(event)?;
        }
        Ok(())
    }

    /// What all seams share.
    pub fn shared(&self) -> MutexGuard<'_, Shared> {
        self.shared.lock().expect("no code under test runs under this lock")
    }

    /// The seams of a store in its present life.
    pub fn seam(&self, i: usize) -> Seam {
        Seam::new(self.shared.clone(), i, self.stores[i].life)
    }

    /// State of the peer on a store, if it runs.
    pub fn status(&self, i: usize) -> Option<PeerStatus> {
        if !self.stores[i].is_up() {
            return None;
        }
        self.shared().stores[i].status.clone()
    }

    /// What a store's peer has applied, as far as is known.
    pub fn applied(&self, i: usize) -> u64 {
        let shared = self.shared();
        shared.stores[i].status.as_ref().map_or(0, |status| status.apply_state.applied_index)
    }

    /// States of all peers that run.
    pub fn statuses(&self) -> impl Iterator<Item = PeerStatus> + '_ {
        (0..self.stores.len()).filter_map(|i| self.status(i))
    }

    /// Position of the store whose peer leads in the highest term; paused ones lead too.
    pub fn leader(&self) -> Option<usize> {
        let shared = self.shared();
        let up = |i: &usize| self.stores[*i].is_up();
        let term = |i: &usize| {
            let status = shared.stores[*i].status.as_ref()?;
            (status.raft.role == Role::Leader).then_some(status.raft.term)
        };
        (0..self.stores.len())
            .filter(up)
            .filter_map(|i| Some((term(&i)?, i)))
            .max_by_key(|(term, _)| *term)
            .map(|(_, i)| i)
    }

    /// Folds an event at a store, and the state it left behind, into the trace hash.
    pub fn fold_event(&mut self, i: usize, kind: u64, detail: u64) {
        let mut hash = rng::fold(self.hash, self.now);
        hash = rng::fold(hash, kind << 32 | i as u64);
        hash = rng::fold(hash, detail);
        if let Some(status) = &self.shared().stores[i].status {
            let raft = &status.raft;
            let role = match raft.role {
                Role::Follower => 1,
                Role::PreCandidate => 2,
                Role::Candidate => 3,
                Role::Leader => 4,
            };
            let parts = [
                raft.term << 3 | role,
                raft.vote << 32 | raft.leader_id,
                raft.commit,
                raft.applied,
                raft.first_index,
                raft.last.index << 16 | raft.last.term,
                status.apply_state.applied_index,
            ];
            hash = parts.into_iter().fold(hash, rng::fold);
        }
        self.hash = hash;
        if let Some(recorder) = &mut self.recorder {
            recorder.mark(hash);
        }
    }
}
