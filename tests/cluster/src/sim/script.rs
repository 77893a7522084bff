//! Stories that are told the same way in every run, but for delays and timeouts.

use verdict::{ClientRequest, FailPoint, Fault, Oddity, Operation, Plan, Request, StoreFault, Timed};

use super::profile::{Profile, Story};

/// Puts a story into a plan that was drawn for it.
pub fn tell(profile: &Profile, seed: u64, plan: &mut Plan) {
    match profile.story {
        Story::Random(_) => {}
        Story::OnePartition => one_partition(plan),
        Story::DeposedLeader => deposed_leader(plan),
        Story::OneSnapshot => one_snapshot(plan),
        Story::PowerSweep => power_sweep(profile.snapshots, seed, plan),
        Story::NamedPlaces => named_places(seed, plan),
    }
}

/// A leader and a follower of five stores are cut off, while clients go on asking on both sides.
fn one_partition(plan: &mut Plan) {
    plan.knobs.chaos_ms = 3_000;
    // Whoever leads, a minority with the leader in it is among these two halves.
    plan.faults = vec![
        fault(700, Fault::IsolateLeader { for_ms: 800 }),
        fault(1_900, Fault::Partition { side: 0b00011, for_ms: 700 }),
    ];
    plan.operations = steady(plan, 2_900, 25);
}

/// A leader is cut off, first in one direction only, while half of the requests still go to whoever they went to.
fn deposed_leader(plan: &mut Plan) {
    plan.knobs.chaos_ms = 3_000;
    plan.faults = vec![
        fault(600, Fault::IsolateLeader { for_ms: 700 }),
        fault(1_700, Fault::IsolateLeader { for_ms: 900 }),
    ];
    plan.operations = steady(plan, 2_900, 12);
    for (nth, timed) in plan.operations.iter_mut().enumerate() {
        if let Operation::Client(request) = &mut timed.what {
            request.oddity = if nth % 2 == 0 { Oddity::AnyStore } else { Oddity::None };
        }
    }
}

/// A store is away while the log grows far beyond its limits, and comes back.
fn one_snapshot(plan: &mut Plan) {
    plan.knobs.chaos_ms = 3_500;
    plan.knobs.compact_entries = 5;
    plan.knobs.store.log_gc_ticks = 5;
    plan.knobs.store.log_gc_count_limit = 10;
    plan.faults = vec![
        fault(500, Fault::Partition { side: 0b001, for_ms: 1_000 }),
        fault(2_000, Fault::Store(StoreFault::AllDown { power: false, down_ms: 50 })),
        // The others get what the leader proposes last, and commit it without its knowing; by a snapshot it learns of that.
        fault(2_300, Fault::Store(StoreFault::DeafLeader { for_ms: 800 })),
        fault(2_330, Fault::IsolateLeader { for_ms: 770 }),
    ];
    // Half of the clients wait for the deaf leader in vain. The others rest until there is a new one, and make its log grow.
    plan.knobs.store.clients = 6;
    plan.operations = steady(plan, 3_400, 20);
    plan.operations.retain(|timed| !rests(timed));
    for timed in &mut plan.operations {
        if let Operation::Client(request) = &mut timed.what
            && request.client > 3
            && timed.at_us > 2_700_000
        {
            request.oddity = Oddity::AnyStore;
        }
    }
}

fn rests(timed: &Timed<Operation>) -> bool {
    let Operation::Client(request) = timed.what else { return false };
    request.client > 3 && (2_200_000..2_700_000).contains(&timed.at_us)
}

/// Write boundaries of the script below that a sweep tries at each store.
const BOUNDARIES: u64 = 700;
/// How often a store passes a named place, at the most, before its power is cut there.
const NAMED_PASSES: u64 = 60;
/// So many seeds cut the power at every boundary, of each store in turn.
pub const SWEEP: u64 = 3 * BOUNDARIES;
/// So many seeds cut it at every named place, after each number of passes, of each store in turn.
pub const NAMED: u64 = 3 * FailPoint::ALL.len() as u64 * NAMED_PASSES;

