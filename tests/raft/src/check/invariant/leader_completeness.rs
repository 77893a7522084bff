//! R4, Leader Completeness: a new leader holds all that was committed in earlier terms (paper §5.4).
//!
//! A leader of an *old* term may well lack what a later term has committed: it just has not heard of it yet.

use super::super::rules::LEADER_COMPLETENESS;
use super::{Ghost, Judge, Verdict, View};

/// Peer `id` has become leader.
pub fn judge(judge: &Judge, ghost: &Ghost, view: &View, id: u64) -> Verdict {
    let index = ghost.commit_before(view.now.term);
    let Some(committed) = ghost.committed(index) else { return Ok(()) };
    let term = view.log.term(index);
    let below = index < view.log.base();
    judge.ensure(below || term == Some(committed.term), &LEADER_COMPLETENESS, id, || {
        let holds = term.map_or("nothing".to_owned(), |term| format!("an entry of term {term}"));
        format!(
            "Peer {id} has become leader of term {} and holds {holds} at index {index}, where an entry of term {} was \
             committed in term {} or earlier",
            view.now.term, committed.term, committed.commit_term
        )
    })
}
