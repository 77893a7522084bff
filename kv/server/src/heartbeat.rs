//! What a store tells the scheduler of its own accord: that it lives, and which regions it leads.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use kv::config::RaftStoreConfig;
use kv::snap::SnapManager;
use proto::pdpb::{RegionHeartbeatRequest, StoreStats};
use tokio::time::{MissedTickBehavior, interval};

use crate::pd::{self, Pd};
use crate::space;
use crate::status::Board;
use crate::stopping::Stopping;

/// Wait before a heartbeat that failed is repeated: a scheduler that comes back knows no leaders.
const AGAIN: Duration = Duration::from_millis(500);

/// Where the news come from, and where they go.
pub struct Sources {
    /// The scheduler.
    pub pd: Pd,
    /// Peers, and what happens to them.
    pub board: Arc<Board>,
    /// Directory of the store.
    pub path: PathBuf,
    /// Its snapshots.
    pub snap: SnapManager,
}

/// Sends heartbeats until `stopping` says so: at intervals, and those of regions also as soon as this store leads one more.
pub async fn run(mut sources: Sources, config: RaftStoreConfig, stopping: Stopping) {
    let every = |ticks: u32| {
        let mut interval =
            interval(Duration::from_millis(config.raft_base_tick_ms.saturating_mul(ticks.into())));
        interval.set_missed_tick_behavior(MissedTickBehavior::Delay);
        interval
    };
    let (mut of_store, mut of_regions) =
        (every(config.store_heartbeat_ticks), every(config.region_heartbeat_ticks));
    let start_time = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs() as u32);
    loop {
        let told = tokio::select! {
            () = stopping.wait() => return,
            _ = of_store.tick() => sources.tell_store(start_time).await,
            _ = of_regions.tick() => sources.tell_regions().await,
            () = sources.board.new_leader() => sources.tell_regions().await,
        };
        if let Err(error) = told {
            log::warn!("heartbeat: {error}");
            of_regions.reset_after(AGAIN);
        }
    }
}

impl Sources {
    async fn tell_store(&mut self, start_time: u32) -> pd::Result<()> {
        let (capacity, available) = space::capacity(&self.path).unwrap_or_default();
        let (peers, snap) = (self.board.peers(), self.snap.stats());
        let applying = peers.iter().filter(|peer| peer.applying_snapshot).count();
        let stats = StoreStats {
            store_id: self.board.identity().store.id,
            capacity,
            available,
            region_count: peers.len() as u32,
            sending_snap_count: snap.sending as u32,
            receiving_snap_count: snap.receiving as u32,
            applying_snap_count: applying as u32,
            start_time,
            is_busy: false,
            used_size: capacity.saturating_sub(available),
        };
        self.pd.store_heartbeat(stats).await?;
        self.board.set_stores(self.pd.stores().await?);
        Ok(())
    }

    async fn tell_regions(&mut self) -> pd::Result<()> {
        let peers = self.board.peers();
        let leaders = peers.into_iter().filter(|peer| peer.raft.role == raft::Role::Leader);
        let heartbeats: Vec<_> = leaders
            .map(|peer| RegionHeartbeatRequest {
                region: Some(peer.region),
                leader: Some(peer.peer),
                term: peer.raft.term,
                ..RegionHeartbeatRequest::default()
            })
            .collect();
        if heartbeats.is_empty() {
            return Ok(());
        }
        self.pd.region_heartbeats(heartbeats).await
    }
}
