//! The hostile worker, and a course around it.

use std::path::PathBuf;

use labs::manifest::{Course, Part};

/// The worker that misbehaves: `examples/hostile.rs`.
pub fn hostile() -> PathBuf {
    let tests = std::env::current_exe().expect("a test has a path");
    let profile = tests.parent().and_then(|deps| deps.parent()).expect("tests lie in target/debug/deps");
    profile.join("examples/hostile")
}

/// A course of one part, `t`, whose tests are the hostile worker's.
pub fn course() -> Course {
    let part: Part = toml::from_str(
        "id = 't'\ntitle = 'attacks'\nhandout = 't.md'\npoints = 140\norder = 1\n\
         [[hole]]\npath = 'mini::open'\nhandout = 't.md#open'",
    )
    .expect("the part is valid");
    Course::new(vec![part]).expect("the course is valid")
}
