//! Whom a peer votes for.

use proto::eraftpb::MessageType;
use raft::{LogId, NONE, Role};

use super::super::rules;
use super::{Case, Judge, Verdict};

/// Judges a changed vote.
pub fn judge(judge: &Judge, case: &Case<'_>) -> Verdict {
    let (pre, post) = (case.pre, case.post);
    if (pre.term, pre.vote) == (post.term, post.vote) {
        return Ok(());
    }
    let given = pre.term == post.term && pre.vote != NONE;
    judge.ensure(!given, &rules::ONE_VOTE, case.id, || {
        let whom = if post.vote == NONE {
            "was taken back".to_owned()
        } else {
            format!("went to {} too", post.vote)
        };
        case.tell(&format!("The vote of term {}, which {} had, {whom}", post.term, pre.vote))
    })?;
    if post.vote == NONE || follows_winner(case) {
        return Ok(());
    }
    if post.vote == case.id {
        let campaigns = post.term > pre.term && matches!(post.role, Role::Candidate | Role::Leader);
        return judge.ensure(campaigns, &rules::VOTE_ASKED, case.id, || {
            case.tell("The peer voted for itself without campaigning")
        });
    }
    let request = case.current(MessageType::MsgRequestVote).filter(|request| request.from == post.vote);
    let Some(request) = request else {
        return judge.ensure(false, &rules::VOTE_ASKED, case.id, || {
            case.tell(&format!(
                "The vote of term {} is {}, which did not ask for it now",
                post.term, post.vote
            ))
        });
    };
    let candidate = LogId { term: request.log_term, index: request.index };
    let up_to_date = (candidate.term, candidate.index) >= (pre.last.term, pre.last.index);
    judge.ensure(up_to_date, &rules::UP_TO_DATE_VOTE, case.id, || {
        case.tell(&format!(
            "The voter's last entry is {}@{} (index@term), the candidate's only {}@{}",
            pre.last.index, pre.last.term, candidate.index, candidate.term
        ))
    })
}

/// Some implementations note the leader as their vote when they follow it: harmless, as it has won already.
fn follows_winner(case: &Case<'_>) -> bool {
    case.post.vote != case.id && case.ghost.leader_of(case.post.term) == Some(case.post.vote)
}
