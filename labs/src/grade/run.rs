//! One graded test from start to verdict: saved failure, shards of seeds, minimising, picture.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Condvar, Mutex};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use verdict::{Cost, Failure, Job, Plan, Record, Run, TestInfo, TestKind, Trace};

use super::worker::{self, Ending, Limits, Program};
use super::{Options, Status, TestResult};
use crate::manifest::Course;

/// Runs tests of one program, so many processes at a time.
pub struct Runner<'a> {
    /// What runs the tests.
    pub program: Program,
    /// Explains holes.
    pub course: &'a Course,
    /// What was asked for.
    pub options: &'a Options,
    /// Told as seeds pass: test, seeds done, of how many.
    pub progress: &'a (dyn Fn(&str, u64, u64) + Sync),
    permits: Permits,
    /// Wall time left for minimising, over all tests.
    shrinking: Mutex<Duration>,
}

/// What one process, or several shards together, said about a test.
#[derive(Debug, Default)]
struct Said {
    verdict: Option<Verdict>,
    hash: Option<String>,
    trace: Option<Box<Trace>>,
    in_flight: Option<u64>,
    printed: String,
}

#[derive(Debug)]
enum Verdict {
    Passed(Cost),
    Failed(Box<Failure>),
    NotImplemented(String),
    Died(String),
    Cancelled,
}

