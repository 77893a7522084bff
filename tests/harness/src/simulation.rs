//! What a package of suites says of its simulated world: how a seed becomes a plan, and a plan a run.

use verdict::{Cost, Finding, Knobs, Layers, Operation, Plan};

use crate::panics::{self, Panic};
use crate::record::Recorder;
use crate::rule::Violation;

/// A test that plays plans in a simulated world, whatever lives in it.
pub trait Simulation: Sync {
    /// Full name of the test: part, `::`, name.
    fn name(&self) -> &'static str;
    /// The plan of a seed.
    fn draw_plan(&self, seed: u64) -> Plan;
    /// Plays a plan once; writes all down that happens if told to, which changes nothing.
    fn play(&self, plan: &Plan, layers: Layers, record: bool) -> Played;
    /// Knobs that make no trouble.
    fn calm_knobs(&self, nodes: u64) -> Knobs;
    /// Takes over calm values, some at a time, the loud ones first.
    fn calmer(&self) -> &'static [Calmer];
    /// Whether a run can be told as a schedule.
    fn has_schedules(&self) -> bool;
    /// A simpler operation in the place of another.
    fn simpler(&self, operation: &Operation) -> Option<Operation>;
}

/// Sets some knobs to those of the calm ones.
pub type Calmer = fn(&mut Knobs, &Knobs);

/// One run, not yet put into words.
pub struct Played {
    /// How it ended.
    pub result: Result<(), Wrong>,
    /// Digest of every event.
    pub hash: u64,
    /// What was done.
    pub cost: Cost,
    /// When it ended.
    pub now: u64,
    /// `Should` rules that were broken on the way.
    pub should: Vec<Finding>,
    /// All that happened, if it was written down.
    pub recorder: Option<Box<Recorder>>,
}

/// How a run went wrong.
#[derive(Clone, Debug)]
pub enum Wrong {
    /// A check said so.
    Broken(Violation),
    /// It panicked.
    Panicked(Panic, Place),
}

/// What was being done when it went wrong.
#[derive(Clone, Debug, Default)]
pub struct Place {
    /// Whose code ran; 0 if nobody's.
    pub node: u64,
    /// The call, as in `step(MsgHeartbeat(term 3, commit 7) from n2)`.
    pub call: String,
}

/// A simulated world in which one plan is played.
pub trait World {
    /// Plays the plan to its end.
    ///
    /// # Errors
    /// What went wrong.
    fn run(&mut self) -> Result<(), Wrong>;
    /// What is being done right now.
    fn place(&self) -> Place;
    /// Writes down what was being done when it went wrong.
    fn tell_last(&mut self);
    /// The run, which ended so, with all that was written down.
    fn close(&mut self, result: Result<(), Wrong>) -> Played;
}

/// Plays the plan of a world. Code under test may panic at any time: in the run, when it is looked at afterwards, and when it is
/// taken down.
pub fn play(mut world: impl World) -> Played {
    let caught = panics::catch(|| world.run());
    let result = caught.unwrap_or_else(|panic| Err(Wrong::Panicked(panic, world.place())));
    if result.is_err() {
        // What is shown after a broken promise may be anything, even another panic.
        let _ = panics::catch(|| world.tell_last());
    }
    let mut played = world.close(result);
    let place = world.place();
    if let Err(panic) = panics::catch(|| drop(world))
        && played.result.is_ok()
    {
        played.result = Err(Wrong::Panicked(panic, place));
    }
    played
}

impl Wrong {
    /// Name of the broken rule; a panic breaks the rule of its place.
    pub fn rule(&self) -> String {
        match self {
            Wrong::Broken(violation) => violation.rule.id.to_owned(),
            Wrong::Panicked(panic, _) => format!("panic at {}", panic.place),
        }
    }

    /// Peer at fault; 0 if none alone.
    pub fn node(&self) -> u64 {
        match self {
            Wrong::Broken(violation) => violation.node,
            Wrong::Panicked(_, place) => place.node,
        }
    }
}
