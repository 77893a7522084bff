//! Power cuts in the bootstrap of stores: before each call that it makes to a disk, and with whatever was not synced kept or lost.
//! The store does it again from the beginning when the power is back, and the cluster has to come up as if nothing had been.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use harness::panics::{self, Panic};
use kv::engine::WriteBatch;
use proto::metapb::Region;
use verdict::{Layers, Plan};

use super::store::{Disks, first_region};
use super::world::{Stop, World};
use crate::disk::{Gate, OpenGate, Passage};

/// Where the power goes in a bootstrap, and what it takes along.
#[derive(Clone, Copy, Debug)]
pub struct Cut {
    /// Calls to the disks that go through.
    calls: u64,
    /// Batches that are kept of those unsynced: of raftdb, of kvdb.
    keep: [usize; 2],
}

/// All that can happen to a bootstrap.
pub fn cuts() -> Vec<Cut> {
    let region = first_region(1);
    let mut cuts = Vec::new();
    for calls in 0.. {
        let (disks, is_cut) = stopped_bootstrap(1, &region, calls);
        let [raft, kv] = [&disks.raft, &disks.kv].map(|disk| 0..=disk.unsynced());
        cuts.extend(raft.flat_map(|raft| kv.clone().map(move |kv| Cut { calls, keep: [raft, kv] })));
        if !is_cut {
            break;
        }
    }
    cuts
}

/// Plays a plan on stores whose bootstrap was cut short and done again.
///
/// # Errors
/// Why the cluster did not get over it.
pub fn play(plan: &Plan, cut: Cut) -> Result<(), String> {
    let told = |panic: Panic| format!("{cut:?}: panic at {}: {}", panic.place, panic.message);
    let mut world = World::new(plan, Layers::ALL);
    world.bootstrap_cut = Some(cut);
    match panics::catch(|| world.run()).map_err(told)? {
        Ok(()) => Ok(()),
        Err(Stop::Broken(violation)) => Err(format!("{cut:?}: {}: {}", violation.rule.id, violation.seen)),
        Err(Stop::Panicked(panic)) => Err(told(*panic)),
    }
}

/// The disks of a store whose bootstrap was cut short, and then done again.
pub fn disks_after(cut: Cut, store: u64, region: &Region) -> Disks {
    let (mut disks, _) = stopped_bootstrap(store, region, cut.calls);
    disks.raft.lose_power(cut.keep[0]);
    disks.kv.lose_power(cut.keep[1]);
    disks.bootstrap(store, region, Arc::new(OpenGate)).expect("a bootstrap can be done again")
}

/// What is on the disks of a store that has lost its power after so many calls to them, and whether it did before its end.
fn stopped_bootstrap(store: u64, region: &Region, calls: u64) -> (Disks, bool) {
    let fuse = Arc::new(Fuse { made: AtomicU64::new(0), calls });
    let disks = Disks::default().bootstrap(store, region, fuse.clone());
    (disks.expect("the disks are empty and sound"), fuse.made.load(Ordering::Relaxed) > calls)
}

/// Lets so many calls through.
struct Fuse {
    made: AtomicU64,
    calls: u64,
}

impl Fuse {
    fn pass(&self) -> Passage {
        let passes = self.made.fetch_add(1, Ordering::Relaxed) < self.calls;
        if passes { Passage::Open } else { Passage::Shut }
    }
}

impl Gate for Fuse {
    fn before_write(&self) -> Passage {
        self.pass()
    }

    fn on_write(&self, _: &WriteBatch) {}

    fn before_sync(&self, _: usize) -> Passage {
        self.pass()
    }

    fn on_sync(&self) {}

    fn on_failure(&self) {}
}

#[cfg(test)]
mod tests {
    use harness::simulation::Simulation as _;

    use super::super::profile::PROFILES;
    use super::*;

    #[test]
    fn a_cluster_comes_up_wherever_the_power_went_in_its_bootstrap() {
        let plan = PROFILES[0].draw_plan(1);
        let cuts = cuts();
        assert_eq!(cuts.len(), 16, "ten calls, five of them syncs of one batch");
        for cut in cuts {
            if let Err(why) = play(&plan, cut) {
                panic!("{why}");
            }
        }
    }
}
