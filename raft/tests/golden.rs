//! Golden scripts: `tests/golden/*.txt` read together as the specification of this crate.
//!
//! A script is a list of scenes. A comment says what is about to happen and what to look at; then come commands (their
//! list is [`env::syntax::Command`]), and after `---` what they made happen, one line for each event. The commands are
//! written by hand and what follows is generated:
//!
//! ```text
//! UPDATE_GOLDENFILES=1 cargo test -p tinykv-raft --test golden
//! ```
//!
//! Read what comes out before keeping it: a change there is a change of behaviour. The scripts pin down choices that are
//! not the protocol's (order of messages, hints), so they guard this implementation and grade nobody's.

mod env;

use std::path::{Path, PathBuf};

fn scripts() -> Vec<PathBuf> {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden");
    let entries = std::fs::read_dir(dir).expect("the folder of scripts is there");
    let mut paths: Vec<PathBuf> = entries.map(|entry| entry.expect("a readable folder").path()).collect();
    paths.sort();
    paths
}

/// Runs every script, and names all that differ, not only the first. `SCRIPT=name` runs those whose name contains it.
#[test]
fn scripts_match() {
    let only = std::env::var("SCRIPT").unwrap_or_default();
    let mut differ = Vec::new();
    for path in scripts() {
        let name = path.file_stem().expect("a file name").to_string_lossy().into_owned();
        if !name.contains(&only) {
            continue;
        }
        let run = || goldenscript::run(&mut env::Cluster::default(), &path);
        match std::panic::catch_unwind(run) {
            Ok(Ok(())) => {}
            Ok(Err(why)) => differ.push(format!("{name}: {why}")),
            Err(_) => differ.push(name),
        }
    }
    assert!(differ.is_empty(), "{} scripts differ or fail:\n{}", differ.len(), differ.join("\n"));
}

/// A script that is run twice gives the same transcript: no order in the core depends on chance.
#[test]
fn scripts_are_deterministic() {
    for path in scripts() {
        let input = std::fs::read_to_string(&path).expect("a readable script");
        let run =
            || goldenscript::generate(&mut env::Cluster::default(), &input).expect("it ran a moment ago");
        assert_eq!(run(), run(), "{}", path.display());
    }
}
