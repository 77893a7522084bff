//! The worker process; see `harness::worker`.

use std::process::ExitCode;

fn main() -> ExitCode {
    harness::worker::main(&raft_tests::suite::SUITES, raft_tests::sim::bench)
}
