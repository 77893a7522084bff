//! Draws the plan of a run from its seed: sizes, knobs, faults, requests ("swarm testing").
//!
//! As with Raft groups, half of the seeds under chaos have every kind of fault, the other half each kind with a chance of one
//! half; and the knobs matter more than the faults: one entry per message, one message per poll, workers that lag.

use harness::plan::{PLAN_VERSION, calm_knobs};
use harness::rng::{self, Dice, Noise, Stream};
use verdict::{ClientRequest, Fault, Knobs, Oddity, Operation, Plan, Request, StoreFault, StoreKnobs, Timed};

use super::profile::{Kinds, Profile, StoreTest, Story};
use super::script;

/// The plan of the given seed.
pub fn draw_plan(test: &StoreTest, seed: u64) -> Plan {
    let entity = rng::name(test.name);
    let mut dice = Dice::new(seed, entity);
    let kinds = match test.profile.story {
        Story::Random(kinds) => kinds,
        _ => Kinds::NONE,
    };
    let everything = !kinds.chaos || dice.one_in(2);
    let knobs = draw_knobs(&test.profile, kinds, &mut dice, everything);
    let mut plan = Plan {
        version: PLAN_VERSION,
        test: test.name.to_owned(),
        noise: Noise(seed).draw(Stream::Noise, entity, 0),
        faults: draw_faults(kinds, &knobs, &mut dice, everything),
        operations: draw_requests(&knobs, kinds, &mut dice),
        knobs,
        schedule: Vec::new(),
    };
    script::tell(&test.profile, seed, &mut plan);
    plan
}

/// Parameters of a calm cluster.
pub fn calm_store_knobs(nodes: u64) -> Knobs {
    Knobs { chaos_ms: 2_000, ..calm_knobs(nodes) }
}

fn draw_knobs(profile: &Profile, kinds: Kinds, dice: &mut Dice, everything: bool) -> Knobs {
    let on = |dice: &mut Dice| everything || dice.one_in(2);
    let nodes = dice.pick(profile.stores);
    let mut knobs = calm_store_knobs(nodes);
    knobs.chaos_ms = dice.range(1_000, 3_500);
    knobs.heartbeat_ticks = dice.range(1, 3) as u32;
    if kinds.chaos {
        draw_odd_knobs(&mut knobs, dice, everything);
    }
    if profile.unreliable && on(dice) {
        knobs.slow_ppm = dice.pick(&[1_000, 5_000, 20_000, 100_000]);
    }
    if profile.unreliable && on(dice) {
        knobs.loss_ppm = dice.range(1_000, 120_000) as u32;
    }
    if profile.unreliable && on(dice) {
        knobs.duplicate_ppm = dice.range(1_000, 150_000) as u32;
    }
    knobs.store = draw_store_knobs(profile, kinds, dice, everything);
    if knobs.store.read_mode > 1 {
        // Leases count on clocks that run about equally fast.
        knobs.tick_percent.fill(100);
    }
    if profile.snapshots {
        knobs.compact_entries = dice.pick(&[4, 6, 10, 30]);
    }
    knobs
}

fn draw_odd_knobs(knobs: &mut Knobs, dice: &mut Dice, everything: bool) {
    let on = |dice: &mut Dice| everything || dice.one_in(2);
    let nodes = knobs.nodes;
    knobs.election_ticks = if dice.one_in(3) { dice.range(11, 20) as u32 } else { 10 };
    if on(dice) {
        knobs.max_message_bytes = dice.pick(&[0, 0, 1, 100, 400, 1 << 20]);
        knobs.max_inflight_messages = dice.pick(&[1, 2, 3, 8]);
    }
    knobs.aligned_ticks = dice.one_in(3);
    if on(dice) && !knobs.aligned_ticks {
        knobs.tick_percent =
            (0..nodes).map(|_| dice.pick(&[50, 75, 90, 100, 100, 100, 110, 150, 200])).collect();
    }
    if on(dice) {
        knobs.slow_disk_ppm = dice.pick(&[10_000, 50_000, 200_000]);
    }
    if on(dice) {
        knobs.slow_apply_ppm = dice.pick(&[10_000, 50_000, 200_000, 500_000]);
    }
}

