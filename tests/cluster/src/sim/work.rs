//! A store at its seams: it starts, is given input, does its duties, and dies.

use std::sync::Arc;

use harness::links::Report;
use harness::panics;
use harness::plan::TICK_US;
use harness::rng::{self, Stream};
use harness::rule::Violation;
use kv::batch::Address;
use kv::clock::{ManualClock, Micros};
use kv::raftstore::context::StoreEvent;
use proto::raft_serverpb::RaftMessage;
use raft::SnapshotStatus;

use super::event::{Duty, End, Event};
use super::laws;
use super::net::{self, Flying};
use super::seam::Effect;
use super::store::{Running, config};
use super::story::What;
use super::world::{Stop, World};

/// Longest time that a slow state machine takes.
const SLOW_MOST_US: u64 = 30_000;
/// Longest time that a poller takes to come when all is well.
const CALM_POLL_US: u64 = 100;
/// Longest time that a worker takes then.
const CALM_TASK_US: u64 = 5_000;
/// How long after the event the transport tells of it.
const REPORT_US: u64 = 3_000;

impl World<'_> {
    /// Starts a store from its disks, if it is down.
    pub fn start(&mut self, i: usize) -> Result<(), Stop> {
        if self.stores[i].is_up() {
            return Ok(());
        }
        let store = &mut self.stores[i];
        let Some(disks) = store.disks.take() else { return Ok(()) };
        store.life += 1;
        store.due = [false; Duty::ALL.len()];
        let (id, life, directory) = (store.id, store.life, store.directory.clone());
        {
            let mut shared = self.shared();
            shared.begin_life(i, life);
            shared.checker.on_time(self.now);
            shared.checker.on_open(id, &disks.raft.image(), &disks.kv.image());
        }
        let seam = self.seam(i);
        let config = config(&self.plan.knobs, self.noise.draw(Stream::Timeout, id, life));
        let beside = self.plan.knobs.store.read_mode == 3;
        let clock = Arc::new(ManualClock::default());
        clock.set(self.local_time(i));
        self.doing.node = id;
        "start".clone_into(&mut self.doing.call);
        match Running::start(id, &disks, &directory, &seam, (config, beside), clock) {
            Ok(running) => self.stores[i].running = Some(running),
            Err(error) => {
                let seen = format!("n{id} did not start: {error}");
                return Err(Violation { rule: &laws::STARTS, node: id, seen }.into());
            }
        }
        self.told(i, What::Start);
        self.after(i)?;
        self.fold_event(i, 1, life);
        Ok(())
    }

    /// Lets a store do something, and sees what it did to its surroundings.
    pub fn at(&mut self, i: usize, call: &'static str, act: impl FnOnce(&mut Running)) -> Result<(), Stop> {
        let Some(mut running) = self.stores[i].running.take() else { return Ok(()) };
        self.doing.node = self.stores[i].id;
        self.doing.call.clear();
        self.doing.call.push_str(call);
        running.clock.set(self.local_time(i));
        let may_die = {
            let mut shared = self.shared();
            shared.checker.on_time(self.now);
            shared.begin_event(i)
        };
        if may_die {
            let result = panics::catch(|| act(&mut running));
            self.stores[i].running = Some(running);
            if let Err(panic) = result
                && !self.shared().stores[i].zombie
            {
                return Err(Stop::Panicked(Box::new(panic)));
            }
        } else {
            act(&mut running);
            self.stores[i].running = Some(running);
        }
        self.after(i)
    }

    /// Time on a store's own clock: it runs as fast as its ticks.
    fn local_time(&self, i: usize) -> Micros {
        Micros(self.now * TICK_US / self.stores[i].clock_us)
    }

    /// Sees what a store did in the event at hand.
    fn after(&mut self, i: usize) -> Result<(), Stop> {
        let (effects, stall_us, zombie, fatal, failed) = {
            let mut shared = self.shared();
            if let Some(violation) = shared.checker.violation().filter(|_| self.layers.invariants) {
                return Err(violation.clone().into());
            }
            let effects = std::mem::take(&mut shared.effects);
            let seam = &shared.stores[i];
            (effects, seam.stall_us, seam.zombie, seam.fatal.clone(), seam.failed)
        };
        for (stall_us, effect) in effects {
            self.on_effect(i, stall_us, effect)?;
        }
        if !zombie && self.layers.invariants {
            check_failure(i, failed, fatal.as_deref())?;
        }
        if zombie || fatal.is_some() {
            let down_ms = self.stores[i].down_ms;
            self.die(i, zombie, down_ms);
            return Ok(());
        }
        if stall_us > 0 {
            self.stores[i].paused += 1;
            self.queue.push(self.now + stall_us, Event::End(End::Pause { store: i }));
        }
        self.schedule(i);
        Ok(())
    }

    fn on_effect(&mut self, i: usize, stall_us: u64, effect: Effect) -> Result<(), Stop> {
        match effect {
            Effect::Send(message) => self.send(i, stall_us, *message)?,
            Effect::Answer { attempt, reply } => self.reply(attempt, stall_us, reply),
            Effect::Told(event) => self.on_told(i, &event),
            Effect::Synced(db) => self.told(i, What::Sync(db)),
        }
        Ok(())
    }

    fn on_told(&mut self, i: usize, event: &StoreEvent) {
        self.told(i, What::Event(event));
    }

    /// Puts what a store has to do into the queue.
    fn schedule(&mut self, i: usize) {
        let Some(running) = &mut self.stores[i].running else { return };
        let waiting = running.store.has_jobs();
        for duty in Duty::ALL {
            let due = &mut self.stores[i].due[duty as usize];
            if !waiting[duty as usize] || std::mem::replace(due, true) {
                continue;
            }
            let wait = self.wait_for(i, duty);
            let life = self.stores[i].life;
            self.queue.push(self.now + wait, Event::Work { store: i, life, duty });
        }
    }

    /// How long a duty waits.
    fn wait_for(&mut self, i: usize, duty: Duty) -> u64 {
        let knobs = &self.plan.knobs;
        // A store that handles a message every other millisecond never catches up; that is nobody's fault but ours.
        let (usual, calm) = match duty {
            Duty::Raft | Duty::Apply => (knobs.store.poll_us, CALM_POLL_US),
            Duty::Region | Duty::RaftLogGc => (knobs.store.task_us, CALM_TASK_US),
        };
        let most = if self.slow_machines { usual } else { usual.min(calm) };
        let slow = if duty == Duty::Apply && self.slow_machines { knobs.slow_apply_ppm } else { 0 };
        if most == 0 && slow == 0 {
            return 0;
        }
        let store = &mut self.stores[i];
        store.draws += 1;
        let (entity, counter) = (store.id << 8 | duty as u64, store.draws);
        if self.noise.chance(Stream::Apply, entity, 2 * counter, slow) {
            return 1 + self.noise.below(Stream::Apply, entity, 2 * counter + 1, SLOW_MOST_US);
        }
        self.noise.below(Stream::Apply, entity, 2 * counter + 1, most + 1)
    }

    /// A store does some of what it has to do.
    pub fn on_work(&mut self, i: usize, life: u64, duty: Duty) -> Result<(), Stop> {
        if self.stores[i].life != life || !self.stores[i].is_up() {
            return Ok(());
        }
        self.stores[i].due[duty as usize] = false;
        let before = self.before(i);
        let (noise, draw) = (self.noise, self.stores[i].draws);
        let id = self.stores[i].id;
        let call = match duty {
            Duty::Raft => "a round of the raft poller",
            Duty::Apply => "a round of the apply poller",
            Duty::Region => "a task of the region worker",
            Duty::RaftLogGc => "a task of the raftlog-gc worker",
        };
        self.at(i, call, |running| running.work(duty, |ready| some_of(ready, noise, id, draw)))?;
        self.told_work(i, duty, before);
        self.fold_event(i, 2 + duty as u64, 0);
        self.spend_round(i)
    }

    /// A store's clock ticks, if it runs; the next tick is due in any case.
    pub fn on_tick(&mut self, i: usize) -> Result<(), Stop> {
        self.queue.push(self.now + self.stores[i].tick_us, Event::Tick { store: i });
        if !self.stores[i].is_up() || self.stores[i].paused > 0 {
            return Ok(());
        }
        self.stores[i].busy_rounds = 0;
        self.at(i, "tick", |running| running.router.tick())
    }

    fn send(&mut self, i: usize, stall_us: u64, message: RaftMessage) -> Result<(), Stop> {
        self.net.count += 1;
        self.spend_message(i, &message)?;
        self.hash = rng::fold(self.hash, net::digest(&message));
        let number = self.net.count;
        let to = message.to_peer.as_ref().map_or(0, |peer| peer.store_id);
        self.told(i, What::Send { number, message: &message });
        let known = (1..=self.stores.len() as u64).contains(&to);
        let position = if known { to as usize - 1 } else { 0 };
        let life = self.stores[i].life;
        let flying = Flying { message, from: i, life, to: position, number };
        let lost =
            if known { self.net.send(self.now + stall_us, flying, &mut self.queue) } else { Some(flying) };
        if let Some(flying) = lost {
            self.told(i, What::Lose { number, to });
            self.lost(&flying);
        }
        Ok(())
    }

    /// A message arrives, or is lost at the receiver's end.
    pub fn on_deliver(&mut self, slot: usize) -> Result<(), Stop> {
        let (from, to) = self.net.ends(slot);
        if self.stores[from].clogs > 0 || self.stores[to].clogs > 0 {
            let holder = if self.stores[to].clogs > 0 { to } else { from };
            self.stores[holder].clogged.push(slot);
            return Ok(());
        }
        let flying = self.net.take(slot);
        if !self.stores[to].is_up() || self.net.links.is_cut(from as u64, to as u64) {
            self.told(to, What::Lose { number: flying.number, to: to as u64 + 1 });
            self.lost(&flying);
            return Ok(());
        }
        if flying.has_snapshot() {
            return self.begin_transfer(flying);
        }
        self.deliver(flying)
    }

    /// A message reaches a running store.
    pub fn deliver(&mut self, flying: Flying) -> Result<(), Stop> {
        let Flying { message, to: i, number, .. } = flying;
        self.stores[i].busy_rounds = 0;
        if self.recorder.is_some() {
            self.told(i, What::Receive { number, message: &message });
        }
        self.at(i, "a message", |running| running.router.send_raft_message(message))
    }

    /// The transport of the sender notices, sometimes, that a message did not arrive; always if it was a snapshot.
    pub fn lost(&mut self, flying: &Flying) {
        let snapshot = flying.has_snapshot();
        let what = if snapshot { Report::SnapshotLost } else { Report::Unreachable };
        let from = flying.from as u64;
        if snapshot || self.noise.below(Stream::Report, from, flying.number, 4) == 0 {
            self.report(flying, what);
        }
    }

    /// The sender will hear how its message fared.
    pub fn report(&mut self, flying: &Flying, what: Report) {
        let Flying { ref message, from, life, number, .. } = *flying;
        let delay = 1 + self.noise.below(Stream::Report, from as u64 + 100, number, REPORT_US);
        let peer = message.to_peer.as_ref().map_or(0, |peer| peer.id);
        let region = message.region_id;
        self.queue.push(self.now + delay, Event::Report { store: from, life, region, peer, what });
    }

    /// The sender hears how its message fared.
    pub fn on_report(
        &mut self,
        i: usize,
        life: u64,
        (region, peer): (u64, u64),
        what: Report,
    ) -> Result<(), Stop> {
        if self.stores[i].life != life || !self.stores[i].is_up() {
            return Ok(());
        }
        self.told(i, What::Report { peer, what });
        self.at(i, "a report of the transport", |running| match what {
            Report::Unreachable => running.router.report_unreachable(region, peer),
            Report::SnapshotArrived => running.router.report_snapshot(region, peer, SnapshotStatus::Finish),
            Report::SnapshotLost => running.router.report_snapshot(region, peer, SnapshotStatus::Failure),
        })
    }

    /// The process of a store ends, with its power or without, and starts again `down_ms` later.
    pub fn die(&mut self, i: usize, power: bool, down_ms: u64) {
        let Some(running) = self.stores[i].running.take() else { return };
        let (id, life) = (self.stores[i].id, self.stores[i].life);
        {
            let mut shared = self.shared();
            let seam = &mut shared.stores[i];
            seam.up = false;
            shared.checker.on_time(self.now);
            shared.checker.on_stop(id);
        }
        let failed = self.shared().stores[i].failed;
        let mut disks = running.stop();
        let mut lost = [0, 0];
        if power || failed {
            let keep = |entity, unsynced: usize| {
                self.noise.below(Stream::Keep, entity, life, unsynced as u64 + 1) as usize
            };
            for (at, disk) in [&mut disks.raft, &mut disks.kv].into_iter().enumerate() {
                let unsynced = disk.unsynced();
                let keep = keep(id << 1 | at as u64, unsynced);
                disk.lose_power(keep);
                lost[at] = unsynced - keep;
            }
            let (noise, mut draws) = (self.noise, 0);
            self.stores[i].directory.lose_power(|below| {
                draws += 1;
                noise.below(Stream::Keep, 1_000 + id, life << 16 | draws, below)
            });
        }
        self.stores[i].disks = Some(disks);
        self.stores[i].paused = 0;
        self.forget_backlog(i);
        self.end_transfers(i);
        self.break_connections(i, life);
        self.told(i, What::Crash { power: power || failed, raft: lost[0], kv: lost[1] });
        self.fold_event(i, 8, (lost[0] << 16 | lost[1]) as u64);
        self.queue.push(self.now + down_ms.max(1) * 1_000, Event::End(End::Down { store: i, life }));
    }

    /// What waited at a stopped process is lost with it, and its sender hears of it as of any loss.
    fn forget_backlog(&mut self, i: usize) {
        for event in std::mem::take(&mut self.stores[i].backlog) {
            match event {
                Event::Deliver { slot } => {
                    let flying = self.net.take(slot);
                    self.lost(&flying);
                }
                Event::Arrive { .. } => self.queue.push(self.now, event),
                _ => {}
            }
        }
    }
}

/// A store stops when its disk has failed, and never else.
fn check_failure(i: usize, failed: bool, fatal: Option<&str>) -> Result<(), Stop> {
    let node = i as u64 + 1;
    let (rule, seen) = match fatal {
        Some(reason) if !failed => (&laws::GOES_ON, format!("n{node} stopped: {reason}")),
        None if failed => (&laws::STOPS, format!("n{node} was told that its disk had failed, and went on")),
        _ => return Ok(()),
    };
    Err(Violation { rule, node, seen }.into())
}

/// Which of the state machines that are ready a poller takes in one round.
fn some_of(ready: Vec<Address>, noise: rng::Noise, id: u64, draw: u64) -> Vec<Address> {
    if ready.len() < 2 || noise.below(Stream::Busy, id, draw, 4) > 0 {
        return ready;
    }
    let one = noise.below(Stream::Busy, id + 100, draw, ready.len() as u64) as usize;
    vec![ready[one]]
}
