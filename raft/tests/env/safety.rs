//! What must hold in every script, whatever it does: checked after each command, so that no transcript can teach a lie.

use std::collections::BTreeMap;

use proto::eraftpb::Entry;
use raft::{Index, PeerId, Role, Status, Term, brief};

use super::Result;

/// What has been seen so far, of all peers.
#[derive(Default)]
pub struct Safety {
    leaders: BTreeMap<Term, PeerId>,
    applied: BTreeMap<Index, Entry>,
}

impl Safety {
    /// Election Safety: at most one leader in a term (paper, figure 3).
    pub fn on_status(&mut self, status: &Status) -> Result<()> {
        if status.role == Role::Leader {
            let first = *self.leaders.entry(status.term).or_insert(status.id);
            if first != status.id {
                return Err(format!("UNSAFE: n{first} and n{} lead term {}", status.id, status.term).into());
            }
        }
        Ok(())
    }

    /// State Machine Safety: all peers apply the same entry at an index, in order and each once (paper, figure 3).
    pub fn on_apply(&mut self, id: PeerId, applied: Index, entry: &Entry) -> Result<()> {
        let first = self.applied.entry(entry.index).or_insert_with(|| entry.clone());
        if first != entry {
            return Err(format!("UNSAFE: n{id} applies {}, others {}", brief(entry), brief(first)).into());
        }
        if entry.index != applied + 1 {
            return Err(format!("UNSAFE: n{id} applies {} after {applied}", brief(entry)).into());
        }
        Ok(())
    }
}
