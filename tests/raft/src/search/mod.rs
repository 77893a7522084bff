//! Random walks, and searches over all orders of a few events, through the same public interface and under the same checks
//! as the simulation.
//!
//! A simulation draws *times*; a search draws *orders*. Three peers, a handful of messages and timeouts are enough for most
//! bugs, if every order is tried, and every step is judged where it happens. [`walk`] takes random steps, a hundred at a
//! time; [`bfs`] takes all of them, breadth first, and so finds the shortest story there is; [`stories`] leads it to where it
//! is worth searching.

pub mod act;
pub mod bfs;
pub mod figures;
mod hash;
pub mod report;
pub mod stories;
#[cfg(test)]
mod tests;
pub mod walk;
pub mod world;

use harness::judge::Verdict;
use harness::panics::{self, Panic};
use harness::suite::Search;
use verdict::{Cost, Failure, FailureKind, Finding, Layers};

use crate::check::Violation;
use crate::core::Face;
use crate::disk::mix;
use act::{Act, Step};
use bfs::Found;
use stories::{ON_THE_WAY, Story};
use walk::Walker;
use world::{Tuning, World};

/// A graded test that searches.
#[derive(Clone, Copy, Debug)]
pub struct SearchTest {
    /// Full name: part, `::`, name.
    pub name: &'static str,
    /// Through which of the core's faces it is driven.
    pub face: Face,
    /// What may happen.
    pub scope: Scope,
    /// How many random walks.
    pub walks: u64,
    /// Searches.
    pub stories: &'static [Story],
}

/// What may happen in a search: no part meets what only a later part builds.
#[derive(Clone, Copy, Debug)]
pub struct Scope {
    /// Peers of the group.
    pub voters: u64,
    /// Peers that may join.
    pub spares: u64,
    /// Clients propose commands.
    pub proposals: bool,
    /// Logs are compacted.
    pub snapshots: bool,
    /// Leadership is handed over.
    pub transfers: bool,
    /// Peers join and leave.
    pub membership: bool,
}

impl Scope {
    /// Part 2aa.
    pub const ELECTION: Scope = Scope {
        voters: 3,
        spares: 0,
        proposals: false,
        snapshots: false,
        transfers: false,
        membership: false,
    };
    /// Parts 2ab and 2ac.
    pub const REPLICATION: Scope = Scope { proposals: true, ..Scope::ELECTION };
    /// The raft half of part 2c.
    pub const SNAPSHOT: Scope = Scope { snapshots: true, ..Scope::REPLICATION };
    /// Part 3a.
    pub const MEMBERSHIP: Scope = Scope { spares: 1, transfers: true, membership: true, ..Scope::SNAPSHOT };
}

impl SearchTest {
    /// Elections only (part 2aa).
    pub const fn election(name: &'static str) -> SearchTest {
        let stories = &[stories::LOST_VOTE, stories::RIVALS];
        SearchTest { name, face: Face::Bare, scope: Scope::ELECTION, walks: 6_000, stories }
    }

    /// Elections and replication (part 2ab).
    pub const fn replication(name: &'static str) -> SearchTest {
        let stories = &[stories::OLD_LEADER, stories::FIGURE_EIGHT];
        SearchTest { name, face: Face::Bare, scope: Scope::REPLICATION, walks: 10_000, stories }
    }

    /// The same through `RawNode` (part 2ac).
    pub const fn ready(name: &'static str) -> SearchTest {
        SearchTest {
            name,
            face: Face::Raw,
            scope: Scope::REPLICATION,
            walks: 6_000,
            stories: &[stories::OLD_LEADER],
        }
    }

    /// Snapshots (the raft half of part 2c).
    pub const fn snapshot(name: &'static str) -> SearchTest {
        SearchTest {
            name,
            face: Face::Raw,
            scope: Scope::SNAPSHOT,
            walks: 8_000,
            stories: &[stories::SNAPSHOT_RACE],
        }
    }

    /// Leader transfer and membership change (part 3a).
    pub const fn membership(name: &'static str) -> SearchTest {
        let stories = &[stories::HAND_OVER, stories::CHANGE_RACE];
        SearchTest { name, face: Face::Raw, scope: Scope::MEMBERSHIP, walks: 10_000, stories }
    }
}

/// How a step went wrong.
#[derive(Clone, Debug)]
pub enum Wrong {
    /// A rule is broken.
    Broken(Violation),
    /// A peer panicked.
    Panicked {
        /// The panic.
        panic: Panic,
        /// Where.
        node: u64,
        /// In which step.
        step: Step,
    },
}

