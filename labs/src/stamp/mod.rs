//! Student trees, stamped out of the reference.
//!
//! A stamped tree is a copy of the reference in which the bodies of the open parts' holes say `todo!("2aa: <path>")`
//! and their dropped helpers are gone; every other byte of the source stays as it is. What students do not need
//! (`leave_out` in `labs/stamp.toml`) is not copied, what only they need (`labs/overlay`) is added, and lints about
//! unused code are switched off, since an open hole uses nothing.

pub mod edit;
pub mod links;
pub mod tree;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use serde::Deserialize;

use crate::manifest::{Course, Hole, Part};
use crate::syntax::Crates;
use edit::Edit;

/// Marks a stamped tree, and says what is open in it.
pub const MARK: &str = "labs/stamped.toml";

/// Which parts are open in a stamped tree.
#[derive(Clone, Debug)]
pub enum Open {
    /// This part and all later ones.
    From(String),
    /// All but these.
    AllBut(Vec<String>),
}

/// What is left out of stamped trees: `labs/stamp.toml`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// Files, and folders with a slash at the end, that students do not get.
    #[serde(default)]
    pub leave_out: Vec<String>,
}

/// Stamps trees out of one reference.
pub struct Stamper {
    root: PathBuf,
    course: Course,
    crates: Crates,
    settings: Settings,
}

impl Stamper {
    /// A stamper for the reference tree at `root`.
    pub fn new(root: &Path) -> Result<Stamper> {
        let file = root.join("labs/stamp.toml");
        let settings = match std::fs::read_to_string(&file) {
            Ok(text) => toml::from_str(&text).with_context(|| format!("in {}", file.display()))?,
            Err(_) => Settings::default(),
        };
        let (course, crates) = (Course::load(root)?, Crates::find(root)?);
        Ok(Stamper { root: root.into(), course, crates, settings })
    }

    /// The course that the reference's manifest describes.
    pub fn course(&self) -> &Course {
        &self.course
    }

    /// The parts that are open.
    pub fn open_parts(&self, open: &Open) -> Result<Vec<&Part>> {
        match open {
            Open::From(first) => {
                let first = self.course.part(first)?.order;
                Ok(self.course.parts.iter().filter(|part| part.order >= first).collect())
            }
            Open::AllBut(solved) => {
                for id in solved {
                    self.course.part(id)?;
                }
                Ok(self.course.parts.iter().filter(|part| !solved.contains(&part.id)).collect())
            }
        }
    }

    /// Writes a student tree to `out`, which must be new, empty, or (with `again`) an earlier stamp; then only what
    /// differs is written. Returns how many bodies are open.
    pub fn stamp(&self, open: &Open, out: &Path, again: bool) -> Result<usize> {
        let parts = self.open_parts(open)?;
        let edits = self.edits(&parts)?;
        let mut files = tree::files(&self.root, &self.settings.leave_out)?;
        let count: usize = parts.iter().map(|part| part.holes.len()).sum();
        for (file, edits) in &edits {
            let content = files.get_mut(file).with_context(|| format!("{} is left out", file.display()))?;
            let text = std::str::from_utf8(&content.bytes).with_context(|| format!("{}", file.display()))?;
            content.bytes = edit::apply(text, edits)?.into_bytes();
        }
        self.drop_tests(&mut files)?;
        for (file, content) in
            files.iter_mut().filter(|(file, _)| file.extension().is_some_and(|e| e == "md"))
        {
            let text = std::str::from_utf8(&content.bytes)?;
            content.bytes = links::unlink(file, text, &self.settings.leave_out).into_bytes();
        }
        let manifest = files.get_mut(Path::new("Cargo.toml")).context("the tree has no Cargo.toml")?;
        let text = relax(std::str::from_utf8(&manifest.bytes)?)?;
        manifest.bytes = fewer_members(&text, &self.settings.leave_out).into_bytes();
        let first = parts.first().map_or("none", |part| part.id.as_str());
        tree::relabel(&mut files, &format!("from-{first}"))?;
        tree::overlay(&self.root.join("labs/overlay"), first, &mut files)?;
        let ids: Vec<_> = parts.iter().map(|part| format!("{:?}", part.id)).collect();
        let mark = format!(
            "# Written by the stamper: the parts that are yours to write.\nopen = [{}]\n",
            ids.join(", ")
        );
        files.insert(MARK.into(), tree::Content::new(mark));
        tree::write(&files, out, again)?;
        Ok(count)
    }

