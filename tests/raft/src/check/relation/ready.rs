//! The contract of `Ready`: everything once, in order, without a gap.

use proto::eraftpb::{EntryType, HardState};
use raft::{LogId, NONE, Ready, Role, SoftState, Status};

use super::super::{Violation, advise, rules};
use super::{Judge, Verdict};
use crate::check::ghost::Ghost;
use crate::check::view::{CLEAN, View};
use crate::core::Core;
use crate::disk::{chain, snapshot_digest, snapshot_id};

/// What the caller assumes before the first Ready.
const START: SoftState = SoftState { leader_id: NONE, role: Role::Follower };

fn hard_state(status: &Status) -> HardState {
    HardState { term: status.term, vote: status.vote, commit: status.commit }
}

fn soft_state(status: &Status) -> SoftState {
    SoftState { leader_id: status.leader_id, role: status.role }
}

fn ensure(judge: &Judge, holds: bool, id: u64, seen: impl FnOnce() -> String) -> Verdict {
    judge.ensure(holds, &rules::READY, id, || format!("Peer {id}: {}", seen()))
}

/// `has_ready()` said no.
pub fn nothing(judge: &Judge, view: &View, id: u64, core: &Core) -> Verdict {
    let handed = &view.handed;
    if handed.is_out {
        return Ok(());
    }
    let status = core.status();
    let unsaid = |what: &str| format!("has_ready() is false, and {what}");
    let hard = hard_state(&status);
    let vote_changed = (hard.term, hard.vote) != (handed.hard_state.term, handed.hard_state.vote);
    let changed = vote_changed || (hard.commit != handed.hard_state.commit && !handed.first);
    ensure(judge, !changed, id, || {
        unsaid(&format!("term, vote and commit went from {:?} to {hard:?}", handed.hard_state))
    })?;
    let soft = soft_state(&status);
    let known = handed.soft_state.unwrap_or(START);
    ensure(judge, soft == known, id, || unsaid(&format!("leader and role went from {known:?} to {soft:?}")))?;
    ensure(judge, handed.snapshot.is_none(), id, || unsaid("a snapshot waits to be installed"))?;
    ensure(judge, handed.dirty.1 == CLEAN, id, || {
        unsaid(&format!("entries from {} on are not written", handed.dirty.1))
    })?;
    // A core may wait until what it handed out is applied.
    let pending = status.commit > handed.committed && status.applied == handed.committed;
    ensure(judge, !pending, id, || {
        unsaid(&format!(
            "entries up to {} are committed, and handed out only up to {}",
            status.commit, handed.committed
        ))
    })
}

/// Soft state, hard state, and whether to sync.
pub fn states(
    judge: &Judge,
    view: &mut View,
    id: u64,
    ready: &Ready,
    findings: &mut Vec<Violation>,
) -> Verdict {
    let handed = &mut view.handed;
    ensure(judge, !handed.is_out, id, || "two Readys are out at once (the checks' own mistake)".to_owned())?;
    let (hard, soft) = (hard_state(&view.now), soft_state(&view.now));
    let before = handed.hard_state;
    let vote_changed = (hard.term, hard.vote) != (before.term, before.vote);
    let changed = hard != before;
    // At the start, the commit index may be that of the snapshot rather than the one on disk.
    let spoken = match ready.hard_state {
        Some(said) => said == hard && (changed || handed.first),
        None => !changed || (handed.first && !vote_changed),
    };
    ensure(judge, spoken, id, || {
        format!("hard_state is {:?}; the last one said {before:?}, and now it is {hard:?}", ready.hard_state)
    })?;
    handed.hard_state = hard;
    let known = handed.soft_state.unwrap_or(START);
    let spoken = match ready.soft_state {
        Some(said) => said == soft && (soft != known || handed.first),
        None => soft == known,
    };
    ensure(judge, spoken, id, || {
        format!("soft_state is {:?}; the last one said {known:?}, and now it is {soft:?}", ready.soft_state)
    })?;
    handed.soft_state = Some(soft);
    let needed = vote_changed || !ready.entries.is_empty() || ready.snapshot.is_some();
    judge.ensure(ready.must_sync || !needed, &rules::MUST_SYNC, id, || {
        format!(
            "Peer {id}: must_sync is false; term or vote changed: {vote_changed}, {} entries",
            ready.entries.len()
        )
    })?;
    if ready.must_sync && !needed {
        advise(findings, &rules::SYNC_NEEDED, id, || {
            format!("Peer {id} asks for a sync for at most a commit index")
        });
    }
    let idle = ready.soft_state.is_none() && ready.hard_state.is_none() && ready.snapshot.is_none();
    let idle = idle && ready.entries.is_empty() && ready.messages.is_empty();
    let idle = idle && ready.committed_entries.is_empty() && ready.read_states.is_empty();
    ensure(judge, !idle, id, || "has_ready() is true, and the Ready is empty: the caller spins".to_owned())
}

