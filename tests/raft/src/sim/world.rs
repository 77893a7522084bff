//! The simulated world: peers, network, clients and time, driven by one queue of events.

use harness::links::Weather;
use harness::plan::{Clock, TICK_US};
use harness::queue::Queue;
use harness::record::Recorder;
use harness::rng::{self, Noise};
use proto::eraftpb::Message;
use raft::{Role, Status};
use verdict::{Cost, Layers, Plan, Step};

use super::acts::Acts;
use super::budget::Budget;
use super::client::Clients;
use super::event::{End, Event};
use super::net::Net;
use super::node::Node;
use super::profile::SimTest;
use crate::check::{Checker, Setup, Violation};

/// Why the world stopped in the middle of an event.
#[derive(Debug)]
pub enum Stop {
    /// A promise was broken.
    Broken(Box<Violation>),
    /// The fuse of the peer at hand burnt down: it dies here.
    Died,
}

impl From<Violation> for Stop {
    fn from(violation: Violation) -> Stop {
        Stop::Broken(Box::new(violation))
    }
}

/// What is being done right now, for the report of a panic.
#[derive(Clone, Debug, Default)]
pub struct Doing {
    /// Peer whose code runs; 0 if none.
    pub node: u64,
    /// Call, as in `step`.
    pub call: &'static str,
    /// The message, if it is a step.
    pub message: Option<Box<Message>>,
    /// Its number.
    pub number: u64,
    /// Seam calls that went through within the event at hand.
    pub seams: u64,
    /// `Ready`s within the event at hand, before this one.
    pub readies: u32,
    /// Times that entries were applied within the event at hand, before this one.
    pub applies: u32,
}

/// One run.
pub struct World<'a> {
    /// Test that the run belongs to.
    pub test: &'a SimTest,
    /// What decides it.
    pub plan: &'a Plan,
    /// Checks that are on.
    pub layers: Layers,
    /// All chance.
    pub noise: Noise,
    /// Virtual time.
    pub now: u64,
    /// What happens next.
    pub queue: Queue<Event>,
    /// Messages on their way.
    pub net: Net,
    /// Peers, by position: peer `id` is at `id - 1`.
    pub nodes: Vec<Node>,
    /// The checks inside the calls.
    pub checker: Checker,
    /// The commands.
    pub clients: Clients,
    /// Where in the play we are.
    pub acts: Acts,
    /// What the run has used up.
    pub budget: Budget,
    /// Digest of all events so far.
    pub hash: u64,
    /// For the scorecard.
    pub cost: Cost,
    /// Writes everything down, in runs that are to be told.
    pub recorder: Option<Box<Recorder>>,
    /// What is being done.
    pub doing: Doing,
    /// Disks and state machines are as fast as in the plan; otherwise never slow.
    pub slow_machines: bool,
}

