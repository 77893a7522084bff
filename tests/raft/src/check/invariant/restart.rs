//! R8: a restarted peer is what its disk says; and R6: it is never in an earlier term than it has spoken in.

use raft::{Role, Status};

use super::super::describe_status;
use super::super::rules::{RESTART, TERM_MONOTONIC};
use super::{Ghost, Judge, Verdict, View};
use crate::check::peers::Group;
use crate::core::Core;

/// Peer `post.id` has started. The view shows its disk.
pub fn judge(judge: &Judge, view: &View, ghost: &Ghost, post: &Status, core: &Core) -> Verdict {
    let id = post.id;
    let (disk, last) = (view.handed.hard_state, view.log.last());
    let ensure = |holds: bool, seen: String| {
        judge.ensure(holds, &RESTART, id, || format!("{seen}. After the start: {}", describe_status(post)))
    };
    ensure(post.id == core.status().id, "The peer's id changed".to_owned())?;
    ensure(post.term == disk.term, format!("The term on disk is {}", disk.term))?;
    ensure(post.vote == disk.vote, format!("The vote on disk is for {}", disk.vote))?;
    ensure(post.role == Role::Follower, "A peer starts as a follower".to_owned())?;
    ensure(
        post.last == last,
        format!("The log on disk ends with {}@{} (index@term)", last.index, last.term),
    )?;
    let commit = disk.commit.max(view.log.base());
    ensure(post.commit == commit, format!("The commit index on disk is {commit}"))?;
    let applied = view.handed.committed;
    ensure(
        post.applied == applied,
        format!("Config::applied is {applied}, and Status::applied {}", post.applied),
    )?;
    ensure(
        Group::of(&core.conf_state()) == view.group,
        format!("The voters on disk are {}", view.group.voters),
    )?;
    let spoken = ghost.spoken.get(id);
    judge.ensure(post.term >= spoken, &TERM_MONOTONIC, id, || {
        format!("Peer {id} starts in term {}, and has sent messages of term {spoken} before", post.term)
    })
}
