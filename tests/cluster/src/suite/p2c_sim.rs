//! Part 2c in the store: simulated clusters, 45 of 80 points.
//!
//! The scenarios of TinyKV's `GenericTest` family keep their names and meaning; what they are judged by is ours.

use harness::suite::{Test, simulated};

use crate::sim::profile::{Kinds, Profile, StoreTest, Story};

const PART: &str = "2c-store";
const HANDOUT: &str = "2c-store.md#simulation";

/// Seeds run by default.
const SEEDS: u64 = 20;
const MANY_SEEDS: u64 = 120;

const ONE: Profile = Profile::CALM.snapshots();
const FIVE: Profile = ONE.clients(&[5]);
const RESTARTS: Story = Story::Random(Kinds::RESTARTS);
const BOTH: Story = Story::Random(Kinds::RESTARTS_AND_PARTITIONS);

/// The tests, in order.
#[rustfmt::skip]
pub static SIMULATED: &[Test] = &[
    simulated(PART, "one_snapshot", 6, HANDOUT, "a store that was away while the log was compacted catches up by a snapshot", &StoreTest::new("2c-store::one_snapshot", ONE.stores(&[3]).clients(&[3]).story(Story::OneSnapshot)), MANY_SEEDS),
    simulated(PART, "snapshot_recover", 5, HANDOUT, "all stores stop and start again while logs are compacted, and one client loses nothing", &StoreTest::new("2c-store::snapshot_recover", ONE.story(RESTARTS)), SEEDS),
    simulated(PART, "snapshot_recover_many_clients", 5, HANDOUT, "nor do eight", &StoreTest::new("2c-store::snapshot_recover_many_clients", ONE.clients(&[8]).story(RESTARTS)), SEEDS),
    simulated(PART, "snapshot_unreliable", 5, HANDOUT, "compaction and snapshots on an unreliable network", &StoreTest::new("2c-store::snapshot_unreliable", FIVE.unreliable()), SEEDS),
    simulated(PART, "snapshot_unreliable_recover", 5, HANDOUT, "the same while all stores stop and start again", &StoreTest::new("2c-store::snapshot_unreliable_recover", FIVE.story(RESTARTS).unreliable()), SEEDS),
    simulated(PART, "snapshot_unreliable_recover_concurrent_partition", 6, HANDOUT, "the same while the network falls apart", &StoreTest::new("2c-store::snapshot_unreliable_recover_concurrent_partition", FIVE.story(BOTH).unreliable()), SEEDS),
    simulated(PART, "power_loss", 6, HANDOUT, "a store that loses its power in the middle of installing a snapshot, or of any other write, starts again", &StoreTest::new("2c-store::power_loss", ONE.stores(&[3]).clients(&[3]).story(Story::PowerSweep)), MANY_SEEDS),
    simulated(PART, "chaos", 7, HANDOUT, "whatever goes wrong, snapshots change no answer, and logs stay short", &StoreTest::new("2c-store::chaos", Profile::SNAPSHOT_CHAOS), MANY_SEEDS),
];
