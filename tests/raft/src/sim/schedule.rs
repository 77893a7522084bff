//! Plays an explicit schedule: nothing happens but its steps, in their order.
//!
//! A run under faults becomes one by writing down what happened ([`Recorder::steps`](super::story::Recorder)). What no
//! step delivers is lost, so that a schedule can be shrunk message by message: that is what brings a rare failure down to the few
//! events that a person can follow.

use verdict::Step;

use super::event::Report;
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
            Step::Deliver { .. } => match self.net.find(|flying| is_like(&flying.message, flying.from, step)) {
                Some(flying) => self.deliver(i, &flying),
                None => Ok(()),
            },
            Step::Propose { count, .. } => self.propose(i, count.min(1_000)).map(|_| ()),
            Step::Transfer { to, .. } => self.transfer(i, to),
            Step::Change { peer, add, .. } => self.change(i, peer, add),
            Step::SlowDisk { .. } => {
                self.nodes[i].scheduled_slow.0 = true;
                Ok(())
            }
            Step::SlowApply { .. } => {
                self.nodes[i].scheduled_slow.1 = true;
                Ok(())
            }
            Step::Synced { .. } => self.on_disk_done(i, life),
            Step::Applied { .. } => self.on_apply_done(i, life),
            Step::Crash { keep, .. } => {
                self.took(*step);
                self.crash_keeping(i, usize::try_from(keep).unwrap_or(usize::MAX));
                Ok(())
            }
            Step::CrashAtSeam { calls, keep, .. } => {
                self.nodes[i].fuse = Some(Fuse { calls, down_ms: 0, keep: Some(keep) });
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
            | Step::SlowDisk { node }
            | Step::Synced { node }
            | Step::SlowApply { node }
            | Step::Applied { node }
            | Step::Crash { node, .. }
            | Step::CrashAtSeam { node, .. }
            | Step::Start { node, .. }
            | Step::Report { node, .. }
            | Step::Busy { node, .. } => node,
        };
        (node as usize).checked_sub(1).filter(|i| *i < self.nodes.len())
    }

    /// In a schedule, a disk is slow when a step says so.
    pub fn scheduled_slow_disk(&mut self, i: usize) -> Option<u64> {
        std::mem::take(&mut self.nodes[i].scheduled_slow.0).then_some(0)
    }

    /// In a schedule, applying is slow when a step says so.
    pub fn scheduled_slow_apply(&mut self, i: usize) -> Option<u64> {
        std::mem::take(&mut self.nodes[i].scheduled_slow.1).then_some(0)
    }
}

fn is_like(message: &proto::eraftpb::Message, sender: u64, step: &Step) -> bool {
    let Step::Deliver { from, to, kind, term, index, entries, reject } = *step else { return false };
    sender == from
        && message.to == to
        && message.msg_type == kind
        && message.term == term
        && message.index == index
        && message.entries.len() as u64 == entries
        && message.reject == reject
}

/// The steps of a recorded run as a schedule: neighbours that can be told as one are.
pub fn compress(steps: &[Step]) -> Vec<Step> {
    let mut short: Vec<Step> = Vec::new();
    for step in steps {
        if let (Some(Step::Tick { node, times }), Step::Tick { node: again, times: more }) = (short.last_mut(), step)
            && node == again
        {
            *times += more;
            continue;
        }
        short.push(*step);
    }
    short
}
