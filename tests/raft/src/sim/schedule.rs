//! Plays an explicit schedule: nothing happens but its steps, in their order.
//!
//! A run under faults becomes one by writing down what happened ([`Recorder::steps`](harness::record::Recorder)). What no
//! step delivers is lost, so that a schedule can be shrunk message by message: that is what brings a rare failure down to the few
//! events that a person can follow.

use harness::links::Report;
use proto::eraftpb::Message;
use verdict::Step;

use super::node::Fuse;
use super::world::{Stop, World};

/// Virtual time from one step to the next.
const STEP_US: u64 = 1_000;

impl World<'_> {
    /// Plays the plan's schedule.
    pub fn play_schedule(&mut self) -> Result<(), Stop> {
        let plan = self.plan;
        self.slow_machines = false;
        for id in 1..=plan.knobs.nodes {
            self.add_node(id);
        }
        for step in &plan.schedule {
            self.now += STEP_US;
            self.cost.events += 1;
            self.check_budget()?;
            self.take(step)?;
        }
        Ok(())
    }

    /// Takes one step, if it can be taken.
    fn take(&mut self, step: &Step) -> Result<(), Stop> {
        let Some(i) = self.runner_of(step) else { return Ok(()) };
        let up = self.nodes[i].is_up();
        let life = self.nodes[i].life;
        match *step {
            Step::Start { .. } => self.start(i),
            // What is to happen to a peer can be said before it starts.
            Step::SlowDisk { after, .. } => {
                self.nodes[i].slow_disk_after = Some(after);
                Ok(())
            }
            Step::SlowApply { after, .. } => {
                self.nodes[i].slow_apply_after = Some(after);
                Ok(())
            }
            Step::CrashAtSeam { calls, keep, .. } => {
                self.nodes[i].fuse = Some(Fuse { calls, down_ms: 0, keep: Some(keep) });
                Ok(())
            }
            _ if !up => Ok(()),
            Step::Tick { times, .. } => {
                for _ in 0..times.min(1_000) {
                    if self.nodes[i].is_up() {
                        self.tick(i)?;
                    }
                }
                Ok(())
            }
            Step::Campaign { .. } => self.campaign(i),
            Step::Deliver { from, to, kind, .. } => {
                match self.net.find((from, to, kind), |message| distance(message, step)) {
                    Some(flying) => self.deliver(i, &flying),
                    None => Ok(()),
                }
            }
            Step::Propose { count, .. } => self.propose(i, count.min(1_000)).map(|_| ()),
            Step::Transfer { to, .. } => self.transfer(i, to),
            Step::Change { peer, add, .. } => self.change(i, peer, add),
            Step::Synced { .. } => self.on_disk_done(i, life),
            Step::Applied { .. } => self.on_apply_done(i, life),
            Step::Crash { keep, .. } => {
                self.took(*step);
                self.crash_keeping(i, usize::try_from(keep).unwrap_or(usize::MAX));
                Ok(())
            }
            Step::Report { to, what, .. } => {
                let what = match what {
                    0 => Report::Unreachable,
                    1 => Report::SnapshotArrived,
                    _ => Report::SnapshotLost,
                };
                self.on_report(i, life, to, what)
            }
            Step::Destroy { .. } => self.on_destroy(i),
            Step::Busy { busy, .. } => {
                self.set_busy(i, busy);
                Ok(())
            }
        }
    }

    /// The peer that takes a step.
    fn runner_of(&self, step: &Step) -> Option<usize> {
        let node = match *step {
            Step::Deliver { to, .. } => to,
            Step::Tick { node, .. }
            | Step::Campaign { node }
            | Step::Propose { node, .. }
            | Step::Transfer { node, .. }
            | Step::Change { node, .. }
            | Step::SlowDisk { node, .. }
            | Step::Synced { node }
            | Step::SlowApply { node, .. }
            | Step::Applied { node }
            | Step::Crash { node, .. }
            | Step::CrashAtSeam { node, .. }
            | Step::Start { node, .. }
            | Step::Report { node, .. }
            | Step::Destroy { node }
            | Step::Busy { node, .. } => node,
        };
        (node as usize).checked_sub(1).filter(|i| *i < self.nodes.len())
    }

    /// In a schedule, a disk is slow when a step says so.
    pub fn scheduled_slow_disk(&mut self, i: usize) -> Option<u64> {
        count_down(&mut self.nodes[i].slow_disk_after)
    }

    /// In a schedule, applying is slow when a step says so.
    pub fn scheduled_slow_apply(&mut self, i: usize) -> Option<u64> {
        count_down(&mut self.nodes[i].slow_apply_after)
    }
}

/// Whether the time has come: a delay, whose length means nothing in a schedule.
fn count_down(after: &mut Option<u32>) -> Option<u64> {
    match after.as_mut() {
        Some(0) => {
            *after = None;
            Some(0)
        }
        Some(more) => {
            *more -= 1;
            None
        }
        None => None,
    }
}

/// How far a message is from the one that a step names, apart from sender, receiver and kind: 0 if it is the same in all that
/// the step says.
fn distance(message: &Message, step: &Step) -> u64 {
    let Step::Deliver { term, index, entries, reject, detail: wanted, .. } = *step else { return u64::MAX };
    let other_kind = u64::from(message.reject != reject || message.entries.is_empty() != (entries == 0));
    let count = (message.entries.len() as u64).abs_diff(entries);
    let place = message.index.abs_diff(index).min(0xFFFF);
    let age = message.term.abs_diff(term).min(0xFFFF);
    let details = detail(message).abs_diff(wanted).min(0xFF);
    (other_kind << 56) + (age << 40) + (place << 24) + (count.min(0xFFFF) << 8) + details
}

/// What tells messages apart that are alike in all else: commit index, hint or index of the snapshot, whichever the kind has.
pub fn detail(message: &Message) -> u64 {
    let meta = message.snapshot.as_ref().and_then(|snapshot| snapshot.metadata.as_ref());
    message.commit.max(message.reject_hint).max(meta.map_or(0, |meta| meta.index))
}

#[cfg(test)]
mod tests {
    use harness::shrink::compress;
    use raft::Status;
    use verdict::{Layers, Plan};

    use super::super::profile::PROFILES;
    use super::super::swarm::draw_plan;
    use super::*;

    fn end_of(world: &World<'_>) -> Vec<Option<Status>> {
        world.nodes.iter().map(|node| node.status()).collect()
    }

    #[test]
    fn a_run_told_step_by_step_is_the_same_run() {
        // Reads are not part of a schedule.
        for test in PROFILES.iter().filter(|test| !test.profile.extensions) {
            for seed in 0..6 {
                let plan = draw_plan(test, seed);
                let mut world = World::new(test, &plan, Layers::ALL);
                world.recorder = Some(Box::default());
                world.run().expect("the reference passes");
                let recorder = world.recorder.take().expect("put there above");
                let told = Plan { schedule: compress(&recorder.steps), ..plan.clone() };
                let mut again = World::new(test, &told, Layers::ALL);
                again.run().expect("the reference passes");
                assert_eq!(end_of(&world), end_of(&again), "{} seed {seed}", test.name);
            }
        }
    }
}
