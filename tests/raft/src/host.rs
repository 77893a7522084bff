//! One peer at its seams. Whatever is done to a core is done through here, so that simulation and search judge alike.
//!
//! ```text
//! loop {
//!     host.call(input)                      // as often as there is input
//!     let ready = host.take_ready();        // at most one at a time
//!     host.write(&ready); host.sync();      // sync may be skipped unless ready.must_sync
//!     host.send(&ready.messages);           // after the sync
//!     host.apply(&ready.committed_entries); // now or later, in order
//!     host.advance(ready);
//! }
//! ```

use bytes::Bytes;
use prost::Message as _;
use proto::eraftpb::{ConfChange, ConfState, Entry, EntryType, Message};
use raft::{Config, Index, LogId, Ready, Status};

use crate::check::{Checker, Violation};
use crate::core::{Core, Face, Input};
use crate::disk::{Disk, chain};

/// What the core answered to a call. An error means that it refused, and changed nothing.
pub type CallResult = raft::Result<()>;

/// One running peer.
#[derive(Clone, Debug, Hash)]
pub struct Host {
    id: u64,
    core: Core,
}

impl Host {
    /// Starts a peer from what is on `disk`. `config.applied` is taken from there.
    ///
    /// # Errors
    /// The rule that the peer breaks by how it starts.
    pub fn boot(
        id: u64,
        face: Face,
        config: &Config,
        disk: Disk,
        checker: &mut Checker,
    ) -> Result<Host, Violation> {
        let config = Config { id, applied: disk.view().applied.index, ..config.clone() };
        checker.before_boot(id, &disk, &config);
        let core = match Core::start(face, &config, disk) {
            Ok(core) => core,
            Err(error) => return Err(checker.boot_failed(id, &error)),
        };
        let mut host = Host { id, core };
        checker.after_boot(id, &host.core)?;
        host.refresh(checker);
        Ok(host)
    }

    /// Calls the core once.
    ///
    /// # Errors
    /// The first rule that the transition breaks.
    pub fn call(&mut self, input: Input<'_>, checker: &mut Checker) -> Result<CallResult, Violation> {
        let core = &mut self.core;
        let mut result = Ok(());
        match input {
            Input::Start | Input::Ready | Input::Advance => unreachable!("{input:?} has a method of its own"),
            Input::Tick => core.tick(),
            Input::Step(message) => result = core.step(message.clone()),
            Input::Campaign => result = core.campaign(),
            Input::Propose(data) => result = core.propose(Bytes::clone(data)),
            Input::ProposeConfChange(change) => result = core.propose_conf_change(change),
            Input::ApplyConfChange(change) => {
                core.apply_conf_change(change);
            }
            Input::TransferLeader(target) => core.transfer_leader(target),
            Input::ReadIndex(context) => core.read_index(Bytes::clone(context)),
            Input::ReportSnapshot(peer, status) => core.report_snapshot(peer, status),
            Input::ReportUnreachable(peer) => core.report_unreachable(peer),
            Input::AdvanceApply(index) => core.advance_apply(index),
        }
        checker.after_call(self.id, input, &result, &self.core)?;
        Ok(result)
    }

    /// Takes the next `Ready`, if there is one. The one before must have been given back by [`Host::advance`].
    ///
    /// # Errors
    /// The rule that it breaks.
    pub fn take_ready(&mut self, checker: &mut Checker) -> Result<Option<Ready>, Violation> {
        if !self.core.has_ready() {
            checker.nothing_ready(self.id, &self.core)?;
            return Ok(None);
        }
        let ready = self.core.ready();
        checker.on_ready(self.id, &ready, &self.core)?;
        Ok(Some(ready))
    }

    /// Writes what `ready` asks to be written. Nothing of it is durable yet.
    pub fn write(&mut self, ready: &Ready) {
        self.core.storage_mut().write_ready(ready);
    }

    /// Makes everything written durable.
    pub fn sync(&mut self) {
        self.core.storage_mut().sync();
    }

