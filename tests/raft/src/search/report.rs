//! A failing run, told.

use harness::panics;
use verdict::{Cost, Failure, FailureKind, Finding, Layers, Strength};

use super::act::{Act, Fuse, Step};
use super::world::{Start, Tuning, World};
use super::{Scope, Wrong};
use crate::check::{Violation, describe_message, role_name};
use crate::core::Face;

/// A replayed run.
pub struct Told {
    /// One line for each step.
    pub lines: Vec<String>,
    /// How it went wrong.
    pub wrong: Option<Wrong>,
    /// Good practice that was not followed on the way.
    pub advice: Vec<Violation>,
}

/// Replays a run and writes it down.
pub fn tell(face: Face, scope: &Scope, start: Start, tuning: Tuning, steps: &[Step], layers: Layers) -> Told {
    let mut told = Told { lines: Vec::new(), wrong: None, advice: Vec::new() };
    let begun = panics::catch(|| World::new(face, scope, start, tuning, layers));
    let nothing = Step { act: Act::Campaign(0), fuse: None };
    let mut world = match begun {
        Ok(Ok(world)) => world,
        other => {
            told.wrong = Wrong::of(other.map(|begun| begun.map(|_| ())), nothing, 0);
            return told;
        }
    };
    if let Start::Logs { term, logs } = start {
        told.lines
            .push(format!("at the start, all are in term {term}, with entries of these terms: {logs:?}"));
    }
    for &step in steps {
        if !world.can(step.act) {
            continue;
        }
        let number = told.lines.len() + 1;
        let place = world.place(step.act);
        let what = describe(&world, step);
        let before = (place > 0).then(|| world.status(place));
        let taken = panics::catch(|| world.take(step));
        if let Some(wrong) = Wrong::of(taken, step, place) {
            told.lines.push(format!("{number}. {what} ⇒ {}", headline(&wrong)));
            told.wrong = Some(wrong);
            break;
        }
        let change = before.map_or(String::new(), |before| changes(&before, &world.status(place)));
        told.lines.push(format!("{number}. {what}{change}"));
    }
    told.advice = world.checker.findings().to_vec();
    told
}

fn headline(wrong: &Wrong) -> String {
    match wrong {
        Wrong::Broken(violation) => format!("breaks {}: {}", violation.rule.id, violation.rule.title),
        Wrong::Panicked { panic, .. } => format!("panics at {}", panic.place),
    }
}

fn describe(world: &World, step: Step) -> String {
    let message = |key: u64| {
        let flight = world.net.iter().find(|flight| flight.key == key);
        flight.map_or(String::new(), |flight| describe_message(&flight.message))
    };
    let what = match step.act {
        Act::Deliver { key, again: false } => format!("{} arrives", message(key)),
        Act::Deliver { key, again: true } => {
            format!("{} arrives, and a copy of it stays on its way", message(key))
        }
        Act::Lose { key } => format!("{} is lost", message(key)),
        Act::Campaign(node) => format!("the election timer of peer {node} runs out"),
        Act::Beat(node) => format!("a heartbeat interval passes at peer {node}"),
        Act::Wait(node) => format!("more than two election timeouts pass at peer {node}"),
        Act::Lag(node) => format!("the state machine of peer {node} begins to lag, or catches up"),
        Act::Propose(node) => format!("a client proposes a command to peer {node}"),
        Act::Hold(node) => format!(
            "the disk of peer {node} becomes slow: what it writes is not synced, what it says not sent"
        ),
        Act::Release(node) => format!("the disk of peer {node} is done: it syncs, sends and goes on"),
        Act::Crash { node, keep } => {
            format!("peer {node} dies ({keep} unsynced writes survive at most) and starts again")
        }
        Act::Compact(node) => format!("peer {node} drops the log that it has applied"),
        Act::Transfer { at, to } => format!("peer {at} is asked to hand leadership to {to}"),
        Act::Change { at, kind, node } => {
            let kind = proto::eraftpb::ConfChangeType::try_from(kind).map_or("?", |kind| kind.as_str_name());
            format!("peer {at} is asked to propose {kind} {node}")
        }
        Act::Report { at, peer, failed } => {
            format!(
                "peer {at} is told that its snapshot to {peer} {}",
                if failed { "failed" } else { "arrived" }
            )
        }
    };
    let fuse = match step.fuse {
        None => "",
        Some(Fuse::BeforeWrite) => "; it dies before it writes anything, and starts again",
        Some(Fuse::BeforeSync(_)) => "; it dies before the sync, and starts again",
        Some(Fuse::BeforeSend) => "; it dies after the sync, before it sends, and starts again",
        Some(Fuse::BeforeApply) => "; it dies after sending, and starts again",
    };
    format!("{what}{fuse}")
}

fn changes(before: &raft::Status, after: &raft::Status) -> String {
    let mut parts = Vec::new();
    if (before.role, before.term) != (after.role, after.term) {
        parts.push(format!("{} of term {}", role_name(after.role), after.term));
    }
    if before.vote != after.vote && after.vote != 0 {
        parts.push(format!("votes for {}", after.vote));
    }
    if before.last != after.last {
        parts.push(format!("log ends {}@{}", after.last.index, after.last.term));
    }
    if before.commit != after.commit {
        parts.push(format!("commit {}", after.commit));
    }
    if parts.is_empty() { String::new() } else { format!(" ⇒ peer {}: {}", after.id, parts.join(", ")) }
}

/// What was broken, the cause first, and what kind of failure that is.
pub fn findings(wrong: &Wrong, advice: Vec<Violation>) -> (Vec<Finding>, FailureKind) {
    let (first, kind) = match wrong {
        Wrong::Broken(violation) => (violation.to_finding(), FailureKind::Broken),
        Wrong::Panicked { panic, node, .. } => {
            let kind = if panic.is_ours() { FailureKind::Harness } else { FailureKind::Panicked };
            (panic_finding(&panic.message, &panic.place, *node), kind)
        }
    };
    let mut findings = vec![first];
    findings.extend(advice.iter().map(Violation::to_finding));
    (findings, kind)
}

fn panic_finding(message: &str, place: &str, node: u64) -> Finding {
    Finding {
        rule: "panic".to_owned(),
        title: "the code does not panic".to_owned(),
        strength: Strength::Contract,
        layer: "panic".to_owned(),
        section: "handout".to_owned(),
        promised: "no message, in whatever order, makes a peer panic".to_owned(),
        seen: format!("{place}: {message}"),
        why: "a panic takes the whole store down, and it comes back to the same log".to_owned(),
        node,
    }
}

/// The same steps went another way the second time.
pub fn not_deterministic(wrong: &Wrong, seed: Option<u64>, cost: &Cost) -> Failure {
    let (mut findings, _) = findings(wrong, Vec::new());
    findings.insert(
        0,
        Finding {
            rule: "determinism".to_owned(),
            title: "the same steps give the same states".to_owned(),
            strength: Strength::Contract,
            layer: "determinism".to_owned(),
            section: "handout".to_owned(),
            promised: "a peer's behaviour is decided by its configuration, its disk and its input alone".to_owned(),
            seen: format!("{}, and nothing did when the same steps were taken again", headline(wrong)),
            why: "a failure that cannot be repeated cannot be understood. Usual causes: iterating a HashMap, a static, the \
                  clock, a random generator that is not seeded from Config::seed"
                .to_owned(),
            node: 0,
        },
    );
    Failure {
        kind: FailureKind::NotDeterministic,
        findings,
        story: Vec::new(),
        seed,
        plan: None,
        events: cost.events,
        passed_before: seed.unwrap_or(0),
    }
}
