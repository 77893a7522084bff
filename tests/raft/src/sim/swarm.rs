//! Draws the plan of a run from its seed: sizes, knobs, faults, operations ("swarm testing").
//!
//! Half of the seeds have every kind of fault, the other half each kind with a chance of one half: a bug that needs long quiet
//! stretches hides behind too many faults. The knobs matter more than the faults: one entry per message, ticks in
//! step, an in-flight window of one are what found the rare bugs.

use harness::plan::{PLAN_VERSION, calm_knobs};
use harness::rng::{self, Dice, Noise, Stream};
use verdict::{Fault, Knobs, Operation, Plan, Timed};

use super::profile::{Profile, SimTest};

/// Kinds of faults that a plan can have on or off.
const FAULT_KINDS: usize = 8;

/// The plan of the given seed.
pub fn draw_plan(test: &SimTest, seed: u64) -> Plan {
    let entity = rng::name(test.name);
    let mut dice = Dice::new(seed, entity);
    let everything = dice.one_in(2);
    let knobs = draw_knobs(&test.profile, &mut dice, everything);
    let faults = draw_faults(&knobs, &mut dice, everything);
    let operations = draw_operations(&test.profile, &knobs, &mut dice);
    Plan {
        version: PLAN_VERSION,
        test: test.name.to_owned(),
        noise: Noise(seed).draw(Stream::Noise, entity, 0),
        knobs,
        faults,
        operations,
        schedule: Vec::new(),
    }
}

fn draw_knobs(profile: &Profile, dice: &mut Dice, everything: bool) -> Knobs {
    let on = |dice: &mut Dice| everything || dice.one_in(2);
    let nodes = dice.pick(profile.nodes);
    let mut knobs = calm_knobs(nodes);
    knobs.chaos_ms = dice.range(1_000, 4_500);
    knobs.election_ticks = if dice.one_in(3) { dice.range(11, 20) as u32 } else { 10 };
    knobs.heartbeat_ticks = dice.range(1, 3) as u32;
    if on(dice) {
        knobs.max_message_bytes = dice.pick(&[0, 0, 1, 40, 100, 400, 1 << 20]);
    }
    if on(dice) {
        knobs.max_inflight_messages = dice.pick(&[1, 2, 3, 8, 64, 256]);
    }
    if knobs.max_message_bytes <= 100 {
        // Hundreds of one-entry messages that overtake each other cost a pipelining leader a storm of resends. That is legal.
        knobs.max_inflight_messages = knobs.max_inflight_messages.min(8);
    }
    if on(dice) {
        knobs.max_ready_bytes = dice.pick(&[1, 1, 50, 400, 16 << 20]);
    }
    knobs.aligned_ticks = dice.one_in(3);
    if on(dice) && !knobs.aligned_ticks {
        knobs.tick_percent =
            (0..nodes).map(|_| dice.pick(&[50, 75, 90, 100, 100, 100, 110, 150, 200])).collect();
    }
    if knobs.aligned_ticks && dice.one_in(2) {
        // Equal delays as well: only then does a timer that is not random tie in every election.
        knobs.delay_min_us = 1_000;
        knobs.delay_max_us = 1_000;
    }
    if on(dice) {
        knobs.slow_ppm = dice.pick(&[1_000, 5_000, 5_000, 20_000, 100_000]);
    }
    if on(dice) {
        knobs.loss_ppm = dice.range(1_000, 150_000) as u32;
    }
    if on(dice) {
        knobs.duplicate_ppm = dice.range(1_000, 200_000) as u32;
    }
    if on(dice) {
        knobs.slow_disk_ppm = dice.pick(&[10_000, 50_000, 200_000, 500_000]);
    }
    if on(dice) {
        knobs.slow_apply_ppm = dice.pick(&[10_000, 50_000, 200_000, 500_000]);
    }
    if profile.snapshots && on(dice) {
        knobs.compact_entries = dice.pick(&[4, 10, 30, 100]);
        knobs.compact_keep = dice.pick(&[0, 0, 1, 3, 10]);
    }
    if profile.extensions {
        knobs.check_quorum = dice.one_in(2);
        knobs.pre_vote = dice.one_in(2);
    }
    knobs
}

