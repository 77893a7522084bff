//! Trees of files: reading a reference tree, adding an overlay, writing the result.

use std::collections::BTreeMap;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail, ensure};

/// Files by their path below the root.
pub type Files = BTreeMap<PathBuf, Content>;

/// One file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Content {
    /// What it holds.
    pub bytes: Vec<u8>,
    /// May it be executed?
    pub executable: bool,
}

impl Content {
    /// An ordinary file.
    pub fn new(text: impl Into<Vec<u8>>) -> Content {
        Content { bytes: text.into(), executable: false }
    }
}

/// The files of a tree that belong to it: what git tracks or would track (all, if it is no repository), without what `leave_out` names (a file, or a
/// folder with a slash at the end) and without stamped trees inside it.
pub fn names(root: &Path, leave_out: &[String]) -> Result<Vec<PathBuf>> {
    let names = if root.join(".git").exists() {
        tracked(root)?
    } else {
        let mut names = Vec::new();
        walk(root, Path::new(""), &mut names)?;
        names
    };
    let nested: Vec<PathBuf> = names
        .iter()
        .filter(|name| name.ends_with(super::MARK) && name.as_path() != Path::new(super::MARK))
        .filter_map(|name| name.ancestors().nth(2).map(Path::to_path_buf))
        .collect();
    let mut kept: Vec<PathBuf> = names
        .into_iter()
        .filter(|name| !left_out(name, leave_out) && !nested.iter().any(|folder| name.starts_with(folder)))
        .filter(|name| root.join(name).is_file())
        .collect();
    kept.sort();
    kept.dedup();
    Ok(kept)
}

fn tracked(root: &Path) -> Result<Vec<PathBuf>> {
    let output = Command::new("git")
        .args(["ls-files", "-z", "--cached", "--others", "--exclude-standard"])
        .current_dir(root)
        .output()
        .context("cannot run git, which tells the files of the tree")?;
    ensure!(output.status.success(), "git: {}", String::from_utf8_lossy(&output.stderr).trim_end());
    let listed = String::from_utf8(output.stdout).context("a file name that is not UTF-8")?;
    Ok(listed.split('\0').filter(|name| !name.is_empty()).map(PathBuf::from).collect())
}

/// Does `leave_out` name this file?
pub fn left_out(file: &Path, leave_out: &[String]) -> bool {
    leave_out.iter().any(|entry| match entry.strip_suffix('/') {
        Some(folder) => file.starts_with(folder),
        None => file == Path::new(entry),
    })
}

/// Reads the files of a tree, chosen as by [`names`].
pub fn files(root: &Path, leave_out: &[String]) -> Result<Files> {
    let read = |name: PathBuf| {
        let path = root.join(&name);
        let bytes = std::fs::read(&path).with_context(|| format!("cannot read {}", path.display()))?;
        let executable = path.metadata()?.permissions().mode() & 0o111 != 0;
        Ok((name, Content { bytes, executable }))
    };
    names(root, leave_out)?.into_iter().map(read).collect()
}

/// Adds the files below `folder` to a tree; `{{part}}` in their text becomes `part`.
pub fn overlay(folder: &Path, part: &str, files: &mut Files) -> Result<()> {
    let mut names = Vec::new();
    if folder.is_dir() {
        walk(folder, Path::new(""), &mut names)?;
    }
    for name in names {
        let text = std::fs::read_to_string(folder.join(&name))?;
        files.insert(name, Content::new(text.replace("{{part}}", part)));
    }
    Ok(())
}

/// Writes a tree. Without `again`, `out` must be new or empty; with it, files that are the same stay untouched (so that
/// cargo does not build them again) and files that do not belong disappear, except below `target`.
pub fn write(files: &Files, out: &Path, again: bool) -> Result<()> {
    let mut old = Vec::new();
    if out.is_dir() {
        walk(out, Path::new(""), &mut old)?;
        ensure!(again || old.is_empty(), "{} is not empty: name a new folder", out.display());
    }
    for name in old.iter().filter(|name| !files.contains_key(*name) && !name.starts_with("target")) {
        std::fs::remove_file(out.join(name))?;
    }
    for (name, content) in files {
        let path = out.join(name);
        if std::fs::read(&path).is_ok_and(|bytes| bytes == content.bytes) {
            continue;
        }
        let Some(folder) = path.parent() else { bail!("{} has no folder", path.display()) };
        std::fs::create_dir_all(folder).with_context(|| format!("cannot create {}", folder.display()))?;
        std::fs::write(&path, &content.bytes).with_context(|| format!("cannot write {}", path.display()))?;
        if content.executable {
            std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755))?;
        }
    }
    Ok(())
}

/// Gives the packages of a workspace another version, `0.1.0-label`. Cargo tells packages apart by name, version and place
/// *within* their workspace: two copies of a workspace that share a target folder would take each other's libraries.
pub fn relabel(files: &mut Files, label: &str) -> Result<()> {
    let text = |files: &Files, name: &str| -> Result<String> {
        let content = files.get(Path::new(name)).with_context(|| format!("the tree has no {name}"))?;
        Ok(std::str::from_utf8(&content.bytes)?.to_string())
    };
    let manifest = text(files, "Cargo.toml")?;
    let Some(version) =
        manifest.lines().find_map(|line| line.strip_prefix("version = \"")?.strip_suffix('"'))
    else {
        return Ok(());
    };
    let old = format!("version = \"{version}\"\n");
    let new = format!("version = \"{version}-{label}\"\n");
    files.insert("Cargo.toml".into(), Content::new(manifest.replacen(&old, &new, 1)));
    if let Ok(lock) = text(files, "Cargo.lock") {
        let ours = |block: &str| !block.contains("\nsource = ");
        let blocks = lock
            .split("\n\n")
            .map(|block| if ours(block) { block.replace(&old, &new) } else { block.into() });
        files.insert("Cargo.lock".into(), Content::new(blocks.collect::<Vec<_>>().join("\n\n")));
    }
    Ok(())
}

/// Adds the names of all files below `root/folder`, but for `.git` and `target`.
fn walk(root: &Path, folder: &Path, names: &mut Vec<PathBuf>) -> Result<()> {
    let path = root.join(folder);
    for entry in std::fs::read_dir(&path).with_context(|| format!("cannot read {}", path.display()))? {
        let entry = entry?;
        let name = folder.join(entry.file_name());
        let kind = entry.file_type()?;
        if kind.is_file() {
            names.push(name);
        } else if kind.is_dir() && entry.file_name() != ".git" && entry.file_name() != "target" {
            walk(root, &name, names)?;
        }
    }
    Ok(())
}
