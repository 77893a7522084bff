//! R14: one vote per term, over a peer's whole life (paper §5.2).

use proto::eraftpb::{Message, MessageType};

use super::super::rules::ONE_VOTE;
use super::{Ghost, Judge, Verdict};

/// Peer `id` sends `message` now. A leader's messages tell that it voted for itself.
pub fn on_send(judge: &Judge, ghost: &mut Ghost, id: u64, message: &Message) -> Verdict {
    use MessageType::*;
    let candidate = match message.msg_type() {
        MsgRequestPreVote | MsgRequestPreVoteResponse | MsgTransferLeader | MsgReadIndex => return Ok(()),
        MsgRequestVoteResponse if !message.reject => message.to,
        MsgAppend | MsgHeartbeat | MsgSnapshot => id,
        _ => 0,
    };
    ghost.spoken.raise(id, message.term);
    if candidate == 0 {
        return Ok(());
    }
    let other = ghost.note_vote(id, message.term, candidate);
    judge.ensure(other.is_none(), &ONE_VOTE, id, || {
        let other = other.unwrap_or_default();
        format!(
            "Peer {id} votes for {candidate} in term {}, and has voted for {other} in that term",
            message.term
        )
    })
}
