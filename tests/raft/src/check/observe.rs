//! Keeps the memory of the checks up to date. Judges nothing.

use proto::eraftpb::{EntryType, Message, MessageType};
use raft::{Config, Index, LogId, NONE, Ready, Role, Status, Term};

use super::ghost::Ghost;
use super::peers::{Group, Peers};
use super::view::{CLEAN, Handed, Lead, Mirror, View};
use crate::core::{Core, Input};
use crate::disk::{Image, chain, mix, snapshot_digest, snapshot_id};

/// How a call changed the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// Not at all.
    None,
    /// From this index on.
    From(Index),
    /// A snapshot replaced it.
    Restored(LogId),
}

/// A peer is about to start from `disk`.
pub fn boot(view: &mut View, ghost: &mut Ghost, id: u64, disk: &Image, config: &Config) {
    let durable = std::mem::take(&mut view.durable);
    *view = View { durable, ..View::default() };
    let base_chain = if disk.base.index == 0 {
        0
    } else {
        let at_base = (disk.applied == disk.base).then_some(disk.digest);
        ghost.prefix(disk.base.index, disk.base.term).or(at_base).unwrap_or_default()
    };
    view.log = Mirror::new(disk.base, base_chain);
    let mut digest = base_chain;
    for entry in &disk.entries {
        digest = chain(digest, entry);
        view.log.push(entry.term);
        view.log.set_chain(entry.index, digest);
        ghost.note_prefix(entry.index, entry.term, digest);
        if entry.entry_type() == EntryType::EntryConfChange {
            view.conf_changes.push(entry.index);
        }
    }
    view.group = Group::of(&disk.conf_state);
    view.handed = Handed {
        hard_state: disk.hard_state,
        dirty: (CLEAN, CLEAN),
        committed: config.applied.max(disk.base.index),
        first: true,
        ..Handed::default()
    };
    view.now = Status { id, ..Status::default() };
}

/// A peer hears something: votes and acknowledgements count for it from now on.
pub fn heard(view: &mut View, ghost: &Ghost, input: Input<'_>) {
    let now = &view.now;
    if !matches!(input, Input::Ready | Input::Advance | Input::AdvanceApply(_)) {
        view.handed.repeatable.clear();
    }
    match input {
        Input::Tick if now.role == Role::Leader => view.timers.handing_over += 1,
        Input::Tick => {
            view.timers.since_reset = view.timers.since_reset.saturating_add(1);
            view.timers.since_excuse = view.timers.since_excuse.saturating_add(1);
        }
        Input::Step(message) if message.term == now.term => {
            let granted = message.msg_type() == MessageType::MsgRequestVoteResponse && !message.reject;
            if granted && now.role == Role::Candidate {
                view.granted = view.granted.with(message.from);
            }
            if now.role == Role::Leader {
                let acked = message.msg_type() == MessageType::MsgAppendResponse && !message.reject;
                // A commit index is a proof as well: what is committed is in every later leader's log.
                let index = if acked { message.index.max(message.commit) } else { message.commit };
                view.lead.acked.raise(message.from, index);
            }
        }
        Input::TransferLeader(target) => view.wanted = view.wanted.with(target),
        Input::ReadIndex(context) => view.reads.push((context.to_vec(), ghost.commit())),
        _ => {}
    }
    if matches!(input, Input::TransferLeader(_)) || is_step(input, MessageType::MsgTransferLeader) {
        view.timers.handing_over = 0;
    }
    if let Input::Step(message) = input
        && message.msg_type() == MessageType::MsgTransferLeader
    {
        view.wanted = view.wanted.with(message.from);
    }
}

/// Whether `input` is a message of that kind.
pub fn is_step(input: Input<'_>, kind: MessageType) -> bool {
    matches!(input, Input::Step(message) if message.msg_type() == kind)
}

/// How the log differs from the mirror, which still shows it as before the call.
pub fn log_change(view: &View, input: Input<'_>, post: &Status, core: &Core) -> Change {
    let last = view.log.last();
    if let Input::Step(message) = input {
        if let Some(snapshot) = &message.snapshot {
            let id = snapshot_id(snapshot);
            if post.last == id && (last != id || post.first_index > view.now.first_index) {
                return Change::Restored(id);
            }
        }
        if message.msg_type() == MessageType::MsgAppend && message.term >= view.now.term {
            let end = message.index + message.entries.len() as u64;
            // Compacted entries cannot be asked for, and cannot change.
            let start = message.index.max(view.log.base() + 1).max(post.first_index);
            let differs = |&index: &Index| view.log.term(index) != core.log_term(index);
            if let Some(from) = (start..=end.min(last.index).min(post.last.index)).find(differs) {
                return Change::From(from);
            }
        }
    }
    if post.last == last {
        return Change::None;
    }
    let mut from = last.index.min(post.last.index) + 1;
    while from > view.log.base() + 1 && view.log.term(from - 1) != core.log_term(from - 1) {
        from -= 1;
    }
    Change::From(from)
}

