//! What a run may use up. A livelock or a storm becomes a clear verdict instead of a run without end.

use std::collections::BTreeMap;

use proto::eraftpb::MessageType;
use proto::raft_serverpb::RaftMessage;
use raft_tests::check::Violation;

use super::laws;
use super::world::{Stop, World};

/// Rounds of a store's pollers without anything from outside and without an entry applied. A mailbox holds thousands of messages
/// when a clog gives way, and may be emptied message by message.
const ROUNDS: u32 = 20_000;
/// Messages per virtual second and store: what is legal for a Raft group that sends entry by entry, and more.
const MESSAGES_PER_SECOND: u64 = 100_000;
/// Events of one run.
const EVENTS: u64 = 3_000_000;

/// What was used so far.
#[derive(Default)]
pub struct Budget {
    second: u64,
    messages: u64,
    kinds: BTreeMap<(i32, u64, u64), u64>,
}

impl World<'_> {
    /// Ends a run that goes on for ever.
    pub fn check_events(&self) -> Result<(), Stop> {
        let most = if self.layers.liveness { EVENTS } else { 2 * EVENTS };
        if self.cost.events <= most {
            return Ok(());
        }
        let seen =
            format!("{} events in {} virtual ms, and no end in sight", self.cost.events, self.now / 1_000);
        Err(Violation { rule: &laws::ENDS, node: 0, seen }.into())
    }

    /// A message is sent.
    pub fn spend_message(&mut self, i: usize, message: &RaftMessage) -> Result<(), Stop> {
        let most = MESSAGES_PER_SECOND * self.stores.len() as u64;
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
        let kind = message.message.as_ref().map_or(0, |message| message.msg_type);
        let to = message.to_peer.as_ref().map_or(0, |peer| peer.store_id);
        *budget.kinds.entry((kind, i as u64 + 1, to)).or_default() += 1;
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
        Err(Violation { rule: &laws::STORM, node: i as u64 + 1, seen }.into())
    }

    /// A store has done a round of work.
    pub fn spend_round(&mut self, i: usize) -> Result<(), Stop> {
        let applied = self.applied(i);
        if applied != std::mem::replace(&mut self.stores[i].applied, applied) {
            self.stores[i].busy_rounds = 0;
        }
        self.stores[i].busy_rounds += 1;
        if self.stores[i].busy_rounds <= ROUNDS {
            return Ok(());
        }
        let node = i as u64 + 1;
        let seen = format!(
            "n{node}: {ROUNDS} rounds of its pollers and workers since the last tick, message or request, and no entry was applied in them"
        );
        Err(Violation { rule: &laws::RESTS, node, seen }.into())
    }
}
