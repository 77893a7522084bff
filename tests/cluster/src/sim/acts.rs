//! The three acts of the play (see [`harness::patience`]), as a cluster plays them.

use harness::links::Weather;
use harness::patience::{self, DOWN_MS, GRACE_US, Patience, WATCH_US};
use harness::plan::TICK_US;
use harness::rng::Stream;
use harness::rule::{Rule, Violation};
use kv::engine::Cf;
use kv::raftstore::context::PeerStatus;
use raft_tests::check::role_name;
use verdict::{Knobs, Request};

use super::event::Event;
use super::laws;
use super::story::What;
use super::world::{Stop, World};

/// Entries that a compacted log may have beyond its thresholds: what came since it was last looked at.
const SPARE_ENTRIES: u64 = 40;

/// Where in the play we are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    /// First act.
    Chaos,
    /// Second act: everything works again, and the cluster must agree.
    Settle,
    /// Clients look at everything, and each writes once.
    Serve,
    /// Third act: the leader is dying, and will be back.
    Fall { leader: usize, life: u64 },
    /// Logs are compacted in peace.
    Tidy,
    /// The curtain.
    Over,
}

/// The director.
pub struct Acts {
    stage: Stage,
    /// The last act has been played.
    fell: bool,
    /// The cluster is not called settled before.
    settles_at: u64,
    /// When clients were last asked to serve as witnesses.
    pub serves_since: u64,
    patience: Patience<Progress>,
    /// Cuts of the plan that are in force.
    pub cuts: Vec<(usize, Vec<(u64, u64)>)>,
}

/// How far the cluster is; any growth counts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Progress {
    applied: u64,
    committed: u64,
    truncated: u64,
    done: u64,
    calls: u64,
}

impl patience::Progress for Progress {
    fn grew_since(&self, before: &Progress) -> bool {
        self.applied > before.applied
            || self.committed > before.committed
            || self.truncated > before.truncated
            || self.done > before.done
            || self.calls > before.calls
    }

    fn best(&self, before: &Progress) -> Progress {
        Progress {
            applied: self.applied.max(before.applied),
            committed: self.committed.max(before.committed),
            truncated: self.truncated.max(before.truncated),
            done: self.done.max(before.done),
            calls: self.calls.max(before.calls),
        }
    }
}

impl Acts {
    /// Before the curtain rises.
    pub fn new(knobs: &Knobs) -> Acts {
        Acts {
            stage: Stage::Chaos,
            fell: false,
            settles_at: 0,
            serves_since: u64::MAX,
            patience: Patience::new(u64::from(knobs.election_ticks) * TICK_US, Progress::default()),
            cuts: Vec::new(),
        }
    }

    /// The run has nothing more to show.
    pub fn is_over(&self) -> bool {
        self.stage == Stage::Over
    }

    /// The faults are over.
    pub fn healed(&self) -> bool {
        self.stage != Stage::Chaos
    }
}

