//! What a simulated test may meet, part by part: no part meets what only a later part builds.

use harness::simulation::Simulation;

/// A graded test that runs a simulated cluster over many seeds.
#[derive(Clone, Copy, Debug)]
pub struct StoreTest {
    /// Full name: part, `::`, name.
    pub name: &'static str,
    /// What may be in its plans.
    pub profile: Profile,
}

impl StoreTest {
    /// The test of that full name.
    pub const fn new(name: &'static str, profile: Profile) -> StoreTest {
        StoreTest { name, profile }
    }
}

/// What may be in the plans of a test.
#[derive(Clone, Copy, Debug)]
pub struct Profile {
    /// Numbers of stores to draw from.
    pub stores: &'static [u64],
    /// Numbers of clients to draw from.
    pub clients: &'static [u64],
    /// The story that the run tells.
    pub story: Story,
    /// Messages are lost, doubled and overtaken.
    pub unreliable: bool,
    /// Logs are compacted, so that a store which lags needs a snapshot.
    pub snapshots: bool,
    /// Read index and leases may be on. Never in a student's run.
    pub extensions: bool,
}

/// What happens to the stores of a run, and in what order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Story {
    /// Faults of these kinds, at random.
    Random(Kinds),
    /// A leader is cut off together with one follower of four, and comes back.
    OnePartition,
    /// A leader that is cut off is still asked for values.
    DeposedLeader,
    /// A follower that was away while the log was compacted catches up by a snapshot.
    OneSnapshot,
    /// A short script with a snapshot in it; the seed says at which call to its disks which store loses its power.
    PowerSweep,
    /// The same script; the seed says at which of the named places which store loses its power.
    NamedPlaces,
}

/// Kinds of faults.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Kinds {
    /// All stores stop, and start again together.
    pub all_down: bool,
    /// The network falls apart.
    pub partitions: bool,
    /// Everything else: stores killed, paused, without power, dying in the middle of a call; disks that fail.
    pub chaos: bool,
}

impl Kinds {
    /// Nothing goes wrong.
    pub const NONE: Kinds = Kinds { all_down: false, partitions: false, chaos: false };
    /// All stores stop now and then.
    pub const RESTARTS: Kinds = Kinds { all_down: true, ..Kinds::NONE };
    /// The network falls apart now and then.
    pub const PARTITIONS: Kinds = Kinds { partitions: true, ..Kinds::NONE };
    /// Both.
    pub const RESTARTS_AND_PARTITIONS: Kinds = Kinds { all_down: true, partitions: true, ..Kinds::NONE };
    /// Whatever can go wrong.
    pub const ALL: Kinds = Kinds { all_down: true, partitions: true, chaos: true };
}

impl Profile {
    /// Five stores, one client, nothing goes wrong.
    pub const CALM: Profile = Profile {
        stores: &[5],
        clients: &[1],
        story: Story::Random(Kinds::NONE),
        unreliable: false,
        snapshots: false,
        extensions: false,
    };
    /// Whatever can go wrong with a log that is never compacted.
    pub const CHAOS: Profile = Profile {
        stores: &[3, 3, 5],
        clients: &[4],
        story: Story::Random(Kinds::ALL),
        unreliable: true,
        ..Profile::CALM
    };
    /// Whatever can go wrong, with snapshots.
    pub const SNAPSHOT_CHAOS: Profile = Profile { snapshots: true, ..Profile::CHAOS };
    /// What the reference does beyond the course.
    pub const EXTENSIONS: Profile = Profile { extensions: true, ..Profile::SNAPSHOT_CHAOS };

    /// The same with other clients.
    pub const fn clients(self, clients: &'static [u64]) -> Profile {
        Profile { clients, ..self }
    }

    /// The same with another number of stores.
    pub const fn stores(self, stores: &'static [u64]) -> Profile {
        Profile { stores, ..self }
    }

    /// The same with another story.
    pub const fn story(self, story: Story) -> Profile {
        Profile { story, ..self }
    }

    /// The same on a network that loses, doubles and reorders.
    pub const fn unreliable(self) -> Profile {
        Profile { unreliable: true, ..self }
    }

    /// The same with logs that are compacted.
    pub const fn snapshots(self) -> Profile {
        Profile { snapshots: true, ..self }
    }
}

/// A simulation of every kind of story, and of what the reference does beyond the course: for measuring and for testing ourselves.
pub const PROFILES: [StoreTest; 9] = [
    StoreTest::new("soak::calm", Profile::CALM),
    StoreTest::new("soak::restarts", Profile::CALM.clients(&[5]).story(Story::Random(Kinds::RESTARTS))),
    StoreTest::new("soak::chaos", Profile::CHAOS),
    StoreTest::new("soak::snapshots", Profile::SNAPSHOT_CHAOS),
    StoreTest::new("soak::extensions", Profile::EXTENSIONS),
    StoreTest::new("soak::one_partition", Profile::CALM.clients(&[4]).story(Story::OnePartition)),
    StoreTest::new("soak::deposed_leader", Profile::CALM.clients(&[5]).story(Story::DeposedLeader)),
    StoreTest::new(
        "soak::one_snapshot",
        Profile::CALM.stores(&[3]).clients(&[3]).story(Story::OneSnapshot).snapshots(),
    ),
    StoreTest::new(
        "soak::power_sweep",
        Profile::CALM.stores(&[3]).clients(&[3]).story(Story::PowerSweep).snapshots(),
    ),
];

/// Prints how fast clusters of the first profiles, those of random faults, are.
pub fn bench(seeds: u64) {
    let sized = PROFILES[..4].iter().map(|test| {
        [&[3u64] as &[u64], &[5]].map(|stores| {
            Box::new(StoreTest::new(test.name, test.profile.stores(stores))) as Box<dyn Simulation>
        })
    });
    harness::bench::print("stores", sized, seeds);
}
