//! R1, Election Safety: at most one leader in a term (paper §5.2).

use super::super::rules::ONE_LEADER;
use super::{Ghost, Judge, Verdict, View};

/// Peer `id` has become leader.
pub fn judge(judge: &Judge, ghost: &mut Ghost, view: &View, id: u64) -> Verdict {
    let term = view.now.term;
    let other = ghost.note_leader(term, id);
    judge.ensure(other.is_none(), &ONE_LEADER, id, || {
        format!(
            "Peer {id} has become leader of term {term}, which peer {} led already",
            other.unwrap_or_default()
        )
    })
}
