//! What a run may use up. A livelock or a storm becomes a clear verdict instead of a run without end.

use harness::budget::over_events;
use harness::rule::Violation;
use proto::raft_serverpb::RaftMessage;

use super::laws;
use super::world::{Stop, World};

/// Rounds of a store's pollers without anything from outside and without an entry applied. A mailbox holds thousands of messages
/// when a clog gives way, and may be emptied message by message.
const ROUNDS: u32 = 20_000;
impl World<'_> {
    /// Ends a run that goes on for ever.
    pub fn check_events(&self) -> Result<(), Stop> {
        match over_events(self.cost.events, self.now, self.layers.liveness) {
            None => Ok(()),
            Some(seen) => Err(Violation { rule: &laws::ENDS, node: 0, seen }.into()),
        }
    }

    /// A message is sent.
    pub fn spend_message(&mut self, i: usize, message: &RaftMessage) -> Result<(), Stop> {
        let kind = message.message.as_ref().map_or("?", |message| message.msg_type().as_str_name());
        let (node, to) = (i as u64 + 1, message.to_peer.as_ref().map_or(0, |peer| peer.store_id));
        match self.messages.spend(self.now, self.stores.len(), (kind, node, to)) {
            None => Ok(()),
            Some(seen) => Err(Violation { rule: &laws::STORM, node, seen }.into()),
        }
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
