//! How far a peer may commit.

use proto::eraftpb::MessageType;
use raft::Role;

use super::super::rules;
use super::{Case, Judge, Verdict, proved};
use crate::check::peers::Peers;
use crate::core::Input;

/// Judges a raised commit index, and a leader's book-keeping on which it rests.
pub fn judge(judge: &Judge, case: &Case<'_>) -> Verdict {
    progress(judge, case)?;
    if case.post.commit <= case.pre.commit {
        return Ok(());
    }
    if case.leads() { leader(judge, case) } else { follower(judge, case) }
}

fn leader(judge: &Judge, case: &Case<'_>) -> Verdict {
    let commit = case.post.commit;
    // A peer that has become leader in this call has been told nothing yet.
    let fresh = case.pre.role != Role::Leader || case.pre.term != case.post.term;
    let quorum = |voters: Peers| {
        let others = if fresh { Peers::default() } else { case.view.lead.acked.at_least(commit, voters) };
        voters.has_majority(others.with(case.id))
    };
    let voters = case.view.group.voters;
    judge.ensure(quorum(voters) || quorum(case.pre_group.voters), &rules::COMMIT_QUORUM, case.id, || {
        let acked = case.view.lead.acked.at_least(commit, voters).with(case.id).and(voters);
        case.tell(&format!(
            "Index {commit} is committed, and only {acked} of the voters {voters} hold it, as far as was told"
        ))
    })?;
    let term = case.core.log_term(commit).unwrap_or_default();
    judge.ensure(term == case.post.term, &rules::COMMIT_OWN_TERM, case.id, || {
        case.tell(&format!(
            "The leader of term {} committed index {commit}, whose entry is of term {term}",
            case.post.term
        ))
    })
}

fn follower(judge: &Judge, case: &Case<'_>) -> Verdict {
    let commit = case.post.commit;
    let matched = proved(case);
    let bound = if let Some(append) = case.current(MessageType::MsgAppend) {
        matched.unwrap_or(0).min(append.commit)
    } else if let Some(heartbeat) = case.current(MessageType::MsgHeartbeat) {
        heartbeat.commit
    } else {
        matched.unwrap_or(0)
    };
    judge.ensure(commit <= bound, &rules::FOLLOWER_COMMIT, case.id, || match case.current(MessageType::MsgAppend) {
        Some(append) => case.tell(&format!(
            "The leader has committed {}, the append proves the log right up to {}, and the peer committed {commit}",
            append.commit,
            matched.unwrap_or(0)
        )),
        None => case.tell(&format!("The commit index rose to {commit}, which no leader asked for")),
    })
}

/// `matched` is what the peer has acknowledged in this term.
fn progress(judge: &Judge, case: &Case<'_>) -> Verdict {
    if case.post.role != Role::Leader || case.pre.role != Role::Leader || case.pre.term != case.post.term {
        return Ok(());
    }
    match case.input {
        Input::Step(message) if message.msg_type() == MessageType::MsgAppendResponse => {
            matched(judge, case, message.from)
        }
        Input::ApplyConfChange(_) => {
            let others = case.view.group.voters.and(case.pre_group.voters).without(case.id);
            others.iter().try_for_each(|peer| matched(judge, case, peer))
        }
        _ => Ok(()),
    }
}

fn matched(judge: &Judge, case: &Case<'_>, peer: u64) -> Verdict {
    let Some(progress) = case.core.progress(peer) else { return Ok(()) };
    let (acked, before) = (case.view.lead.acked.get(peer), case.view.lead.matched.get(peer));
    let holds = (before..=acked).contains(&progress.matched);
    judge.ensure(holds, &rules::PROGRESS, case.id, || {
        case.tell(&format!(
            "`matched` of peer {peer} is {}; it was {before}, and the peer has acknowledged {acked} in this term",
            progress.matched
        ))
    })
}