impl Wrong {
    /// What a step at peer `node` came to, if it went wrong.
    pub fn of(taken: Result<Result<(), Violation>, Panic>, step: Step, node: u64) -> Option<Wrong> {
        match taken {
            Ok(Ok(())) => None,
            Ok(Err(violation)) => Some(Wrong::Broken(violation)),
            Err(panic) => Some(Wrong::Panicked { panic, node, step }),
        }
    }

    /// Two runs that go wrong alike have the same name of what is wrong.
    fn name(&self) -> String {
        match self {
            Wrong::Broken(violation) => violation.rule.id.to_owned(),
            Wrong::Panicked { panic, .. } => panic.place.clone(),
        }
    }

    fn not_implemented(&self) -> Option<&str> {
        match self {
            Wrong::Panicked { panic, .. } => panic.not_implemented(),
            Wrong::Broken(_) => None,
        }
    }
}

/// A failing run: from a start, these steps.
struct Run {
    scope: Scope,
    start: world::Start,
    tuning: Tuning,
    steps: Vec<Step>,
    seed: Option<u64>,
}

impl Search for SearchTest {
    fn name(&self) -> &'static str {
        self.name
    }

    /// The same seed gives the same search.
    fn run(&self, base_seed: u64, layers: Layers) -> (Verdict, Cost) {
        let mut cost = Cost::default();
        let verdict = search(self, base_seed, layers, &mut cost);
        (verdict, cost)
    }
}

/// The stories first, as theirs are the shortest, then the walks.
fn search(test: &SearchTest, base_seed: u64, layers: Layers, cost: &mut Cost) -> Verdict {
    for story in test.stories {
        if let Some((wrong, run)) = tell(test, story, layers, cost) {
            return fail(test, wrong, run, layers, cost);
        }
    }
    for seed in 0..test.walks {
        if let Some((wrong, run)) = walk(test, base_seed, seed, layers, cost) {
            return fail(test, wrong, run, layers, cost);
        }
    }
    idle(test, cost).unwrap_or(Verdict::Passed)
}

fn story_tuning(story: &Story) -> Tuning {
    Tuning { max_message_bytes: if story.single { 0 } else { 1 << 20 }, max_inflight_messages: 8 }
}

fn tell(test: &SearchTest, story: &Story, layers: Layers, cost: &mut Cost) -> Option<(Wrong, Run)> {
    let tuning = story_tuning(story);
    let mut run = Run { scope: test.scope, start: story.start, tuning, steps: Vec::new(), seed: None };
    let begun = panics::catch(|| World::new(test.face, &test.scope, story.start, tuning, layers));
    let mut world = match begun {
        Ok(Ok(world)) => world,
        Ok(Err(violation)) => return Some((Wrong::Broken(violation), run)),
        Err(panic) => return Some((at_start(panic), run)),
    };
    cost.runs += 1;
    for &(allow, goal) in story.stages {
        match bfs::search(&world, &test.scope, &ON_THE_WAY, allow, Some(goal), &mut cost.events) {
            Found::Goal(next, steps) => {
                world = *next;
                run.steps.extend(steps);
            }
            Found::Wrong(wrong, steps) => {
                run.steps.extend(steps);
                return Some((*wrong, run));
            }
            // A peer that goes other ways is judged by the walks.
            Found::Nothing => return None,
        }
    }
    match bfs::search(&world, &test.scope, &story.budget, story.allow, None, &mut cost.events) {
        Found::Wrong(wrong, steps) => {
            run.steps.extend(steps);
            Some((*wrong, run))
        }
        Found::Goal(..) | Found::Nothing => None,
    }
}

fn at_start(panic: Panic) -> Wrong {
    Wrong::Panicked { panic, node: 0, step: Step { act: Act::Campaign(0), fuse: None } }
}

fn walk(
    test: &SearchTest,
    base_seed: u64,
    seed: u64,
    layers: Layers,
    cost: &mut Cost,
) -> Option<(Wrong, Run)> {
    let mut walker = Walker::new(&test.scope, mix(mix(base_seed) ^ mix(seed ^ 0x5eed)));
    let scope = *walker.scope();
    let mut run =
        Run { scope, start: walker.start, tuning: walker.tuning, steps: Vec::new(), seed: Some(seed) };
    run.steps.reserve(walker.length);
    cost.runs += 1;
    let steps = &mut run.steps;
    let mut node = 0;
    let walked = panics::catch(|| {
        let mut world = World::new(test.face, walker.scope(), walker.start, walker.tuning, layers)?;
        for _ in 0..walker.length {
            let step = walker.choose(&world);
            steps.push(step);
            node = world.place(step.act);
            world.take(step)?;
        }
        cost.messages += world.sent;
        cost.committed += world.checker.committed();
        // Terms with a leader count as time: a search has no other.
        cost.ticks += world.checker.leaders();
        Ok(())
    });
    cost.events += run.steps.len() as u64;
    let last = run.steps.last().copied().unwrap_or(Step { act: Act::Campaign(0), fuse: None });
    Wrong::of(walked, last, node).map(|wrong| (wrong, run))
}

