//! A tiny group in which nothing happens by itself: each step is chosen from outside.
//!
//! Time does not pass; a timeout is a step like any other. A message is delivered, delivered twice, or never. After each
//! step the peer that took it handles its `Ready`s at once, unless it was told to be slow, or dies on the way.

use std::hash::{Hash, Hasher};
use std::sync::Arc;

use bytes::Bytes;
use proto::eraftpb::{ConfChange, Entry, HardState, Message, MessageType};
use raft::{Config, Index, LogId, NONE, Ready, Role, SnapshotStatus, Status, Term};

use super::Scope;
use super::act::{Act, Fuse, Step};
use super::hash::{Fold, key_of};
use crate::check::rules::READY;
use crate::check::{Checker, Setup, Violation};
use crate::core::{Face, Input};
use crate::disk::{Disk, Image};
use crate::host::Host;

/// More `Ready`s after one step than any honest peer makes.
const ROUNDS_MAX: usize = 64;
/// The network forgets its oldest message beyond this many.
const FLIGHTS_MAX: usize = 48;

/// One peer.
#[derive(Clone, Default)]
pub struct Node {
    host: Option<Host>,
    /// Written and not synced.
    out: Option<Box<Ready>>,
    slow: bool,
    lags: bool,
    /// Committed, and not applied yet.
    backlog: Vec<Entry>,
    proposed: u64,
}

/// A message on its way.
#[derive(Clone)]
pub struct Flight {
    /// Names it by its contents.
    pub key: u64,
    /// The message.
    pub message: Arc<Message>,
    /// How many equal ones there are.
    pub copies: u32,
}

/// Where a search starts.
#[derive(Clone, Copy, Debug)]
pub enum Start {
    /// Empty logs.
    Fresh,
    /// These terms in the log of each peer, and all in this term.
    Logs {
        /// The term on every disk.
        term: Term,
        /// Terms of the entries, one list for each peer.
        logs: &'static [&'static [Term]],
    },
}

/// How the peers are configured in one walk.
#[derive(Clone, Copy, Debug)]
pub struct Tuning {
    /// See `raft::Config`.
    pub max_message_bytes: u64,
    /// See `raft::Config`.
    pub max_inflight_messages: usize,
}

/// The group, its network, and the checks.
#[derive(Clone)]
pub struct World {
    face: Face,
    tuning: Tuning,
    nodes: Vec<Arc<Node>>,
    hashes: Vec<u64>,
    /// Messages on their way, oldest first.
    pub net: Vec<Flight>,
    /// The checks.
    pub checker: Checker,
    /// Messages sent so far.
    pub sent: u64,
    /// What a search that counts has used up: campaigns, proposals, crashes, others.
    pub used: [u8; 4],
}

impl World {
    /// A group at the start.
    ///
    /// # Errors
    /// A broken rule, already at the start.
    pub fn new(
        face: Face,
        scope: &Scope,
        start: Start,
        tuning: Tuning,
        layers: verdict::Layers,
    ) -> Result<World, Violation> {
        let voters: Vec<u64> = (1..=scope.voters).collect();
        let setup = Setup { voters: voters.clone(), election_ticks: ELECTION_TICKS, face };
        let mut world = World {
            face,
            tuning,
            nodes: Vec::new(),
            hashes: Vec::new(),
            net: Vec::new(),
            checker: Checker::new(setup, layers),
            sent: 0,
            used: [0; 4],
        };
        for id in 1..=scope.voters + scope.spares {
            let disk = initial_disk(id, &voters, start);
            let host = Host::boot(id, face, &world.config(id), disk, &mut world.checker)?;
            world.nodes.push(Arc::new(Node { host: Some(host), ..Node::default() }));
            world.hashes.push(0);
        }
        Ok(world)
    }

    fn config(&self, id: u64) -> Config {
        Config {
            election_ticks: ELECTION_TICKS,
            heartbeat_ticks: 1,
            max_message_bytes: self.tuning.max_message_bytes,
            max_inflight_messages: self.tuning.max_inflight_messages,
            ..Config::new(id)
        }
    }

    /// Ids of all peers.
    pub fn ids(&self) -> std::ops::RangeInclusive<u64> {
        1..=self.nodes.len() as u64
    }

    fn node(&mut self, id: u64) -> &mut Node {
        Arc::make_mut(&mut self.nodes[id as usize - 1])
    }

    /// The peer.
    pub fn host(&self, id: u64) -> &Host {
        self.nodes[id as usize - 1].host.as_ref().expect("peers start again at once")
    }

    /// The peer, as it shows itself.
    pub fn status(&self, id: u64) -> Status {
        self.host(id).status()
    }

    /// Whether it leads, as far as it knows.
    pub fn leads(&self, id: u64) -> bool {
        self.status(id).role == Role::Leader
    }

    /// Whether it has a `Ready` in hand that is not synced.
    pub fn is_held(&self, id: u64) -> bool {
        self.nodes[id as usize - 1].out.is_some()
    }

    /// Term of its entry at `index`.
    pub fn log_term(&self, id: u64, index: Index) -> Option<Term> {
        self.host(id).core().log_term(index)
    }

