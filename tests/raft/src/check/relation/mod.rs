//! The executable specification, as a relation: given a peer before and after one call, was that a legal step?
//!
//! The first illegal step is reported where it happens, which is usually long before anything else goes wrong.

pub mod advice;
mod commit;
mod log;
pub mod messages;
pub mod ready;
mod role;
mod snapshot;
mod term;
pub mod timer;
mod transfer;
mod vote;

use proto::eraftpb::{Message, MessageType};
use raft::{Index, LogId, Status};

use super::ghost::Ghost;
use super::invariant::conf_change::is_result;
use super::observe::Change;
use super::peers::Group;
use super::rules;
use super::view::View;
use super::{Judge, Verdict, describe_message, describe_status};
use crate::core::{Core, Input};

/// One call to one peer.
pub struct Case<'a> {
    /// The peer.
    pub id: u64,
    /// The call.
    pub input: Input<'a>,
    /// The core answered with an error.
    pub refused: bool,
    /// The peer before.
    pub pre: &'a Status,
    /// The peer after.
    pub post: &'a Status,
    /// The core after.
    pub core: &'a Core,
    /// What is known of the peer: its log as before, what it heard including this call, its group as after.
    pub view: &'a View,
    /// What is known of the group as a whole.
    pub ghost: &'a Ghost,
    /// How its log changed.
    pub change: Change,
    /// Its group before.
    pub pre_group: Group,
}

impl<'a> Case<'a> {
    /// The message, if the call was one.
    pub fn message(&self) -> Option<&'a Message> {
        match self.input {
            Input::Step(message) => Some(message),
            _ => None,
        }
    }

    /// The message, if it was of that kind and of the term that the peer is in afterwards.
    pub fn current(&self, kind: MessageType) -> Option<&'a Message> {
        self.message().filter(|message| message.msg_type() == kind && message.term == self.post.term)
    }

    /// Term of the message; 0 if there was none.
    pub fn message_term(&self) -> u64 {
        self.message().map_or(0, |message| message.term)
    }

    /// The call and both sides of it, in words.
    pub fn tell(&self, what: &str) -> String {
        let call = match self.input {
            Input::Start => "start".to_owned(),
            Input::Tick => "tick".to_owned(),
            Input::Step(message) => describe_message(message),
            Input::Campaign => "campaign".to_owned(),
            Input::Propose(_) => "propose".to_owned(),
            Input::ProposeConfChange(change) => {
                format!("propose {:?} {}", change.change_type(), change.node_id)
            }
            Input::ApplyConfChange(change) => format!("apply {:?} {}", change.change_type(), change.node_id),
            Input::TransferLeader(target) => format!("transfer leadership to {target}"),
            Input::ReadIndex(_) => "read_index".to_owned(),
            Input::ReportSnapshot(peer, status) => format!("report that the snapshot to {peer}: {status:?}"),
            Input::ReportUnreachable(peer) => format!("report that {peer} is unreachable"),
            Input::Ready => "ready".to_owned(),
            Input::Advance => "advance".to_owned(),
            Input::AdvanceApply(index) => format!("advance_apply {index}"),
        };
        format!(
            "{what}. Call: {call}. Before: {}. After: {}",
            describe_status(self.pre),
            describe_status(self.post)
        )
    }

    /// Whether the peer leads after the call, or led the same term until this very call.
    pub fn leads(&self) -> bool {
        let led = self.pre.role == raft::Role::Leader && self.pre.term == self.post.term;
        led || self.post.role == raft::Role::Leader
    }
}

/// Judges one call.
pub fn judge(judge: &Judge, case: &Case<'_>) -> Verdict {
    if case.pre == case.post && case.change == Change::None && !must_act(case.input) {
        return Ok(());
    }
    term::judge(judge, case)?;
    stale(judge, case)?;
    vote::judge(judge, case)?;
    role::judge(judge, case)?;
    log::judge(judge, case)?;
    snapshot::judge(judge, case)?;
    commit::judge(judge, case)?;
    transfer::judge(judge, case)?;
    conf_change(judge, case)?;
    proposal(judge, case)
}