impl<'a> Runner<'a> {
    /// A runner that keeps `options.jobs` processes busy.
    pub fn new(
        program: Program,
        course: &'a Course,
        options: &'a Options,
        progress: &'a (dyn Fn(&str, u64, u64) + Sync),
    ) -> Runner<'a> {
        let shrinking = Mutex::new(options.shrink_total);
        Runner { program, course, options, progress, permits: Permits::new(options.jobs), shrinking }
    }

    /// The tests of a part, as its suite tells them.
    pub fn list(&self, part: &str) -> Result<Vec<TestInfo>> {
        let (mut tests, never) = (None, AtomicBool::new(false));
        let job = Job::List { part: part.into() };
        let limits = Limits::lasting(Duration::from_secs(10));
        let outcome = worker::run(&self.program, &job, limits, &never, |record| {
            if let Record::Tests(list) = record {
                tests = Some(list);
            }
        })?;
        match (tests, outcome.ending) {
            (Some(tests), Ending::Done) => Ok(tests),
            (_, Ending::Died(how)) => {
                bail!("the suite could not name its tests: it {how}\n{}", outcome.printed)
            }
            _ => bail!("the suite did not name its tests"),
        }
    }

    /// Runs one test, whole.
    pub fn test(&self, info: &TestInfo) -> Result<TestResult> {
        let mut result = TestResult::new(info);
        let single = self.options.plan.is_some() || self.options.seed.is_some();
        let saved = self.saved(info)?;
        let mut said = None;
        if let Some((file, plan)) = saved.filter(|_| !single) {
            let again = self.one(info, Some(plan), false)?;
            if !matches!(again.verdict, Some(Verdict::Passed(_))) {
                (result.saved, result.plan_file) = (true, Some(file));
                said = Some(again);
            }
        }
        let said = match (said, &self.options.plan) {
            (Some(said), _) => said,
            (None, Some(plan)) => self.one(info, Some(plan.clone()), false)?,
            (None, None) => self.seeds(info, &mut result)?,
        };
        self.judge(info, said, &mut result);
        if result.failure.is_some() && !single && !result.saved {
            self.minimise(info, &mut result)?;
        }
        let worth_a_picture = result.failure.is_some() || (single && result.status == Status::Passed);
        if self.options.trace && worth_a_picture && info.kind != TestKind::Unit {
            result.trace_file = self.picture(info, &result)?;
        }
        Ok(result)
    }

    /// One run of a plan.
    pub fn replay(&self, info: &TestInfo, plan: &Plan) -> Result<TestResult> {
        let mut result = TestResult::new(info);
        let said = self.one(info, Some(plan.clone()), false)?;
        self.judge(info, said, &mut result);
        Ok(result)
    }

    /// Runs the asked-for seeds, in shards. The failure of the lowest seed counts, whichever comes first.
    fn seeds(&self, info: &TestInfo, result: &mut TestResult) -> Result<Said> {
        let (first, count) = match self.options.seed {
            _ if info.seeds == 0 => (0, 1),
            Some(seed) => (seed, 1),
            None => {
                (0, self.options.seeds.filter(|_| info.kind == TestKind::Simulation).unwrap_or(info.seeds))
            }
        };
        result.seeds = if info.seeds == 0 { 0 } else { count };
        let shards = (count / 8).clamp(1, 2 * self.options.jobs as u64);
        let starts: Vec<u64> = (0..=shards).map(|n| first + count * n / shards).collect();
        let stops: Vec<AtomicBool> = (0..shards).map(|_| AtomicBool::new(false)).collect();
        let done = Mutex::new(0);
        let run_shard = |n: usize| -> Result<Said> {
            let run = self.job(info, starts[n], starts[n + 1] - starts[n]);
            let mut before = 0;
            let said = self.process(info, run, &stops[n], |passed| {
                let mut done = done.lock().unwrap_or_else(|e| e.into_inner());
                *done += passed - before;
                before = passed;
                (self.progress)(&info.name, *done, count);
            })?;
            if !matches!(said.verdict, Some(Verdict::Passed(_) | Verdict::Cancelled)) {
                stops[n + 1..].iter().for_each(|stop| stop.store(true, Ordering::Relaxed));
            }
            Ok(said)
        };
        let said = std::thread::scope(|scope| {
            let run_shard = &run_shard;
            let threads: Vec<_> = (0..shards as usize).map(|n| scope.spawn(move || run_shard(n))).collect();
            let joined = threads.into_iter().map(|t| t.join().expect("a shard's thread does not panic"));
            joined.collect::<Result<Vec<_>>>()
        })?;
        Ok(merge(said, &starts, first))
    }

    /// One run, of a plan or of what the options say.
    fn one(&self, info: &TestInfo, plan: Option<Plan>, trace: bool) -> Result<Said> {
        let job = Run { plan, trace, ..self.job(info, self.options.seed.unwrap_or(0), 1) };
        self.process(info, job, &AtomicBool::new(false), |_| {})
    }

    fn job(&self, info: &TestInfo, first: u64, count: u64) -> Run {
        Run {
            test: info.name.clone(),
            base_seed: self.options.base_seed,
            first,
            count,
            plan: None,
            trace: false,
            audit: self.options.audit,
            layers: self.options.layers,
        }
    }

    fn process(
        &self,
        info: &TestInfo,
        run: Run,
        stop: &AtomicBool,
        mut passed: impl FnMut(u64),
    ) -> Result<Said> {
        let share = if info.seeds == 0 { 1 } else { run.count.div_ceil(info.seeds).max(1) };
        let limits = Limits::lasting(Duration::from_millis(info.limit_ms * share));
        let _permit = self.permits.take();
        if stop.load(Ordering::Relaxed) {
            return Ok(Said { verdict: Some(Verdict::Cancelled), ..Said::default() });
        }
        let mut said = Said::default();
        let outcome = worker::run(&self.program, &Job::Run(run), limits, stop, |record| match record {
            Record::Passed { cost } => said.verdict = Some(Verdict::Passed(cost)),
            Record::Failed(failure) => said.verdict = Some(Verdict::Failed(failure)),
            Record::NotImplemented(label) => said.verdict = Some(Verdict::NotImplemented(label)),
            Record::TraceHash { hash, .. } => said.hash = Some(hash),
            Record::Trace(trace) => said.trace = Some(trace),
            Record::Progress(done) => passed(done),
            Record::Seed(_) | Record::Tests(_) | Record::End => {}
        })?;
        match outcome.ending {
            Ending::Done if said.verdict.is_none() => bail!("{} ended without a verdict", info.name),
            Ending::Done => {}
            Ending::Died(how) => said.verdict = Some(Verdict::Died(how)),
            Ending::Cancelled => said.verdict = Some(Verdict::Cancelled),
        }
        said.in_flight = outcome.in_flight;
        said.printed = outcome.printed;
        Ok(said)
    }

    fn judge(&self, info: &TestInfo, said: Said, result: &mut TestResult) {
        result.printed = said.printed;
        match said.verdict {
            Some(Verdict::Passed(cost)) => {
                (result.status, result.points) = (Status::Passed, info.points);
                (result.cost, result.hash) = (cost, said.hash);
            }
            Some(Verdict::Failed(failure)) => {
                result.status = Status::Failed;
                result.seed = failure.seed;
                result.failure = Some(*failure);
            }
            Some(Verdict::NotImplemented(label)) => {
                let path = label.split_once(": ").map_or(label.as_str(), |(_, path)| path);
                result.status = Status::NotImplemented;
                let handout = self.course.handout_of(path);
                result.missing = Some(super::Missing { path: path.into(), handout });
            }
            Some(Verdict::Died(how)) => {
                (result.status, result.died) = (Status::Crashed, Some(how));
                result.seed = said.in_flight.filter(|_| info.seeds > 0);
            }
            Some(Verdict::Cancelled) | None => result.died = Some("was stopped".into()),
        }
        self.options.untouched.correct(result);
    }

    /// Saves the failing run and looks for a smaller one that breaks the same rule.
    fn minimise(&self, info: &TestInfo, result: &mut TestResult) -> Result<()> {
        let Some(failure) = &mut result.failure else { return Ok(()) };
        let Some(plan) = failure.plan.clone() else { return Ok(()) };
        result.found = Some(super::Size::of(&plan));
        result.plan_file = Some(self.save(info, &plan)?);
        let Some(rule) = failure.findings.first().map(|f| f.rule.clone()) else { return Ok(()) };
        let budget = {
            let mut left = self.shrinking.lock().unwrap_or_else(|e| e.into_inner());
            let budget = self.options.shrink_each.min(*left);
            *left -= budget;
            budget
        };
        if budget < Duration::from_millis(500) {
            return Ok(());
        }
        let job = Job::Shrink {
            test: info.name.clone(),
            plan: plan.clone(),
            rule,
            budget_ms: budget.as_millis() as u64,
            layers: self.options.layers,
        };
        let limits = Limits::lasting(budget + Duration::from_millis(info.limit_ms));
        let (mut smaller, started) = (None, Instant::now());
        {
            let _permit = self.permits.take();
            worker::run(&self.program, &job, limits, &AtomicBool::new(false), |record| {
                if let Record::Failed(failure) = record {
                    smaller = Some(*failure);
                }
            })?;
        }
        *self.shrinking.lock().unwrap_or_else(|e| e.into_inner()) += budget.saturating_sub(started.elapsed());
        if let Some(smaller) = smaller
            && let Some(small) = &smaller.plan
        {
            self.save(info, small)?;
            result.smaller = *small != plan;
            let passed_before = failure.passed_before;
            *failure = Failure { passed_before, ..smaller };
        }
        Ok(())
    }

    fn picture(&self, info: &TestInfo, result: &TestResult) -> Result<Option<PathBuf>> {
        let failing = result.failure.as_ref().and_then(|f| f.plan.clone());
        let plan = failing.or_else(|| self.options.plan.clone());
        let said = match (&plan, result.seed) {
            (None, Some(seed)) => {
                let run = Run { trace: true, ..self.job(info, seed, 1) };
                self.process(info, run, &AtomicBool::new(false), |_| {})?
            }
            _ => self.one(info, plan, true)?,
        };
        let Some(mut trace) = said.trace else { return Ok(None) };
        trace.replay = result.replay(self.options);
        let file = Path::new("target/trace").join(format!("{}.html", file_stem(&info.name)));
        std::fs::create_dir_all("target/trace").context("cannot create target/trace")?;
        std::fs::write(&file, crate::trace::render(&trace)).context("cannot write the trace")?;
        Ok(Some(file))
    }

    fn save(&self, info: &TestInfo, plan: &Plan) -> Result<PathBuf> {
        let file = self.options.failures.join(format!("{}.json", file_stem(&info.name)));
        if self.options.save {
            std::fs::create_dir_all(&self.options.failures)
                .context("cannot create the folder for failures")?;
            std::fs::write(&file, serde_json::to_vec_pretty(plan)?).context("cannot save the failing run")?;
        }
        Ok(file)
    }

    /// The failing run that an earlier grading saved. One that cannot be read is of an older version: ignored.
    fn saved(&self, info: &TestInfo) -> Result<Option<(PathBuf, Plan)>> {
        let file = self.options.failures.join(format!("{}.json", file_stem(&info.name)));
        if !self.options.save || info.seeds == 0 || !file.exists() {
            return Ok(None);
        }
        let plan = std::fs::read(&file).ok().and_then(|text| serde_json::from_slice(&text).ok());
        Ok(plan.map(|plan| (file, plan)))
    }
}

