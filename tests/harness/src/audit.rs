//! The same seed twice is the same run. If not, this tells where the two part.

use verdict::{Failure, FailureKind, Finding, Layers, Plan, Strength};

use crate::record::Recorder;
use crate::simulation::{Played, Simulation};

/// How often two runs are compared before the difference is given up as one that hides.
const ATTEMPTS: usize = 6;

/// Why two runs of `plan` differ: plays it again, twice and more, until two written-down runs part.
pub fn explain(simulation: &dyn Simulation, plan: &Plan, layers: Layers, first: &Played) -> Failure {
    let mut before = simulation.play(plan, layers, true);
    let mut lines = Vec::new();
    for _ in 0..ATTEMPTS {
        let again = simulation.play(plan, layers, true);
        if let Some(told) = parting(&before, &again) {
            lines = told;
            break;
        }
        before = again;
    }
    let seen = lines.first().cloned().unwrap_or_else(|| {
        "two runs of the same plan ended in different states; when both were written down they were equal"
            .to_owned()
    });
    let finding = Finding {
        rule: "determinism".to_owned(),
        title: "the same input gives the same run".to_owned(),
        strength: Strength::Contract,
        layer: "determinism".to_owned(),
        section: "handout 2A, determinism".to_owned(),
        promised: "A peer's state and messages follow from its configuration, its storage and its input, and nothing else."
            .to_owned(),
        seen,
        why: "A run that cannot be repeated cannot be debugged. The usual suspects: iterating over a HashMap or HashSet (use \
              BTreeMap), a static or a global, the clock, a random generator that is not seeded from `Config::seed`, the \
              address of an object."
            .to_owned(),
        node: 0,
    };
    Failure {
        kind: FailureKind::NotDeterministic,
        findings: vec![finding],
        story: lines,
        seed: None,
        plan: Some(plan.clone()),
        events: first.cost.events,
        passed_before: 0,
    }
}

/// Where two written-down runs part: in words, then what led up to it, then both sides.
fn parting(one: &Played, two: &Played) -> Option<Vec<String>> {
    let (one, two) = (one.recorder.as_deref()?, two.recorder.as_deref()?);
    let same = one.hashes.iter().zip(&two.hashes).take_while(|(a, b)| a.0 == b.0).count();
    if same == one.hashes.len() && same == two.hashes.len() {
        return None;
    }
    let before = same.checked_sub(1).map_or(0, |last| one.hashes[last].1);
    // The events of the call whose hash differs: the first that reads differently, or the last if all read the same.
    let end = |recorder: &Recorder| recorder.hashes.get(same).map_or(before + 1, |mark| mark.1);
    let longest = end(one).max(end(two)).max(before + 1);
    let differs = (before..longest + 1).find(|at| one.line(*at) != two.line(*at)).unwrap_or(longest - 1);
    let mut lines = vec![format!(
        "event {differs}: one run has \"{}\", the other \"{}\"",
        one.line(differs).trim(),
        two.line(differs).trim()
    )];
    lines.extend((differs.saturating_sub(6)..differs).map(|at| format!("both   {}", one.line(at))));
    lines.push(format!("first  {}", one.line(differs)));
    lines.push(format!("second {}", two.line(differs)));
    Some(lines)
}