fn draw_store_knobs(profile: &Profile, kinds: Kinds, dice: &mut Dice, everything: bool) -> StoreKnobs {
    let on = |dice: &mut Dice| everything || dice.one_in(2);
    let mut knobs = StoreKnobs {
        clients: dice.pick(profile.clients),
        keys: dice.pick(&[1, 3, 6, 10, 16]),
        value_bytes: dice.pick(&[8, 16, 16, 100]),
        ..StoreKnobs::default()
    };
    if kinds.chaos && on(dice) {
        knobs.poll_us = dice.pick(&[0, 50, 200, 2_000]);
        knobs.messages_per_round = dice.pick(&[1, 2, 4, 256]);
        knobs.batch_size_max = dice.pick(&[1, 2, 256]);
        knobs.task_us = dice.pick(&[100, 1_000, 20_000, 200_000]);
    }
    if kinds.chaos && on(dice) {
        knobs.entry_cache_bytes = dice.pick(&[1, 100, 1_000, 16 << 20]);
    }
    if profile.snapshots {
        // A compaction is an entry too: asked for again and again before the first is applied, it would feed on itself.
        knobs.log_gc_ticks = dice.range(5, 12) as u32;
        knobs.log_gc_count_limit = dice.pick(&[6, 10, 20, 50]);
        knobs.chunk_bytes = dice.pick(&[1, 40, 200, 1 << 20]).max(knobs.keys * knobs.value_bytes / 40);
    }
    if profile.snapshots && profile.unreliable && on(dice) {
        knobs.snapshot_loss_ppm = dice.pick(&[10_000, 100_000, 300_000]);
    }
    if profile.extensions {
        knobs.read_mode = dice.pick(&[0, 1, 1, 2, 3]);
    }
    knobs
}

/// Kinds of faults under chaos: of them, a run has each or only some.
const CHAOS_KINDS: u64 = 10;

fn draw_faults(kinds: Kinds, knobs: &Knobs, dice: &mut Dice, everything: bool) -> Vec<Timed<Fault>> {
    let mut on: Vec<u64> = Vec::new();
    if kinds.chaos {
        on.extend((0..CHAOS_KINDS).filter(|_| everything || dice.one_in(2)));
    }
    if kinds.partitions {
        on.extend([PARTITION, PARTITION, CUT_ONE_WAY, ISOLATE_LEADER]);
    }
    if kinds.all_down {
        on.extend([ALL_DOWN]);
    }
    let mut faults = Vec::new();
    if on.is_empty() {
        return faults;
    }
    let gap_ms = if everything { 300 } else { dice.range(60, 900) };
    let mut at_ms = dice.range(300, 700);
    while at_ms < knobs.chaos_ms {
        let at_us = at_ms * 1_000 + dice.below(1_000);
        let what = draw_fault(dice.pick(&on), knobs.nodes, dice);
        faults.push(Timed { at_us, what });
        // Now and then two at once: a crash during a partition is another run than one after it.
        at_ms += if dice.one_in(6) { 1 } else { 1 + dice.below(2 * gap_ms) };
    }
    faults
}

const PARTITION: u64 = 10;
const CUT_ONE_WAY: u64 = 11;
const ISOLATE_LEADER: u64 = 12;
const ALL_DOWN: u64 = 13;

