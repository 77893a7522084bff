//! A run written down: the last events that matter, and the whole of it for the picture.

use std::collections::{BTreeMap, BTreeSet};

use verdict::{Event, EventKind, Finding, Step, Trace};

/// Lines that tell what goes on at the end of a run that is stuck.
const TAIL_LINES: usize = 9;
/// Lines of a story.
pub const STORY_LINES: usize = 25;

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

    /// Writes an event down; a weighty one is worth telling.
    pub fn push(&mut self, event: Event, weighty: bool) {
        let at = self.events.len();
        let cause = match event.kind {
            EventKind::Receive { message, .. } => self.sent.get(&message).copied(),
            _ => None,
        };
        if let EventKind::Send { message, .. } = event.kind {
            self.sent.insert(message, at);
        }
        let before = self.last_at.insert(event.node, at);
        self.causes.push([before, cause]);
        self.weighty.push(weighty);
        self.made_by.push(self.begun);
        self.events.push(event);
    }

    /// The event written down last is worth telling, whatever it looked like.
    pub fn last_matters(&mut self) {
        if let Some(weighty) = self.weighty.last_mut() {
            *weighty = true;
        }
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
