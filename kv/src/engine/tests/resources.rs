//! A disk that is full, and a write that fails. Both need a process of their own: the test program starts itself again, with
//! one test to run and a directory for it in the environment.

use std::path::PathBuf;
use std::process::{Command, Output};

use super::super::{Cf, Engine, Error, FjallEngine, Read, WriteBatch};

const CHILD: &str = "TINYKV_ENGINE_TEST_DIRECTORY";

/// The directory that a child works in; `None` in the parent.
fn child_directory() -> Option<PathBuf> {
    std::env::var_os(CHILD).map(PathBuf::from)
}

/// This program with one test to run, as the words of a shell.
fn this_test(name: &str) -> String {
    let program = std::env::current_exe().unwrap();
    format!("'{}' --exact engine::tests::resources::{name} --nocapture", program.display())
}

fn shell(script: &str, directory: &std::path::Path) -> Output {
    Command::new("sh").args(["-c", script]).env(CHILD, directory).output().unwrap()
}

fn check_child(output: &Output) {
    let text = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "the child says: {text}");
    assert!(text.contains("1 passed"), "the child ran nothing: {text}");
}

fn batch(key: &str, value_bytes: usize) -> WriteBatch {
    let mut batch = WriteBatch::new();
    batch.put(Cf::Default, key.to_owned(), vec![7; value_bytes]);
    batch
}

/// Writes until that fails, and returns how many batches were written and the error.
fn write_until_it_fails(engine: &FjallEngine) -> (usize, Error) {
    const PIECE: usize = 64 << 10;
    // More than any disk of these tests holds.
    for n in 0..4096 {
        if let Err(error) = engine.write(batch(&format!("{n:04}"), PIECE)).and_then(|()| engine.sync()) {
            return (n, error);
        }
    }
    panic!("the disk takes everything");
}

fn check_stopped(engine: &FjallEngine) {
    assert!(matches!(engine.write(batch("later", 1)), Err(Error::Poisoned)));
    assert!(matches!(engine.sync(), Err(Error::Poisoned)));
    assert!(matches!(engine.get(Cf::Default, b"0000"), Err(Error::Poisoned)));
    assert!(matches!(engine.snapshot().get(Cf::Default, b"0000"), Err(Error::Poisoned)));
}

fn check_kept(engine: &FjallEngine, batches: usize) {
    for n in 0..batches {
        assert!(engine.get(Cf::Default, format!("{n:04}").as_bytes()).unwrap().is_some(), "batch {n}");
    }
}

/// A write fails because the process may not make files longer than so. No privilege is needed for that, so this runs everywhere.
#[test]
fn after_a_failed_write_fjall_stops_and_keeps_what_was_synced() {
    if let Some(path) = child_directory() {
        let engine = FjallEngine::open(&path, &Cf::ALL).unwrap();
        let (written, error) = write_until_it_fails(&engine);
        assert!(!matches!(error, Error::Poisoned), "the first error says what happened: {error}");
        check_stopped(&engine);
        std::fs::write(path.with_extension("written"), written.to_string()).unwrap();
        return;
    }
    let root = super::directory();
    let path = root.path().join("kv");
    // A new journal has 64 MiB at once; when it is opened again it is as long as what is in it.
    drop(FjallEngine::open(&path, &Cf::ALL).unwrap());
    // A limit of 1 MiB for every file, as an error and not as a signal.
    let limited = "trap '' XFSZ; ulimit -f 2048 && exec ";
    let test = this_test("after_a_failed_write_fjall_stops_and_keeps_what_was_synced");
    check_child(&shell(&format!("{limited}{test}"), &path));
    let written: usize = std::fs::read_to_string(path.with_extension("written")).unwrap().parse().unwrap();
    assert!(written > 0);
    check_kept(&FjallEngine::open(&path, &Cf::ALL).unwrap(), written);
}

/// A full disk: a file system of 4 MiB that only the child sees. Needs the right to mount one, which Linux gives to everybody
/// in a namespace of his own, unless the machine forbids that; then there is nothing to be tested.
#[test]
fn a_full_disk_is_named_and_loses_nothing() {
    if let Some(path) = child_directory() {
        let engine = FjallEngine::open(&path, &Cf::ALL).unwrap();
        let (written, error) = write_until_it_fails(&engine);
        assert!(matches!(&error, Error::Full(at) if *at == path), "{error}");
        assert!(error.to_string().contains("no space left for"), "{error}");
        check_stopped(&engine);
        drop(engine);
        std::fs::remove_file(path.with_file_name("ballast")).unwrap();
        check_kept(&FjallEngine::open(&path, &Cf::ALL).unwrap(), written);

        // On a disk that is full before anything is there, nothing is made.
        let filler = vec![1; 5 << 20];
        let _full = std::fs::write(path.with_file_name("ballast"), filler);
        let late = path.with_file_name("late");
        match FjallEngine::open(&late, &Cf::ALL) {
            Err(Error::Full(at)) => assert!(at.starts_with(&late)),
            Err(error) => panic!("{error}"),
            Ok(_) => panic!("an engine was made on a full disk"),
        }
        std::fs::remove_file(path.with_file_name("ballast")).unwrap();
        assert!(FjallEngine::open(&late, &Cf::ALL).is_ok());
        return;
    }
    let root = super::directory();
    let small = format!("mount -t tmpfs -o size=4m none '{}' && ", root.path().display());
    let ballast =
        format!("dd if=/dev/zero of='{}/ballast' bs=1024 count=1024 2>/dev/null && ", root.path().display());
    let test = this_test("a_full_disk_is_named_and_loses_nothing");
    for unshare in ["unshare --map-root-user --mount", "unshare --mount"] {
        if !shell(&format!("{unshare} sh -c \"{small}true\""), root.path()).status.success() {
            continue;
        }
        let script = format!("{unshare} sh -c \"{small}{ballast}exec {test}\"");
        check_child(&shell(&script, &root.path().join("kv")));
        return;
    }
    println!("this machine lets nobody mount a small file system: not tested");
}