impl<'a> World<'a> {
    /// The world of a plan, before anything happened.
    pub fn new(test: &'a SimTest, plan: &'a Plan, layers: Layers) -> World<'a> {
        let noise = Noise(plan.noise);
        let voters: Vec<u64> = (1..=plan.knobs.nodes).collect();
        World {
            test,
            plan,
            layers,
            noise,
            now: 0,
            queue: Queue::default(),
            net: Net::new(noise, Weather::of(&plan.knobs)),
            nodes: Vec::new(),
            checker: Checker::new(
                Setup { voters, election_ticks: plan.knobs.election_ticks, face: test.face },
                layers,
            ),
            clients: Clients::default(),
            acts: Acts::new(&plan.knobs),
            budget: Budget::default(),
            hash: rng::fold(0, plan.knobs.nodes),
            cost: Cost { runs: 1, ..Cost::default() },
            recorder: None,
            doing: Doing::default(),
            slow_machines: true,
        }
    }

    /// Plays the plan to its end.
    pub fn run(&mut self) -> Result<(), Violation> {
        let played = if self.plan.schedule.is_empty() { self.play() } else { self.play_schedule() };
        self.cost.messages = self.net.count;
        self.cost.ticks = self.now / TICK_US;
        self.cost.committed = self.clients.committed();
        match played {
            Ok(()) => Ok(()),
            Err(Stop::Broken(violation)) => Err(*violation),
            Err(Stop::Died) => unreachable!("a death is handled where it happens"),
        }
    }

    fn play(&mut self) -> Result<(), Stop> {
        for id in 1..=self.plan.knobs.nodes {
            self.add_node(id);
        }
        for i in 0..self.nodes.len() {
            self.start(i)?;
        }
        self.schedule_plan();
        while !self.acts.is_over() {
            let Some((at, event)) = self.queue.pop() else { break };
            self.now = at;
            self.cost.events += 1;
            self.check_budget()?;
            self.dispatch(event)?;
        }
        Ok(())
    }

    /// Puts what the plan says into the queue.
    fn schedule_plan(&mut self) {
        for (index, fault) in self.plan.faults.iter().enumerate() {
            self.queue.push(fault.at_us, Event::Fault { index });
        }
        for (index, operation) in self.plan.operations.iter().enumerate() {
            self.queue.push(operation.at_us, Event::Operation { index, attempt: 0 });
        }
        self.queue.push(self.plan.knobs.chaos_ms * 1_000, Event::Watch);
    }

    /// A process for peer `id`, not yet started; its ticks run from now on. Ids come in order.
    pub fn add_node(&mut self, id: u64) {
        let node = self.nodes.len();
        assert_eq!(id, node as u64 + 1, "peers are numbered in the order in which they are added");
        let voters: Vec<u64> = (1..=self.plan.knobs.nodes).collect();
        let Clock { tick_us, first_us } = Clock::of(id, &self.plan.knobs, self.noise);
        self.nodes.push(Node::new(id, &voters, tick_us));
        if self.plan.schedule.is_empty() {
            self.queue.push(self.now - self.now % TICK_US + first_us, Event::Tick { node });
        }
    }

    fn dispatch(&mut self, event: Event) -> Result<(), Stop> {
        if let Some(i) = self.meets_paused(event) {
            self.nodes[i].backlog.push(event);
            return Ok(());
        }
        match event {
            Event::Tick { node } => self.on_tick(node),
            Event::Deliver { slot } => self.on_deliver(slot),
            Event::DiskDone { node, life } => self.on_disk_done(node, life),
            Event::ApplyDone { node, life } => self.on_apply_done(node, life),
            Event::Report { node, life, to, what } => self.on_report(node, life, to, what),
            Event::Fault { index } => self.on_fault(index),
            Event::End { what } => self.on_end(what),
            Event::Operation { index, attempt } => self.on_operation(index, attempt),
            Event::Watch => self.on_watch(),
            Event::Destroy { node } => self.on_destroy(node),
        }
    }

    /// The paused peer that the event is for. Ticks do not wait: a stopped clock loses them.
    fn meets_paused(&self, event: Event) -> Option<usize> {
        let node = match event {
            Event::Deliver { slot } => self.net.receiver(slot) as usize - 1,
            Event::DiskDone { node, .. } | Event::ApplyDone { node, .. } | Event::Report { node, .. } => node,
            _ => return None,
        };
        self.nodes.get(node).is_some_and(|node| node.paused > 0).then_some(node)
    }

    /// Goes through what arrived at a peer while it was paused.
    pub fn catch_up(&mut self, i: usize) -> Result<(), Stop> {
        for event in std::mem::take(&mut self.nodes[i].backlog) {
            self.dispatch(event)?;
        }
        Ok(())
    }

    /// Does something at peer `i`, and lets it die if its fuse burns down on the way.
    pub fn at(&mut self, i: usize, act: impl FnOnce(&mut Self) -> Result<(), Stop>) -> Result<(), Stop> {
        self.doing.seams = 0;
        match act(self) {
            Err(Stop::Died) => self.die(i),
            Err(broken) => Err(broken),
            Ok(()) => {
                self.doing.node = 0;
                Ok(())
            }
        }
    }

    /// Folds an event and the state it left behind into the trace hash.
    pub fn fold_event(&mut self, i: usize, kind: u64, detail: u64) {
        let mut hash = rng::fold(self.hash, self.now);
        hash = rng::fold(hash, kind << 32 | i as u64);
        hash = rng::fold(hash, detail);
        if let Some(status) = self.nodes[i].status() {
            hash = fold_status(hash, &status);
        }
        self.hash = hash;
        if let Some(recorder) = &mut self.recorder {
            recorder.mark(hash);
        }
    }

    /// Writes a step down, for schedules.
    pub fn took(&mut self, step: Step) {
        (self.doing.readies, self.doing.applies) = (0, 0);
        if let Some(recorder) = &mut self.recorder {
            recorder.took(step);
        }
    }

    /// Writes a condition of the step at hand down.
    pub fn took_before(&mut self, step: Step) {
        if let Some(recorder) = &mut self.recorder {
            recorder.took_before(step);
        }
    }

    /// Position of the peer with the highest term among those that believe they lead; paused ones lead too.
    pub fn leader(&self) -> Option<usize> {
        let leaders = self.nodes.iter().enumerate().filter(|(_, node)| node.leads());
        leaders.max_by_key(|(_, node)| node.status().map_or(0, |status| status.term)).map(|(i, _)| i)
    }

    /// When a crash, a pause or a cut of the given length ends: never after the healing.
    pub fn end_of(&mut self, for_ms: u64, what: End) {
        self.queue.push(self.now + for_ms * 1_000, Event::End { what });
    }
}

fn fold_status(hash: u64, status: &Status) -> u64 {
    let role = match status.role {
        Role::Follower => 1,
        Role::PreCandidate => 2,
        Role::Candidate => 3,
        Role::Leader => 4,
    };
    let parts = [
        status.term << 3 | role,
        status.vote << 32 | status.leader_id,
        status.commit,
        status.applied,
        status.first_index,
        status.last.index,
        status.last.term << 16 | status.transferee,
    ];
    parts.into_iter().fold(hash, rng::fold)
}
