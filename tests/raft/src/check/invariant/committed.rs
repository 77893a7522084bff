//! R5, State Machine Safety: what is committed at an index is the same everywhere, for ever (paper §5.4.3); and R12: it is
//! durable on a majority.
//!
//! An entry counts as committed for the group when somebody *relies* on it: when it is applied, or when a leader tells
//! others. Before that, a group of one may still lose it in a crash, and nobody will know.

use proto::eraftpb::{Message, MessageType};
use raft::{Index, LogId, Term};

use super::super::ghost::Committed;
use super::super::rules::{COMMITTED_DURABLE, STATE_MACHINE_SAFETY};
use super::{Ghost, Judge, Verdict, View};
use crate::check::peers::Peers;
use crate::disk::snapshot_id;

/// Peer `id` has raised its commit index.
pub fn on_commit(judge: &Judge, ghost: &Ghost, view: &View, id: u64) -> Verdict {
    let index = view.now.commit.min(ghost.commit());
    let Some(committed) = ghost.committed(index) else { return Ok(()) };
    let term = view.log.term(index);
    let below = index < view.log.base();
    judge.ensure(below || term == Some(committed.term), &STATE_MACHINE_SAFETY, id, || {
        format!(
            "Peer {id} commits index {index} with an entry of term {}, and the group has committed one of term {} there",
            term.unwrap_or_default(),
            committed.term
        )
    })
}

/// Peer `id` tells others that something is committed.
pub fn on_send(judge: &Judge, ghost: &mut Ghost, nodes: &[View], id: u64, message: &Message) -> Verdict {
    let index = match message.msg_type() {
        MessageType::MsgAppend | MessageType::MsgHeartbeat => message.commit,
        MessageType::MsgSnapshot => {
            message.snapshot.as_ref().map_or(0, |snapshot| snapshot_id(snapshot).index)
        }
        _ => 0,
    };
    rely(judge, ghost, nodes, id, index, message.term)
}

/// Peer `id` applies the entry at `at`; `digest` sums up all it has applied, with that entry.
pub fn on_apply(
    judge: &Judge,
    ghost: &mut Ghost,
    nodes: &[View],
    id: u64,
    at: LogId,
    digest: u64,
) -> Verdict {
    rely(judge, ghost, nodes, id, at.index, nodes[id as usize].now.term)?;
    let Some(committed) = ghost.committed(at.index) else { return Ok(()) };
    let same = committed.term == at.term && committed.chain == digest;
    judge.ensure(same, &STATE_MACHINE_SAFETY, id, || {
        format!(
            "Peer {id} applies an entry of term {} at index {}; the group has committed {} there",
            at.term,
            at.index,
            if committed.term == at.term {
                "other commands up to".to_owned()
            } else {
                format!("term {}", committed.term)
            }
        )
    })
}

/// From now on the log of peer `id` up to `index` counts as committed for the whole group.
fn rely(
    judge: &Judge,
    ghost: &mut Ghost,
    nodes: &[View],
    id: u64,
    index: Index,
    commit_term: Term,
) -> Verdict {
    if index <= ghost.commit() {
        return Ok(());
    }
    let view = &nodes[id as usize];
    for index in ghost.commit() + 1..=index {
        let (Some(term), Some(chain)) = (view.log.term(index), view.log.chain(index)) else { return Ok(()) };
        ghost.note_committed(Committed { term, chain, commit_term });
    }
    let at = LogId { term: view.log.term(index).unwrap_or_default(), index };
    let voters = view.commit_voters;
    let holders =
        voters.iter().filter(|&voter| nodes.get(voter as usize).is_some_and(|peer| peer.durable.holds(at)));
    let holders = holders.fold(Peers::default(), Peers::with);
    judge.ensure(voters.is_empty() || voters.has_majority(holders), &COMMITTED_DURABLE, id, || {
        format!(
            "Peer {id} treats index {index} (term {}) as committed; of the voters {voters} only {holders} have it on disk",
            at.term
        )
    })
}
