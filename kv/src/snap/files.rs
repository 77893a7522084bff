//! Where snapshot files live: a seam, so that the simulation can lose and cut them.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, Cursor, Read, Write};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// A directory of files, written once and from front to back.
///
/// What a power cut may take away: everything of a file that was appended after its last [`SnapFile::sync`], the creation of a file
/// that was never renamed, and a deletion. Not a renaming that has returned, if the file had been synced.
pub trait SnapFiles: Send + Sync {
    /// A new, empty file, in place of one of that name.
    ///
    /// # Errors
    /// The disk's. The same holds for all functions here.
    fn create(&self, name: &str) -> io::Result<Box<dyn SnapFile>>;

    /// Reads a file from its beginning. The reader goes on to see this file even if another takes its name, or it is deleted.
    fn open(&self, name: &str) -> io::Result<Box<dyn Read + Send>>;

    /// Gives a file another name, in place of a file that has that name: at once, and durably.
    fn rename(&self, from: &str, to: &str) -> io::Result<()>;

    /// Deletes a file. It is no error if there is none.
    fn delete(&self, name: &str) -> io::Result<()>;

    /// Names and sizes of all files, in the order of their names.
    fn list(&self) -> io::Result<Vec<(String, u64)>>;
}

/// A file that is being written.
pub trait SnapFile: Send {
    /// Adds bytes at the end.
    ///
    /// # Errors
    /// The disk's; part of `data` may be in the file then.
    fn append(&mut self, data: &[u8]) -> io::Result<()>;

    /// Makes everything appended so far safe.
    ///
    /// # Errors
    /// The disk's; nobody knows then what is in the file.
    fn sync(&mut self) -> io::Result<()>;
}

/// Files in a directory.
#[derive(Debug)]
pub struct RealFiles {
    dir: PathBuf,
}

impl RealFiles {
    /// Files in `dir`, which is created if it is not there.
    ///
    /// # Errors
    /// The disk's.
    pub fn open(dir: impl Into<PathBuf>) -> io::Result<RealFiles> {
        let dir = dir.into();
        fs::create_dir_all(&dir)?;
        Ok(RealFiles { dir })
    }
}

impl SnapFiles for RealFiles {
    fn create(&self, name: &str) -> io::Result<Box<dyn SnapFile>> {
        Ok(Box::new(File::create(self.dir.join(name))?))
    }

    fn open(&self, name: &str) -> io::Result<Box<dyn Read + Send>> {
        Ok(Box::new(io::BufReader::new(File::open(self.dir.join(name))?)))
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        fs::rename(self.dir.join(from), self.dir.join(to))?;
        // The new name is in the directory, which is synced by itself.
        File::open(&self.dir)?.sync_all()
    }

    fn delete(&self, name: &str) -> io::Result<()> {
        match fs::remove_file(self.dir.join(name)) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            result => result,
        }
    }

    fn list(&self) -> io::Result<Vec<(String, u64)>> {
        let mut files = Vec::new();
        for entry in fs::read_dir(&self.dir)? {
            let entry = entry?;
            let meta = entry.metadata()?;
            if let (true, Ok(name)) = (meta.is_file(), entry.file_name().into_string()) {
                files.push((name, meta.len()));
            }
        }
        files.sort();
        Ok(files)
    }
}

impl SnapFile for File {
    fn append(&mut self, data: &[u8]) -> io::Result<()> {
        self.write_all(data)
    }

    fn sync(&mut self) -> io::Result<()> {
        self.sync_all()
    }
}

/// Files in memory. What it holds is lost with the process.
#[derive(Clone, Debug, Default)]
pub struct MemFiles(Arc<Mutex<BTreeMap<String, Contents>>>);

type Contents = Arc<Mutex<Vec<u8>>>;

impl MemFiles {
    /// What a file holds; `None` if there is none.
    pub fn contents(&self, name: &str) -> Option<Vec<u8>> {
        self.files().get(name).map(|file| lock(file).clone())
    }

    /// Changes what a file holds, as no well-behaved disk would.
    pub fn set_contents(&self, name: &str, contents: Vec<u8>) {
        self.files().insert(name.to_owned(), Arc::new(Mutex::new(contents)));
    }

    fn files(&self) -> MutexGuard<'_, BTreeMap<String, Contents>> {
        lock(&self.0)
    }
}

impl SnapFiles for MemFiles {
    fn create(&self, name: &str) -> io::Result<Box<dyn SnapFile>> {
        let file = Arc::default();
        self.files().insert(name.to_owned(), Arc::clone(&file));
        Ok(Box::new(MemFile(file)))
    }

    fn open(&self, name: &str) -> io::Result<Box<dyn Read + Send>> {
        let contents = self.contents(name).ok_or(io::ErrorKind::NotFound)?;
        Ok(Box::new(Cursor::new(contents)))
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        let mut files = self.files();
        let file = files.remove(from).ok_or(io::ErrorKind::NotFound)?;
        files.insert(to.to_owned(), file);
        Ok(())
    }

    fn delete(&self, name: &str) -> io::Result<()> {
        self.files().remove(name);
        Ok(())
    }

    fn list(&self) -> io::Result<Vec<(String, u64)>> {
        Ok(self.files().iter().map(|(name, file)| (name.clone(), lock(file).len() as u64)).collect())
    }
}

struct MemFile(Contents);

impl SnapFile for MemFile {
    fn append(&mut self, data: &[u8]) -> io::Result<()> {
        lock(&self.0).extend_from_slice(data);
        Ok(())
    }

    fn sync(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// A map or a vector is whole whatever its user panicked about.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Both kinds of files keep the same promises.
    fn check(files: &dyn SnapFiles) {
        let read = |name: &str| {
            let mut text = String::new();
            files.open(name).and_then(|mut file| file.read_to_string(&mut text)).map(|_| text)
        };
        let mut file = files.create("b.tmp").unwrap();
        file.append(b"one ").unwrap();
        file.append(b"two").unwrap();
        file.sync().unwrap();
        drop(file);
        files.create("a").unwrap().append(b"old").unwrap();
        let mut old = files.open("a").unwrap();
        assert_eq!(files.list().unwrap(), [("a".to_owned(), 3), ("b.tmp".to_owned(), 7)]);
        files.rename("b.tmp", "a").unwrap();
        assert_eq!(files.list().unwrap(), [("a".to_owned(), 7)]);
        assert_eq!(read("a").unwrap(), "one two");
        let mut text = String::new();
        old.read_to_string(&mut text).unwrap();
        assert_eq!(text, "old", "an open reader stays with its file");
        files.create("a").unwrap();
        assert_eq!(read("a").unwrap(), "", "a new file is empty");
        files.delete("a").unwrap();
        files.delete("a").unwrap();
        assert_eq!(read("a").unwrap_err().kind(), io::ErrorKind::NotFound);
        assert!(files.rename("a", "b").is_err());
    }

    #[test]
    fn files_of_a_directory_keep_their_promises() {
        let dir = tempfile::tempdir().unwrap();
        check(&RealFiles::open(dir.path().join("snap")).unwrap());
    }

    #[test]
    fn files_in_memory_keep_the_same_promises() {
        check(&MemFiles::default());
    }
}
