//! Timestamps of transactions: strictly increasing over the whole life of a cluster.

use proto::pdpb::Timestamp;

use crate::change::{self, Change};
use crate::error::{Error, Result};

/// Timestamps that fit into one millisecond: a version is `physical << 18 | logical`.
pub const LOGICAL_MAX: u64 = 1 << 18;
/// How far ahead of the clock time is claimed on disk, in milliseconds. A restart skips at most so much.
const AHEAD_MS: u64 = 3000;

/// Hands out timestamps: physical time in milliseconds, and a counter within the millisecond.
///
/// Invariants:
/// 1. every timestamp given is larger than all given before, whatever the machine's clock does;
/// 2. `physical < saved`: what was given lies below what is on disk, so a restart goes on above it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tso {
    /// Millisecond of the last timestamp given. Volatile.
    physical: u64,
    /// Timestamps given within it. Volatile.
    logical: u64,
    /// First millisecond that may not be used yet. On disk as `tso`.
    saved: u64,
}

impl Tso {
    /// One that goes on above everything given while `saved` was on disk; 0 for a new cluster.
    pub fn new(saved: u64) -> Tso {
        Tso { physical: saved, logical: 0, saved }
    }

    /// `count` timestamps, of which the *last* is returned: the caller may use its logical part and the `count - 1` numbers
    /// below. `now_ms` is the machine's clock, in milliseconds since 1970.
    ///
    /// # Errors
    /// [`Error::Invalid`] for a count of 0, or of more than fit into one millisecond.
    pub fn allocate(&mut self, count: u32, now_ms: u64, changes: &mut Vec<Change>) -> Result<Timestamp> {
        let count = u64::from(count);
        // Logical numbers are 1..LOGICAL_MAX: 0 would leave the first of a batch nothing to count down to.
        if count == 0 || count >= LOGICAL_MAX {
            return Err(Error::Invalid(format!("{count} timestamps: ask for 1 to {}", LOGICAL_MAX - 1)));
        }
        if now_ms > self.physical {
            (self.physical, self.logical) = (now_ms, 0);
        }
        if self.logical + count >= LOGICAL_MAX {
            // The millisecond is used up, or the clock went back: time goes on by itself.
            (self.physical, self.logical) = (self.physical + 1, 0);
        }
        self.logical += count;
        if self.physical >= self.saved {
            self.saved = self.physical + AHEAD_MS;
            changes.push(Change::put_number(change::TSO, self.saved));
        }
        debug_assert!(self.physical < self.saved, "time {} is not safe below {}", self.physical, self.saved);
        Ok(Timestamp { physical: self.physical as i64, logical: self.logical as i64 })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn version(timestamp: Timestamp) -> u64 {
        ((timestamp.physical as u64) << 18) + timestamp.logical as u64
    }

    fn saved(changes: &[Change]) -> u64 {
        changes.last().map_or(0, |last| change::number(&last.key, last.value.as_ref().unwrap()).unwrap())
    }

    #[test]
    fn counts_that_fit_no_millisecond_are_refused() {
        let mut tso = Tso::new(0);
        for count in [0, LOGICAL_MAX as u32, u32::MAX] {
            assert!(matches!(tso.allocate(count, 1, &mut Vec::new()), Err(Error::Invalid(_))));
        }
    }

    #[test]
    fn one_write_claims_three_seconds() {
        let (mut tso, mut changes) = (Tso::new(0), Vec::new());
        for now in 1000..4000 {
            tso.allocate(1, now, &mut changes).unwrap();
        }
        assert_eq!(changes.len(), 1);
        tso.allocate(1, 4000, &mut changes).unwrap();
        assert_eq!(changes.len(), 2);
    }

    proptest! {
        #[test]
        fn never_back_whatever_the_clock_does_and_whenever_it_restarts(
            steps in prop::collection::vec((1u32..LOGICAL_MAX as u32, 0u64..10_000, any::<bool>()), 1..60),
        ) {
            let (mut tso, mut changes, mut last) = (Tso::new(0), Vec::new(), 0);
            for (count, now, restarts) in steps {
                if restarts {
                    tso = Tso::new(saved(&changes));
                }
                let given = tso.allocate(count, now, &mut changes).unwrap();
                let first = version(given) - u64::from(count) + 1;
                prop_assert!(first > last, "{first} after {last}");
                prop_assert!((given.logical as u64) < LOGICAL_MAX);
                last = version(given);
            }
        }
    }
}