/// The snapshot to install.
pub fn snapshot(judge: &Judge, view: &mut View, id: u64, ready: &Ready) -> Verdict {
    let expected = view.handed.snapshot.take();
    let said = ready.snapshot.as_ref().map(snapshot_id);
    ensure(judge, said == expected, id, || match (said, expected) {
        (None, Some(at)) => {
            format!("the snapshot at {}@{} was taken, and is not handed out", at.index, at.term)
        }
        (Some(at), None) => format!("a snapshot at {}@{} is handed out (again)", at.index, at.term),
        _ => format!("the snapshot is {said:?}, and {expected:?} was taken"),
    })?;
    let chain = view.log.chain(view.log.base());
    let same = ready.snapshot.as_ref().is_none_or(|snapshot| snapshot_digest(snapshot) == chain);
    judge.ensure(same, &rules::SNAPSHOT_SOUND, id, || {
        format!("Peer {id}: the snapshot's data is not what was received")
    })
}

/// Entries to write.
pub fn entries(judge: &Judge, view: &mut View, ghost: &mut Ghost, id: u64, ready: &Ready) -> Verdict {
    let (lowest, highest) = view.handed.dirty;
    let Some(first) = ready.entries.first() else {
        ensure(judge, highest == CLEAN, id, || {
            format!("entries from {highest} on are new, and are not handed out")
        })?;
        view.handed.out = None;
        view.handed.is_out = true;
        return Ok(());
    };
    ensure(judge, highest != CLEAN && first.index >= lowest, id, || {
        format!("entry {} is handed out again: new are {}", first.index, told_new(highest))
    })?;
    ensure(judge, first.index <= highest, id, || {
        format!("entries start at {}, and those from {highest} on are new: some are left out", first.index)
    })?;
    let mut index = first.index;
    let mut digest = view.log.chain(index - 1);
    for entry in &ready.entries {
        let term = view.log.term(entry.index);
        ensure(judge, entry.index == index && term == Some(entry.term), id, || {
            format!("entry {}@{} stands where {index}@{term:?} should", entry.index, entry.term)
        })?;
        if let Some(before) = digest {
            let after = chain(before, entry);
            view.log.set_chain(index, after);
            let known = ghost.note_prefix(index, entry.term, after);
            judge.ensure(known, &rules::LOG_MATCHING, id, || {
                format!("Peer {id} holds another entry {index} of term {} than somebody else", entry.term)
            })?;
            digest = Some(after);
        }
        if entry.entry_type() == EntryType::EntryConfChange && !view.conf_changes.contains(&index) {
            view.conf_changes.push(index);
        }
        index += 1;
    }
    view.handed.dirty = if index > view.now.last.index { (CLEAN, CLEAN) } else { (index, index) };
    view.set_out(ready);
    Ok(())
}

fn told_new(from: u64) -> String {
    if from == CLEAN { "none".to_owned() } else { format!("those from {from} on") }
}

/// Committed entries to apply.
pub fn committed(judge: &Judge, view: &mut View, id: u64, ready: &Ready) -> Verdict {
    for entry in &ready.committed_entries {
        let next = view.handed.committed + 1;
        ensure(judge, entry.index == next, id, || {
            format!(
                "committed entry {} is handed out, and {next} is next: one would be applied twice, or never",
                entry.index
            )
        })?;
        judge.ensure(next <= view.now.commit, &rules::STATE_MACHINE_SAFETY, id, || {
            format!("Peer {id} hands out entry {next} as committed; its commit index is {}", view.now.commit)
        })?;
        let at = LogId { term: entry.term, index: entry.index };
        let before = view.log.chain(next - 1).or_else(|| view.log.chain(next).map(|_| 0));
        let same = match (before, view.log.chain(next)) {
            (Some(before), Some(after)) if next > view.log.base() => chain(before, entry) == after,
            _ => view.log.term(next).is_none_or(|term| term == at.term),
        };
        ensure(judge, same, id, || {
            format!("the committed entry {}@{} is not the one in the log", at.index, at.term)
        })?;
        view.handed.committed = next;
    }
    Ok(())
}
