//! Many runs: how fast they are, and whether the reference ever fails one.

use std::fs;
use std::io::{self, Write as _};
use std::path::Path;

use raft_tests::sim::judge::{Player as _, Verdict, run};
use raft_tests::sim::rng;
use raft_tests::sim::soak::{Stopwatch, print_failure};
use verdict::{Cost, FailPoint, FailureKind, Layers, Plan};

use super::profile::{Kinds, Profile, StoreTest, Story};
use super::script;
use super::store::TICK_US;
use super::swarm::draw_plan;

/// One passing run in so many is played twice.
const AUDIT_ONE_IN: u64 = 16;
/// Runs between two lines of progress.
const ROUND: u64 = 100;
/// How often a store passes a named place, at the most, before its power is cut there.
const NAMED_PASSES: u64 = 60;
/// No check on.
const NO_CHECKS: Layers = Layers { relation: false, invariants: false, liveness: false, determinism: false };

/// A simulation as the soak runs it: every kind of story, and what the reference does beyond the course.
pub const PROFILES: [StoreTest; 9] = [
    StoreTest { name: "soak::calm", profile: Profile::CALM },
    StoreTest {
        name: "soak::restarts",
        profile: Profile::CALM.clients(&[5]).story(Story::Random(Kinds::RESTARTS)),
    },
    StoreTest { name: "soak::chaos", profile: Profile::CHAOS },
    StoreTest { name: "soak::snapshots", profile: Profile::SNAPSHOT_CHAOS },
    StoreTest { name: "soak::extensions", profile: Profile::EXTENSIONS },
    StoreTest {
        name: "soak::one_partition",
        profile: Profile::CALM.clients(&[4]).story(Story::OnePartition),
    },
    StoreTest {
        name: "soak::deposed_leader",
        profile: Profile::CALM.clients(&[5]).story(Story::DeposedLeader),
    },
    StoreTest {
        name: "soak::one_snapshot",
        profile: Profile::CALM.stores(&[3]).clients(&[3]).story(Story::OneSnapshot).snapshots(),
    },
    StoreTest {
        name: "soak::power_sweep",
        profile: Profile::CALM.stores(&[3]).clients(&[3]).story(Story::PowerSweep).snapshots(),
    },
];

/// Prints how many virtual seconds a second on the CPU holds, with three and with five stores, with and without the checks; and
/// a digest of all that happened, which a change that only makes runs faster leaves as it is.
pub fn bench(seeds: u64) {
    let mut digest = 0;
    println!("virtual seconds per second on one core          3 stores  5 stores");
    for test in &PROFILES[..4] {
        for (layers, with) in [(Layers::ALL, "all checks"), (NO_CHECKS, "no checks")] {
            let speeds = [&[3u64] as &[u64], &[5]].map(|stores| {
                let test = StoreTest { profile: test.profile.stores(stores), ..*test };
                speed(&test, layers, seeds, &mut digest)
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
    println!("digest of all runs     {digest:016x}");
}

/// Virtual seconds, and thousands of events, per second on the CPU. Folds the traces into `digest`.
fn speed(test: &StoreTest, layers: Layers, seeds: u64, digest: &mut u64) -> (f64, f64) {
    let watch = Stopwatch::start();
    let (mut virtual_us, mut events) = (0, 0);
    for seed in 0..seeds {
        let played = test.play(&draw_plan(test, seed), layers, false);
        virtual_us += played.cost.ticks * TICK_US;
        events += played.cost.events;
        *digest = rng::fold(*digest, played.hash);
    }
    let seconds = watch.seconds();
    (virtual_us as f64 / 1e6 / seconds, events as f64 / 1e3 / seconds)
}

/// Runs seeds `from..from + count`, each with the next profile in turn, and prints what fails. With a state file it goes on where it
/// stopped the last time. Returns whether all passed.
///
/// # Errors
/// If the state file cannot be written.
pub fn soak(from: u64, count: u64, only: Option<&str>, state: Option<&Path>) -> io::Result<bool> {
    let profiles: Vec<&StoreTest> =
        PROFILES.iter().filter(|test| only.is_none_or(|name| test.name.contains(name))).collect();
    if profiles.is_empty() {
        println!("no profile is called {}", only.unwrap_or_default());
        return Ok(false);
    }
    let done = state.and_then(|path| fs::read_to_string(path).ok());
    let done: u64 = done.and_then(|text| text.trim().parse().ok()).unwrap_or(0);
    let (mut failures, mut undecided) = (0, 0);
    for nth in done..count {
        let seed = from + nth;
        let test = profiles[(seed % profiles.len() as u64) as usize];
        match passes(test, seed) {
            Some(cost) => undecided += cost.undecided,
            None => failures += 1,
        }
        if (nth + 1).is_multiple_of(ROUND) || nth + 1 == count {
            println!("{} of {count} runs, {failures} failed, {undecided} histories undecided", nth + 1);
            io::stdout().flush()?;
            if let Some(path) = state {
                fs::write(path, format!("{}\n", nth + 1))?;
            }
        }
    }
    Ok(failures == 0)
}

/// Cuts the power at every write boundary of a scripted run with a snapshot in it, and at its named places, at each store in turn.
/// Returns whether the cluster got over all of them.
pub fn sweep() -> bool {
    let test = &PROFILES[8];
    let count = 3 * script::BOUNDARIES;
    let failed = (0..count).filter(|seed| passes(test, *seed).is_none()).count();
    println!("power cut at {count} write boundaries, {failed} failed");
    let mut failed_at_places = 0;
    for point in FailPoint::ALL {
        for (node, before) in (1..=3).flat_map(|node| (0..NAMED_PASSES).map(move |before| (node, before))) {
            let mut plan = draw_plan(test, before);
            script::power_loss_at(&mut plan, node, point, before);
            failed_at_places += usize::from(run_plan(test, &plan, before).is_none());
        }
        println!("power cut at {}, {failed_at_places} failed so far", point.name());
    }
    failed + failed_at_places == 0
}

/// Runs one seed; prints why it fails if it does.
fn passes(test: &StoreTest, seed: u64) -> Option<Cost> {
    run_plan(test, &draw_plan(test, seed), seed)
}

fn run_plan(test: &StoreTest, plan: &Plan, seed: u64) -> Option<Cost> {
    let outcome = run(test, plan, Layers::ALL, seed.is_multiple_of(AUDIT_ONE_IN), false);
    match outcome.verdict {
        Verdict::Passed => Some(outcome.cost),
        Verdict::NotImplemented(what) => {
            println!("{} seed {seed}: not implemented: {what}", test.name);
            None
        }
        Verdict::Failed(failure) => {
            let kind: FailureKind = failure.kind;
            println!("{} seed {seed}: {kind:?}", test.name);
            print_failure(&failure);
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_plan_gives_the_same_run() {
        for test in &PROFILES {
            let plan = draw_plan(test, 3);
            let once = test.play(&plan, Layers::ALL, false);
            let again = test.play(&plan, Layers::ALL, true);
            assert!(once.result.is_ok(), "{}: {:?}", test.name, once.result);
            assert_eq!(once.hash, again.hash, "{}: writing a run down changes it", test.name);
        }
    }
}
