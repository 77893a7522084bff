//! When a snapshot may replace the log.

use proto::eraftpb::MessageType;

use super::super::rules;
use super::{Case, Judge, Verdict};
use crate::check::observe::Change;
use crate::check::peers::Group;
use crate::disk::snapshot_digest;

/// Judges an installed snapshot.
pub fn judge(judge: &Judge, case: &Case<'_>) -> Verdict {
    let Change::Restored(id) = case.change else { return Ok(()) };
    let ensure = |holds: bool, seen: &str| {
        judge.ensure(holds, &rules::SNAPSHOT_SOUND, case.id, || {
            case.tell(&format!("The snapshot at {}@{} (index@term) {seen}", id.index, id.term))
        })
    };
    ensure(case.current(MessageType::MsgSnapshot).is_some(), "is of an older term, and was taken")?;
    ensure(!case.leads(), "was taken by the leader itself")?;
    ensure(id.index > case.pre.commit, "is not ahead of the commit index, and replaced the log")?;
    let last = case.view.log.last().index;
    let held = case.view.log.term(id.index) == Some(id.term) && last > id.index;
    ensure(
        !held,
        "covers only a prefix of the log, and the entries behind it, which may be acknowledged, were thrown away",
    )?;
    ensure(case.post.commit >= id.index, "was taken, and the commit index stayed behind it")?;
    let Some(snapshot) = case.message().and_then(|message| message.snapshot.as_ref()) else { return Ok(()) };
    let conf_state = snapshot.metadata.as_ref().and_then(|meta| meta.conf_state.clone()).unwrap_or_default();
    ensure(
        case.view.group == Group::of(&conf_state),
        "was taken, and the group is not the one that it names",
    )?;
    let committed = case.ghost.committed(id.index);
    let sound =
        committed.is_none_or(|entry| entry.term == id.term && snapshot_digest(snapshot) == Some(entry.chain));
    ensure(sound, "does not stand for what the group has committed up to there")
}
