//! Room on the disk: writes are refused while there is little of it. A disk that is full stops a store for good, since a write
//! that failed leaves nobody knowing what is on it; a refused write only sends the client away.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use kv::storage::{Callback, Error, Modify, Reader, Storage};
use proto::errorpb;
use proto::kvrpcpb::Context;

use crate::config::ServerConfig;
use crate::status::Board;
use crate::stopping::Stopping;

/// The disk is looked at so often.
const INTERVAL: Duration = Duration::from_secs(1);

/// Bytes of the file system of `path`: all of them, and those that are free.
///
/// # Errors
/// The operating system's.
pub fn capacity(path: &Path) -> std::io::Result<(u64, u64)> {
    let stat = rustix::fs::statvfs(path)?;
    Ok((stat.f_blocks.saturating_mul(stat.f_frsize), stat.f_bavail.saturating_mul(stat.f_frsize)))
}

/// A storage that takes no writes while its disk is nearly full. Reads go on, and so does replication: only what comes from
/// clients can be refused.
pub struct Guarded {
    storage: Arc<dyn Storage>,
    is_low: Arc<AtomicBool>,
    reason: String,
}

impl Guarded {
    /// Guards `storage`, until `stopping` says so.
    pub fn new(
        storage: Arc<dyn Storage>,
        config: &ServerConfig,
        board: Arc<Board>,
        stopping: Stopping,
    ) -> Guarded {
        let (path, reserve) = (config.path.clone(), config.reserve_bytes);
        let reason = format!(
            "the disk of {} has less than {reserve} bytes left (reserve_bytes): make room, or let the store move",
            path.display()
        );
        let is_low = Arc::new(AtomicBool::new(is_below(&path, reserve)));
        if is_low.load(Ordering::Relaxed) {
            board.tell(reason.clone());
        }
        tokio::spawn(watch(path, reserve, is_low.clone(), board, stopping, reason.clone()));
        Guarded { storage, is_low, reason }
    }
}

async fn watch(
    path: PathBuf,
    reserve: u64,
    is_low: Arc<AtomicBool>,
    board: Arc<Board>,
    stopping: Stopping,
    reason: String,
) {
    while tokio::time::timeout(INTERVAL, stopping.wait()).await.is_err() {
        let is_below = is_below(&path, reserve);
        match (is_low.swap(is_below, Ordering::Relaxed), is_below) {
            (false, true) => board.tell(reason.clone()),
            (true, false) => board.tell("the disk has room again: writes are taken".to_owned()),
            _ => {}
        }
    }
}

/// A disk that cannot be asked is not known to be full.
fn is_below(path: &Path, reserve: u64) -> bool {
    capacity(path).is_ok_and(|(_, free)| free < reserve)
}

impl Storage for Guarded {
    fn async_snapshot(&self, context: &Context, callback: Callback<Box<dyn Reader>>) {
        self.storage.async_snapshot(context, callback);
    }

    fn async_write(&self, context: &Context, guard_term: u64, modifies: Vec<Modify>, callback: Callback<()>) {
        if !self.is_low.load(Ordering::Relaxed) {
            self.storage.async_write(context, guard_term, modifies, callback);
            return;
        }
        let store_id = context.peer.map(|peer| peer.store_id).into_iter().collect();
        let disk_full = errorpb::DiskFull { store_id, reason: self.reason.clone() };
        let error = errorpb::Error {
            message: self.reason.clone(),
            disk_full: Some(disk_full),
            ..errorpb::Error::default()
        };
        callback(Err(Error::Region(Box::new(error))));
    }
}
