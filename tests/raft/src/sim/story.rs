//! Tells a run: every event in words, the last ones that matter, and the whole run for the picture.
//!
//! Nothing is written down while a run is merely judged. A run that is to be told is run again, with a [`Recorder`].

use std::collections::{BTreeMap, BTreeSet};

use proto::eraftpb::{Entry, Message, MessageType};
use raft::{Ready, Status, Storage as _};
use verdict::{Event, EventKind, Fault, Finding, Step, Trace};

use super::acts::name_of;
use super::event::Report;
use super::net;
use super::world::World;

/// Entries of a log that the picture shows.
const LOG_SHOWN: u64 = 8;
/// Lines that tell what goes on at the end of a run that is stuck.
const TAIL_LINES: usize = 9;
/// Lines of a story.
pub const STORY_LINES: usize = 25;

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

/// Writes a run down.
#[derive(Default)]
pub struct Recorder {
    events: Vec<Event>,
    /// For each event: the one before it at the same peer, and the sending of the message that it receives.
    causes: Vec<[Option<usize>; 2]>,
    /// Events worth telling: they changed something.
    weighty: Vec<bool>,
    last_at: BTreeMap<u64, usize>,
    sent: BTreeMap<u64, usize>,
    /// Trace hash after each event, with the events written down by then.
    pub hashes: Vec<(u64, usize)>,
    /// The run as a schedule.
    pub steps: Vec<Step>,
    /// Where in `steps` the step stands that is being taken.
    begun: usize,
    /// For each event, the step that made it.
    made_by: Vec<usize>,
}

impl Recorder {
    /// Notes the trace hash.
    pub fn mark(&mut self, hash: u64) {
        self.hashes.push((hash, self.events.len()));
    }

    /// Notes the step that begins now.
    pub fn took(&mut self, step: Step) {
        self.begun = self.steps.len();
        self.steps.push(step);
    }

    /// Notes what must be known before the step that has begun.
    pub fn took_before(&mut self, step: Step) {
        self.steps.insert(self.begun.min(self.steps.len()), step);
        self.begun += 1;
    }

    /// Text of the event at a position, with its time.
    pub fn line(&self, at: usize) -> String {
        self.events.get(at).map_or_else(|| "the run ends".to_owned(), told)
    }

    fn push(&mut self, event: Event, cause: Option<usize>, weighty: bool) {
        let at = self.events.len();
        let before = self.last_at.insert(event.node, at);
        self.causes.push([before, cause]);
        self.weighty.push(weighty);
        self.made_by.push(self.begun);
        self.events.push(event);
    }

    /// The causal past of the last event at `node` (of all peers if 0), as far as it changed something.
    fn past(&self, node: u64) -> Vec<usize> {
        // A message is told where it arrives; one that does not arrive in this past does not matter.
        let matters = |at: &usize| self.weighty[*at] && !is_sending(&self.events[*at]);
        self.whole_past(node).into_iter().filter(matters).collect()
    }

    fn whole_past(&self, node: u64) -> BTreeSet<usize> {
        let mut todo: Vec<usize> = match self.last_at.get(&node) {
            Some(at) if node != 0 => vec![*at],
            _ => self.last_at.iter().filter(|(peer, _)| **peer != 0).map(|(_, at)| *at).collect(),
        };
        let mut past = BTreeSet::new();
        while let Some(at) = todo.pop() {
            if past.insert(at) {
                todo.extend(self.causes[at].iter().flatten());
            }
        }
        past
    }

    /// The steps in the causal past of the last event at `node`. With `bare`, ticks are left out, and one that made a peer
    /// campaign is told as just that.
    pub fn steps_that_matter(&self, node: u64, bare: bool) -> Vec<Step> {
        let mut matters = vec![false; self.steps.len() + 1];
        let mut weighs = vec![false; self.steps.len() + 1];
        for at in self.whole_past(node) {
            // What was noted before a step has pushed it one place on since.
            for step in [self.made_by[at], self.made_by[at] + 1] {
                matters[step.min(self.steps.len())] = true;
                weighs[step.min(self.steps.len())] |= self.weighty[at];
            }
        }
        let told = |(at, step): (usize, &Step)| match *step {
            Step::Tick { node, .. } if bare => weighs[at].then_some(Step::Campaign { node }),
            step => Some(step),
        };
        self.steps.iter().enumerate().filter(|(at, _)| matters[*at]).filter_map(told).collect()
    }

    /// How many events the explanation takes.
    pub fn weight(&self, node: u64) -> u64 {
        self.past(node).len() as u64
    }

