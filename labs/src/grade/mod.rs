//! Grading: builds the suites around the student's code, runs every test in processes of its own, collects verdicts.

pub mod build;
pub mod run;
pub mod untouched;
pub mod worker;

use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::mpsc::channel;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde::Serialize;
use verdict::{Cost, Failure, FailureKind, Layers, Plan, TestInfo, TestKind};

use crate::manifest::{Course, Part};
use build::{Build, CompileErrors};
use run::Runner;
use untouched::Untouched;
use worker::Program;

/// What was asked for.
#[derive(Clone, Debug)]
pub struct Options {
    /// Seeds of each simulation, if not the default number.
    pub seeds: Option<u64>,
    /// Only this seed.
    pub seed: Option<u64>,
    /// All seeds derive from this one.
    pub base_seed: u64,
    /// Only tests of this name, or whose name holds it.
    pub test: Option<String>,
    /// Only this run.
    pub plan: Option<Plan>,
    /// Where `plan` was read from.
    pub plan_path: Option<PathBuf>,
    /// Draw failing runs.
    pub trace: bool,
    /// Run every seed twice.
    pub audit: bool,
    /// Checks that are on.
    pub layers: Layers,
    /// Kinds of tests that run.
    pub kinds: Vec<TestKind>,
    /// Processes at a time.
    pub jobs: usize,
    /// Where failing runs are saved, and read again by later gradings.
    pub failures: PathBuf,
    /// Whether they are.
    pub save: bool,
    /// Wall time for minimising one failing run.
    pub shrink_each: Duration,
    /// Wall time for minimising all of them.
    pub shrink_total: Duration,
    /// Stop after the first test that does not pass.
    pub stop_early: bool,
    /// Holes that nobody has touched.
    pub untouched: Untouched,
}

impl Default for Options {
    fn default() -> Options {
        Options {
            seeds: None,
            seed: None,
            base_seed: 1,
            test: None,
            plan: None,
            plan_path: None,
            trace: false,
            audit: false,
            layers: Layers::ALL,
            kinds: vec![TestKind::Unit, TestKind::Simulation, TestKind::Search],
            jobs: std::thread::available_parallelism().map_or(2, usize::from),
            failures: "failures".into(),
            save: true,
            shrink_each: Duration::from_secs(8),
            shrink_total: Duration::from_secs(24),
            stop_early: false,
            untouched: Untouched::default(),
        }
    }
}

impl Options {
    /// For tests of the grading itself: nothing is saved, nothing is minimised.
    pub fn bare() -> Options {
        Options {
            save: false,
            shrink_each: Duration::ZERO,
            shrink_total: Duration::ZERO,
            ..Options::default()
        }
    }

    /// Is this test asked for? An exact name leaves out all others.
    fn wants(&self, info: &TestInfo, exact: bool) -> bool {
        if self.plan.as_ref().is_some_and(|plan| plan.test != info.name) || !self.kinds.contains(&info.kind) {
            return false;
        }
        match &self.test {
            None => self.seed.is_none() || info.seeds > 0,
            Some(name) if exact => is_named(info, name),
            Some(name) => info.name.contains(name),
        }
    }
}

fn is_named(info: &TestInfo, name: &str) -> bool {
    info.name == name || info.name.split_once("::").is_some_and(|(_, short)| short == name)
}

/// How a test ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Status {
    /// Full points.
    Passed,
    /// A promise was broken.
    Failed,
    /// The process died or was stopped.
    Crashed,
    /// A hole was called.
    NotImplemented,
}

/// A hole that was called.
#[derive(Clone, Debug, Serialize)]
pub struct Missing {
    /// Its path.
    pub path: String,
    /// Section of the handout that explains it.
    pub handout: String,
}

/// How large a run is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Size {
    /// Faults in the plan.
    pub faults: usize,
    /// Client operations in the plan.
    pub operations: usize,
    /// Steps of a run that is told step by step.
    pub steps: usize,
    /// Peers.
    pub nodes: u64,
}

impl Size {
    /// The size of a plan.
    pub fn of(plan: &Plan) -> Size {
        Size {
            faults: plan.faults.len(),
            operations: plan.operations.len(),
            steps: plan.schedule.len(),
            nodes: plan.knobs.nodes,
        }
    }
}

