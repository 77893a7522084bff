//! The scorecard: one line for each test, printed as the tests get done.

use std::io::{IsTerminal, Write};
use std::sync::Mutex;
use std::time::{Duration, Instant};

use verdict::{TestInfo, TestKind};

use super::text::{BAD, FAINT, GOOD, STRONG, WIDTH, columns, count, paint};
use crate::grade::{Graded, Missing, Status, TestResult, Watch};
use crate::manifest::Part;

/// Prints the scorecard, and a line of progress below it while something runs (on a terminal only).
pub struct Scorecard {
    state: Mutex<State>,
    live: bool,
}

struct State {
    name_width: usize,
    first: bool,
    shown: bool,
    last: Instant,
}

impl Scorecard {
    /// A scorecard on this process's terminal.
    pub fn new() -> Scorecard {
        let state = State { name_width: 0, first: true, shown: false, last: Instant::now() };
        Scorecard { state: Mutex::new(state), live: std::io::stderr().is_terminal() }
    }

    fn with(&self, print: impl FnOnce(&mut State)) {
        let mut state = self.state.lock().unwrap_or_else(|e| e.into_inner());
        if state.shown {
            eprint!("\r\x1b[K");
            state.shown = false;
        }
        print(&mut state);
        let _ = std::io::stdout().flush();
    }
}

impl Default for Scorecard {
    fn default() -> Scorecard {
        Scorecard::new()
    }
}

impl Watch for Scorecard {
    fn begin(&self, part: &Part, tests: &[TestInfo]) {
        self.with(|state| {
            if tests.is_empty() {
                return;
            }
            let names = tests.iter().map(|test| columns(short(&test.name)));
            state.name_width = names.max().unwrap_or(0);
            if !std::mem::take(&mut state.first) {
                anstream::println!();
            }
            anstream::println!("{}\n", head(part, tests));
        });
    }

    fn progress(&self, test: &str, done: u64, of: u64) {
        if !self.live {
            return;
        }
        self.with(|state| {
            if state.last.elapsed() < Duration::from_millis(40) {
                return;
            }
            let seeds = if of > 0 { format!("  {done} of {of}") } else { String::new() };
            eprint!("\r\x1b[K  … {}{seeds}", short(test));
            (state.shown, state.last) = (true, Instant::now());
        });
    }

    fn done(&self, result: &TestResult) {
        self.with(|state| anstream::println!("{}", line(result, state.name_width)));
    }
}

/// A test's name without its part.
pub fn short(test: &str) -> &str {
    test.split_once("::").map_or(test, |(_, name)| name)
}

/// What an open hole says.
pub fn not_implemented(missing: &Missing) -> String {
    let see = if missing.handout.is_empty() { String::new() } else { format!(", see {}", missing.handout) };
    format!("not implemented yet: {}{see}", missing.path)
}

/// The last line of a grading.
pub fn total(graded: &Graded) -> String {
    format!("{}: {}/{} points", graded.target, graded.points, graded.max)
}

fn head(part: &Part, tests: &[TestInfo]) -> String {
    let points: u32 = tests.iter().map(|test| test.points).sum();
    let title = format!("{}: {}", part.target(), part.title);
    let size =
        format!("{}, {}", count(tests.len(), "test", "tests"), count(points as usize, "point", "points"));
    let gap = WIDTH.saturating_sub(columns(&title) + columns(&size)).max(2);
    format!("{}{:gap$}{}", paint(STRONG, title), "", paint(FAINT, size))
}

/// One line of the scorecard.
pub fn line(result: &TestResult, name_width: usize) -> String {
    let (mark, style) = match result.status {
        Status::Passed => ('✔', GOOD),
        Status::Failed | Status::Crashed => ('✘', BAD),
        Status::NotImplemented => ('·', FAINT),
    };
    let points = format!("{}/{}", result.points, result.info.points);
    let name = short(&result.info.name);
    let about = match &result.missing {
        Some(missing) => not_implemented(missing),
        None => format!("{}{}", result.info.about, paint(FAINT, done(result))),
    };
    format!("  {} {name:name_width$}  {points:>5}  {about}", paint(style, mark))
}

/// What was run, for tests that draw their runs.
fn done(result: &TestResult) -> String {
    if result.status != Status::Passed || result.info.kind == TestKind::Unit {
        return String::new();
    }
    let runs = match result.cost.runs {
        0 => String::new(),
        runs => format!("  {}", count(runs as usize, "run", "runs")),
    };
    let hash = result.hash.as_ref().map_or(String::new(), |hash| format!("  {hash}"));
    let undecided = match result.cost.undecided {
        0 => String::new(),
        histories => format!("  {} undecided", count(histories as usize, "history", "histories")),
    };
    format!("{runs}{undecided}{hash}")
}
