//! Which snapshot files there are, who uses them, and which may go.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use proto::metapb::Region;
use proto::raft_serverpb::SnapshotMeta;

use super::files::SnapFiles;
use super::format::{FileWriter, SnapReader};
use super::key::{Direction, Named, file_name, parse_name, unfinished_name};
use super::{Error, Result, SnapKey};
use crate::clock::Micros;
use crate::engine::{Cf, Read};

/// How much may go on at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SnapLimits {
    /// Snapshots that are being sent.
    pub sending_max: usize,
    /// Snapshots that are being received.
    pub receiving_max: usize,
    /// All files together, in bytes.
    pub bytes_max: u64,
}

/// What goes on at the moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SnapStats {
    /// Snapshots that are being sent.
    pub sending: usize,
    /// Snapshots that are being received.
    pub receiving: usize,
    /// Files that are whole.
    pub files: usize,
    /// Their length, and that of those being received, in bytes.
    pub bytes: u64,
}

/// What is in a snapshot file, for the message that goes with it.
#[derive(Clone, Debug, PartialEq)]
pub struct Built {
    /// Length and checksum of each column family.
    pub meta: SnapshotMeta,
    /// Length of the file, in bytes.
    pub file_size: u64,
}

/// The snapshot files of a store. Cheap to clone; shared by the region worker, the transport and the peers.
#[derive(Clone)]
pub struct SnapManager(Arc<Inner>);

pub(super) struct Inner {
    pub(super) files: Arc<dyn SnapFiles>,
    limits: SnapLimits,
    state: Mutex<State>,
}

/// Volatile: found out anew at each start.
#[derive(Default)]
struct State {
    files: BTreeMap<(Direction, SnapKey), FileState>,
    sending: usize,
    /// What is on its way here, with its length.
    receiving: BTreeMap<SnapKey, u64>,
}

/// A file that is whole.
struct FileState {
    bytes: u64,
    /// Who needs it: senders of a generated one, the peer that installs a received one. It must not go while there is anybody.
    users: usize,
    /// When it was first seen without users.
    idle_since: Option<Micros>,
}

