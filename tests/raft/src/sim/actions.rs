//! What each event does.

use bytes::Bytes;
use harness::links::MOST_PEERS;
use harness::links::Report;
use harness::rng::Stream;
use proto::eraftpb::{ConfChange, ConfChangeType, MessageType};
use raft::SnapshotStatus;
use verdict::{Fault, Operation, Step};

use super::event::{End, Event};
use super::net::Flying;
use super::node::{self, Fuse};
use super::story::What;
use super::world::{Stop, World};
use crate::core::{Face, Input};

/// How often a client asks again after a refusal, and how long it waits at most before.
const RETRIES: u32 = 8;
const RETRY_US: u64 = 60_000;
/// A removed peer that does not hear of its removal is taken away after this time.
const DESTROY_US: u64 = 1_000_000;

impl World<'_> {
    /// A peer's timer ticks, if it runs; the next tick is due in any case.
    pub fn on_tick(&mut self, i: usize) -> Result<(), Stop> {
        if self.nodes[i].gone {
            return Ok(());
        }
        self.queue.push(self.now + self.nodes[i].tick_us, Event::Tick { node: i });
        if !self.nodes[i].is_up() || self.nodes[i].paused > 0 {
            return Ok(());
        }
        self.nodes[i].draws.ticks += 1;
        if self.plan.knobs.compact_entries > 0 {
            let (id, counter) = (self.nodes[i].id, self.nodes[i].draws.ticks / 4);
            let busy = self.slow_machines && self.noise.below(Stream::Busy, id, counter, 4) == 0;
            self.set_busy(i, busy);
        }
        self.tick(i)
    }

    /// One tick at a running peer.
    pub fn tick(&mut self, i: usize) -> Result<(), Stop> {
        self.took(Step::Tick { node: self.nodes[i].id, times: 1 });
        self.at(i, |world| {
            let before = world.before(i);
            let _ = world.input(i, Input::Tick)?;
            world.told_input(i, What::Tick, before);
            world.drive(i)
        })
    }

    /// Whether the storage of peer `i` still makes its snapshot.
    pub fn set_busy(&mut self, i: usize, busy: bool) {
        let node = &mut self.nodes[i];
        let Some(host) = &mut node.host else { return };
        if host.disk().snapshot_busy != busy {
            host.disk_mut().snapshot_busy = busy;
            let node = node.id;
            self.took(Step::Busy { node, busy });
        }
    }

    /// A message arrives, or is lost at the receiver's end.
    pub fn on_deliver(&mut self, slot: usize) -> Result<(), Stop> {
        let flying = self.net.take(slot);
        let to = flying.message.to;
        let i = to as usize - 1;
        let up = self.nodes.get(i).is_some_and(|node| node.is_up());
        if !up || self.net.links.is_cut(flying.from, to) {
            self.told(i, What::Lose { number: flying.number, to });
            self.lost(&flying);
            return Ok(());
        }
        if flying.message.msg_type() == MessageType::MsgSnapshot {
            self.report(&flying, Report::SnapshotArrived);
        }
        self.deliver(i, &flying)
    }

    /// A message reaches a running peer.
    pub fn deliver(&mut self, i: usize, flying: &Flying) -> Result<(), Stop> {
        let message = &flying.message;
        self.took(Step::Deliver {
            from: flying.from,
            to: message.to,
            kind: message.msg_type,
            term: message.term,
            index: message.index,
            entries: message.entries.len() as u64,
            reject: message.reject,
            detail: super::schedule::detail(message),
        });
        self.at(i, |world| {
            let before = world.before(i);
            world.doing.number = flying.number;
            let _ = world.input(i, Input::Step(message))?;
            world.told_input(i, What::Receive { number: flying.number, message }, before);
            world.drive(i)
        })
    }

    /// A slow sync is done: what waited for it goes on.
    pub fn on_disk_done(&mut self, i: usize, life: u64) -> Result<(), Stop> {
        if self.nodes[i].life != life {
            return Ok(());
        }
        let Some(ready) = self.nodes[i].ready.take() else { return Ok(()) };
        self.took(Step::Synced { node: self.nodes[i].id });
        self.at(i, |world| {
            world.finish(i, *ready)?;
            world.fold_event(i, 4, 0);
            world.drive(i)
        })
    }

    /// A slow apply is done.
    pub fn on_apply_done(&mut self, i: usize, life: u64) -> Result<(), Stop> {
        if self.nodes[i].life != life || !self.nodes[i].apply_busy {
            return Ok(());
        }
        self.took(Step::Applied { node: self.nodes[i].id });
        self.at(i, |world| {
            world.apply_waiting(i)?;
            world.drive(i)
        })
    }

    /// The transport tells a sender how its message fared.
    pub fn on_report(&mut self, i: usize, life: u64, to: u64, what: Report) -> Result<(), Stop> {
        if self.nodes[i].life != life || !self.nodes[i].is_up() {
            return Ok(());
        }
        self.took(Step::Report { node: self.nodes[i].id, to, what: what as u8 });
        self.at(i, |world| {
            let input = match what {
                Report::Unreachable => Input::ReportUnreachable(to),
                Report::SnapshotArrived => Input::ReportSnapshot(to, SnapshotStatus::Finish),
                Report::SnapshotLost => Input::ReportSnapshot(to, SnapshotStatus::Failure),
            };
            let before = world.before(i);
            let _ = world.input(i, input)?;
            world.told_input(i, What::Report { to, what }, before);
            world.drive(i)
        })
    }

    /// A fault of the plan begins.
    pub fn on_fault(&mut self, index: usize) -> Result<(), Stop> {
        if self.acts.healed() {
            return Ok(());
        }
        let fault = self.plan.faults[index].what;
        self.told(usize::MAX, What::Fault(&fault));
        let count = self.nodes.len();
        let at = |node: u64| (node as usize).checked_sub(1).filter(|i| *i < count);
        match fault {
            Fault::Store(_) => Ok(()),
            Fault::Crash { node, down_ms } => match at(node) {
                Some(i) if self.nodes[i].is_up() => self.crash(i, down_ms),
                _ => Ok(()),
            },
            Fault::CrashAtSeam { node, calls, down_ms } => {
                if let Some(i) = at(node).filter(|i| self.nodes[*i].is_up()) {
                    self.nodes[i].fuse = Some(Fuse { calls, down_ms, keep: None });
                }
                Ok(())
            }
            Fault::CrashLeader { down_ms } => self.leader().map_or(Ok(()), |i| self.crash(i, down_ms)),
            Fault::Pause { node, for_ms } => {
                if let Some(i) = at(node) {
                    self.nodes[i].paused += 1;
                    self.end_of(for_ms, End::Pause { node: i });
                }
                Ok(())
            }
            Fault::Campaign { node } => match at(node) {
                Some(i) if self.nodes[i].is_up() && self.nodes[i].paused == 0 => self.campaign(i),
                _ => Ok(()),
            },
            Fault::Partition { for_ms, .. }
            | Fault::CutOneWay { for_ms, .. }
            | Fault::IsolateLeader { for_ms } => {
                let links = self.links_of(&fault);
                for (from, to) in &links {
                    self.net.links.cut(*from, *to, true);
                }
                self.acts.cuts.push((index, links));
                self.end_of(for_ms, End::Cut { index });
                Ok(())
            }
        }
    }

    /// The caller of a running peer wants it to campaign.
    pub fn campaign(&mut self, i: usize) -> Result<(), Stop> {
        self.took(Step::Campaign { node: self.nodes[i].id });
        self.at(i, |world| {
            let before = world.before(i);
            let _ = world.input(i, Input::Campaign)?;
            world.told_input(i, What::Campaign, before);
            world.drive(i)
        })
    }

    /// The links that a fault cuts, from sender to receiver.
    fn links_of(&self, fault: &Fault) -> Vec<(u64, u64)> {
        let all = 1..MOST_PEERS as u64;
        let both = |one: u64| {
            all.clone().filter(move |two| *two != one).flat_map(move |two| [(one, two), (two, one)])
        };
        match *fault {
            Fault::CutOneWay { from, to, .. } => vec![(from, to)],
            Fault::IsolateLeader { .. } => self.leader().map_or(Vec::new(), |i| both(i as u64 + 1).collect()),
            Fault::Partition { side, .. } => {
                let on_side = |peer: u64| side >> (peer - 1) & 1 == 1;
                let across = all.clone().filter(|peer| on_side(*peer)).flat_map(both);
                across
                    .filter(|(from, to)| on_side(*from) != on_side(*to))
                    .collect::<std::collections::BTreeSet<_>>()
                    .into_iter()
                    .collect()
            }
            _ => Vec::new(),
        }
    }

    /// A fault ends.
    pub fn on_end(&mut self, what: End) -> Result<(), Stop> {
        match what {
            End::Crash { node, life } if self.nodes[node].life == life => self.start(node),
            End::Crash { .. } => Ok(()),
            End::Pause { node } => {
                let paused = self.nodes[node].paused;
                self.nodes[node].paused = paused.saturating_sub(1);
                if paused != 1 {
                    return Ok(());
                }
                self.told(node, What::Resume);
                self.catch_up(node)
            }
            End::Cut { index } => {
                if let Some(at) = self.acts.cuts.iter().position(|(cut, _)| *cut == index) {
                    let (_, links) = self.acts.cuts.swap_remove(at);
                    for (from, to) in links {
                        self.net.links.cut(from, to, false);
                    }
                    self.told(usize::MAX, What::Mended(&self.plan.faults[index].what));
                }
                Ok(())
            }
        }
    }

    /// A client asks for something, for the first time or again.
    pub fn on_operation(&mut self, index: usize, attempt: u32) -> Result<(), Stop> {
        if self.acts.healed() {
            return Ok(());
        }
        let operation = self.plan.operations[index].what;
        let Some(i) = self.whom_to_ask(&operation, index, attempt) else {
            return self.ask_later(index, attempt);
        };
        match operation {
            Operation::Propose { count } => {
                if self.propose(i, count)? == 0 {
                    return self.ask_later(index, attempt);
                }
                Ok(())
            }
            Operation::ProposeTo { .. } => self.propose(i, 1).map(|_| ()),
            Operation::Transfer { to } => self.transfer(i, to),
            // A plan numbers peers as if each were added; the next to come gets the next number.
            Operation::AddNode { node } => self.change(i, node.min(self.nodes.len() as u64 + 1), true),
            Operation::RemoveNode { node } => self.change(i, node, false),
            Operation::ReadIndex if self.test.face == Face::Raw => {
                let context = Bytes::copy_from_slice(&(index as u64).to_be_bytes());
                self.at(i, |world| {
                    let _ = world.input(i, Input::ReadIndex(&context))?;
                    world.drive(i)
                })
            }
            Operation::ReadIndex | Operation::Client(_) => Ok(()),
        }
    }

    fn ask_later(&mut self, index: usize, attempt: u32) -> Result<(), Stop> {
        if attempt < RETRIES {
            let wait = 1 + self.noise.below(Stream::Client, index as u64, 2 * u64::from(attempt), RETRY_US);
            self.queue.push(self.now + wait, Event::Operation { index, attempt: attempt + 1 });
        }
        Ok(())
    }

    /// Clients mostly find the newest leader; some still believe in an older one.
    fn whom_to_ask(&self, operation: &Operation, index: usize, attempt: u32) -> Option<usize> {
        let open = |i: &usize| self.nodes[*i].is_up() && self.nodes[*i].paused == 0;
        if let Operation::ProposeTo { node } = operation {
            return (*node as usize).checked_sub(1).filter(|i| *i < self.nodes.len()).filter(open);
        }
        let leaders: Vec<usize> =
            (0..self.nodes.len()).filter(|i| open(i) && self.nodes[*i].leads()).collect();
        let draw = self.noise.below(Stream::Client, index as u64, 2 * u64::from(attempt) + 1, 4);
        if draw == 0 && !leaders.is_empty() {
            let any = self.noise.below(
                Stream::Client,
                index as u64 + (1 << 32),
                u64::from(attempt),
                leaders.len() as u64,
            );
            return Some(leaders[any as usize]);
        }
        self.leader().filter(open)
    }

    /// Proposes commands to a peer, all before it gets to answer. Returns how many it took.
    pub fn propose(&mut self, i: usize, count: u64) -> Result<u64, Stop> {
        self.took(Step::Propose { node: self.nodes[i].id, count });
        let mut taken = 0;
        self.at(i, |world| {
            for _ in 0..count {
                let number = world.clients.next();
                let before = world.before(i);
                let accepted = world.input(i, Input::Propose(&node::command(number)))?.is_ok();
                if accepted {
                    let status = world.nodes[i].status().expect("it runs");
                    world.clients.accepted(number, status.id, status.last);
                    taken += 1;
                }
                world.told_input(i, What::Propose { number, accepted }, before);
            }
            world.drive(i)
        })?;
        Ok(taken)
    }

    /// Asks a peer to hand leadership over.
    pub fn transfer(&mut self, i: usize, to: u64) -> Result<(), Stop> {
        self.took(Step::Transfer { node: self.nodes[i].id, to });
        self.at(i, |world| {
            let before = world.before(i);
            let _ = world.input(i, Input::TransferLeader(to))?;
            world.told_input(i, What::Transfer { to }, before);
            world.drive(i)
        })
    }

    /// Proposes to add or remove `peer`. A group of two is left alone: if it removes its leader, nobody may ever tell the
    /// other that it is alone now.
    pub fn change(&mut self, i: usize, peer: u64, add: bool) -> Result<(), Stop> {
        let voters = self.nodes[i].host.as_ref().map_or(Vec::new(), |host| host.conf_state().voters);
        let next = self.nodes.len() as u64 + 1;
        if voters.contains(&peer) == add
            || (!add && voters.len() <= 2)
            || (add && peer != next && !self.is_alive(peer))
        {
            return Ok(());
        }
        if add && peer == next {
            self.add_node(peer);
            self.start(peer as usize - 1)?;
        }
        self.took(Step::Change { node: self.nodes[i].id, peer, add });
        let change_type = if add { ConfChangeType::AddNode } else { ConfChangeType::RemoveNode } as i32;
        let change = ConfChange { change_type, node_id: peer, context: Bytes::new() };
        self.at(i, |world| {
            world.clients.changes += 1;
            let before = world.before(i);
            let accepted = world.input(i, Input::ProposeConfChange(&change))?.is_ok();
            world.told_input(i, What::Change { peer, add, accepted }, before);
            world.drive(i)
        })
    }

    fn is_alive(&self, peer: u64) -> bool {
        self.nodes.get(peer as usize - 1).is_some_and(|node| !node.gone && !node.leaving)
    }

    /// Peer `i` applied a membership change: who is out will be taken away, at once or when nobody else does it.
    pub fn on_membership(&mut self, i: usize) {
        let voters = self.nodes[i].host.as_ref().map_or(Vec::new(), |host| host.conf_state().voters);
        self.acts.note_members(self.nodes[i].status().map_or(0, |status| status.applied), &voters);
        for other in 0..self.nodes.len() {
            let id = self.nodes[other].id;
            let left = self.acts.was_member(id) && !voters.contains(&id) && self.acts.is_newest(&voters);
            if !left || (self.nodes[other].leaving && other != i) {
                continue;
            }
            self.nodes[other].leaving = true;
            let most = if other == i { DESTROY_US / 4 } else { DESTROY_US };
            let wait = 1 + self.noise.below(Stream::Fuse, id, other as u64, most);
            self.queue.push(self.now + wait, Event::Destroy { node: other });
        }
    }

    /// A removed peer is taken away, with its disk.
    pub fn on_destroy(&mut self, i: usize) -> Result<(), Stop> {
        if !self.nodes[i].gone {
            self.took(Step::Destroy { node: self.nodes[i].id });
            self.crash_keeping(i, 0);
            self.nodes[i].gone = true;
            self.told(i, What::Destroyed);
        }
        Ok(())
    }
}
