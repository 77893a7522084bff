//! What a run may use up. A livelock, a storm or a leak becomes a clear verdict instead of a run without end.

use harness::budget::{Messages, over_events};
use harness::rule::Violation;
use proto::eraftpb::Message;
use raft::Ready;

use super::laws;
use super::world::{Stop, World};

/// Rounds of ready and advance at one instant, without input and without an entry to apply.
const READY_ROUNDS: u32 = 64;
/// Entries beyond those that were asked for.
const SPARE_ENTRIES: u64 = 16;

/// What was used so far.
#[derive(Default)]
pub struct Budget {
    messages: Messages,
    /// Rounds that peer `node` had at this instant for nothing.
    rounds: u32,
    /// What its last rounds held.
    held: Vec<&'static str>,
}

impl World<'_> {
    /// Ends a run that goes on for ever.
    pub fn check_budget(&self) -> Result<(), Stop> {
        match over_events(self.cost.events, self.now, self.layers.liveness) {
            None => Ok(()),
            Some(seen) => Err(Violation { rule: &laws::L5_EVENTS, node: 0, seen }.into()),
        }
    }

    /// A message is sent.
    pub fn spend_message(&mut self, message: &Message) -> Result<(), Stop> {
        let sent = (message.msg_type().as_str_name(), message.from, message.to);
        match self.budget.messages.spend(self.now, self.nodes.len(), sent) {
            None => Ok(()),
            Some(seen) => Err(Violation { rule: &laws::L5_STORM, node: message.from, seen }.into()),
        }
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
