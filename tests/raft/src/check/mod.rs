//! The checks: what is legal, judged at each call that crosses a seam.
//!
//! | module | what it holds |
//! |---|---|
//! | [`rules`] | every rule in words, with its section in the paper |
//! | `relation` | the executable specification: is *this* transition of *this* peer legal? Names the guilty call |
//! | `invariant` | what must hold for the whole group and over time, one file each; remembers in `ghost` |
//! | `observe` | keeps the memory up to date: what each peer has heard, promised and handed out |
//!
//! The specification is a *relation*, not a second implementation: batching, pipelining, hints or none, eager or lazy
//! commit broadcasts, extra messages, dropped requests, late answers and other timeouts are all legal. A rule may accuse
//! only if *no* correct implementation could have done what was seen.
//!
//! What is compared is what a peer shows of itself ([`raft::Status`], the terms of its log) before and after a call, and what
//! it hands out in its `Ready`s. Messages are judged twice: when they come out of a `Ready`, against what the peer knows,
//! and when they go out, against what is durable at that moment.

mod describe;
mod ghost;
mod invariant;
mod observe;
mod peers;
mod relation;
pub mod rules;
#[cfg(test)]
mod tests;
mod view;

use std::hash::{Hash, Hasher};

use proto::eraftpb::{Entry, Message};
use raft::{Config, Error, Index, LogId, Ready};
use verdict::{Layers, Strength};

use crate::core::{Core, Face, Input};
use crate::disk::{Disk, Image};
use crate::host::CallResult;
use ghost::Ghost;
use view::View;

pub use describe::{describe_message, describe_status, role_name};
pub use harness::rule::{Rule, Violation};
pub use peers::PEERS_MAX;

/// Whether all is well; if not, which rule is broken. Boxed by nobody: it is made at most once in a run.
pub(crate) type Verdict = Result<(), Violation>;

/// What the checks must know of the group.
#[derive(Clone, Debug)]
pub struct Setup {
    /// Peers of the group at the start.
    pub voters: Vec<u64>,
    /// See `raft::Config`.
    pub election_ticks: u32,
    /// Through which face the cores are driven.
    pub face: Face,
}

/// Decides which rules may accuse.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Judge {
    layers: Layers,
    election_ticks: u32,
}

impl Judge {
    /// Accuses `node` of breaking `rule`, unless `holds`, or the layer of the rule is switched off.
    pub(crate) fn ensure(
        &self,
        holds: bool,
        rule: &'static Rule,
        node: u64,
        seen: impl FnOnce() -> String,
    ) -> Result<(), Violation> {
        if holds || !self.hears(rule) {
            return Ok(());
        }
        Err(Violation { rule, node, seen: seen() })
    }

    fn hears(&self, rule: &Rule) -> bool {
        match rule.layer {
            "relation" => self.layers.relation,
            _ => self.layers.invariants,
        }
    }
}

/// All checks, with all that they remember. Cheap to clone while logs are short.
#[derive(Clone, Debug)]
pub struct Checker {
    judge: Judge,
    ghost: Ghost,
    /// `nodes[id]`; the first is never used.
    nodes: Vec<View>,
    findings: Vec<Violation>,
    timeouts: invariant::random_timer::Timeouts,
}

// Only what decides the future: see `Ghost`.
impl Hash for Checker {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.ghost.hash(state);
    }
}

impl Checker {
    /// Checks for a fresh group.
    ///
    /// # Panics
    /// If an id is not below [`PEERS_MAX`].
    pub fn new(setup: Setup, layers: Layers) -> Checker {
        let highest = setup.voters.iter().copied().max().unwrap_or(0);
        assert!((highest as usize) < PEERS_MAX, "peer {highest} is too many");
        Checker {
            judge: Judge { layers, election_ticks: setup.election_ticks },
            ghost: Ghost::default(),
            nodes: Vec::new(),
            findings: Vec::new(),
            timeouts: Default::default(),
        }
    }

    /// `Should` rules that were broken so far: each rule once for each peer.
    pub fn findings(&self) -> &[Violation] {
        &self.findings
    }

    /// Highest index known to be committed by the group.
    pub fn committed(&self) -> Index {
        self.ghost.commit()
    }

    /// How many terms have had a leader.
    pub fn leaders(&self) -> u64 {
        self.ghost.leaders()
    }

    /// Who was seen to lead `term`.
    pub fn leader_of(&self, term: raft::Term) -> Option<u64> {
        self.ghost.leader_of(term)
    }

    /// Judges what only a whole run can show.
    ///
    /// # Errors
    /// The rule that the run breaks.
    pub fn end_of_run(&mut self) -> Result<(), Violation> {
        let (holds, seen) = self.timeouts.verdict();
        match holds || !self.judge.layers.liveness {
            true => Ok(()),
            false => Err(Violation { rule: &rules::RANDOM_TIMER, node: 0, seen }),
        }
    }

