//! Builds the course book into `target/book`, and fails if any link in it leads nowhere. Needs no network.
//!
//! The sources are ordinary Markdown that reads well on a code host and in an editor. Three things are more than mdBook
//! does by itself, so the sources are copied to `target/book-src` and changed there before mdBook sees them:
//!
//! - a link that leaves `docs/src` for a source file, such as `../../raft/src/election.rs#campaign`, becomes a link to a
//!   page with that source, at the line that defines `campaign`;
//! - a picture `![text](img/name.svg)` becomes part of the page, so that it takes the colours of the theme;
//! - `<!-- generated: ... -->` becomes what it names: the functions of a part (`holes 2aa`), the rules that the checks know
//!   (`rules`), or a file that another command wrote (`file target/bugs.md`). See [`generated`].
//!
//! Students may restructure their tree, so in a stamped one a name that is gone from a source file is no error. (The stamper
//! has taken the links out that lead to what it leaves out.)

mod check;
mod generated;
mod links;
mod pages;
mod rules;
#[cfg(test)]
mod tests;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, Result, bail};
use mdbook_driver::MDBook;

fn main() -> ExitCode {
    match build() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("book: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn build() -> Result<()> {
    let root = find_root()?;
    let docs = root.join("docs");
    let copy = root.join("target/book-src");
    let out = root.join("target/book");
    for dir in [&copy, &out] {
        if dir.exists() {
            fs::remove_dir_all(dir).with_context(|| format!("cannot clear {}", dir.display()))?;
        }
    }
    copy_tree(&docs.join("src"), &copy.join("src"))?;
    for file in ["book.toml", "book.css"] {
        fs::copy(docs.join(file), copy.join(file)).with_context(|| format!("cannot copy docs/{file}"))?;
    }

    let mut sources = pages::Sources::new(&root);
    let mut complaints = Vec::new();
    for page in markdown_pages(&copy.join("src"))? {
        let text = fs::read_to_string(&page)?;
        let changed = pages::prepare(&root, &copy.join("src"), &page, &text, &mut sources, &mut complaints)?;
        fs::write(&page, changed)?;
    }
    MDBook::load(&copy)?.build().context("mdBook failed")?;
    sources.write(&out)?;

    complaints.extend(check::check(&out)?);
    if !complaints.is_empty() {
        for complaint in &complaints {
            eprintln!("{complaint}");
        }
        bail!("{} broken links", complaints.len());
    }
    println!("book: target/book/index.html");
    Ok(())
}

/// The workspace: the nearest directory upwards that holds `docs/book.toml`.
fn find_root() -> Result<PathBuf> {
    let here = std::env::current_dir()?;
    let found = here.ancestors().find(|dir| dir.join("docs/book.toml").exists());
    found.map(Path::to_owned).context("no docs/book.toml here or above: run this inside the repository")
}

fn copy_tree(from: &Path, to: &Path) -> Result<()> {
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from).with_context(|| format!("cannot read {}", from.display()))? {
        let entry = entry?;
        let target = to.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            copy_tree(&entry.path(), &target)?;
        } else {
            fs::copy(entry.path(), target)?;
        }
    }
    Ok(())
}

/// All Markdown files under `dir`, in order.
fn markdown_pages(dir: &Path) -> Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(dir)? {
        let path = entry?.path();
        if path.is_dir() {
            found.extend(markdown_pages(&path)?);
        } else if path.extension().is_some_and(|extension| extension == "md") {
            found.push(path);
        }
    }
    found.sort();
    Ok(found)
}
