//! The graded tests of the Raft parts.

mod p2aa;
mod p2ab;
mod p2ac;
mod p2c;
mod p3a;

use harness::suite::{SOAK, Suites, Test, simulated};

use crate::core::Face;
use crate::sim::{Profile, SimTest};

/// The suites of the Raft parts.
pub static SUITES: Suites = Suites {
    program: "raft-worker",
    parts: &[("2aa", 90), ("2ab", 120), ("2ac", 40), ("2c-raft", 40), ("3a", 60)],
    tests: &[p2aa::TESTS, p2ab::TESTS, p2ac::TESTS, p2c::TESTS, p3a::TESTS, BEYOND],
    limit_ms: 30_000,
};

/// What no student is graded on: pre-vote, check-quorum, read index, learners, under the same faults and checks as the rest.
#[rustfmt::skip]
const BEYOND: &[Test] = &[
    simulated(SOAK, "extensions", 0, "2a-election.md#simulation", "what the core does beyond the course survives faults", &SimTest { name: "soak::extensions", face: Face::Raw, profile: Profile::EXTENSIONS }, 300),
];

#[cfg(test)]
mod tests {
    use harness::proof;

    use super::SUITES;

    #[test]
    fn the_list_is_sound() {
        proof::of_the_list(&SUITES);
    }

    #[test]
    fn the_reference_passes_every_exact_test() {
        proof::of_exact_tests(&SUITES);
    }

    #[test]
    fn the_reference_passes_a_run_of_every_simulation() {
        proof::of_runs(&SUITES, 3);
    }
}
