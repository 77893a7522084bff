//! The famous stories: each takes the group to a delicate state, one easy goal after the other, and then searches freely
//! from there. What takes forty steps from the start takes ten from the right place.

use proto::eraftpb::{ConfChangeType, Message, MessageType};
use raft::Role;

use super::act::Act;
use super::bfs::{Allow, Budget, Goal};
use super::figures::FIGURE_8;
use super::world::{Start, World};

/// A search in stages.
#[derive(Clone, Copy, Debug)]
pub struct Story {
    /// What it is about.
    pub name: &'static str,
    /// Where it starts.
    pub start: Start,
    /// One entry per message.
    pub single: bool,
    /// Goals on the way: what is allowed, and what ends the stage.
    pub stages: &'static [(Allow, Goal)],
    /// What is allowed in the end.
    pub allow: Allow,
    /// How much may happen in the end.
    pub budget: Budget,
}

/// What may happen on the way to a goal.
pub const ON_THE_WAY: Budget =
    Budget { campaigns: 2, requests: 3, crashes: 0, extras: 3, transitions: 20_000 };

fn anything(_: &World, _: Act) -> bool {
    true
}

fn message(world: &World, act: Act) -> Option<&Message> {
    let Act::Deliver { key, .. } = act else { return None };
    world.net.iter().find(|flight| flight.key == key).map(|flight| flight.message.as_ref())
}

/// Only messages among the peers of `group`, and what `others` says of other steps.
fn among(world: &World, act: Act, group: &[u64], others: bool) -> bool {
    match message(world, act) {
        Some(message) => group.contains(&message.from) && group.contains(&message.to),
        None => others,
    }
}

fn is_leader(world: &World, id: u64) -> bool {
    world.leads(id)
}

fn one_elected(world: &World) -> bool {
    is_leader(world, 1)
}

fn elect_one(world: &World, act: Act) -> bool {
    among(world, act, &[1, 2], act == Act::Campaign(1))
}

fn two_holds_old(world: &World) -> bool {
    world.log_term(2, 2) == Some(2)
}

fn two_told(world: &World) -> bool {
    two_holds_old(world) && world.status(1).commit > 1
}

fn two_elected(world: &World) -> bool {
    is_leader(world, 2) && world.status(2).term > world.status(1).term
}

fn elect_two(world: &World, act: Act) -> bool {
    among(world, act, &[2, 3], act == Act::Campaign(2))
}

fn one_proposes(world: &World, act: Act) -> bool {
    act == Act::Propose(1) || among(world, act, &[1], false)
}

fn one_holds_more(world: &World) -> bool {
    world.status(1).last.index > world.status(2).last.index + 1
}

fn commit_with_two(world: &World, act: Act) -> bool {
    among(world, act, &[1, 2], matches!(act, Act::Propose(1)))
}

fn two_committed(world: &World) -> bool {
    world.status(1).commit >= 2 && world.status(1).applied >= 2 && world.status(2).commit >= 2
}

fn one_compacts(_: &World, act: Act) -> bool {
    act == Act::Compact(1)
}

fn one_compacted(world: &World) -> bool {
    world.status(1).first_index > 2
}

fn one_beats(world: &World, act: Act) -> bool {
    act == Act::Beat(1)
        || matches!(message(world, act), Some(message) if [1, 3].contains(&message.from) && message.to != 2)
}

fn snapshot_travels(world: &World) -> bool {
    world.travels(MessageType::MsgSnapshot, 1, 3)
}

fn one_changes(_: &World, act: Act) -> bool {
    matches!(act, Act::Change { at: 1, kind, node: 3 } if kind == ConfChangeType::RemoveNode as i32)
}

fn one_wants_change(world: &World) -> bool {
    world.status(1).last.index >= 2
}

fn hand_over(_: &World, act: Act) -> bool {
    matches!(act, Act::Transfer { at: 1, to: 2 })
}

fn handing_over(world: &World) -> bool {
    world.status(1).transferee == 2 || world.status(1).role != Role::Leader
}

const FREE: Budget = Budget { campaigns: 2, requests: 1, crashes: 0, extras: 1, transitions: 30_000 };

/// Two candidates, and a crash at any moment: is a vote ever given twice?
pub const LOST_VOTE: Story = Story {
    name: "a voter crashes",
    start: Start::Fresh,
    single: false,
    stages: &[],
    allow: anything,
    budget: Budget { campaigns: 2, requests: 0, crashes: 1, extras: 0, transitions: 40_000 },
};

/// Three candidates without crashes, with duplicates.
pub const RIVALS: Story = Story {
    name: "rival candidates",
    start: Start::Fresh,
    single: false,
    stages: &[],
    allow: anything,
    budget: Budget { campaigns: 3, requests: 0, crashes: 0, extras: 1, transitions: 40_000 },
};

/// An entry on the old leader only, and a new leader that does not have it.
pub const OLD_LEADER: Story = Story {
    name: "an old leader with an entry of its own",
    start: Start::Fresh,
    single: false,
    stages: &[(elect_one, one_elected), (one_proposes, one_holds_more), (elect_two, two_elected)],
    allow: anything,
    budget: FREE,
};

/// Figure 8: an entry of an old term on a majority.
pub const FIGURE_EIGHT: Story = Story {
    name: "figure 8",
    start: FIGURE_8,
    single: true,
    stages: &[(elect_one, one_elected), (elect_one, two_holds_old), (elect_one, two_told)],
    allow: anything,
    budget: Budget { campaigns: 1, requests: 0, crashes: 0, extras: 1, transitions: 30_000 },
};

/// A follower that missed everything gets a snapshot and appends in any order.
pub const SNAPSHOT_RACE: Story = Story {
    name: "a snapshot and appends race",
    start: Start::Fresh,
    single: true,
    stages: &[
        (elect_one, one_elected),
        (commit_with_two, two_committed),
        (one_compacts, one_compacted),
        (one_beats, snapshot_travels),
    ],
    allow: anything,
    budget: Budget { campaigns: 1, requests: 2, crashes: 1, extras: 2, transitions: 40_000 },
};

/// The leader wants to remove a peer, which campaigns meanwhile.
pub const CHANGE_RACE: Story = Story {
    name: "a membership change and an election race",
    start: Start::Fresh,
    single: false,
    stages: &[(elect_one, one_elected), (one_changes, one_wants_change)],
    allow: anything,
    budget: Budget { campaigns: 1, requests: 1, crashes: 0, extras: 1, transitions: 40_000 },
};

/// Leadership is being handed over, and everything may happen.
pub const HAND_OVER: Story = Story {
    name: "a hand-over",
    start: Start::Fresh,
    single: false,
    stages: &[(elect_one, one_elected), (hand_over, handing_over)],
    allow: anything,
    budget: Budget { campaigns: 1, requests: 2, crashes: 0, extras: 2, transitions: 40_000 },
};