/// Asks for the group again if the call may have changed it.
pub fn group(view: &mut View, input: Input<'_>, change: &Change, core: &Core) {
    if matches!(input, Input::ApplyConfChange(_)) || matches!(change, Change::Restored(_)) {
        view.group = Group::of(&core.conf_state());
    }
}

/// The call was legal: take over what it did.
pub fn update(
    view: &mut View,
    input: Input<'_>,
    pre: &Status,
    post: &Status,
    change: Change,
    proved: Option<Index>,
    core: &Core,
) {
    if (pre.term, pre.role) != (post.term, post.role) {
        role(view, pre, post);
    }
    if pre.vote != post.vote || pre.term != post.term {
        view.note_mut(post.term).vote = post.vote;
    }
    if let Some(index) = proved {
        let note = view.note_mut(post.term);
        note.proved = note.proved.max(index);
    }
    if let Change::Restored(id) = change {
        let Input::Step(Message { snapshot: Some(snapshot), .. }) = input else {
            unreachable!("only snapshots restore")
        };
        view.log = Mirror::new(id, snapshot_digest(snapshot).unwrap_or_default());
        view.handed.snapshot = Some(id);
        view.handed.committed = id.index;
        view.handed.dirty = (CLEAN, CLEAN);
        view.conf_changes.clear();
    }
    if let Change::From(from) = change {
        let lowest = match input {
            Input::Step(message) if message.msg_type() == MessageType::MsgAppend => message.index + 1,
            _ => from,
        };
        if post.last.index >= from {
            view.mark_dirty(lowest.max(view.log.base() + 1), from);
        } else if view.handed.dirty.1 > post.last.index {
            // Shortened and not filled again: nothing is left to hand out.
            view.handed.dirty = (CLEAN, CLEAN);
        }
        view.log.truncate(from);
        view.conf_changes.retain(|&index| index < from);
        for index in from..=post.last.index {
            view.log.push(core.log_term(index).unwrap_or_default());
        }
    }
    if let Input::ApplyConfChange(change) = input
        && !view.group.voters.has(change.node_id)
    {
        // Should it come back, its leader starts anew with it.
        view.lead.matched.clear(change.node_id);
    }
    if post.role == Role::Leader {
        if post.commit > pre.commit {
            view.commit_voters = view.group.voters;
        }
        if post.transferee != NONE && view.lead.acked.get(post.transferee) >= post.last.index {
            view.lead.caught_up = view.lead.caught_up.with(post.transferee);
        }
        if let Input::Step(message) = input
            && message.msg_type() == MessageType::MsgAppendResponse
            && let Some(progress) = core.progress(message.from)
        {
            view.lead.matched.raise(message.from, progress.matched);
        }
    } else if post.commit > pre.commit {
        view.commit_voters = Peers::default();
    }
    if matches!(input, Input::Advance) {
        view.handed.is_out = false;
    }
    super::relation::timer::update(view, input, pre, post);
    view.now = *post;
}

fn role(view: &mut View, pre: &Status, post: &Status) {
    if pre.term != post.term {
        view.granted = Peers::default();
    }
    if post.role == Role::Leader {
        view.lead = Lead { term: post.term, ..Lead::default() };
    }
    let campaigned = matches!(post.role, Role::Candidate | Role::Leader);
    let last = pre.last;
    let note = view.note_mut(post.term);
    if campaigned && note.campaigned.is_none() {
        note.campaigned = Some(last);
    }
}

/// The Ready was legal: remember what it handed out.
pub fn handed_out(view: &mut View, ready: &Ready) {
    view.handed.acks.clear();
    view.handed.repeatable.clear();
    for message in &ready.messages {
        let kind = message.msg_type();
        if kind == MessageType::MsgAppendResponse && !message.reject {
            let term = view.log.term(message.index).unwrap_or_default();
            view.handed.acks.push((message.term, message.index, term));
        }
        if is_repeatable(kind) {
            view.handed.repeatable.push(fingerprint(message));
        }
    }
    view.handed.first = false;
}

/// Kinds that a core makes only when something comes in from outside.
pub fn is_repeatable(kind: MessageType) -> bool {
    use MessageType::*;
    matches!(
        kind,
        MsgRequestVote
            | MsgRequestVoteResponse
            | MsgHeartbeat
            | MsgHeartbeatResponse
            | MsgRequestPreVote
            | MsgRequestPreVoteResponse
    )
}

/// Tells messages without entries apart.
pub fn fingerprint(message: &Message) -> u64 {
    let Message { msg_type, to, term, index, log_term, commit, .. } = *message;
    let parts: [Term; 6] = [msg_type as u64, to, term, index, log_term, commit];
    parts.iter().fold(u64::from(message.reject), |digest, &part| mix(digest ^ part))
}
