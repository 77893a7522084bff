//! From a plan to a verdict.

use verdict::{Cost, Failure, FailureKind, Finding, Layers, Plan, Strength, Trace};

use super::audit;
use super::panics::Panic;
use super::record::{Recorder, STORY_LINES};
use crate::check::Violation;

/// What plays plans: a simulated world, whatever lives in it.
pub trait Player {
    /// Full name of the test.
    fn name(&self) -> &str;
    /// Plays a plan once; writes all down that happens if told to, which changes nothing.
    fn play(&self, plan: &Plan, layers: Layers, record: bool) -> Played;
}

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

/// How a run went wrong.
#[derive(Clone, Debug)]
pub enum Wrong {
    /// A check said so.
    Broken(Violation),
    /// It panicked.
    Panicked(Panic, Place),
}

/// What was being done when it went wrong.
#[derive(Clone, Debug, Default)]
pub struct Place {
    /// Whose code ran; 0 if nobody's.
    pub node: u64,
    /// The call, as in `step(MsgHeartbeat(term 3, commit 7) from n2)`.
    pub call: String,
}

impl Wrong {
    /// Name of the broken rule; a panic breaks the rule of its place.
    pub fn rule(&self) -> String {
        match self {
            Wrong::Broken(violation) => violation.rule.id.to_owned(),
            Wrong::Panicked(panic, _) => format!("panic at {}", panic.place),
        }
    }

    /// Peer at fault; 0 if none alone.
    pub fn node(&self) -> u64 {
        match self {
            Wrong::Broken(violation) => violation.node,
            Wrong::Panicked(_, place) => place.node,
        }
    }
}

/// One run, not yet put into words.
pub struct Played {
    /// How it ended.
    pub result: Result<(), Wrong>,
    /// Digest of every event.
    pub hash: u64,
    /// What was done.
    pub cost: Cost,
    /// When it ended.
    pub now: u64,
    /// `Should` rules that were broken on the way.
    pub should: Vec<Finding>,
    /// All that happened, if it was written down.
    pub recorder: Option<Box<Recorder>>,
}

/// Runs a plan and judges it. A failure is played again, to be told; so is a run that `trace` asks for. With `audit`, a run
/// that passes is played again as well: the same plan must give the same run.
pub fn run(player: &dyn Player, plan: &Plan, layers: Layers, audit: bool, trace: bool) -> Outcome {
    let played = player.play(plan, layers, false);
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
    let told = player.play(plan, layers, played.result.is_err() || trace);
    let differs = told.hash != played.hash || told.result.is_err() != played.result.is_err();
    if differs && layers.determinism {
        let failure = Box::new(audit::explain(player, plan, layers, &played));
        let trace = trace.then(|| Box::new(tell(player, told, &failure.findings)));
        return Outcome { verdict: Verdict::Failed(failure), hash: played.hash, cost: played.cost, trace };
    }
    judged(player, plan, played, told, trace)
}

fn judged(player: &dyn Player, plan: &Plan, played: Played, told: Played, trace: bool) -> Outcome {
    let Played { result, hash, cost, .. } = played;
    let (verdict, findings) = match result {
        Ok(()) => (Verdict::Passed, Vec::new()),
        Err(wrong) => {
            let failure = explain(plan, &wrong, &told);
            let findings = failure.findings.clone();
            (Verdict::Failed(Box::new(failure)), findings)
        }
    };
    let trace = trace.then(|| Box::new(tell(player, told, &findings)));
    Outcome { verdict, hash, cost, trace }
}

fn tell(player: &dyn Player, told: Played, findings: &[Finding]) -> Trace {
    let recorder = told.recorder.unwrap_or_default();
    recorder.trace(player.name().to_owned(), String::new(), findings.to_vec())
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

#[cfg(test)]
mod tests {
    use super::super::soak::PROFILES;
    use super::super::swarm::draw_plan;
    use super::*;

    #[test]
    fn the_same_plan_gives_the_same_run() {
        for test in &PROFILES {
            let plan = draw_plan(test, 3);
            let once = test.play(&plan, Layers::ALL, false);
            let again = test.play(&plan, Layers::ALL, true);
            assert!(once.result.is_ok(), "{}: {:?}", test.name, once.result);
            assert_eq!(once.hash, again.hash, "{}: writing a run down changes it", test.name);
            let other = Plan { noise: plan.noise + 1, ..plan.clone() };
            assert_ne!(once.hash, test.play(&other, Layers::ALL, false).hash, "{}", test.name);
        }
    }

    #[test]
    fn a_trace_shows_the_whole_run() {
        let test = &PROFILES[3];
        let outcome = run(test, &draw_plan(test, 1), Layers::ALL, false, true);
        assert!(matches!(outcome.verdict, Verdict::Passed), "{:?}", outcome.verdict);
        let trace = outcome.trace.expect("a trace was asked for");
        assert!(trace.events.is_sorted_by_key(|event| event.at_us));
        assert!(trace.events.iter().any(|event| event.role == 'L' && event.log.len() > 3));
    }
}