    /// Lets `messages` go out, after checking them against what is durable at this moment.
    ///
    /// # Errors
    /// The rule that one of them breaks.
    pub fn send(&mut self, messages: &[Message], checker: &mut Checker) -> Result<(), Violation> {
        self.refresh(checker);
        messages.iter().try_for_each(|message| checker.on_send(self.id, message))
    }

    /// Applies committed entries to the state machine, carries out the membership changes among them, and reports it to the
    /// core. Entries that an installed snapshot covers are skipped.
    ///
    /// # Errors
    /// The rule that is broken: two state machines apply different entries, or a membership change has the wrong effect.
    pub fn apply(&mut self, entries: &[Entry], checker: &mut Checker) -> Result<(), Violation> {
        self.refresh(checker);
        let view = self.core.storage().view();
        let (mut applied, mut digest) = (view.applied, view.digest);
        let before = applied;
        for entry in entries {
            if entry.index <= applied.index {
                continue;
            }
            applied = LogId { term: entry.term, index: entry.index };
            digest = chain(digest, entry);
            checker.on_apply(self.id, entry, digest)?;
            if entry.entry_type() == EntryType::EntryConfChange {
                let change = ConfChange::decode(entry.data.as_ref()).unwrap_or_default();
                self.call(Input::ApplyConfChange(&change), checker)?
                    .expect("what is applied is never refused");
                // As the core sees it: the checks have compared that with what it should be.
                let conf_state = self.core.conf_state();
                self.core.storage_mut().set_applied(applied, digest, Some(conf_state));
            }
        }
        if applied.index > before.index {
            self.core.storage_mut().set_applied(applied, digest, None);
            self.call(Input::AdvanceApply(applied.index), checker)?.expect("reports are never refused");
        }
        Ok(())
    }

    /// Gives `ready` back: it is durable, and its messages are sent.
    ///
    /// # Errors
    /// The rule that the core breaks thereby.
    pub fn advance(&mut self, ready: Ready, checker: &mut Checker) -> Result<(), Violation> {
        let installed = ready.snapshot.as_ref().map(|snapshot| crate::disk::snapshot_id(snapshot).index);
        self.core.advance(ready);
        checker.after_call(self.id, Input::Advance, &Ok(()), &self.core)?;
        if let Some(index) = installed {
            self.call(Input::AdvanceApply(index), checker)?.expect("reports are never refused");
        }
        Ok(())
    }

    /// Drops the log up to `index`, which must be applied, and lowered to what is if it is not.
    pub fn compact(&mut self, index: Index, checker: &mut Checker) -> Result<(), Violation> {
        let disk = self.core.storage_mut();
        disk.compact(index.min(disk.view().applied.index));
        checker.after_compaction(self.id, &self.core)
    }

    /// The process dies. The first `keep` unsynced writes survive.
    pub fn crash(mut self, keep: usize) -> Disk {
        let mut disk = std::mem::replace(self.core.storage_mut(), Disk::new(&[]));
        disk.crash(keep);
        disk
    }

    /// The peer as it shows itself.
    pub fn status(&self) -> Status {
        self.core.status()
    }

    /// The group, as the peer sees it.
    pub fn conf_state(&self) -> ConfState {
        self.core.conf_state()
    }

    /// This peer.
    pub fn id(&self) -> u64 {
        self.id
    }

    /// The core.
    pub fn core(&self) -> &Core {
        &self.core
    }

    /// The disk.
    pub fn disk(&self) -> &Disk {
        self.core.storage()
    }

    /// The disk, to change how it behaves.
    pub fn disk_mut(&mut self) -> &mut Disk {
        self.core.storage_mut()
    }

    /// Shows the checks what has become durable.
    fn refresh(&mut self, checker: &mut Checker) {
        let disk = self.core.storage_mut();
        let from = disk.take_changed();
        checker.on_durable(self.id, disk.durable(), from);
    }
}
