//! Good practice: never fails a run, and tells the probable cause when something else does.

use proto::eraftpb::{Message, MessageType};
use raft::{NONE, Role};

use super::super::{Violation, advise, rules};
use super::{Case, conflict, holds, proved};
use crate::check::observe::Change;
use crate::core::Input;
use raft::LogId;

/// Takes note of what could have been done better in this call.
pub fn give(case: &Case<'_>, findings: &mut Vec<Violation>) {
    if let Some(message) = case.message() {
        match message.msg_type() {
            MessageType::MsgRequestVote => free_vote(case, message, findings),
            MessageType::MsgAppend => append(case, message, findings),
            MessageType::MsgHeartbeat => yields(case, message, findings),
            MessageType::MsgAppendResponse => next(case, message, findings),
            _ => {}
        }
    }
    let campaigns = case.post.term > case.pre.term && case.post.role == Role::Candidate;
    if campaigns && !case.view.group.voters.has(case.id) {
        advise(findings, &rules::VOTERS_CAMPAIGN, case.id, || {
            case.tell("A peer that is no voter campaigned")
        });
    }
}

fn free_vote(case: &Case<'_>, request: &Message, findings: &mut Vec<Violation>) {
    let (pre, post) = (case.pre, case.post);
    let asked = request.term == post.term && post.role == Role::Follower;
    let free = post.vote == NONE && post.leader_id == NONE;
    let up_to_date = (request.log_term, request.index) >= (pre.last.term, pre.last.index);
    if asked && free && up_to_date {
        advise(findings, &rules::GIVE_FREE_VOTE, case.id, || case.tell("A free vote was withheld"));
    }
}

fn append(case: &Case<'_>, append: &Message, findings: &mut Vec<Violation>) {
    yields(case, append, findings);
    if append.term != case.post.term || case.leads() {
        return;
    }
    // An append that begins below the commit index may be taken for old news.
    let held =
        append.index >= case.pre.commit && holds(case, LogId { term: append.log_term, index: append.index });
    if held
        && case.change == Change::None
        && conflict(case, append).is_some_and(|first| first > case.pre.commit)
    {
        advise(findings, &rules::TAKE_APPEND, case.id, || {
            case.tell("The entries of a matching append were not taken")
        });
    }
    let reachable = proved(case).unwrap_or(0).min(append.commit);
    if case.post.commit < reachable {
        advise(findings, &rules::FOLLOW_COMMIT, case.id, || {
            case.tell("The leader's commit index was not taken over")
        });
    }
}

fn yields(case: &Case<'_>, message: &Message, findings: &mut Vec<Violation>) {
    if message.term == case.post.term && case.post.role == Role::Candidate {
        advise(findings, &rules::CANDIDATE_YIELDS, case.id, || {
            case.tell("A candidate ignored the leader of its term")
        });
    }
}

fn next(case: &Case<'_>, response: &Message, findings: &mut Vec<Violation>) {
    if case.post.role != Role::Leader || !matches!(case.input, Input::Step(_)) {
        return;
    }
    let Some(progress) = case.core.progress(response.from) else { return };
    if progress.next <= progress.matched {
        advise(findings, &rules::NEXT_BEHIND, case.id, || {
            case.tell(&format!(
                "`next` of peer {} is {}, `matched` is {}",
                response.from, progress.next, progress.matched
            ))
        });
    }
}
