//! The three acts of the play (see [`harness::patience`]), as a group plays them.

use harness::links::Weather;
use harness::patience::{self, DOWN_MS, GRACE_US, Patience, WATCH_US};
use harness::plan::TICK_US;
use harness::rng::Stream;
use harness::rule::{Rule, Violation};
use raft::Status;
use verdict::Knobs;

use super::event::Event;
use super::laws;
use super::node::Fuse;
use super::story::What;
use super::world::{Stop, World};
use crate::check::role_name;

/// A leader that everybody follows is watched for so many election timeouts.
const WATCHED: u64 = 10;

/// Where in the play we are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    /// First act.
    Chaos,
    /// Second act: everything works again, and the group must agree.
    Settle,
    /// Everybody agrees, and must go on agreeing until then.
    Watched { until: u64, term: u64, leader: u64 },
    /// A client asks for something, `command` if it was taken.
    Serve { command: Option<u64> },
    /// Third act: the leader is dying, and will be back.
    Fall { leader: usize, life: u64 },
    /// The curtain.
    Over,
}

/// The director.
pub struct Acts {
    stage: Stage,
    /// The last act has been played.
    fell: bool,
    /// The group is not called settled before.
    settles_at: u64,
    patience: Patience<Progress>,
    /// Cuts of the plan that are in force.
    pub cuts: Vec<(usize, Vec<(u64, u64)>)>,
    /// The group as of the highest index that anybody applied.
    members: Vec<u64>,
    members_at: u64,
    /// Everybody that was ever a member.
    ever: Vec<u64>,
    election_us: u64,
}

/// How far the group is; any growth counts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Progress {
    applied: u64,
    committed: u64,
    term: u64,
    matched: u64,
    /// Where the leader looks for agreement: going back step by step is progress too, though it may take long.
    next: u64,
}

impl patience::Progress for Progress {
    fn grew_since(&self, before: &Progress) -> bool {
        let replicates = self.matched > before.matched || self.next < before.next;
        self.applied > before.applied
            || self.committed > before.committed
            || (self.term == before.term && replicates)
    }

    /// What a leader knows of others starts anew in each term.
    fn best(&self, before: &Progress) -> Progress {
        let applied = self.applied.max(before.applied);
        let committed = self.committed.max(before.committed);
        if self.term != before.term {
            return Progress { applied, committed, ..*self };
        }
        let (matched, next) = (self.matched.max(before.matched), self.next.min(before.next));
        Progress { applied, committed, matched, next, term: self.term }
    }
}

