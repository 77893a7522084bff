//! The term, and the marks in the log that only move up.

use proto::eraftpb::MessageType;
use raft::Role;

use super::super::rules;
use super::{Case, Judge, Verdict};
use crate::check::observe::Change;
use crate::core::Input;

/// Judges term, commit, applied and first index.
pub fn judge(judge: &Judge, case: &Case<'_>) -> Verdict {
    let (pre, post) = (case.pre, case.post);
    judge
        .ensure(post.term >= pre.term, &rules::TERM_MONOTONIC, case.id, || case.tell("The term went back"))?;
    judge.ensure(rises_for_a_reason(case), &rules::TERM_STEP, case.id, || {
        case.tell("The term rose without a reason")
    })?;
    let ordered = post.applied <= post.commit && post.commit <= post.last.index;
    let monotonic = post.commit >= pre.commit && post.applied >= pre.applied;
    judge.ensure(ordered && monotonic, &rules::COMMIT_MONOTONIC, case.id, || {
        let tell =
            format!("Commit {} → {}, applied {} → {}", pre.commit, post.commit, pre.applied, post.applied);
        case.tell(&tell)
    })?;
    let first = post.first_index;
    let compacted = first >= pre.first_index && first <= post.commit + 1;
    judge.ensure(compacted, &rules::COMPACTION, case.id, || {
        case.tell(&format!("The log's first index went from {} to {first}", pre.first_index))
    })?;
    applied(judge, case)
}

fn rises_for_a_reason(case: &Case<'_>) -> bool {
    let (pre, post) = (case.pre, case.post);
    let campaigns = matches!(post.role, Role::Candidate | Role::Leader);
    if post.term == pre.term {
        let entered = post.role == Role::Candidate && pre.role != Role::Candidate;
        // To campaign in a term that is not new is to ask for votes that may be given already.
        return !entered;
    }
    let told = case.message_term();
    let asked = match case.input {
        Input::Tick | Input::Campaign => true,
        Input::Step(message) => {
            matches!(message.msg_type(), MessageType::MsgTimeoutNow | MessageType::MsgRequestPreVoteResponse)
        }
        _ => false,
    };
    let followed = post.term == told && told > pre.term;
    let own = post.term == pre.term + 1 || (told > pre.term && post.term == told + 1);
    followed || (asked && campaigns && own)
}

fn applied(judge: &Judge, case: &Case<'_>) -> Verdict {
    let (pre, post) = (case.pre, case.post);
    let right = match case.input {
        Input::AdvanceApply(index) => post.applied == pre.applied.max(index),
        // A snapshot is applied when it is installed: some cores know at once, others when told.
        Input::Advance => true,
        _ => post.applied == pre.applied || matches!(case.change, Change::Restored(_)),
    };
    judge.ensure(right, &rules::APPLIED, case.id, || {
        case.tell(&format!("Status::applied went from {} to {}", pre.applied, post.applied))
    })
}