    /// Whether the step can be taken: its message exists, and the like.
    pub fn can(&self, act: Act) -> bool {
        match act {
            Act::Deliver { key, .. } | Act::Lose { key } => self.net.iter().any(|flight| flight.key == key),
            _ => true,
        }
    }

    /// Peer at which the step happens; 0 for the network.
    pub fn place(&self, act: Act) -> u64 {
        match act {
            Act::Deliver { key, .. } => {
                self.net.iter().find(|flight| flight.key == key).map_or(0, |flight| flight.message.to)
            }
            Act::Lose { .. } => 0,
            Act::Campaign(id) | Act::Beat(id) | Act::Wait(id) | Act::Propose(id) => id,
            Act::Hold(id) | Act::Release(id) | Act::Lag(id) | Act::Compact(id) => id,
            Act::Crash { node, .. } => node,
            Act::Transfer { at, .. } | Act::Change { at, .. } | Act::Report { at, .. } => at,
        }
    }

    /// Takes a step. Steps that cannot be taken (any more) do nothing.
    ///
    /// # Errors
    /// The rule that is broken.
    pub fn take(&mut self, step: Step) -> Result<(), Violation> {
        let id = self.place(step.act);
        match step.act {
            Act::Deliver { key, again } => {
                let Some(message) = self.pick(key, again) else { return Ok(()) };
                self.call(id, Input::Step(&message))?;
            }
            Act::Lose { key } => {
                self.pick(key, false);
                return Ok(());
            }
            Act::Campaign(_) => self.call(id, Input::Campaign)?,
            Act::Beat(_) => {
                if self.leads(id) {
                    self.call(id, Input::Tick)?;
                }
            }
            Act::Wait(_) => {
                for _ in 0..=2 * ELECTION_TICKS + 3 {
                    if self.leads(id) {
                        self.call(id, Input::Tick)?;
                    }
                }
            }
            Act::Propose(_) => {
                let node = self.node(id);
                node.proposed += 1;
                let data = Bytes::copy_from_slice(&(id << 32 | node.proposed).to_be_bytes());
                self.call(id, Input::Propose(&data))?;
            }
            Act::Hold(_) => self.node(id).slow = true,
            Act::Release(_) => return self.release(id),
            Act::Lag(_) => self.lag(id)?,
            Act::Crash { keep, .. } => return self.crash(id, keep),
            Act::Compact(_) => {
                let World { nodes, checker, .. } = self;
                let host = Arc::make_mut(&mut nodes[id as usize - 1])
                    .host
                    .as_mut()
                    .expect("peers start again at once");
                let applied = host.disk().view().applied.index;
                host.compact(applied, checker)?;
            }
            Act::Transfer { to, .. } => self.call(id, Input::TransferLeader(to))?,
            Act::Change { kind, node, .. } => {
                let change = ConfChange { change_type: kind, node_id: node, ..ConfChange::default() };
                self.call(id, Input::ProposeConfChange(&change))?;
            }
            Act::Report { peer, failed, .. } => {
                let status = if failed { SnapshotStatus::Failure } else { SnapshotStatus::Finish };
                self.call(id, Input::ReportSnapshot(peer, status))?;
            }
        }
        self.settle(id, step.fuse)
    }

    fn call(&mut self, id: u64, input: Input<'_>) -> Result<(), Violation> {
        let World { nodes, checker, .. } = self;
        let host =
            Arc::make_mut(&mut nodes[id as usize - 1]).host.as_mut().expect("peers start again at once");
        // Refusals are answers too.
        host.call(input, checker)?.ok();
        Ok(())
    }

    /// Takes a message out of the network, or a copy of it.
    fn pick(&mut self, key: u64, again: bool) -> Option<Arc<Message>> {
        let at = self.net.iter().position(|flight| flight.key == key)?;
        if again {
            return Some(self.net[at].message.clone());
        }
        if self.net[at].copies > 1 {
            self.net[at].copies -= 1;
            return Some(self.net[at].message.clone());
        }
        Some(self.net.remove(at).message)
    }

    /// Handles the `Ready`s of a peer until there is none.
    fn settle(&mut self, id: u64, fuse: Option<Fuse>) -> Result<(), Violation> {
        for _ in 0..ROUNDS_MAX {
            let World { nodes, checker, .. } = self;
            let node = Arc::make_mut(&mut nodes[id as usize - 1]);
            if node.out.is_some() {
                return Ok(());
            }
            let host = node.host.as_mut().expect("peers start again at once");
            let Some(ready) = host.take_ready(checker)? else { return Ok(()) };
            if fuse == Some(Fuse::BeforeWrite) {
                return self.crash(id, 0);
            }
            host.write(&ready);
            if let Some(Fuse::BeforeSync(keep)) = fuse {
                return self.crash(id, keep);
            }
            if node.slow {
                node.out = Some(Box::new(ready));
                return Ok(());
            }
            if self.finish(id, ready, fuse)? {
                return Ok(());
            }
        }
        let seen = format!("Peer {id}: after {ROUNDS_MAX} Readys in a row has_ready() is still true");
        Err(Violation { rule: &READY, node: id, seen })
    }

