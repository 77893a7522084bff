//! Random walks: at each step, something that may happen does.
//!
//! Half of the walks choose evenly among all messages on their way; the others rank the links at random and serve the best
//! one that has a message, changing ranks a few times (which finds bugs that need one slow link). Which faults may happen,
//! and how often, is drawn for each walk.

use proto::eraftpb::ConfChangeType;
use raft::Role;

use super::act::{Act, Fuse, Step};
use super::world::{Start, Tuning, World};
use super::{Scope, figures};
use crate::disk::mix;

/// A small generator: a walk is decided by its seed.
#[derive(Clone, Copy, Debug)]
pub struct Dice(u64);

impl Dice {
    /// A generator for one walk.
    pub fn new(seed: u64) -> Dice {
        Dice(seed)
    }

    /// 64 random bits.
    fn roll(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        mix(self.0)
    }

    /// A number below `limit`.
    pub fn below(&mut self, limit: usize) -> usize {
        ((u128::from(self.roll()) * limit as u128) >> 64) as usize
    }

    fn chance(&mut self, percent: usize) -> bool {
        self.below(100) < percent
    }
}

/// How one walk is drawn.
pub struct Walker {
    dice: Dice,
    scope: Scope,
    /// Rank of the link from peer to peer; none: choose evenly.
    ranks: Option<[[u64; 8]; 8]>,
    /// Percent of steps, by kind.
    odds: Odds,
    /// How many steps.
    pub length: usize,
    /// Where it starts.
    pub start: Start,
    /// How the peers are configured.
    pub tuning: Tuning,
}

/// Of 1000 steps, how many are of each kind; the rest are deliveries.
#[derive(Clone, Copy, Debug)]
struct Odds {
    campaign: usize,
    beat: usize,
    propose: usize,
    crash: usize,
    hold: usize,
    lag: usize,
    wait: usize,
    lose: usize,
    compact: usize,
    transfer: usize,
    change: usize,
    report: usize,
    again: usize,
    fuse: usize,
}

impl Walker {
    /// Draws a walk.
    pub fn new(scope: &Scope, seed: u64) -> Walker {
        let mut dice = Dice::new(seed);
        let ranks = dice.chance(50).then(|| {
            let mut ranks = [[0; 8]; 8];
            ranks.iter_mut().flatten().for_each(|rank| *rank = dice.roll());
            ranks
        });
        let mut some =
            |allowed: bool, most: usize| if allowed && dice.chance(60) { dice.below(most + 1) } else { 0 };
        let odds = Odds {
            campaign: 20 + some(true, 120),
            beat: 30 + some(true, 80),
            propose: if scope.proposals { 30 + some(true, 150) } else { 0 },
            crash: some(true, 40),
            hold: some(true, 60),
            lag: some(scope.proposals, 60),
            wait: some(scope.transfers, 20),
            lose: some(true, 120),
            compact: some(scope.snapshots, 120),
            transfer: some(scope.transfers, 60),
            change: some(scope.membership, 60),
            report: some(scope.snapshots, 40),
            again: some(true, 150),
            fuse: some(true, 60),
        };
        let tuning = Tuning {
            max_message_bytes: if dice.chance(50) { 0 } else { 1 << 20 },
            max_inflight_messages: if dice.chance(30) { 1 } else { 8 },
        };
        let start = if scope.proposals && dice.chance(25) {
            figures::STARTS[dice.below(figures::STARTS.len())]
        } else {
            Start::Fresh
        };
        let length = 60 + dice.below(61);
        // Groups of an even size are where half is not a majority.
        let voters = match (start, dice.below(8)) {
            (Start::Fresh, 0) => 2,
            (Start::Fresh, 1) => 4,
            _ => scope.voters,
        };
        let scope = Scope { voters, ..*scope };
        Walker { dice, scope, ranks, odds, length, start, tuning }
    }

