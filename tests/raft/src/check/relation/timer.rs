//! When a peer campaigns.

use proto::eraftpb::MessageType;
use raft::{Role, Status};

use super::super::rules;
use super::{Case, Judge, Verdict};
use crate::check::view::View;
use crate::core::Input;

/// More ticks than any run has: the timer's start is not known.
const LONG_AGO: u32 = u32::MAX / 2;

/// Judges a tick of a peer that does not lead.
pub fn judge(judge: &Judge, case: &Case<'_>) -> Verdict {
    let (pre, post) = (case.pre, case.post);
    if !matches!(case.input, Input::Tick) || pre.role == Role::Leader {
        return Ok(());
    }
    let timers = &case.view.timers;
    let (low, high) = (judge.election_ticks, 2 * judge.election_ticks + 1);
    if campaigned(pre, post) {
        return judge.ensure(timers.since_reset >= low, &rules::ELECTION_TIMER, case.id, || {
            case.tell(&format!(
                "The peer campaigned {} ticks after its timer was to start anew (it started, campaigned, gave a vote, or \
                 heard its leader); election_ticks is {low}",
                timers.since_reset
            ))
        });
    }
    let waits = matches!(post.role, Role::Follower | Role::Candidate) && is_promotable(case.view, post);
    judge.ensure(!waits || timers.since_excuse <= high, &rules::ELECTION_TIMER, case.id, || {
        case.tell(&format!(
            "The peer has not campaigned for {} ticks, and nothing happened that would restart its timer; election_ticks is {low}",
            timers.since_excuse
        ))
    })
}

fn campaigned(pre: &Status, post: &Status) -> bool {
    post.role != Role::Follower && (pre.role, pre.term) != (post.role, post.term)
}

/// Whether nothing keeps the peer from campaigning.
fn is_promotable(view: &View, status: &Status) -> bool {
    view.group.voters.has(status.id) && view.handed.snapshot.is_none() && status.applied == status.commit
}

/// Restarts the clocks, as the call demands or permits.
pub fn update(view: &mut View, input: Input<'_>, pre: &Status, post: &Status) {
    let changed =
        (pre.term, pre.role, pre.leader_id, pre.vote) != (post.term, post.role, post.leader_id, post.vote);
    let mut reset = false;
    let mut excuse = changed;
    match input {
        Input::Tick => reset = campaigned(pre, post),
        // To ask for pre-votes because the caller wants it is no election: the timer may run on.
        Input::Campaign => reset = campaigned(pre, post) && post.role == Role::Candidate,
        Input::Step(message) => {
            let of_leader =
                message.term == post.term && message.from == post.leader_id && post.role == Role::Follower;
            let kind = message.msg_type();
            match kind {
                MessageType::MsgHeartbeat | MessageType::MsgAppend => {
                    let followed = pre.role == Role::Follower
                        && (pre.term, pre.leader_id) == (post.term, post.leader_id);
                    reset = of_leader && followed;
                    excuse |= of_leader;
                }
                MessageType::MsgRequestVote => {
                    let voted = (pre.term, pre.vote) != (post.term, post.vote);
                    reset = voted && post.vote == message.from;
                    excuse |= message.term == post.term && post.vote == message.from;
                }
                // A campaign whose ticks do not show.
                MessageType::MsgTimeoutNow | MessageType::MsgRequestPreVoteResponse => excuse = true,
                _ => excuse |= of_leader,
            }
        }
        _ => {}
    }
    let timers = &mut view.timers;
    if reset {
        timers.since_reset = 0;
    } else if pre.role == Role::Leader && post.role != Role::Leader {
        // Leaders' election timers stand still, or count something else.
        timers.since_reset = LONG_AGO;
    }
    if excuse || reset || !is_promotable(view, post) {
        view.timers.since_excuse = 0;
    }
}