/// What came of one test.
#[derive(Clone, Debug)]
pub struct TestResult {
    /// The test.
    pub info: TestInfo,
    /// How it ended.
    pub status: Status,
    /// Points earned.
    pub points: u32,
    /// Seeds that were to run.
    pub seeds: u64,
    /// Trace hash of the first seed.
    pub hash: Option<String>,
    /// What passing runs did.
    pub cost: Cost,
    /// What was broken.
    pub failure: Option<Failure>,
    /// How the process ended, if it did not report.
    pub died: Option<String>,
    /// What it printed last.
    pub printed: String,
    /// The hole that was called.
    pub missing: Option<Missing>,
    /// Holes of the part whose inert bodies are still the ones handed out: what the test found may be their doing.
    pub inert: Vec<String>,
    /// Seed of the failing run as it was found.
    pub seed: Option<u64>,
    /// Size of the failing run as it was found.
    pub found: Option<Size>,
    /// Is `failure` a smaller run than the one that was found?
    pub smaller: bool,
    /// Did the run fail that an earlier grading saved?
    pub saved: bool,
    /// Where the failing run is saved.
    pub plan_file: Option<PathBuf>,
    /// Where the picture is.
    pub trace_file: Option<PathBuf>,
}

impl TestResult {
    fn new(info: &TestInfo) -> TestResult {
        TestResult {
            info: info.clone(),
            status: Status::Crashed,
            points: 0,
            seeds: 0,
            hash: None,
            cost: Cost::default(),
            failure: None,
            died: None,
            printed: String::new(),
            missing: None,
            inert: Vec::new(),
            seed: None,
            found: None,
            smaller: false,
            saved: false,
            plan_file: None,
            trace_file: None,
        }
    }

    /// Name of the make target of the test's part.
    pub fn target(&self) -> String {
        format!("project{}", self.info.name.split("::").next().unwrap_or_default())
    }

    /// The command that runs the drawn run again at its full size; `None` if none was drawn.
    pub fn replay_seed(&self, options: &Options) -> Option<String> {
        let base =
            if options.base_seed == 1 { String::new() } else { format!(" BASE={}", options.base_seed) };
        self.seed.map(|seed| format!("{} SEED={seed}{base}", self.again()))
    }

    /// The command that runs exactly this again.
    pub fn replay(&self, options: &Options) -> String {
        match options.plan_path.as_ref().or(self.plan_file.as_ref()) {
            Some(plan) => format!("make {} PLAN={}", self.target(), plan.display()),
            None => self.replay_seed(options).unwrap_or_else(|| self.again()),
        }
    }

    fn again(&self) -> String {
        let name = self.info.name.split_once("::").map_or(self.info.name.as_str(), |(_, short)| short);
        format!("make {} TEST={name}", self.target())
    }

    /// Did the checks run into a bug of their own?
    pub fn is_ours(&self) -> bool {
        self.failure.as_ref().is_some_and(|failure| failure.kind == FailureKind::Harness)
    }
}

/// What came of a target.
#[derive(Debug)]
pub struct Graded {
    /// Its name, as in `project2aa`.
    pub target: String,
    /// Points earned.
    pub points: u32,
    /// Points that there are.
    pub max: u32,
    /// Are all tests of the target in `tests`, or only some that were asked for?
    pub whole: bool,
    /// Why nothing was run.
    pub broken: Option<CompileErrors>,
    /// The tests, in order.
    pub tests: Vec<TestResult>,
}

impl Graded {
    /// Exit status of the grader: 0 full points, 1 points missing, 2 does not compile, 3 our own bug.
    pub fn status(&self) -> u8 {
        if self.broken.is_some() {
            2
        } else if self.tests.iter().any(TestResult::is_ours) {
            3
        } else {
            u8::from(self.points < self.max)
        }
    }
}

/// Told about a grading while it runs.
pub trait Watch: Sync {
    /// These tests will run.
    fn begin(&self, _: &Part, _: &[TestInfo]) {}
    /// A test is under way: seeds done, of how many.
    fn progress(&self, _: &str, _: u64, _: u64) {}
    /// A test is done. Called in the order of the tests.
    fn done(&self, _: &TestResult) {}
}

/// Watches nothing.
pub struct Silent;

impl Watch for Silent {}

/// Grades a target of the tree at `root`: builds it, then runs it.
pub fn grade(
    root: &Path,
    course: &Course,
    target: &str,
    options: &Options,
    watch: &dyn Watch,
) -> Result<Graded> {
    let (name, parts) = course.target(target)?;
    let options = &Options { untouched: Untouched::find(root, course), ..options.clone() };
    let mut graded = Graded { target: name, points: 0, max: 0, whole: true, broken: None, tests: Vec::new() };
    graded.max = parts.iter().map(|part| part.points).sum();
    let mut programs = Vec::new();
    for part in &parts {
        match build::build(root, &part.suite)? {
            Build::Done { worker, .. } => programs.push(program(worker)),
            Build::Broken(errors) => {
                graded.broken = Some(errors);
                return Ok(graded);
            }
        }
    }
    let mut available = 0;
    for (part, program) in parts.iter().zip(programs) {
        let (all, results) = run_part(part, program, course, options, watch)?;
        available += all;
        graded.tests.extend(results);
    }
    graded.max = graded.tests.iter().map(|test| test.info.points).sum();
    graded.points = graded.tests.iter().map(|test| test.points).sum();
    graded.whole = graded.tests.len() == available;
    ensure!(
        !graded.tests.is_empty(),
        "no test of {} is called so: leave TEST out to see them all",
        graded.target
    );
    Ok(graded)
}