    /// Does what comes after the writes. Returns whether the peer died.
    fn finish(&mut self, id: u64, mut ready: Ready, fuse: Option<Fuse>) -> Result<bool, Violation> {
        let World { nodes, checker, .. } = self;
        let node = Arc::make_mut(&mut nodes[id as usize - 1]);
        let host = node.host.as_mut().expect("peers start again at once");
        if ready.must_sync {
            host.sync();
        }
        if fuse == Some(Fuse::BeforeSend) {
            return self.crash(id, u8::MAX).map(|()| true);
        }
        let messages = std::mem::take(&mut ready.messages);
        host.send(&messages, checker)?;
        if fuse == Some(Fuse::BeforeApply) {
            self.put(messages);
            return self.crash(id, 0).map(|()| true);
        }
        let mut committed = std::mem::take(&mut ready.committed_entries);
        host.advance(ready, checker)?;
        node.backlog.append(&mut committed);
        if !node.lags {
            host.apply(&std::mem::take(&mut node.backlog), checker)?;
        }
        self.put(messages);
        Ok(false)
    }

    fn put(&mut self, messages: Vec<Message>) {
        for message in messages {
            if !self.ids().contains(&message.to) {
                continue;
            }
            self.sent += 1;
            let key = key_of(&message);
            match self.net.iter_mut().find(|flight| flight.key == key) {
                Some(flight) => flight.copies = (flight.copies + 1).min(2),
                None => self.net.push(Flight { key, message: Arc::new(message), copies: 1 }),
            }
        }
        if self.net.len() > FLIGHTS_MAX {
            self.net.drain(..self.net.len() - FLIGHTS_MAX);
        }
    }

    fn release(&mut self, id: u64) -> Result<(), Violation> {
        let node = self.node(id);
        node.slow = false;
        if let Some(ready) = node.out.take() {
            self.finish(id, *ready, None)?;
        }
        self.settle(id, None)
    }

    fn lag(&mut self, id: u64) -> Result<(), Violation> {
        let World { nodes, checker, .. } = self;
        let node = Arc::make_mut(&mut nodes[id as usize - 1]);
        node.lags = !node.lags;
        if !node.lags {
            let host = node.host.as_mut().expect("peers start again at once");
            host.apply(&std::mem::take(&mut node.backlog), checker)?;
        }
        Ok(())
    }

    fn crash(&mut self, id: u64, keep: u8) -> Result<(), Violation> {
        let config = self.config(id);
        let face = self.face;
        let World { nodes, checker, .. } = self;
        let node = Arc::make_mut(&mut nodes[id as usize - 1]);
        node.out = None;
        node.slow = false;
        node.lags = false;
        node.backlog.clear();
        let host = node.host.take().expect("peers start again at once");
        let disk = host.crash(usize::from(keep));
        node.host = Some(Host::boot(id, face, &config, disk, checker)?);
        self.settle(id, None)
    }

    /// Digest of everything that decides the future. Call it after each step, with the peer that took it.
    pub fn digest(&mut self, touched: u64) -> u64 {
        if touched != NONE {
            let node = &self.nodes[touched as usize - 1];
            let mut fold = Fold::default();
            node.host.hash(&mut fold);
            (node.slow, node.lags, node.out.is_some()).hash(&mut fold);
            self.hashes[touched as usize - 1] = fold.finish();
        }
        let mut fold = Fold::default();
        self.hashes.hash(&mut fold);
        self.checker.hash(&mut fold);
        self.used.hash(&mut fold);
        // The order of messages does not matter.
        let net = self
            .net
            .iter()
            .fold(0u64, |sum, flight| sum.wrapping_add(flight.key.wrapping_mul(u64::from(flight.copies))));
        net.hash(&mut fold);
        fold.finish()
    }

    /// Whether a message of that kind is on its way from one peer to another.
    pub fn travels(&self, kind: MessageType, from: u64, to: u64) -> bool {
        let same = |flight: &Flight| {
            let message = &flight.message;
            (message.msg_type(), message.from, message.to) == (kind, from, to)
        };
        self.net.iter().any(same)
    }
}

/// Election timeout, in ticks; followers never tick here, and a leader's hand-over ends after so many heartbeats.
const ELECTION_TICKS: u32 = 10;

fn initial_disk(id: u64, voters: &[u64], start: Start) -> Disk {
    let fresh = Disk::new(voters);
    let Start::Logs { term, logs } = start else { return fresh };
    let Some(terms) = logs.get(id as usize - 1) else { return fresh };
    // Some data, as entries without any do not count towards the size of a message.
    let entry = |(index, &term): (u64, &Term)| {
        let data = Bytes::copy_from_slice(&term.to_be_bytes());
        Entry { index, term, data, ..Entry::default() }
    };
    let entries = (1..).zip(terms.iter()).map(entry).collect();
    let hard_state = HardState { term, vote: NONE, commit: 0 };
    let image = Image { hard_state, entries, base: LogId::default(), ..fresh.durable().clone() };
    Disk::from_image(image)
}