/// Replays steps, and says how and where they go wrong, if they do.
fn replay(test: &SearchTest, run: &Run, steps: &[Step], layers: Layers) -> Option<(Wrong, usize)> {
    let mut done = 0;
    let mut node = 0;
    let replayed = panics::catch(|| {
        let mut world = World::new(test.face, &run.scope, run.start, run.tuning, layers)?;
        for step in steps {
            node = world.place(step.act);
            done += 1;
            world.take(*step)?;
        }
        Ok(())
    });
    let last = steps.get(done.max(1) - 1).copied().unwrap_or(Step { act: Act::Campaign(0), fuse: None });
    Wrong::of(replayed, last, node).map(|wrong| (wrong, done))
}

/// Leaves out steps as long as the same goes wrong.
fn minimise(test: &SearchTest, run: &mut Run, wrong: &Wrong, layers: Layers) {
    let name = wrong.name();
    let fails = |steps: &[Step]| replay(test, run, steps, layers).filter(|(wrong, _)| wrong.name() == name);
    let mut steps = run.steps.clone();
    let mut size = steps.len().div_ceil(2);
    while size > 0 {
        let mut at = 0;
        let mut smaller = false;
        while at < steps.len() {
            let mut candidate = steps.clone();
            candidate.drain(at..(at + size).min(candidate.len()));
            match fails(&candidate) {
                Some((_, done)) => {
                    candidate.truncate(done);
                    steps = candidate;
                    smaller = true;
                }
                None => at += size,
            }
        }
        if size > 1 {
            size = size.div_ceil(2);
        } else if !smaller {
            break;
        }
    }
    // Crashes that are not needed only confuse.
    for at in 0..steps.len() {
        let mut candidate = steps.clone();
        candidate[at].fuse = None;
        if steps[at].fuse.is_some() && fails(&candidate).is_some() {
            steps = candidate;
        }
    }
    run.steps = steps;
}

fn fail(test: &SearchTest, wrong: Wrong, mut run: Run, layers: Layers, cost: &Cost) -> Verdict {
    if let Some(text) = wrong.not_implemented() {
        return Verdict::NotImplemented(text.to_owned());
    }
    let Some((again, _)) = replay(test, &run, &run.steps, layers) else {
        return Verdict::Failed(Box::new(report::not_deterministic(&wrong, run.seed, cost)));
    };
    if again.name() == wrong.name() {
        minimise(test, &mut run, &wrong, layers);
    }
    let told = report::tell(test.face, &run.scope, run.start, run.tuning, &run.steps, layers);
    let (findings, kind) = report::findings(told.wrong.as_ref().unwrap_or(&wrong), told.advice);
    Verdict::Failed(Box::new(Failure {
        kind,
        findings,
        story: told.lines,
        seed: run.seed,
        plan: None,
        events: run.steps.len() as u64,
        passed_before: run.seed.unwrap_or(0),
    }))
}

/// A search in which nobody is ever elected has shown nothing.
fn idle(test: &SearchTest, cost: &Cost) -> Option<Verdict> {
    let enough = test.walks < 100
        || (cost.ticks > test.walks / 4 && (!test.scope.proposals || cost.committed > test.walks));
    if enough {
        return None;
    }
    let finding = Finding {
        rule: "L2".to_owned(),
        title: "a group that is not disturbed makes progress".to_owned(),
        strength: verdict::Strength::Liveness,
        layer: "liveness".to_owned(),
        section: "§5.2, §5.3".to_owned(),
        promised:
            "among thousands of random orders of events there are some that elect leaders and commit entries"
                .to_owned(),
        seen: format!(
            "{} leaders elected and {} entries committed in {} runs",
            cost.ticks, cost.committed, cost.runs
        ),
        why: "a group that does nothing keeps every promise and is of no use".to_owned(),
        node: 0,
    };
    Some(Verdict::Failed(Box::new(Failure {
        kind: FailureKind::Broken,
        findings: vec![finding],
        story: Vec::new(),
        seed: None,
        plan: None,
        events: cost.events,
        passed_before: cost.runs,
    })))
}
