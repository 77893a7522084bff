//! Handing over leadership.

use raft::{NONE, Role};

use super::super::rules;
use super::{Case, Judge, Verdict};
use crate::core::Input;

/// Judges a hand-over under way.
pub fn judge(judge: &Judge, case: &Case<'_>) -> Verdict {
    let (pre, post) = (case.pre, case.post);
    let target = post.transferee;
    if target == NONE {
        return Ok(());
    }
    let ensure = |holds: bool, seen: &str| {
        judge.ensure(holds, &rules::TRANSFER, case.id, || {
            case.tell(&format!("The hand-over to {target} {seen}"))
        })
    };
    ensure(post.role == Role::Leader, "is under way at a peer that does not lead")?;
    ensure(target != case.id, "is a hand-over of the leader to itself")?;
    ensure(case.view.group.voters.has(target), "goes to a peer that is not a voter")?;
    let proposed =
        matches!(case.input, Input::Propose(_) | Input::ProposeConfChange(_)) && pre.transferee == target;
    ensure(!proposed || case.refused, "is under way, and a proposal was accepted")?;
    let ticks = case.view.timers.handing_over;
    let limit = 2 * judge.election_ticks + 2;
    ensure(
        ticks <= limit,
        &format!("has been going on for {ticks} ticks; an election timeout is {}", judge.election_ticks),
    )
}
