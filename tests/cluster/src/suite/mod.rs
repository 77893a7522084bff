//! The graded tests of the parts that build the store.

mod p1;
mod p2b;
mod p2b_sim;
mod p2c;
mod p2c_sim;

use harness::suite::{SOAK, Suites, Test, simulated};

use crate::sim::profile::{Profile, StoreTest, Story};
use crate::sim::script::{NAMED, SWEEP};

/// The suites of the parts that build the store. `2c-store` and `2c-raft` together are project2c.
pub static SUITES: Suites = Suites {
    program: "cluster-worker",
    parts: &[("1", 60), ("2b", 200), ("2c-store", 80)],
    tests: &[p1::TESTS, p2b::EXACT, p2b_sim::SIMULATED, p2c::EXACT, p2c_sim::SIMULATED, BEYOND],
    limit_ms: 60_000,
};

/// What no student is graded on: read index and leases, under the same faults and checks as the rest; and power cuts at every place
/// where a write can be torn.
#[rustfmt::skip]
const BEYOND: &[Test] = &[
    simulated(SOAK, "extensions", 0, HANDOUT, "what the store does beyond the course survives faults", &StoreTest::new("soak::extensions", Profile::EXTENSIONS), 200),
    simulated(SOAK, "power_sweep", 0, HANDOUT, "a store gets over a power loss at every boundary between two writes", &StoreTest::new("soak::power_sweep", SCRIPTED.story(Story::PowerSweep)), SWEEP),
    simulated(SOAK, "named_places", 0, HANDOUT, "a store gets over a power loss at every named place", &StoreTest::new("soak::named_places", SCRIPTED.story(Story::NamedPlaces)), NAMED),
];
const SCRIPTED: Profile = Profile::CALM.stores(&[3]).clients(&[3]).snapshots();
const HANDOUT: &str = "2c-store.md#simulation";

#[cfg(test)]
mod tests {
    use harness::{proof, suite::Body};

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
    fn simulations_are_worth_their_share() {
        for (part, points) in [("2b", 110), ("2c-store", 45)] {
            let simulated = SUITES.of_part(part).filter(|test| matches!(test.body, Body::Simulation(..)));
            assert_eq!(simulated.map(|test| test.points).sum::<u32>(), points, "part {part}");
        }
    }

    #[test]
    fn the_reference_passes_a_run_of_every_simulation() {
        proof::of_runs(&SUITES, 0);
    }
}
