//! What a run may use up. A livelock or a storm becomes a clear verdict instead of a run without end.

use std::collections::BTreeMap;

/// Messages per virtual second and peer. A leader that sends its log entry by entry, with hundreds of appends on their way,
/// sends all of them again for each that is overtaken: legal, and twenty thousand. A storm feeds itself, and knows no end.
const MESSAGES_PER_SECOND: u64 = 100_000;
/// Events of one run.
const EVENTS: u64 = 3_000_000;
/// Kinds of messages that the report of a storm names.
const KINDS_TOLD: usize = 4;

/// What is told of a run that goes on for ever, once it does. If nobody asks for `liveness`, it still has to end.
pub fn over_events(events: u64, now_us: u64, liveness: bool) -> Option<String> {
    let most = if liveness { EVENTS } else { 2 * EVENTS };
    (events > most).then(|| format!("{events} events in {} virtual ms, and no end in sight", now_us / 1_000))
}

/// The messages of this virtual second.
#[derive(Default)]
pub struct Messages {
    second: u64,
    count: u64,
    /// By kind, sender and receiver.
    kinds: BTreeMap<(&'static str, u64, u64), u64>,
}

impl Messages {
    /// A message of `kind` is sent in a group of `peers`; what is told of the storm, if it is one.
    pub fn spend(
        &mut self,
        now_us: u64,
        peers: usize,
        (kind, from, to): (&'static str, u64, u64),
    ) -> Option<String> {
        let most = MESSAGES_PER_SECOND * peers as u64;
        if now_us / 1_000_000 != self.second {
            *self = Messages { second: now_us / 1_000_000, ..Messages::default() };
        }
        self.count += 1;
        if self.count <= most / 2 {
            return None;
        }
        // Only what comes after half of the budget is told apart: that is where the cycle shows.
        *self.kinds.entry((kind, from, to)).or_default() += 1;
        (self.count > most).then(|| self.told(most / 2))
    }

    fn told(&self, after: u64) -> String {
        let mut kinds: Vec<_> = self.kinds.iter().collect();
        kinds.sort_by_key(|(_, count)| std::cmp::Reverse(**count));
        let told = kinds.iter().take(KINDS_TOLD);
        let told: Vec<String> =
            told.map(|((kind, from, to), count)| format!("{kind} n{from} → n{to} {count} times")).collect();
        format!("{} messages within one virtual second; of the last {after}: {}", self.count, told.join(", "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_storm_is_told_by_its_loudest_kinds() {
        let mut messages = Messages::default();
        for nth in 0..MESSAGES_PER_SECOND {
            let kind = if nth % 3 == 0 { ("Ping", 1, 2) } else { ("Pong", 2, 1) };
            assert_eq!(messages.spend(7, 1, kind), None);
        }
        let told = messages.spend(999_999, 1, ("Pong", 2, 1)).expect("one too many");
        assert!(told.contains("last 50000: Pong n2 → n1 3333"), "{told}");
        assert_eq!(messages.spend(1_000_000, 1, ("Pong", 2, 1)), None);
    }

    #[test]
    fn a_run_ends_even_if_nobody_asks_for_progress() {
        assert!(over_events(EVENTS, 0, true).is_none() && over_events(EVENTS + 1, 0, true).is_some());
        assert!(
            over_events(2 * EVENTS, 0, false).is_none() && over_events(2 * EVENTS + 1, 0, false).is_some()
        );
    }
}