    fn view(&mut self, id: u64) -> &mut View {
        assert!((id as usize) < PEERS_MAX, "peer {id} is too many");
        if self.nodes.len() <= id as usize {
            self.nodes.resize_with(id as usize + 1, View::default);
        }
        &mut self.nodes[id as usize]
    }

    pub(crate) fn before_boot(&mut self, id: u64, disk: &Disk, config: &Config) {
        self.view(id);
        let Checker { nodes, ghost, .. } = self;
        observe::boot(&mut nodes[id as usize], ghost, id, disk.view(), config);
    }

    pub(crate) fn boot_failed(&mut self, id: u64, error: &Error) -> Violation {
        Violation {
            rule: &rules::RESTART,
            node: id,
            seen: format!("peer {id} refuses to start from its disk: {error}"),
        }
    }

    pub(crate) fn after_boot(&mut self, id: u64, core: &Core) -> Verdict {
        let view = &mut self.nodes[id as usize];
        let post = core.status();
        invariant::restart::judge(&self.judge, view, &self.ghost, &post, core)?;
        view.now = post;
        view.note_mut(post.term).vote = post.vote;
        Ok(())
    }

    pub(crate) fn after_call(
        &mut self,
        id: u64,
        input: Input<'_>,
        result: &CallResult,
        core: &Core,
    ) -> Verdict {
        let Checker { judge, ghost, nodes, findings, timeouts } = self;
        let view = &mut nodes[id as usize];
        let post = core.status();
        let pre = view.now;
        observe::heard(view, ghost, input);
        let change = observe::log_change(view, input, &post, core);
        let pre_group = view.group;
        observe::group(view, input, &change, core);
        let refused = result.is_err();
        let case = relation::Case {
            id,
            input,
            refused,
            pre: &pre,
            post: &post,
            core,
            view,
            ghost,
            change,
            pre_group,
        };
        relation::judge(judge, &case)?;
        relation::advice::give(&case, findings);
        let proved = relation::proved(&case);
        relation::timer::judge(judge, &case)?;
        timeouts.note(&case);
        observe::update(view, input, &pre, &post, change, proved, core);
        invariant::after_call(judge, ghost, view, id, &pre)
    }

    pub(crate) fn after_compaction(&mut self, id: u64, core: &Core) -> Verdict {
        let view = &mut self.nodes[id as usize];
        view.now.first_index = core.status().first_index;
        Ok(())
    }

    pub(crate) fn nothing_ready(&mut self, id: u64, core: &Core) -> Verdict {
        relation::ready::nothing(&self.judge, &self.nodes[id as usize], id, core)
    }

    pub(crate) fn on_ready(&mut self, id: u64, ready: &Ready, core: &Core) -> Verdict {
        self.after_call(id, Input::Ready, &Ok(()), core)?;
        let Checker { judge, ghost, nodes, findings, .. } = self;
        let view = &mut nodes[id as usize];
        relation::ready::states(judge, view, id, ready, findings)?;
        relation::ready::snapshot(judge, view, id, ready)?;
        relation::ready::entries(judge, view, ghost, id, ready)?;
        invariant::conf_change::on_ready(judge, view, id, ready)?;
        relation::messages::judge(judge, view, ghost, id, ready, findings)?;
        relation::ready::committed(judge, view, id, ready)?;
        invariant::read::on_ready(judge, view, id, ready)?;
        observe::handed_out(view, ready);
        Ok(())
    }

    pub(crate) fn on_durable(&mut self, id: u64, durable: &Image, from: Index) {
        self.view(id).durable.refresh(durable, from);
    }

    pub(crate) fn on_send(&mut self, id: u64, message: &Message) -> Verdict {
        let Checker { judge, ghost, nodes, .. } = self;
        invariant::durable::on_send(judge, &nodes[id as usize], id, message)?;
        invariant::one_vote::on_send(judge, ghost, id, message)?;
        invariant::committed::on_send(judge, ghost, nodes, id, message)
    }

    pub(crate) fn on_apply(&mut self, id: u64, entry: &Entry, digest: u64) -> Verdict {
        let Checker { judge, ghost, nodes, .. } = self;
        let at = LogId { term: entry.term, index: entry.index };
        invariant::committed::on_apply(judge, ghost, nodes, id, at, digest)
    }
}

/// Remembers a broken `Should` rule, once for each peer.
pub(crate) fn advise(
    findings: &mut Vec<Violation>,
    rule: &'static Rule,
    node: u64,
    seen: impl FnOnce() -> String,
) {
    debug_assert_eq!(rule.strength, Strength::Should);
    if !findings.iter().any(|finding| finding.rule.id == rule.id && finding.node == node) {
        findings.push(Violation { rule, node, seen: seen() });
    }
}
