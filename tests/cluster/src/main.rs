//! The worker process; see `raft_tests::worker`.

use std::path::PathBuf;
use std::process::ExitCode;

use cluster_tests::sim::soak;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let value =
        |name: &str| arguments.iter().position(|a| a == name).and_then(|at| arguments.get(at + 1)).cloned();
    let number = |name: &str, default: u64| value(name).and_then(|text| text.parse().ok()).unwrap_or(default);
    if arguments.iter().any(|a| a == "--bench") {
        soak::bench(number("--count", 50));
        return ExitCode::SUCCESS;
    }
    if arguments.iter().any(|a| a == "--sweep") {
        return if soak::sweep() { ExitCode::SUCCESS } else { ExitCode::FAILURE };
    }
    if arguments.iter().any(|a| a == "--soak") {
        let (only, state) = (value("--only"), value("--state").map(PathBuf::from));
        let passed =
            soak::soak(number("--from", 0), number("--count", 1_000), only.as_deref(), state.as_deref());
        return match passed {
            Ok(true) => ExitCode::SUCCESS,
            Ok(false) => ExitCode::FAILURE,
            Err(error) => {
                eprintln!("cluster-worker: {error}");
                ExitCode::FAILURE
            }
        };
    }
    raft_tests::worker::main(&cluster_tests::suite::ClusterSuites)
}
