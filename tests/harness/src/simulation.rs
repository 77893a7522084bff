//! What a package of suites says of its simulated world: how a seed becomes a plan, and a plan a run.

use verdict::{Cost, Finding, Knobs, Layers, Operation, Plan};

use crate::panics::Panic;
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
