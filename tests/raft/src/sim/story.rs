//! Tells a run: every event in words.
//!
//! Nothing is written down while a run is merely judged. A run that is to be told is run again, with a [`Recorder`](harness::record::Recorder).

use harness::links::Report;
use harness::plan::fault_in_words;
use proto::eraftpb::{Entry, Message, MessageType};
use raft::{Ready, Status, Storage as _};
use verdict::{Event, EventKind, Fault};

use super::net;
use super::world::World;
use crate::check::role_name;

/// Entries of a log that the picture shows.
const LOG_SHOWN: u64 = 8;
/// Something that happened, before it is put into words.
#[derive(Clone, Copy, Debug)]
pub enum What<'a> {
    /// A peer started.
    Start,
    /// A peer died, and lost so many unsynced writes.
    Crash { lost: usize },
    /// A tick.
    Tick,
    /// The caller asked for a campaign.
    Campaign,
    /// A message was sent.
    Send { number: u64, message: &'a Message },
    /// A message came in.
    Receive { number: u64, message: &'a Message },
    /// A message was lost.
    Lose { number: u64, to: u64 },
    /// A client proposed.
    Propose { number: u64, accepted: bool },
    /// A client wants another leader.
    Transfer { to: u64 },
    /// A client wants another group.
    Change { peer: u64, add: bool, accepted: bool },
    /// The transport told of a message's fate.
    Report { to: u64, what: Report },
    /// A Ready was written.
    Write(&'a Ready),
    /// The disk was synced.
    Sync,
    /// Entries were applied.
    Apply(&'a [Entry]),
    /// The log was compacted.
    Compact { index: u64 },
    /// A fault began.
    Fault(&'a Fault),
    /// A fault ended.
    Mended(&'a Fault),
    /// A paused peer goes on.
    Resume,
    /// A removed peer was taken away.
    Destroyed,
    /// All faults end.
    Heal,
}

impl World<'_> {
    /// State of a peer before an input, if the run is written down.
    pub fn before(&self, i: usize) -> Option<Status> {
        self.recorder.as_ref().and_then(|_| self.nodes[i].status())
    }

    /// Writes an event down, if the run is written down. `usize::MAX` stands for the surroundings.
    pub fn told(&mut self, i: usize, what: What<'_>) {
        if self.recorder.is_some() {
            self.tell(i, what, None);
        }
    }

    /// Writes an input down, with what it changed.
    pub fn told_input(&mut self, i: usize, what: What<'_>, before: Option<Status>) {
        if self.recorder.is_some() {
            self.tell(i, what, before);
        }
    }

    /// Writes the call that broke a promise, or panicked, down: it has no event of its own, as it never returned.
    pub fn tell_last(&mut self) {
        let doing = std::mem::take(&mut self.doing);
        let Some(i) = (doing.node as usize).checked_sub(1) else { return };
        if self.recorder.is_none() {
            return;
        }
        let number = doing.number;
        match &doing.message {
            Some(message) if doing.call == "step" => self.tell(i, What::Receive { number, message }, None),
            _ => match doing.call {
                "tick" => self.tell(i, What::Tick, None),
                "campaign" => self.tell(i, What::Campaign, None),
                _ => {}
            },
        }
        if let Some(recorder) = &mut self.recorder {
            recorder.last_matters();
        }
    }

    fn tell(&mut self, i: usize, what: What<'_>, before: Option<Status>) {
        let Some(mut recorder) = self.recorder.take() else { return };
        let after = self.nodes.get(i).and_then(|node| node.status());
        let changes = before.zip(after).map_or(String::new(), |(before, after)| changes(&before, &after));
        let changed = !changes.is_empty();
        let (kind, text, weighty) = in_words(what, changed);
        let event = self.event(i, kind, text + &changes, after);
        recorder.push(event, weighty);
        self.recorder = Some(recorder);
    }

    fn event(&self, i: usize, kind: EventKind, text: String, after: Option<Status>) -> Event {
        let node = self.nodes.get(i).map_or(0, |node| node.id);
        let role = after.map_or('-', |status| match status.role {
            raft::Role::Follower => 'F',
            raft::Role::PreCandidate => 'P',
            raft::Role::Candidate => 'C',
            raft::Role::Leader => 'L',
        });
        let status = after.unwrap_or_default();
        let durable = match self.nodes.get(i) {
            Some(node) => match (&node.host, &node.disk) {
                (Some(host), _) => host.disk().durable().last_index(),
                (None, Some(disk)) => disk.durable().last_index(),
                _ => 0,
            },
            None => 0,
        };
        let log = self.nodes.get(i).map_or(Vec::new(), |node| last_entries(node, &status));
        let Status { term, commit, last, .. } = status;
        Event { at_us: self.now, node, kind, text, role, term, commit, durable, last: last.index, log }
    }
}

/// Index and term of the last entries of a running peer's log. The core is asked only if it has a log at all: part 2aa has
/// not written that yet.
fn last_entries(node: &super::node::Node, status: &Status) -> Vec<(u64, u64)> {
    let Some(host) = &node.host else { return Vec::new() };
    if status.last.index == 0 {
        return Vec::new();
    }
    let disk = host.disk();
    let first = status.first_index.max((status.last.index + 1).saturating_sub(LOG_SHOWN));
    let term = |index| host.core().log_term(index).or_else(|| disk.term(index).ok());
    (first..=status.last.index).filter_map(|index| Some((index, term(index)?))).collect()
}

fn in_words(what: What<'_>, changed: bool) -> (EventKind, String, bool) {
    match what {
        What::Start => (EventKind::Start, "starts".to_owned(), true),
        What::Crash { lost } => (EventKind::Crash, format!("dies; {lost} unsynced writes are lost"), true),
        What::Tick => (EventKind::Tick, "tick".to_owned(), changed),
        What::Campaign => (EventKind::Tick, "its election timer is made to run out".to_owned(), true),
        What::Send { number, message } => {
            let kind = EventKind::Send { message: number, to: message.to, name: name(message) };
            (kind, format!("sends to n{} {}", message.to, net::describe(message)), true)
        }
        What::Receive { number, message } => {
            let kind = EventKind::Receive { message: number, from: message.from, name: name(message) };
            let weighty = changed || carries_weight(message);
            (kind, format!("receives from n{} {}", message.from, net::describe(message)), weighty)
        }
        What::Lose { number, to } => {
            (EventKind::Lose { message: number, to }, "the message is lost".to_owned(), false)
        }
        What::Propose { number, accepted } => {
            let taken = if accepted { "takes" } else { "refuses" };
            (EventKind::Client, format!("{taken} command {number}"), accepted)
        }
        What::Transfer { to } => (EventKind::Client, format!("is asked to hand over to n{to}"), changed),
        What::Change { peer, add, accepted } => {
            let (taken, verb) =
                (if accepted { "takes" } else { "refuses" }, if add { "add" } else { "remove" });
            (EventKind::Client, format!("{taken} the proposal to {verb} n{peer}"), accepted)
        }
        What::Report { to, what } => {
            (EventKind::Client, format!("is told of its message to n{to}: {what:?}"), changed)
        }
        What::Write(ready) => (EventKind::Sync, written(ready), false),
        What::Sync => (EventKind::Sync, "syncs".to_owned(), false),
        What::Apply(entries) => {
            let (first, last) = (&entries[0], &entries[entries.len() - 1]);
            let text = if entries.len() == 1 {
                format!("applies entry {}@{}", first.index, first.term)
            } else {
                format!("applies entries {}@{}..{}@{}", first.index, first.term, last.index, last.term)
            };
            (EventKind::Apply, text, true)
        }
        What::Compact { index } => (EventKind::Sync, format!("compacts its log up to {index}"), true),
        What::Fault(fault) => (EventKind::Fault, fault_in_words(fault), false),
        What::Mended(fault) => (EventKind::Fault, format!("over: {}", fault_in_words(fault)), false),
        What::Resume => (EventKind::Fault, "goes on after a pause".to_owned(), false),
        What::Destroyed => {
            (EventKind::Crash, "is taken away: it was removed from the group".to_owned(), true)
        }
        What::Heal => {
            (EventKind::Fault, "all faults end: everything runs, every message arrives".to_owned(), true)
        }
    }
}

/// Messages that change what one cannot see: the votes and copies that a peer counts.
fn carries_weight(message: &Message) -> bool {
    match message.msg_type() {
        MessageType::MsgRequestVoteResponse | MessageType::MsgRequestPreVoteResponse => true,
        MessageType::MsgAppendResponse | MessageType::MsgSnapshot | MessageType::MsgTimeoutNow => true,
        _ => !message.entries.is_empty(),
    }
}

fn written(ready: &Ready) -> String {
    let mut parts = Vec::new();
    if let Some(hard) = &ready.hard_state {
        parts.push(format!("term {}, vote {}, commit {}", hard.term, hard.vote, hard.commit));
    }
    if ready.snapshot.is_some() {
        parts.push("a snapshot".to_owned());
    }
    if let (Some(first), Some(last)) = (ready.entries.first(), ready.entries.last()) {
        parts.push(format!("entries {}@{}..{}@{}", first.index, first.term, last.index, last.term));
    }
    if parts.is_empty() { "writes nothing".to_owned() } else { format!("writes {}", parts.join("; ")) }
}

fn name(message: &Message) -> String {
    message.msg_type().as_str_name().to_owned()
}

/// What an input changed, in words; empty if nothing that one can see.
fn changes(before: &Status, after: &Status) -> String {
    let mut parts = Vec::new();
    if before.role != after.role || before.term != after.term {
        parts.push(format!("{} of term {}", role_name(after.role), after.term));
    }
    if after.vote != before.vote && after.vote != 0 {
        parts.push(format!("votes for n{}", after.vote));
    }
    if after.leader_id != before.leader_id && after.leader_id != 0 && after.leader_id != after.id {
        parts.push(format!("follows n{}", after.leader_id));
    }
    if after.last != before.last {
        parts.push(format!("log ends {}@{}", after.last.index, after.last.term));
    }
    if after.first_index != before.first_index {
        parts.push(format!("log starts at {}", after.first_index));
    }
    if after.commit != before.commit {
        parts.push(format!("commit {}", after.commit));
    }
    if after.transferee != before.transferee && after.transferee != 0 {
        parts.push(format!("hands over to n{}", after.transferee));
    }
    if parts.is_empty() { String::new() } else { format!(" ⇒ {}", parts.join(", ")) }
}
