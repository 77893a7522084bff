//! From a plan to a verdict.

use verdict::{Cost, Failure, FailureKind, Finding, Layers, Plan, Strength, Trace};

use crate::audit;
use crate::panics::Panic;
use crate::record::STORY_LINES;
use crate::simulation::{Place, Played, Simulation, Wrong};

/// What became of a run.
#[derive(Clone, Debug)]
pub enum Verdict {
    /// Every promise was kept.
    Passed,
    /// One was broken.
    Failed(Box<Failure>),
    /// The run came to a body that is not written yet: the text of its `todo!`.
    NotImplemented(String),
}

/// A run, judged.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// The verdict.
    pub verdict: Verdict,
    /// Digest of every event.
    pub hash: u64,
    /// What was done.
    pub cost: Cost,
    /// The run for the picture, if it was asked for.
    pub trace: Option<Box<Trace>>,
}

/// Runs a plan and judges it. A failure is played again, to be told; so is a run that `trace` asks for. With `audit`, a run
/// that passes is played again as well: the same plan must give the same run.
pub fn run(simulation: &dyn Simulation, plan: &Plan, layers: Layers, audit: bool, trace: bool) -> Outcome {
    let played = simulation.play(plan, layers, false);
    if let Err(Wrong::Panicked(panic, _)) = &played.result
        && let Some(text) = panic.not_implemented()
    {
        let verdict = Verdict::NotImplemented(text.to_owned());
        return Outcome { verdict, hash: played.hash, cost: played.cost, trace: None };
    }
    let again = played.result.is_err() || trace || (audit && layers.determinism);
    if !again {
        return Outcome { verdict: Verdict::Passed, hash: played.hash, cost: played.cost, trace: None };
    }
    let told = simulation.play(plan, layers, played.result.is_err() || trace);
    let differs = told.hash != played.hash || told.result.is_err() != played.result.is_err();
    if differs && layers.determinism {
        let failure = Box::new(audit::explain(simulation, plan, layers, &played));
        let trace = trace.then(|| Box::new(tell(simulation, told, &failure.findings)));
        return Outcome { verdict: Verdict::Failed(failure), hash: played.hash, cost: played.cost, trace };
    }
    judged(simulation, plan, played, told, trace)
}

fn judged(simulation: &dyn Simulation, plan: &Plan, played: Played, told: Played, trace: bool) -> Outcome {
    let Played { result, hash, cost, .. } = played;
    let (verdict, findings) = match result {
        Ok(()) => (Verdict::Passed, Vec::new()),
        Err(wrong) => {
            let failure = explain(plan, &wrong, &told);
            let findings = failure.findings.clone();
            (Verdict::Failed(Box::new(failure)), findings)
        }
    };
    let trace = trace.then(|| Box::new(tell(simulation, told, &findings)));
    Outcome { verdict, hash, cost, trace }
}

fn tell(simulation: &dyn Simulation, told: Played, findings: &[Finding]) -> Trace {
    let recorder = told.recorder.unwrap_or_default();
    recorder.trace(simulation.name().to_owned(), String::new(), findings.to_vec())
}

/// Puts a failure into words.
fn explain(plan: &Plan, wrong: &Wrong, told: &Played) -> Failure {
    let (kind, finding) = match wrong {
        Wrong::Broken(violation) => (FailureKind::Broken, violation.to_finding()),
        // The second run knows which message was being handled.
        Wrong::Panicked(panic, place) => match &told.result {
            Err(Wrong::Panicked(_, place)) => panicked(panic, place),
            _ => panicked(panic, place),
        },
    };
    let recorder = told.recorder.as_deref();
    let stuck = finding.strength == Strength::Liveness;
    let story = recorder.map_or(Vec::new(), |recorder| recorder.story(wrong.node(), STORY_LINES, stuck));
    let mut findings = vec![finding];
    findings.extend(told.should.iter().cloned());
    Failure {
        kind,
        findings,
        story,
        seed: None,
        plan: Some(plan.clone()),
        events: recorder.map_or(told.cost.events, |recorder| recorder.weight(wrong.node())),
        passed_before: 0,
    }
}

fn panicked(panic: &Panic, place: &Place) -> (FailureKind, Finding) {
    let kind = if panic.is_ours() { FailureKind::Harness } else { FailureKind::Panicked };
    let finding = Finding {
        rule: format!("panic at {}", panic.place),
        title: "the code panicked".to_owned(),
        strength: Strength::Contract,
        layer: "panic".to_owned(),
        section: "§5.1".to_owned(),
        promised: "No message, tick or restart makes a peer panic.".to_owned(),
        seen: format!("n{} panicked in {} at {}: {}", place.node, place.call, panic.place, panic.message),
        why: "A peer that panics is down until somebody restarts it, and meets the same input again."
            .to_owned(),
        node: place.node,
    };
    (kind, finding)
}
