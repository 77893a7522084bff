//! One peer at its seams: it starts, takes input, has its `Ready`s carried out, and dies.

use harness::links::Report;
use harness::rng::{self, Stream};
use proto::eraftpb::{EntryType, Message, MessageType};
use raft::{Config, ReadMode, Ready};
use verdict::Step;

use super::event::{End, Event};
use super::net::{Flying, Sent};
use super::world::{Stop, World};
use crate::core::{Face, Input};
use crate::host::{CallResult, Host};

/// Longest time that a slow disk or a slow state machine takes.
const SLOW_MOST_US: u64 = 30_000;
/// How long after the event the transport tells of it.
const REPORT_US: u64 = 3_000;

impl World<'_> {
    /// Starts peer `i` from its disk.
    pub fn start(&mut self, i: usize) -> Result<(), Stop> {
        if self.nodes[i].is_up() || self.nodes[i].gone {
            return Ok(());
        }
        let Some(disk) = self.nodes[i].disk.take() else { return Ok(()) };
        let (id, life) = (self.nodes[i].id, self.nodes[i].life + 1);
        let knobs = &self.plan.knobs;
        let config = Config {
            election_ticks: knobs.election_ticks,
            heartbeat_ticks: knobs.heartbeat_ticks,
            seed: self.noise.draw(Stream::Timeout, id, life),
            max_message_bytes: knobs.max_message_bytes,
            max_inflight_messages: knobs.max_inflight_messages as usize,
            max_ready_bytes: knobs.max_ready_bytes,
            pre_vote: knobs.pre_vote,
            check_quorum: knobs.check_quorum,
            read_mode: ReadMode::Quorum,
            ..Config::new(id)
        };
        self.nodes[i].life = life;
        self.took(Step::Start { node: id });
        self.doing(i, "new", None);
        let host = Host::boot(id, self.test.face, &config, disk, &mut self.checker)?;
        self.nodes[i].host = Some(host);
        self.told(i, super::story::What::Start);
        self.fold_event(i, 1, life);
        self.at(i, |world| world.drive(i))
    }

    /// Peer `i` dies, and starts again `down_ms` later.
    pub fn crash(&mut self, i: usize, down_ms: u64) -> Result<(), Stop> {
        let keep = self.draw_keep(i);
        self.took(Step::Crash { node: self.nodes[i].id, keep });
        self.crash_keeping(i, keep as usize);
        self.end_of(down_ms, End::Crash { node: i, life: self.nodes[i].life });
        Ok(())
    }

    /// The fuse of peer `i` has burnt down in the middle of an event.
    pub fn die(&mut self, i: usize) -> Result<(), Stop> {
        let Some(fuse) = self.nodes[i].fuse else { return Ok(()) };
        let keep = fuse.keep.unwrap_or_else(|| self.draw_keep(i));
        self.took_before(Step::CrashAtSeam { node: self.nodes[i].id, calls: self.doing.seams, keep });
        self.doing.node = 0;
        self.crash_keeping(i, keep as usize);
        self.end_of(fuse.down_ms, End::Crash { node: i, life: self.nodes[i].life });
        Ok(())
    }

    fn draw_keep(&self, i: usize) -> u64 {
        let node = &self.nodes[i];
        let unsynced = node.host.as_ref().map_or(0, |host| host.disk().unsynced() as u64);
        self.noise.below(Stream::Keep, node.id, node.life, unsynced + 1)
    }

    /// Peer `i` dies; the first `keep` of its unsynced writes survive.
    pub fn crash_keeping(&mut self, i: usize, keep: usize) {
        let Some(host) = self.nodes[i].host.take() else { return };
        let lost = host.disk().unsynced().saturating_sub(keep);
        let node = &mut self.nodes[i];
        node.disk = Some(host.crash(keep));
        node.fuse = None;
        node.ready = None;
        node.applying.clear();
        node.apply_busy = false;
        for event in std::mem::take(&mut node.backlog) {
            // What waited at a stopped process is lost with it, and its sender hears of it as of any loss.
            if let Event::Deliver { slot } = event {
                let flying = self.net.take(slot);
                self.lost(&flying);
            }
        }
        self.told(i, super::story::What::Crash { lost });
        self.fold_event(i, 2, keep as u64);
    }

    /// Passes one input to peer `i`, and carries out what it answers with.
    pub fn input(&mut self, i: usize, input: Input<'_>) -> Result<CallResult, Stop> {
        let (name, kind) = name_of(&input);
        let message = match input {
            Input::Step(message) => Some(message),
            _ => None,
        };
        self.doing(i, name, message);
        let node = &mut self.nodes[i];
        let host = node.host.as_mut().expect("input goes to running peers");
        let result = host.call(input, &mut self.checker)?;
        self.fold_event(i, kind, 0);
        Ok(result)
    }

    /// Carries out all that peer `i` has ready.
    pub fn drive(&mut self, i: usize) -> Result<(), Stop> {
        for round in 0.. {
            if self.nodes[i].ready.is_some() || !self.nodes[i].is_up() {
                return Ok(());
            }
            self.doing(i, "ready", None);
            let host = self.nodes[i].host.as_mut().expect("checked above");
            let Some(ready) = host.take_ready(&mut self.checker)? else { return Ok(()) };
            self.spend_ready(i, round, &ready)?;
            if ready.snapshot.is_some() {
                // A store finishes what it applies before it installs a snapshot over it.
                self.apply_waiting(i)?;
            }
            self.seam(i)?;
            self.host(i).write(&ready);
            self.told(i, super::story::What::Write(&ready));
            if let Some(delay) = self.disk_delay(i) {
                let life = self.nodes[i].life;
                self.queue.push(self.now + delay, Event::DiskDone { node: i, life });
                self.took_before(Step::SlowDisk { node: self.nodes[i].id, after: self.doing.readies - 1 });
                self.nodes[i].ready = Some(Box::new(ready));
                return Ok(());
            }
            self.finish(i, ready)?;
        }
        Ok(())
    }

    /// Syncs, sends, applies and advances.
    pub fn finish(&mut self, i: usize, mut ready: Ready) -> Result<(), Stop> {
        self.seam(i)?;
        if ready.must_sync {
            self.host(i).sync();
            self.told(i, super::story::What::Sync);
        }
        let mut messages = std::mem::take(&mut ready.messages);
        let calls = self.nodes[i].fuse.map_or(usize::MAX, |fuse| fuse.calls as usize);
        let dies = calls < messages.len();
        messages.truncate(calls);
        let host = self.nodes[i].host.as_mut().expect("a running peer");
        host.send(&messages, &mut self.checker)?;
        if let Some(fuse) = &mut self.nodes[i].fuse {
            fuse.calls -= messages.len() as u64;
        }
        self.doing.seams += messages.len() as u64;
        for message in messages {
            self.send(i, &message)?;
        }
        if dies {
            return Err(Stop::Died);
        }
        self.apply_and_advance(i, ready)
    }

    /// Applies before it advances, or later: both are legal.
    fn apply_and_advance(&mut self, i: usize, ready: Ready) -> Result<(), Stop> {
        let node = &mut self.nodes[i];
        node.applying.extend_from_slice(&ready.committed_entries);
        if !node.apply_busy && !node.applying.is_empty() {
            match self.apply_delay(i) {
                None => self.apply_waiting(i)?,
                Some(delay) => {
                    let node = &mut self.nodes[i];
                    node.apply_busy = true;
                    let (id, life) = (node.id, node.life);
                    self.queue.push(self.now + delay, Event::ApplyDone { node: i, life });
                    self.took_before(Step::SlowApply { node: id, after: self.doing.applies - 1 });
                }
            }
        }
        self.doing(i, "advance", None);
        let host = self.nodes[i].host.as_mut().expect("a running peer");
        host.advance(ready, &mut self.checker)?;
        Ok(())
    }

    /// Applies all that waits at peer `i`.
    pub fn apply_waiting(&mut self, i: usize) -> Result<(), Stop> {
        self.nodes[i].apply_busy = false;
        let entries = std::mem::take(&mut self.nodes[i].applying);
        if entries.is_empty() {
            return Ok(());
        }
        self.seam(i)?;
        let id = self.nodes[i].id;
        for entry in &entries {
            let applied = self.clients.applied(id, entry);
            if self.layers.liveness {
                applied?;
            }
        }
        self.told(i, super::story::What::Apply(&entries));
        self.doing(i, "advance_apply", None);
        let host = self.nodes[i].host.as_mut().expect("a running peer");
        host.apply(&entries, &mut self.checker)?;
        if entries.iter().any(|entry| entry.entry_type() == EntryType::EntryConfChange) {
            // A store syncs what it applied of the membership: it must not wake up in a group that is long gone.
            self.host(i).sync();
            self.on_membership(i);
        }
        self.fold_event(i, 3, entries.len() as u64);
        self.compact(i)
    }

    fn compact(&mut self, i: usize) -> Result<(), Stop> {
        let knobs = &self.plan.knobs;
        if knobs.compact_entries == 0 {
            return Ok(());
        }
        let disk = self.nodes[i].host.as_ref().expect("a running peer").disk();
        let (base, applied) = (disk.view().base.index, disk.view().applied.index);
        if applied < base + knobs.compact_entries {
            return Ok(());
        }
        let index = applied.saturating_sub(knobs.compact_keep);
        if index <= base {
            return Ok(());
        }
        self.seam(i)?;
        let host = self.nodes[i].host.as_mut().expect("a running peer");
        host.compact(index, &mut self.checker)?;
        self.told(i, super::story::What::Compact { index });
        Ok(())
    }

    /// A call to the outside goes through, unless the fuse has burnt down.
    fn seam(&mut self, i: usize) -> Result<(), Stop> {
        self.doing.seams += 1;
        let Some(fuse) = &mut self.nodes[i].fuse else { return Ok(()) };
        if fuse.calls == 0 {
            self.doing.seams -= 1;
            return Err(Stop::Died);
        }
        fuse.calls -= 1;
        Ok(())
    }

    fn host(&mut self, i: usize) -> &mut Host {
        self.nodes[i].host.as_mut().expect("a running peer")
    }

    fn send(&mut self, i: usize, message: &Message) -> Result<(), Stop> {
        self.net.count += 1;
        self.spend_message(message)?;
        let (copy, digest) = self.net.travel(message);
        self.hash = rng::fold(self.hash, digest);
        let number = self.net.count;
        self.told(i, super::story::What::Send { number, message: &copy });
        let known = copy.to >= 1 && copy.to <= self.nodes.len() as u64;
        let flying = Flying { message: copy, number, from: self.nodes[i].id, life: self.nodes[i].life };
        if !self.plan.schedule.is_empty() {
            self.net.keep(flying);
            return Ok(());
        }
        if !known || self.net.send(self.now, flying.clone(), &mut self.queue) == Sent::Lost {
            self.told(i, super::story::What::Lose { number, to: message.to });
            self.lost(&flying);
        }
        Ok(())
    }

    /// The transport of the sender notices, sometimes, that a message did not arrive; always if it was a snapshot.
    pub fn lost(&mut self, flying: &Flying) {
        let snapshot = flying.message.msg_type() == MessageType::MsgSnapshot;
        let what = if snapshot { Report::SnapshotLost } else { Report::Unreachable };
        let noticed = snapshot || self.noise.below(Stream::Report, flying.from, flying.number, 4) == 0;
        if noticed {
            self.report(flying, what);
        }
    }

    /// The sender will hear how its message fared. The bare core has no such calls.
    pub fn report(&mut self, flying: &Flying, what: Report) {
        if self.test.face == Face::Bare {
            return;
        }
        let node = flying.from as usize - 1;
        let delay = 1 + self.noise.below(Stream::Report, flying.from + 100, flying.number, REPORT_US);
        let event = Event::Report { node, life: flying.life, to: flying.message.to, what };
        self.queue.push(self.now + delay, event);
    }

    fn disk_delay(&mut self, i: usize) -> Option<u64> {
        self.doing.readies += 1;
        if !self.plan.schedule.is_empty() {
            return self.scheduled_slow_disk(i);
        }
        let node = &mut self.nodes[i];
        node.draws.disk += 1;
        let (id, counter) = (node.id, node.draws.disk);
        let slow = self.slow_machines
            && self.noise.chance(Stream::Disk, id, counter * 2, self.plan.knobs.slow_disk_ppm);
        slow.then(|| 1 + self.noise.below(Stream::Disk, id, counter * 2 + 1, SLOW_MOST_US))
    }

    fn apply_delay(&mut self, i: usize) -> Option<u64> {
        self.doing.applies += 1;
        if !self.plan.schedule.is_empty() {
            return self.scheduled_slow_apply(i);
        }
        let node = &mut self.nodes[i];
        node.draws.apply += 1;
        let (id, counter) = (node.id, node.draws.apply);
        let slow = self.slow_machines
            && self.noise.chance(Stream::Apply, id, counter * 2, self.plan.knobs.slow_apply_ppm);
        slow.then(|| 1 + self.noise.below(Stream::Apply, id, counter * 2 + 1, SLOW_MOST_US))
    }

    fn doing(&mut self, i: usize, call: &'static str, message: Option<&Message>) {
        self.doing.node = self.nodes[i].id;
        self.doing.call = call;
        if self.recorder.is_some() {
            self.doing.message = message.map(|message| Box::new(message.clone()));
        }
    }
}

/// Name of an input for reports, and its number in the trace hash.
fn name_of(input: &Input<'_>) -> (&'static str, u64) {
    match input {
        Input::Start => ("new", 10),
        Input::Tick => ("tick", 11),
        Input::Step(_) => ("step", 12),
        Input::Campaign => ("campaign", 13),
        Input::Propose(_) => ("propose", 14),
        Input::ProposeConfChange(_) => ("propose_conf_change", 15),
        Input::ApplyConfChange(_) => ("apply_conf_change", 16),
        Input::TransferLeader(_) => ("transfer_leader", 17),
        Input::ReadIndex(_) => ("read_index", 18),
        Input::ReportSnapshot(..) => ("report_snapshot", 19),
        Input::ReportUnreachable(_) => ("report_unreachable", 20),
        Input::Ready => ("ready", 21),
        Input::Advance => ("advance", 22),
        Input::AdvanceApply(_) => ("advance_apply", 23),
    }
}
