//! The worker process; see `harness::worker`.

use std::process::ExitCode;

fn main() -> ExitCode {
    harness::worker::main(&cluster_tests::suite::SUITES, cluster_tests::sim::profile::bench)
}
