//! The machine's monotonic clock.

use std::time::Instant;

use kv::clock::{Clock, Micros};

/// Microseconds since it was made. Does not jump when the machine's date is set.
#[derive(Clone, Copy, Debug)]
pub struct SystemClock {
    start: Instant,
}

impl SystemClock {
    /// A clock that starts now.
    pub fn new() -> SystemClock {
        SystemClock { start: Instant::now() }
    }
}

impl Default for SystemClock {
    fn default() -> SystemClock {
        SystemClock::new()
    }
}

impl Clock for SystemClock {
    fn now(&self) -> Micros {
        Micros(self.start.elapsed().as_micros() as u64)
    }
}
