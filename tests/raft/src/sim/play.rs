//! Plays plans in the simulated world of Raft groups.

use harness::panics;
use harness::plan::{CALMER, calm_knobs};
use harness::rule::Violation;
use harness::simulation::{Calmer, Place, Played, Simulation, Wrong};
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
        let result = match panics::catch(|| world.run()) {
            Ok(Ok(())) => Ok(()),
            Ok(Err(violation)) => Err(Wrong::Broken(violation)),
            Err(panic) => Err(Wrong::Panicked(panic, place(&world.doing))),
        };
        if result.is_err() {
            // What the peers show after a broken promise may be anything, even another panic.
            let _ = panics::catch(|| world.tell_last());
        }
        let mut played = Played {
            result,
            hash: world.hash,
            cost: world.cost,
            now: world.now,
            should: world.checker.findings().iter().map(Violation::to_finding).collect(),
            recorder: world.recorder.take(),
        };
        let doing = place(&world.doing);
        if let Err(panic) = panics::catch(|| drop(world))
            && played.result.is_ok()
        {
            played.result = Err(Wrong::Panicked(panic, doing));
        }
        played
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

fn place(doing: &Doing) -> Place {
    let message = doing
        .message
        .as_ref()
        .map_or(String::new(), |message| format!("{} from n{}", net::describe(message), message.from));
    Place { node: doing.node, call: format!("{}({message})", doing.call) }
}
