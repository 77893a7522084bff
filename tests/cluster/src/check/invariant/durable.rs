//! R9, R10, R11: a message goes out only when what it promises is on disk (paper, figure 2).
//!
//! A peer that has gone on to a higher term, durably, may still send messages of the earlier one: it can never act in that
//! term again, so that what it said there stays true.

use ::kv::raftstore::StoreId;
use proto::eraftpb::{Message, MessageType};
use proto::raft_serverpb::RaftMessage;
use raft_tests::check::describe_message;
use raft_tests::check::rules::{ENTRIES_DURABLE, TERM_DURABLE, VOTE_DURABLE};

use super::super::world::{Store, World};
use super::super::{Verdict, ensure};

/// `store` sends `message` now.
pub fn on_send(world: &mut World, store: StoreId, message: &RaftMessage) -> Verdict {
    use MessageType::*;
    let (region_id, view) = (message.region_id, world.store(store));
    let Some(message) = &message.message else { return Ok(()) };
    let kind = message.msg_type();
    if matches!(kind, MsgRequestPreVote | MsgRequestPreVoteResponse | MsgTransferLeader | MsgReadIndex) {
        return Ok(());
    }
    let disk = view.durable_raft.get(&region_id).map(|group| group.hard_state()).unwrap_or_default();
    ensure(disk.term >= message.term, &TERM_DURABLE, store, || {
        format!(
            "Store {store} sends {}, and the term of region {region_id} that is safe in its raftdb is {}",
            describe_message(message),
            disk.term
        )
    })?;
    if disk.term > message.term {
        return Ok(());
    }
    let needed = match kind {
        MsgRequestVoteResponse if !message.reject => message.to,
        MsgAppend | MsgHeartbeat | MsgSnapshot | MsgTimeoutNow => message.from,
        _ => disk.vote,
    };
    ensure(disk.vote == needed, &VOTE_DURABLE, store, || {
        format!(
            "Store {store} sends {}, and the vote of region {region_id} that is safe in its raftdb is {} (0: none)",
            describe_message(message),
            disk.vote
        )
    })?;
    if kind == MsgAppendResponse && !message.reject {
        return entries(view, store, region_id, message);
    }
    Ok(())
}

fn entries(view: &Store, store: StoreId, region_id: u64, message: &Message) -> Verdict {
    // What is meant is the entry that the peer sees now: in one term a log never loses what was acknowledged.
    let seen = view.raft.get(&region_id).and_then(|group| group.term(message.index));
    let holds = message.index == 0 || view.holds_durably(region_id, message.index, seen);
    ensure(holds, &ENTRIES_DURABLE, store, || {
        let last = view.durable_raft.get(&region_id).map_or(0, |group| group.last_index());
        format!(
            "Store {store} sends {}, and the log of region {region_id} that is safe in its raftdb does not hold that entry: it \
             ends at {last}",
            describe_message(message)
        )
    })
}