/// Whether doing nothing can be wrong.
fn must_act(input: Input<'_>) -> bool {
    match input {
        Input::Step(message) => {
            matches!(
                message.msg_type(),
                MessageType::MsgAppend | MessageType::MsgAppendResponse | MessageType::MsgSnapshot
            )
        }
        // A hand-over that goes on is judged by how long it has taken.
        Input::Tick => true,
        Input::Propose(_)
        | Input::ProposeConfChange(_)
        | Input::ApplyConfChange(_)
        | Input::AdvanceApply(_) => true,
        _ => false,
    }
}

fn stale(judge: &Judge, case: &Case<'_>) -> Verdict {
    let stale = case.message().is_some_and(|message| message.term != 0 && message.term < case.pre.term);
    let holds = !stale || (case.pre == case.post && case.change == Change::None);
    judge.ensure(holds, &rules::STALE_IGNORED, case.id, || {
        case.tell("A message of an older term changed the peer")
    })
}

fn conf_change(judge: &Judge, case: &Case<'_>) -> Verdict {
    let Input::ApplyConfChange(change) = case.input else { return Ok(()) };
    let (before, after) = (case.pre_group, case.view.group);
    judge.ensure(is_result(before, change, after), &rules::ONE_CONF_CHANGE, case.id, || {
        case.tell(&format!(
            "The voters were {} and the learners {}; now they are {} and {}",
            before.voters, before.learners, after.voters, after.learners
        ))
    })
}

fn proposal(judge: &Judge, case: &Case<'_>) -> Verdict {
    if !matches!(case.input, Input::Propose(_) | Input::ProposeConfChange(_)) {
        return Ok(());
    }
    if case.refused {
        let untouched = case.pre == case.post && case.change == Change::None;
        return judge.ensure(untouched, &rules::PROPOSAL, case.id, || {
            case.tell("A refused proposal changed the peer")
        });
    }
    let appended = case.post.last.index > case.pre.last.index;
    judge.ensure(appended, &rules::PROPOSAL, case.id, || {
        case.tell("The proposal was answered with Ok, and nothing was appended to the log")
    })
}

/// Up to where the message of this call proves that the peer's log, after the call, is the leader's; `None` if it does not.
pub fn proved(case: &Case<'_>) -> Option<Index> {
    if case.leads() {
        return None;
    }
    if let Some(message) = case.current(MessageType::MsgAppend) {
        return matched(case, message);
    }
    let snapshot = case.current(MessageType::MsgSnapshot)?.snapshot.as_ref()?;
    let id = crate::disk::snapshot_id(snapshot);
    let restored = case.change == Change::Restored(id);
    (restored || holds(case, id)).then_some(id.index)
}

/// Whether the log held `id` before the call, itself or below its start, or as something committed.
fn holds(case: &Case<'_>, id: LogId) -> bool {
    id.index <= case.pre.commit || case.view.log.term(id.index) == Some(id.term)
}

/// As [`proved`], for an append.
fn matched(case: &Case<'_>, append: &Message) -> Option<Index> {
    if !holds(case, LogId { term: append.log_term, index: append.index }) {
        return None;
    }
    let end = append.index + append.entries.len() as u64;
    Some(match conflict(case, append) {
        None => end,
        Some(_) if case.change != Change::None => end.min(case.post.last.index),
        Some(first) => first - 1,
    })
}

/// Index of the first entry of `append` that the log, before the call, did not hold.
fn conflict(case: &Case<'_>, append: &Message) -> Option<Index> {
    let new = |entry: &&proto::eraftpb::Entry| {
        entry.index > case.view.log.base() && case.view.log.term(entry.index) != Some(entry.term)
    };
    append.entries.iter().find(new).map(|entry| entry.index)
}
