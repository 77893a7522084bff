//! Texts point to what exists: pages, headings, files, functions, sections of handouts.

use std::path::{Component, Path};

use crate::exceptions::is_excepted;
use crate::links;
use crate::tree::{File, Tree, complain};

/// Where the handouts stand.
const HANDOUTS: &str = "docs/src";

#[test]
fn links_lead_somewhere() {
    let tree = Tree::read();
    complain(tree.markdown().filter(|file| !is_excepted("links", &file.path)).flat_map(|file| {
        let local = links::links(&file.text).into_iter().filter(|link| !link.is_external());
        let broken = local.filter_map(|link| Some((link.line, broken(&tree, file, &link)?)));
        broken.map(|(line, why)| format!("{}:{line}: {why}", file.path)).collect::<Vec<_>>()
    }));
}

fn broken(tree: &Tree, file: &File, link: &links::Link) -> Option<String> {
    let (path, fragment) = link.split();
    let target = if path.is_empty() { file.path.clone() } else { resolve(&file.path, path) };
    let Some(text) = tree.text(&target) else {
        let exists = tree.root.join(&target).exists();
        return (!exists).then(|| format!("there is no {target}"));
    };
    let fragment = fragment?;
    // The sections of the rules page are written when the book is built, which checks them.
    let found = if target.ends_with("/rules.md") {
        true
    } else if target.ends_with(".md") {
        headings(text).iter().any(|heading| heading == fragment)
    } else {
        links::definition(text, fragment).is_some()
    };
    (!found).then(|| format!("{target} has no {fragment}"))
}

fn resolve(from: &str, path: &str) -> String {
    let mut parts: Vec<&str> = from.split('/').collect();
    parts.pop();
    for part in Path::new(path).components() {
        match part {
            Component::ParentDir => drop(parts.pop()),
            Component::Normal(part) => parts.push(part.to_str().unwrap_or_default()),
            _ => {}
        }
    }
    parts.join("/")
}

/// Graded tests name the section that explains what they check: `2a-election.md#votes`.
#[test]
fn tests_name_sections_that_exist() {
    let tree = Tree::read();
    complain(tree.files.iter().filter(|file| names_sections(&file.path)).flat_map(|file| {
        let named = sections(&file.text);
        let missing = named.into_iter().filter(|(_, page, section)| {
            let text = tree.text(&format!("{HANDOUTS}/{page}"));
            !text.is_some_and(|text| {
                section.is_empty() || headings(text).iter().any(|heading| heading == section)
            })
        });
        missing
            .map(|(line, page, section)| format!("{}:{line}: no section {page}#{section}", file.path))
            .collect::<Vec<_>>()
    }));
}

fn names_sections(path: &str) -> bool {
    (path.starts_with("tests/raft/src/") && path.ends_with(".rs")) || path.starts_with("labs/parts/")
}

/// Every string `"page.md#section"` of a source: line, page, section.
fn sections(text: &str) -> Vec<(usize, &str, &str)> {
    let mut found = Vec::new();
    for (number, line) in text.lines().enumerate() {
        for quoted in line.split('"').skip(1).step_by(2) {
            let (page, section) = quoted.split_once('#').unwrap_or((quoted, ""));
            let is_name = |c: char| c.is_ascii_alphanumeric() || c == '-';
            if page.strip_suffix(".md").is_some_and(|stem| !stem.is_empty() && stem.chars().all(is_name)) {
                found.push((number + 1, page, section));
            }
        }
    }
    found
}

/// Ids of the headings of `markdown`, as mdBook makes them (without the numbers it appends to repeated ones).
fn headings(markdown: &str) -> Vec<String> {
    let mut fenced = false;
    let mut ids = Vec::new();
    for line in markdown.lines() {
        if line.trim_start().starts_with("```") {
            fenced = !fenced;
        }
        let text = line.trim_start_matches('#');
        let level = line.len() - text.len();
        if !fenced && (1..=6).contains(&level) && text.starts_with(' ') {
            ids.push(slug(text));
        }
    }
    ids
}

/// Id of a heading with this text.
fn slug(text: &str) -> String {
    let keep = |c: char| match c {
        c if c.is_alphanumeric() || c == '_' || c == '-' => Some(c),
        c if c.is_whitespace() => Some('-'),
        _ => None,
    };
    text.trim().to_lowercase().chars().filter_map(keep).collect()
}