/// The worker at `path`, with the little environment that it needs.
pub fn program(path: PathBuf) -> Program {
    Program { path, args: vec![], env: vec![("RUST_BACKTRACE".into(), "0".into())] }
}

/// Runs the wanted tests of one part; returns also how many it has.
pub fn run_part(
    part: &Part,
    program: Program,
    course: &Course,
    options: &Options,
    watch: &dyn Watch,
) -> Result<(usize, Vec<TestResult>)> {
    let progress = |test: &str, done, of| watch.progress(test, done, of);
    let runner = Runner::new(program, course, options, &progress);
    let all = runner.list(&part.id)?;
    ensure!(!all.is_empty(), "the suite has no tests for part {}", part.id);
    let exact = options.test.as_ref().is_some_and(|name| all.iter().any(|info| is_named(info, name)));
    let wanted: Vec<TestInfo> = all.iter().filter(|info| options.wants(info, exact)).cloned().collect();
    watch.begin(part, &wanted);
    Ok((all.len(), run_tests(&runner, &wanted, options, watch)?))
}

/// Runs tests side by side, and tells of them in order.
fn run_tests(
    runner: &Runner<'_>,
    wanted: &[TestInfo],
    options: &Options,
    watch: &dyn Watch,
) -> Result<Vec<TestResult>> {
    let next = AtomicUsize::new(0);
    let stop = AtomicBool::new(false);
    let (sender, results) = channel();
    std::thread::scope(|scope| {
        // One more than there are processes, so that the tail of one test's shards overlaps with the next test.
        for _ in 0..=options.jobs {
            let (sender, next, stop) = (sender.clone(), &next, &stop);
            scope.spawn(move || {
                while !stop.load(Ordering::Relaxed) {
                    let n = next.fetch_add(1, Ordering::Relaxed);
                    let Some(info) = wanted.get(n) else { return };
                    watch.progress(&info.name, 0, info.seeds);
                    let result = runner.test(info);
                    let bad = result.as_ref().map_or(true, |r| r.status != Status::Passed);
                    if result.is_err() || (bad && options.stop_early) {
                        stop.store(true, Ordering::Relaxed);
                    }
                    let _ = sender.send((n, result));
                }
            });
        }
        drop(sender);
        let mut waiting = std::collections::BTreeMap::new();
        let mut done = Vec::new();
        for (n, result) in results {
            waiting.insert(n, result.with_context(|| wanted[n].name.clone())?);
            while let Some(result) = waiting.remove(&done.len()) {
                watch.done(&result);
                done.push(result);
            }
        }
        Ok(done)
    })
}

/// Runs a plan under `runs` noise seeds, its own among them: how many failed, and the first that did.
pub fn fixcheck(
    course: &Course,
    program: Program,
    part: &Part,
    plan: &Plan,
    runs: u64,
    options: &Options,
) -> Result<(u64, Option<TestResult>)> {
    let runner = Runner::new(program, course, options, &|_, _, _| {});
    let all = runner.list(&part.id)?;
    let info = all.iter().find(|info| info.name == plan.test);
    let info = info.with_context(|| format!("there is no test `{}` any more", plan.test))?;
    let next = AtomicU64::new(0);
    let worst = Mutex::new((0, None::<(u64, TestResult)>));
    let work = || -> Result<()> {
        loop {
            let n = next.fetch_add(1, Ordering::Relaxed);
            if n >= runs {
                return Ok(());
            }
            // An odd factor: the noises are all different, and the first is the plan's own.
            let noise = plan.noise.wrapping_add(n.wrapping_mul(0x9e37_79b9_7f4a_7c15));
            // Told step by step, a run replays one order of events; the plan behind it is what other noise varies.
            let schedule = if n == 0 { plan.schedule.clone() } else { Vec::new() };
            let result = runner.replay(info, &Plan { noise, schedule, ..plan.clone() })?;
            if result.status != Status::Passed {
                let mut worst = worst.lock().unwrap_or_else(|e| e.into_inner());
                worst.0 += 1;
                if worst.1.as_ref().is_none_or(|(first, _)| n < *first) {
                    worst.1 = Some((n, result));
                }
            }
        }
    };
    std::thread::scope(|scope| {
        let threads: Vec<_> = (0..options.jobs).map(|_| scope.spawn(work)).collect();
        threads.into_iter().try_for_each(|thread| thread.join().expect("a runner's thread does not panic"))
    })?;
    let (failed, first) = worst.into_inner().unwrap_or_else(|e| e.into_inner());
    Ok((failed, first.map(|(_, result)| result)))
}
