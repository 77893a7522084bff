//! Plays plans in the simulated world of Raft groups.

use verdict::{Layers, Plan};

use super::judge::{Place, Played, Player, Wrong};
use super::net;
use super::panics;
use super::profile::SimTest;
use super::world::{Doing, World};
use crate::check::Violation;

impl Player for SimTest {
    fn name(&self) -> &str {
        self.name
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
}

fn place(doing: &Doing) -> Place {
    let message = doing
        .message
        .as_ref()
        .map_or(String::new(), |message| format!("{} from n{}", net::describe(message), message.from));
    Place { node: doing.node, call: format!("{}({message})", doing.call) }
}
