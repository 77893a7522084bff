//! From an item path to byte ranges of source text.
//!
//! A path is `crate::module::function` or `crate::module::Type::function`; the module is the one in which the `impl`
//! block stands. If a name is ambiguous because several traits define it, write `crate::module::<Type as Trait>::name`.

use std::collections::BTreeMap;
use std::ops::Range;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail, ensure};
use syn::spanned::Spanned;

/// The crates of a workspace, by the name that Rust code uses.
#[derive(Clone, Debug)]
pub struct Crates {
    root: PathBuf,
    /// Name to the folder that holds `lib.rs`, relative to the root.
    folders: BTreeMap<String, PathBuf>,
}

/// Where an item stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// File, relative to the root.
    pub file: PathBuf,
    /// The whole item with its doc comment and attributes.
    pub item: Range<usize>,
    /// The body with its braces, if the item is a function that has one.
    pub body: Option<Range<usize>>,
    /// Why the body cannot be replaced, if so: `const fn` and the like, with what to do about it.
    pub refusal: Option<&'static str>,
}

impl Crates {
    /// Finds the crates of the workspace at `root`.
    pub fn find(root: &Path) -> Result<Crates> {
        let manifest = read_toml(&root.join("Cargo.toml"))?;
        let members = manifest
            .get("workspace")
            .and_then(|w| w.get("members"))
            .and_then(|m| m.as_array())
            .context("Cargo.toml has no workspace members")?;
        let mut folders = BTreeMap::new();
        for member in members.iter().filter_map(|m| m.as_str()) {
            let package = read_toml(&root.join(member).join("Cargo.toml"))?;
            let name = |table: &str| package.get(table)?.get("name")?.as_str();
            let name = name("lib").or(name("package")).context("a package without a name")?;
            folders.insert(name.replace('-', "_"), Path::new(member).join("src"));
        }
        Ok(Crates { root: root.into(), folders })
    }

    /// Folder of the crate with this name, relative to the root (`raft/src`).
    pub fn folder(&self, name: &str) -> Option<&Path> {
        self.folders.get(name).map(PathBuf::as_path)
    }

    /// Finds an item by its path.
    pub fn locate(&self, path: &str) -> Result<Place> {
        self.search(path).with_context(|| format!("`{path}`"))
    }

    fn search(&self, path: &str) -> Result<Place> {
        let segments = split(path)?;
        let folder = self.folders.get(&segments[0]).with_context(|| {
            let known: Vec<_> = self.folders.keys().map(String::as_str).collect();
            format!("no crate of the workspace is called `{}` (there are {})", segments[0], known.join(", "))
        })?;
        let mut file = folder.join("lib.rs");
        let mut below = folder.clone();
        let mut items = self.parse(&file)?;
        let mut rest = &segments[1..];
        while let [module, more @ ..] = rest {
            let Some(found) = items.iter().find_map(|item| match item {
                syn::Item::Mod(m) if m.ident == module => Some(m.clone()),
                _ => None,
            }) else {
                break;
            };
            if more.is_empty() {
                let item = found.span().byte_range();
                return Ok(Place { file, item, body: None, refusal: Some("it is a module, not a function") });
            }
            rest = more;
            below.push(module);
            items = match found.content {
                Some((_, items)) => items,
                None => {
                    file = [below.with_extension("rs"), below.join("mod.rs")]
                        .into_iter()
                        .find(|f| self.root.join(f).exists())
                        .with_context(|| format!("module `{module}` has no file"))?;
                    self.parse(&file)?
                }
            };
        }
        let mut found = Vec::new();
        for item in &items {
            collect(item, rest, &file, &mut found);
        }
        match found.len() {
            1 => Ok(found.remove(0)),
            0 => bail!(
                "{} has no such item: correct the path, or remove it from the manifest if the item is gone",
                file.display()
            ),
            n => bail!(
                "{} has {n} items of this name: write `<Type as Trait>::name` to say which is meant",
                file.display()
            ),
        }
    }

    fn parse(&self, file: &Path) -> Result<Vec<syn::Item>> {
        let text = std::fs::read_to_string(self.root.join(file))
            .with_context(|| format!("cannot read {}", file.display()))?;
        Ok(syn::parse_file(&text).with_context(|| format!("cannot parse {}", file.display()))?.items)
    }
}

fn read_toml(file: &Path) -> Result<toml::Table> {
    let text = std::fs::read_to_string(file).with_context(|| format!("cannot read {}", file.display()))?;
    text.parse().with_context(|| format!("in {}", file.display()))
}

