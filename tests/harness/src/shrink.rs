//! Makes a failing run small: fewer faults, operations, peers; then fewer messages.
//!
//! Staged delta debugging with "the same rule breaks" as the oracle. A candidate plan counts if it fails under any of a few
//! noise seeds, because taking one thing away shifts the rest. In the end the run is told as a schedule, and shrunk message by
//! message.

use std::time::{Duration, Instant};

use verdict::{Fault, Layers, Operation, Plan, Step, Strength, Timed};

use crate::rng;
use crate::simulation::{Played, Simulation, Wrong};

/// Noise seeds under which a candidate is tried.
const NOISES: u64 = 3;
/// One part in so many of the budget goes to the plan before it is told as a schedule.
const PLAN_SHARE: u32 = 4;
/// Rounds of a whole pass, at most.
const ROUNDS: usize = 4;

/// Looks for a smaller plan that breaks the same rule. Stops when nothing more can be taken away, or after `budget` of wall
/// time. Returns the plan itself if it does not fail this way at all.
pub fn shrink(
    simulation: &dyn Simulation,
    plan: &Plan,
    rule: &str,
    layers: Layers,
    budget: Duration,
) -> Plan {
    let mut shrinker = Shrinker::new(simulation, plan, rule, layers, budget);
    if shrinker.fails(plan).is_none() {
        return plan.clone();
    }
    if plan.schedule.is_empty() && simulation.has_schedules() {
        // A short plan makes a short schedule; but it is the schedule that gets short beyond what any plan can.
        let end = std::mem::replace(&mut shrinker.until, shrinker.begun + budget / PLAN_SHARE);
        shrinker.shrink_plan();
        shrinker.until = end;
        shrinker.make_schedule();
    }
    if shrinker.best.schedule.is_empty() {
        shrinker.shrink_plan();
    } else {
        shrinker.shrink_schedule();
    }
    shrinker.best
}

struct Shrinker<'a> {
    simulation: &'a dyn Simulation,
    rule: &'a str,
    layers: Layers,
    begun: Instant,
    until: Instant,
    /// The smallest plan so far that fails.
    best: Plan,
}

