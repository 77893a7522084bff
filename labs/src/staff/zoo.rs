//! The zoo: one build of the reference that holds all planted bugs, all legal variants and every hole alone.
//!
//! Each function that any of them changes gets a body `match crate::planted::active() { 7 => { … } _ => { original } }`;
//! the environment variable `TINYKV_PLANTED` says which arm is alive. So trying a hundred bugs costs one build.
//!
//! Bugs are listed in `labs/bugs/*.toml`, legal variants (other choices that a right implementation may make, and that
//! must never be failed) in `labs/variants/*.toml`:
//!
//! ```toml
//! [[bug]]                                         # [[variant]] in the other place
//! id = "vote-twice"
//! part = "2aa"                                    # the part that must catch it; not for variants
//! title = "grants every vote request"
//! misconception = "a vote is a matter of terms only"
//! path = "raft::election::Raft::handle_request_vote"
//! find = "self.vote == candidate || free"         # must stand in the body exactly once; layout does not matter
//! replace = "true"
//! catalogue = "AA-01"                             # its row in the catalogue of student bugs, if it has one
//!
//! [[variant.edit]]                                # or [[bug.edit]]: further changes, or all of them
//! path = "…"                                      # with find and replace
//! ```
//!
//! A variant says `why_legal` instead of `misconception`, and `only = "random"` if exact tests cannot judge it.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail, ensure};
use serde::Deserialize;

use crate::grade::build::{self, Build};
use crate::grade::program;
use crate::grade::worker::Program;
use crate::manifest::Part;
use crate::stamp::edit::{self, Edit};
use crate::stamp::{Stamper, hole_body, tree};

/// Something that may be alive in the zoo.
#[derive(Clone, Debug)]
pub struct Animal {
    /// Its number, from 1.
    pub number: u16,
    /// What it is.
    pub kind: Kind,
    /// Its name.
    pub id: String,
    /// The part that must fail with it; empty for variants.
    pub part: String,
    /// What it does.
    pub title: String,
    /// What somebody who writes this believes; for variants, why it is legal.
    pub misconception: String,
    /// Its row in the catalogue of student bugs, if it has one.
    pub catalogue: String,
    /// Which tests judge a variant.
    pub only: Only,
    changes: Vec<Change>,
}

/// What lives in the zoo.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Must be caught.
    Bug,
    /// Must never be failed.
    Variant,
    /// A hole, open alone.
    Hole,
}

