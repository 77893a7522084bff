//! One face for the core, however far the student has come.
//!
//! Parts 2aa and 2ab are graded before `RawNode::ready` is written: there, [`Bare`] drives `Raft` directly, and makes the
//! `Ready`s itself. It asks the log only when the status says that there is something to ask for, so that 2aa runs while
//! the holes of 2ab are open.

use bytes::Bytes;
use prost::Message as _;
use proto::eraftpb::{ConfChange, ConfState, Entry, EntryType, HardState, Message, MessageType};
use raft::{
    Config, Index, LogId, PeerId, ProgressStatus, Raft, RawNode, Ready, SnapshotStatus, SoftState, Status,
    Term,
};

use crate::disk::Disk;

/// Which face of the core is under test.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Face {
    /// `Raft`, driven directly.
    Bare,
    /// `RawNode`.
    Raw,
}

/// One call to the core.
#[derive(Clone, Copy, Debug)]
pub enum Input<'a> {
    /// The peer starts from its disk.
    Start,
    /// One tick passes.
    Tick,
    /// A message arrives.
    Step(&'a Message),
    /// The caller wants it to campaign.
    Campaign,
    /// A client proposes a command.
    Propose(&'a Bytes),
    /// Somebody proposes a membership change.
    ProposeConfChange(&'a ConfChange),
    /// A membership change is carried out, as its entry is applied.
    ApplyConfChange(&'a ConfChange),
    /// Somebody wants that peer to lead.
    TransferLeader(PeerId),
    /// A client asks for a read index.
    ReadIndex(&'a Bytes),
    /// Sending a snapshot to that peer ended.
    ReportSnapshot(PeerId, SnapshotStatus),
    /// That peer could not be reached.
    ReportUnreachable(PeerId),
    /// The caller takes a `Ready`.
    Ready,
    /// The caller is done with a `Ready`.
    Advance,
    /// The state machine has applied everything up to that index.
    AdvanceApply(Index),
}

/// The core of one peer.
#[derive(Clone, Debug, Hash)]
pub enum Core {
    /// `Raft`, driven directly.
    Bare(Box<Bare>),
    /// `RawNode`.
    Raw(Box<RawNode<Disk>>),
}

/// Calls the same method on either face.
macro_rules! either {
    ($core:expr, $inner:ident => $call:expr) => {
        match $core {
            Core::Bare($inner) => $call,
            Core::Raw($inner) => $call,
        }
    };
}

impl Core {
    /// Starts a peer from what is on disk.
    ///
    /// # Errors
    /// As `RawNode::new`.
    pub fn start(face: Face, config: &Config, disk: Disk) -> raft::Result<Core> {
        Ok(match face {
            Face::Bare => Core::Bare(Box::new(Bare::new(config, disk)?)),
            Face::Raw => Core::Raw(Box::new(RawNode::new(config, disk)?)),
        })
    }

    /// As `RawNode::tick`.
    pub fn tick(&mut self) {
        either!(self, core => core.tick());
    }

    /// As `RawNode::campaign`.
    pub fn campaign(&mut self) -> raft::Result<()> {
        either!(self, core => core.campaign())
    }

    /// As `RawNode::step`.
    pub fn step(&mut self, message: Message) -> raft::Result<()> {
        either!(self, core => core.step(message))
    }

    /// As `RawNode::propose`.
    pub fn propose(&mut self, data: impl Into<Bytes>) -> raft::Result<()> {
        either!(self, core => core.propose(data))
    }

    /// As `RawNode::propose_conf_change`.
    pub fn propose_conf_change(&mut self, change: &ConfChange) -> raft::Result<()> {
        either!(self, core => core.propose_conf_change(change))
    }

    /// As `RawNode::apply_conf_change`.
    pub fn apply_conf_change(&mut self, change: &ConfChange) -> ConfState {
        either!(self, core => core.apply_conf_change(change))
    }

    /// As `RawNode::transfer_leader`.
    pub fn transfer_leader(&mut self, target: PeerId) {
        either!(self, core => core.transfer_leader(target));
    }

    /// As `RawNode::read_index`.
    pub fn read_index(&mut self, context: impl Into<Bytes>) {
        either!(self, core => core.read_index(context));
    }

    /// As `RawNode::report_snapshot`.
    pub fn report_snapshot(&mut self, peer: PeerId, status: SnapshotStatus) {
        either!(self, core => core.report_snapshot(peer, status));
    }

    /// As `RawNode::report_unreachable`.
    pub fn report_unreachable(&mut self, peer: PeerId) {
        either!(self, core => core.report_unreachable(peer));
    }

    /// As `RawNode::has_ready`.
    pub fn has_ready(&self) -> bool {
        either!(self, core => core.has_ready())
    }

    /// As `RawNode::ready`.
    pub fn ready(&mut self) -> Ready {
        either!(self, core => core.ready())
    }

    /// As `RawNode::advance`.
    pub fn advance(&mut self, ready: Ready) {
        either!(self, core => core.advance(ready));
    }

    /// As `RawNode::advance_apply`.
    pub fn advance_apply(&mut self, index: Index) {
        either!(self, core => core.advance_apply(index));
    }

    /// As `RawNode::status`.
    pub fn status(&self) -> Status {
        either!(self, core => core.status())
    }

    /// As `RawNode::progress`.
    pub fn progress(&self, peer: PeerId) -> Option<ProgressStatus> {
        either!(self, core => core.progress(peer))
    }

    /// As `RawNode::log_term`.
    pub fn log_term(&self, index: Index) -> Option<Term> {
        either!(self, core => core.log_term(index))
    }

    /// As `RawNode::conf_state`. The bare face is never used with membership changes: it says what is on disk.
    pub fn conf_state(&self) -> ConfState {
        either!(self, core => core.conf_state())
    }

    /// As `RawNode::storage`.
    pub fn storage(&self) -> &Disk {
        either!(self, core => core.storage())
    }

    /// As `RawNode::storage_mut`.
    pub fn storage_mut(&mut self) -> &mut Disk {
        either!(self, core => core.storage_mut())
    }
}

/// `Raft` with the `Ready`s made around it.
#[derive(Clone, Debug, Hash)]
pub struct Bare {
    raft: Raft<Disk>,
    /// What the last `Ready` that had any said of them.
    soft_state: SoftState,
    hard_state: HardState,
    /// Taken from the core after each call, so that [`Bare::has_ready`] can see them.
    messages: Vec<Message>,
    /// Highest index whose committed entry was handed out.
    handed: Index,
}

impl Bare {
    fn new(config: &Config, disk: Disk) -> raft::Result<Bare> {
        let installed = disk.view().base.index;
        let raft = Raft::new(config, disk)?;
        let (soft_state, hard_state) = (raft.soft_state(), raft.hard_state());
        let handed = config.applied.max(installed);
        Ok(Bare { raft, soft_state, hard_state, messages: Vec::new(), handed })
    }

    fn collect(&mut self) {
        let mut messages = self.raft.take_messages();
        self.messages.append(&mut messages);
    }

    fn local(&self, kind: MessageType) -> Message {
        Message { msg_type: kind as i32, from: self.raft.status().id, ..Message::default() }
    }

    fn tick(&mut self) {
        self.raft.tick();
        self.collect();
    }

    fn campaign(&mut self) -> raft::Result<()> {
        self.step(self.local(MessageType::MsgHup))
    }

    fn step(&mut self, message: Message) -> raft::Result<()> {
        let result = self.raft.step(message);
        self.collect();
        result
    }

    fn propose(&mut self, data: impl Into<Bytes>) -> raft::Result<()> {
        let entry = Entry { data: data.into(), ..Entry::default() };
        self.step(Message { entries: vec![entry], ..self.local(MessageType::MsgPropose) })
    }

    fn propose_conf_change(&mut self, change: &ConfChange) -> raft::Result<()> {
        let entry_type = EntryType::EntryConfChange as i32;
        let entry = Entry { entry_type, data: change.encode_to_vec().into(), ..Entry::default() };
        self.step(Message { entries: vec![entry], ..self.local(MessageType::MsgPropose) })
    }

    fn apply_conf_change(&mut self, _: &ConfChange) -> ConfState {
        unreachable!("membership changes are tested through RawNode")
    }

    fn transfer_leader(&mut self, _: PeerId) {
        unreachable!("leader transfer is tested through RawNode")
    }

    fn read_index(&mut self, _: impl Into<Bytes>) {
        unreachable!("reads are tested through RawNode")
    }

    fn report_snapshot(&mut self, _: PeerId, _: SnapshotStatus) {
        unreachable!("snapshots are tested through RawNode")
    }

    fn report_unreachable(&mut self, peer: PeerId) {
        let message = Message { from: peer, ..self.local(MessageType::MsgUnreachable) };
        // Local messages other than proposals cannot be refused.
        let _ = self.step(message);
    }

    fn status(&self) -> Status {
        self.raft.status()
    }

    fn progress(&self, peer: PeerId) -> Option<ProgressStatus> {
        self.raft.progress(peer)
    }

    fn log_term(&self, index: Index) -> Option<Term> {
        self.raft.log.term(index).ok()
    }

    fn conf_state(&self) -> ConfState {
        self.raft.log.storage().view().conf_state.as_ref().clone()
    }

    fn storage(&self) -> &Disk {
        self.raft.log.storage()
    }

    fn storage_mut(&mut self) -> &mut Disk {
        self.raft.log.storage_mut()
    }

    /// Entries that are not on disk. A log without entries is not asked: the parts before 2ab have none.
    fn unstable_entries(&self, status: &Status) -> &[Entry] {
        if status.last.index == 0 { &[] } else { self.raft.log.unstable_entries() }
    }

    fn has_ready(&self) -> bool {
        let status = self.raft.status();
        !self.messages.is_empty()
            || self.raft.soft_state() != self.soft_state
            || self.raft.hard_state() != self.hard_state
            || status.commit > self.handed
            || !self.unstable_entries(&status).is_empty()
    }

    fn ready(&mut self) -> Ready {
        let status = self.raft.status();
        let (soft_state, hard_state) = (self.raft.soft_state(), self.raft.hard_state());
        let entries = self.unstable_entries(&status).to_vec();
        let vote_changed = (hard_state.term, hard_state.vote) != (self.hard_state.term, self.hard_state.vote);
        let ready = Ready {
            soft_state: (soft_state != self.soft_state).then_some(soft_state),
            hard_state: (hard_state != self.hard_state).then_some(hard_state),
            snapshot: None,
            must_sync: vote_changed || !entries.is_empty(),
            entries,
            committed_entries: self.committed_entries(&status),
            messages: std::mem::take(&mut self.messages),
            read_states: Vec::new(),
        };
        self.soft_state = soft_state;
        self.hard_state = hard_state;
        ready
    }

    fn committed_entries(&mut self, status: &Status) -> Vec<Entry> {
        if status.commit <= self.handed {
            return Vec::new();
        }
        let entries = self.raft.next_committed_entries();
        self.handed = entries.last().map_or(self.handed, |last| last.index);
        entries
    }

    fn advance(&mut self, ready: Ready) {
        if let Some(last) = ready.entries.last() {
            self.raft.log.stable_to(LogId { term: last.term, index: last.index });
        }
        self.collect();
    }

    fn advance_apply(&mut self, index: Index) {
        self.raft.log.applied_to(index);
    }
}
