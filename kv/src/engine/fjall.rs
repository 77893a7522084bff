//! The engine of production: one fjall database, with one of its keyspaces for each column family.

use std::fs;
use std::io::{self, ErrorKind};
use std::iter;
use std::ops::Bound;
use std::panic;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use bytes::Bytes;
use fjall::{Database, Keyspace, KeyspaceCreateOptions, PersistMode, Readable};

use super::directory::{Directory, at};
use super::{Cf, Engine, Error, Iter, Op, Read, Result, Snapshot, WriteBatch, check_key, is_empty_range};

/// An engine in a directory. A clone shares the database, which is closed when the last clone and the last snapshot are gone;
/// until then the directory stays locked.
#[derive(Clone)]
pub struct FjallEngine(Arc<Open>);

/// What an operator can set.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FjallOptions {
    /// Threads that write memory to disk and merge files; at least 1.
    pub worker_threads: usize,
    /// Cache for blocks, in bytes.
    pub cache_bytes: u64,
    /// Memory for each column family before it is written to a file, in bytes.
    pub memtable_bytes: u64,
}

impl Default for FjallOptions {
    fn default() -> FjallOptions {
        FjallOptions { worker_threads: 1, cache_bytes: 32 << 20, memtable_bytes: 64 << 20 }
    }
}

/// An open database. Fields are dropped in order: the lock is let go last.
struct Open {
    // Only ever used through `Open`, as a keyspace whose database is gone takes writes and forgets them.
    keyspaces: Keyspaces,
    db: Database,
    /// Set once a write or sync has failed (guarantee 7). fjall has such a flag as well, but not for all failures.
    poisoned: AtomicBool,
    directory: Directory,
}

impl FjallEngine {
    /// Opens the engine at `path` with the column families `cfs`; makes it if there is none.
    ///
    /// # Errors
    /// [`Error::Locked`], [`Error::Foreign`] (also if it was made with other column families), [`Error::NewerFormat`],
    /// [`Error::Corrupt`], [`Error::Full`], or what the operating system says. No data is changed then.
    pub fn open(path: impl AsRef<Path>, cfs: &[Cf]) -> Result<FjallEngine> {
        FjallEngine::open_with(path, cfs, &FjallOptions::default())
    }

    /// As `open`, with options.
    ///
    /// # Errors
    /// As `open`.
    pub fn open_with(path: impl AsRef<Path>, cfs: &[Cf], options: &FjallOptions) -> Result<FjallEngine> {
        let path = path.as_ref();
        let make = |db: &Path| make_database(path, db, cfs, options);
        let (directory, made) = Directory::take(path, cfs, make)?;
        let (db, keyspaces) = match made {
            Some(made) => made,
            None => open_database(path, &directory.db(), cfs, options)?,
        };
        Ok(FjallEngine(Arc::new(Open { keyspaces, db, poisoned: AtomicBool::new(false), directory })))
    }
}

type Keyspaces = [Option<Keyspace>; Cf::ALL.len()];

/// Makes a database at `db`, with its keyspaces. Errors name `path`.
///
/// It is used as it is, and not opened again: a journal that fjall has made has its 64 MiB from the beginning, one that it
/// found again grows with each write, and to sync a file that has grown costs the file system a transaction of its own.
fn make_database(
    path: &Path,
    db: &Path,
    cfs: &[Cf],
    options: &FjallOptions,
) -> Result<(Database, Keyspaces)> {
    let database = builder(db, options).open().map_err(|error| convert(path, error))?;
    let keyspaces = open_keyspaces(path, &database, cfs, options)?;
    Ok((database, keyspaces))
}

