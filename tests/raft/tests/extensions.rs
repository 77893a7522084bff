//! What the core does beyond the course (pre-vote, check-quorum, read index, learners) under the same faults and checks as
//! the rest. No student is graded on it.

use harness::judge::{self, Verdict};
use harness::suite::Body;
use raft_tests::suite::SUITES;
use verdict::Layers;

#[test]
fn extensions_survive_faults() {
    let test = SUITES.find("soak::extensions").expect("registered");
    let Body::Simulation(simulation, seeds) = test.body else { panic!("not a simulation") };
    for seed in 0..seeds {
        let outcome = judge::run(simulation, &simulation.draw_plan(seed), Layers::ALL, seed % 16 == 0, false);
        assert!(matches!(outcome.verdict, Verdict::Passed), "seed {seed}: {:#?}", outcome.verdict);
    }
}
