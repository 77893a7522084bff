//! How long nothing may move in a world that has healed, and the times of the play that all worlds have in common.
//!
//! The play has three acts: chaos; heal and converge; crash the leader just as clients go idle, and serve again. From the
//! healing on everything works, so the group must too. What is demanded is *progress*: only a group in which nothing moves for
//! `ELECTIONS` election timeouts has failed. Any bound on the time to converge would sooner or later accuse a correct
//! implementation whose candidates tied a few times in a row.

/// Nothing may stand still for so many election timeouts once all is well. With five peers and ticks in step, the shortest of the
/// random timeouts ties less than once in four, and a tie costs at most two timeouts: 4⁻²⁵ for a correct core.
const ELECTIONS: u64 = 50;
/// After the healing, a leader that all seem to follow may still be one that some have not heard of for a while, and whose
/// messages are still under way: nothing is called settled before.
pub const GRACE_US: u64 = 500_000;
/// How often the acts look at the group.
pub const WATCH_US: u64 = 10_000;
/// How long the leader stays down in the last act.
pub const DOWN_MS: u64 = 250;

/// How far everything is; any growth counts.
pub trait Progress: Copy {
    /// Whether anything is further than it has been so far.
    fn grew_since(&self, before: &Self) -> bool;
    /// The furthest that anything has been so far.
    fn best(&self, before: &Self) -> Self;
}

/// Waits for progress.
pub struct Patience<P> {
    /// When something last moved.
    pub since: u64,
    best: P,
    most_us: u64,
}

impl<P: Progress> Patience<P> {
    /// Patience with a group whose elections take so long, at the start of time.
    pub fn new(election_us: u64, now: P) -> Patience<P> {
        Patience { since: 0, best: now, most_us: ELECTIONS * election_us }
    }

    /// Another stage begins: from here on something else is waited for.
    pub fn renew(&mut self, now_us: u64, now: P) {
        (self.since, self.best) = (now_us, now);
    }

    /// Whether nothing has moved for too long.
    pub fn is_over(&mut self, now_us: u64, now: P) -> bool {
        if now.grew_since(&self.best) {
            self.since = now_us;
        }
        self.best = now.best(&self.best);
        now_us - self.since >= self.most_us
    }

    /// How long nothing may move, in virtual milliseconds.
    pub fn most_ms(&self) -> u64 {
        self.most_us / 1_000
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    impl Progress for u64 {
        fn grew_since(&self, before: &u64) -> bool {
            self > before
        }

        fn best(&self, before: &u64) -> u64 {
            *self.max(before)
        }
    }

    #[test]
    fn only_growth_beyond_the_best_renews_it() {
        let mut patience = Patience::new(10, 5);
        assert!(!patience.is_over(499, 5));
        assert!(!patience.is_over(499, 6));
        assert!(!patience.is_over(998, 4));
        assert!(patience.is_over(999, 6));
        patience.renew(1_000, 0);
        assert!(!patience.is_over(1_499, 0));
        assert!(patience.is_over(1_500, 0));
    }
}
