//! The directory of an engine on disk: whose it is, who has it open, which format it has.
//!
//! ```text
//! <path>/lock          locked by the process that has the engine open
//! <path>/data/format   which format, and which column families: see below
//! <path>/data/db/      the database
//! <path>/making        empty; there while `data` is being made
//! ```
//!
//! Whoever dies while making `data` leaves `making`, and the next start throws both away. `making` is gone, durably, before
//! `data` is in use. So nothing that was ever in use is thrown away, and a half-made engine is never taken for an engine.

use std::fs::{self, File, TryLockError};
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

use super::{Cf, Error, Result};

/// Version of the format of the directory. A program refuses what is newer than its own.
const FORMAT: u32 = 1;
/// First line of the format file.
const MAGIC: &str = "tinykv engine";

const LOCK: &str = "lock";
const DATA: &str = "data";
const MAKING: &str = "making";
const FORMAT_FILE: &str = "format";
const DB: &str = "db";

/// A directory that this process has to itself for as long as this lives.
#[derive(Debug)]
pub(super) struct Directory {
    path: PathBuf,
    /// The operating system lets go of the lock when the process dies.
    lock: File,
}

impl Drop for Directory {
    fn drop(&mut self) {
        // Closing the file is not enough: a process that is being started at this moment has a copy of it, until it runs its
        // own program. If this fails, closing is all that can be done.
        let _ = self.lock.unlock();
    }
}

impl Directory {
    /// Takes the directory at `path`, for an engine with the column families `cfs`. If there is no engine in it yet, `make` is
    /// called with the place for a new database, and what it returns is returned: the database, open.
    ///
    /// # Errors
    /// [`Error::Foreign`], [`Error::Locked`], [`Error::NewerFormat`], [`Error::Corrupt`], or what the file system says.
    pub(super) fn take<T>(
        path: &Path,
        cfs: &[Cf],
        make: impl FnOnce(&Path) -> Result<T>,
    ) -> Result<(Directory, Option<T>)> {
        fs::create_dir_all(path).map_err(|error| at(path, error))?;
        check_entries(path)?;
        let directory = Directory { path: path.to_owned(), lock: lock(path)? };
        if path.join(MAKING).exists() || !path.join(DATA).exists() {
            let made = create(path, cfs, make)?;
            return Ok((directory, Some(made)));
        }
        directory.check_format(cfs)?;
        Ok((directory, None))
    }

    /// The whole directory.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Where the database is.
    pub(super) fn db(&self) -> PathBuf {
        self.path.join(DATA).join(DB)
    }

    fn check_format(&self, cfs: &[Cf]) -> Result<()> {
        let file = self.path.join(DATA).join(FORMAT_FILE);
        let corrupt =
            |what: &str| Error::Corrupt { place: file.display().to_string(), what: what.to_owned() };
        let foreign = |what: String| Error::Foreign { path: self.path.clone(), what };
        let text = match fs::read(&file) {
            Ok(bytes) => String::from_utf8(bytes).map_err(|_| corrupt("it is not a text"))?,
            Err(error) if error.kind() == ErrorKind::NotFound => return Err(corrupt("it is missing")),
            Err(error) => return Err(at(&file, error)),
        };
        let mut lines = text.lines();
        if lines.next() != Some(MAGIC) {
            return Err(corrupt("it does not begin as ours do"));
        }
        let format = lines.next().and_then(|line| line.strip_prefix("format ")?.parse().ok());
        let found: u32 = format.ok_or_else(|| corrupt("it names no format"))?;
        if found > FORMAT {
            return Err(Error::NewerFormat { path: self.path.clone(), found, known: FORMAT });
        }
        match lines.next() {
            Some(line) if line == holds(cfs) => Ok(()),
            Some(line) if line.starts_with("holds ") => {
                Err(foreign(format!("it {line}, not {}", names(cfs))))
            }
            _ => Err(corrupt("it names no column families")),
        }
    }
}

/// An error of the file system that says where.
pub(super) fn at(path: &Path, error: io::Error) -> Error {
    match error.kind() {
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded => Error::Full(path.to_owned()),
        kind => Error::Io(io::Error::new(kind, format!("{}: {error}", path.display()))),
    }
}

fn check_entries(path: &Path) -> Result<()> {
    for entry in fs::read_dir(path).map_err(|error| at(path, error))? {
        let name = entry.map_err(|error| at(path, error))?.file_name();
        if ![LOCK, DATA, MAKING].iter().any(|ours| name == *ours) {
            let what = format!("it holds {}", name.display());
            return Err(Error::Foreign { path: path.to_owned(), what });
        }
    }
    Ok(())
}

fn lock(path: &Path) -> Result<File> {
    let file = path.join(LOCK);
    let lock = File::options().create(true).truncate(false).write(true).open(&file);
    let lock = lock.map_err(|error| at(&file, error))?;
    match lock.try_lock() {
        Ok(()) => Ok(lock),
        Err(TryLockError::WouldBlock) => Err(Error::Locked(path.to_owned())),
        Err(TryLockError::Error(error)) => Err(at(&file, error)),
    }
}

fn create<T>(path: &Path, cfs: &[Cf], make: impl FnOnce(&Path) -> Result<T>) -> Result<T> {
    let (making, data) = (path.join(MAKING), path.join(DATA));
    File::create(&making).map_err(|error| at(&making, error))?;
    sync_directory(path)?;
    match fs::remove_dir_all(&data) {
        Err(error) if error.kind() != ErrorKind::NotFound => return Err(at(&data, error)),
        _ => {}
    }
    fs::create_dir(&data).map_err(|error| at(&data, error))?;
    let made = make(&data.join(DB))?;
    let file = data.join(FORMAT_FILE);
    let text = format!("{MAGIC}\nformat {FORMAT}\n{}\n", holds(cfs));
    let written = fs::write(&file, text).and_then(|()| File::open(&file)?.sync_all());
    written.map_err(|error| at(&file, error))?;
    // First all that there is, then the sign that it is complete.
    sync_directory(&data)?;
    sync_directory(path)?;
    fs::remove_file(&making).map_err(|error| at(&making, error))?;
    sync_directory(path)?;
    Ok(made)
}

fn sync_directory(path: &Path) -> Result<()> {
    File::open(path).and_then(|directory| directory.sync_all()).map_err(|error| at(path, error))
}

fn holds(cfs: &[Cf]) -> String {
    format!("holds {}", names(cfs))
}

fn names(cfs: &[Cf]) -> String {
    let names: Vec<&str> = Cf::ALL.iter().filter(|cf| cfs.contains(cf)).map(|cf| cf.name()).collect();
    names.join(" ")
}
