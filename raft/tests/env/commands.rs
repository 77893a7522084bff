//! The commands of golden scripts: what each does, and how it is written.

use std::error::Error;
use std::str::FromStr;

use proto::eraftpb::{ConfChange, ConfChangeType, ConfState, Entry, HardState, Message, MessageType};
use raft::{Config, Index, MemStorage, PeerId, ReadMode, SnapshotStatus, Term, brief};

use super::{App, Cluster, Result, disk_with, format, snapshot_at};

/// `1/2/3`, or `all`.
#[derive(Clone, Debug, Default)]
pub struct Ids(Vec<u64>);

impl FromStr for Ids {
    type Err = std::num::ParseIntError;
    fn from_str(text: &str) -> std::result::Result<Ids, Self::Err> {
        if text == "all" || text.is_empty() {
            return Ok(Ids(Vec::new()));
        }
        text.split('/').map(u64::from_str).collect::<std::result::Result<_, _>>().map(Ids)
    }
}

/// `5@2`: index 5 of term 2; a list is `5@2/6@3`.
#[derive(Clone, Debug, Default)]
pub struct Positions(Vec<(Index, Term)>);

impl FromStr for Positions {
    type Err = String;
    fn from_str(text: &str) -> std::result::Result<Positions, String> {
        let one = |part: &str| {
            let (index, term) = part.split_once('@')?;
            Some((index.parse().ok()?, term.parse().ok()?))
        };
        let parts = text.split('/').filter(|part| !part.is_empty());
        parts.map(|part| one(part).ok_or(format!("'{part}' is not index@term"))).collect::<std::result::Result<_, _>>().map(Positions)
    }
}

/// Which messages on their way a command is about: all that match every field given.
#[derive(Debug)]
struct Which {
    from: Option<PeerId>,
    to: Option<PeerId>,
    kind: Option<String>,
}

impl Which {
    fn matches(&self, message: &Message) -> bool {
        self.from.is_none_or(|from| from == message.from)
            && self.to.is_none_or(|to| to == message.to)
            && self.kind.as_ref().is_none_or(|kind| message.msg_type().as_str_name() == *kind)
    }
}

