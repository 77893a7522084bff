//! Sending and receiving snapshot files, piece by piece.

use std::io::Read;
use std::sync::Arc;

use bytes::Bytes;
use proto::eraftpb::Snapshot;
use proto::raft_serverpb::SnapshotMeta;

use super::files::SnapFile;
use super::format::SnapReader;
use super::key::{Direction, file_name, unfinished_name};
use super::manager::Inner;
use super::{Error, Result, SnapKey, SnapManager};

impl SnapManager {
    /// Begins to send a generated snapshot. The file stays while the sender lives.
    ///
    /// # Errors
    /// [`Error::NotFound`], [`Error::TooMany`], [`Error::Io`]: report the snapshot as failed.
    pub fn open_for_sending(&self, key: &SnapKey) -> Result<SnapSender> {
        let inner = Arc::clone(self.inner());
        let total_bytes = inner.begin_sending(key)?;
        let name = file_name(Direction::Generated, key);
        let slot = SendingSlot { inner, key: *key };
        let file = slot.inner.files.open(&name).map_err(Error::io(&name))?;
        Ok(SnapSender { file, name, total_bytes, _slot: slot })
    }

    /// Begins to receive the file of the snapshot that a message carries. The message must be delivered only after
    /// [`SnapReceiver::finish`], and not at all if anything fails.
    ///
    /// # Errors
    /// [`Error::Malformed`], [`Error::InUse`], [`Error::TooMany`], [`Error::Full`], [`Error::Io`]: report the snapshot as failed.
    pub fn begin_receiving(&self, snapshot: &Snapshot) -> Result<SnapReceiver> {
        let (key, data) = SnapKey::with_data(snapshot)?;
        let meta = data.meta.ok_or_else(|| Error::Malformed("it does not describe its file".to_owned()))?;
        let inner = Arc::clone(self.inner());
        inner.begin_receiving(&key, data.file_size)?;
        let name = unfinished_name(Direction::Received, &key);
        let slot = ReceivingSlot { inner, key };
        let file = slot.inner.files.create(&name).map_err(Error::io(&name))?;
        Ok(SnapReceiver { file, name, meta, file_size: data.file_size, received: 0, slot })
    }
}

/// A snapshot on its way to another store.
pub struct SnapSender {
    file: Box<dyn Read + Send>,
    name: String,
    total_bytes: u64,
    _slot: SendingSlot,
}

impl SnapSender {
    /// Length of the file.
    pub fn total_bytes(&self) -> u64 {
        self.total_bytes
    }

    /// The next piece, of at most `bytes_max` bytes; `None` at the end.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn next_chunk(&mut self, bytes_max: usize) -> Result<Option<Bytes>> {
        let mut chunk = Vec::new();
        let read = (&mut self.file).take(bytes_max as u64).read_to_end(&mut chunk);
        let read = read.map_err(Error::io(&self.name))?;
        Ok((read > 0).then(|| chunk.into()))
    }
}

/// A snapshot on its way here. Dropped before [`SnapReceiver::finish`], it leaves nothing behind.
pub struct SnapReceiver {
    file: Box<dyn SnapFile>,
    name: String,
    meta: SnapshotMeta,
    file_size: u64,
    received: u64,
    slot: ReceivingSlot,
}

impl SnapReceiver {
    /// Which.
    pub fn key(&self) -> &SnapKey {
        &self.slot.key
    }

    /// Adds the next piece.
    ///
    /// # Errors
    /// [`Error::Corrupt`] if it is more than the message announced, [`Error::Io`].
    pub fn append(&mut self, chunk: &[u8]) -> Result<()> {
        self.received += chunk.len() as u64;
        if self.received > self.file_size {
            return Err(self.corrupt("it is longer than its message says"));
        }
        self.file.append(chunk).map_err(Error::io(&self.name))
    }

    /// Ends the file: syncs it, reads it back, compares it with the message, and gives it its name. From then on it waits to be
    /// pinned by the peer that gets the message.
    ///
    /// # Errors
    /// [`Error::Corrupt`] if it is not what the message describes, [`Error::InUse`] if the same snapshot is being installed by
    /// now, [`Error::Io`].
    pub fn finish(mut self) -> Result<()> {
        if self.received < self.file_size {
            return Err(self.corrupt("it is shorter than its message says"));
        }
        self.file.sync().map_err(Error::io(&self.name))?;
        let file = self.slot.inner.files.open(&self.name).map_err(Error::io(&self.name))?;
        if SnapReader::new(file, &self.name, &self.slot.key)?.verify()? != self.meta {
            return Err(self.corrupt("it holds other data than its message says"));
        }
        self.slot.inner.take_received(&self.slot.key, self.file_size)
    }

    fn corrupt(&self, what: &str) -> Error {
        Error::corrupt(&self.name, what)
    }
}

/// Counts a sender, and keeps its file.
struct SendingSlot {
    inner: Arc<Inner>,
    key: SnapKey,
}

impl Drop for SendingSlot {
    fn drop(&mut self) {
        self.inner.end_sending(&self.key);
    }
}

/// Counts a receiver, and takes away what it leaves unfinished.
struct ReceivingSlot {
    inner: Arc<Inner>,
    key: SnapKey,
}

impl Drop for ReceivingSlot {
    fn drop(&mut self) {
        let name = unfinished_name(Direction::Received, &self.key);
        if let Err(error) = self.inner.files.delete(&name) {
            log::warn!("cannot delete snapshot file {name}: {error}");
        }
        self.inner.end_receiving(&self.key);
    }
}