impl Acts {
    /// Before the curtain rises.
    pub fn new(knobs: &Knobs) -> Acts {
        let members: Vec<u64> = (1..=knobs.nodes).collect();
        let election_us = u64::from(knobs.election_ticks) * TICK_US;
        Acts {
            stage: Stage::Chaos,
            fell: false,
            settles_at: 0,
            patience: Patience::new(election_us, Progress::default()),
            cuts: Vec::new(),
            ever: members.clone(),
            members,
            members_at: 0,
            election_us,
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

    /// A peer that has applied up to `index` sees these members.
    pub fn note_members(&mut self, index: u64, voters: &[u64]) {
        if index > self.members_at {
            self.members_at = index;
            self.members = voters.to_vec();
            self.ever.extend(voters);
        }
    }

    /// Whether the peer was ever a member.
    pub fn was_member(&self, id: u64) -> bool {
        self.ever.contains(&id)
    }

    /// Whether the group has these members now, as far as anybody knows.
    pub fn is_newest(&self, voters: &[u64]) -> bool {
        self.members == voters
    }
}

impl World<'_> {
    /// The director looks at the group.
    pub fn on_watch(&mut self) -> Result<(), Stop> {
        self.queue.push(self.now + WATCH_US, Event::Watch);
        match self.acts.stage {
            Stage::Chaos => {
                self.heal()?;
                self.acts.settles_at = self.now + GRACE_US;
                self.enter(Stage::Settle);
            }
            Stage::Settle if self.now >= self.acts.settles_at && self.agrees() => self.settled(),
            Stage::Watched { until, term, leader } => self.watch_leader(until, term, leader)?,
            Stage::Serve { command } => self.serve(command)?,
            Stage::Fall { leader, life } => self.fall(leader, life)?,
            Stage::Settle | Stage::Over => {}
        }
        if self.acts.is_over() {
            self.checker.end_of_run()?;
            return if self.layers.liveness { self.check_end() } else { Ok(()) };
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
        for i in 0..self.nodes.len() {
            self.nodes[i].fuse = None;
            self.nodes[i].tick_us = TICK_US;
            self.set_busy(i, false);
            if self.nodes[i].paused > 0 {
                self.nodes[i].paused = 0;
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

    /// Everybody agrees: what comes next?
    fn settled(&mut self) {
        if !self.test.profile.proposals {
            let Some(status) = self.leader().and_then(|i| self.nodes[i].status()) else { return };
            let until = self.now + WATCHED * self.acts.election_us;
            return self.enter(Stage::Watched { until, term: status.term, leader: status.id });
        }
        self.enter(Stage::Serve { command: None });
    }

    /// A leader that everybody follows, and whose heartbeats arrive, is never challenged.
    fn watch_leader(&mut self, until: u64, term: u64, leader: u64) -> Result<(), Stop> {
        for status in self.members() {
            if self.layers.liveness && (status.term != term || status.leader_id != leader) {
                let seen = format!(
                    "all peers followed n{leader} in term {term} and every message arrived, but now n{} is {} of term {}, following {}",
                    status.id,
                    role_name(status.role),
                    status.term,
                    name_of_peer(status.leader_id)
                );
                return Err(Violation { rule: &laws::L1, node: status.id, seen }.into());
            }
        }
        if self.now < until {
            self.acts.patience.since = self.now;
            return Ok(());
        }
        if self.acts.fell {
            self.acts.stage = Stage::Over;
            return Ok(());
        }
        self.begin_fall(leader as usize - 1)
    }

    /// Calm: a command is proposed until one is taken, and then everybody must have applied it.
    fn serve(&mut self, command: Option<u64>) -> Result<(), Stop> {
        let served = command.is_some_and(|number| self.clients.is_applied(number));
        if served && self.agrees() {
            if self.acts.fell {
                self.acts.stage = Stage::Over;
                return Ok(());
            }
            let Some(leader) = self.leader() else { return Ok(()) };
            return self.begin_fall(leader);
        }
        if served || !self.agrees() {
            return Ok(());
        }
        // Nothing was taken yet, or what was taken went down with a leader that fell late.
        let Some(leader) = self.leader() else { return Ok(()) };
        let number = self.clients.next_number();
        let taken = self.propose(leader, 1)? == 1;
        self.acts.stage = Stage::Serve { command: taken.then_some(number) };
        Ok(())
    }

    /// The last commands are taken, the clients go idle, and the leader dies in the middle of its work.
    fn begin_fall(&mut self, leader: usize) -> Result<(), Stop> {
        self.acts.fell = true;
        let life = self.nodes[leader].life;
        let calls = self.noise.below(Stream::Fuse, 0, 0, 10);
        self.nodes[leader].fuse = Some(Fuse { calls, down_ms: DOWN_MS, keep: None });
        if self.test.profile.proposals {
            self.propose(leader, 2)?;
        }
        self.enter(Stage::Fall { leader, life });
        Ok(())
    }

    /// A fuse that did not burn down by itself is helped along.
    fn fall(&mut self, leader: usize, life: u64) -> Result<(), Stop> {
        if self.nodes[leader].life == life && self.nodes[leader].is_up() {
            self.crash(leader, DOWN_MS)?;
        }
        let back = self.nodes[leader].is_up() || self.nodes[leader].gone;
        if back && self.agrees() {
            let next =
                if self.test.profile.proposals { Stage::Serve { command: None } } else { Stage::Settle };
            self.enter(next);
        }
        Ok(())
    }

    /// Members that run.
    fn members(&self) -> impl Iterator<Item = Status> + '_ {
        let here = self.nodes.iter().filter(|node| self.acts.members.contains(&node.id) && !node.gone);
        here.filter_map(|node| node.status())
    }

    /// Everybody follows one leader and, where there is a log, has all of it applied.
    fn agrees(&self) -> bool {
        let Some(leader) = self.leader() else { return false };
        let Some(leader) = self.nodes[leader].status() else { return false };
        let all_up = self.acts.members.iter().all(|id| self.nodes[*id as usize - 1].is_up());
        let log = self.test.profile.proposals;
        all_up
            && self.acts.members.contains(&leader.id)
            && self.members().all(|peer| {
                let follows = peer.term == leader.term && peer.leader_id == leader.id;
                let same = peer.last == leader.last
                    && peer.commit == leader.last.index
                    && peer.applied == peer.commit;
                follows && (same || !log)
            })
    }

    fn progress(&self) -> Progress {
        let mut progress = Progress::default();
        for status in self.members() {
            progress.applied += status.applied;
            progress.committed += status.commit;
        }
        let leader = self.leader().and_then(|i| self.nodes[i].host.as_ref());
        if let Some(host) = leader.filter(|_| self.test.profile.proposals) {
            progress.term = host.status().term;
            let known = self.acts.members.iter().filter_map(|id| host.core().progress(*id));
            for peer in known {
                progress.matched += peer.matched;
                progress.next += peer.next;
            }
        }
        progress
    }

    /// Something must move, or the group is stuck.
    fn check_progress(&mut self) -> Result<(), Stop> {
        let progress = self.progress();
        if !self.acts.patience.is_over(self.now, progress) {
            return Ok(());
        }
        if !self.layers.liveness {
            self.acts.stage = Stage::Over;
            return Ok(());
        }
        let (rule, node, seen) = self.why_stuck();
        Err(Violation { rule, node, seen }.into())
    }

    /// Which promise a group breaks in which nothing moves any more.
    fn why_stuck(&self) -> (&'static Rule, u64, String) {
        let ms = self.acts.patience.most_ms();
        let state = self.members().map(|peer| describe(&peer)).collect::<Vec<_>>().join("; ");
        let Some(leader) = self.leader().and_then(|i| self.nodes[i].status()) else {
            let seen = format!(
                "no leader for {ms} virtual ms, though all peers run and every message arrives: {state}"
            );
            return (&laws::L1, 0, seen);
        };
        let stray = self.members().find(|peer| peer.term != leader.term || peer.leader_id != leader.id);
        if let Some(peer) = stray {
            let seen = format!(
                "n{} does not follow the leader n{} after {ms} virtual ms: {state}",
                peer.id, leader.id
            );
            return (&laws::L1, peer.id, seen);
        }
        if leader.last.term < leader.term && self.members().all(|peer| peer.last >= leader.last) {
            let seen = format!(
                "n{} leads term {}, but its log holds no entry of that term after {ms} virtual ms: {state}",
                leader.id, leader.term
            );
            return (&laws::L2, leader.id, seen);
        }
        if let Some(peer) = self.members().find(|peer| peer.last != leader.last) {
            let seen = format!(
                "the log of n{} does not reach the leader's, n{}, in {ms} virtual ms: {state}",
                peer.id, leader.id
            );
            return (&laws::L3, peer.id, seen);
        }
        if leader.commit < leader.last.index {
            let seen = format!(
                "all peers hold the same log, but n{} does not commit it within {ms} virtual ms: {state}",
                leader.id
            );
            return (&laws::L2, leader.id, seen);
        }
        if let Some(peer) =
            self.members().find(|peer| peer.commit < leader.commit || peer.applied < peer.commit)
        {
            let seen =
                format!("n{} does not learn what is committed within {ms} virtual ms: {state}", peer.id);
            return (&laws::L3, peer.id, seen);
        }
        let seen = format!("the leader n{} takes no proposal for {ms} virtual ms: {state}", leader.id);
        (&laws::L4, leader.id, seen)
    }

    /// The curtain has fallen: what remains to be judged.
    fn check_end(&self) -> Result<(), Stop> {
        if self.test.profile.proposals {
            self.check_log_growth()?;
            self.clients.check_fates()?;
        }
        Ok(())
    }
}

fn name_of_peer(id: u64) -> String {
    if id == 0 { "nobody".to_owned() } else { format!("n{id}") }
}

fn describe(peer: &Status) -> String {
    format!(
        "n{} {} of term {} following {}, log ends {}@{}, commit {}, applied {}",
        peer.id,
        role_name(peer.role),
        peer.term,
        name_of_peer(peer.leader_id),
        peer.last.index,
        peer.last.term,
        peer.commit,
        peer.applied
    )
}
