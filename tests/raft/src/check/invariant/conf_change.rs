//! R23: membership changes come one at a time, and do what they say (thesis §4.1).

use proto::eraftpb::{ConfChange, ConfChangeType, EntryType};
use raft::Ready;

use super::super::rules::ONE_CONF_CHANGE;
use super::{Judge, Verdict, View};
use crate::check::peers::Group;

/// Peer `id` hands out entries. Those of its own term it has appended itself.
pub fn on_ready(judge: &Judge, view: &View, id: u64, ready: &Ready) -> Verdict {
    if view.conf_changes.len() < 2 || !view.leads() {
        return Ok(());
    }
    for entry in &ready.entries {
        let own = entry.entry_type() == EntryType::EntryConfChange && entry.term == view.now.term;
        if !own || entry.data.is_empty() {
            continue;
        }
        let waits = |&&index: &&u64| view.now.applied < index && index < entry.index;
        let pending = view.conf_changes.iter().find(waits);
        judge.ensure(pending.is_none(), &ONE_CONF_CHANGE, id, || {
            format!(
                "Peer {id} appends a membership change at index {}, and the one at index {} is not applied yet (applied: {})",
                entry.index,
                pending.copied().unwrap_or_default(),
                view.now.applied
            )
        })?;
    }
    Ok(())
}

/// Whether `after` is what `change` makes of `before`.
pub fn is_result(before: Group, change: &ConfChange, after: Group) -> bool {
    let peer = change.node_id;
    let Group { voters, learners } = before;
    if peer == 0 {
        return after == before;
    }
    match change.change_type() {
        ConfChangeType::AddNode => {
            after == Group { voters: voters.with(peer), learners: learners.without(peer) }
        }
        ConfChangeType::RemoveNode => {
            after == Group { voters: voters.without(peer), learners: learners.without(peer) }
        }
        ConfChangeType::AddLearnerNode => {
            let demoted = Group { voters: voters.without(peer), learners: learners.with(peer) };
            // Whether this demotes a voter is nowhere said.
            after == demoted || (voters.has(peer) && after == before)
        }
    }
}
