//! R9, R10, R11: a message goes out only when what it promises is on disk (paper, figure 2).
//!
//! A peer that has gone on to a higher term, durably, may still send messages of the earlier one: it can never act in that
//! term again, so that what it said there stays true.

use proto::eraftpb::{Message, MessageType};
use raft::LogId;

use super::super::describe_message;
use super::super::rules::{ENTRIES_DURABLE, TERM_DURABLE, VOTE_DURABLE};
use super::{Judge, Verdict, View};

/// Peer `id` sends `message` now.
pub fn on_send(judge: &Judge, view: &View, id: u64, message: &Message) -> Verdict {
    use MessageType::*;
    let kind = message.msg_type();
    if matches!(kind, MsgRequestPreVote | MsgRequestPreVoteResponse | MsgTransferLeader | MsgReadIndex) {
        return Ok(());
    }
    let disk = view.durable.hard_state;
    judge.ensure(disk.term >= message.term, &TERM_DURABLE, id, || {
        format!("Peer {id} sends {}, and the term on its disk is {}", describe_message(message), disk.term)
    })?;
    if disk.term > message.term {
        return Ok(());
    }
    let needed = match kind {
        MsgRequestVoteResponse if !message.reject => message.to,
        MsgAppend | MsgHeartbeat | MsgSnapshot | MsgTimeoutNow => id,
        _ => disk.vote,
    };
    judge.ensure(disk.vote == needed, &VOTE_DURABLE, id, || {
        format!(
            "Peer {id} sends {}, and the vote on its disk is {} (0: none)",
            describe_message(message),
            disk.vote
        )
    })?;
    if kind != MsgAppendResponse || message.reject || message.index == 0 {
        return Ok(());
    }
    let acks = &view.handed.acks;
    let Some(&(.., term)) =
        acks.iter().find(|&&(term, index, _)| (term, index) == (message.term, message.index))
    else {
        return Ok(());
    };
    judge.ensure(view.durable.holds(LogId { term, index: message.index }), &ENTRIES_DURABLE, id, || {
        format!(
            "Peer {id} sends {}, and its disk does not hold that entry of term {term}: the log there ends at {}",
            describe_message(message),
            view.durable.last_index()
        )
    })
}
