//! Ids of stores, regions and peers: one counter for all, so that no two things ever share one.

use crate::change::{self, Change};

/// Ids that are made safe at once. A restart skips at most so many.
const BLOCK: u64 = 1000;

/// Gives out 1, 2, 3, …
///
/// Invariant: `next <= saved`, and everything below `saved` may have been given away before a restart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IdAllocator {
    /// Next id. Volatile.
    next: u64,
    /// First id that may not be given yet. On disk as `ids`.
    saved: u64,
}

impl IdAllocator {
    /// One that goes on behind what may have been given away when `saved` was on disk; 0 for a new cluster.
    pub fn new(saved: u64) -> IdAllocator {
        let saved = saved.max(1);
        IdAllocator { next: saved, saved }
    }

    /// An id that was never given before, and never will be again, once the changes are safe.
    pub fn allocate(&mut self, changes: &mut Vec<Change>) -> u64 {
        if self.next == self.saved {
            self.saved += BLOCK;
            changes.push(Change::put_number(change::IDS, self.saved));
        }
        let id = self.next;
        self.next += 1;
        id
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_start_at_one_and_never_repeat() {
        let mut ids = IdAllocator::new(0);
        let mut changes = Vec::new();
        let given: Vec<u64> = (0..2500).map(|_| ids.allocate(&mut changes)).collect();
        assert_eq!(given, (1..=2500).collect::<Vec<u64>>());
        assert_eq!(changes.len(), 3, "one write for each block");
    }

    #[test]
    fn a_restart_at_any_point_repeats_none() {
        for given_before in [1, 2, 999, 1000, 1001] {
            let mut ids = IdAllocator::new(0);
            let mut changes = Vec::new();
            let highest = (0..given_before).map(|_| ids.allocate(&mut changes)).max().unwrap();
            let last = changes.last().unwrap();
            let saved = change::number(&last.key, last.value.as_ref().unwrap()).unwrap();
            assert!(IdAllocator::new(saved).allocate(&mut changes) > highest);
        }
    }
}
