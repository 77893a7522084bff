//! Simulated snapshot files: what a power loss takes away, it takes away.
//!
//! A file that was never renamed may vanish, one that was deleted may come back, and of what was not synced a prefix is left
//! (the contract of [`SnapFiles`]). The death of a process takes nothing away.

use std::collections::BTreeMap;
use std::io::{self, Cursor, Read};
use std::sync::{Arc, Mutex, MutexGuard};

use kv::snap::{SnapFile, SnapFiles};

use crate::check::observe::{FileEvent, SnapshotFile};
use crate::disk::Passage;

/// What stands between a store and its files.
pub trait FileGate: Send + Sync {
    /// A call that changes something.
    fn before_change(&self) -> Passage;
    /// A snapshot file is opened, closed or deleted.
    fn on_file(&self, file: SnapshotFile, event: FileEvent);
}

/// A directory of files: what outlives a process.
#[derive(Clone, Debug, Default)]
pub struct Directory(Arc<Mutex<Contents>>);

#[derive(Debug, Default)]
struct Contents {
    named: BTreeMap<String, Entry>,
    /// Deleted since the last power loss: may come back.
    deleted: BTreeMap<String, Entry>,
}

#[derive(Clone, Debug)]
struct Entry {
    data: Arc<Mutex<Data>>,
    /// Its name is safe.
    renamed: bool,
}

#[derive(Debug, Default)]
struct Data {
    bytes: Vec<u8>,
    /// So many of them are safe.
    synced: usize,
}

impl Directory {
    /// The power fails. `draw` gives a number below its argument, at will.
    pub fn lose_power(&self, mut draw: impl FnMut(u64) -> u64) {
        let mut contents = lock(&self.0);
        let deleted = std::mem::take(&mut contents.deleted);
        for (name, entry) in deleted {
            if draw(2) == 0 {
                contents.named.entry(name).or_insert(entry);
            }
        }
        contents.named.retain(|_, entry| entry.renamed || draw(2) == 0);
        for entry in contents.named.values() {
            let mut data = lock(&entry.data);
            let unsynced = (data.bytes.len() - data.synced) as u64;
            let keep = data.synced + draw(unsynced + 1) as usize;
            data.bytes.truncate(keep);
            data.synced = keep;
        }
    }

    /// How many files there are.
    pub fn len(&self) -> usize {
        lock(&self.0).named.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// The files of a store that runs.
pub struct SimFiles {
    directory: Directory,
    gate: Arc<dyn FileGate>,
}

impl SimFiles {
    /// The files in a directory.
    pub fn open(directory: Directory, gate: Arc<dyn FileGate>) -> SimFiles {
        SimFiles { directory, gate }
    }

    /// What a change comes to: none if the store is dead.
    fn change(&self) -> io::Result<bool> {
        match self.gate.before_change() {
            Passage::Open => Ok(true),
            Passage::Shut => Ok(false),
            Passage::Fails => Err(broken()),
        }
    }

    fn contents(&self) -> MutexGuard<'_, Contents> {
        lock(&self.directory.0)
    }
}

impl SnapFiles for SimFiles {
    fn create(&self, name: &str) -> io::Result<Box<dyn SnapFile>> {
        let data = Arc::<Mutex<Data>>::default();
        if self.change()? {
            let entry = Entry { data: data.clone(), renamed: false };
            self.contents().named.insert(name.to_owned(), entry);
        }
        Ok(Box::new(Writer { data, gate: self.gate.clone() }))
    }

    fn open(&self, name: &str) -> io::Result<Box<dyn Read + Send>> {
        let contents = self.contents();
        let entry = contents.named.get(name).ok_or(io::ErrorKind::NotFound)?;
        let bytes = lock(&entry.data).bytes.clone();
        drop(contents);
        let file = parse(name);
        if let Some(file) = file {
            self.gate.on_file(file, FileEvent::Opened);
        }
        Ok(Box::new(Reader { bytes: Cursor::new(bytes), file, gate: self.gate.clone() }))
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        if !self.change()? {
            return Ok(());
        }
        let mut contents = self.contents();
        let entry = contents.named.remove(from).ok_or(io::ErrorKind::NotFound)?;
        let renamed = true;
        contents.deleted.remove(to);
        contents.named.insert(to.to_owned(), Entry { renamed, ..entry });
        Ok(())
    }