/// Opens the database at `db`, which was made before. Errors name `path`.
fn open_database(
    path: &Path,
    db: &Path,
    cfs: &[Cf],
    options: &FjallOptions,
) -> Result<(Database, Keyspaces)> {
    let corrupt = |what: String| Error::Corrupt { place: path.display().to_string(), what };
    // A database always has a journal; without one, fjall goes on with what had reached other files.
    if !has_journal(db).map_err(|error| from_io(path, error))? {
        return Err(corrupt("its journal is gone".to_owned()));
    }
    // fjall answers most damage with an error, and some with a panic.
    let opened = panic::catch_unwind(|| builder(db, options).open());
    let opened = opened.map_err(|_| corrupt("its journal or a file of it cannot be read".to_owned()))?;
    let database = opened.map_err(|error| convert(path, error))?;
    // If its files are gone, fjall takes the database for a new one, and would begin again with nothing.
    if let Some(gone) = cfs.iter().find(|cf| !database.keyspace_exists(cf.name())) {
        return Err(corrupt(format!("its column family {} is gone", gone.name())));
    }
    let keyspaces = open_keyspaces(path, &database, cfs, options)?;
    Ok((database, keyspaces))
}

fn has_journal(db: &Path) -> io::Result<bool> {
    for entry in fs::read_dir(db)? {
        if Path::new(&entry?.file_name()).extension().is_some_and(|extension| extension == "jnl") {
            return Ok(true);
        }
    }
    Ok(false)
}

fn builder(db: &Path, options: &FjallOptions) -> fjall::DatabaseBuilder<Database> {
    Database::builder(db).worker_threads(options.worker_threads.max(1)).cache_size(options.cache_bytes)
}

/// The keyspaces for `cfs`, made if they are not there. Errors name `path`.
fn open_keyspaces(path: &Path, database: &Database, cfs: &[Cf], options: &FjallOptions) -> Result<Keyspaces> {
    let settings = || KeyspaceCreateOptions::default().max_memtable_size(options.memtable_bytes);
    let mut keyspaces = Keyspaces::default();
    for &cf in cfs {
        let opened = database.keyspace(cf.name(), settings);
        keyspaces[cf as usize] = Some(opened.map_err(|error| convert(path, error))?);
    }
    Ok(keyspaces)
}

impl Read for FjallEngine {
    fn get(&self, cf: Cf, key: &[u8]) -> Result<Option<Bytes>> {
        // Through a snapshot: a plain get could see one key of a batch that is still being written, and the next get not yet
        // see another.
        self.view().get(cf, key)
    }

    fn range(&self, cf: Cf, lower: Bound<&[u8]>, upper: Bound<&[u8]>) -> Result<Iter<'_>> {
        self.view().pairs(cf, lower, upper)
    }
}

impl Engine for FjallEngine {
    fn write(&self, batch: WriteBatch) -> Result<()> {
        batch.check_keys()?;
        self.0.check_usable()?;
        let mut written = self.0.db.batch().durability(Some(PersistMode::Buffer));
        for op in batch.into_ops() {
            match op {
                Op::Put { cf, key, value } => written.insert(self.0.keyspace(cf)?, key, value),
                Op::Delete { cf, key } => written.remove(self.0.keyspace(cf)?, key),
            }
        }
        self.0.poison_if_failed(written.commit())
    }

    fn sync(&self) -> Result<()> {
        self.0.check_usable()?;
        // SyncData is enough: it also covers a file's new length, and leaves out only its times.
        self.0.poison_if_failed(self.0.db.persist(PersistMode::SyncData))
    }

    fn snapshot(&self) -> Snapshot {
        Arc::new(self.view())
    }
}

impl FjallEngine {
    fn view(&self) -> View {
        View { snapshot: self.0.db.snapshot(), open: self.0.clone() }
    }
}

impl Open {
    fn check_usable(&self) -> Result<()> {
        if self.poisoned.load(Ordering::Acquire) { Err(Error::Poisoned) } else { Ok(()) }
    }