/// A short run of three stores, with a snapshot in it if there are any. Seed `n` cuts the power of store `n mod 3` at the
/// `n / 3`th boundary between its writes.
fn power_sweep(snapshots: bool, seed: u64, plan: &mut Plan) {
    let store = 1 + seed % 3;
    // Seeds far apart in the script first, so that a few of them are a sample of all.
    let calls = seed / 3 * 193 % BOUNDARIES;
    plan.knobs.chaos_ms = 1_400;
    if snapshots {
        plan.knobs.compact_entries = 3;
        plan.knobs.store.log_gc_ticks = 4;
        plan.knobs.store.log_gc_count_limit = 6;
    }
    plan.knobs.store.clients = 3;
    plan.knobs.store.keys = 6;
    // The script is the same for all seeds, and so is its noise: that is what makes the calls a sweep.
    plan.noise = 1 + seed / SWEEP;
    plan.faults = vec![
        fault(0, Fault::Store(StoreFault::PowerLossAtWrite { node: store, calls, down_ms: 60 })),
        fault(350, Fault::Partition { side: 0b001, for_ms: 300 }),
        fault(900, Fault::Partition { side: 0b010, for_ms: 300 }),
    ];
    plan.operations = steady(plan, 1_300, 25);
}

/// The same run, but the power of a store is cut at one of the named places instead of a boundary.
fn named_places(seed: u64, plan: &mut Plan) {
    power_sweep(true, 0, plan);
    let point = FailPoint::ALL[(seed / 3) as usize % FailPoint::ALL.len()];
    let passes = seed / (3 * FailPoint::ALL.len() as u64) % NAMED_PASSES;
    power_loss_at(plan, 1 + seed % 3, point, passes);
    plan.noise = 1 + seed / NAMED;
}

fn power_loss_at(plan: &mut Plan, node: u64, point: FailPoint, passes: u64) {
    plan.faults[0] = fault(0, Fault::Store(StoreFault::PowerLossAt { node, point, passes, down_ms: 60 }));
}

fn fault(at_ms: u64, what: Fault) -> Timed<Fault> {
    Timed { at_us: at_ms * 1_000, what }
}

/// Requests of all clients up to a moment, one about every `gap_ms` for each.
fn steady(plan: &Plan, until_ms: u64, gap_ms: u64) -> Vec<Timed<Operation>> {
    let (clients, keys) = (plan.knobs.store.clients, plan.knobs.store.keys);
    let mut operations = Vec::new();
    for (nth, at_ms) in (100..until_ms).step_by(gap_ms as usize).enumerate() {
        for client in 1..=clients {
            let turn = nth as u64 + client;
            let key = turn * 7 % keys;
            let request = match turn % 6 {
                0 | 3 => Request::Get { key },
                5 => Request::Cas { key },
                4 if turn.is_multiple_of(4) => Request::Delete { key },
                4 => Request::Scan { from: 0, to: keys, limit: keys, reverse: false },
                _ => Request::Put { key },
            };
            let what = ClientRequest { client, request, oddity: Oddity::None };
            operations.push(Timed { at_us: at_ms * 1_000 + client * 700, what: Operation::Client(what) });
        }
    }
    operations
}

#[cfg(test)]
mod tests {
    use verdict::Layers;

    use super::super::profile::{Profile, StoreTest, Story};
    use super::super::swarm::draw_plan;
    use super::super::world::World;
    use super::*;

    const SCRIPTED: StoreTest = StoreTest {
        name: "2c-store::power_loss",
        profile: Profile::CALM.stores(&[3]).clients(&[3]).story(Story::PowerSweep).snapshots(),
    };

    #[test]
    fn a_store_gets_over_a_power_loss_at_every_named_place() {
        for point in FailPoint::ALL {
            let mut losses = 0;
            for (node, passes) in (1..=3).flat_map(|node| [0, 1, 2, 9, 40].map(|passes| (node, passes))) {
                let mut plan = draw_plan(&SCRIPTED, 0);
                power_loss_at(&mut plan, node, point, passes);
                let mut world = World::new(&plan, Layers::ALL);
                let ended = world.run();
                assert!(ended.is_ok(), "{} at n{node} after {passes}: {ended:?}", point.name());
                losses += usize::from(world.stores[node as usize - 1].life > 1);
            }
            println!("{}: {losses} of 15 came to it", point.name());
            assert!(losses > 1, "{} is not on the way", point.name());
        }
    }

    #[test]
    fn the_sweep_meets_every_boundary_and_has_a_snapshot_in_it() {
        let mut plan = draw_plan(&SCRIPTED, 0);
        plan.faults.remove(0);
        let mut world = World::new(&plan, Layers::ALL);
        world.run().expect("the reference passes");
        println!("calls to the disks: {:?}; snapshots: {}", world.disk_calls, world.transfers.len());
        assert!(
            world.disk_calls.iter().all(|calls| (200..=BOUNDARIES).contains(calls)),
            "{:?}",
            world.disk_calls
        );
        assert!(!world.transfers.is_empty(), "no snapshot was sent");
    }
}