    /// The last events that matter, oldest first. Of a run that is `stuck` also what goes on at the end, to no effect.
    pub fn story(&self, node: u64, most: usize, stuck: bool) -> Vec<String> {
        let past = self.past(node);
        let tail = if stuck { self.tail(past.last().copied()) } else { Vec::new() };
        let skipped = past.len().saturating_sub(most - tail.len());
        let mut lines = Vec::new();
        if skipped > 0 {
            lines.push(format!("... {skipped} earlier events"));
        }
        lines.extend(past[skipped..].iter().map(|at| told(&self.events[*at])));
        lines.extend(tail);
        lines
    }

    /// The last events of all, if they come after `after`.
    fn tail(&self, after: Option<usize>) -> Vec<String> {
        let idle = |event: &Event| matches!(event.kind, EventKind::Tick | EventKind::Sync);
        let last = (0..self.events.len()).rev().filter(|at| !idle(&self.events[*at]));
        let mut last: Vec<usize> =
            last.take(TAIL_LINES).take_while(|at| after.is_none_or(|after| *at > after)).collect();
        last.reverse();
        let mut lines = vec!["... and so on; at the end:".to_owned()];
        lines.extend(last.iter().map(|at| told(&self.events[*at])));
        if last.is_empty() { Vec::new() } else { lines }
    }

    /// The whole run, for the picture.
    pub fn trace(self, title: String, replay: String, findings: Vec<Finding>) -> Trace {
        let nodes: BTreeSet<u64> =
            self.events.iter().map(|event| event.node).filter(|node| *node != 0).collect();
        let mut events = self.events;
        let last = events.last().cloned();
        for (nth, finding) in findings.iter().enumerate() {
            let here = events
                .iter()
                .rev()
                .find(|event| event.node == finding.node)
                .cloned()
                .or_else(|| last.clone());
            let Some(here) = here else { continue };
            let at_us = last.as_ref().map_or(here.at_us, |last| last.at_us);
            let text = format!("{}: {}", finding.rule, finding.seen);
            events.push(Event { at_us, node: finding.node, kind: EventKind::Violation(nth), text, ..here });
        }
        Trace { title, replay, nodes: nodes.into_iter().collect(), events, findings }
    }
}

fn told(event: &Event) -> String {
    let who = if event.node == 0 { "--".to_owned() } else { format!("n{}", event.node) };
    format!("{:>9.3} ms  {who}  {}", event.at_us as f64 / 1_000.0, event.text)
}

fn is_sending(event: &Event) -> bool {
    matches!(event.kind, EventKind::Send { .. } | EventKind::Lose { .. })
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
        if let Some(recorder) = &mut self.recorder
            && let Some(weighty) = recorder.weighty.last_mut()
        {
            *weighty = true;
        }
    }

    fn tell(&mut self, i: usize, what: What<'_>, before: Option<Status>) {
        let Some(mut recorder) = self.recorder.take() else { return };
        let after = self.nodes.get(i).and_then(|node| node.status());
        let changes = before.zip(after).map_or(String::new(), |(before, after)| changes(&before, &after));
        let changed = !changes.is_empty();
        let (kind, text, weighty) = in_words(what, changed);
        let cause = match what {
            What::Receive { number, .. } => recorder.sent.get(&number).copied(),
            _ => None,
        };
        if let What::Send { number, .. } = what {
            recorder.sent.insert(number, recorder.events.len());
        }
        let event = self.event(i, kind, text + &changes, after);
        recorder.push(event, cause, weighty);
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
        parts.push(format!("{} of term {}", name_of(after.role), after.term));
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

fn fault_in_words(fault: &Fault) -> String {
    match *fault {
        Fault::Crash { node, down_ms } => format!("n{node} dies for {down_ms} ms"),
        Fault::CrashAtSeam { node, calls, .. } => format!("n{node} will die after {calls} more seam calls"),
        Fault::CrashLeader { down_ms } => format!("the leader dies for {down_ms} ms"),
        Fault::Pause { node, for_ms } => format!("n{node} is paused for {for_ms} ms"),
        Fault::Partition { side, for_ms } => {
            let side: Vec<String> =
                (1..=64).filter(|n| side >> (n - 1) & 1 == 1).map(|n| format!("n{n}")).collect();
            format!("{} cut off from the others for {for_ms} ms", side.join(", "))
        }
        Fault::CutOneWay { from, to, for_ms } => {
            format!("nothing gets from n{from} to n{to} for {for_ms} ms")
        }
        Fault::IsolateLeader { for_ms } => format!("the leader is cut off for {for_ms} ms"),
        Fault::Campaign { node } => format!("the election timer of n{node} runs out"),
    }
}
