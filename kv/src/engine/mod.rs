//! Ordered key-value engines with column families: what a store keeps its data in.
//!
//! # Durability contract
//!
//! Every engine keeps these promises, the raftstore relies on no others, and the conformance suite and the simulated disk
//! hold engines and raftstore to exactly them:
//!
//! 1. **Atomic.** A [`WriteBatch`] is visible and durable as a whole or not at all, over all column families.
//! 2. **Ordered.** What a crash or a power cut takes away is a suffix of whole batches: if a batch survives, so does every
//!    batch written before it to the same engine.
//! 3. **Synced means safe.** What was written before [`Engine::sync`] returned `Ok` survives a power cut.
//! 4. **Written means visible.** After [`Engine::write`] returns, every later read of any thread sees the batch; it also
//!    survives the death of the process, but not a power cut.
//! 5. **Independent.** Two engines of one store lose their suffixes independently of each other.
//! 6. **Snapshots stand still.** A [`Snapshot`] shows exactly the batches written before it was taken, for as long as it lives.
//! 7. **Failed means stopped.** After `write` or `sync` has returned an error, every later call fails too: nobody knows what
//!    is on the disk any more, so the store must stop without another message or answer.
//! 8. Of several operations on one key in one batch, the last wins.
//!
//! Keys are 1 to [`KEY_BYTES_MAX`] bytes long; an empty key is [`Error::InvalidKey`]. Values may be empty.

mod cf;
#[cfg(any(test, feature = "testkit"))]
pub mod conformance;
mod directory;
mod error;
mod fjall;
mod memory;
#[cfg(test)]
mod tests;
mod write_batch;

pub use cf::Cf;
pub use error::{Error, Result};
pub use fjall::{FjallEngine, FjallOptions};
pub use memory::MemEngine;
pub use write_batch::{Op, WriteBatch};

use std::ops::Bound;
use std::sync::Arc;

use bytes::Bytes;

/// Longest key that an engine takes, in bytes.
pub const KEY_BYTES_MAX: usize = 65_535;

/// Pairs of a range in key order; `.rev()` runs backwards.
pub type Iter<'a> = Box<dyn DoubleEndedIterator<Item = Result<(Bytes, Bytes)>> + Send + 'a>;

/// Reading, from an engine as it is now or from a [`Snapshot`] of it.
pub trait Read: Send + Sync {
    /// The value of `key`, if there is one.
    ///
    /// # Errors
    /// An engine that cannot read, or found a corrupt block.
    fn get(&self, cf: Cf, key: &[u8]) -> Result<Option<Bytes>>;

    /// All pairs with keys between the bounds. On an engine, the iterator sees one moment, that of this call.
    ///
    /// # Errors
    /// As `get`; errors met later come out of the iterator.
    fn range(&self, cf: Cf, lower: Bound<&[u8]>, upper: Bound<&[u8]>) -> Result<Iter<'_>>;
}

/// A consistent view of all column families. Pins old versions on disk: drop it as soon as it has been read.
pub type Snapshot = Arc<dyn Read>;

/// An engine; see the durability contract above. Shared by all threads of a store.
pub trait Engine: Read {
    /// Writes a batch, guarantees 1, 2 and 4. An empty batch is a no-op.
    ///
    /// # Errors
    /// [`Error::InvalidKey`] leaves the engine usable and nothing written; after any other error see guarantee 7.
    fn write(&self, batch: WriteBatch) -> Result<()>;

    /// Makes everything written so far safe, guarantee 3.
    ///
    /// # Errors
    /// See guarantee 7.
    fn sync(&self) -> Result<()>;

    /// A view of this moment, guarantee 6.
    fn snapshot(&self) -> Snapshot;
}

/// The two databases of a store.
#[derive(Clone)]
pub struct Engines {
    /// Raft logs and `RaftLocalState`s, all in [`Cf::Raft`].
    pub raft: Arc<dyn Engine>,
    /// User data, and what was applied: region and apply states in [`Cf::Raft`].
    pub kv: Arc<dyn Engine>,
}

/// Checks the length of a key.
///
/// # Errors
/// [`Error::InvalidKey`].
pub fn check_key(key: &[u8]) -> Result<()> {
    match key.len() {
        1..=KEY_BYTES_MAX => Ok(()),
        bytes => Err(Error::InvalidKey { bytes }),
    }
}

/// Whether no key at all lies between the bounds, since they exclude each other.
pub fn is_empty_range(lower: Bound<&[u8]>, upper: Bound<&[u8]>) -> bool {
    match (lower, upper) {
        (Bound::Unbounded, _) | (_, Bound::Unbounded) => false,
        (Bound::Included(lower), Bound::Included(upper)) => lower > upper,
        (
            Bound::Included(lower) | Bound::Excluded(lower),
            Bound::Included(upper) | Bound::Excluded(upper),
        ) => lower >= upper,
    }
}
