//! What a run may use up. A livelock, a storm or a leak becomes a clear verdict instead of a run without end.

use std::collections::BTreeMap;

use proto::eraftpb::{Message, MessageType};
use raft::Ready;

use super::laws;
use super::world::{Stop, World};
use crate::check::Violation;

/// Rounds of ready and advance at one instant, without input and without an entry to apply.
const READY_ROUNDS: u32 = 64;
/// Messages per virtual second and peer. A leader that sends its log entry by entry, with hundreds of appends on their way,
/// sends all of them again for each that is overtaken: legal, and twenty thousand. A storm feeds itself, and knows no end.
const MESSAGES_PER_SECOND: u64 = 100_000;
/// Events of one run.
const EVENTS: u64 = 3_000_000;
/// Entries beyond those that were asked for.
const SPARE_ENTRIES: u64 = 16;

/// What was used so far.
#[derive(Default)]
pub struct Budget {
    second: u64,
    /// Messages of this virtual second by kind, sender and receiver.
    messages: u64,
    kinds: BTreeMap<(i32, u64, u64), u64>,
    /// Rounds that peer `node` had at this instant for nothing.
    rounds: u32,
    /// What its last rounds held.
    held: Vec<&'static str>,
}

impl World<'_> {
    /// Ends a run that goes on for ever.
    pub fn check_budget(&mut self) -> Result<(), Stop> {
        if self.cost.events <= EVENTS || !self.layers.liveness {
            return if self.cost.events <= 2 * EVENTS { Ok(()) } else { self.over_events() };
        }
        self.over_events()
    }

    fn over_events(&self) -> Result<(), Stop> {
        let seen =
            format!("{} events in {} virtual ms, and no end in sight", self.cost.events, self.now / 1_000);
        Err(Violation { rule: &laws::L5_EVENTS, node: 0, seen }.into())
    }

    /// A message is sent.
    pub fn spend_message(&mut self, message: &Message) -> Result<(), Stop> {
        let most = MESSAGES_PER_SECOND * self.nodes.len() as u64;
        let budget = &mut self.budget;
        if self.now / 1_000_000 != budget.second {
            budget.second = self.now / 1_000_000;
            budget.messages = 0;
            budget.kinds.clear();
        }
        budget.messages += 1;
        if budget.messages <= most / 2 {
            return Ok(());
        }
        // Only what comes after half of the budget is told apart: that is where the cycle shows.
        *budget.kinds.entry((message.msg_type, message.from, message.to)).or_default() += 1;
        if budget.messages <= most {
            return Ok(());
        }
        let mut kinds: Vec<_> = budget.kinds.iter().collect();
        kinds.sort_by_key(|(_, count)| std::cmp::Reverse(**count));
        let told: Vec<String> = kinds
            .iter()
            .take(4)
            .map(|((kind, from, to), count)| {
                let name = MessageType::try_from(*kind).map_or("?", |kind| kind.as_str_name());
                format!("{name} n{from} → n{to} {count} times")
            })
            .collect();
        let seen = format!(
            "{} messages within one virtual second; of the last {}: {}",
            budget.messages,
            most / 2,
            told.join(", ")
        );
        Err(Violation { rule: &laws::L5_STORM, node: message.from, seen }.into())
    }

    /// A round of ready and advance begins at peer `i`, the `round`th without input.
    pub fn spend_ready(&mut self, i: usize, round: u32, ready: &Ready) -> Result<(), Stop> {
        if round == 0 || !ready.committed_entries.is_empty() {
            self.budget.rounds = 0;
            self.budget.held.clear();
        }
        self.budget.rounds += 1;
        if self.budget.rounds < READY_ROUNDS - 3 {
            return Ok(());
        }
        let parts = [
            (ready.soft_state.is_some(), "soft_state"),
            (ready.hard_state.is_some(), "hard_state"),
            (ready.snapshot.is_some(), "snapshot"),
            (!ready.entries.is_empty(), "entries"),
            (!ready.messages.is_empty(), "messages"),
            (!ready.read_states.is_empty(), "read_states"),
        ];
        let held = parts.iter().filter(|(there, _)| *there).map(|(_, name)| *name);
        self.budget.held.extend(held);
        if self.budget.rounds < READY_ROUNDS {
            return Ok(());
        }
        self.budget.held.sort_unstable();
        self.budget.held.dedup();
        let what = if self.budget.held.is_empty() {
            "nothing at all".to_owned()
        } else {
            self.budget.held.join(", ")
        };
        let node = self.nodes[i].id;
        let seen = format!(
            "n{node}: {READY_ROUNDS} rounds of ready and advance at one instant; the last ones held {what}"
        );
        Err(Violation { rule: &laws::L5_READY, node, seen }.into())
    }

    /// The log holds what was asked for and what elections add, not more.
    pub fn check_log_growth(&self) -> Result<(), Stop> {
        let status =
            self.nodes.iter().filter_map(|node| node.status()).max_by_key(|status| status.last.index);
        let Some(status) = status else { return Ok(()) };
        let asked = self.clients.taken() + self.clients.changes;
        let terms =
            self.nodes.iter().filter_map(|node| node.status()).map(|status| status.term).max().unwrap_or(0);
        if status.last.index <= asked + terms + SPARE_ENTRIES {
            return Ok(());
        }
        let node = status.id;
        let seen = format!(
            "the log of n{node} ends at {}, after {asked} accepted proposals and {terms} terms",
            status.last.index
        );
        Err(Violation { rule: &laws::L5_LOG, node, seen }.into())
    }
}
