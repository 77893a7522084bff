//! The rules that the checks know, read from their source: one section of the rules page for each.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use anyhow::{Context, Result};

/// Where the rules stand.
const RULES: [&str; 4] = [
    "tests/raft/src/check/rules.rs",
    "tests/raft/src/sim/laws.rs",
    "tests/cluster/src/check/rules.rs",
    "tests/cluster/src/sim/laws.rs",
];

/// One section for each rule.
pub fn sections(root: &Path) -> Result<String> {
    let mut sections = String::new();
    for path in RULES {
        let Ok(source) = fs::read_to_string(root.join(path)) else {
            return Ok(format!("*There is no `{path}` in this tree.*"));
        };
        for rule in parse(&source).with_context(|| format!("cannot read the rules in {path}"))? {
            let _ = write!(
                sections,
                "### {}\n\n**{}** ({}, {}; found by the {} checks)\n\nPromised: {}\n\nWhy: {}\n\n",
                rule.id,
                rule.title,
                rule.strength.to_lowercase(),
                rule.section,
                rule.layer,
                sentence(&rule.promised),
                sentence(&rule.why),
            );
        }
    }
    Ok(sections)
}

/// A rule as its source declares it.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Rule {
    /// Name, as in `R13`.
    pub id: String,
    /// In a few words.
    pub title: String,
    /// How hard it is.
    pub strength: String,
    /// Which kind of check finds it.
    pub layer: String,
    /// Where it stands.
    pub section: String,
    /// What every correct peer keeps to.
    pub promised: String,
    /// What goes wrong without it.
    pub why: String,
}

/// All rules of a source, in order: the entries of its `rules! { .. }`.
pub fn parse(source: &str) -> Result<Vec<Rule>> {
    let mut found = Vec::new();
    for item in syn::parse_file(source)?.items {
        if let syn::Item::Macro(item) = item
            && item.mac.path.is_ident("rules")
        {
            found.extend(item.mac.parse_body_with(parse_entries)?);
        }
    }
    Ok(found)
}

/// `NAME "id" Strength "layer" "section" "title" promised "..." why "..."`, as often as there are rules.
fn parse_entries(input: syn::parse::ParseStream<'_>) -> syn::Result<Vec<Rule>> {
    let mut found = Vec::new();
    while !input.is_empty() {
        let word = || input.parse::<syn::Ident>().map(|word| word.to_string());
        let text = || input.parse::<syn::LitStr>().map(|text| text.value());
        let _name = word()?;
        let (id, strength, layer, section, title) = (text()?, word()?, text()?, text()?, text()?);
        let _promised = word()?;
        let promised = text()?;
        let _why = word()?;
        found.push(Rule { id, title, strength, layer, section, promised, why: text()? });
    }
    Ok(found)
}

/// Starts with a capital and ends with a full stop, as a sentence does.
fn sentence(text: &str) -> String {
    let mut letters = text.trim_end_matches('.').chars();
    letters.next().map_or(String::new(), |first| format!("{}{}.", first.to_uppercase(), letters.as_str()))
}
