//! The raft side of a region's replica: its state, grouped by concern. What it does stands in [`super::operation`].

use std::collections::BTreeMap;

use proto::eraftpb::{Entry, Message};
use proto::metapb;
use raft::{LogId, RawNode, Ready, Role};

use super::context::{PeerStatus, StoreContext};
use super::error::{Error, Result};
use super::meta::region::find_peer;
use super::msg::Proposal;
use super::peer_storage::{InvokeContext, PeerStorage};
use super::reads::{LeaseGuard, PendingReads};
use super::ticker::{PeerTick, Ticker};
use super::{RegionId, StoreId};
use crate::config::{RaftStoreConfig, ReadMode};
use crate::snap::SnapPin;

/// One region's replica on this store, as its peer FSM owns it.
///
/// Only [`RawNode`] holds what is persisted, by way of [`PeerStorage`]; everything else is volatile.
///
/// Invariants ([`Peer::check`]):
/// 1. `truncated ≤ applied ≤ last_applying_idx ≤ committed`, unless a snapshot is on its way in;
/// 2. at most one `Ready` is being worked on: `writing`, `postponed` and `held` exclude each other.
pub struct Peer {
    // ---- who it is ----
    /// Its region.
    pub region_id: RegionId,
    /// Itself.
    pub peer: metapb::Peer,
    /// How it is named in logs.
    pub tag: String,

    // ---- Raft ----
    /// The consensus module, and below it what is on disk.
    pub raft_group: RawNode<PeerStorage>,
    /// Where the other peers are, as far as they have spoken to us; those of the region are known anyway.
    pub peer_cache: BTreeMap<u64, metapb::Peer>,

    // ---- the Ready at hand ----
    /// Its writes are in the batch of the current round.
    pub writing: Option<Writing>,
    /// Brings a snapshot, and waits until the apply side is idle.
    pub postponed: Option<Ready>,
    /// Its snapshot is being installed; the rest of it waits for that.
    pub held: Option<Held>,

    /// Keep the files of the snapshots that Raft has taken, until they are installed.
    pub incoming_snapshots: Vec<SnapPin>,

    // ---- commands ----
    /// Proposed in this round, and on their way to the apply side.
    pub apply_proposals: Vec<Proposal>,
    /// Reads that wait for a quorum's word, or for the apply side.
    pub pending_reads: PendingReads,
    /// Whether the lease may be trusted.
    pub lease: LeaseGuard,

    // ---- apply ----
    /// Last entry that was handed to the apply side.
    pub last_applying_idx: u64,

    // ---- log compaction ----
    /// About how many bytes of applied entries the log holds.
    pub raft_log_size_hint: u64,
    /// Last entry that this peer, as leader of that term, has asked to compact.
    pub compacting: LogId,

    // ---- time ----
    /// Its periodic jobs.
    pub ticker: Ticker<PeerTick>,

    // ---- life ----
    /// It is being destroyed: it neither ticks, nor sends, nor takes commands.
    pub pending_remove: bool,
    /// What the observer was told last.
    pub told: Option<PeerStatus>,
}

/// A `Ready` whose writes are in the batches of the round.
pub struct Writing {
    /// All of it.
    pub ready: Ready,
    /// The states that it leads to.
    pub invoke: InvokeContext,
}

/// The rest of a `Ready` whose snapshot is being installed.
#[derive(Debug)]
pub struct Held {
    /// To be sent afterwards.
    pub messages: Vec<Message>,
    /// To be applied afterwards: they follow the snapshot.
    pub committed: Vec<Entry>,
}

impl Peer {
    /// A peer of `region` on this store, from what is on disk.
    ///
    /// # Errors
    /// [`Error::Corrupt`], or the engine's, if the disk does not make sense.
    pub fn new(ctx: &StoreContext, region: metapb::Region, peer: metapb::Peer) -> Result<Peer> {
        let tag = format!("[region {}, peer {}, store {}]", region.id, peer.id, peer.store_id);
        let region_id = region.id;
        let storage = PeerStorage::new(
            ctx.engines.clone(),
            region,
            ctx.region_scheduler.clone(),
            tag.clone(),
            ctx.config.entry_cache_bytes_max,
        )?;
        let applied = storage.applied_index();
        let raft_group = RawNode::new(&raft_config(&ctx.config, peer.id, applied), storage)?;
        Ok(Peer {
            region_id,
            peer,
            tag,
            raft_group,
            peer_cache: BTreeMap::new(),
            writing: None,
            postponed: None,
            held: None,
            incoming_snapshots: Vec::new(),
            apply_proposals: Vec::new(),
            pending_reads: PendingReads::default(),
            lease: LeaseGuard::new(&ctx.config),
            last_applying_idx: applied,
            raft_log_size_hint: 0,
            compacting: LogId::default(),
            ticker: Ticker::default(),
            pending_remove: false,
            told: None,
        })
    }

