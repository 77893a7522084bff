//! Edits of source text by byte range.

use std::ops::Range;

use anyhow::{Result, ensure};
use syn::spanned::Spanned;

/// Replaces a range of a text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Edit {
    /// Bytes of the original text.
    pub range: Range<usize>,
    /// What stands there instead.
    pub text: String,
}

impl Edit {
    /// Removes an item together with its indentation, its line end and one of the blank lines around it.
    pub fn removal(text: &str, item: Range<usize>) -> Edit {
        let line_start = text[..item.start].rfind('\n').map_or(0, |at| at + 1);
        let alone = text[line_start..item.start].trim().is_empty();
        let mut start = if alone { line_start } else { item.start };
        let rest = &text[item.end..];
        let mut end =
            item.end + rest.find('\n').filter(|&at| rest[..at].trim().is_empty()).map_or(0, |at| at + 1);
        let blank_before = text[..start].ends_with("\n\n");
        if text[end..].starts_with('\n') && (blank_before || start == 0 || text[..start].ends_with("{\n")) {
            end += 1;
        } else if blank_before && (text[end..].trim_start().starts_with('}') || text[end..].trim().is_empty())
        {
            start -= 1;
        }
        Edit { range: start..end, text: String::new() }
    }
}

/// The text with all edits made.
pub fn apply(text: &str, edits: &[Edit]) -> Result<String> {
    let mut edits: Vec<&Edit> = edits.iter().collect();
    edits.sort_by_key(|edit| edit.range.start);
    let mut result = String::with_capacity(text.len());
    let mut at = 0;
    for edit in edits {
        ensure!(
            edit.range.start >= at,
            "two edits overlap: is one listed item inside another? ({:?})",
            text[edit.range.clone()].lines().next().unwrap_or_default()
        );
        result.push_str(&text[at..edit.range.start]);
        result.push_str(&edit.text);
        at = edit.range.end;
    }
    result.push_str(&text[at..]);
    Ok(result)
}

/// A block `{ inside }`, laid out as rustfmt would where `body` stands.
pub fn block(text: &str, body: &Range<usize>, inside: &str) -> String {
    let line_start = text[..body.end].rfind('\n').map_or(0, |at| at + 1);
    let line = &text[line_start..];
    let indent = &line[..line.len() - line.trim_start().len()];
    let mut result = String::from("{\n");
    for line in inside.lines().filter(|line| !line.trim().is_empty()) {
        result.push_str(&format!("{indent}    {line}\n"));
    }
    if inside.trim().is_empty() {
        return "{}".into();
    }
    result.push_str(indent);
    result.push('}');
    result
}

/// The file without its `#[cfg(test)]` items, and the names of those that are modules with files of their own.
pub fn without_tests(text: &str) -> Result<(String, Vec<String>)> {
    let file = syn::parse_file(text)?;
    let (mut edits, mut modules) = (Vec::new(), Vec::new());
    for item in &file.items {
        let attributes = match item {
            syn::Item::Mod(i) => &i.attrs,
            syn::Item::Fn(i) => &i.attrs,
            syn::Item::Impl(i) => &i.attrs,
            syn::Item::Use(i) => &i.attrs,
            _ => continue,
        };
        let for_tests = attributes.iter().any(|attribute| match &attribute.meta {
            syn::Meta::List(list) => list.path.is_ident("cfg") && list.tokens.to_string() == "test",
            _ => false,
        });
        if !for_tests {
            continue;
        }
        edits.push(Edit::removal(text, item.span().byte_range()));
        if let syn::Item::Mod(module) = item
            && module.content.is_none()
        {
            modules.push(module.ident.to_string());
        }
    }
    Ok((apply(text, &edits)?, modules))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn remove(text: &str, item: &str) -> String {
        let start = text.find(item).unwrap();
        apply(text, &[Edit::removal(text, start..start + item.len())]).unwrap()
    }

    #[test]
    fn a_removed_item_leaves_one_blank_line() {
        assert_eq!(remove("fn a() {}\n\nfn b() {}\n\nfn c() {}\n", "fn b() {}"), "fn a() {}\n\nfn c() {}\n");
        assert_eq!(remove("fn a() {}\n\nfn b() {}\n", "fn b() {}"), "fn a() {}\n");
        assert_eq!(remove("fn a() {}\n\nfn b() {}\n", "fn a() {}"), "fn b() {}\n");
        let block = "impl A {\n    fn a() {}\n\n    fn b() {}\n}\n";
        assert_eq!(remove(block, "fn b() {}"), "impl A {\n    fn a() {}\n}\n");
        assert_eq!(remove(block, "fn a() {}"), "impl A {\n    fn b() {}\n}\n");
    }

    #[test]
    fn tests_are_taken_out_and_nothing_else() {
        let text = "//! Hi.\n\nfn é() {}\n\n#[cfg(test)]\nmod tests {\n    use super::*;\n}\n";
        assert_eq!(without_tests(text).unwrap(), ("//! Hi.\n\nfn é() {}\n".into(), vec![]));
        let text = "mod a;\n#[cfg(test)]\nmod more;\n";
        assert_eq!(without_tests(text).unwrap(), ("mod a;\n".into(), vec!["more".into()]));
    }

    #[test]
    fn overlapping_edits_are_refused() {
        let edits = [Edit { range: 0..4, text: String::new() }, Edit { range: 2..3, text: String::new() }];
        assert!(apply("fn a() {}", &edits).is_err());
    }
}