impl SnapManager {
    /// Takes over the files of a store that starts. `applying` are the snapshots that kvdb says are being installed: their files
    /// stay until they are, and everything else goes.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn open(
        files: Arc<dyn SnapFiles>,
        limits: SnapLimits,
        applying: &BTreeSet<SnapKey>,
    ) -> Result<SnapManager> {
        let mut state = State::default();
        for (name, bytes) in files.list().map_err(Error::io("(all)"))? {
            match parse_name(&name) {
                Named::Whole(Direction::Received, key) if applying.contains(&key) => {
                    let file = FileState { bytes, users: 1, idle_since: None };
                    state.files.insert((Direction::Received, key), file);
                }
                Named::Whole(..) | Named::Unfinished => files.delete(&name).map_err(Error::io(&name))?,
                Named::Foreign => log::warn!("{name} among the snapshot files is none of ours"),
            }
        }
        Ok(SnapManager(Arc::new(Inner { files, limits, state: Mutex::new(state) })))
    }

    /// Writes the data of `region`, as `data` shows it, to the file of `key`, unless there is one that is whole. Older snapshots of
    /// the region that are not being sent go.
    ///
    /// # Errors
    /// [`Error::Engine`], [`Error::Io`], [`Error::Full`].
    pub fn build(&self, key: &SnapKey, region: &Region, data: &dyn Read) -> Result<Built> {
        let name = file_name(Direction::Generated, key);
        if let Some(built) = self.built(key, &name) {
            return Ok(built);
        }
        self.forget_older(key);
        self.0.check_room(0)?;
        let unfinished = unfinished_name(Direction::Generated, key);
        let built = self.write(&unfinished, key, region, data).inspect_err(|_| {
            // Best effort: what stays is thrown away at the next start.
            let _ = self.0.files.delete(&unfinished);
        })?;
        self.0.files.rename(&unfinished, &name).map_err(Error::io(&name))?;
        self.0.add(Direction::Generated, *key, built.file_size);
        Ok(built)
    }

    fn built(&self, key: &SnapKey, name: &str) -> Option<Built> {
        let file_size = self.0.state().files.get(&(Direction::Generated, *key))?.bytes;
        let meta = self.0.reader(Direction::Generated, key).and_then(SnapReader::verify);
        meta.inspect_err(|error| log::warn!("{name} is made anew: {error}"))
            .ok()
            .map(|meta| Built { meta, file_size })
    }

    fn write(&self, name: &str, key: &SnapKey, region: &Region, data: &dyn Read) -> Result<Built> {
        let file = self.0.files.create(name).map_err(Error::io(name))?;
        let mut writer = FileWriter::new(file, name, key)?;
        let lower = Bound::Included(&region.start_key[..]);
        let upper =
            if region.end_key.is_empty() { Bound::Unbounded } else { Bound::Excluded(&region.end_key[..]) };
        for cf in Cf::DATA {
            for pair in data.range(cf, lower, upper)? {
                let (key, value) = pair?;
                writer.put(cf, &key, &value)?;
            }
        }
        let (meta, file_size) = writer.finish()?;
        Ok(Built { meta, file_size })
    }

    fn forget_older(&self, key: &SnapKey) {
        let state = &mut *self.0.state();
        let older = |key: &SnapKey, of: &SnapKey| key.region_id == of.region_id && key != of;
        self.0.delete_files(state, |direction, other, file| {
            direction == Direction::Generated && older(other, key) && file.users == 0
        });
    }

    /// Keeps a received file: for a peer that is about to hand its message to Raft. `None` if it is not there (any more); then the
    /// message must be dropped.
    pub fn pin(&self, key: &SnapKey) -> Option<SnapPin> {
        let file = &mut *self.0.state();
        let file = file.files.get_mut(&(Direction::Received, *key))?;
        file.users += 1;
        Some(SnapPin { inner: Arc::clone(&self.0), key: *key })
    }

    /// Reads a received file, to install it.
    ///
    /// # Errors
    /// [`Error::NotFound`], [`Error::Io`], [`Error::Corrupt`].
    pub fn open_for_applying(&self, key: &SnapKey) -> Result<SnapReader> {
        self.0.reader(Direction::Received, key)
    }

    /// A received snapshot is installed, and kvdb synced: its file goes, whoever has pinned it.
    pub fn installed(&self, key: &SnapKey) {
        self.0.delete_files(&mut self.0.state(), |direction, other, _| {
            direction == Direction::Received && other == key
        });
    }

    /// The peer of a region is gone, and kvdb, synced, says so: its received files go, and those generated ones that nobody sends.
    pub fn forget_region(&self, region_id: u64) {
        self.0.delete_files(&mut self.0.state(), |direction, key, file| {
            key.region_id == region_id && (direction == Direction::Received || file.users == 0)
        });
    }

    /// Deletes files that nobody has used for `keep_ms` milliseconds: snapshots whose receiver or message got lost.
    pub fn delete_stale(&self, now: Micros, keep_ms: u64) {
        self.0.delete_files(&mut self.0.state(), |_, _, file| {
            if file.users > 0 {
                file.idle_since = None;
                return false;
            }
            let since = *file.idle_since.get_or_insert(now);
            now >= since.plus_millis(keep_ms)
        });
    }

    /// What goes on.
    pub fn stats(&self) -> SnapStats {
        let state = self.0.state();
        SnapStats {
            sending: state.sending,
            receiving: state.receiving.len(),
            files: state.files.len(),
            bytes: state.bytes(),
        }
    }

    pub(super) fn inner(&self) -> &Arc<Inner> {
        &self.0
    }
}

/// Keeps a received file from being deleted as stale. Dropping it only ends that; a file that is still there after a restart was
/// either being installed, or goes.
pub struct SnapPin {
    inner: Arc<Inner>,
    key: SnapKey,
}

impl SnapPin {
    /// Which.
    pub fn key(&self) -> &SnapKey {
        &self.key
    }

    /// Raft did not want it: the file goes, unless somebody else has pinned it.
    pub fn discard(self) {
        self.inner.delete_files(&mut self.inner.state(), |direction, key, file| {
            direction == Direction::Received && *key == self.key && file.users == 1
        });
    }
}

impl Drop for SnapPin {
    fn drop(&mut self) {
        self.inner.release(Direction::Received, &self.key);
    }
}

