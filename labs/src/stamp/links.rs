//! Links that a stamped tree would leave hanging: refused in doc comments, where they warn, and taken out of pages.

use std::path::{Component, Path, PathBuf};

use anyhow::{Result, bail};
use syn::spanned::Spanned;
use syn::visit::Visit;

use super::edit::Edit;
use super::tree::left_out;

/// Refuses a doc comment in `text` that links to one of the dropped items, unless it disappears itself.
pub fn check_docs(file: &Path, text: &str, gone: &[Edit], dropped: &[&str]) -> Result<()> {
    let mut docs = Docs(Vec::new());
    docs.visit_file(&syn::parse_file(text)?);
    for (at, line) in docs.0 {
        if gone.iter().any(|edit| edit.range.contains(&at)) {
            continue;
        }
        for link in links(&line) {
            if let Some(path) = dropped.iter().find(|path| means(&link, path)) {
                let number = text[..at].lines().count().max(1);
                bail!(
                    "{}:{number}: a doc comment links to `{link}`, but `{path}` disappears from student trees: say it \
                     without the link, or do not list the item under [[drop]]",
                    file.display()
                );
            }
        }
    }
    Ok(())
}

/// Collects each line of doc comment with its place.
struct Docs(Vec<(usize, String)>);

impl<'ast> Visit<'ast> for Docs {
    fn visit_attribute(&mut self, attribute: &'ast syn::Attribute) {
        if let syn::Meta::NameValue(pair) = &attribute.meta
            && pair.path.is_ident("doc")
            && let syn::Expr::Lit(literal) = &pair.value
            && let syn::Lit::Str(line) = &literal.lit
        {
            self.0.push((attribute.span().byte_range().start, line.value()));
        }
    }
}

/// Targets of the links in a line of Markdown: `[target]`, or `[text](target)`.
fn links(line: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut rest = line;
    while let Some(open) = rest.find('[') {
        let Some(close) = rest[open..].find(']').map(|at| open + at) else { break };
        let text = rest[open + 1..close].trim_matches('`').to_string();
        rest = &rest[close + 1..];
        match rest.strip_prefix('(').and_then(|inside| inside.split_once(')')) {
            Some((target, after)) => {
                found.push(target.trim_matches('`').to_string());
                rest = after;
            }
            None => found.push(text),
        }
    }
    found
}

/// May a doc link mean the item at `path`? The last name is the same, and the one before does not say otherwise.
fn means(link: &str, path: &str) -> bool {
    let link = link.trim_end_matches("()");
    let (mut link, mut path) = (link.rsplit("::"), path.rsplit("::"));
    if link.next() != path.next() {
        return false;
    }
    match link.next() {
        None | Some("Self" | "self" | "super" | "crate") => true,
        qualifier => qualifier == path.next(),
    }
}

/// A page of Markdown without its links to pages left out: their words stay. In the book's summary the whole line goes.
pub fn unlink(file: &Path, text: &str, leave_out: &[String]) -> String {
    let summary = file.ends_with("SUMMARY.md");
    let mut result = String::with_capacity(text.len());
    for line in text.split_inclusive('\n') {
        let mut line = line.to_string();
        for link in links(&line).iter().filter(|link| leads_to(file, link, leave_out)) {
            if summary {
                line.clear();
                break;
            }
            let Some(end) = line.find(&format!("]({link})")) else { continue };
            let Some(start) = line[..end].rfind('[') else { continue };
            line = format!("{}{}{}", &line[..start], &line[start + 1..end], &line[end + link.len() + 3..]);
        }
        result.push_str(&line);
    }
    result
}

fn leads_to(page: &Path, link: &str, leave_out: &[String]) -> bool {
    let link = link.split('#').next().unwrap_or_default();
    if link.is_empty() || link.contains("://") {
        return false;
    }
    let mut target = PathBuf::from(page.parent().unwrap_or(Path::new("")));
    for component in Path::new(link).components() {
        match component {
            Component::ParentDir => drop(target.pop()),
            other => target.push(other),
        }
    }
    left_out(&target, leave_out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_doc_link_to_what_is_dropped_is_refused() {
        let check =
            |text: &str| check_docs(Path::new("a.rs"), text, &[], &["raft::election::Raft::count_votes"]);
        assert!(check("/// See `count_votes`.\nfn a() {}\n").is_ok());
        assert!(check("/// See [`Log::count_votes`].\nfn a() {}\n").is_ok());
        for link in
            ["[`count_votes`]", "[`Raft::count_votes`]", "[it](Self::count_votes)", "[`count_votes()`]"]
        {
            let error = check(&format!("struct A;\nimpl A {{\n    /// See {link}.\n    fn a() {{}}\n}}\n"));
            let error = error.unwrap_err().to_string();
            assert!(error.starts_with("a.rs:3: a doc comment links to"), "{error}");
        }
    }

    #[test]
    fn links_to_pages_left_out_become_words() {
        let leave_out = ["docs/src/walk.md".to_string(), "tests/".into()];
        let page = |name: &str, text: &str| unlink(Path::new(name), text, &leave_out);
        assert_eq!(
            page("docs/src/a/b.md", "See [`x`](../walk.md#h), or [y](b.md).\n"),
            "See `x`, or [y](b.md).\n"
        );
        assert_eq!(page("docs/src/a.md", "[x](../../tests/a.rs) [y](../../tests/a.rs)"), "x y");
        assert_eq!(page("docs/src/a.md", "[y](https://walk.md)"), "[y](https://walk.md)");
        assert_eq!(page("docs/src/SUMMARY.md", "- [A](a.md)\n- [W](walk.md)\n"), "- [A](a.md)\n");
    }
}
