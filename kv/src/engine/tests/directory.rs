//! What `open` says to a directory that is in use, not ours, newer, or damaged.

use std::fs;
use std::path::{Path, PathBuf};

use super::super::{Cf, Engine, Error, FjallEngine, Read, WriteBatch};
use super::{copy_directory, journals, written_length};

fn open(path: &Path) -> Result<FjallEngine, Error> {
    FjallEngine::open(path, &Cf::ALL)
}

fn refusal(path: &Path) -> Error {
    match open(path) {
        Ok(_) => panic!("{} was opened", path.display()),
        Err(error) => error,
    }
}

fn put(engine: &FjallEngine, key: &str) {
    let mut batch = WriteBatch::new();
    batch.put(Cf::Default, key.to_owned(), "value");
    engine.write(batch).unwrap();
}

/// A closed engine with so many synced batches in it.
fn closed_engine(batches: usize) -> (tempfile::TempDir, PathBuf) {
    let root = super::directory();
    let path = root.path().join("kv");
    let engine = open(&path).unwrap();
    for n in 0..batches {
        put(&engine, &format!("{n:03}"));
    }
    engine.sync().unwrap();
    (root, path)
}

#[test]
fn a_directory_in_use_is_refused_until_the_last_handle_is_gone() {
    let (_root, path) = closed_engine(1);
    let engine = open(&path).unwrap();
    let snapshot = engine.snapshot();
    assert!(matches!(refusal(&path), Error::Locked(at) if at == path));
    drop(engine);
    let error = refusal(&path);
    assert!(matches!(error, Error::Locked(_)), "a snapshot keeps the database open: {error}");
    assert!(error.to_string().contains("in use by another process"), "{error}");
    drop(snapshot);
    assert!(open(&path).is_ok());
}

#[test]
fn a_directory_of_somebody_else_is_refused_and_left_alone() {
    let root = super::directory();
    fs::write(root.path().join("thesis.tex"), "years of work").unwrap();
    let error = refusal(root.path());
    assert!(matches!(error, Error::Foreign { .. }), "{error}");
    assert!(error.to_string().contains("holds thesis.tex"), "{error}");
    assert_eq!(fs::read_dir(root.path()).unwrap().count(), 1, "something was written into it");
}

#[test]
fn the_other_database_of_a_store_is_not_mistaken_for_this_one() {
    let root = super::directory();
    drop(FjallEngine::open(root.path(), &[Cf::Raft]).unwrap());
    let error = refusal(root.path());
    assert!(matches!(error, Error::Foreign { .. }), "{error}");
    assert!(error.to_string().contains("holds raft, not default lock write raft"), "{error}");
    assert!(FjallEngine::open(root.path(), &[Cf::Raft]).is_ok());
}

#[test]
fn a_newer_format_is_refused() {
    let (_root, path) = closed_engine(1);
    let file = path.join("data/format");
    let newer = fs::read_to_string(&file).unwrap().replace("format 1", "format 2");
    fs::write(&file, newer + "and something that we do not know\n").unwrap();
    let error = refusal(&path);
    assert!(matches!(error, Error::NewerFormat { found: 2, known: 1, .. }), "{error}");
}

#[test]
fn a_damaged_format_file_is_corrupt() {
    let (_root, path) = closed_engine(1);
    let file = path.join("data/format");
    for damage in
        ["", "tinykv engin", "tinykv engine\n", "tinykv engine\nformat x\n", "tinykv engine\nformat 1\n"]
    {
        fs::write(&file, damage).unwrap();
        assert!(matches!(refusal(&path), Error::Corrupt { .. }), "{damage:?}");
    }
    fs::write(&file, [0xff, 0xfe]).unwrap();
    assert!(matches!(refusal(&path), Error::Corrupt { .. }));
    fs::remove_file(&file).unwrap();
    assert!(matches!(refusal(&path), Error::Corrupt { .. }));
}

#[test]
fn a_half_made_engine_is_made_again() {
    let (root, path) = closed_engine(0);
    for stage in ["nothing but a lock", "nothing made", "a database without format", "all but complete"] {
        let half = root.path().join(stage);
        fs::create_dir(&half).unwrap();
        fs::write(half.join("lock"), "").unwrap();
        match stage {
            "nothing but a lock" => {}
            "nothing made" => fs::write(half.join("making"), "").unwrap(),
            _ => {
                fs::write(half.join("making"), "").unwrap();
                copy_directory(&path.join("data"), &half.join("data"));
            }
        }
        if stage == "a database without format" {
            fs::remove_file(half.join("data/format")).unwrap();
        }
        put(&open(&half).unwrap(), "a");
        let engine = open(&half).unwrap();
        assert!(engine.get(Cf::Default, b"a").unwrap().is_some(), "{stage}");
        assert!(!half.join("making").exists());
    }
}

#[test]
fn a_missing_file_is_corrupt() {
    let (_root, path) = closed_engine(10);
    for file in ["version", "0.jnl", "keyspaces/1/current"] {
        let damaged = path.with_file_name(file.replace('/', "-"));
        copy_directory(&path, &damaged);
        fs::remove_file(damaged.join("data/db").join(file)).unwrap();
        let error = refusal(&damaged);
        assert!(matches!(error, Error::Corrupt { .. }), "{file}: {error}");
    }
    fs::remove_dir_all(path.join("data/db")).unwrap();
    let error = refusal(&path);
    assert!(matches!(error, Error::Corrupt { .. }), "everything: {error}");
}

/// A flipped bit in the journal is refused, or cuts the journal short, or hits nothing that matters; it never changes or
/// reorders what can be read.
#[test]
fn a_flipped_bit_in_the_journal_never_changes_what_is_read() {
    const BATCHES: usize = 4;
    const STRIDE: usize = 3;
    let (root, path) = closed_engine(BATCHES);
    let journal = journals(&path).pop().unwrap();
    let length = written_length(&journal);
    let name = journal.strip_prefix(&path).unwrap().to_owned();
    let mut refused = 0;
    for at in (0..length).step_by(STRIDE) {
        let damaged = root.path().join("damaged");
        copy_directory(&path, &damaged);
        let file = damaged.join(&name);
        let mut bytes = fs::read(&file).unwrap();
        bytes[usize::try_from(at).unwrap()] ^= 1 << (at % 8);
        fs::write(&file, bytes).unwrap();
        match open(&damaged) {
            Err(Error::Corrupt { place, .. }) => {
                assert!(place.contains("damaged"));
                refused += 1;
            }
            Err(error) => panic!("byte {at}: {error}"),
            Ok(engine) => {
                let pairs = engine.range(Cf::Default, std::ops::Bound::Unbounded, std::ops::Bound::Unbounded);
                for (n, pair) in pairs.unwrap().enumerate() {
                    let (key, value) = pair.unwrap();
                    assert_eq!(
                        (&key[..], &value[..]),
                        (format!("{n:03}").as_bytes(), "value".as_bytes()),
                        "byte {at}"
                    );
                }
            }
        }
        fs::remove_dir_all(&damaged).unwrap();
    }
    assert!(
        refused * 2 * STRIDE as u64 > length,
        "{refused} of {} flips were noticed",
        length / STRIDE as u64
    );
}
