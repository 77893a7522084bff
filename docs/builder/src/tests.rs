//! Tests of the builder: what counts as a link, as a definition, as broken.

use std::fs;
use std::path::Path;

use crate::{check, generated, links, pages, rules};

#[test]
fn links_are_found_outside_code_only() {
    let text = "[a](x.md) and `[b](y.md)` and ![c](img/z.svg)\n```\n[d](no.md)\n```\n[`e`](f.rs#g)\n";
    let found: Vec<_> =
        links::links(text).into_iter().map(|link| (link.line, link.target, link.is_image)).collect();
    let expected = [(1, "x.md", false), (1, "img/z.svg", true), (5, "f.rs#g", false)];
    assert_eq!(found, expected.map(|(line, target, is_image)| (line, target.to_owned(), is_image)));
}

#[test]
fn a_link_knows_where_its_target_stands() {
    let text = "one\ntwo ä [x](y.md#z)";
    let link = &links::links(text)[0];
    assert_eq!(&text[link.start..link.start + link.target.len()], "y.md#z");
    assert_eq!(link.split(), ("y.md", Some("z")));
}

#[test]
fn definitions_are_found_by_name_and_by_owner() {
    let source = "/// fn not_this\nimpl A {\n    pub(crate) fn new() {}\n}\nimpl<S: T> B<S> {\n    pub const fn new() {}\n}\n\
                  pub struct C;\nconst D: u8 = 1;\n// fn e()\nlet f = g();\n";
    assert_eq!(links::definition(source, "new"), Some(3));
    assert_eq!(links::definition(source, "A::new"), Some(3));
    assert_eq!(links::definition(source, "B::new"), Some(6));
    assert_eq!(links::definition(source, "C"), Some(8));
    assert_eq!(links::definition(source, "D"), Some(9));
    for absent in ["not_this", "e", "f", "g", "C::new", "S"] {
        assert_eq!(links::definition(source, absent), None, "{absent}");
    }
}

#[test]
fn a_make_target_is_a_definition() {
    assert_eq!(links::definition("all: docs\n\ndocs:\n\tcargo run\n", "docs"), Some(3));
}

/// A tree with one source file, whose only page holds `text`: what the page becomes, and the complaints.
fn prepared(text: &str) -> (String, Vec<String>) {
    let root =
        std::env::temp_dir().join(format!("book-test-{}-{}", std::process::id(), links::links(text).len()));
    let src = root.join("docs/src");
    fs::create_dir_all(&src).unwrap();
    fs::write(root.join("code.rs"), "fn known() {}\n").unwrap();
    fs::create_dir_all(root.join("labs")).unwrap();
    fs::write(root.join("labs/stamp.toml"), "").unwrap();
    let mut complaints = Vec::new();
    let mut sources = pages::Sources::new(&root);
    let page = src.join("page.md");
    let done = pages::prepare(&root, &src, &page, text, &mut sources, &mut complaints).unwrap();
    fs::remove_dir_all(root).unwrap();
    (done, complaints)
}

#[test]
fn links_to_source_become_links_to_its_page() {
    let (done, complaints) = prepared("see [`known`](../../code.rs#known).");
    assert_eq!(done, "see [`known`](code/code.rs.html#l1).");
    assert!(complaints.is_empty(), "{complaints:?}");
}

#[test]
fn links_to_missing_source_are_told() {
    let (_, complaints) = prepared("[a](../../code.rs#unknown) [b](../../gone.rs)");
    assert_eq!(complaints.len(), 2, "{complaints:?}");
    assert!(complaints[0].contains("code.rs does not define unknown"), "{complaints:?}");
    assert!(complaints[1].contains("no file gone.rs"), "{complaints:?}");
}

#[test]
fn broken_links_of_the_book_are_found() {
    let out = std::env::temp_dir().join(format!("book-test-out-{}", std::process::id()));
    fs::create_dir_all(out.join("b")).unwrap();
    let page = "<h1 id=\"here\"></h1><a href=\"b/c.html#x\"></a><a href=\"b/c.html#y\"></a><a href=\"gone.html\"></a>\
                <a href=\"#here\"></a><a href=\"https://example.com/gone\"></a>";
    fs::write(out.join("a.html"), page).unwrap();
    fs::write(out.join("b/c.html"), "<p id=\"x\"></p><a href=\"../a.html\"></a>").unwrap();
    let complaints = check::check(&out).unwrap();
    fs::remove_dir_all(&out).unwrap();
    assert_eq!(complaints.len(), 2, "{complaints:?}");
    assert!(complaints[0].contains("c.html#y: no anchor y"), "{complaints:?}");
    assert!(complaints[1].contains("gone.html: no such page"), "{complaints:?}");
}

#[test]
fn an_unknown_mark_is_an_error() {
    assert!(generated::expand(Path::new("."), "a <!-- generated: nonsense --> b").is_err());
    assert_eq!(generated::expand(Path::new("."), "plain").unwrap(), "plain");
}

#[test]
fn rules_are_read_where_they_are_declared() {
    let source = r#"
        use harness::rules;
        rules! {
            ONE "R1" Safety "invariant" "§5.2" "one leader" promised "at most \
                one" why "or two"
            TWO "L1" Liveness "liveness" "§8" "t" promised "p" why "w"
        }
        const OTHER: u8 = 1;
    "#;
    let found = rules::parse(source).unwrap();
    let told: Vec<_> = found.iter().map(|rule| (&*rule.id, &*rule.strength, &*rule.promised)).collect();
    assert_eq!(told, [("R1", "Safety", "at most one"), ("L1", "Liveness", "p")]);
}
