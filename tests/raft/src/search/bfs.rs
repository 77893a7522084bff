//! Searches all orders of a few events, breadth first: the story found is the shortest there is.

use std::collections::VecDeque;

use harness::panics;
use proto::eraftpb::ConfChangeType;

use super::act::{Act, Fuse, Step};
use super::hash::Seen;
use super::world::World;
use super::{Scope, Wrong};

/// How much may happen in one search.
#[derive(Clone, Copy, Debug)]
pub struct Budget {
    /// Timeouts.
    pub campaigns: u8,
    /// Proposals, compactions, hand-overs and membership changes, together.
    pub requests: u8,
    /// Crashes, at any moment.
    pub crashes: u8,
    /// Heartbeats, duplicates.
    pub extras: u8,
    /// Transitions to try.
    pub transitions: u64,
}

/// How a search ended.
pub enum Found {
    /// A world in which the goal is reached, and the steps to it.
    Goal(Box<World>, Vec<Step>),
    /// Everything within the budget was tried.
    Nothing,
    /// Something went wrong at the end of these steps.
    Wrong(Box<Wrong>, Vec<Step>),
}

/// Which steps a search may take, by the world and the step.
pub type Allow = fn(&World, Act) -> bool;
/// What a search looks for.
pub type Goal = fn(&World) -> bool;

/// Searches from `start` for `goal`, taking only steps that are allowed. `tried` counts the transitions.
pub fn search(
    start: &World,
    scope: &Scope,
    budget: &Budget,
    allow: Allow,
    goal: Option<Goal>,
    tried: &mut u64,
) -> Found {
    let mut first = start.clone();
    first.used = [0; 4];
    if goal.is_some_and(|goal| goal(&first)) {
        return Found::Goal(Box::new(first), Vec::new());
    }
    let mut seen = Seen::new();
    for id in first.ids() {
        first.digest(id);
    }
    seen.insert(first.digest(0));
    // (parent, step) of each state; the first has none.
    let mut origins: Vec<(u32, Option<Step>)> = vec![(0, None)];
    let mut queue = VecDeque::from([(0u32, first)]);
    let limit = *tried + budget.transitions;
    let mut steps = Vec::new();
    while let Some((at, world)) = queue.pop_front() {
        steps.clear();
        enumerate(&world, scope, budget, &mut steps);
        for &step in steps.iter().filter(|step| allow(&world, step.act)) {
            if *tried >= limit {
                return Found::Nothing;
            }
            *tried += 1;
            let mut next = world.clone();
            spend(&mut next, step);
            let place = next.place(step.act);
            let taken = panics::catch(|| next.take(step));
            if let Some(wrong) = Wrong::of(taken, step, place) {
                return Found::Wrong(Box::new(wrong), path(&origins, at, step));
            }
            if !seen.insert(next.digest(place)) {
                continue;
            }
            if goal.is_some_and(|goal| goal(&next)) {
                return Found::Goal(Box::new(next), path(&origins, at, step));
            }
            origins.push((at, Some(step)));
            queue.push_back((origins.len() as u32 - 1, next));
        }
    }
    Found::Nothing
}

fn path(origins: &[(u32, Option<Step>)], mut at: u32, last: Step) -> Vec<Step> {
    let mut steps = vec![last];
    while let (parent, Some(step)) = origins[at as usize] {
        steps.push(step);
        at = parent;
    }
    steps.reverse();
    steps
}

/// What the step takes out of the budget.
fn spend(world: &mut World, step: Step) {
    let kind = match step.act {
        Act::Campaign(_) => Some(0),
        Act::Propose(_) | Act::Compact(_) | Act::Transfer { .. } | Act::Change { .. } => Some(1),
        Act::Crash { .. } => Some(2),
        Act::Beat(_) | Act::Deliver { again: true, .. } | Act::Hold(_) => Some(3),
        _ => None,
    };
    if let Some(kind) = kind {
        world.used[kind] += 1;
    }
    world.used[2] += u8::from(step.fuse.is_some());
}

/// Every step that the world and the budget leave open.
fn enumerate(world: &World, scope: &Scope, budget: &Budget, steps: &mut Vec<Step>) {
    let [campaigns, requests, crashes, extras] = world.used;
    let mut push = |act: Act| {
        steps.push(Step { act, fuse: None });
        if crashes < budget.crashes && !matches!(act, Act::Crash { .. } | Act::Lose { .. } | Act::Hold(_)) {
            // Dying before the write is as if the step had not been taken, and after it like a crash later on.
            for fuse in [Fuse::BeforeSync(1), Fuse::BeforeSend] {
                steps.push(Step { act, fuse: Some(fuse) });
            }
        }
    };
    for flight in &world.net {
        push(Act::Deliver { key: flight.key, again: false });
        if extras < budget.extras {
            push(Act::Deliver { key: flight.key, again: true });
        }
    }
    for id in world.ids() {
        let leads = world.leads(id);
        if campaigns < budget.campaigns && !leads {
            push(Act::Campaign(id));
        }
        if extras < budget.extras && leads {
            push(Act::Beat(id));
        }
        if world.is_held(id) {
            push(Act::Release(id));
        }
        if crashes < budget.crashes {
            push(Act::Crash { node: id, keep: 0 });
        }
        if requests < budget.requests {
            request(world, scope, id, leads, &mut push);
        }
    }
}

fn request(world: &World, scope: &Scope, id: u64, leads: bool, push: &mut impl FnMut(Act)) {
    if scope.proposals && leads {
        push(Act::Propose(id));
    }
    if scope.snapshots && world.host(id).disk().view().applied.index > world.host(id).disk().view().base.index
    {
        push(Act::Compact(id));
    }
    for other in world.ids().filter(|&other| leads && other != id) {
        if scope.transfers {
            push(Act::Transfer { at: id, to: other });
        }
        if scope.membership {
            let is_voter = world.host(id).conf_state().voters.contains(&other);
            let kind = if is_voter { ConfChangeType::RemoveNode } else { ConfChangeType::AddNode };
            push(Act::Change { at: id, kind: kind as i32, node: other });
        }
    }
}
