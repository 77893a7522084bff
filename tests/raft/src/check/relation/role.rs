//! Changes of role, and who leads.

use raft::{NONE, Role};

use super::super::rules;
use super::{Case, Judge, Verdict};
use crate::check::peers::Peers;
use crate::core::Input;

/// Judges the role and the known leader.
pub fn judge(judge: &Judge, case: &Case<'_>) -> Verdict {
    let (pre, post) = (case.pre, case.post);
    if (pre.term, pre.role, pre.leader_id) == (post.term, post.role, post.leader_id) {
        return Ok(());
    }
    let (led, leads) = (pre.role == Role::Leader, post.role == Role::Leader);
    if leads && (!led || pre.term != post.term) {
        elected(judge, case)?;
    }
    if led && (!leads || pre.term != post.term) {
        judge.ensure(may_step_down(case), &rules::STEP_DOWN, case.id, || {
            case.tell("A leader gave up its term without having seen a higher one")
        })?;
    }
    let leader = post.leader_id;
    let known = if leads {
        leader == case.id
    } else {
        leader == NONE || case.ghost.leader_of(post.term) == Some(leader)
    };
    judge.ensure(known, &rules::LEADER_KNOWN, case.id, || {
        case.tell(&format!("leader_id is {leader}, which does not lead term {}", post.term))
    })
}

fn elected(judge: &Judge, case: &Case<'_>) -> Verdict {
    let (pre, post) = (case.pre, case.post);
    let counted = pre.term == post.term && pre.role == Role::Candidate;
    let granted = if counted { case.view.granted } else { Peers::default() };
    let granted = if post.vote == case.id { granted.with(case.id) } else { granted };
    let majority = |voters: Peers| voters.has_majority(granted);
    let voters = case.view.group.voters;
    judge.ensure(majority(voters) || majority(case.pre_group.voters), &rules::MAJORITY, case.id, || {
        let granted = granted.and(voters);
        case.tell(&format!(
            "A leader of term {} with the votes of {granted} among the voters {voters}",
            post.term
        ))
    })
}

fn may_step_down(case: &Case<'_>) -> bool {
    if case.message_term() > case.pre.term {
        return true;
    }
    if case.post.term > case.pre.term {
        return false;
    }
    let removed = !case.view.group.voters.has(case.id) || !case.pre_group.voters.has(case.id);
    // On a tick it may find that a quorum has gone silent.
    let by_itself = matches!(
        case.input,
        Input::Tick | Input::ApplyConfChange(_) | Input::Advance | Input::AdvanceApply(_)
    );
    removed || by_itself
}