impl<'a> Shrinker<'a> {
    fn new(
        simulation: &'a dyn Simulation,
        plan: &Plan,
        rule: &'a str,
        layers: Layers,
        budget: Duration,
    ) -> Shrinker<'a> {
        let begun = Instant::now();
        Shrinker { simulation, rule, layers, begun, until: begun + budget, best: plan.clone() }
    }

    fn out_of_time(&self) -> bool {
        Instant::now() >= self.until
    }

    /// The run, if it breaks the rule.
    fn fails(&self, plan: &Plan) -> Option<Played> {
        let played = self.simulation.play(plan, self.layers, false);
        let wrong = played.result.as_ref().err()?;
        (wrong.rule() == self.rule).then_some(played)
    }

    /// Takes over a candidate if it fails, under whatever noise.
    fn attempt(&mut self, mut candidate: Plan) -> bool {
        if candidate == self.best || self.out_of_time() {
            return false;
        }
        let noise = candidate.noise;
        let noises = if candidate.schedule.is_empty() { NOISES } else { 1 };
        for nth in 0..noises {
            candidate.noise = if nth == 0 { noise } else { rng::mix(noise ^ nth) };
            if self.fails(&candidate).is_some() {
                self.best = candidate;
                return true;
            }
        }
        false
    }

    fn shrink_plan(&mut self) {
        self.truncate();
        for _ in 0..ROUNDS {
            let before = self.best.clone();
            self.drop_kinds();
            self.calm_down();
            self.fewer_peers();
            self.fewer_faults();
            self.fewer_operations();
            self.simpler_operations();
            self.truncate();
            if self.best == before || self.out_of_time() {
                return;
            }
        }
    }

    /// Nothing that comes after the failure matters.
    fn truncate(&mut self) {
        let Some(played) = self.fails(&self.best) else { return };
        let end = played.now.min(self.best.knobs.chaos_ms * 1_000);
        let mut candidate = self.best.clone();
        candidate.faults.retain(|fault| fault.at_us <= end);
        candidate.operations.retain(|operation| operation.at_us <= end);
        self.attempt(candidate);
        for part in [4, 2] {
            let mut candidate = self.best.clone();
            candidate.knobs.chaos_ms = candidate.knobs.chaos_ms / part + 1;
            self.attempt(candidate);
        }
    }

    /// All operations of a kind, all faults of a kind, all of either.
    fn drop_kinds(&mut self) {
        let none = Plan { operations: Vec::new(), ..self.best.clone() };
        self.attempt(none);
        let none = Plan { faults: Vec::new(), ..self.best.clone() };
        self.attempt(none);
        let kinds: Vec<_> =
            self.best.operations.iter().map(|timed| std::mem::discriminant(&timed.what)).collect();
        for kind in first_of_each(&kinds) {
            let mut candidate = self.best.clone();
            candidate.operations.retain(|timed| std::mem::discriminant(&timed.what) != kind);
            self.attempt(candidate);
        }
        let kinds: Vec<_> =
            self.best.faults.iter().map(|timed| std::mem::discriminant(&timed.what)).collect();
        for kind in first_of_each(&kinds) {
            let mut candidate = self.best.clone();
            candidate.faults.retain(|timed| std::mem::discriminant(&timed.what) != kind);
            self.attempt(candidate);
        }
    }

    /// Each knob to its default, the loud ones first.
    fn calm_down(&mut self) {
        let calm = self.simulation.calm_knobs(self.best.knobs.nodes);
        for make_calm in self.simulation.calmer() {
            let mut candidate = self.best.clone();
            make_calm(&mut candidate.knobs, &calm);
            self.attempt(candidate);
        }
    }

    fn fewer_peers(&mut self) {
        for nodes in 3..self.best.knobs.nodes {
            let mut candidate = self.best.clone();
            candidate.knobs.nodes = nodes;
            candidate.knobs.tick_percent.truncate(nodes as usize);
            if self.attempt(candidate) {
                return;
            }
        }
    }

    fn fewer_faults(&mut self) {
        let all: Vec<Timed<Fault>> = self.best.faults.clone();
        self.ddmin(all, |plan, faults| plan.faults = faults);
    }

    fn fewer_operations(&mut self) {
        let all: Vec<Timed<Operation>> = self.best.operations.clone();
        self.ddmin(all, |plan, operations| plan.operations = operations);
    }

    /// As one command where several were proposed together.
    fn simpler_operations(&mut self) {
        for at in 0..self.best.operations.len() {
            let mut candidate = self.best.clone();
            if let Some(timed) = candidate.operations.get_mut(at)
                && let Some(simpler) = self.simulation.simpler(&timed.what)
            {
                timed.what = simpler;
                self.attempt(candidate);
            }
        }
    }

    /// Takes away ever smaller runs of items, as long as the rest still fails.
    fn ddmin<T: Clone>(&mut self, mut items: Vec<T>, put: impl Fn(&mut Plan, Vec<T>)) {
        let mut chunk = items.len().div_ceil(2);
        while chunk > 0 && !items.is_empty() && !self.out_of_time() {
            let mut at = 0;
            let mut shrunk = false;
            while at < items.len() {
                let rest: Vec<T> = [&items[..at], &items[(at + chunk).min(items.len())..]].concat();
                let mut candidate = self.best.clone();
                put(&mut candidate, rest.clone());
                if self.attempt(candidate) {
                    items = rest;
                    shrunk = true;
                } else {
                    at += chunk;
                }
            }
            if chunk == 1 && !shrunk {
                return;
            }
            chunk = if chunk == 1 { 1 } else { chunk.div_ceil(2) };
        }
    }

    /// Tells the run step by step, if it breaks the rule then as well. What clocks and healing show cannot be told so.
    fn make_schedule(&mut self) {
        let played = self.simulation.play(&self.best, self.layers, true);
        let (Err(wrong), Some(recorder)) = (&played.result, &played.recorder) else { return };
        if matches!(wrong, Wrong::Broken(violation) if violation.rule.strength == Strength::Liveness) {
            return;
        }
        let node = wrong.node();
        let bare = recorder.steps_that_matter(node, true);
        let past = compress(&recorder.steps_that_matter(node, false));
        let all = compress(&recorder.steps);
        for schedule in [bare, past, all] {
            if self.attempt(Plan { schedule, ..self.best.clone() }) {
                return;
            }
        }
    }

    fn shrink_schedule(&mut self) {
        for _ in 0..ROUNDS {
            let before = self.best.schedule.clone();
            self.ddmin(before.clone(), |plan, schedule| plan.schedule = schedule);
            self.simpler_steps();
            if self.best.schedule == before || self.out_of_time() {
                break;
            }
        }
        // What the schedule replaces is not needed to replay it; it stays for running the plan under other noise.
        self.drop_crash_details();
    }

    /// Ticks become a campaign, or fewer; several commands become one.
    fn simpler_steps(&mut self) {
        for at in 0..self.best.schedule.len() {
            let simpler: Vec<Step> = match self.best.schedule[at] {
                Step::Tick { node, times } if times > 1 => vec![
                    Step::Campaign { node },
                    Step::Tick { node, times: 1 },
                    Step::Tick { node, times: times / 2 },
                    Step::Tick { node, times: times - 1 },
                ],
                Step::Tick { node, .. } => vec![Step::Campaign { node }],
                Step::Propose { node, count } if count > 1 => {
                    vec![Step::Propose { node, count: 1 }, Step::Propose { node, count: count / 2 }]
                }
                Step::CrashAtSeam { node, keep, .. } => vec![Step::Crash { node, keep }],
                _ => continue,
            };
            for step in simpler {
                let mut candidate = self.best.clone();
                candidate.schedule[at] = step;
                if self.attempt(candidate) {
                    break;
                }
            }
        }
    }

    /// A crash that loses nothing is easier to follow than one that loses some writes.
    fn drop_crash_details(&mut self) {
        for at in 0..self.best.schedule.len() {
            if let Step::Crash { node, keep } = self.best.schedule[at]
                && keep != u64::MAX
            {
                let mut candidate = self.best.clone();
                candidate.schedule[at] = Step::Crash { node, keep: u64::MAX };
                self.attempt(candidate);
            }
        }
    }
}

fn first_of_each<T: PartialEq + Copy>(all: &[T]) -> Vec<T> {
    let mut firsts: Vec<T> = Vec::new();
    for one in all {
        if !firsts.contains(one) {
            firsts.push(*one);
        }
    }
    firsts
}

/// The steps of a recorded run as a schedule: neighbours that can be told as one are.
pub fn compress(steps: &[Step]) -> Vec<Step> {
    let mut short: Vec<Step> = Vec::new();
    for step in steps {
        if let (Some(Step::Tick { node, times }), Step::Tick { node: again, times: more }) =
            (short.last_mut(), step)
            && node == again
        {
            *times += more;
            continue;
        }
        short.push(*step);
    }
    short
}
