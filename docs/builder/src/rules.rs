//! The rules that the checks know, read from their source: one section of the rules page for each.

use std::collections::BTreeMap;
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

/// A function that makes rules: its parameters, and the `Rule { .. }` that it returns.
type Maker = (Vec<String>, syn::Expr);

/// All rules of a source, in order: entries of `rules! { .. }`, and constants of type `Rule`, written out or made by a
/// function of the same source.
pub fn parse(source: &str) -> Result<Vec<Rule>> {
    let file = syn::parse_file(source)?;
    let makers: BTreeMap<String, Maker> = file.items.iter().filter_map(maker).collect();
    let mut found = Vec::new();
    for item in file.items {
        match item {
            syn::Item::Macro(item) if item.mac.path.is_ident("rules") => {
                found.extend(item.mac.parse_body_with(parse_entries)?);
            }
            syn::Item::Const(item) => found.extend(constant(&item.expr, &makers)),
            syn::Item::Static(item) => found.extend(constant(&item.expr, &makers)),
            _ => {}
        }
    }
    Ok(found)
}

fn maker(item: &syn::Item) -> Option<(String, Maker)> {
    let syn::Item::Fn(function) = item else { return None };
    let [syn::Stmt::Expr(body @ syn::Expr::Struct(_), None)] = &function.block.stmts[..] else { return None };
    let parameter = |input: &syn::FnArg| match input {
        syn::FnArg::Typed(syn::PatType { pat, .. }) => match &**pat {
            syn::Pat::Ident(name) => Some(name.ident.to_string()),
            _ => None,
        },
        syn::FnArg::Receiver(_) => None,
    };
    let parameters = function.sig.inputs.iter().filter_map(parameter).collect();
    Some((function.sig.ident.to_string(), (parameters, body.clone())))
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

/// The rule that a constant's value stands for.
fn constant(value: &syn::Expr, makers: &BTreeMap<String, Maker>) -> Option<Rule> {
    let syn::Expr::Call(call) = value else { return written_out(value, &BTreeMap::new()) };
    let (parameters, body) = makers.get(&text_of(&call.func, &BTreeMap::new())?)?;
    let arguments = call.args.iter().filter_map(|argument| text_of(argument, &BTreeMap::new()));
    written_out(body, &parameters.iter().cloned().zip(arguments).collect())
}

/// `Rule { id: "R1", .. }`, where names may stand for `bound` texts.
fn written_out(value: &syn::Expr, bound: &BTreeMap<String, String>) -> Option<Rule> {
    let syn::Expr::Struct(literal) = value else { return None };
    let field = |name: &str| {
        let is_named =
            |field: &&syn::FieldValue| matches!(&field.member, syn::Member::Named(found) if found == name);
        text_of(&literal.fields.iter().find(is_named)?.expr, bound)
    };
    Some(Rule {
        id: field("id")?,
        title: field("title")?,
        strength: field("strength")?,
        layer: field("layer")?,
        section: field("section")?,
        promised: field("promised")?,
        why: field("why")?,
    })
}

/// A string literal as it is; a name as the text that it is bound to, or as its last segment.
fn text_of(value: &syn::Expr, bound: &BTreeMap<String, String>) -> Option<String> {
    match value {
        syn::Expr::Lit(syn::ExprLit { lit: syn::Lit::Str(text), .. }) => Some(text.value()),
        syn::Expr::Path(path) => {
            let name = path.path.segments.last()?.ident.to_string();
            Some(bound.get(&name).cloned().unwrap_or(name))
        }
        _ => None,
    }
}

/// Starts with a capital and ends with a full stop, as a sentence does.
fn sentence(text: &str) -> String {
    let mut letters = text.trim_end_matches('.').chars();
    letters.next().map_or(String::new(), |first| format!("{}{}.", first.to_uppercase(), letters.as_str()))
}
