//! Time as a seam: a store never reads the machine's clock.

use std::sync::atomic::{AtomicU64, Ordering};

/// A moment on a store's own monotonic clock, in microseconds since an arbitrary start. Moments of two stores have nothing to
/// do with each other.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Micros(pub u64);

impl Micros {
    /// The moment `millis` milliseconds later.
    pub fn plus_millis(self, millis: u64) -> Micros {
        Micros(self.0.saturating_add(millis.saturating_mul(1000)))
    }

    /// Microseconds since `earlier`; 0 if that is later.
    pub fn since(self, earlier: Micros) -> u64 {
        self.0.saturating_sub(earlier.0)
    }
}

/// A store's monotonic clock, fed by its driver. Used for leases, heartbeat times and the busy check; never for elections,
/// which count ticks.
pub trait Clock: Send + Sync {
    /// Now. Never goes back.
    fn now(&self) -> Micros;
}

/// A clock that is set by hand: what simulation and tests use.
#[derive(Debug, Default)]
pub struct ManualClock(AtomicU64);

impl ManualClock {
    /// Moves the clock to `now`. Moving it back has no effect.
    pub fn set(&self, now: Micros) {
        self.0.fetch_max(now.0, Ordering::Relaxed);
    }
}

impl Clock for ManualClock {
    fn now(&self) -> Micros {
        Micros(self.0.load(Ordering::Relaxed))
    }
}