impl World<'_> {
    /// The director looks at the cluster.
    pub fn on_watch(&mut self) -> Result<(), Stop> {
        self.queue.push(self.now + WATCH_US, Event::Watch);
        match self.acts.stage {
            Stage::Chaos => {
                self.heal()?;
                self.acts.settles_at = self.now + GRACE_US;
                self.enter(Stage::Settle);
            }
            Stage::Settle => {
                if self.now >= self.acts.settles_at && self.agrees() && self.clients.are_idle() {
                    self.ask_everything();
                    self.enter(Stage::Serve);
                }
            }
            Stage::Serve => self.serve()?,
            Stage::Fall { leader, life } => self.fall(leader, life),
            Stage::Tidy => {
                if self.is_tidy() {
                    self.enter(Stage::Over);
                }
            }
            Stage::Over => {}
        }
        if self.acts.is_over() {
            return self.check_end();
        }
        self.check_progress()
    }

    /// Ends all faults: everything runs, at the speed it should, and every message arrives.
    fn heal(&mut self) -> Result<(), Stop> {
        self.told(usize::MAX, What::Heal);
        self.net.links.heal();
        self.net.links.weather = Weather::of(&self.plan.knobs).calm();
        self.acts.cuts.clear();
        self.slow_machines = false;
        let calls = {
            let mut shared = self.shared();
            shared.heal();
            shared.stores.iter().map(|store| store.disk_calls).collect()
        };
        self.disk_calls = calls;
        self.clients.forget_plans();
        for i in 0..self.stores.len() {
            self.stores[i].tick_us = TICK_US;
            self.stores[i].clogs = 0;
            self.unclog(i);
            if self.stores[i].paused > 0 {
                self.stores[i].paused = 0;
                self.catch_up(i)?;
            }
            self.start(i)?;
        }
        Ok(())
    }

    fn enter(&mut self, stage: Stage) {
        self.acts.stage = stage;
        let progress = self.progress();
        self.acts.patience.renew(self.now, progress);
    }

    /// The clients look at every key, and each writes one.
    fn ask_everything(&mut self) {
        self.acts.serves_since = self.now;
        let (keys, clients) = (self.plan.knobs.store.keys, self.clients.all.len());
        for key in 0..keys {
            self.add_request(key as usize % clients, Request::Get { key });
        }
        self.add_request(0, Request::Scan { from: 0, to: keys, limit: keys + 1, reverse: false });
        for client in 0..clients {
            self.add_request(client, Request::Put { key: client as u64 % keys });
        }
    }

    /// Every request is answered, and everybody agrees on what came of it.
    fn serve(&mut self) -> Result<(), Stop> {
        if let Some(request) = self.clients.unanswered.first()
            && self.layers.liveness
        {
            let seen = format!(
                "all stores run, every message arrives, and yet after {} ms there is no answer to {request}",
                self.plan.knobs.store.timeout_ms
            );
            return Err(Violation { rule: &laws::ANSWERS, node: 0, seen }.into());
        }
        if self.clients.are_idle() && self.agrees() {
            if self.acts.fell {
                self.enter(Stage::Tidy);
            } else if let Some(leader) = self.leader() {
                self.begin_fall(leader);
            }
        }
        Ok(())
    }

    /// The last requests are under way, clients go idle, and the leader dies in the middle of its work.
    fn begin_fall(&mut self, leader: usize) {
        self.acts.fell = true;
        self.acts.serves_since = u64::MAX;
        let life = self.stores[leader].life;
        let calls = self.noise.below(Stream::Fuse, 0, 0, 16);
        self.light_fuse(leader, calls, DOWN_MS);
        for client in 0..self.clients.all.len() {
            self.add_request(client, Request::Put { key: client as u64 % self.plan.knobs.store.keys });
        }
        self.enter(Stage::Fall { leader, life });
    }

    /// A fuse that did not burn down by itself is helped along.
    fn fall(&mut self, leader: usize, life: u64) {
        if self.stores[leader].life == life && self.stores[leader].is_up() {
            if self.now > self.acts.patience.since + 100_000 || self.clients.are_idle() {
                self.die(leader, true, DOWN_MS);
            }
            return;
        }
        if self.stores[leader].is_up() {
            self.acts.settles_at = self.now;
            self.enter(Stage::Settle);
        }
    }

    /// Everybody follows one leader, has all of its log, and has applied it.
    fn agrees(&self) -> bool {
        let Some(leader) = self.leader().and_then(|i| self.status(i)) else { return false };
        let mut up = 0;
        let all = self.statuses().all(|peer| {
            up += 1;
            peer.raft.term == leader.raft.term
                && peer.raft.leader_id == leader.raft.id
                && peer.raft.last == leader.raft.last
                && peer.raft.commit == leader.raft.last.index
                && peer.apply_state.applied_index == peer.raft.commit
                && !peer.applying_snapshot
        });
        all && up == self.stores.len()
    }

    /// Logs are as short as they should be.
    fn is_tidy(&self) -> bool {
        let knobs = &self.plan.knobs;
        let most = knobs.compact_entries.max(knobs.store.log_gc_count_limit) + SPARE_ENTRIES;
        knobs.store.log_gc_ticks == 0
            || (self.agrees() && self.statuses().all(|peer| peer.raft.last.index <= truncated(&peer) + most))
    }

    fn progress(&self) -> Progress {
        let mut progress = Progress { done: self.clients.done() as u64, ..Progress::default() };
        for peer in self.statuses() {
            progress.applied += peer.apply_state.applied_index;
            progress.committed += peer.raft.commit;
            progress.truncated += truncated(&peer);
        }
        progress.calls = self.transfers.len() as u64;
        progress
    }

    /// Something must move, or the cluster is stuck.
    fn check_progress(&mut self) -> Result<(), Stop> {
        let progress = self.progress();
        if !self.acts.patience.is_over(self.now, progress) {
            return Ok(());
        }
        if !self.layers.liveness {
            self.acts.stage = Stage::Over;
            return self.check_end();
        }
        let (rule, node, seen) = self.why_stuck();
        Err(Violation { rule, node, seen }.into())
    }

    /// Which promise a cluster breaks in which nothing moves any more.
    fn why_stuck(&self) -> (&'static Rule, u64, String) {
        let ms = self.acts.patience.most_ms();
        let state = self.statuses().map(|peer| describe(&peer)).collect::<Vec<_>>().join("; ");
        let quiet = format!("for {ms} virtual ms, though all stores run and every message arrives: {state}");
        let Some(leader) = self.leader().and_then(|i| self.status(i)) else {
            return (&laws::LEADER, 0, format!("no leader {quiet}"));
        };
        let leads = leader.peer.store_id;
        for peer in self.statuses() {
            let node = peer.peer.store_id;
            if peer.raft.term != leader.raft.term || peer.raft.leader_id != leader.raft.id {
                return (&laws::LEADER, node, format!("n{node} does not follow n{leads} {quiet}"));
            }
            let same = peer.raft.last == leader.raft.last && peer.raft.commit == leader.raft.last.index;
            if !same || peer.apply_state.applied_index != peer.raft.commit || peer.applying_snapshot {
                return (&laws::CATCHES_UP, node, format!("n{node} does not catch up {quiet}"));
            }
        }
        if self.acts.stage == Stage::Tidy {
            return (&laws::COMPACTS, leads, format!("the log is not compacted {quiet}"));
        }
        let waiting = self.clients.under_way().join("; ");
        (&laws::ANSWERS, leads, format!("{waiting}: no answer {quiet}"))
    }

    /// What must hold when everything has come to rest.
    fn check_end(&mut self) -> Result<(), Stop> {
        self.close_history();
        {
            let mut shared = self.shared();
            shared.checker.end_of_run();
            if let Some(violation) = shared.checker.violation().filter(|_| self.layers.invariants) {
                return Err(violation.clone().into());
            }
        }
        if self.layers.invariants {
            self.check_replicas()?;
        }
        self.check_history()
    }

    /// Stores that have applied the same hold the same.
    fn check_replicas(&self) -> Result<(), Stop> {
        let applied = |i: &usize| self.status(*i).map(|status| status.apply_state.applied_index);
        let all: Vec<usize> = (0..self.stores.len()).filter(|i| self.stores[*i].is_up()).collect();
        for pair in all.windows(2) {
            let [one, other] = [pair[0], pair[1]];
            if applied(&one) != applied(&other) {
                continue;
            }
            let image = |i: usize| self.stores[i].running.as_ref().map(|running| running.kv.image());
            let (Some(left), Some(right)) = (image(one), image(other)) else { continue };
            for cf in Cf::DATA {
                let differs = left.pairs(cf).zip(right.pairs(cf)).find(|(left, right)| left != right);
                let count = left.pairs(cf).count().abs_diff(right.pairs(cf).count());
                if differs.is_some() || count > 0 {
                    let what = differs.map_or(format!("{count} more keys"), |(left, right)| {
                        format!("{:?} = {:?} against {:?} = {:?}", left.0, left.1, right.0, right.1)
                    });
                    let seen = format!(
                        "n{} and n{} have both applied {} entries, and differ in {}: {what}",
                        one + 1,
                        other + 1,
                        applied(&one).unwrap_or(0),
                        cf.name()
                    );
                    return Err(Violation { rule: &laws::EQUAL, node: 0, seen }.into());
                }
            }
        }
        Ok(())
    }
}

fn truncated(peer: &PeerStatus) -> u64 {
    peer.apply_state.truncated_state.as_ref().map_or(0, |state| state.index)
}

fn describe(peer: &PeerStatus) -> String {
    let raft = &peer.raft;
    let installing = if peer.applying_snapshot { ", installing a snapshot" } else { "" };
    format!(
        "n{} is {} of term {}, log {}..{}, commit {}, applied {}{installing}",
        peer.peer.store_id,
        role_name(raft.role),
        raft.term,
        raft.first_index,
        raft.last.index,
        raft.commit,
        peer.apply_state.applied_index
    )
}