    /// The peer of `region` on `store_id`.
    ///
    /// # Errors
    /// [`Error::Corrupt`] if the region has none there.
    pub fn find_own(region: &metapb::Region, store_id: StoreId) -> Result<metapb::Peer> {
        find_peer(region, store_id).cloned().ok_or_else(|| {
            Error::Corrupt(format!("region {} is on store {store_id}, but has no peer here", region.id))
        })
    }

    /// Its Raft id.
    pub fn peer_id(&self) -> u64 {
        self.peer.id
    }

    /// The region, as applied.
    pub fn region(&self) -> &metapb::Region {
        self.get_store().region()
    }

    /// What is on disk.
    pub fn get_store(&self) -> &PeerStorage {
        self.raft_group.storage()
    }

    /// What is on disk, to be written.
    pub fn mut_store(&mut self) -> &mut PeerStorage {
        self.raft_group.storage_mut()
    }

    /// Whether it leads its region.
    pub fn is_leader(&self) -> bool {
        self.raft_group.status().role == Role::Leader
    }

    /// Its Raft term.
    pub fn term(&self) -> u64 {
        self.raft_group.status().term
    }

    /// Raft id of the leader that it knows of; 0 if none.
    pub fn leader_id(&self) -> u64 {
        self.raft_group.status().leader_id
    }

    /// The peer with this Raft id: of its region, or one that has spoken to us.
    pub fn get_peer_from_cache(&self, peer_id: u64) -> Option<metapb::Peer> {
        let members = &self.region().peers;
        members.iter().find(|peer| peer.id == peer_id).or_else(|| self.peer_cache.get(&peer_id)).cloned()
    }

    /// Whether a snapshot is being installed.
    pub fn is_applying_snapshot(&self) -> bool {
        self.held.is_some() || self.get_store().is_applying_snapshot()
    }

    /// Whether a snapshot waits to be installed.
    pub fn has_pending_snapshot(&self) -> bool {
        self.postponed.is_some()
    }

    /// Whether everything that was handed to the apply side has been applied.
    pub fn is_apply_idle(&self) -> bool {
        self.get_store().applied_index() == self.last_applying_idx
    }

    /// What it looks like from outside.
    pub fn status(&self) -> PeerStatus {
        PeerStatus {
            region: self.region().clone(),
            peer: self.peer,
            raft: self.raft_group.status(),
            apply_state: *self.get_store().apply_state(),
            applying_snapshot: self.is_applying_snapshot(),
        }
    }

    /// Asserts the invariants that the type's doc lists.
    pub fn check(&self) {
        let store = self.get_store();
        if !self.is_applying_snapshot() && !self.has_pending_snapshot() {
            debug_assert!(store.truncated_index() <= store.applied_index(), "1: {} truncated", self.tag);
            debug_assert!(store.applied_index() <= self.last_applying_idx, "1: {} applied", self.tag);
            debug_assert!(
                self.last_applying_idx <= self.raft_group.status().commit,
                "1: {} handed on {} of {} committed entries",
                self.tag,
                self.last_applying_idx,
                self.raft_group.status().commit
            );
        }
        let at_hand = [self.writing.is_some(), self.postponed.is_some(), self.held.is_some()];
        debug_assert!(at_hand.iter().filter(|some| **some).count() <= 1, "2: {} {at_hand:?}", self.tag);
    }
}

/// How Raft behaves under this configuration.
fn raft_config(config: &RaftStoreConfig, peer_id: u64, applied: u64) -> raft::Config {
    let read_mode = match config.read_mode {
        ReadMode::Lease => raft::ReadMode::Lease,
        ReadMode::Log | ReadMode::Index => raft::ReadMode::Quorum,
    };
    raft::Config {
        election_ticks: config.raft_election_timeout_ticks,
        heartbeat_ticks: config.raft_heartbeat_ticks,
        seed: config.seed,
        applied,
        max_message_bytes: config.raft_message_bytes_max,
        max_inflight_messages: config.raft_inflight_messages_max,
        // A leader that nobody hears steps down: without it, it would keep its clients waiting, and leases would be unsafe.
        check_quorum: true,
        read_mode,
        ..raft::Config::new(peer_id)
    }
}