fn draw_fault(kind: u64, nodes: u64, dice: &mut Dice) -> Fault {
    let node = dice.range(1, nodes);
    let long = dice.one_in(4);
    let mut length =
        |short: u64, most: u64| if long { dice.range(short, most) } else { dice.range(10, short) };
    match kind {
        0 => Fault::Crash { node, down_ms: length(200, 900) },
        1 | 2 => Fault::CrashAtSeam { node, down_ms: length(200, 900), calls: dice.below(40) },
        3 => Fault::CrashLeader { down_ms: length(200, 900) },
        4 => Fault::Pause { node, for_ms: length(200, 700) },
        5 => Fault::Store(StoreFault::PowerLoss { node, down_ms: length(200, 900) }),
        6 => {
            let calls = dice.below(30);
            Fault::Store(StoreFault::DiskFailure { node, calls, down_ms: dice.range(50, 500) })
        }
        7 => Fault::Store(StoreFault::Clog { node, for_ms: length(200, 700) }),
        8 => Fault::Campaign { node },
        PARTITION => Fault::Partition { for_ms: length(300, 1_200), side: dice.range(1, (1 << nodes) - 2) },
        CUT_ONE_WAY => Fault::CutOneWay {
            for_ms: length(300, 1_200),
            from: node,
            to: 1 + (node + dice.below(nodes - 1)) % nodes,
        },
        ISOLATE_LEADER => Fault::IsolateLeader { for_ms: length(300, 1_200) },
        _ => {
            let power = dice.one_in(2);
            Fault::Store(StoreFault::AllDown { power, down_ms: dice.range(10, 200) })
        }
    }
}

/// Which requests the clients of a run like.
struct Taste {
    gets: u64,
    puts: u64,
    deletes: u64,
    swaps: u64,
    scans: u64,
    /// One in so many requests is odd.
    odd: u64,
}

fn draw_requests(knobs: &Knobs, kinds: Kinds, dice: &mut Dice) -> Vec<Timed<Operation>> {
    let some = |dice: &mut Dice, most: u64| if dice.one_in(4) { 0 } else { dice.range(1, most) };
    let taste = Taste {
        gets: dice.range(2, 6),
        puts: dice.range(3, 8),
        deletes: some(dice, 2),
        swaps: some(dice, 4),
        scans: some(dice, 3),
        odd: if kinds.chaos { dice.pick(&[6, 12, 30]) } else { 40 },
    };
    let gap_ms = dice.pick(&[5, 20, 40, 80]);
    let mut operations = Vec::new();
    for client in 1..=knobs.store.clients {
        let mut at_us = dice.range(20_000, 300_000);
        while at_us < knobs.chaos_ms * 1_000 {
            let what = draw_request(client, &taste, knobs, dice);
            operations.push(Timed { at_us, what: Operation::Client(what) });
            at_us += 5_000 + dice.below(2_000 * gap_ms);
        }
    }
    operations.sort_by_key(|timed| timed.at_us);
    operations
}

fn draw_request(client: u64, taste: &Taste, knobs: &Knobs, dice: &mut Dice) -> ClientRequest {
    let keys = knobs.store.keys;
    let key = dice.below(keys);
    let Taste { gets, puts, deletes, swaps, scans, odd } = *taste;
    let mut ticket = dice.below(gets + puts + deletes + swaps + scans);
    let mut takes = |weight: u64| {
        let taken = ticket < weight;
        ticket = ticket.wrapping_sub(weight);
        taken
    };
    let request = if takes(gets) {
        Request::Get { key }
    } else if takes(puts) {
        Request::Put { key }
    } else if takes(deletes) {
        Request::Delete { key }
    } else if takes(swaps) {
        Request::Cas { key }
    } else {
        let to = dice.range(key, keys);
        Request::Scan { from: key, to, limit: dice.range(1, keys + 1), reverse: dice.one_in(4) }
    };
    let oddity = if dice.one_in(odd) {
        dice.pick(&[
            Oddity::AnyStore,
            Oddity::AnyStore,
            Oddity::StaleEpoch,
            Oddity::OtherStore,
            Oddity::OtherRegion,
        ])
    } else {
        Oddity::None
    };
    ClientRequest { client, request, oddity }
}

#[cfg(test)]
mod tests {
    use harness::proof;

    use super::super::profile::PROFILES;

    #[test]
    fn plans_make_sense() {
        for test in &PROFILES {
            for seed in 0..100 {
                let plan = proof::of_a_plan(test, seed);
                assert!(test.profile.snapshots || plan.knobs.store.log_gc_ticks == 0);
                assert!(test.profile.extensions || plan.knobs.store.read_mode == 0);
            }
        }
    }
}
