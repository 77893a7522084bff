//! Faults begin, and end.

use harness::rng::Stream;
use verdict::{Fault, StoreFault};

use super::event::{End, Event};
use super::story::What;
use super::world::{Stop, World};

impl World<'_> {
    /// A fault of the plan begins.
    pub fn on_fault(&mut self, index: usize) -> Result<(), Stop> {
        if self.acts.healed() {
            return Ok(());
        }
        let fault = self.plan.faults[index].what;
        self.told(usize::MAX, What::Fault(&fault));
        let count = self.stores.len();
        let at = |node: u64| (node as usize).checked_sub(1).filter(|i| *i < count);
        match fault {
            Fault::Crash { node, down_ms } => at(node).into_iter().for_each(|i| self.die(i, false, down_ms)),
            Fault::CrashAtSeam { node, calls, down_ms } => {
                at(node).into_iter().for_each(|i| self.light_fuse(i, calls, down_ms));
            }
            Fault::CrashLeader { down_ms } => {
                // Half of the leaders lose their power as well.
                let power = self.noise.below(Stream::Fuse, index as u64, 1, 2) == 0;
                self.leader().into_iter().for_each(|i| self.die(i, power, down_ms));
            }
            Fault::Pause { node, for_ms } => {
                if let Some(i) = at(node).filter(|i| self.stores[*i].is_up()) {
                    self.stores[i].paused += 1;
                    self.end_of(for_ms, End::Pause { store: i });
                }
            }
            Fault::Campaign { node } => {
                // Leases count on clocks: no time runs ahead where there are any.
                let leases = self.plan.knobs.store.read_mode > 1;
                if let Some(i) = at(node).filter(|i| self.stores[*i].paused == 0 && !leases) {
                    return self.storm(i);
                }
            }
            Fault::Partition { for_ms, .. }
            | Fault::CutOneWay { for_ms, .. }
            | Fault::IsolateLeader { for_ms }
            | Fault::Store(StoreFault::DeafLeader { for_ms }) => self.cut(index, for_ms, &fault),
            Fault::Store(fault) => self.on_store_fault(&fault),
        }
        Ok(())
    }

    fn on_store_fault(&mut self, fault: &StoreFault) {
        let count = self.stores.len();
        let at = |node: u64| (node as usize).checked_sub(1).filter(|i| *i < count);
        match *fault {
            StoreFault::PowerLoss { node, down_ms } => {
                at(node).into_iter().for_each(|i| self.die(i, true, down_ms));
            }
            StoreFault::PowerLossAtWrite { node, calls, down_ms } => {
                let Some(i) = at(node).filter(|i| self.stores[*i].is_up()) else { return };
                self.shared().stores[i].disk_fuse = Some(calls);
                self.stores[i].down_ms = down_ms;
            }
            StoreFault::PowerLossAt { node, point, passes, down_ms } => {
                let Some(i) = at(node).filter(|i| self.stores[*i].is_up()) else { return };
                self.shared().stores[i].point_fuse = Some((point, passes));
                self.stores[i].down_ms = down_ms;
            }
            StoreFault::AllDown { power, down_ms } => (0..count).for_each(|i| self.die(i, power, down_ms)),
            StoreFault::DiskFailure { node, calls, down_ms } => {
                let Some(i) = at(node).filter(|i| self.stores[*i].is_up()) else { return };
                self.shared().stores[i].failing = Some(calls);
                self.stores[i].down_ms = down_ms;
            }
            StoreFault::DeafLeader { .. } => {}
            StoreFault::Clog { node, for_ms } => {
                let Some(i) = at(node) else { return };
                self.stores[i].clogs += 1;
                self.end_of(for_ms, End::Clog { store: i });
            }
        }
    }

    /// A store will die after so many more calls to its surroundings.
    pub fn light_fuse(&mut self, i: usize, calls: u64, down_ms: u64) {
        if self.stores[i].is_up() {
            self.shared().stores[i].fuse = Some(calls);
            self.stores[i].down_ms = down_ms;
        }
    }

    /// Time runs ahead at one store: whatever its election timeout is, it passes.
    fn storm(&mut self, i: usize) -> Result<(), Stop> {
        for _ in 0..2 * self.plan.knobs.election_ticks {
            self.at(i, "tick", |running| running.router.tick())?;
        }
        Ok(())
    }

    fn cut(&mut self, index: usize, for_ms: u64, fault: &Fault) {
        let links = self.links_of(fault);
        for (from, to) in &links {
            self.net.links.cut(*from, *to, true);
        }
        self.acts.cuts.push((index, links));
        self.end_of(for_ms, End::Cut { index });
    }

    /// Links that a fault cuts, by the positions of their ends.
    fn links_of(&self, fault: &Fault) -> Vec<(u64, u64)> {
        let nodes = self.stores.len() as u64;
        let between = |apart: &dyn Fn(u64) -> bool| {
            let ends = (0..nodes).flat_map(move |from| (0..nodes).map(move |to| (from, to)));
            ends.filter(|(from, to)| apart(*from) != apart(*to)).collect()
        };
        match *fault {
            Fault::CutOneWay { from, to, .. } => vec![(from.saturating_sub(1), to.saturating_sub(1))],
            Fault::IsolateLeader { .. } => match self.leader() {
                Some(leader) => between(&|at| at == leader as u64),
                None => Vec::new(),
            },
            Fault::Store(StoreFault::DeafLeader { .. }) => match self.leader() {
                Some(leader) => (0..nodes).map(|from| (from, leader as u64)).collect(),
                None => Vec::new(),
            },
            Fault::Partition { side, .. } => between(&|at| side >> at & 1 == 1),
            _ => Vec::new(),
        }
    }

    fn end_of(&mut self, for_ms: u64, what: End) {
        self.queue.push(self.now + for_ms * 1_000, Event::End(what));
    }

    /// A fault ends.
    pub fn on_end(&mut self, what: End) -> Result<(), Stop> {
        match what {
            End::Down { store, life } => {
                if self.stores[store].life == life {
                    return self.start(store);
                }
            }
            End::Pause { store } => {
                if self.stores[store].paused == 0 {
                    return Ok(());
                }
                self.stores[store].paused -= 1;
                if self.stores[store].paused == 0 {
                    self.told(store, What::Resume);
                    return self.catch_up(store);
                }
            }
            End::Cut { index } => self.mend(index),
            End::Clog { store } => {
                self.stores[store].clogs = self.stores[store].clogs.saturating_sub(1);
                if self.stores[store].clogs == 0 {
                    self.unclog(store);
                }
            }
        }
        Ok(())
    }

    fn mend(&mut self, index: usize) {
        let Some(at) = self.acts.cuts.iter().position(|(cut, _)| *cut == index) else { return };
        let (_, links) = self.acts.cuts.remove(at);
        for (from, to) in links {
            self.net.links.cut(from, to, false);
        }
        let fault = self.plan.faults[index].what;
        self.told(usize::MAX, What::Mended(&fault));
    }

    /// All that was held back arrives at once.
    pub fn unclog(&mut self, i: usize) {
        for slot in std::mem::take(&mut self.stores[i].clogged) {
            self.queue.push(self.now, Event::Deliver { slot });
        }
    }
}