impl Inner {
    /// What is known of the files stays right whatever its user panicked about: it changes by single steps.
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn reader(&self, direction: Direction, key: &SnapKey) -> Result<SnapReader> {
        let name = file_name(direction, key);
        let file = self.files.open(&name).map_err(|source| match source.kind() {
            std::io::ErrorKind::NotFound => Error::NotFound(*key),
            _ => Error::io(&name)(source),
        })?;
        SnapReader::new(file, &name, key)
    }

    /// Registers a file that has just got its name.
    pub(super) fn add(&self, direction: Direction, key: SnapKey, bytes: u64) {
        let new = FileState { bytes, users: 0, idle_since: None };
        let mut state = self.state();
        let file = state.files.entry((direction, key)).or_insert(new);
        (file.bytes, file.idle_since) = (bytes, None);
    }

    /// Registers a sender of a generated file, and returns the file's length.
    pub(super) fn begin_sending(&self, key: &SnapKey) -> Result<u64> {
        let state = &mut *self.state();
        if state.sending >= self.limits.sending_max {
            return Err(Error::TooMany(state.sending));
        }
        let file = state.files.get_mut(&(Direction::Generated, *key)).ok_or(Error::NotFound(*key))?;
        file.users += 1;
        state.sending += 1;
        Ok(file.bytes)
    }

    /// Undoes that.
    pub(super) fn end_sending(&self, key: &SnapKey) {
        self.state().sending -= 1;
        self.release(Direction::Generated, key);
    }

    /// Registers a file that is on its way here.
    pub(super) fn begin_receiving(&self, key: &SnapKey, bytes: u64) -> Result<()> {
        let state = &mut *self.state();
        let pinned = state.files.get(&(Direction::Received, *key)).is_some_and(|file| file.users > 0);
        if pinned || state.receiving.contains_key(key) {
            return Err(Error::InUse(*key));
        }
        if state.receiving.len() >= self.limits.receiving_max {
            return Err(Error::TooMany(state.receiving.len()));
        }
        self.check_room_in(state, bytes)?;
        state.receiving.insert(*key, bytes);
        Ok(())
    }

    /// Undoes that.
    pub(super) fn end_receiving(&self, key: &SnapKey) {
        self.state().receiving.remove(key);
    }

    /// Gives a file that has been received its name, unless one of that name is in use.
    pub(super) fn take_received(&self, key: &SnapKey, bytes: u64) -> Result<()> {
        let in_use =
            |state: &State| state.files.get(&(Direction::Received, *key)).is_some_and(|file| file.users > 0);
        if in_use(&self.state()) {
            return Err(Error::InUse(*key));
        }
        // Not under the lock, as it waits for the disk. Should the old file be pinned right now: the new one holds the same.
        let name = file_name(Direction::Received, key);
        let unfinished = unfinished_name(Direction::Received, key);
        self.files.rename(&unfinished, &name).map_err(Error::io(&name))?;
        self.add(Direction::Received, *key, bytes);
        Ok(())
    }

    fn release(&self, direction: Direction, key: &SnapKey) {
        if let Some(file) = self.state().files.get_mut(&(direction, *key)) {
            file.users = file.users.saturating_sub(1);
        }
    }

    fn check_room(&self, more: u64) -> Result<()> {
        self.check_room_in(&self.state(), more)
    }

    fn check_room_in(&self, state: &State, more: u64) -> Result<()> {
        let (bytes, max) = (state.bytes().saturating_add(more), self.limits.bytes_max);
        if bytes > max { Err(Error::Full { bytes, max }) } else { Ok(()) }
    }

    /// Deletes the files that `which` names. One that cannot be deleted is tried again when it is stale.
    fn delete_files(
        &self,
        state: &mut State,
        mut which: impl FnMut(Direction, &SnapKey, &mut FileState) -> bool,
    ) {
        state.files.retain(|(direction, key), file| {
            if !which(*direction, key, file) {
                return true;
            }
            let name = file_name(*direction, key);
            let deleted = self.files.delete(&name);
            if let Err(error) = &deleted {
                log::warn!("cannot delete snapshot file {name}: {error}");
                file.users = 0;
            }
            deleted.is_err()
        });
    }
}

impl State {
    fn bytes(&self) -> u64 {
        self.files.values().map(|file| file.bytes).chain(self.receiving.values().copied()).sum()
    }
}
