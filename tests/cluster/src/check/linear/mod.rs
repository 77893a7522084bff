//! Is there one order of all operations, within their times, that explains every answer? (Herlihy and Wing's linearizability.)
//!
//! The checker looks at nothing but what clients saw: it knows no log, no leader, no store. It is the algorithm of Wing and
//! Gong with Lowe's memory of what was tried, in three steps:
//!
//! 1. **Key by key.** A history is linearizable only if it is for every key alone; and if no operation concerns two keys, that
//!    is enough (Herlihy and Wing's locality). A scan counts as one get for each key of its range.
//! 2. **Joined by scans.** Keys that some scan saw together are then judged together, as one object: that finds the torn scan,
//!    every part of which is right at some moment, but not all at one.
//! 3. Both with a **budget**: if it runs out the verdict is [`Verdict::Unknown`], which is neither good nor bad, and must be
//!    counted and shown, never taken for good.
//!
//! | file | what it tells |
//! |---|---|
//! | `prepare.rs` | from operations to what the search needs; operations of unknown outcome |
//! | `search.rs` | the search itself |
//! | `explain.rs` | a verdict in words |

mod explain;
mod prepare;
mod search;

#[cfg(test)]
mod brute;
#[cfg(test)]
mod known_bad;
#[cfg(test)]
mod tests;

#[cfg(test)]
pub(super) use brute::execute;

use super::history::{DataKey, History, Operation};
use prepare::Component;
use search::Found;

/// Steps of the search that are enough for every history within the limits that the simulation keeps (at most eight clients, a
/// hundredth of the outcomes unknown).
pub const BUDGET: u64 = 2_000_000;

/// What the checker has found out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// There is such an order.
    Ok,
    /// There is none.
    Illegal(Box<Illegal>),
    /// The budget ran out before either was certain. Not a verdict: count it, and show the count.
    Unknown {
        /// Steps that were taken.
        steps: u64,
    },
}

/// Why there is no such order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Illegal {
    /// Keys on which it fails: one, or those that scans have joined.
    pub keys: Vec<DataKey>,
    /// The longest order that was found, from the start: positions in [`History::operations`].
    pub prefix: Vec<usize>,
    /// The operation that no order gets past: position in [`History::operations`].
    pub stuck: usize,
    /// All that in words.
    pub told: String,
}

/// Judges a history, with so many steps for each search.
pub fn check(history: &History, budget: u64) -> Verdict {
    let mut undecided = 0;
    for component in prepare::components(history) {
        match judge(history, &component, budget) {
            Verdict::Ok => {}
            Verdict::Unknown { steps } => undecided += steps,
            illegal => return illegal,
        }
    }
    match undecided {
        0 => Verdict::Ok,
        steps => Verdict::Unknown { steps },
    }
}

/// Key by key first: that is cheap, names the key, and finds nearly everything.
fn judge(history: &History, component: &Component, budget: u64) -> Verdict {
    let joined = component.keys.len() > 1;
    let mut undecided = 0;
    for key in &component.keys {
        match run(history, std::slice::from_ref(key), budget) {
            Verdict::Ok => {}
            Verdict::Unknown { steps } => undecided += steps,
            illegal => return illegal,
        }
    }
    if joined && !broken(Breakage::KeysOnly) {
        return run(history, &component.keys, budget);
    }
    match undecided {
        0 => Verdict::Ok,
        steps => Verdict::Unknown { steps },
    }
}

fn run(history: &History, keys: &[DataKey], budget: u64) -> Verdict {
    let task = prepare::task(history, keys);
    match search::search(&task, budget) {
        Found::Order => Verdict::Ok,
        Found::Exhausted { .. } if broken(Breakage::BudgetIsOk) => Verdict::Ok,
        Found::Exhausted { steps } => Verdict::Unknown { steps },
        Found::Stuck { prefix, stuck } => {
            let source = |op: usize| task.ops[op].source;
            let prefix: Vec<usize> = prefix.into_iter().map(source).collect();
            let stuck = source(stuck);
            let told = explain::tell(history, keys, &prefix, stuck);
            Verdict::Illegal(Box::new(Illegal { keys: keys.to_vec(), prefix, stuck, told }))
        }
    }
}

/// Whether an operation ended well, so that it must be explained.
fn is_answered(operation: &Operation) -> bool {
    matches!(operation.outcome, super::history::Outcome::Ok(_))
}

/// Ways in which the checker can be broken on purpose, so that its tests can be tested. Each of them must be noticed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Breakage {
    /// Two sets of done operations with the same state count as the same.
    CacheWithoutSet,
    /// Two states with the same set of done operations count as the same.
    CacheWithoutState,
    /// Any order will do, also against time.
    NoRealTime,
    /// An operation that begins when another one ends counts as later.
    TouchingIsLater,
    /// What has no answer has not happened.
    UnknownIsFailed,
    /// What has no answer happened before it was given up.
    UnknownIsDone,
    /// An error without effect counts as an unknown outcome.
    FailedIsUnknown,
    /// Unknown writes are left out although somebody saw them.
    DropObserved,
    /// Unknown writes count as seen by whoever saw that value, even if others wrote it too.
    SharedValues,
    /// Only ok reads count as having seen a value, not compare-and-swaps that depend on it.
    SwapsSeeNothing,
    /// Every read is fine.
    ReadsAlwaysFit,
    /// A compare-and-swap sets its key whatever it holds.
    SwapAlwaysSets,
    /// A compare-and-swap that did not swap says nothing.
    RefusedSwapIsFree,
    /// A compare-and-swap of unknown outcome never takes effect.
    UnknownSwapIsFailed,
    /// Keys that a scan should have found, and did not, are not looked at.
    ScanSeesNoAbsence,
    /// A scan that its limit has cut short counts as one of its whole range.
    ScanIgnoresLimit,
    /// The order of a scan's pairs does not matter.
    ScanIgnoresOrder,
    /// Scans are never judged as a whole.
    KeysOnly,
    /// Going back in the search leaves the state as it is.
    NoUndo,
    /// All keys are absent at the start.
    EmptyStart,
    /// A budget that ran out means that all is well.
    BudgetIsOk,
    /// Once an operation has been tried and failed, what was tried before it is not tried differently.
    NoBacktracking,
}

#[cfg(test)]
thread_local! {
    static BROKEN: std::cell::Cell<Option<Breakage>> = const { std::cell::Cell::new(None) };
}

#[cfg(test)]
fn broken(how: Breakage) -> bool {
    BROKEN.get() == Some(how)
}

#[cfg(not(test))]
const fn broken(_: Breakage) -> bool {
    false
}
