//! How fast the simulations are.

use std::fs;
use std::time::Instant;

use verdict::Layers;

use crate::plan::TICK_US;
use crate::rng;
use crate::simulation::Simulation;

/// No check on.
const NO_CHECKS: Layers = Layers { relation: false, invariants: false, liveness: false, determinism: false };

/// Prints how many virtual seconds a second on the CPU holds, for each simulation with three and with five `members`, with and
/// without the checks; and a digest of all that happened, which a change that only makes runs faster leaves as it is.
pub fn print<'a>(
    members: &str,
    simulations: impl Iterator<Item = [Box<dyn Simulation + 'a>; 2]>,
    seeds: u64,
) {
    let mut digest = 0;
    println!("virtual seconds per second on one core          3 {members:<8}5 {members}");
    for sized in simulations {
        let name = sized[0].name();
        for (layers, with) in [(Layers::ALL, "all checks"), (NO_CHECKS, "no checks")] {
            let speeds = sized.each_ref().map(|simulation| speed(&**simulation, layers, seeds, &mut digest));
            println!("{name:<22} {with:<22} {:>9.0} {:>9.0}", speeds[0].0, speeds[1].0);
            if layers == Layers::ALL {
                let unit = "1000 events a second";
                println!("{:<22} {unit:<22} {:>9.0} {:>9.0}", "", speeds[0].1, speeds[1].1);
            }
        }
    }
    println!("digest of all runs     {digest:016x}");
}

/// Virtual seconds, and thousands of events, per second on the CPU. Folds the traces into `digest`.
fn speed(simulation: &dyn Simulation, layers: Layers, seeds: u64, digest: &mut u64) -> (f64, f64) {
    let watch = Stopwatch::start();
    let (mut virtual_us, mut events) = (0, 0);
    for seed in 0..seeds {
        let played = simulation.play(&simulation.draw_plan(seed), layers, false);
        virtual_us += played.cost.ticks * TICK_US;
        events += played.cost.events;
        *digest = rng::fold(*digest, played.hash);
    }
    let seconds = watch.seconds();
    (virtual_us as f64 / 1e6 / seconds, events as f64 / 1e3 / seconds)
}

/// Measures time on the CPU where the system tells it, so that a busy machine does not look like slow code; wall time
/// elsewhere.
struct Stopwatch {
    on_cpu: Option<u64>,
    wall: Instant,
}

impl Stopwatch {
    /// Starts now.
    fn start() -> Stopwatch {
        Stopwatch { on_cpu: on_cpu_ns(), wall: Instant::now() }
    }

    /// Seconds since the start.
    fn seconds(&self) -> f64 {
        match (self.on_cpu, on_cpu_ns()) {
            (Some(before), Some(now)) => (now - before) as f64 / 1e9,
            _ => self.wall.elapsed().as_secs_f64(),
        }
    }
}

fn on_cpu_ns() -> Option<u64> {
    fs::read_to_string("/proc/self/schedstat").ok()?.split(' ').next()?.parse().ok()
}
