//! Plays plans in the simulated world of stores, and judges what clients saw.

use harness::plan::CALMER;
use harness::rule::Violation;
use harness::simulation::{self, Calmer, Place, Played, Simulation, Wrong};
use verdict::{ClientRequest, Knobs, Layers, Oddity, Operation, Plan};

use super::profile::StoreTest;
use super::swarm::{self, calm_store_knobs};
use super::world::{Stop, World};
use crate::check::rules;
use crate::check::{linear, log_order};

impl Simulation for StoreTest {
    fn name(&self) -> &'static str {
        self.name
    }

    fn draw_plan(&self, seed: u64) -> Plan {
        swarm::draw_plan(self, seed)
    }

    fn play(&self, plan: &Plan, layers: Layers, record: bool) -> Played {
        let mut world = World::new(plan, layers);
        world.recorder = record.then(Box::default);
        simulation::play(world)
    }

    fn calm_knobs(&self, nodes: u64) -> Knobs {
        calm_store_knobs(nodes)
    }

    fn calmer(&self) -> &'static [Calmer] {
        STORE_CALMER
    }

    fn has_schedules(&self) -> bool {
        false
    }

    fn simpler(&self, operation: &Operation) -> Option<Operation> {
        match *operation {
            Operation::Client(ClientRequest { client, request, oddity }) if oddity != Oddity::None => {
                Some(Operation::Client(ClientRequest { client, request, oddity: Oddity::None }))
            }
            _ => None,
        }
    }
}

impl simulation::World for World<'_> {
    fn run(&mut self) -> Result<(), Wrong> {
        World::run(self).map_err(|stop| match stop {
            Stop::Broken(violation) => Wrong::Broken(*violation),
            Stop::Panicked(panic) => Wrong::Panicked(*panic, self.doing.clone()),
        })
    }

    fn place(&self) -> Place {
        self.doing.clone()
    }

    fn tell_last(&mut self) {
        World::tell_last(self);
    }

    /// From here on, what stores do while they are taken down concerns nobody.
    fn close(&mut self, result: Result<(), Wrong>) -> Played {
        // A panic may have left the lock as it is; then nobody is heard any more anyway.
        if let Ok(mut shared) = self.shared.lock() {
            shared.stores.iter_mut().for_each(|store| store.up = false);
        }
        Played {
            result,
            hash: self.hash,
            cost: self.cost,
            now: self.now,
            should: Vec::new(),
            recorder: self.recorder.take(),
        }
    }
}

impl World<'_> {
    /// What clients saw must be explained by the log, and by some order of its own.
    pub fn check_history(&mut self) -> Result<(), Stop> {
        if !self.layers.relation {
            return Ok(());
        }
        let history = &self.clients.history;
        log_order::check(history, &self.shared().checker.log())?;
        match linear::check(history, linear::BUDGET) {
            linear::Verdict::Ok => Ok(()),
            // Not known is not judged, and not passed off as good either: the order of the log has judged it, and it counts.
            linear::Verdict::Unknown { .. } => {
                self.cost.undecided += 1;
                Ok(())
            }
            linear::Verdict::Illegal(illegal) => {
                Err(Violation { rule: &rules::LINEARIZABLE, node: 0, seen: illegal.told.clone() }.into())
            }
        }
    }
}

/// What can be calmed down in a world of stores.
const STORE_CALMER: &[Calmer] = &[
    |knobs, calm| CALMER.iter().for_each(|calmer| calmer(knobs, calm)),
    |knobs, calm| knobs.store.snapshot_loss_ppm = calm.store.snapshot_loss_ppm,
    |knobs, calm| (knobs.loss_ppm, knobs.duplicate_ppm) = (calm.loss_ppm, calm.duplicate_ppm),
    |knobs, calm| knobs.slow_ppm = calm.slow_ppm,
    |knobs, calm| (knobs.slow_disk_ppm, knobs.slow_apply_ppm) = (calm.slow_disk_ppm, calm.slow_apply_ppm),
    |knobs, calm| knobs.tick_percent.clone_from(&calm.tick_percent),
    |knobs, calm| {
        knobs.max_message_bytes = calm.max_message_bytes;
        knobs.max_inflight_messages = calm.max_inflight_messages;
    },
    |knobs, calm| (knobs.store.poll_us, knobs.store.task_us) = (calm.store.poll_us, calm.store.task_us),
    |knobs, calm| {
        knobs.store.messages_per_round = calm.store.messages_per_round;
        knobs.store.batch_size_max = calm.store.batch_size_max;
        knobs.store.entry_cache_bytes = calm.store.entry_cache_bytes;
    },
    |knobs, calm| {
        (knobs.delay_min_us, knobs.delay_max_us) = (calm.delay_min_us, calm.delay_max_us);
        knobs.aligned_ticks = calm.aligned_ticks;
    },
];
