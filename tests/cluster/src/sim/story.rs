//! Tells a run: every event in words.
//!
//! Nothing is written down while a run is merely judged. A run that is to be told is run again, with a
//! [`Recorder`](harness::record::Recorder).

use harness::links::Report;
use harness::plan;
use kv::raftstore::context::{PeerStatus, StoreEvent};
use kv::raftstore::meta::states;
use proto::eraftpb::MessageType;
use proto::raft_serverpb::RaftMessage;
use raft::{Role, Status};
use raft_tests::check::{describe_message, role_name};
use verdict::{Event, EventKind, Fault, StoreFault};

use super::event::Duty;
use super::store::{REGION, Running};
use super::world::World;
use crate::check::history::Outcome;
use crate::check::observe::Db;

/// Entries of a log that the picture shows.
const LOG_SHOWN: u64 = 8;

/// Something that happened, before it is put into words.
#[derive(Clone, Copy, Debug)]
pub enum What<'a> {
    /// A store started.
    Start,
    /// A store died, and lost so many unsynced batches.
    Crash { power: bool, raft: usize, kv: usize },
    /// A message was sent.
    Send { number: u64, message: &'a RaftMessage },
    /// A message came in.
    Receive { number: u64, message: &'a RaftMessage },
    /// A message was lost.
    Lose { number: u64, to: u64 },
    /// The transport told of a message's fate.
    Report { peer: u64, what: Report },
    /// A database was synced.
    Sync(Db),
    /// A store told of something.
    Event(&'a StoreEvent),
    /// A fault began.
    Fault(&'a Fault),
    /// A fault ended.
    Mended(&'a Fault),
    /// A paused store goes on.
    Resume,
    /// All faults end.
    Heal,
}

impl World<'_> {
    /// State of a peer before some work, if the run is written down.
    pub fn before(&self, i: usize) -> Option<PeerStatus> {
        self.recorder.as_ref().and_then(|_| self.status(i))
    }

    /// Writes an event down, if the run is written down. `usize::MAX` stands for the surroundings.
    pub fn told(&mut self, i: usize, what: What<'_>) {
        if self.recorder.is_none() {
            return;
        }
        let (kind, text, weighty) = in_words(what);
        self.write_down(i, kind, text, weighty);
    }

    /// Writes down what a duty has changed.
    pub fn told_work(&mut self, i: usize, duty: Duty, before: Option<PeerStatus>) {
        let Some(before) = before else { return };
        let Some(after) = self.status(i) else { return };
        let changes = changes(&before, &after);
        if changes.is_empty() {
            return;
        }
        let applied = before.apply_state.applied_index < after.apply_state.applied_index;
        let kind = if applied || duty == Duty::Apply { EventKind::Apply } else { EventKind::Tick };
        self.write_down(i, kind, changes, true);
    }

    /// Writes down what a client asks for, or what it was told.
    pub fn tell_client(&mut self, at: usize, asks: bool, outcome: Option<&Outcome>) {
        if self.recorder.is_none() {
            return;
        }
        let Some((name, call, store)) = self.clients.asking(at) else { return };
        let text = match outcome {
            _ if asks => format!("client {name} asks n{}: {call}", store + 1),
            Some(Outcome::Ok(answer)) => format!("client {name} is told: {call} → {answer}"),
            Some(Outcome::Unknown) => format!("client {name} does not know what became of: {call}"),
            Some(Outcome::Failed) | None => format!("client {name} gives up: {call}"),
        };
        self.write_down(store, EventKind::Client, text, true);
    }

    /// The call that broke a promise, or panicked, matters, whatever it looked like.
    pub fn tell_last(&mut self) {
        let Some(i) = (self.doing.node as usize).checked_sub(1) else { return };
        let text = self.doing.call.clone();
        if self.recorder.is_some() {
            self.write_down(i, EventKind::Tick, text, true);
        }
    }

    fn write_down(&mut self, i: usize, kind: EventKind, text: String, weighty: bool) {
        let Some(mut recorder) = self.recorder.take() else { return };
        recorder.push(self.event(i, kind, text), weighty);
        self.recorder = Some(recorder);
    }

    fn event(&self, i: usize, kind: EventKind, text: String) -> Event {
        let store = self.stores.get(i);
        let node = store.map_or(0, |store| store.id);
        let status = store.and_then(|_| self.status(i)).map(|status| status.raft);
        let role = status.map_or('-', |status| match status.role {
            Role::Follower => 'F',
            Role::PreCandidate => 'P',
            Role::Candidate => 'C',
            Role::Leader => 'L',
        });
        let status = status.unwrap_or_default();
        let running = store.and_then(|store| store.running.as_deref());
        let durable = running.map_or(0, durable_index);
        let log = running.map_or(Vec::new(), |running| last_entries(running, &status));
        let Status { term, commit, last, .. } = status;
        Event { at_us: self.now, node, kind, text, role, term, commit, durable, last: last.index, log }
    }
}

/// Last entry of the log that a power loss would leave.
fn durable_index(running: &Running) -> u64 {
    let state = states::load_raft_state(&running.raft.safe_image(), REGION).ok().flatten();
    state.map_or(0, |state| state.last_index)
}

/// Index and term of the last entries that a store has written.
fn last_entries(running: &Running, status: &Status) -> Vec<(u64, u64)> {
    let image = running.raft.image();
    let last = states::load_raft_state(&image, REGION).ok().flatten().map_or(0, |state| state.last_index);
    let first = status.first_index.max((last + 1).saturating_sub(LOG_SHOWN));
    let term = |index| Some(states::load_entry(&image, REGION, index).ok()??.term);
    (first..=last).filter_map(|index| Some((index, term(index)?))).collect()
}

fn in_words(what: What<'_>) -> (EventKind, String, bool) {
    match what {
        What::Start => (EventKind::Start, "starts".to_owned(), true),
        What::Crash { power: false, .. } => (EventKind::Crash, "dies".to_owned(), true),
        What::Crash { raft, kv, .. } => {
            let text =
                format!("loses its power: {raft} unsynced batches of raftdb and {kv} of kvdb are lost");
            (EventKind::Crash, text, true)
        }
        What::Send { number, message } => {
            let to = message.to_peer.as_ref().map_or(0, |peer| peer.store_id);
            let kind = EventKind::Send { message: number, to, name: name(message) };
            (kind, format!("sends to n{to} {}", described(message)), true)
        }
        What::Receive { number, message } => {
            let from = message.from_peer.as_ref().map_or(0, |peer| peer.store_id);
            let kind = EventKind::Receive { message: number, from, name: name(message) };
            (kind, format!("gets from n{from} {}", described(message)), carries_weight(message))
        }
        What::Lose { number, to } => {
            (EventKind::Lose { message: number, to }, format!("the message to n{to} is lost"), false)
        }
        What::Report { peer, what } => {
            let what = match what {
                Report::Unreachable => "cannot be reached",
                Report::SnapshotArrived => "got the snapshot",
                Report::SnapshotLost => "did not get the snapshot",
            };
            (EventKind::Tick, format!("hears that peer {peer} {what}"), what != "cannot be reached")
        }
        What::Sync(db) => (EventKind::Sync, format!("syncs {}", db.name()), false),
        What::Event(event) => (EventKind::Tick, told_event(event), true),
        What::Fault(fault) => (EventKind::Fault, fault_in_words(fault), true),
        What::Mended(fault) => (EventKind::Fault, format!("over: {}", fault_in_words(fault)), true),
        What::Resume => (EventKind::Fault, "goes on".to_owned(), true),
        What::Heal => (EventKind::Fault, "all faults end".to_owned(), true),
    }
}

fn told_event(event: &StoreEvent) -> String {
    match event {
        StoreEvent::PeerStarted { peer_id, .. } => format!("peer {peer_id} starts"),
        StoreEvent::RoleChanged { term, role, leader_id, .. } => {
            format!("is {} in term {term}, led by {}", role_name(*role), peer_name(*leader_id))
        }
        StoreEvent::SnapshotGenerated { index, .. } => format!("has made a snapshot at {index}"),
        StoreEvent::SnapshotInstalled { index, .. } => format!("has installed a snapshot at {index}"),
        StoreEvent::LogCompacted { index, .. } => format!("has deleted its log up to {index}"),
        StoreEvent::Fatal { reason } => format!("stops: {reason}"),
        #[expect(unreachable_patterns, reason = "stores may come to tell more")]
        other => format!("{other:?}"),
    }
}

fn described(message: &RaftMessage) -> String {
    match &message.message {
        Some(_) if message.is_tombstone => "that its peer is gone".to_owned(),
        Some(raft) => describe_message(raft),
        None => "an empty envelope".to_owned(),
    }
}

fn name(message: &RaftMessage) -> String {
    let kind = message.message.as_ref().map(|message| message.msg_type());
    kind.map_or("?", |kind| kind.as_str_name()).to_owned()
}

/// Heartbeats and answers to them fill a story without telling anything.
fn carries_weight(message: &RaftMessage) -> bool {
    let kind = message.message.as_ref().map(|message| message.msg_type());
    !matches!(kind, Some(MessageType::MsgHeartbeat | MessageType::MsgHeartbeatResponse))
}

fn changes(before: &PeerStatus, after: &PeerStatus) -> String {
    let (old, new) = (&before.raft, &after.raft);
    let mut changes = Vec::new();
    if old.term != new.term {
        changes.push(format!("term {}", new.term));
    }
    if old.role != new.role || old.leader_id != new.leader_id {
        changes.push(format!("{}, led by {}", role_name(new.role), peer_name(new.leader_id)));
    }
    if old.last != new.last {
        changes.push(format!("log ends {}@{}", new.last.index, new.last.term));
    }
    if old.commit != new.commit {
        changes.push(format!("commit {}", new.commit));
    }
    let applied = |status: &PeerStatus| status.apply_state.applied_index;
    if applied(before) != applied(after) {
        changes.push(format!("applied {}", applied(after)));
    }
    let truncated =
        |status: &PeerStatus| status.apply_state.truncated_state.as_ref().map_or(0, |state| state.index);
    if truncated(before) != truncated(after) {
        changes.push(format!("log starts behind {}", truncated(after)));
    }
    if before.applying_snapshot != after.applying_snapshot {
        let what = if after.applying_snapshot { "begins to install" } else { "has installed" };
        changes.push(format!("{what} a snapshot"));
    }
    changes.join(", ")
}

fn peer_name(id: u64) -> String {
    if id == 0 { "nobody".to_owned() } else { format!("peer {id}") }
}

fn fault_in_words(fault: &Fault) -> String {
    let Fault::Store(fault) = fault else { return plan::fault_in_words(fault) };
    match *fault {
        StoreFault::PowerLoss { node, down_ms } => format!("n{node} is without power for {down_ms} ms"),
        StoreFault::PowerLossAtWrite { node, calls, .. } => {
            format!("n{node} will lose its power after {calls} more calls to its disks")
        }
        StoreFault::PowerLossAt { node, point, passes, .. } => {
            format!("n{node} will lose its power at {} when it has been there {passes} times", point.name())
        }
        StoreFault::AllDown { power: true, down_ms } => format!("nobody has power for {down_ms} ms"),
        StoreFault::AllDown { power: false, down_ms } => format!("all stores stop for {down_ms} ms"),
        StoreFault::DiskFailure { node, calls, .. } => {
            format!("a disk of n{node} will fail after {calls} more calls")
        }
        StoreFault::DeafLeader { for_ms } => format!("nothing reaches the leader for {for_ms} ms"),
        StoreFault::Clog { node, for_ms } => format!("messages of n{node} are held back for {for_ms} ms"),
    }
}
