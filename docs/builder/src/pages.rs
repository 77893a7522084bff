//! What happens to a page before mdBook sees it, and the pages that show source files.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::fs;
use std::path::{Component, Path, PathBuf};

use anyhow::{Context, Result};

use crate::{generated, links};

/// Source files that the book links to; each gets a page of its own.
pub struct Sources {
    root: PathBuf,
    /// A tree stamped for students may have been restructured by them: names that moved are no error there.
    pub is_stamped: bool,
    files: BTreeSet<PathBuf>,
}

impl Sources {
    /// No file yet.
    pub fn new(root: &Path) -> Sources {
        let is_stamped = !root.join("labs/stamp.toml").exists();
        Sources { root: root.to_owned(), is_stamped, files: BTreeSet::new() }
    }

    /// Writes one page for each file, below `out/code`.
    pub fn write(&self, out: &Path) -> Result<()> {
        for file in &self.files {
            let text = fs::read_to_string(self.root.join(file))?;
            let page = out.join(page_of(file));
            fs::create_dir_all(page.parent().context("a page has a directory")?)?;
            fs::write(&page, source_page(file, &text))?;
        }
        Ok(())
    }
}

/// Where the page of a source file stands in the book.
fn page_of(file: &Path) -> PathBuf {
    PathBuf::from(format!("code/{}.html", file.display()))
}

/// A source file as a page: numbered lines, each with an anchor.
fn source_page(file: &Path, text: &str) -> String {
    let mut lines = String::new();
    for (number, line) in text.lines().enumerate() {
        let number = number + 1;
        let _ = write!(
            lines,
            "<span id=\"l{number}\"><a href=\"#l{number}\">{number:>4}</a>  {}</span>",
            escape(line)
        );
    }
    format!(
        "<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><title>{name}</title><style>\n\
         :root {{ color-scheme: light dark; }}\n\
         body {{ font-family: sans-serif; margin: 1em 2em; }}\n\
         pre {{ font-size: 13px; line-height: 1.45; }} pre span {{ display: block; scroll-margin-top: 8em; }}\n\
         pre a {{ color: gray; text-decoration: none; }} pre span:target {{ background: #ffd54a55; }}\n\
         </style></head><body><h1><code>{name}</code></h1><pre>{lines}</pre></body></html>\n",
        name = escape(&file.display().to_string()),
    )
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

/// The text of `page` (a file below `src`, the copy of `docs/src`) as mdBook shall see it. What is wrong with its links
/// to source files goes to `complaints`.
pub fn prepare(
    root: &Path,
    src: &Path,
    page: &Path,
    text: &str,
    sources: &mut Sources,
    complaints: &mut Vec<String>,
) -> Result<String> {
    let name = page.strip_prefix(src).context("a page is below the sources")?;
    let text = generated::expand(root, text)?;
    let mut done = String::new();
    let mut copied = 0;
    for link in links::links(&text) {
        let (path, fragment) = link.split();
        let end = link.start + link.target.len();
        if link.is_image && path.ends_with(".svg") {
            let open = text[..link.start].rfind("![").context("a picture starts with ![")?;
            let caption = &text[open + 2..link.start - 2];
            done.push_str(&text[copied..open]);
            done.push_str(&picture(&page.with_file_name("").join(path), caption)?);
            copied = end + 1;
        } else if let Some(file) = source_file(name, path).filter(|_| !link.is_external()) {
            done.push_str(&text[copied..link.start]);
            let up = "../".repeat(name.components().count() - 1);
            let target = source_link(&file, fragment, sources);
            let target = target.unwrap_or_else(|complaint| {
                complaints.push(format!("docs/src/{}:{}: {complaint}", name.display(), link.line));
                format!("{}", page_of(&file).display())
            });
            let _ = write!(done, "{up}{target}");
            copied = end;
        }
    }
    done.push_str(&text[copied..]);
    Ok(done)
}

/// The file that `target`, seen from page `name`, means, if it lies outside `docs/src`: relative to the workspace.
fn source_file(name: &Path, target: &str) -> Option<PathBuf> {
    let mut parts = vec!["docs", "src"];
    parts.extend(name.parent()?.components().filter_map(|part| part.as_os_str().to_str()));
    for part in Path::new(target).components() {
        match part {
            Component::ParentDir => drop(parts.pop()?),
            Component::Normal(part) => parts.push(part.to_str()?),
            _ => {}
        }
    }
    let outside = !parts.starts_with(&["docs", "src"]) && !target.is_empty();
    outside.then(|| parts.iter().collect())
}

/// Link to the page of `file`, at the definition of `fragment`; the error says what is missing.
fn source_link(file: &Path, fragment: Option<&str>, sources: &mut Sources) -> Result<String, String> {
    let Ok(text) = fs::read_to_string(sources.root.join(file)) else {
        return Err(format!("no file {}", file.display()));
    };
    sources.files.insert(file.to_owned());
    let page = page_of(file);
    let Some(name) = fragment else { return Ok(page.display().to_string()) };
    match links::definition(&text, name) {
        Some(line) => Ok(format!("{}#l{line}", page.display())),
        None if sources.is_stamped => Ok(page.display().to_string()),
        None => Err(format!("{} does not define {name}", file.display())),
    }
}

/// The picture as part of the page. Blank lines would end the HTML block in Markdown.
fn picture(file: &Path, caption: &str) -> Result<String> {
    let svg = fs::read_to_string(file).with_context(|| format!("no picture {}", file.display()))?;
    let svg: Vec<&str> = svg.lines().filter(|line| !line.trim().is_empty()).collect();
    Ok(format!(
        "<figure class=\"picture\">\n{}\n<figcaption>{}</figcaption>\n</figure>",
        svg.join("\n"),
        escape(caption)
    ))
}