/// Splits at `::`, but not inside `<…>`.
fn split(path: &str) -> Result<Vec<String>> {
    let mut segments = vec![String::new()];
    let mut depth = 0;
    let mut chars = path.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '<' => depth += 1,
            '>' => depth -= 1,
            ':' if depth == 0 => {
                ensure!(chars.next() == Some(':'), "a path is written with `::`");
                segments.push(String::new());
                continue;
            }
            _ => {}
        }
        segments.last_mut().expect("never empty").push(c);
    }
    let whole = segments.len() >= 2 && segments.iter().all(|s| !s.is_empty()) && depth == 0;
    ensure!(whole, "not an item path: write crate::module::function or crate::module::Type::function");
    Ok(segments)
}

/// Adds the places in `item` that `names` (one item, or a type and one of its functions) stands for.
fn collect(item: &syn::Item, names: &[String], file: &Path, found: &mut Vec<Place>) {
    match (item, names) {
        (syn::Item::Fn(function), [name]) if function.sig.ident == name => {
            let body = function.block.span().byte_range();
            found.push(place(file, item.span().byte_range(), Some(body), refusal(&function.sig)));
        }
        (syn::Item::Impl(block), [owner, name]) if owns(block, owner) => {
            for member in &block.items {
                match member {
                    syn::ImplItem::Fn(function) if function.sig.ident == name => {
                        let body = function.block.span().byte_range();
                        found.push(place(
                            file,
                            member.span().byte_range(),
                            Some(body),
                            refusal(&function.sig),
                        ));
                    }
                    syn::ImplItem::Const(constant) if constant.ident == name => {
                        found.push(place(file, member.span().byte_range(), None, Some(NOT_A_FUNCTION)));
                    }
                    _ => {}
                }
            }
        }
        (syn::Item::Trait(definition), [owner, name]) if definition.ident == owner => {
            for member in &definition.items {
                let syn::TraitItem::Fn(function) = member else { continue };
                if function.sig.ident == name {
                    let body = function.default.as_ref().map(|block| block.span().byte_range());
                    found.push(place(file, member.span().byte_range(), body, refusal(&function.sig)));
                }
            }
        }
        (other, [name]) if named(other).is_some_and(|ident| ident == name) => {
            found.push(place(file, other.span().byte_range(), None, Some(NOT_A_FUNCTION)));
        }
        _ => {}
    }
}

const NOT_A_FUNCTION: &str = "it is not a function";

fn place(
    file: &Path,
    item: Range<usize>,
    body: Option<Range<usize>>,
    refusal: Option<&'static str>,
) -> Place {
    let refusal = refusal.or(body.is_none().then_some("it has no body"));
    Place { file: file.into(), item, body, refusal }
}

fn named(item: &syn::Item) -> Option<&syn::Ident> {
    match item {
        syn::Item::Struct(i) => Some(&i.ident),
        syn::Item::Enum(i) => Some(&i.ident),
        syn::Item::Trait(i) => Some(&i.ident),
        syn::Item::Type(i) => Some(&i.ident),
        syn::Item::Const(i) => Some(&i.ident),
        syn::Item::Static(i) => Some(&i.ident),
        _ => None,
    }
}

/// Does this block define functions of `owner`, which is `Type` or `<Type as Trait>`?
fn owns(block: &syn::ItemImpl, owner: &str) -> bool {
    let last = |path: &syn::Path| path.segments.last().map(|s| s.ident.to_string()).unwrap_or_default();
    let syn::Type::Path(of) = &*block.self_ty else { return false };
    match owner.strip_prefix('<').and_then(|o| o.strip_suffix('>')) {
        None => last(&of.path) == owner,
        Some(pair) => match (pair.split_once(" as "), &block.trait_) {
            (Some((name, wanted)), Some((implemented, _))) => {
                last(&of.path) == name.trim() && last(implemented) == wanted.trim()
            }
            _ => false,
        },
    }
}

/// Bodies of some functions cannot become `todo!()` without an error or a warning.
fn refusal(signature: &syn::Signature) -> Option<&'static str> {
    if signature.constness.is_some() {
        return Some(
            "it is a `const fn`, which callers may need at compile time: drop the `const`, or choose another function",
        );
    }
    struct Opaque(bool);
    impl<'ast> syn::visit::Visit<'ast> for Opaque {
        fn visit_type_impl_trait(&mut self, _: &'ast syn::TypeImplTrait) {
            self.0 = true;
        }
    }
    let mut opaque = Opaque(false);
    syn::visit::Visit::visit_return_type(&mut opaque, &signature.output);
    opaque.0.then_some(
        "it returns `impl Trait`, whose type `todo!()` cannot give: return a named type or a `Vec`, or choose another \
         function",
    )
}
