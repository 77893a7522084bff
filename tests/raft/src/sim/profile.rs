//! What a simulated test may do, part by part: no part meets what only a later part builds.

use harness::simulation::Simulation;

use crate::core::Face;

/// A graded test that runs a simulated group over many seeds.
#[derive(Clone, Copy, Debug)]
pub struct SimTest {
    /// Full name: part, `::`, name.
    pub name: &'static str,
    /// Through which of the core's faces it is driven.
    pub face: Face,
    /// What may be in its plans.
    pub profile: Profile,
}

/// What may be in the plans of a test.
#[derive(Clone, Copy, Debug)]
pub struct Profile {
    /// Group sizes to draw from.
    pub nodes: &'static [u64],
    /// Clients propose commands. Without, the run is about elections only: nothing is asked of the log.
    pub proposals: bool,
    /// Logs are compacted, so that a peer which lags needs a snapshot.
    pub snapshots: bool,
    /// Leadership is handed over on request.
    pub transfers: bool,
    /// Peers are added and removed.
    pub membership: bool,
    /// Pre-vote, check-quorum and read index may be on. Never in a student's run.
    pub extensions: bool,
}

impl Profile {
    /// Part 2aa: elections under faults. Nobody proposes; all that is judged is who votes for whom and who leads.
    pub const ELECTION: Profile = Profile {
        nodes: &[3, 3, 5],
        proposals: false,
        snapshots: false,
        transfers: false,
        membership: false,
        extensions: false,
    };
    /// Part 2ab: log replication. Part 2ac drives the same through `RawNode`.
    pub const REPLICATION: Profile = Profile { proposals: true, ..Profile::ELECTION };
    /// Part 2c, the raft half: logs are compacted and snapshots sent.
    pub const SNAPSHOT: Profile = Profile { snapshots: true, ..Profile::REPLICATION };
    /// Part 3a: leadership is handed over, peers come and go.
    pub const MEMBERSHIP: Profile =
        Profile { nodes: &[3, 3, 4, 5], transfers: true, membership: true, ..Profile::SNAPSHOT };
    /// What the reference does beyond the course.
    pub const EXTENSIONS: Profile = Profile { extensions: true, ..Profile::MEMBERSHIP };

    /// The same with one group size.
    pub const fn of(self, nodes: &'static [u64]) -> Profile {
        Profile { nodes, ..self }
    }
}

/// A simulation of every profile of the course, and of what the reference does beyond: for measuring and for testing ourselves.
pub const PROFILES: [SimTest; 6] = [
    SimTest { name: "soak::election", face: Face::Bare, profile: Profile::ELECTION },
    SimTest { name: "soak::replication", face: Face::Bare, profile: Profile::REPLICATION },
    SimTest { name: "soak::ready", face: Face::Raw, profile: Profile::REPLICATION },
    SimTest { name: "soak::snapshot", face: Face::Raw, profile: Profile::SNAPSHOT },
    SimTest { name: "soak::membership", face: Face::Raw, profile: Profile::MEMBERSHIP },
    SimTest { name: "soak::extensions", face: Face::Raw, profile: Profile::EXTENSIONS },
];

/// Prints how fast groups of each profile are.
pub fn bench(seeds: u64) {
    let sized = PROFILES.iter().map(|test| {
        [&[3u64] as &[u64], &[5]].map(|nodes| {
            Box::new(SimTest { profile: test.profile.of(nodes), ..*test }) as Box<dyn Simulation>
        })
    });
    harness::bench::print("peers", sized, seeds);
}
