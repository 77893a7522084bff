//! Which holes still stand as they were handed out.
//!
//! Most untouched holes say so when they are called. Those that an earlier part passes through have an inert body instead,
//! which says nothing: whether it is still there is seen in the source.

use std::collections::BTreeMap;
use std::path::Path;

use super::{Missing, Status, TestResult};
use crate::manifest::{Course, Hole, Part};
use crate::syntax::Crates;

/// The untouched holes of each part.
#[derive(Clone, Debug, Default)]
pub struct Untouched {
    parts: BTreeMap<String, OpenPart>,
}

/// The untouched holes of one part.
#[derive(Clone, Debug, Default)]
struct OpenPart {
    /// If no hole of the part was touched: one to name.
    all: Option<Missing>,
    /// Untouched holes with an inert body.
    inert: Vec<Missing>,
}

impl Untouched {
    /// Looks at the sources below `root`. What cannot be found or parsed counts as touched: the compiler will tell.
    pub fn find(root: &Path, course: &Course) -> Untouched {
        let Ok(crates) = Crates::find(root) else { return Untouched::default() };
        let look = |part: &Part| {
            let missing =
                |hole: &Hole| Missing { path: hole.path.clone(), handout: course.handout_of(&hole.path) };
            let mut open = OpenPart { all: part.holes.first().map(missing), inert: Vec::new() };
            for hole in &part.holes {
                let body = inside(root, &crates, &hole.path).unwrap_or_else(|| "touched".into());
                match &hole.stub {
                    Some(stub) if body == stub.trim() => open.inert.push(missing(hole)),
                    _ if body == format!("todo!(\"{}\")", part.label(&hole.path)) => {}
                    _ => open.all = None,
                }
            }
            (part.id.clone(), open)
        };
        Untouched { parts: course.parts.iter().map(look).collect() }
    }

    /// Corrects a verdict: in a part that nobody has begun, no test can pass, and none fails for another reason; in a part
    /// that is begun, a failed test is told which inert bodies may be why.
    pub fn correct(&self, result: &mut TestResult) {
        let part = result.info.name.split("::").next().unwrap_or_default();
        let Some(open) = self.parts.get(part) else { return };
        match (&open.all, result.status) {
            (_, Status::NotImplemented) => {}
            (Some(hole), _) => {
                let info = result.info.clone();
                let missing = Some(hole.clone());
                *result = TestResult { status: Status::NotImplemented, missing, ..TestResult::new(&info) };
            }
            (None, Status::Failed) => {
                result.inert = open.inert.iter().map(|hole| hole.path.clone()).collect();
            }
            (None, Status::Passed | Status::Crashed) => {}
        }
    }
}

/// Text of a function's body, without its braces.
fn inside(root: &Path, crates: &Crates, path: &str) -> Option<String> {
    let place = crates.locate(path).ok()?;
    let text = std::fs::read_to_string(root.join(&place.file)).ok()?;
    let body = text.get(place.body?)?;
    Some(body.strip_prefix('{')?.strip_suffix('}')?.trim().to_owned())
}