/// A test's name as a file name.
pub fn file_stem(test: &str) -> String {
    test.replace("::", "-")
}

fn merge(shards: Vec<Said>, starts: &[u64], first: u64) -> Said {
    let (mut total, mut hash) = (Cost::default(), None);
    for (n, mut said) in shards.into_iter().enumerate() {
        match &mut said.verdict {
            Some(Verdict::Passed(cost)) => {
                total += &*cost;
                hash = hash.or(said.hash);
            }
            other => {
                if let Some(Verdict::Failed(failure)) = other {
                    failure.passed_before += starts[n] - first;
                }
                return said;
            }
        }
    }
    Said { verdict: Some(Verdict::Passed(total)), hash, ..Said::default() }
}

/// Bounds how many processes run at a time.
struct Permits {
    free: Mutex<usize>,
    returned: Condvar,
}

struct Permit<'a>(&'a Permits);

impl Permits {
    fn new(count: usize) -> Permits {
        Permits { free: Mutex::new(count.max(1)), returned: Condvar::new() }
    }

    fn take(&self) -> Permit<'_> {
        let free = self.free.lock().unwrap_or_else(|e| e.into_inner());
        let mut free = self.returned.wait_while(free, |free| *free == 0).unwrap_or_else(|e| e.into_inner());
        *free -= 1;
        Permit(self)
    }
}

impl Drop for Permit<'_> {
    fn drop(&mut self) {
        *self.0.free.lock().unwrap_or_else(|e| e.into_inner()) += 1;
        self.0.returned.notify_one();
    }
}