fn draw_faults(knobs: &Knobs, dice: &mut Dice, everything: bool) -> Vec<Timed<Fault>> {
    let kinds: Vec<u64> = (0..FAULT_KINDS as u64).filter(|_| everything || dice.one_in(2)).collect();
    let gap_ms = if everything { 300 } else { dice.range(60, 900) };
    let mut faults = Vec::new();
    if kinds.is_empty() {
        return faults;
    }
    let mut at_ms = dice.range(50, 400);
    while at_ms < knobs.chaos_ms {
        let at_us = at_ms * 1_000 + dice.below(1_000);
        let kind = dice.pick(&kinds);
        let what = draw_fault(kind, knobs.nodes, dice);
        faults.push(Timed { at_us, what });
        // Now and then two at once: a crash during a partition is another run than one after it.
        at_ms += if dice.one_in(6) { 1 } else { 1 + dice.below(2 * gap_ms) };
    }
    faults
}

fn draw_fault(kind: u64, nodes: u64, dice: &mut Dice) -> Fault {
    let node = dice.range(1, nodes);
    let long = dice.one_in(4);
    let mut length =
        |short: u64, most: u64| if long { dice.range(short, most) } else { dice.range(10, short) };
    match kind {
        0 => Fault::Crash { node, down_ms: length(200, 900) },
        1 => Fault::CrashAtSeam { node, down_ms: length(200, 900), calls: dice.below(40) },
        2 => Fault::CrashLeader { down_ms: length(200, 900) },
        3 => Fault::Pause { node, for_ms: length(200, 700) },
        4 => Fault::Partition { for_ms: length(300, 1_200), side: dice.range(1, (1 << nodes) - 2) },
        5 => Fault::CutOneWay {
            for_ms: length(300, 1_200),
            from: node,
            to: 1 + (node + dice.below(nodes - 1)) % nodes,
        },
        6 => Fault::IsolateLeader { for_ms: length(300, 1_200) },
        _ => Fault::Campaign { node },
    }
}

fn draw_operations(profile: &Profile, knobs: &Knobs, dice: &mut Dice) -> Vec<Timed<Operation>> {
    let mut operations = Vec::new();
    if profile.proposals {
        let gap_ms = dice.pick(&[5, 10, 15, 30, 80]);
        draw_stream(&mut operations, knobs, dice, gap_ms, |dice| match dice.below(12) {
            0 => Operation::ProposeTo { node: dice.range(1, knobs.nodes) },
            1 => Operation::Propose { count: dice.range(2, 12) },
            _ => Operation::Propose { count: 1 },
        });
    }
    if profile.transfers && !dice.one_in(4) {
        let gap_ms = dice.range(100, 800);
        draw_stream(&mut operations, knobs, dice, gap_ms, |dice| Operation::Transfer {
            to: dice.range(1, knobs.nodes),
        });
    }
    if profile.membership && !dice.one_in(4) {
        let gap_ms = dice.range(150, 900);
        // A peer that left never comes back under its id: it would vote again in terms it has forgotten.
        let mut newest = knobs.nodes;
        draw_stream(&mut operations, knobs, dice, gap_ms, |dice| {
            if newest < knobs.nodes + 4 && dice.one_in(2) {
                newest += 1;
                return Operation::AddNode { node: newest };
            }
            Operation::RemoveNode { node: dice.range(1, newest) }
        });
    }
    if profile.extensions {
        draw_stream(&mut operations, knobs, dice, 60, |_| Operation::ReadIndex);
    }
    operations.sort_by_key(|timed| timed.at_us);
    operations
}

/// Adds operations about every `gap_ms` until the first act ends.
fn draw_stream(
    operations: &mut Vec<Timed<Operation>>,
    knobs: &Knobs,
    dice: &mut Dice,
    gap_ms: u64,
    mut make: impl FnMut(&mut Dice) -> Operation,
) {
    let mut at_us = dice.range(100_000, 400_000);
    while at_us < knobs.chaos_ms * 1_000 {
        let what = make(dice);
        operations.push(Timed { at_us, what });
        at_us += 1 + dice.below(2_000 * gap_ms);
    }
}

#[cfg(test)]
mod tests {
    use harness::proof;

    use super::super::profile::PROFILES;

    #[test]
    fn plans_make_sense() {
        for test in &PROFILES {
            for seed in 0..200 {
                let plan = proof::of_a_plan(test, seed);
                assert!(test.profile.proposals || plan.operations.is_empty());
                assert!(test.profile.snapshots || plan.knobs.compact_entries == 0);
                assert!(test.profile.extensions || !(plan.knobs.pre_vote || plan.knobs.check_quorum));
            }
        }
    }
}