/// Which tests judge a variant.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Only {
    /// All.
    #[default]
    All,
    /// Simulation and search: the exact tests are written for another configuration.
    Random,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Change {
    path: String,
    find: String,
    replace: String,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct List {
    #[serde(default, rename = "bug")]
    bugs: Vec<Entry>,
    #[serde(default, rename = "variant")]
    variants: Vec<Entry>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    id: String,
    #[serde(default)]
    part: String,
    title: String,
    #[serde(default, alias = "why_legal")]
    misconception: String,
    #[serde(default)]
    catalogue: String,
    #[serde(default)]
    path: String,
    #[serde(default)]
    find: String,
    #[serde(default)]
    replace: String,
    #[serde(default, rename = "edit")]
    edits: Vec<Change>,
    /// `random`: exact tests do not judge this variant, since they are written for another configuration.
    #[serde(default)]
    only: Only,
}

/// Everything that may be alive, and the program that holds it.
pub struct Zoo {
    /// All animals, by number.
    pub animals: Vec<Animal>,
    /// By suite.
    programs: BTreeMap<String, PathBuf>,
}

impl Zoo {
    /// Reads the lists and builds the program, below `target/zoo`.
    pub fn open(root: &Path, stamper: &Stamper) -> Result<Zoo> {
        let animals = animals(root, stamper)?;
        let folder = root.join("target/zoo");
        generate(root, stamper, &animals, &folder)?;
        eprintln!("building the zoo ({} animals)", animals.len());
        let mut programs = BTreeMap::new();
        for suite in stamper.course().suites() {
            match build::build_copy(root, &folder, suite, "zoo")? {
                Build::Done { worker, .. } => drop(programs.insert(suite.to_owned(), worker)),
                Build::Broken(errors) => {
                    let all: Vec<_> = errors.errors.iter().map(|error| error.rendered.as_str()).collect();
                    bail!(
                        "the zoo does not compile: is the replacement of a bug not Rust?\n{}",
                        all.join("\n")
                    )
                }
            }
        }
        Ok(Zoo { animals, programs })
    }

    /// The worker that judges `part`, with this animal alive in it.
    pub fn with(&self, animal: &Animal, part: &Part) -> Program {
        let mut program = program(self.programs[&part.suite].clone());
        program.env.push(("TINYKV_PLANTED".into(), animal.number.to_string()));
        program
    }

    /// Tells these programs from any others.
    pub fn digest(&self) -> Result<String> {
        let mut hasher = blake3::Hasher::new();
        for program in self.programs.values() {
            hasher.update(&std::fs::read(program).context("cannot read the zoo's program")?);
        }
        Ok(hasher.finalize().to_hex().to_string())
    }

    /// The animals of a kind.
    pub fn of(&self, kind: Kind) -> impl Iterator<Item = &Animal> {
        self.animals.iter().filter(move |animal| animal.kind == kind)
    }
}

/// Reads all lists: bugs, variants, holes.
pub fn animals(root: &Path, stamper: &Stamper) -> Result<Vec<Animal>> {
    let mut all = Vec::new();
    for entry in read(&root.join("labs/bugs"))?.bugs {
        stamper.course().part(&entry.part).with_context(|| format!("bug {}", entry.id))?;
        all.push(animal(Kind::Bug, entry));
    }
    for entry in read(&root.join("labs/variants"))?.variants {
        all.push(animal(Kind::Variant, entry));
    }
    for part in &stamper.course().parts {
        for hole in &part.holes {
            all.push(Animal {
                number: 0,
                kind: Kind::Hole,
                id: hole.path.clone(),
                part: part.id.clone(),
                title: String::new(),
                misconception: String::new(),
                catalogue: String::new(),
                only: Only::All,
                changes: Vec::new(),
            });
        }
    }
    let mut seen = BTreeMap::new();
    for (number, animal) in (1..).zip(&mut all) {
        animal.number = number;
        if let Some(before) = seen.insert(animal.id.clone(), animal.kind) {
            bail!("`{}` is listed twice ({before:?})", animal.id);
        }
    }
    Ok(all)
}

fn animal(kind: Kind, entry: Entry) -> Animal {
    let first = Change { path: entry.path, find: entry.find, replace: entry.replace };
    let first = Some(first).filter(|change| !change.path.is_empty());
    Animal {
        number: 0,
        kind,
        id: entry.id,
        part: entry.part,
        title: entry.title,
        misconception: entry.misconception,
        changes: first.into_iter().chain(entry.edits).collect(),
        catalogue: entry.catalogue,
        only: entry.only,
    }
}

fn read(folder: &Path) -> Result<List> {
    let mut all = List::default();
    let Ok(entries) = std::fs::read_dir(folder) else { return Ok(all) };
    let mut files: Vec<_> = entries.filter_map(|entry| Some(entry.ok()?.path())).collect();
    files.retain(|file| file.extension().is_some_and(|e| e == "toml"));
    files.sort();
    for file in files {
        let text = std::fs::read_to_string(&file)?;
        let list: List = toml::from_str(&text).with_context(|| format!("in {}", file.display()))?;
        all.bugs.extend(list.bugs);
        all.variants.extend(list.variants);
    }
    Ok(all)
}

/// Writes the tree with all of them to `folder`.
pub fn generate(root: &Path, stamper: &Stamper, animals: &[Animal], folder: &Path) -> Result<()> {
    let mut files = tree::files(root, &[])?;
    let mut arms: BTreeMap<&str, Vec<(u16, String)>> = BTreeMap::new();
    for animal in animals {
        for (path, body) in bodies(stamper, animal).with_context(|| format!("`{}`", animal.id))? {
            arms.entry(path).or_default().push((animal.number, body));
        }
    }
    let mut edits: BTreeMap<PathBuf, Vec<Edit>> = BTreeMap::new();
    let mut crates = std::collections::BTreeSet::new();
    for (path, arms) in &arms {
        let place = stamper.crates().locate(path)?;
        let body = place.body.with_context(|| format!("`{path}` has no body"))?;
        let text = stamper.read(&place.file)?;
        let mut schema = String::from("{ match crate::planted::active() {\n");
        for (number, arm) in arms {
            schema.push_str(&format!("{number} => {arm}\n"));
        }
        schema.push_str(&format!("_ => {}\n}} }}", &text[body.clone()]));
        edits.entry(place.file).or_default().push(Edit { range: body, text: schema });
        crates.extend(path.split("::").next());
    }
    for (file, edits) in &edits {
        let content =
            files.get_mut(file).with_context(|| format!("{} is not in the tree", file.display()))?;
        content.bytes = edit::apply(std::str::from_utf8(&content.bytes)?, edits)?.into_bytes();
    }
    for name in crates {
        let source = stamper.crates().folder(name).context("a crate has a folder")?;
        let lib = files.get_mut(&source.join("lib.rs")).context("a crate has a lib.rs")?;
        lib.bytes.extend_from_slice(b"\npub mod planted;\n");
        files.insert(source.join("planted.rs"), tree::Content::new(PLANTED));
    }
    let manifest = files.get_mut(Path::new("Cargo.toml")).context("the tree has no Cargo.toml")?;
    manifest.bytes = lenient(std::str::from_utf8(&manifest.bytes)?)?.into_bytes();
    tree::relabel(&mut files, "zoo")?;
    for suite in stamper.course().suites() {
        let manifest =
            files.get_mut(&build::suite_manifest(suite)).context("the tree has no graded suites")?;
        manifest.bytes =
            build::rename_worker(std::str::from_utf8(&manifest.bytes)?, suite, "zoo")?.into_bytes();
    }
    tree::write(&files, folder, true)
}

const PLANTED: &str = r#"//! Which planted bug is alive in this process.

use std::sync::OnceLock;

/// Its number; 0 if none.
pub fn active() -> u16 {
    static ACTIVE: OnceLock<u16> = OnceLock::new();
    *ACTIVE.get_or_init(|| std::env::var("TINYKV_PLANTED").ok().and_then(|n| n.parse().ok()).unwrap_or(0))
}
"#;

/// Planted code may be as ugly as it likes.
fn lenient(manifest: &str) -> Result<String> {
    let start = manifest.find("[workspace.lints.rust]").context("Cargo.toml has no lints")?;
    let end = manifest[start..].find("[profile").map_or(manifest.len(), |at| start + at);
    Ok(format!(
        "{}[workspace.lints.rust]\nunsafe_code = \"forbid\"\nwarnings = {{ level = \"allow\", priority = -1 }}\n\n{}",
        &manifest[..start],
        &manifest[end..]
    ))
}

/// Complaints about entries that do not fit the reference.
pub fn complaints(root: &Path, stamper: &Stamper) -> Result<Vec<String>> {
    let unfit = |animal: &Animal| Some(format!("{}: {:#}", animal.id, bodies(stamper, animal).err()?));
    Ok(animals(root, stamper)?.iter().filter_map(unfit).collect())
}

/// The bodies that functions have while this animal is alive.
fn bodies<'a>(stamper: &Stamper, animal: &'a Animal) -> Result<BTreeMap<&'a str, String>> {
    let mut bodies: BTreeMap<&str, String> = BTreeMap::new();
    if animal.kind == Kind::Hole {
        let (part, hole) = stamper.course().hole(&animal.id).context("a hole is in the manifest")?;
        stamper.open_hole(part, hole)?;
        bodies.insert(&animal.id, format!("{{ {} }}", hole_body(part, hole)?));
    }
    for change in &animal.changes {
        let body = match bodies.remove(change.path.as_str()) {
            Some(body) => body,
            None => {
                let place = stamper.crates().locate(&change.path)?;
                if let Some(reason) = place.refusal {
                    bail!("`{}` cannot be changed: {reason}", change.path);
                }
                let range = place.body.with_context(|| format!("`{}` has no body", change.path))?;
                stamper.read(&place.file)?[range].to_string()
            }
        };
        bodies.insert(&change.path, replace(&body, &change.find, &change.replace)?);
    }
    Ok(bodies)
}

