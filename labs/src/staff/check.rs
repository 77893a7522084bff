//! Does the manifest fit the source, and does a stamped tree differ from it only where it should?

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use super::zoo;
use crate::manifest::Part;
use crate::stamp::{MARK, Open, Stamper, edit, tree};
use crate::syntax::Crates;

/// Checks holes, planted bugs and variants against the source, and stamps every checkpoint.
pub fn check(root: &Path) -> Result<u8> {
    let stamper = Stamper::new(root)?;
    let mut complaints = zoo::complaints(root, &stamper)?;
    for part in &stamper.course().parts {
        complaints.extend(round_trip(root, &stamper, &Open::From(part.id.clone()))?);
    }
    for complaint in &complaints {
        println!("  ✘ {complaint}");
    }
    let parts = &stamper.course().parts;
    let holes: usize = parts.iter().map(|part| part.holes.len()).sum();
    let animals = zoo::animals(root, &stamper)?.len() - holes;
    println!(
        "check: {} parts, {holes} holes, {animals} bugs and variants: {} complaints",
        parts.len(),
        complaints.len()
    );
    Ok(u8::from(!complaints.is_empty()))
}

/// Stamps, fills the holes with the reference's bodies, and compares with the reference.
pub fn round_trip(root: &Path, stamper: &Stamper, open: &Open) -> Result<Vec<String>> {
    let out = root.join("target/stamped/check");
    stamper.stamp(open, &out, true)?;
    let parts = stamper.open_parts(open)?;
    let mut stamped = tree::files(&out, &[])?;
    let filled = fill(stamper, &parts, &out)?;
    for (file, text) in filled {
        stamped.insert(file, tree::Content::new(text));
    }
    let mut complaints = Vec::new();
    for (file, content) in &stamped {
        let changed = [Path::new("Cargo.toml"), Path::new("Cargo.lock")].contains(&file.as_path())
            || file == Path::new(MARK)
            || file.extension().is_some_and(|e| e == "md")
            || root.join("labs/overlay").join(file).exists();
        if changed {
            continue;
        }
        let expected = match file.extension().is_some_and(|e| e == "rs") && is_student(stamper, file) {
            true => expected(stamper, &parts, file)?.into_bytes(),
            false => std::fs::read(root.join(file)).unwrap_or_default(),
        };
        if expected != content.bytes {
            complaints
                .push(format!("{} is not the reference's, but for its holes ({open:?})", file.display()));
        }
    }
    Ok(complaints)
}

fn is_student(stamper: &Stamper, file: &Path) -> bool {
    let crates = stamper.course().student_crates();
    crates.iter().filter_map(|name| stamper.crates().folder(name)).any(|folder| file.starts_with(folder))
}

/// The stamped files with holes, after putting the reference's bodies into the holes, which are found by their paths.
fn fill(stamper: &Stamper, parts: &[&Part], out: &Path) -> Result<BTreeMap<PathBuf, String>> {
    let crates = Crates::find(out)?;
    let mut edits: BTreeMap<PathBuf, Vec<edit::Edit>> = BTreeMap::new();
    for hole in parts.iter().flat_map(|part| &part.holes) {
        let (from, to) = (stamper.crates().locate(&hole.path)?, crates.locate(&hole.path)?);
        let body = from.body.context("a hole has a body")?;
        let text = stamper.read(&from.file)?[body].to_string();
        edits
            .entry(to.file)
            .or_default()
            .push(edit::Edit { range: to.body.context("a hole has a body")?, text });
    }
    let apply = |(file, edits): (PathBuf, Vec<edit::Edit>)| {
        let text = std::fs::read_to_string(out.join(&file))?;
        let filled = edit::apply(&text, &edits)?;
        Ok((file, filled))
    };
    edits.into_iter().map(apply).collect()
}

/// The reference's file without what disappears from student trees.
fn expected(stamper: &Stamper, parts: &[&Part], file: &Path) -> Result<String> {
    let text = stamper.read(file)?;
    let mut removals = Vec::new();
    for gone in parts.iter().flat_map(|part| &part.drops) {
        let place = stamper.crates().locate(&gone.path)?;
        if place.file == file {
            removals.push(edit::Edit::removal(&text, place.item));
        }
    }
    Ok(edit::without_tests(&edit::apply(&text, &removals)?)?.0)
}
