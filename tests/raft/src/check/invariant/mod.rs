//! What holds for the whole group, over time. One file for each promise.
//!
//! | file | rules |
//! |---|---|
//! | `one_leader` | R1 Election Safety |
//! | `leader_completeness` | R4 Leader Completeness |
//! | `committed` | R5 State Machine Safety, R12 committed means durable on a majority |
//! | `restart` | R6 and R8: what a restart must bring back |
//! | `durable` | R9, R10, R11: on disk before it is said |
//! | `one_vote` | R14 one vote per term, restarts included |
//! | `conf_change` | R23 one membership change at a time |
//! | `read` | R41 reads are fresh |
//! | `random_timer` | R43 election timeouts are random |
//!
//! R3, Log Matching, is checked where a log's contents come out: with the entries of a `Ready`.

pub mod committed;
pub mod conf_change;
pub mod durable;
pub mod leader_completeness;
pub mod one_leader;
pub mod one_vote;
pub mod random_timer;
pub mod read;
pub mod restart;

use raft::{Role, Status};

use super::ghost::Ghost;
use super::view::View;
use super::{Judge, Verdict};

/// After a legal call: `pre` is the peer before, `view.now` after it.
pub fn after_call(judge: &Judge, ghost: &mut Ghost, view: &View, id: u64, pre: &Status) -> Verdict {
    let post = &view.now;
    if post.role == Role::Leader && (pre.role, pre.term) != (post.role, post.term) {
        one_leader::judge(judge, ghost, view, id)?;
        leader_completeness::judge(judge, ghost, view, id)?;
    }
    if post.commit > pre.commit { committed::on_commit(judge, ghost, view, id) } else { Ok(()) }
}
