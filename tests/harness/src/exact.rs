//! Exact tests: one promise each, told as a short scene.

use verdict::{Failure, FailureKind, Finding, Strength};

use crate::story;

/// Lines of a story that are shown: the last ones.
const STORY_LINES: usize = 40;

/// Result of an exact test, and of each step of it.
pub type Check<T = ()> = Result<T, Fail>;

/// What the paper, the thesis or the handout promises, and why it matters.
#[derive(Clone, Copy, Debug)]
pub struct Promise {
    /// Where it stands, as in `§5.2`.
    pub section: &'static str,
    /// The promise, in words.
    pub text: &'static str,
    /// What goes wrong if it is broken.
    pub why: &'static str,
}

/// A broken promise: what a student reads.
#[derive(Clone, Debug)]
pub struct Fail {
    /// What was promised.
    pub promised: String,
    /// What was seen instead.
    pub seen: String,
    /// Where the promise stands.
    pub section: &'static str,
    /// What goes wrong later.
    pub why: String,
}

impl Promise {
    /// A promise: where it stands, what it says, and what goes wrong if it is broken.
    pub const fn new(section: &'static str, text: &'static str, why: &'static str) -> Promise {
        Promise { section, text, why }
    }

    /// It was broken: this was seen instead.
    pub fn broken(&self, seen: String) -> Fail {
        Fail { promised: self.text.to_owned(), seen, section: self.section, why: self.why.to_owned() }
    }
}

/// Ends the test with a broken promise unless the condition holds: `ensure!(promise, condition, "what was seen")`.
#[macro_export]
macro_rules! ensure {
    ($promise:expr, $condition:expr, $($seen:tt)+) => {
        if !$condition {
            return Err($promise.broken(format!($($seen)+)));
        }
    };
}

/// Runs an exact test. A panic of the code under test passes through; the story so far can then still be taken from
/// [`story::take`].
///
/// # Errors
/// The broken promise, ready to be shown.
pub fn run(full_name: &str, about: &str, body: fn() -> Check) -> Result<(), Box<Failure>> {
    story::take();
    body().map_err(|fail| Box::new(failure(full_name, about, fail)))
}

fn failure(full_name: &str, about: &str, fail: Fail) -> Failure {
    let Fail { promised, seen, section, why } = fail;
    let finding = Finding {
        rule: full_name.to_owned(),
        title: about.to_owned(),
        strength: Strength::Contract,
        layer: "exact".to_owned(),
        section: section.to_owned(),
        promised,
        seen,
        why,
        node: 0,
    };
    let (story, events) = story::take_last(STORY_LINES);
    Failure {
        kind: FailureKind::Broken,
        findings: vec![finding],
        events,
        story,
        seed: None,
        plan: None,
        passed_before: 0,
    }
}
