//! What the plans of all simulated worlds have in common.

use verdict::{Fault, Knobs, StoreKnobs};

use crate::rng::{Noise, Stream};
use crate::simulation::Calmer;

/// Version of the plans that are drawn.
pub const PLAN_VERSION: u32 = 1;
/// Nominal length of a tick.
pub const TICK_US: u64 = 10_000;

/// When the clock of one member of a group ticks.
#[derive(Clone, Copy, Debug)]
pub struct Clock {
    /// Length of its ticks.
    pub tick_us: u64,
    /// The first, after it has been switched on.
    pub first_us: u64,
}

impl Clock {
    /// The clock of member `id`, the first of whom is 1.
    pub fn of(id: u64, knobs: &Knobs, noise: Noise) -> Clock {
        let percent = knobs.tick_percent.get(id as usize - 1).copied().unwrap_or(100);
        let tick_us = TICK_US * percent.clamp(10, 1_000) / 100;
        let phase = noise.below(Stream::Phase, id, 0, tick_us);
        Clock { tick_us, first_us: if knobs.aligned_ticks { TICK_US } else { 1 + phase } }
    }
}

/// Parameters of a calm group of `nodes` peers: no fault in the background, everything at its default.
pub fn calm_knobs(nodes: u64) -> Knobs {
    Knobs {
        nodes,
        chaos_ms: 1_000,
        election_ticks: 10,
        heartbeat_ticks: 2,
        max_message_bytes: 1 << 20,
        max_inflight_messages: 256,
        max_ready_bytes: 16 << 20,
        aligned_ticks: false,
        tick_percent: vec![100; nodes as usize],
        delay_min_us: 500,
        delay_max_us: 4_500,
        slow_ppm: 0,
        loss_ppm: 0,
        duplicate_ppm: 0,
        slow_disk_ppm: 0,
        slow_apply_ppm: 0,
        compact_entries: 0,
        compact_keep: 0,
        pre_vote: false,
        check_quorum: false,
        store: StoreKnobs::default(),
    }
}

/// What can be calmed down in any world.
pub const CALMER: &[Calmer] = &[
    |knobs, calm| knobs.loss_ppm = calm.loss_ppm,
    |knobs, calm| knobs.duplicate_ppm = calm.duplicate_ppm,
    |knobs, calm| knobs.slow_ppm = calm.slow_ppm,
    |knobs, calm| knobs.slow_disk_ppm = calm.slow_disk_ppm,
    |knobs, calm| knobs.slow_apply_ppm = calm.slow_apply_ppm,
    |knobs, calm| knobs.tick_percent.clone_from(&calm.tick_percent),
    |knobs, calm| knobs.max_message_bytes = calm.max_message_bytes,
    |knobs, calm| knobs.max_inflight_messages = calm.max_inflight_messages,
    |knobs, calm| knobs.max_ready_bytes = calm.max_ready_bytes,
    |knobs, calm| (knobs.compact_entries, knobs.compact_keep) = (calm.compact_entries, calm.compact_keep),
    |knobs, calm| (knobs.election_ticks, knobs.heartbeat_ticks) = (calm.election_ticks, calm.heartbeat_ticks),
    |knobs, calm| {
        (knobs.delay_min_us, knobs.delay_max_us) = (calm.delay_min_us, calm.delay_max_us);
        knobs.aligned_ticks = calm.aligned_ticks;
    },
];

/// A fault, as it begins.
pub fn fault_in_words(fault: &Fault) -> String {
    match *fault {
        Fault::Crash { node, down_ms } => format!("n{node} dies for {down_ms} ms"),
        Fault::CrashAtSeam { node, calls, .. } => format!("n{node} will die after {calls} more seam calls"),
        Fault::CrashLeader { down_ms } => format!("the leader dies for {down_ms} ms"),
        Fault::Pause { node, for_ms } => format!("n{node} is paused for {for_ms} ms"),
        Fault::Partition { side, for_ms } => {
            let side: Vec<String> =
                (1..=64).filter(|n| side >> (n - 1) & 1 == 1).map(|n| format!("n{n}")).collect();
            format!("{} cut off from the others for {for_ms} ms", side.join(", "))
        }
        Fault::CutOneWay { from, to, for_ms } => {
            format!("nothing gets from n{from} to n{to} for {for_ms} ms")
        }
        Fault::IsolateLeader { for_ms } => format!("the leader is cut off for {for_ms} ms"),
        Fault::Campaign { node } => format!("the election timer of n{node} runs out"),
        Fault::Store(_) => "a fault that only stores have".to_owned(),
    }
}
