//! The worker process: takes one job from the supervisor, runs it, and reports in records. Every package of graded suites has
//! one; they differ in their [`Suites`] only.
//!
//! The supervisor's end of the channel comes in as standard input. It is taken away before any code under test runs, and
//! every record is authenticated ([`verdict::channel`]): what code under test prints or writes is never a verdict. How a
//! process ends is not one either; endless loops, aborts, overflowing stacks and exhausted memory are the supervisor's to notice,
//! which knows the seed in flight from [`Record::Seed`].

use std::fs::File;
use std::os::fd::AsFd as _;
use std::os::unix::net::UnixStream;
use std::process::ExitCode;
use std::time::Duration;

use verdict::channel::Channel;
use verdict::{Cost, Failure, FailureKind, Finding, Job, Layers, Plan, Record, Run, Strength};

use crate::exact::{self, Check};
use crate::judge::{self, Verdict};
use crate::panics::{self, Panic};
use crate::shrink;
use crate::simulation::Simulation;
use crate::story;
use crate::suite::{Body, Search, Suites, Test};

/// Seeds of each simulation that are measured, if the command does not say.
const BENCH_SEEDS: u64 = 100;
/// Stack of the thread that runs the code under test.
const STACK_BYTES: usize = 16 << 20;
/// One passing seed in so many is run twice and compared.
const AUDIT_ONE_IN: u64 = 16;
/// Seeds between two reports of progress.
const PROGRESS_EVERY: u64 = 8;
/// Events that the report of a panic tells.
const STORY_LINES: usize = 25;

/// Takes the channel and runs the job; with `--bench [seeds]`, measures how fast the simulations are instead.
pub fn main(suites: &'static Suites, bench: fn(u64)) -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if arguments.first().is_some_and(|argument| argument == "--bench") {
        bench(arguments.last().and_then(|seeds| seeds.parse().ok()).unwrap_or(BENCH_SEEDS));
        return ExitCode::SUCCESS;
    }
    match serve(suites) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{}: {error}; this program is started by `lab grade`", suites.program);
            ExitCode::from(2)
        }
    }
}

fn serve(suites: &'static Suites) -> Result<(), Box<dyn std::error::Error>> {
    let stream = UnixStream::from(std::io::stdin().as_fd().try_clone_to_owned()?);
    rustix::stdio::dup2_stdin(File::open("/dev/null")?)?;
    let mut channel = Channel::accept(stream)?;
    let job: Job = channel.receive()?;
    let worker = Worker { channel, suites };
    let thread = std::thread::Builder::new().name("test".to_owned()).stack_size(STACK_BYTES);
    let thread = thread.spawn(move || worker.run(job))?;
    // A panic that gets here is one of the harness; without a last record, the supervisor reports it as a death.
    thread.join().map_err(|_| "the worker panicked")?;
    Ok(())
}

struct Worker {
    channel: Channel<UnixStream>,
    suites: &'static Suites,
}

impl Worker {
    fn run(mut self, job: Job) {
        match job {
            Job::List { part } => {
                let tests = self.suites.of_part(&part).map(|test| self.suites.info(test)).collect();
                self.send(&Record::Tests(tests));
            }
            Job::Run(run) => self.run_test(&run),
            Job::Shrink { test, plan, rule, budget_ms, layers } => {
                self.shrink(&test, &plan, &rule, Duration::from_millis(budget_ms), layers);
            }
        }
        self.send(&Record::End);
    }

    /// Without a supervisor there is nobody left to work for.
    fn send(&mut self, record: &Record) {
        if self.channel.send(record).is_err() {
            std::process::exit(2);
        }
    }

    fn run_test(&mut self, run: &Run) {
        let Some(test) = self.suites.find(&run.test) else {
            return self.send(&Record::Failed(Box::new(unknown(&run.test))));
        };
        match test.body {
            Body::Exact(body) => self.run_exact(test, body),
            Body::Simulation(simulation, _) => match &run.plan {
                Some(plan) => self.run_plan(simulation, plan, run),
                None => self.run_seeds(simulation, run),
            },
            Body::Search(search) => self.run_search(search, run),
        }
    }

    fn run_exact(&mut self, test: &Test, body: fn() -> Check) {
        self.send(&Record::Seed(0));
        let record = match panics::catch(|| exact::run(&test.full_name(), test.about, body)) {
            Ok(Ok(())) => Record::Passed { cost: Cost { runs: 1, ..Cost::default() } },
            Ok(Err(failure)) => Record::Failed(failure),
            Err(panic) => match panic.not_implemented() {
                Some(text) => Record::NotImplemented(text.to_owned()),
                None => Record::Failed(Box::new(panicked(test, &panic))),
            },
        };
        self.send(&record);
    }

    fn run_search(&mut self, search: &dyn Search, run: &Run) {
        self.send(&Record::Seed(0));
        let record = match panics::catch(|| search.run(run.base_seed, run.layers)) {
            Ok((Verdict::Passed, cost)) => Record::Passed { cost },
            Ok((Verdict::Failed(failure), _)) => Record::Failed(failure),
            Ok((Verdict::NotImplemented(text), _)) => Record::NotImplemented(text),
            Err(panic) => Record::Failed(Box::new(harness(search.name(), &panic))),
        };
        self.send(&record);
    }

