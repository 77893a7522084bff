//! One-line texts for what a peer sends, stores and shows: for traces, golden scripts and error messages.
//!
//! ```text
//! n1@2 → n2 MsgAppend base=5@2 [6@2 7@2] commit=4
//! ```
//!
//! reads: peer 1, in term 2, sends peer 2 the entries 6 and 7 of term 2, which follow entry 5 of term 2.

use std::fmt::{Display, Formatter, Result};

use prost::Message as _;
use proto::eraftpb::{
    ConfChange, ConfChangeType, ConfState, Entry, EntryType, HardState, Message, MessageType, Snapshot,
};

use crate::snapshot::position;
use crate::status::{ProgressState, ProgressStatus, Role, Status};
use crate::types::{LogId, NONE, PeerId};

/// Shows a value as one line of text.
#[derive(Clone, Copy, Debug)]
pub struct Brief<'a, T: ?Sized>(&'a T);

/// The one-line text of `value`, to be formatted with `{}`.
pub fn brief<T: ?Sized>(value: &T) -> Brief<'_, T> {
    Brief(value)
}

/// `index@term`.
impl Display for LogId {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        write!(f, "{}@{}", self.index, self.term)
    }
}

impl Display for Role {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        f.write_str(match self {
            Role::Follower => "follower",
            Role::PreCandidate => "pre-candidate",
            Role::Candidate => "candidate",
            Role::Leader => "leader",
        })
    }
}

impl Display for ProgressState {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        f.write_str(match self {
            ProgressState::Probe => "probe",
            ProgressState::Replicate => "replicate",
            ProgressState::Snapshot => "snapshot",
        })
    }
}

/// Sender, term, receiver, kind, and the fields that the kind uses.
impl Display for Brief<'_, Message> {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        let message = self.0;
        let kind = message.msg_type();
        write!(f, "n{}@{} → n{} {}", message.from, message.term, message.to, kind.as_str_name())?;
        fields(f, message)
    }
}

fn fields(f: &mut Formatter<'_>, message: &Message) -> Result {
    use MessageType::*;
    let at = LogId { term: message.log_term, index: message.index };
    match message.msg_type() {
        MsgAppend => {
            write!(f, " base={at} [")?;
            for (i, entry) in message.entries.iter().enumerate() {
                let space = if i == 0 { "" } else { " " };
                write!(f, "{space}{}", entry_id(entry))?;
            }
            write!(f, "] commit={}", message.commit)
        }
        MsgAppendResponse if message.reject => {
            let hint = LogId { term: message.log_term, index: message.reject_hint };
            write!(f, " rejected={} hint={hint}", message.index)
        }
        MsgAppendResponse => write!(f, " match={}", message.index),
        MsgRequestVote | MsgRequestPreVote => {
            write!(f, " last={at}")?;
            if message.context.is_empty() { Ok(()) } else { write!(f, " {}", message.context.escape_ascii()) }
        }
        MsgRequestVoteResponse | MsgRequestPreVoteResponse => {
            f.write_str(if message.reject { " refused" } else { " granted" })
        }
        MsgSnapshot => write!(f, " {}", brief(&message.snapshot.clone().unwrap_or_default())),
        MsgHeartbeat => {
            write!(f, " commit={}", message.commit)?;
            round(f, message)
        }
        MsgHeartbeatResponse => round(f, message),
        MsgReadIndex | MsgReadIndexResp => {
            if message.msg_type() == MsgReadIndexResp {
                write!(f, " index={}", message.index)?;
            }
            message.entries.iter().try_for_each(|entry| write!(f, " read={}", entry.data.escape_ascii()))
        }
        MsgPropose => message.entries.iter().try_for_each(|entry| write!(f, " {}", brief(entry))),
        MsgSnapStatus if message.reject => f.write_str(" failed"),
        MsgHup | MsgBeat | MsgUnreachable | MsgSnapStatus | MsgCheckQuorum | MsgTransferLeader
        | MsgTimeoutNow => Ok(()),
    }
}

