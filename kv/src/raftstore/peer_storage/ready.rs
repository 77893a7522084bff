//! One `Ready` as part of a round.

use raft::Ready;

use super::{ApplySnapResult, InvokeContext, PeerStorage, RoundWrites};
use crate::raftstore::Result;

impl PeerStorage {
    /// Adds everything in `ready` that must be on disk to the round's writes, and returns the peer's states as they will be
    /// then; the storage's own states stay as they are until [`PeerStorage::post_ready`].
    ///
    /// The order: a snapshot first, as it clears the log; then entries, which may follow it; then the hard state, whose commit
    /// index may need them. The Raft state is written if it changed, and always with a snapshot; term and vote even while there
    /// is neither log nor region. `sync_raft` is set if the `Ready` asks for it, and never cleared.
    ///
    /// # Crash
    ///
    /// All of a peer's writes to raftdb are in one batch: entries, hard state and last index fit together whatever survives.
    /// A peer that a message created has no entries and no region, but it votes: if its term and vote were not on disk, it could
    /// start again, and vote for somebody else in the same term.
    ///
    /// # Errors
    /// A snapshot that does not fit this region, or an engine that fails: the store must stop.
    pub fn save_ready_state(&mut self, ready: &Ready, writes: &mut RoundWrites) -> Result<InvokeContext> {
        let mut ctx = InvokeContext::new(self);
        if let Some(snapshot) = &ready.snapshot {
            self.apply_snapshot(&mut ctx, snapshot, writes)?;
        }
        self.append(&mut ctx, &ready.entries, writes);
        if let Some(hard_state) = ready.hard_state {
            ctx.raft_state.hard_state = Some(hard_state);
        }
        // A snapshot has deleted the old state from the batch's point of view: equal or not, it must be put again.
        if ready.snapshot.is_some() || ctx.raft_state != self.raft_state {
            ctx.save_raft_state_to(&mut writes.raft);
        }
        if ready.snapshot.is_some() {
            ctx.save_snapshot_raft_state_to(&mut writes.kv);
            ctx.save_apply_state_to(&mut writes.kv);
        }
        writes.sync_raft |= ready.must_sync;
        Ok(ctx)
    }

    /// Takes over the states that the round has written. After a snapshot, it schedules what is left to do on disk: data that the
    /// region no longer holds goes away, then that of the snapshot is put in place; and it returns how the region changed.
    pub fn post_ready(&mut self, ctx: InvokeContext) -> Option<ApplySnapResult> {
        self.raft_state = ctx.raft_state;
        self.apply_state = ctx.apply_state;
        self.last_term = ctx.last_term;
        let result = ctx.snap_region.map(|region| {
            if self.is_initialized() {
                self.clear_extra_data(&region);
            }
            self.applied_term = self.truncated_term();
            self.schedule_applying_snapshot();
            let prev_region = std::mem::replace(&mut self.region, region.clone());
            ApplySnapResult { prev_region, region }
        });
        self.check();
        result
    }
}