/// A command of a golden script.
#[derive(Debug, goldenscript::Command)]
pub enum Command {
    /// Starts peers 1 to `nodes`, of which `learners` are learners, with the given configuration: `cluster nodes=3`. If a
    /// `leader` is given, it is elected in term 1, and everybody has applied its first entry; the transcript is left out.
    Cluster {
        #[arg(key)]
        nodes: u64,
        #[arg(key, optional)]
        learners: Ids,
        #[arg(key)]
        election_ticks: Option<u32>,
        #[arg(key)]
        heartbeat_ticks: Option<u32>,
        #[arg(key)]
        max_message_bytes: Option<u64>,
        #[arg(key)]
        max_ready_bytes: Option<u64>,
        #[arg(key)]
        max_inflight: Option<usize>,
        #[arg(key, optional)]
        pre_vote: bool,
        #[arg(key, optional)]
        check_quorum: bool,
        #[arg(key, optional)]
        lease_reads: bool,
        #[arg(key, optional)]
        manual: bool,
        #[arg(key)]
        leader: Option<PeerId>,
    },
    /// Starts peer `id`, or starts it again, with a log whose entries have the given `terms`, and `fill` as their command:
    /// `disk 2 terms=1/1/4 term=7`.
    Disk {
        id: PeerId,
        #[arg(key, optional)]
        terms: Ids,
        #[arg(key)]
        term: Option<Term>,
        #[arg(key, optional)]
        vote: PeerId,
        #[arg(key, optional)]
        commit: Index,
        #[arg(key, optional)]
        fill: String,
    },
    /// Starts a peer that is to join, with an empty log and the cluster's first members.
    Start(PeerId),
    /// Stops a peer; what it has not written is lost.
    Crash(PeerId),
    /// Starts a peer from its disk.
    Restart(PeerId),
    /// Lets a peer campaign.
    Campaign(PeerId),
    /// Advances the clocks of some peers by a number of ticks: `tick 1 5`, `tick all`.
    Tick(Ids, #[arg(optional)] Option<u32>),
    /// Proposes commands, one after the other before any work is done: `propose 1 foo bar`.
    Propose(PeerId, Vec<String>),
    /// Proposes a membership change: `conf 1 add=4`.
    Conf {
        id: PeerId,
        #[arg(key)]
        add: Option<PeerId>,
        #[arg(key)]
        learner: Option<PeerId>,
        #[arg(key)]
        remove: Option<PeerId>,
    },
    /// Asks a peer for handing leadership to another: `transfer 1 2`.
    Transfer(PeerId, PeerId),
    /// Asks a peer for a linearizable read: `read 1 a`.
    Read(PeerId, String),
    /// Tells a leader that a message got lost, or how a snapshot arrived: `report 1 snapshot=2 failed=true`.
    Report {
        id: PeerId,
        #[arg(key)]
        unreachable: Option<PeerId>,
        #[arg(key)]
        snapshot: Option<PeerId>,
        #[arg(key, optional)]
        failed: bool,
    },
    /// Replaces a log up to an index, or all that is applied, by a snapshot: `compact 1 3`.
    Compact(PeerId, #[arg(optional)] Option<Index>),
    /// Delivers the messages that are on their way now, or those that match. `copy=true` leaves them on their way, too;
    /// `last=true` takes only the youngest.
    Deliver {
        #[arg(key)]
        from: Option<PeerId>,
        #[arg(key)]
        to: Option<PeerId>,
        #[arg(key)]
        kind: Option<String>,
        #[arg(key, optional)]
        copy: bool,
        #[arg(key, optional)]
        last: bool,
    },
    /// Loses messages, all or those that match.
    Drop {
        #[arg(key)]
        from: Option<PeerId>,
        #[arg(key)]
        to: Option<PeerId>,
        #[arg(key)]
        kind: Option<String>,
    },
    /// Delivers until nothing is on its way, or nothing between the given peers.
    Stabilize(#[arg(optional)] Option<Ids>),
    /// Cuts the network: the given peers on one side, all others on the other.
    Partition(Ids),
    /// Ends the cut.
    Heal,
    /// Gives a made-up message to a peer: `step 2 MsgAppend from=1 term=2 prev=1@1 entries=2@2 commit=1`.
    Step {
        id: PeerId,
        kind: String,
        #[arg(key)]
        from: PeerId,
        #[arg(key)]
        term: Term,
        #[arg(key, optional)]
        prev: Positions,
        #[arg(key, optional)]
        entries: Positions,
        #[arg(key, optional)]
        commit: Index,
        #[arg(key, optional)]
        reject: bool,
        #[arg(key, optional)]
        hint: Index,
        #[arg(key, optional)]
        snapshot: Positions,
        #[arg(key, optional)]
        voters: Ids,
        #[arg(key, optional)]
        learners: Ids,
    },
    /// Shows peers: `status`, `status 1/2`.
    Status(#[arg(optional)] Option<Ids>),
    /// Shows the log on a peer's disk.
    Log(Ids),
    /// Shows what a leader knows of the others.
    Progress(PeerId),
    /// Shows what a state machine holds.
    App(Ids),
    /// Shows the members that a peer knows.
    Members(PeerId),
    /// Shows the messages on their way.
    Messages,
    /// Manual clusters: takes the next `Ready`, and shows it.
    Ready(PeerId),
    /// Manual clusters: writes what the `Ready` in hand asks for.
    Write(PeerId),
    /// Manual clusters: sends its messages.
    Send(PeerId),
    /// Manual clusters: applies its committed entries, without reporting it.
    Apply(PeerId),
    /// Manual clusters: reports it as done.
    Advance(PeerId),
    /// Manual clusters: reports how far the state machine is.
    Applied(PeerId),
    /// Manual clusters: does all the work there is.
    Work(PeerId),
}

impl goldenscript::Runner for Cluster {
    type Command = Command;

    fn run(&mut self, command: &Command, _: &goldenscript::Context) -> std::result::Result<String, Box<dyn Error>> {
        self.out.clear();
        self.execute(command)?;
        self.check()?;
        let mut text = self.out.join("\n");
        if !text.is_empty() {
            text.push('\n');
        }
        Ok(text)
    }
}

impl Cluster {
    /// The table of commands.
    fn execute(&mut self, command: &Command) -> Result<()> {
        match command {
            Command::Cluster { .. } => self.start_cluster(command),
            Command::Disk { .. } => self.start_with(command),
            Command::Start(id) => {
                let disk = disk_with(&self.first_members.clone(), &[], "", HardState::default());
                self.boot(*id, disk, App::default())
            }
            Command::Crash(id) => self.crash(*id),
            Command::Restart(id) => self.restart(*id),
            Command::Campaign(id) => {
                self.raw(*id)?.campaign()?;
                self.pump(*id)
            }
            Command::Tick(ids, ticks) => self.tick(ids, ticks.unwrap_or(1)),
            Command::Propose(id, commands) => self.propose(*id, commands),
            Command::Conf { id, add, learner, remove } => self.propose_conf_change(*id, *add, *learner, *remove),
            Command::Transfer(id, target) => {
                self.raw(*id)?.transfer_leader(*target);
                self.pump(*id)
            }
            Command::Read(id, context) => {
                self.raw(*id)?.read_index(context.clone().into_bytes());
                self.pump(*id)
            }
            Command::Report { id, unreachable, snapshot, failed } => self.report(*id, *unreachable, *snapshot, *failed),
            Command::Compact(id, index) => self.compact(*id, *index),
            Command::Deliver { from, to, kind, copy, last } => {
                self.deliver_some(&Which { from: *from, to: *to, kind: kind.clone() }, *copy, *last)
            }
            Command::Drop { from, to, kind } => {
                for message in self.take(&Which { from: *from, to: *to, kind: kind.clone() }) {
                    self.say(format::lost(&message));
                }
                Ok(())
            }
            Command::Stabilize(ids) => self.stabilize(ids.as_ref()),
            Command::Partition(ids) => {
                self.side = ids.0.iter().copied().collect();
                Ok(())
            }
            Command::Heal => {
                self.side.clear();
                Ok(())
            }
            Command::Step { .. } => self.step_made_up(command),
            _ => self.show_or_work(command),
        }
    }

    /// The table of commands that show something, and of those for manual clusters.
    fn show_or_work(&mut self, command: &Command) -> Result<()> {
        match command {
            Command::Status(ids) => self.each(ids.as_ref(), |cluster, id| Ok(cluster.raw(id)?.status().to_string())),
            Command::Log(ids) => self.each(Some(ids), |cluster, id| cluster.show_log(id)),
            Command::App(ids) => self.each(Some(ids), |cluster, id| {
                let app = &cluster.node(id)?.app;
                Ok(format!("n{id} applied={} [{}]", app.applied, app.data(Index::MAX)))
            }),
            Command::Progress(id) => self.show_progress(*id),
            Command::Members(id) => {
                let conf_state = self.raw(*id)?.conf_state();
                self.say(format!("n{id} {}", brief(&conf_state)));
                Ok(())
            }
            Command::Messages => {
                self.out = self.network.iter().map(|message| brief(message).to_string()).collect();
                Ok(())
            }
            Command::Ready(id) => {
                if !self.raw(*id)?.has_ready() {
                    self.say(format!("n{id} nothing to do"));
                    return Ok(());
                }
                let ready = self.raw(*id)?.ready();
                self.out.extend(format::ready(*id, &ready));
                self.node(*id)?.held = Some(ready);
                Ok(())
            }
            Command::Write(id) => self.with_held(*id, |cluster, ready| cluster.write(*id, ready)),
            Command::Send(id) => self.with_held(*id, |cluster, ready| {
                cluster.send(ready);
                Ok(())
            }),
            Command::Apply(id) => self.with_held(*id, |cluster, ready| cluster.apply(*id, ready)),
            Command::Advance(id) => {
                let ready = self.node(*id)?.held.take().ok_or("no ready in hand")?;
                self.raw(*id)?.advance(ready);
                Ok(())
            }
            Command::Applied(id) => {
                let applied = self.node(*id)?.app.applied;
                self.raw(*id)?.advance_apply(applied);
                Ok(())
            }
            Command::Work(id) => self.work(*id),
            other => Err(format!("{other:?} has no handler").into()),
        }
    }

    fn start_cluster(&mut self, command: &Command) -> Result<()> {
        let Command::Cluster { nodes, learners, pre_vote, check_quorum, lease_reads, manual, .. } = command else {
            unreachable!("called for clusters only")
        };
        let mut config = Config::new(1);
        config.pre_vote = *pre_vote;
        config.check_quorum = *check_quorum;
        config.read_mode = if *lease_reads { ReadMode::Lease } else { ReadMode::Quorum };
        if let Command::Cluster {
            election_ticks, heartbeat_ticks, max_message_bytes, max_ready_bytes, max_inflight, ..
        } = command
        {
            config.election_ticks = election_ticks.unwrap_or(config.election_ticks);
            config.heartbeat_ticks = heartbeat_ticks.unwrap_or(config.heartbeat_ticks);
            config.max_message_bytes = max_message_bytes.unwrap_or(config.max_message_bytes);
            config.max_ready_bytes = max_ready_bytes.unwrap_or(config.max_ready_bytes);
            config.max_inflight_messages = max_inflight.unwrap_or(config.max_inflight_messages);
        }
        self.template = Some(config);
        self.manual = *manual;
        let voters = (1..=*nodes).filter(|id| !learners.0.contains(id)).collect();
        self.first_members = ConfState { voters, learners: learners.0.clone() };
        for id in 1..=*nodes {
            let disk = disk_with(&self.first_members, &[], "", HardState::default());
            self.boot(id, disk, App::default())?;
        }
        if let Command::Cluster { leader: Some(leader), .. } = command {
            self.elect(*leader)?;
        }
        Ok(())
    }

    /// Makes `leader` the leader, and leaves everybody with nothing to do.
    fn elect(&mut self, leader: PeerId) -> Result<()> {
        let manual = std::mem::take(&mut self.manual);
        self.raw(leader)?.campaign()?;
        self.work(leader)?;
        self.stabilize(None)?;
        self.out.clear();
        self.manual = manual;
        Ok(())
    }

    fn start_with(&mut self, command: &Command) -> Result<()> {
        let Command::Disk { id, terms, term, vote, commit, fill } = command else {
            unreachable!("called for disks only")
        };
        let term = term.or(terms.0.last().copied()).unwrap_or(0);
        let hard_state = HardState { term, vote: *vote, commit: *commit };
        let disk: MemStorage = disk_with(&self.first_members, &terms.0, fill, hard_state);
        self.boot(*id, disk, App::default())?;
        self.pump(*id)
    }

    fn tick(&mut self, ids: &Ids, ticks: u32) -> Result<()> {
        for _ in 0..ticks {
            for id in self.ids(Some(ids)) {
                self.raw(id)?.tick();
                self.pump(id)?;
            }
        }
        Ok(())
    }

    fn propose(&mut self, id: PeerId, commands: &[String]) -> Result<()> {
        for command in commands {
            self.raw(id)?.propose(command.clone().into_bytes())?;
        }
        self.pump(id)
    }

    fn propose_conf_change(
        &mut self,
        id: PeerId,
        add: Option<PeerId>,
        learner: Option<PeerId>,
        remove: Option<PeerId>,
    ) -> Result<()> {
        let kinds =
            [(add, ConfChangeType::AddNode), (learner, ConfChangeType::AddLearnerNode), (remove, ConfChangeType::RemoveNode)];
        for (peer, kind) in kinds {
            if let Some(node_id) = peer {
                let change = ConfChange { change_type: kind as i32, node_id, ..ConfChange::default() };
                self.raw(id)?.propose_conf_change(&change)?;
            }
        }
        self.pump(id)
    }

    fn report(&mut self, id: PeerId, lost: Option<PeerId>, snapshot: Option<PeerId>, failed: bool) -> Result<()> {
        if let Some(peer) = lost {
            self.raw(id)?.report_unreachable(peer);
        }
        if let Some(peer) = snapshot {
            let status = if failed { SnapshotStatus::Failure } else { SnapshotStatus::Finish };
            self.raw(id)?.report_snapshot(peer, status);
        }
        self.pump(id)
    }

    /// Takes the matching messages off the network.
    fn take(&mut self, which: &Which) -> Vec<Message> {
        let (taken, left) = std::mem::take(&mut self.network).into_iter().partition(|message| which.matches(message));
        self.network = left;
        taken
    }

    fn deliver_some(&mut self, which: &Which, copy: bool, last: bool) -> Result<()> {
        let mut taken = self.take(which);
        if last {
            let youngest = taken.pop().ok_or("nothing to deliver")?;
            self.network.append(&mut taken);
            taken = vec![youngest];
        }
        if copy {
            self.network.extend(taken.iter().cloned());
        }
        if taken.is_empty() {
            return Err("nothing to deliver".into());
        }
        taken.into_iter().try_for_each(|message| self.deliver(message))
    }

    fn stabilize(&mut self, ids: Option<&Ids>) -> Result<()> {
        let ids = self.ids(ids);
        for _ in 0..10_000 {
            let inside = |message: &Message| ids.contains(&message.from) && ids.contains(&message.to);
            let Some(first) = self.network.iter().position(inside) else { return Ok(()) };
            let message = self.network.remove(first);
            self.deliver(message)?;
        }
        Err("still not stable after 10000 messages".into())
    }

    fn step_made_up(&mut self, command: &Command) -> Result<()> {
        let Command::Step { id, kind, from, term, prev, entries, commit, reject, hint, snapshot, voters, learners } =
            command
        else {
            unreachable!("called for steps only")
        };
        let kind = MessageType::from_str_name(kind).ok_or_else(|| format!("no message type {kind}"))?;
        let (index, log_term) = prev.0.first().copied().unwrap_or_default();
        let entry = |&(index, term): &(Index, Term)| Entry { index, term, ..Entry::default() };
        let conf_state = ConfState { voters: voters.0.clone(), learners: learners.0.clone() };
        let snapshot = snapshot.0.first().map(|&(index, term)| snapshot_at(index, term, conf_state, "snap"));
        let message = Message {
            msg_type: kind as i32,
            to: *id,
            from: *from,
            term: *term,
            index,
            log_term,
            entries: entries.0.iter().map(entry).collect(),
            commit: *commit,
            reject: *reject,
            reject_hint: *hint,
            snapshot,
            ..Message::default()
        };
        self.raw(*id)?.step(message)?;
        self.pump(*id)
    }

    /// The given peers; all that are up if none are given.
    fn ids(&self, ids: Option<&Ids>) -> Vec<PeerId> {
        match ids {
            Some(Ids(ids)) if !ids.is_empty() => ids.clone(),
            _ => self.nodes.iter().filter(|(_, node)| node.raw.is_some()).map(|(&id, _)| id).collect(),
        }
    }

    fn each(&mut self, ids: Option<&Ids>, text: impl Fn(&mut Cluster, PeerId) -> Result<String>) -> Result<()> {
        for id in self.ids(ids) {
            let line = text(self, id)?;
            self.say(line);
        }
        Ok(())
    }

    fn show_log(&mut self, id: PeerId) -> Result<String> {
        let disk = self.raw(id)?.storage();
        let (first, last) = (raft::Storage::first_index(disk)?, raft::Storage::last_index(disk)?);
        let entries = raft::Storage::entries(disk, first, last + 1, u64::MAX)?;
        Ok(format!("n{id} first={first} {}", brief(entries.as_slice())))
    }

    fn show_progress(&mut self, id: PeerId) -> Result<()> {
        let conf_state = self.raw(id)?.conf_state();
        for peer in conf_state.voters.into_iter().chain(conf_state.learners).filter(|&peer| peer != id) {
            let progress = self.raw(id)?.progress(peer).ok_or_else(|| format!("n{id} does not lead"))?;
            self.say(format::progress(peer, &progress));
        }
        Ok(())
    }

    fn with_held(&mut self, id: PeerId, run: impl FnOnce(&mut Cluster, &raft::Ready) -> Result<()>) -> Result<()> {
        let ready = self.node(id)?.held.take().ok_or("no ready in hand")?;
        run(self, &ready)?;
        self.node(id)?.held = Some(ready);
        Ok(())
    }
}