    /// The edits that open these parts, by file.
    pub fn edits(&self, parts: &[&Part]) -> Result<BTreeMap<PathBuf, Vec<Edit>>> {
        let mut edits: BTreeMap<PathBuf, Vec<Edit>> = BTreeMap::new();
        let mut dropped = Vec::new();
        for part in parts {
            for hole in &part.holes {
                let (file, edit) = self.open_hole(part, hole).with_context(|| format!("part {}", part.id))?;
                edits.entry(file).or_default().push(edit);
            }
            for gone in &part.drops {
                let place = self.crates.locate(&gone.path).with_context(|| format!("part {}", part.id))?;
                let text = self.read(&place.file)?;
                edits.entry(place.file).or_default().push(Edit::removal(&text, place.item));
                dropped.push(gone.path.as_str());
            }
        }
        if !dropped.is_empty() {
            for (file, text) in self.sources()? {
                let gone = edits.get(&file).map_or(&[][..], Vec::as_slice);
                links::check_docs(&file, &text, gone, &dropped)?;
            }
        }
        Ok(edits)
    }

    /// The edit that opens one hole.
    pub fn open_hole(&self, part: &Part, hole: &Hole) -> Result<(PathBuf, Edit)> {
        let place = self.crates.locate(&hole.path)?;
        if let Some(reason) = place.refusal {
            anyhow::bail!("`{}` cannot be a hole: {reason}", hole.path);
        }
        let body = place.body.with_context(|| format!("`{}` has no body", hole.path))?;
        let inside = hole_body(part, hole)?;
        let text = self.read(&place.file)?;
        let filled = edit::block(&text, &body, &inside);
        Ok((place.file, Edit { range: body, text: filled }))
    }

    /// Where the reference's items are.
    pub fn crates(&self) -> &Crates {
        &self.crates
    }

    /// Text of a file of the reference.
    pub fn read(&self, file: &Path) -> Result<String> {
        std::fs::read_to_string(self.root.join(file))
            .with_context(|| format!("cannot read {}", file.display()))
    }

    /// Every Rust file of the crates in which students write.
    fn sources(&self) -> Result<Vec<(PathBuf, String)>> {
        let folders: Vec<_> =
            self.course.student_crates().iter().filter_map(|name| self.crates.folder(name)).collect();
        let files = tree::names(&self.root, &self.settings.leave_out)?;
        let inside = |file: &PathBuf| {
            file.extension().is_some_and(|e| e == "rs")
                && folders.iter().any(|folder| file.starts_with(folder))
        };
        files.into_iter().filter(inside).map(|file| Ok((file.clone(), self.read(&file)?))).collect()
    }

    /// Takes the reference's own tests out of the crates in which students write.
    fn drop_tests(&self, files: &mut tree::Files) -> Result<()> {
        let folders: Vec<_> =
            self.course.student_crates().iter().filter_map(|name| self.crates.folder(name)).collect();
        let mut gone = Vec::new();
        for (file, content) in files.iter_mut() {
            let ours =
                file.extension().is_some_and(|e| e == "rs") && folders.iter().any(|f| file.starts_with(f));
            if !ours {
                continue;
            }
            let text = String::from_utf8(std::mem::take(&mut content.bytes))?;
            let (kept, modules) =
                edit::without_tests(&text).with_context(|| format!("{}", file.display()))?;
            content.bytes = kept.into_bytes();
            let stem = file.with_extension("");
            let folder = match file.file_name().and_then(|name| name.to_str()) {
                Some("lib.rs" | "mod.rs") => file.parent().unwrap_or(Path::new("")).to_path_buf(),
                _ => stem,
            };
            gone.extend(modules.into_iter().map(|module| folder.join(module)));
        }
        files.retain(|file, _| {
            !gone.iter().any(|module| file.starts_with(module) || *file == module.with_extension("rs"))
        });
        Ok(())
    }
}

/// What stands between the braces of an open hole.
pub fn hole_body(part: &Part, hole: &Hole) -> Result<String> {
    match &hole.stub {
        None => Ok(format!("todo!({:?})", part.label(&hole.path))),
        Some(stub) => {
            syn::parse_str::<syn::Block>(&format!("{{ {stub} }}"))
                .with_context(|| format!("the stub of `{}` is not Rust: {stub}", hole.path))?;
            Ok(stub.trim().into())
        }
    }
}

/// Open holes leave variables, imports and helpers unused: no reason to warn students.
fn relax(manifest: &str) -> Result<String> {
    const HEAD: &str = "[workspace.lints.rust]\n";
    ensure!(manifest.contains(HEAD), "Cargo.toml has no [workspace.lints.rust] to relax for open holes");
    let unused = format!(
        "{HEAD}# A body that is not written yet uses nothing.\nunused = {{ level = \"allow\", priority = -2 }}\n"
    );
    Ok(manifest.replacen(HEAD, &unused, 1).replace("\ntodo = \"deny\"\n", "\n"))
}

/// Packages that are left out are no members.
fn fewer_members(manifest: &str, leave_out: &[String]) -> String {
    let Some(start) = manifest.find("members = [") else { return manifest.into() };
    let end = manifest[start..].find(']').map_or(manifest.len(), |at| start + at);
    let mut members = manifest[start..end].to_owned();
    for folder in leave_out {
        let member = format!("{:?}", folder.trim_end_matches('/'));
        members = members.replace(&format!("{member}, "), "").replace(&format!(", {member}"), "");
    }
    format!("{}{members}{}", &manifest[..start], &manifest[end..])
}
