//! The stamper: a tiny tree in, student trees out, and what it refuses.
//!
//! `golden/in` is stamped from each part and compared with `golden/out-1` and `golden/out-2`. After a change that is meant,
//! `UPDATE_GOLDEN=1 cargo test -p labs --test stamping` writes them anew; read the difference before it is committed.

use std::path::{Path, PathBuf};
use std::process::Command;

use labs::stamp::{Open, Stamper, tree};

fn golden(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(name)
}

fn from(part: &str) -> Open {
    Open::From(part.into())
}

#[test]
fn stamped_trees_are_as_expected() {
    let stamper = Stamper::new(&golden("in")).unwrap();
    for part in ["1", "2"] {
        let folder = tempfile::tempdir().unwrap();
        stamper.stamp(&from(part), folder.path(), false).unwrap();
        let stamped = tree::files(folder.path(), &[]).unwrap();
        let expected = golden(&format!("out-{part}"));
        if std::env::var_os("UPDATE_GOLDEN").is_some() {
            tree::write(&stamped, &expected, true).unwrap();
        }
        for (file, content) in tree::files(&expected, &[]).unwrap() {
            let seen = stamped.get(&file).map(|c| String::from_utf8_lossy(&c.bytes).into_owned());
            assert_eq!(
                seen.as_deref(),
                Some(&*String::from_utf8_lossy(&content.bytes)),
                "{}",
                file.display()
            );
        }
        assert_eq!(stamped.len(), tree::files(&expected, &[]).unwrap().len());
    }
}

#[test]
fn a_stamped_tree_builds_without_warnings() {
    let stamper = Stamper::new(&golden("in")).unwrap();
    let folder = tempfile::tempdir().unwrap();
    stamper.stamp(&from("1"), folder.path(), false).unwrap();
    let output = Command::new(env!("CARGO"))
        .args(["build", "--offline"])
        .env("CARGO_TARGET_DIR", folder.path().join("target"))
        .current_dir(folder.path())
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
    assert!(!said.contains("warning"), "{said}");
}

#[test]
fn a_tree_with_everything_solved_is_the_reference() {
    let stamper = Stamper::new(&golden("in")).unwrap();
    let folder = tempfile::tempdir().unwrap();
    stamper.stamp(&Open::AllBut(vec!["1".into(), "2".into()]), folder.path(), false).unwrap();
    let read = |root: &Path| std::fs::read_to_string(root.join("mini/src/shelf.rs")).unwrap();
    assert_eq!(read(folder.path()), read(&golden("in")));
}

#[test]
fn a_folder_with_something_in_it_is_left_alone() {
    let stamper = Stamper::new(&golden("in")).unwrap();
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("thesis.txt"), "mine").unwrap();
    let error = stamper.stamp(&from("1"), folder.path(), false).unwrap_err();
    assert!(error.to_string().contains("is not empty"), "{error}");
    assert!(folder.path().join("thesis.txt").exists());
}

/// Stamps a crate with this source and this manifest; returns why it was refused.
fn refused(source: &str, manifest: &str) -> String {
    let folder = tempfile::tempdir().expect("a folder for the test");
    let write = |file: &str, text: &str| {
        let path = folder.path().join(file);
        std::fs::create_dir_all(path.parent().expect("a file has a folder")).expect("it can be created");
        std::fs::write(path, text).expect("it can be written");
    };
    write("Cargo.toml", "[workspace]\nmembers = [\"mini\"]\n\n[workspace.lints.rust]\n");
    write("mini/Cargo.toml", "[package]\nname = \"mini\"\n");
    write("mini/src/lib.rs", source);
    write("labs/parts/1.toml", &format!("id='1'\ntitle='t'\nhandout='h.md'\npoints=1\norder=1\n{manifest}"));
    let out = tempfile::tempdir().expect("a folder for the test");
    let stamped =
        Stamper::new(folder.path()).and_then(|stamper| stamper.stamp(&from("1"), out.path(), false));
    format!("{:#}", stamped.expect_err("it is refused"))
}

fn hole(path: &str) -> String {
    format!("[[hole]]\npath = '{path}'\n")
}

#[test]
fn holes_that_cannot_stay_clean_are_refused() {
    let refuse = |source: &str, path: &str, why: &str| {
        let error = refused(source, &hole(path));
        assert!(error.contains(why), "{error}");
    };
    refuse("const fn a() -> u8 { 1 }", "mini::a", "it is a `const fn`");
    refuse("fn a() -> impl Iterator<Item = u8> { [1].into_iter() }", "mini::a", "it returns `impl Trait`");
    refuse("fn a() -> Option<impl Copy> { Some(1) }", "mini::a", "it returns `impl Trait`");
    refuse("trait A { fn a(); }", "mini::A::a", "it has no body");
    refuse("struct A;", "mini::A", "it is not a function");
    refuse("fn b() {}", "mini::a", "has no such item");
    refuse("fn b() {}", "other::a", "no crate of the workspace is called `other`");
    refuse("mod b;", "mini::b::a", "module `b` has no file");
    let twice = "struct A; impl Clone for A { fn f() {} } impl Copy for A { fn f() {} }";
    refuse(twice, "mini::A::f", "2 items of this name");
    refuse("fn b() {}", "mini", "not an item path");
}

#[test]
fn a_path_listed_twice_and_a_wrong_stub_are_refused() {
    let error = refused("fn a() {}", &format!("{}{}", hole("mini::a"), hole("mini::a")));
    assert!(error.contains("`mini::a` is listed twice"), "{error}");
    let error = refused("fn a() {}", &format!("{}stub = 'Ok(('\n", hole("mini::a")));
    assert!(error.contains("is not Rust"), "{error}");
}

#[test]
fn a_doc_link_to_what_disappears_is_refused() {
    let source = "/// See [`gone`].\nfn a() {}\n/// Gives it away.\nfn gone() {}\n";
    let error = refused(source, &format!("{}[[drop]]\npath = 'mini::gone'\n", hole("mini::a")));
    assert!(error.contains("mini/src/lib.rs:1: a doc comment links to `gone`"), "{error}");
}
