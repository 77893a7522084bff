//! R43: election timeouts are random (paper §5.2).

use raft::Role;

use crate::check::relation::Case;
use crate::core::Input;

/// So many equal timeouts in a row happen by chance in fewer than one run in 10¹⁴, even if only eight are possible.
const ENOUGH: u32 = 16;

/// The election timeouts seen in one run.
#[derive(Clone, Copy, Debug, Default)]
pub struct Timeouts {
    seen: u32,
    first: u32,
    all_equal: bool,
}

impl Timeouts {
    /// Takes note of a timeout whose start is known for certain.
    pub fn note(&mut self, case: &Case<'_>) {
        let timers = &case.view.timers;
        let ran_out = matches!(case.input, Input::Tick)
            && matches!(case.post.role, Role::Candidate)
            && case.post.term > case.pre.term
            && timers.since_reset == timers.since_excuse;
        if !ran_out {
            return;
        }
        if self.seen == 0 {
            (self.first, self.all_equal) = (timers.since_reset, true);
        }
        self.all_equal &= self.first == timers.since_reset;
        self.seen += 1;
    }

    /// Whether the timeouts look random; if not, what was seen.
    pub fn verdict(&self) -> (bool, String) {
        let fixed = self.seen >= ENOUGH && self.all_equal;
        (
            !fixed,
            format!(
                "All {} campaigns of the run began exactly {} ticks after the timer started",
                self.seen, self.first
            ),
        )
    }
}
