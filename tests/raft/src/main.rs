//! The worker process; see `worker.rs`.

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use verdict::Layers;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let value =
        |name: &str| arguments.iter().position(|a| a == name).and_then(|at| arguments.get(at + 1)).cloned();
    let number = |name: &str, default: u64| value(name).and_then(|text| text.parse().ok()).unwrap_or(default);
    if arguments.iter().any(|a| a == "--bench") {
        raft_tests::sim::bench(number("--count", 200));
        return ExitCode::SUCCESS;
    }
    if arguments.iter().any(|a| a == "--explain") {
        let only = value("--only").unwrap_or_default();
        let budget = Duration::from_secs(number("--budget", 20));
        let bit = |bit: u64| number("--layers", 15) >> bit & 1 == 1;
        let layers = Layers { relation: bit(0), invariants: bit(1), liveness: bit(2), determinism: bit(3) };
        raft_tests::sim::explain(&only, number("--from", 0), number("--count", 1_000), budget, layers);
        return ExitCode::SUCCESS;
    }
    if arguments.iter().any(|a| a == "--soak") {
        let state = value("--state").map(PathBuf::from);
        let only = value("--only");
        let passed = raft_tests::sim::soak(
            number("--from", 0),
            number("--count", 300_000),
            only.as_deref(),
            state.as_deref(),
        );
        return match passed {
            Ok(true) => ExitCode::SUCCESS,
            Ok(false) => ExitCode::FAILURE,
            Err(error) => {
                eprintln!("raft-worker: {error}");
                ExitCode::FAILURE
            }
        };
    }
    raft_tests::worker::main(&raft_tests::suite::RaftSuites)
}
