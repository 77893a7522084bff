//! R14, R1 and R4: one vote in a term, one leader in a term, and it holds all that earlier terms have committed.
//!
//! A leader of an *old* term may well lack what a later term has committed: it just has not heard of it yet.

use ::kv::raftstore::StoreId;
use ::raft::Term;
use proto::eraftpb::MessageType;
use proto::raft_serverpb::RaftMessage;
use raft_tests::check::rules::{LEADER_COMPLETENESS, ONE_LEADER, ONE_VOTE};

use super::super::world::World;
use super::super::{Verdict, ensure};

/// `store` sends `message` now. A leader's messages tell that it leads, and that it voted for itself.
pub fn on_send(world: &mut World, store: StoreId, message: &RaftMessage) -> Verdict {
    use MessageType::*;
    let region_id = message.region_id;
    let Some(message) = &message.message else { return Ok(()) };
    let candidate = match message.msg_type() {
        MsgRequestVoteResponse if !message.reject => message.to,
        MsgAppend | MsgHeartbeat | MsgSnapshot => message.from,
        _ => return Ok(()),
    };
    let Some(group) = world.ghost.groups.get_mut(&region_id) else { return Ok(()) };
    let other = group.note_vote(message.from, message.term, candidate);
    ensure(other.is_none(), &ONE_VOTE, store, || {
        format!(
            "Peer {} of region {region_id} (store {store}) votes for {candidate} in term {}, and has voted for {} in that term",
            message.from,
            message.term,
            other.unwrap_or_default()
        )
    })?;
    if candidate == message.from { leads(world, store, region_id, message.term) } else { Ok(()) }
}

/// `store` leads the region in `term`.
pub fn leads(world: &mut World, store: StoreId, region_id: u64, term: Term) -> Verdict {
    let Some(group) = world.ghost.groups.get_mut(&region_id) else { return Ok(()) };
    let is_new = !group.is_known_leader(term);
    let other = group.note_leader(term, store);
    ensure(other.is_none(), &ONE_LEADER, store, || {
        format!(
            "Store {store} leads region {region_id} in term {term}, which store {} led already",
            other.unwrap_or_default()
        )
    })?;
    if is_new { is_complete(world, store, region_id, term) } else { Ok(()) }
}

fn is_complete(world: &mut World, store: StoreId, region_id: u64, term: Term) -> Verdict {
    let group = &world.ghost.groups[&region_id];
    let index = group.commit_before(term);
    let Some(committed) = group.committed(index) else { return Ok(()) };
    let view = &world.stores[&store];
    let below = index <= view.states(region_id).truncated().index;
    let held = view.raft.get(&region_id).and_then(|group| group.term(index));
    ensure(below || held == Some(committed.term), &LEADER_COMPLETENESS, store, || {
        let held = held.map_or("nothing".to_owned(), |term| format!("an entry of term {term}"));
        format!(
            "Store {store} has become leader of region {region_id} in term {term} and holds {held} at index {index}, where an \
             entry of term {} was committed in term {} or earlier",
            committed.term, committed.commit_term
        )
    })
}
