//! The worker process; see `raft_tests::worker`.

use std::process::ExitCode;

fn main() -> ExitCode {
    raft_tests::worker::main(&cluster_tests::suite::ClusterSuites)
}
