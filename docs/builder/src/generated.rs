//! Parts of pages that are read from the code they are about, so that they cannot differ from it.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use anyhow::{Context, Result, bail, ensure};

use crate::{links, rules};

const OPEN: &str = "<!-- generated: ";
const CLOSE: &str = " -->";

/// `text` with every mark `<!-- generated: what -->` replaced by what it names.
pub fn expand(root: &Path, text: &str) -> Result<String> {
    let mut done = String::new();
    let mut rest = text;
    while let Some(at) = rest.find(OPEN) {
        let (before, after) = (&rest[..at], &rest[at + OPEN.len()..]);
        let (what, after) = after.split_once(CLOSE).context("a mark `<!-- generated:` has no end")?;
        done.push_str(before);
        done.push_str(&generate(root, what)?);
        rest = after;
    }
    done.push_str(rest);
    Ok(done)
}

fn generate(root: &Path, what: &str) -> Result<String> {
    match what.split_once(' ') {
        Some(("holes", part)) => holes(root, part),
        Some(("file", path)) => Ok(file(root, path)),
        None if what == "rules" => rules::sections(root),
        _ => bail!("nobody knows how to generate `{what}`"),
    }
}

/// The functions of a part, as its manifest lists them: where they stand, and how their contracts begin.
fn holes(root: &Path, part: &str) -> Result<String> {
    let path = format!("labs/parts/{part}.toml");
    let text = fs::read_to_string(root.join(&path)).with_context(|| format!("no {path}"))?;
    let manifest: toml::Table = toml::from_str(&text).with_context(|| format!("in {path}"))?;
    let holes = manifest
        .get("hole")
        .and_then(toml::Value::as_array)
        .with_context(|| format!("{path} has no holes"))?;
    let mut table = String::from("| function | what it is for |\n|---|---|\n");
    for hole in holes {
        let field = |name: &str| hole.get(name).and_then(toml::Value::as_str).unwrap_or_default();
        let (file, name) = locate(root, field("path"))?;
        let source = fs::read_to_string(root.join(&file))?;
        let line = links::definition(&source, &name);
        let summary = line.map(|line| summary(&source, line)).unwrap_or_default();
        let is_stamped = !root.join("labs/stamp.toml").exists();
        ensure!(
            is_stamped || !summary.is_empty(),
            "{path}: {name} has no doc comment in {file}, and that is what students go by"
        );
        let section = field("handout");
        let anchor = section.rsplit('#').next().unwrap_or_default();
        let _ = writeln!(
            table,
            "| [`{name}`](../../{file}#{name})<br><small>{}, [{}]({section})</small> | {summary} |",
            file.rsplit('/').next().unwrap_or_default(),
            anchor.replace('-', " ")
        );
    }
    Ok(table)
}

/// File and name within it of an item path such as `raft::election::Raft::campaign`.
fn locate(root: &Path, path: &str) -> Result<(String, String)> {
    let mut parts = path.split("::");
    let package = parts.next().unwrap_or_default();
    let parts: Vec<&str> = parts.collect();
    let modules = parts.iter().take_while(|part| part.starts_with(|c: char| c.is_lowercase())).count();
    // A free function is the last of the lower-case parts.
    let modules = modules.min(parts.len().saturating_sub(1));
    let (modules, item) = (parts[..modules].join("/"), parts[modules..].join("::"));
    let candidates = [format!("{package}/src/{modules}.rs"), format!("{package}/src/{modules}/mod.rs")];
    let file = candidates.into_iter().find(|file| root.join(file).exists());
    Ok((file.with_context(|| format!("no file for {path}"))?, item))
}

/// The first sentence of the doc comment above `line` (from 1).
fn summary(source: &str, line: usize) -> String {
    let before: Vec<&str> = source.lines().take(line - 1).collect();
    let doc = before.iter().rev().map(|line| line.trim()).skip_while(|line| line.starts_with("#["));
    let mut doc: Vec<&str> = doc.map_while(|line| line.strip_prefix("///")).map(str::trim).collect();
    doc.reverse();
    let first: Vec<&str> = doc.into_iter().take_while(|line| !line.is_empty()).collect();
    let text = first.join(" ").replace("[`", "`").replace("`]", "`").replace('|', "\\|");
    let end = text.match_indices(". ").map(|(at, _)| at + 1).find(|&at| text[at..].starts_with(" "));
    end.map_or(text.clone(), |end| text[..end].to_owned())
}

/// What another command has written, such as `make bugs`.
fn file(root: &Path, path: &str) -> String {
    let missing = |_| format!("*There is no `{path}` yet.*");
    fs::read_to_string(root.join(path)).unwrap_or_else(missing)
}