    fn poison_if_failed(&self, result: fjall::Result<()>) -> Result<()> {
        result.map_err(|error| {
            let first = !self.poisoned.swap(true, Ordering::AcqRel);
            match error {
                // Its own threads met the failure before us.
                fjall::Error::Poisoned if first => Error::Other(format!(
                    "{}: writing files in the background failed, the log says why",
                    self.directory.path().display()
                )),
                error => self.convert(error),
            }
        })
    }

    fn keyspace(&self, cf: Cf) -> Result<&Keyspace> {
        let missing = || Error::Other(format!("this engine has no column family {}", cf.name()));
        self.keyspaces[cf as usize].as_ref().ok_or_else(missing)
    }

    fn convert(&self, error: fjall::Error) -> Error {
        convert(self.directory.path(), error)
    }
}

/// One moment of an engine. Keeps the database open.
struct View {
    // Before the database: what it pins is let go while the database is still there.
    snapshot: fjall::Snapshot,
    open: Arc<Open>,
}

impl View {
    fn pairs(&self, cf: Cf, lower: Bound<&[u8]>, upper: Bound<&[u8]>) -> Result<Iter<'static>> {
        self.open.check_usable()?;
        let keyspace = self.open.keyspace(cf)?;
        if is_empty_range(lower, upper) {
            return Ok(Box::new(iter::empty()));
        }
        let open = self.open.clone();
        let pairs = self.snapshot.range::<&[u8], _>(keyspace, (lower, upper));
        Ok(Box::new(pairs.map(move |pair| match pair.into_inner() {
            Ok((key, value)) => Ok((key.into(), value.into())),
            Err(error) => Err(open.convert(error)),
        })))
    }
}

impl Read for View {
    fn get(&self, cf: Cf, key: &[u8]) -> Result<Option<Bytes>> {
        check_key(key)?;
        self.open.check_usable()?;
        let value = self.snapshot.get(self.open.keyspace(cf)?, key);
        value.map(|value| value.map(Bytes::from)).map_err(|error| self.open.convert(error))
    }

    fn range(&self, cf: Cf, lower: Bound<&[u8]>, upper: Bound<&[u8]>) -> Result<Iter<'_>> {
        self.pairs(cf, lower, upper)
    }
}

/// What a failure of fjall, in the directory `path`, means to us.
fn convert(path: &Path, error: fjall::Error) -> Error {
    use fjall::Error as Fjall;
    let corrupt = |what: String| Error::Corrupt { place: path.display().to_string(), what };
    match error {
        Fjall::Io(error) => from_io(path, error),
        Fjall::Storage(error) => from_tree(path, error),
        Fjall::Locked => Error::Locked(path.to_owned()),
        Fjall::Poisoned => Error::Poisoned,
        Fjall::JournalRecovery(what) => corrupt(format!("its journal cannot be read ({what:?})")),
        Fjall::InvalidVersion(found) => corrupt(format!("its database has another format ({found:?})")),
        Fjall::Decompress(_) | Fjall::InvalidTrailer | Fjall::InvalidTag(_) | Fjall::Unrecoverable => {
            corrupt(format!("its database cannot be read ({error:?})"))
        }
        error => Error::Other(format!("{}: {error}", path.display())),
    }
}

fn from_tree(path: &Path, error: fjall::LsmError) -> Error {
    match error {
        fjall::LsmError::Io(error) => from_io(path, error),
        error => Error::Corrupt {
            place: path.display().to_string(),
            what: format!("a file is damaged ({error:?})"),
        },
    }
}

fn from_io(path: &Path, error: io::Error) -> Error {
    match error.kind() {
        // A database misses no file, and no end of a file, unless somebody took it away; and if what is gone is the file that
        // says that there is a database, fjall stumbles over the others.
        ErrorKind::NotFound
        | ErrorKind::UnexpectedEof
        | ErrorKind::InvalidData
        | ErrorKind::AlreadyExists => Error::Corrupt {
            place: path.display().to_string(),
            what: format!("a file is missing or too short ({error})"),
        },
        _ => at(path, error),
    }
}
