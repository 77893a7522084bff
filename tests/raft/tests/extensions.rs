//! What the core does beyond the course (pre-vote, check-quorum, read index, learners) under the same faults and checks as
//! the rest. No student is graded on it.

use raft_tests::core::Face;
use raft_tests::sim::{Profile, SimTest, Verdict, draw_plan, run};
use verdict::Layers;

#[test]
fn extensions_survive_faults() {
    let test = SimTest { name: "soak::extensions", face: Face::Raw, profile: Profile::EXTENSIONS };
    for seed in 0..300 {
        let outcome = run(&test, &draw_plan(&test, seed), Layers::ALL, seed % 16 == 0, false);
        assert!(matches!(outcome.verdict, Verdict::Passed), "seed {seed}: {:#?}", outcome.verdict);
    }
}
