//! Part 2b, the replicated store: simulated clusters, 110 of 200 points.
//!
//! The scenarios of TinyKV's `GenericTest` family keep their names and meaning; what they are judged by is ours.

use harness::suite::{Test, simulated};

use crate::sim::profile::{Kinds, Profile, StoreTest, Story};

const PART: &str = "2b";
const HANDOUT: &str = "2b-store.md#simulation";

/// Seeds run by default.
const SEEDS: u64 = 20;
const MANY_SEEDS: u64 = 120;

const CALM: Profile = Profile::CALM;
const FIVE: Profile = Profile::CALM.clients(&[5]);
const RESTARTS: Story = Story::Random(Kinds::RESTARTS);
const PARTITIONS: Story = Story::Random(Kinds::PARTITIONS);
const BOTH: Story = Story::Random(Kinds::RESTARTS_AND_PARTITIONS);

/// The tests, in order.
#[rustfmt::skip]
pub static SIMULATED: &[Test] = &[
    simulated(PART, "basic", 6, HANDOUT, "one client writes and reads through five stores", &StoreTest::new("2b::basic", CALM), SEEDS),
    simulated(PART, "concurrent", 7, HANDOUT, "so do five clients at once", &StoreTest::new("2b::concurrent", FIVE), SEEDS),
    simulated(PART, "unreliable", 8, HANDOUT, "a network that loses, doubles and reorders messages changes no answer", &StoreTest::new("2b::unreliable", FIVE.unreliable()), SEEDS),
    simulated(PART, "one_partition", 8, HANDOUT, "a leader that is cut off serves nobody; the majority serves everybody", &StoreTest::new("2b::one_partition", CALM.clients(&[4]).story(Story::OnePartition)), SEEDS),
    simulated(PART, "many_partitions_one_client", 7, HANDOUT, "one client is served through partitions that come and go", &StoreTest::new("2b::many_partitions_one_client", CALM.story(PARTITIONS)), SEEDS),
    simulated(PART, "many_partitions_many_clients", 8, HANDOUT, "so are five", &StoreTest::new("2b::many_partitions_many_clients", FIVE.story(PARTITIONS)), SEEDS),
    simulated(PART, "persist_one_client", 7, HANDOUT, "all stores stop and start again, and one client loses nothing", &StoreTest::new("2b::persist_one_client", CALM.story(RESTARTS)), SEEDS),
    simulated(PART, "persist_concurrent", 8, HANDOUT, "nor do five", &StoreTest::new("2b::persist_concurrent", FIVE.story(RESTARTS)), SEEDS),
    simulated(PART, "persist_concurrent_unreliable", 9, HANDOUT, "nor on an unreliable network", &StoreTest::new("2b::persist_concurrent_unreliable", FIVE.story(RESTARTS).unreliable()), SEEDS),
    simulated(PART, "persist_partition", 8, HANDOUT, "nor when the network falls apart as well", &StoreTest::new("2b::persist_partition", FIVE.story(BOTH)), SEEDS),
    simulated(PART, "persist_partition_unreliable", 9, HANDOUT, "nor with all of that at once", &StoreTest::new("2b::persist_partition_unreliable", FIVE.story(BOTH).unreliable()), SEEDS),
    simulated(PART, "deposed_leader", 7, HANDOUT, "a leader that was deposed, and does not know, answers no read", &StoreTest::new("2b::deposed_leader", FIVE.story(Story::DeposedLeader)), SEEDS),
    simulated(PART, "power_loss", 6, HANDOUT, "a store that loses its power in the middle of any write starts again, and has lost nothing that it promised", &StoreTest::new("2b::power_loss", CALM.stores(&[3]).clients(&[3]).story(Story::PowerSweep)), MANY_SEEDS),
    simulated(PART, "chaos", 12, HANDOUT, "whatever goes wrong, every answer can be explained by one order of all requests", &StoreTest::new("2b::chaos", Profile::CHAOS), MANY_SEEDS),
];
