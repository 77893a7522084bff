//! How a log may change.

use proto::eraftpb::{Message, MessageType};
use raft::{Index, LogId, Role};

use super::super::rules;
use super::{Case, Judge, Verdict, conflict, holds};
use crate::check::observe::Change;

/// Judges what became of the log.
pub fn judge(judge: &Judge, case: &Case<'_>) -> Verdict {
    let Change::From(from) = case.change else { return Ok(()) };
    if case.post.role == Role::Leader {
        return leader(judge, case, from);
    }
    match case.current(MessageType::MsgAppend) {
        Some(append) if !(case.pre.role == Role::Leader && case.pre.term == case.post.term) => {
            follower(judge, case, append, from)
        }
        _ => judge.ensure(false, &rules::LOG_OWNED, case.id, || {
            case.tell(&format!(
                "The log changed from index {from} on, and no append of the leader asked for it"
            ))
        }),
    }
}

fn leader(judge: &Judge, case: &Case<'_>, from: Index) -> Verdict {
    let last = case.view.log.last().index;
    let appended = from == last + 1 && case.post.last.index > last;
    judge.ensure(appended, &rules::LEADER_APPEND_ONLY, case.id, || {
        case.tell(&format!("A leader changed its own log from index {from} on; its last entry was {last}"))
    })?;
    let other =
        (from..=case.post.last.index).find(|&index| case.core.log_term(index) != Some(case.post.term));
    judge.ensure(other.is_none(), &rules::LOG_OWNED, case.id, || {
        let index = other.unwrap_or_default();
        let term = case.core.log_term(index).unwrap_or_default();
        case.tell(&format!("The leader's new entry {index} is of term {term}"))
    })
}

fn follower(judge: &Judge, case: &Case<'_>, append: &Message, from: Index) -> Verdict {
    let prev = LogId { term: append.log_term, index: append.index };
    let last = case.post.last.index;
    if !holds(case, prev) {
        // To delete an entry that contradicts the leader's is safe; to take entries behind it is not.
        let dropped = from == prev.index && last + 1 == from && from > case.pre.commit;
        return judge.ensure(dropped, &rules::LOG_OWNED, case.id, || {
            case.tell(&format!(
                "The log does not hold entry {}@{}, which the append builds on, and changed all the same",
                prev.index, prev.term
            ))
        });
    }
    let Some(first) = conflict(case, append) else {
        return judge.ensure(false, &rules::CONFLICT_ONLY, case.id, || {
            case.tell(&format!("The log holds every entry of the append, and changed from index {from} on"))
        });
    };
    judge.ensure(first > case.pre.commit, &rules::STATE_MACHINE_SAFETY, case.id, || {
        case.tell(&format!("The committed entry {first} was replaced"))
    })?;
    judge.ensure(from >= first, &rules::CONFLICT_ONLY, case.id, || {
        case.tell(&format!(
            "The first conflict is at index {first}, and the log changed from index {from} on"
        ))
    })?;
    let end = append.index + append.entries.len() as u64;
    judge.ensure(from == first && last <= end, &rules::LOG_OWNED, case.id, || {
        case.tell(&format!(
            "The append conflicts with the log at index {first} and ends at {end}; entries behind a conflict must go, \
             but the log still ends at {last}"
        ))
    })?;
    let wrong = append.entries.iter().filter(|entry| (first..=last).contains(&entry.index));
    let wrong = wrong.into_iter().find(|entry| case.core.log_term(entry.index) != Some(entry.term));
    judge.ensure(wrong.is_none(), &rules::LOG_OWNED, case.id, || {
        let index = wrong.map_or(0, |entry| entry.index);
        case.tell(&format!("Entry {index} of the log is not the one of the append"))
    })
}
