//! Names for the numbers that Raft counts in.

use std::hash::{Hash, Hasher};

/// Identifies a peer of the group. 0 means *no peer* ([`NONE`]).
pub type PeerId = u64;

/// The peer id that no peer has: no leader known, no vote given.
pub const NONE: PeerId = 0;

/// Election term. 0 before the first election.
pub type Term = u64;

/// Position in the log. The first entry has index 1; 0 means *before the log*.
pub type Index = u64;

/// Names one log entry: two logs that hold the same `LogId` are equal up to it (paper §5.3, Log Matching).
///
/// Ordered as §5.4.1 compares logs: by term first, then by index.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LogId {
    /// Term in which the entry was created.
    pub term: Term,
    /// Its position.
    pub index: Index,
}

/// A count of ticks since some event.
///
/// It hashes to nothing: two states that differ only in how long they have waited are the same state to a model
/// checker, which fires timeouts as events of their own.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Ticks(pub u32);

impl Hash for Ticks {
    fn hash<H: Hasher>(&self, _: &mut H) {}
}