    /// One given run.
    fn run_plan(&mut self, simulation: &dyn Simulation, plan: &Plan, run: &Run) {
        self.send(&Record::Seed(0));
        let mut total = Cost::default();
        if self.run_one(simulation, plan, run, None, &mut total) {
            self.send(&Record::Passed { cost: total });
        }
    }

    fn run_seeds(&mut self, simulation: &dyn Simulation, run: &Run) {
        let mut total = Cost::default();
        for seed in run.first..run.first + run.count {
            self.send(&Record::Seed(seed));
            let plan = simulation.draw_plan(seed_of(run.base_seed, seed));
            if !self.run_one(simulation, &plan, run, Some(seed), &mut total) {
                return;
            }
            let done = seed + 1 - run.first;
            if done.is_multiple_of(PROGRESS_EVERY) || done == run.count {
                self.send(&Record::Progress(done));
            }
        }
        self.send(&Record::Passed { cost: total });
    }

    /// Runs and reports one run; says whether it passed.
    fn run_one(
        &mut self,
        simulation: &dyn Simulation,
        plan: &Plan,
        run: &Run,
        seed: Option<u64>,
        total: &mut Cost,
    ) -> bool {
        let audit = run.audit || seed.is_none_or(|seed| seed.is_multiple_of(AUDIT_ONE_IN));
        let name = simulation.name();
        let outcome = match panics::catch(|| judge::run(simulation, plan, run.layers, audit, run.trace)) {
            Ok(outcome) => outcome,
            Err(panic) => {
                self.send(&Record::Failed(Box::new(harness(name, &panic))));
                return false;
            }
        };
        *total += &outcome.cost;
        if let Some(mut trace) = outcome.trace {
            trace.title = seed.map_or_else(|| name.to_owned(), |seed| format!("{name}, seed {seed}"));
            trace.replay = replay(name, seed);
            self.send(&Record::Trace(trace));
        }
        match outcome.verdict {
            Verdict::Passed => {
                if seed.is_none_or(|seed| seed == run.first) {
                    let hash = format!("{:016x}", outcome.hash);
                    self.send(&Record::TraceHash { seed: seed.unwrap_or(0), hash });
                }
                true
            }
            Verdict::Failed(mut failure) => {
                failure.seed = seed;
                failure.passed_before = seed.map_or(0, |seed| seed - run.first);
                self.send(&Record::Failed(failure));
                false
            }
            Verdict::NotImplemented(text) => {
                self.send(&Record::NotImplemented(text));
                false
            }
        }
    }

    fn shrink(&mut self, name: &str, plan: &Plan, rule: &str, budget: Duration, layers: Layers) {
        let Some(Body::Simulation(simulation, _)) = self.suites.find(name).map(|test| &test.body) else {
            return self.send(&Record::Failed(Box::new(unknown(name))));
        };
        self.send(&Record::Seed(0));
        let small = panics::catch(|| shrink::shrink(*simulation, plan, rule, layers, budget));
        let small = small.unwrap_or_else(|_| plan.clone());
        match judge::run(*simulation, &small, layers, false, false).verdict {
            Verdict::Failed(failure) => self.send(&Record::Failed(failure)),
            Verdict::NotImplemented(text) => self.send(&Record::NotImplemented(text)),
            Verdict::Passed => self.send(&Record::Passed { cost: Cost::default() }),
        }
    }
}

/// Seed of the `nth` run: with the default base seed 1, just that number.
fn seed_of(base_seed: u64, nth: u64) -> u64 {
    nth.wrapping_add(base_seed.wrapping_sub(1) << 32)
}

/// The command that runs this again.
fn replay(test: &str, seed: Option<u64>) -> String {
    let (part, name) = test.split_once("::").unwrap_or(("", test));
    match seed {
        Some(seed) => format!("make project{part} TEST={name} SEED={seed}"),
        None => format!("make project{part} TEST={name} PLAN=<file>"),
    }
}

fn panicked(test: &Test, panic: &Panic) -> Failure {
    let (story, events) = story::take_last(STORY_LINES);
    let kind = if panic.is_ours() { FailureKind::Harness } else { FailureKind::Panicked };
    Failure { story, events, ..bare(kind, &test.full_name(), test.about, panic) }
}

fn harness(test: &str, panic: &Panic) -> Failure {
    bare(FailureKind::Harness, test, "the checks ran into their own bug", panic)
}

fn bare(kind: FailureKind, test: &str, title: &str, panic: &Panic) -> Failure {
    let finding = Finding {
        rule: test.to_owned(),
        title: title.to_owned(),
        strength: Strength::Contract,
        layer: "panic".to_owned(),
        section: String::new(),
        promised: "No call makes the code panic.".to_owned(),
        seen: format!("panicked at {}: {}", panic.place, panic.message),
        why: "What panics is down until somebody restarts it, and meets the same input again.".to_owned(),
        node: 0,
    };
    Failure {
        kind,
        findings: vec![finding],
        story: Vec::new(),
        seed: None,
        plan: None,
        events: 0,
        passed_before: 0,
    }
}

fn unknown(test: &str) -> Failure {
    let panic = Panic { message: format!("there is no test called {test}"), place: String::new() };
    harness(test, &panic)
}
