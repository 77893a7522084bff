//! Both engines through the conformance suite, against each other, and the directories of the one on disk.

mod conform;
mod directory;
mod mirror;
mod resources;

use std::fs;
use std::path::{Path, PathBuf};

/// A directory for one test, in memory where the system has such: these tests sync thousands of times, and none of them needs
/// a disk that keeps its word.
fn directory() -> tempfile::TempDir {
    let memory = Path::new("/dev/shm");
    if memory.is_dir() { tempfile::tempdir_in(memory).unwrap() } else { tempfile::tempdir().unwrap() }
}

/// Copies the directory `from` as it is now: what a killed process leaves of an open engine.
fn copy_directory(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let to = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy_directory(&entry.path(), &to);
        } else {
            copy_file(&entry.path(), &to);
        }
    }
}

/// Copies a file without the zeros at its end: fjall's journals are 64 MiB of them.
fn copy_file(from: &Path, to: &Path) {
    let length = written_length(from);
    let mut data = vec![0; usize::try_from(length).unwrap()];
    std::io::Read::read_exact(&mut fs::File::open(from).unwrap(), &mut data).unwrap();
    fs::write(to, data).unwrap();
    let whole = fs::metadata(from).unwrap().len();
    fs::File::options().write(true).open(to).unwrap().set_len(whole).unwrap();
}

/// Length of a file up to its last byte that is not zero.
fn written_length(path: &Path) -> u64 {
    use std::io::{Read, Seek, SeekFrom};
    const PIECE: u64 = 1 << 20;
    let mut file = fs::File::open(path).unwrap();
    let (mut at, mut found) = (0, 0);
    let mut piece = Vec::new();
    loop {
        piece.clear();
        file.seek(SeekFrom::Start(at)).unwrap();
        if file.by_ref().take(PIECE).read_to_end(&mut piece).unwrap() == 0 {
            return found;
        }
        match piece.iter().rposition(|byte| *byte != 0) {
            Some(last) => found = at + last as u64 + 1,
            // The tests write less than a piece at a time, so a piece of zeros is the beginning of the end.
            None => return found,
        }
        at += PIECE;
    }
}

/// The journals of the engine at `path`, in order.
fn journals(path: &Path) -> Vec<PathBuf> {
    let mut found: Vec<PathBuf> = fs::read_dir(path.join("data/db"))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "jnl"))
        .collect();
    found.sort();
    found
}