/// What a heartbeat confirms, if anything: four bytes are the lease's stamp, eight the round of a read.
fn round(f: &mut Formatter<'_>, message: &Message) -> Result {
    let mut rest = message.context.as_ref();
    if let Some((stamp, read)) = rest.split_first_chunk()
        && matches!(read.len(), 0 | 8)
    {
        write!(f, " lease={}", u32::from_be_bytes(*stamp))?;
        rest = read;
    }
    match rest.first_chunk() {
        Some(round) if rest.len() == 8 => write!(f, " round={}", u64::from_be_bytes(*round)),
        _ if rest.is_empty() => Ok(()),
        _ => write!(f, " context={}", rest.escape_ascii()),
    }
}

/// `index@term`, and what the entry carries: nothing, a command, or a membership change.
impl Display for Brief<'_, Entry> {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        let entry = self.0;
        write!(f, "{}", entry_id(entry))?;
        match (entry.entry_type(), ConfChange::decode(entry.data.clone())) {
            (EntryType::EntryConfChange, Ok(change)) => write!(f, " {}", brief(&change)),
            (EntryType::EntryConfChange, Err(_)) => f.write_str(" (undecodable change)"),
            (EntryType::EntryNormal, _) if entry.data.is_empty() => Ok(()),
            (EntryType::EntryNormal, _) => write!(f, " {}", entry.data.escape_ascii()),
        }
    }
}

/// Entries with what they carry, in brackets.
impl Display for Brief<'_, [Entry]> {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        f.write_str("[")?;
        for (i, entry) in self.0.iter().enumerate() {
            let comma = if i == 0 { "" } else { ", " };
            write!(f, "{comma}{}", brief(entry))?;
        }
        f.write_str("]")
    }
}

impl Display for Brief<'_, ConfChange> {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        let verb = match self.0.change_type() {
            ConfChangeType::AddNode => "add",
            ConfChangeType::RemoveNode => "remove",
            ConfChangeType::AddLearnerNode => "learner",
        };
        write!(f, "{verb} n{}", self.0.node_id)
    }
}

/// Voters, and learners if there are any.
impl Display for Brief<'_, ConfState> {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        write!(f, "voters={}", peers(&self.0.voters))?;
        if self.0.learners.is_empty() { Ok(()) } else { write!(f, " learners={}", peers(&self.0.learners)) }
    }
}

impl Display for Brief<'_, Snapshot> {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        let conf_state =
            self.0.metadata.as_ref().and_then(|meta| meta.conf_state.clone()).unwrap_or_default();
        write!(f, "snapshot={} {}", position(self.0), brief(&conf_state))
    }
}

impl Display for Brief<'_, HardState> {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        write!(f, "term={} vote={} commit={}", self.0.term, peer(self.0.vote), self.0.commit)
    }
}

/// Peer, term, role, and where its log stands.
impl Display for Status {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        write!(f, "n{}@{} {}", self.id, self.term, self.role)?;
        if self.role == Role::Follower {
            write!(f, " of {}", peer(self.leader_id))?;
        }
        write!(f, " vote={} first={} last={}", peer(self.vote), self.first_index, self.last)?;
        write!(f, " commit={} applied={}", self.commit, self.applied)?;
        if self.transferee == NONE { Ok(()) } else { write!(f, " transferee={}", peer(self.transferee)) }
    }
}

impl Display for ProgressStatus {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        let paused = if self.paused { " paused" } else { "" };
        write!(f, "{} match={} next={}{paused}", self.state, self.matched, self.next)
    }
}

fn entry_id(entry: &Entry) -> LogId {
    LogId { term: entry.term, index: entry.index }
}

/// `n1`, or `none`.
fn peer(id: PeerId) -> String {
    if id == NONE { "none".to_owned() } else { format!("n{id}") }
}

/// `{n1 n2}`.
fn peers(ids: &[PeerId]) -> String {
    let names: Vec<String> = ids.iter().map(|&id| peer(id)).collect();
    format!("{{{}}}", names.join(" "))
}
