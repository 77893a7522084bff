//! Snapshots of a region: what a replica gets that is too far behind for the log.
//!
//! # Making one
//! Raft asks [`PeerStorage`](crate::raftstore::peer_storage::PeerStorage) for a snapshot, which asks for one to be made
//! ([`Peer::send_gen_snap_task`]). The apply side knows how far the data is: it takes a view of it
//! ([`Apply::handle_snapshot`]), and the region worker writes the view to a file. Raft asks again with the next heartbeat's
//! answer, and sends what is there by then.
//!
//! # Receiving one
//! The transport delivers the message once the whole file is here. Before Raft sees it, [`Peer::admit_snapshot`] asks whether
//! its range is free on this store.
//!
//! # Installing it
//! Raft's `Ready` brings it ([`super::ready`]). Once region, states and log are written, the data is replaced by the region
//! worker; from [`Peer::on_snapshot_accepted`] to `Peer::on_snapshot_applied` the peer does nothing else.

use proto::metapb::Region;
use proto::raft_serverpb::RaftMessage;

use crate::raftstore::apply::{Apply, ApplyContext};
use crate::raftstore::context::StoreContext;
use crate::raftstore::error::{Error, Result};
use crate::raftstore::meta::region::find_peer_by_id;
use crate::raftstore::msg::{ApplyMsg, GenSnapTask, Registration, SignificantMsg};
use crate::raftstore::peer::Peer;
use crate::raftstore::peer_storage::ApplySnapResult;
use crate::raftstore::task::RegionTask;
use crate::snap::{SnapKey, SnapPin};

impl Peer {
    /// Hands the wish for a snapshot to the apply side, if there is one: only there it is known what the data holds.
    pub fn send_gen_snap_task(&mut self, ctx: &StoreContext) {
        if let Some(task) = self.mut_store().take_gen_snap_task()
            && ctx.mailboxes.force_send_apply(self.region_id, ApplyMsg::Snapshot(task)).is_err()
        {
            log::debug!("{} cannot make a snapshot: it has no apply side any more", self.tag);
        }
    }

    /// How a message that was sent has fared.
    pub fn on_significant_msg(&mut self, message: SignificantMsg) {
        match message {
            SignificantMsg::SnapshotStatus { to_peer_id, status } => {
                self.raft_group.report_snapshot(to_peer_id, status);
            }
            SignificantMsg::Unreachable { to_peer_id } => self.raft_group.report_unreachable(to_peer_id),
        }
    }

    /// The snapshot that `message` brings, if it brings one, and if this peer may install it: its file is here, it belongs to the
    /// region, and no other region of this store has, or is about to get, keys of its range. If it may, its range is spoken for
    /// and its file stays; otherwise the file goes.
    ///
    /// # Errors
    /// `Invalid` if it must not be handed to Raft.
    pub fn admit_snapshot(&self, ctx: &StoreContext, message: &RaftMessage) -> Result<Option<SnapPin>> {
        let Some(snapshot) = message.message.as_ref().and_then(|inner| inner.snapshot.as_ref()) else {
            return Ok(None);
        };
        let refused = |why: String| Error::Invalid(format!("{} refuses a snapshot: {why}", self.tag));
        let (key, data) = SnapKey::with_data(snapshot).map_err(|error| refused(error.to_string()))?;
        let pin = ctx.snap_manager.pin(&key).ok_or_else(|| refused("its file is not here".to_owned()))?;
        match self.reserve_range(ctx, data.region.unwrap_or_default()) {
            Ok(()) => Ok(Some(pin)),
            Err(why) => {
                pin.discard();
                Err(refused(why))
            }
        }
    }

    /// Speaks for the range of a snapshot, or says why it cannot have it.
    fn reserve_range(&self, ctx: &StoreContext, region: Region) -> std::result::Result<(), String> {
        if region.id != self.region_id {
            return Err(format!("it is of region {}", region.id));
        }
        if find_peer_by_id(&region, self.peer_id()).is_none() {
            return Err("this peer is not in it".to_owned());
        }
        let mut meta = ctx.lock_meta();
        if let Some(other) = meta.overlapping(&region) {
            return Err(format!("region {} holds some of its keys", other.id));
        }
        meta.expect_snapshot(region);
        Ok(())
    }

