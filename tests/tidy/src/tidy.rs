//! What clippy and rustfmt cannot say: sizes, heads, leftovers, layers, links, dead files. Each test lists everything it
//! dislikes, and passes if the list is empty. Deliberate exceptions stand in [`exceptions`], each with its reason.

mod docs;
mod exceptions;
mod layers;
#[path = "../../../docs/builder/src/links.rs"]
mod links;
mod tree;

use exceptions::is_excepted;
use tree::{Tree, complain};

/// A file that no longer fits into a head does not fit into a review either.
const LINES_MAX: usize = 500;

#[test]
fn source_files_are_short() {
    let tree = Tree::read();
    let long = tree.rust().filter(|file| !is_test(&file.path)).filter_map(|file| {
        let lines = file.text.lines().take_while(|line| !line.starts_with("#[cfg(test)]")).count();
        let fine = lines <= LINES_MAX || is_excepted("sizes", &file.path);
        (!fine).then(|| format!("{}: {lines} lines, at most {LINES_MAX}: cut it by concern", file.path))
    });
    complain(long);
}

/// Test scenarios and the graded suites may be as long as their list of cases.
fn is_test(path: &str) -> bool {
    let graded = [
        "tests/raft/src/suite/",
        "tests/raft/src/unit/",
        "tests/cluster/src/suite/",
        "tests/cluster/src/unit/",
    ];
    path.contains("/tests/") || path.ends_with("tests.rs") || graded.iter().any(|dir| path.starts_with(dir))
}

#[test]
fn every_source_file_says_what_it_is() {
    let tree = Tree::read();
    let silent = tree.rust().filter(|file| {
        let head = file.text.strip_prefix("//! ").and_then(|rest| rest.lines().next());
        head.is_none_or(|head| head.len() < 8) && !is_excepted("heads", &file.path)
    });
    complain(
        silent.map(|file| format!("{}: start with a `//!` line that says what the file is for", file.path)),
    );
}

#[test]
fn nothing_is_left_over() {
    // Put together here, so that this file does not find itself.
    let notes = [concat!("TO", "DO"), concat!("FIX", "ME"), concat!("XX", "X")];
    let code = [concat!("db", "g!("), concat!("#[ig", "nore]")];
    let tree = Tree::read();
    complain(tree.lines().filter_map(|(file, number, line)| {
        let comment = line.find("//").or_else(|| line.find('#')).or_else(|| line.find("<!--"));
        let remark = if file.path.ends_with(".md") { line } else { &line[comment.unwrap_or(line.len())..] };
        let note = notes.iter().find(|note| remark.contains(**note));
        let found = note.or_else(|| code.iter().find(|left| line.contains(**left)))?;
        (!is_excepted("leftovers", &file.path)).then(|| format!("{}:{number}: {found}", file.path))
    }));
}

#[test]
fn no_path_of_one_machine() {
    let homes = [concat!("/ho", "me/"), concat!("/wo", "rk/"), concat!("/ro", "ot/"), concat!("/Us", "ers/")];
    let tree = Tree::read();
    complain(tree.lines().filter_map(|(file, number, line)| {
        let found = homes.iter().find(|home| line.contains(**home))?;
        (!is_excepted("paths", &file.path))
            .then(|| format!("{}:{number}: {found}... exists on one machine", file.path))
    }));
}

#[test]
fn lines_end_cleanly() {
    let tree = Tree::read();
    complain(tree.lines().filter_map(|(file, number, line)| {
        let found = if line.ends_with([' ', '\t', '\r']) { "white space at the end" } else { return None };
        (!is_excepted("white space", &file.path)).then(|| format!("{}:{number}: {found}", file.path))
    }));
}

#[test]
fn every_golden_file_is_run() {
    let tree = Tree::read();
    complain(tree.files.iter().filter(|file| file.path.contains("/golden/")).filter_map(|file| {
        let (package, rest) = file.path.split_once("/golden/")?;
        let package = package.split("/tests").next()?;
        // A test may name the file, or any folder that it lies in and that the test walks through.
        let parts: Vec<&str> = rest.split('/').collect();
        let folders = (1..parts.len()).map(|depth| format!("golden/{}", parts[..depth].join("/")));
        let stem = parts.last()?.split('.').next()?.to_owned();
        let names: Vec<String> = folders.chain([stem, "tests/golden\"".to_owned()]).collect();
        let in_package = |source: &&tree::File| source.path.starts_with(&format!("{package}/"));
        let names_it = |source: &tree::File| names.iter().any(|name| source.text.contains(name.as_str()));
        let is_run = tree.rust().filter(in_package).any(names_it);
        (!is_run).then(|| format!("{}: no test of {package} names it or its folder", file.path))
    }));
}

#[test]
fn no_exception_is_stale() {
    let tree = Tree::read();
    let gone =
        exceptions::ALL.iter().filter(|(_, path, _)| !tree.files.iter().any(|file| file.path == *path));
    complain(gone.map(|(what, path, _)| format!("exception from {what}: there is no {path} any more")));
}
