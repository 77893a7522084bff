//! Many runs: how fast they are, and whether the reference ever fails one.

use std::fs;
use std::io::{self, Write as _};
use std::path::Path;
use std::time::{Duration, Instant};

use verdict::{Failure, Layers};

use super::judge::{Player as _, Verdict, run};
use super::profile::{Profile, SimTest};
use super::shrink::shrink;
use super::swarm::draw_plan;
use super::world::TICK_US;
use crate::core::Face;

/// Runs between two looks at the clock.
const ROUND: u64 = 100;
/// One passing run in so many is played twice.
const AUDIT_ONE_IN: u64 = 16;
/// No check on.
const NO_CHECKS: Layers = Layers { relation: false, invariants: false, liveness: false, determinism: false };

/// A simulation as the soak runs it: every profile of the course, and what the reference does beyond.
pub const PROFILES: [SimTest; 6] = [
    SimTest { name: "soak::election", face: Face::Bare, profile: Profile::ELECTION },
    SimTest { name: "soak::replication", face: Face::Bare, profile: Profile::REPLICATION },
    SimTest { name: "soak::ready", face: Face::Raw, profile: Profile::REPLICATION },
    SimTest { name: "soak::snapshot", face: Face::Raw, profile: Profile::SNAPSHOT },
    SimTest { name: "soak::membership", face: Face::Raw, profile: Profile::MEMBERSHIP },
    SimTest { name: "soak::extensions", face: Face::Raw, profile: Profile::EXTENSIONS },
];

/// Prints how many virtual seconds a wall second holds, for each profile with three and with five peers, with and without
/// the checks.
pub fn bench(seeds: u64) {
    println!("virtual seconds per second on one core          3 peers   5 peers");
    for test in PROFILES {
        for (layers, with) in [(Layers::ALL, "all checks"), (NO_CHECKS, "no checks")] {
            let speeds = [&[3u64] as &[u64], &[5]].map(|nodes| {
                let test = SimTest { profile: test.profile.of(nodes), ..test };
                speed(&test, layers, seeds)
            });
            println!("{:<22} {with:<22} {:>9.0} {:>9.0}", test.name, speeds[0].0, speeds[1].0);
            if layers == Layers::ALL {
                println!(
                    "{:<22} {:<22} {:>9.0} {:>9.0}",
                    "", "1000 events a second", speeds[0].1, speeds[1].1
                );
            }
        }
    }
}

/// Virtual seconds, and thousands of events, per second on the CPU.
fn speed(test: &SimTest, layers: Layers, seeds: u64) -> (f64, f64) {
    let start = Stopwatch::start();
    let (mut virtual_us, mut events) = (0, 0);
    for seed in 0..seeds {
        let played = test.play(&draw_plan(test, seed), layers, false);
        virtual_us += played.cost.ticks * TICK_US;
        events += played.cost.events;
    }
    let seconds = start.seconds();
    (virtual_us as f64 / 1e6 / seconds, events as f64 / 1e3 / seconds)
}

/// Measures time on the CPU where the system tells it, so that a busy machine does not look like slow code; wall time
/// elsewhere.
pub struct Stopwatch {
    on_cpu: Option<u64>,
    wall: Instant,
}

impl Stopwatch {
    /// Starts now.
    pub fn start() -> Stopwatch {
        Stopwatch { on_cpu: on_cpu_ns(), wall: Instant::now() }
    }

    /// Seconds since the start.
    pub fn seconds(&self) -> f64 {
        match (self.on_cpu, on_cpu_ns()) {
            (Some(before), Some(now)) => (now - before) as f64 / 1e9,
            _ => self.wall.elapsed().as_secs_f64(),
        }
    }
}

fn on_cpu_ns() -> Option<u64> {
    fs::read_to_string("/proc/self/schedstat").ok()?.split(' ').next()?.parse().ok()
}

/// Runs seeds `from..from + count`, each with the next profile in turn, and prints how it goes. With a state file it goes on
/// where it stopped the last time. Returns whether all passed.
///
/// # Errors
/// If the state file cannot be read or written.
pub fn soak(from: u64, count: u64, only: Option<&str>, state: Option<&Path>) -> io::Result<bool> {
    let profiles: Vec<SimTest> =
        PROFILES.into_iter().filter(|test| only.is_none_or(|name| test.name.contains(name))).collect();
    if profiles.is_empty() {
        println!("no profile is called {}", only.unwrap_or_default());
        return Ok(false);
    }
    let mut done = state
        .and_then(|path| fs::read_to_string(path).ok())
        .and_then(|text| text.trim().parse().ok())
        .unwrap_or(0);
    let (start, begun) = (Instant::now(), done);
    let mut failures = 0;
    while done < count {
        let round = ROUND.min(count - done);
        for seed in from + done..from + done + round {
            let test = &profiles[(seed % profiles.len() as u64) as usize];
            failures += u64::from(!passes(test, seed));
        }
        done += round;
        if let Some(path) = state {
            fs::write(path, format!("{done}\n"))?;
        }
        let rate = (done - begun) as f64 / start.elapsed().as_secs_f64();
        if done.is_multiple_of(10 * ROUND) || done == count {
            println!("{done} of {count} runs, {failures} failed, {rate:.0} a second");
            io::stdout().flush()?;
        }
    }
    Ok(failures == 0)
}

/// Looks for the first failing seed of one profile from `from` on, makes it small within `budget`, and prints it.
pub fn explain(only: &str, from: u64, count: u64, budget: Duration, layers: Layers) {
    let Some(test) = PROFILES.into_iter().find(|test| test.name.contains(only)) else { return };
    for seed in from..from + count {
        let plan = draw_plan(&test, seed);
        let Verdict::Failed(failure) = run(&test, &plan, layers, false, false).verdict else { continue };
        println!(
            "seed {seed}, {} faults, {} operations, {} events",
            plan.faults.len(),
            plan.operations.len(),
            failure.events
        );
        print_failure(&failure);
        let start = Instant::now();
        let small = shrink(&test, &plan, &failure.findings[0].rule, layers, budget);
        println!(
            "after {:.1} s: {} faults, {} operations, {} steps",
            start.elapsed().as_secs_f64(),
            small.faults.len(),
            small.operations.len(),
            small.schedule.len()
        );
        if let Verdict::Failed(failure) = run(&test, &small, layers, false, false).verdict {
            println!("{} events", failure.events);
            print_failure(&failure);
        }
        println!("{:?}", small.schedule);
        return;
    }
    println!("{count} runs passed");
}

/// Prints a failure with its story.
pub fn print_failure(failure: &Failure) {
    for finding in &failure.findings {
        println!("  {} {} [{}]: {}", finding.rule, finding.title, finding.section, finding.seen);
    }
    for line in &failure.story {
        println!("    {line}");
    }
}

/// Runs one seed, and prints why it fails if it does.
fn passes(test: &SimTest, seed: u64) -> bool {
    let plan = draw_plan(test, seed);
    let outcome = run(test, &plan, Layers::ALL, seed.is_multiple_of(AUDIT_ONE_IN), false);
    match outcome.verdict {
        Verdict::Passed => true,
        Verdict::NotImplemented(what) => {
            println!("{} seed {seed}: not implemented: {what}", test.name);
            false
        }
        Verdict::Failed(failure) => {
            println!("{} seed {seed}: {:?}", test.name, failure.kind);
            print_failure(&failure);
            false
        }
    }
}
