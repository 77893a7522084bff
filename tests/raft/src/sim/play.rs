//! Plays plans in the simulated world of Raft groups.

use harness::plan::{CALMER, calm_knobs};
use harness::rule::Violation;
use harness::simulation::{self, Calmer, Place, Played, Simulation, Wrong};
use verdict::{Knobs, Layers, Operation, Plan};

use super::net;
use super::profile::SimTest;
use super::swarm;
use super::world::{Doing, World};

impl Simulation for SimTest {
    fn name(&self) -> &'static str {
        self.name
    }

    fn draw_plan(&self, seed: u64) -> Plan {
        swarm::draw_plan(self, seed)
    }

    fn play(&self, plan: &Plan, layers: Layers, record: bool) -> Played {
        let mut world = World::new(self, plan, layers);
        world.recorder = record.then(Box::default);
        simulation::play(world)
    }

    fn calm_knobs(&self, nodes: u64) -> Knobs {
        calm_knobs(nodes)
    }

    fn calmer(&self) -> &'static [Calmer] {
        CALMER
    }

    fn has_schedules(&self) -> bool {
        true
    }

    fn simpler(&self, operation: &Operation) -> Option<Operation> {
        match operation {
            Operation::Propose { count } if *count > 1 => Some(Operation::Propose { count: 1 }),
            _ => None,
        }
    }
}

impl simulation::World for World<'_> {
    fn run(&mut self) -> Result<(), Wrong> {
        World::run(self).map_err(Wrong::Broken)
    }

    fn place(&self) -> Place {
        let Doing { node, call, message, .. } = &self.doing;
        let message = message.as_ref();
        let message = message.map(|message| format!("{} from n{}", net::describe(message), message.from));
        Place { node: *node, call: format!("{call}({})", message.unwrap_or_default()) }
    }

    fn tell_last(&mut self) {
        World::tell_last(self);
    }

    fn close(&mut self, result: Result<(), Wrong>) -> Played {
        Played {
            result,
            hash: self.hash,
            cost: self.cost,
            now: self.now,
            should: self.checker.findings().iter().map(Violation::to_finding).collect(),
            recorder: self.recorder.take(),
        }
    }
}
