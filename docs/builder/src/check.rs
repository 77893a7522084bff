//! Finds links of the finished book that lead nowhere.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Component, Path, PathBuf};

use anyhow::Result;

/// One finished page: the ids it has, and the local targets it links to.
struct Page {
    ids: BTreeSet<String>,
    targets: Vec<String>,
}

/// What is wrong with the links of the book in `out`, one line each.
pub fn check(out: &Path) -> Result<Vec<String>> {
    let mut pages = BTreeMap::new();
    read_pages(out, out, &mut pages)?;
    let mut complaints = Vec::new();
    for (name, page) in &pages {
        for target in &page.targets {
            if let Some(why) = broken(out, name, target, &pages) {
                complaints.push(format!("target/book/{}: {target}: {why}", name.display()));
            }
        }
    }
    Ok(complaints)
}

fn read_pages(out: &Path, dir: &Path, pages: &mut BTreeMap<PathBuf, Page>) -> Result<()> {
    for entry in fs::read_dir(dir)? {
        let path = entry?.path();
        if path.is_dir() {
            read_pages(out, &path, pages)?;
        } else if path.extension().is_some_and(|extension| extension == "html") {
            let html = fs::read_to_string(&path)?;
            let mut targets = attributes(&html, "href");
            targets.extend(attributes(&html, "src"));
            targets.retain(|target| !target.contains("://") && !target.starts_with("mailto:"));
            let ids = attributes(&html, "id").into_iter().collect();
            pages.insert(path.strip_prefix(out)?.to_owned(), Page { ids, targets });
        }
    }
    Ok(())
}

/// Values of every attribute `name="..."` inside a tag.
fn attributes(html: &str, name: &str) -> Vec<String> {
    let pattern = format!(" {name}=\"");
    let mut values = Vec::new();
    for (at, _) in html.match_indices(&pattern) {
        let inside_tag = html[..at].rfind(['<', '>']).is_some_and(|open| html.as_bytes()[open] == b'<');
        let start = at + pattern.len();
        if let (true, Some(length)) = (inside_tag, html[start..].find('"')) {
            values.push(html[start..start + length].replace("&amp;", "&"));
        }
    }
    values
}

fn broken(out: &Path, from: &Path, target: &str, pages: &BTreeMap<PathBuf, Page>) -> Option<String> {
    let (path, fragment) = target.split_once('#').unwrap_or((target, ""));
    let to = if path.is_empty() { from.to_owned() } else { resolve(from, path)? };
    if !out.join(&to).exists() {
        return Some("no such page".to_owned());
    }
    let page = pages.get(&to)?;
    (!fragment.is_empty() && !page.ids.contains(fragment)).then(|| format!("no anchor {fragment} there"))
}

fn resolve(from: &Path, path: &str) -> Option<PathBuf> {
    let mut parts: Vec<Component<'_>> = from.parent()?.components().collect();
    for part in Path::new(path).components() {
        match part {
            Component::ParentDir => drop(parts.pop()),
            Component::CurDir => {}
            part => parts.push(part),
        }
    }
    Some(parts.iter().collect())
}