    /// Raft has seen a snapshot: it begins the log behind it if it has taken it, and otherwise the snapshot's range is free again,
    /// and its file goes.
    pub fn on_snapshot_stepped(&mut self, ctx: &StoreContext, pin: SnapPin, first_index_before: u64) {
        if self.raft_group.status().first_index != first_index_before {
            // Raft may take another one before this one is installed. Then this one may be in a `Ready` already, or not.
            self.incoming_snapshots.push(pin);
            return;
        }
        log::debug!("{} does not need snapshot {:?}", self.tag, pin.key());
        pin.discard();
        if self.incoming_snapshots.is_empty() {
            ctx.lock_meta().snapshot_done(self.region_id);
        }
    }

    /// A snapshot has taken the place of the log, durably, and its data is being put in place.
    pub fn on_snapshot_accepted(&mut self, ctx: &StoreContext, installing: ApplySnapResult) {
        let mut meta = ctx.lock_meta();
        meta.set_region(installing.region);
        meta.snapshot_done(self.region_id);
        drop(meta);
        self.last_applying_idx = self.get_store().applied_index();
        self.raft_log_size_hint = 0;
    }

    /// If the snapshot that is being installed has got there, goes on with what had to wait for it: the apply side starts from the
    /// snapshot's state, then the messages and the entries of the same `Ready` follow. Returns whether it did.
    pub fn maybe_finish_snapshot(&mut self, ctx: &StoreContext) -> bool {
        let is_finished = self.is_applying_snapshot() && !self.mut_store().check_applying_snap();
        if is_finished {
            self.let_go_of_files();
            self.on_snapshot_applied(ctx);
        }
        is_finished
    }

    /// Nobody needs the files of snapshots any more that are installed, or that a later one has overtaken.
    fn let_go_of_files(&mut self) {
        let installed = self.get_store().applied_index();
        let incoming = std::mem::take(&mut self.incoming_snapshots);
        let (over, still): (Vec<SnapPin>, Vec<SnapPin>) =
            incoming.into_iter().partition(|pin| pin.key().index <= installed);
        over.into_iter().for_each(SnapPin::discard);
        self.incoming_snapshots = still;
    }

    /// The data of a snapshot is in place, durably. Raft hears what is applied now, the apply side gets a registration, and then
    /// what was `held` goes its way: messages to the others, entries to the apply side. The peer is woken up, as it has taken no
    /// `Ready` meanwhile.
    fn on_snapshot_applied(&mut self, ctx: &StoreContext) {
        self.raft_group.advance_apply(self.get_store().applied_index());
        let registration = ApplyMsg::Registration(Box::new(self.registration()));
        if ctx.mailboxes.force_send_apply(self.region_id, registration).is_err() {
            log::debug!("{} has no apply side any more", self.tag);
        }
        if let Some(held) = self.held.take() {
            self.send_messages(ctx, held.messages);
            self.apply_committed(ctx, held.committed);
        }
        self.wake(ctx);
    }

    /// Where the apply side of this peer has to start.
    pub fn registration(&self) -> Registration {
        let store = self.get_store();
        Registration {
            peer_id: self.peer_id(),
            region: store.region().clone(),
            apply_state: *store.apply_state(),
            applied_term: store.applied_term(),
            term: self.term(),
        }
    }
}

impl Apply {
    /// Has a snapshot made of the region as applied so far.
    pub fn handle_snapshot(&mut self, ctx: &mut ApplyContext, task: GenSnapTask) {
        // The view has to hold exactly what the apply state says.
        self.flush(ctx);
        let task = RegionTask::Generate {
            region: self.region.clone(),
            apply_state: self.apply_state,
            applied_term: self.applied_term,
            snapshot: ctx.store.engines.kv.snapshot(),
            notifier: task.notifier,
        };
        if ctx.store.region_scheduler.schedule(task).is_err() {
            log::debug!("{} makes no snapshot: the store stops", self.tag);
        }
    }
}
