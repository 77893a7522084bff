//! Peers and messages, in words.

use proto::eraftpb::{Message, MessageType};
use raft::{Role, Status};

use crate::disk::snapshot_id;

/// A role in words.
pub fn role_name(role: Role) -> &'static str {
    match role {
        Role::Follower => "follower",
        Role::PreCandidate => "pre-candidate",
        Role::Candidate => "candidate",
        Role::Leader => "leader",
    }
}

/// A peer, in a few words.
pub fn describe_status(status: &Status) -> String {
    let Status { id, term, vote, leader_id, commit, last, .. } = *status;
    let role = role_name(status.role);
    let vote = if vote == 0 { "none".to_owned() } else { vote.to_string() };
    let leader = if leader_id == 0 { "unknown".to_owned() } else { leader_id.to_string() };
    format!(
        "peer {id}: {role} of term {term}, vote {vote}, leader {leader}, commit {commit}, last entry {}@{}",
        last.index, last.term
    )
}

/// A message, in a few words.
pub fn describe_message(message: &Message) -> String {
    use MessageType::*;
    let kind = message.msg_type();
    let (from, to, term) = (message.from, message.to, message.term);
    let head = format!("{} {from}→{to}, term {term}", kind.as_str_name());
    let Message { index, log_term, commit, reject, .. } = *message;
    match kind {
        MsgAppend => {
            let entries: Vec<String> =
                message.entries.iter().map(|entry| format!("{}@{}", entry.index, entry.term)).collect();
            format!("{head}, after {index}@{log_term}: [{}], commit {commit}", entries.join(" "))
        }
        MsgAppendResponse if reject => {
            format!("{head}, refuses the append after {index} (hint {}@{log_term})", message.reject_hint)
        }
        MsgAppendResponse => format!("{head}, holds all up to {index}"),
        MsgRequestVote | MsgRequestPreVote => format!("{head}, last entry {index}@{log_term}"),
        MsgRequestVoteResponse | MsgRequestPreVoteResponse => {
            format!("{head}, {}", if reject { "refused" } else { "granted" })
        }
        MsgHeartbeat => format!("{head}, commit {commit}"),
        MsgSnapshot => {
            let at = message.snapshot.as_ref().map(snapshot_id).unwrap_or_default();
            format!("{head}, at {}@{}", at.index, at.term)
        }
        _ => head,
    }
}