/// Replaces the one place where `find` stands in `body`. Blanks and line ends count as equal, so that reformatting the
/// reference breaks no bug.
fn replace(body: &str, find: &str, with: &str) -> Result<String> {
    let wanted: Vec<char> = find.chars().filter(|c| !c.is_whitespace()).collect();
    ensure!(!wanted.is_empty(), "`find` is empty");
    let letters: Vec<(usize, char)> = body.char_indices().filter(|(_, c)| !c.is_whitespace()).collect();
    let places: Vec<usize> = (0..letters.len().saturating_sub(wanted.len() - 1))
        .filter(|&at| wanted.iter().zip(&letters[at..]).all(|(a, (_, b))| a == b))
        .collect();
    let [place] = places[..] else {
        bail!(
            "`{find}` stands {} times in the body, not once: adapt it to the reference's code",
            places.len()
        );
    };
    let start = letters[place].0;
    let (last, c) = letters[place + wanted.len() - 1];
    Ok(format!("{}{with}{}", &body[..start], &body[last + c.len_utf8()..]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_snippet_is_found_whatever_its_layout() {
        let body = "{\n    let a = b\n        .c();\n    a == é\n}";
        assert_eq!(
            replace(body, "let a = b.c();", "let a = 1;").unwrap(),
            "{\n    let a = 1;\n    a == é\n}"
        );
        assert_eq!(replace(body, "a == é", "true").unwrap(), "{\n    let a = b\n        .c();\n    true\n}");
        assert!(replace(body, "a", "b").unwrap_err().to_string().contains("2 times"));
        assert!(replace(body, "x", "b").unwrap_err().to_string().contains("0 times"));
    }
}
