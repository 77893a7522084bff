//! The lines of the transcript that the crate does not know how to write.

use proto::eraftpb::{HardState, Message};
use raft::{NONE, ProgressStatus, Ready, Role, SoftState, Status, brief};

/// A role that a peer has taken.
pub fn role(status: &Status, soft_state: SoftState) -> String {
    let name = format!("n{}@{}", status.id, status.term);
    match (soft_state.role, soft_state.leader_id) {
        (Role::Follower, NONE) => format!("{name} follower, no leader"),
        (Role::Follower, leader) => format!("{name} follower of n{leader}"),
        (role, _) => format!("{name} {role}"),
    }
}

/// Term and vote as they go to disk.
pub fn vote(id: u64, hard_state: HardState) -> String {
    match hard_state.vote {
        NONE => format!("n{id} store term={} no vote", hard_state.term),
        vote => format!("n{id} store term={} vote=n{vote}", hard_state.term),
    }
}

/// A message that never arrived.
pub fn lost(message: &Message) -> String {
    brief(message).to_string().replacen('→', "↛", 1)
}

/// What a leader knows of a peer.
pub fn progress(of: u64, progress: &ProgressStatus) -> String {
    format!("n{of} {progress}")
}

/// All parts of a `Ready`, one a line.
pub fn ready(id: u64, ready: &Ready) -> Vec<String> {
    let mut lines = vec![format!("n{id} ready must_sync={}", ready.must_sync)];
    if let Some(soft_state) = ready.soft_state {
        let leader =
            if soft_state.leader_id == NONE { "none".into() } else { format!("n{}", soft_state.leader_id) };
        lines.push(format!("  soft state: {} leader={leader}", soft_state.role));
    }
    if let Some(hard_state) = &ready.hard_state {
        lines.push(format!("  hard state: {}", brief(hard_state)));
    }
    if let Some(snapshot) = &ready.snapshot {
        lines.push(format!("  install: {}", brief(snapshot)));
    }
    if !ready.entries.is_empty() {
        lines.push(format!("  append: {}", brief(ready.entries.as_slice())));
    }
    lines.extend(ready.messages.iter().map(|message| format!("  send: {}", brief(message))));
    if !ready.committed_entries.is_empty() {
        lines.push(format!("  apply: {}", brief(ready.committed_entries.as_slice())));
    }
    for read in &ready.read_states {
        lines.push(format!("  read: {} at {}", read.context.escape_ascii(), read.index));
    }
    lines
}