    /// Chooses the next step.
    pub fn choose(&mut self, world: &World) -> Step {
        let act = self.act(world);
        let fuse = (self.dice.below(1000) < self.odds.fuse).then(|| match self.dice.below(4) {
            0 => Fuse::BeforeWrite,
            1 => Fuse::BeforeSync(self.dice.below(4) as u8),
            2 => Fuse::BeforeSend,
            _ => Fuse::BeforeApply,
        });
        Step { act, fuse }
    }

    fn act(&mut self, world: &World) -> Act {
        let Odds {
            campaign,
            beat,
            propose,
            crash,
            hold,
            lag,
            wait,
            lose,
            compact,
            transfer,
            change,
            report,
            ..
        } = self.odds;
        let mut at = self.dice.below(1000);
        let mut hit = |odds: usize| {
            let hit = at < odds;
            at = at.wrapping_sub(odds);
            hit
        };
        if hit(campaign) {
            return Act::Campaign(self.anyone(world));
        }
        if hit(beat) {
            return Act::Beat(self.leader(world));
        }
        if hit(propose) {
            return Act::Propose(self.leader(world));
        }
        if hit(crash) {
            return Act::Crash { node: self.anyone(world), keep: self.dice.below(4) as u8 };
        }
        if hit(hold) {
            let node = self.anyone(world);
            return if world.is_held(node) { Act::Release(node) } else { Act::Hold(node) };
        }
        if hit(lag) {
            return Act::Lag(self.anyone(world));
        }
        if hit(wait) {
            return Act::Wait(self.leader(world));
        }
        if hit(compact) {
            return Act::Compact(self.anyone(world));
        }
        if hit(transfer) {
            return Act::Transfer { at: self.leader(world), to: self.anyone(world) };
        }
        if hit(change) {
            return self.change(world);
        }
        if hit(report) {
            let (at, peer, failed) = (self.leader(world), self.anyone(world), self.dice.chance(50));
            return Act::Report { at, peer, failed };
        }
        let Some(key) = self.message(world) else { return Act::Campaign(self.anyone(world)) };
        if hit(lose) {
            return Act::Lose { key };
        }
        Act::Deliver { key, again: self.dice.below(1000) < self.odds.again }
    }

    fn change(&mut self, world: &World) -> Act {
        let kinds = [ConfChangeType::AddNode, ConfChangeType::RemoveNode, ConfChangeType::AddLearnerNode];
        let at = self.leader(world);
        let node = self.anyone(world);
        let mut kind = kinds[self.dice.below(3)];
        let voters = world.host(at).conf_state().voters;
        if voters.len() <= 2 && kind != ConfChangeType::AddNode {
            kind = ConfChangeType::AddNode;
        }
        if kind == ConfChangeType::AddLearnerNode && voters.contains(&node) {
            kind = ConfChangeType::RemoveNode;
        }
        Act::Change { at, kind: kind as i32, node }
    }

    fn anyone(&mut self, world: &World) -> u64 {
        1 + self.dice.below(world.ids().count()) as u64
    }

    /// Some leader; mostly. Anybody if there is none.
    fn leader(&mut self, world: &World) -> u64 {
        let first = self.anyone(world);
        if self.dice.chance(8) {
            return first;
        }
        let count = world.ids().count() as u64;
        let after = |shift: u64| 1 + (first - 1 + shift) % count;
        (0..count).map(after).find(|&id| world.status(id).role == Role::Leader).unwrap_or(first)
    }

    /// A message to deliver.
    fn message(&mut self, world: &World) -> Option<u64> {
        if world.net.is_empty() {
            return None;
        }
        let Some(ranks) = &mut self.ranks else {
            return Some(world.net[self.dice.below(world.net.len())].key);
        };
        if self.dice.below(100) < 4 {
            let (from, to) = (self.dice.below(8), self.dice.below(8));
            ranks[from][to] = self.dice.roll();
        }
        let rank = |at: &usize| {
            let message = &world.net[*at].message;
            // The oldest message of the best link: equal ranks are one link.
            (ranks[message.from as usize % 8][message.to as usize % 8], usize::MAX - at)
        };
        (0..world.net.len()).max_by_key(rank).map(|at| world.net[at].key)
    }

    /// What the scope allows.
    pub fn scope(&self) -> &Scope {
        &self.scope
    }
}