    fn delete(&self, name: &str) -> io::Result<()> {
        if !self.change()? {
            return Ok(());
        }
        let mut contents = self.contents();
        let Some(entry) = contents.named.remove(name) else { return Ok(()) };
        contents.deleted.insert(name.to_owned(), entry);
        drop(contents);
        if let Some(file) = parse(name) {
            self.gate.on_file(file, FileEvent::Deleted);
        }
        Ok(())
    }

    fn list(&self) -> io::Result<Vec<(String, u64)>> {
        let contents = self.contents();
        let size = |entry: &Entry| lock(&entry.data).bytes.len() as u64;
        Ok(contents.named.iter().map(|(name, entry)| (name.clone(), size(entry))).collect())
    }
}

struct Writer {
    data: Arc<Mutex<Data>>,
    gate: Arc<dyn FileGate>,
}

impl SnapFile for Writer {
    fn append(&mut self, data: &[u8]) -> io::Result<()> {
        match self.gate.before_change() {
            Passage::Open => lock(&self.data).bytes.extend_from_slice(data),
            Passage::Shut => {}
            Passage::Fails => return Err(broken()),
        }
        Ok(())
    }

    fn sync(&mut self) -> io::Result<()> {
        match self.gate.before_change() {
            Passage::Open => {
                let mut data = lock(&self.data);
                data.synced = data.bytes.len();
            }
            Passage::Shut => {}
            Passage::Fails => return Err(broken()),
        }
        Ok(())
    }
}

struct Reader {
    bytes: Cursor<Vec<u8>>,
    file: Option<SnapshotFile>,
    gate: Arc<dyn FileGate>,
}

impl Read for Reader {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.bytes.read(buffer)
    }
}

impl Drop for Reader {
    fn drop(&mut self) {
        if let Some(file) = self.file {
            self.gate.on_file(file, FileEvent::Closed);
        }
    }
}

/// Which snapshot a file of this name holds: `gen_1_6_20.snap` was made here, `rev_1_6_20.snap` came from another store.
fn parse(name: &str) -> Option<SnapshotFile> {
    let (kind, rest) = name.strip_suffix(".snap")?.split_once('_')?;
    let received = match kind {
        "gen" => false,
        "rev" => true,
        _ => return None,
    };
    let mut numbers = rest.split('_').map(|number| number.parse().ok());
    let (region_id, term, index) = (numbers.next()??, numbers.next()??, numbers.next()??);
    Some(SnapshotFile { region_id, term, index, received })
}

fn broken() -> io::Error {
    io::Error::other("input/output error (simulated)")
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().expect("no code under test runs under this lock")
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Open;

    impl FileGate for Open {
        fn before_change(&self) -> Passage {
            Passage::Open
        }

        fn on_file(&self, _: SnapshotFile, _: FileEvent) {}
    }

    fn text(files: &SimFiles, name: &str) -> Option<String> {
        let mut text = String::new();
        files.open(name).ok()?.read_to_string(&mut text).expect("it is text");
        Some(text)
    }

    fn write(files: &SimFiles, name: &str, synced: &str, then: &str) {
        let mut file = files.create(name).expect("the gate is open");
        file.append(synced.as_bytes()).expect("the gate is open");
        file.sync().expect("the gate is open");
        file.append(then.as_bytes()).expect("the gate is open");
    }

    #[test]
    fn a_power_loss_takes_what_is_not_safe() {
        for luck in 0..4 {
            let directory = Directory::default();
            let files = SimFiles::open(directory.clone(), Arc::new(Open));
            write(&files, "a.tmp", "one", "two");
            files.rename("a.tmp", "a").expect("the gate is open");
            write(&files, "b", "three", "");
            write(&files, "c.tmp", "four", "");
            files.rename("c.tmp", "c").expect("the gate is open");
            files.delete("c").expect("the gate is open");
            directory.lose_power(|below| luck.min(below - 1));
            let left = text(&files, "a").expect("its name is safe");
            assert_eq!(left, format!("one{}", &"two"[..luck as usize]));
            assert_eq!(text(&files, "b").is_some(), luck == 0);
            assert_eq!(text(&files, "c").is_some(), luck == 0);
        }
    }

    #[test]
    fn names_are_understood() {
        let file = SnapshotFile { region_id: 1, term: 6, index: 20, received: true };
        assert_eq!(parse("rev_1_6_20.snap"), Some(file));
        assert_eq!(parse("gen_1_6_20.snap"), Some(SnapshotFile { received: false, ..file }));
        assert_eq!(parse("rev_1_6_20.snap.tmp"), None);
        assert_eq!(parse("other"), None);
    }
}
