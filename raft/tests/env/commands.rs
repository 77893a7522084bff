//! What the commands of golden scripts do.

use std::error::Error;

use proto::eraftpb::{ConfChange, ConfChangeType, ConfState, Entry, HardState, Message, MessageType};
use raft::{Config, Index, MemStorage, PeerId, ReadMode, SnapshotStatus, Term, brief};

use super::syntax::{Command, Ids};
use super::{App, Cluster, Result, disk_with, format, snapshot_at};

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

impl goldenscript::Runner for Cluster {
    type Command = Command;

    fn run(
        &mut self,
        command: &Command,
        _: &goldenscript::Context,
    ) -> std::result::Result<String, Box<dyn Error>> {
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
            Command::Conf { id, add, learner, remove } => {
                self.propose_conf_change(*id, *add, *learner, *remove)
            }
            Command::Transfer(id, target) => {
                self.raw(*id)?.transfer_leader(*target);
                self.pump(*id)
            }
            Command::Read(id, context) => {
                self.raw(*id)?.read_index(context.clone().into_bytes());
                self.pump(*id)
            }
            Command::Report { id, unreachable, snapshot, failed } => {
                self.report(*id, *unreachable, *snapshot, *failed)
            }
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
            Command::Status(ids) => {
                self.each(ids.as_ref(), |cluster, id| Ok(cluster.raw(id)?.status().to_string()))
            }
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
                let node = self.node(*id)?;
                node.to_apply.extend(ready.committed_entries.iter().cloned());
                node.held = Some(ready);
                Ok(())
            }
            Command::Write(id) => self.with_held(*id, |cluster, ready| cluster.write(*id, ready)),
            Command::Send(id) => self.with_held(*id, |cluster, ready| {
                cluster.send(ready);
                Ok(())
            }),
            Command::Apply(id) => {
                let entries = std::mem::take(&mut self.node(*id)?.to_apply);
                self.apply(*id, &entries)
            }
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
        let Command::Cluster { nodes, learners, pre_vote, check_quorum, lease_reads, manual, .. } = command
        else {
            unreachable!("called for clusters only")
        };
        let mut config = Config::new(1);
        config.pre_vote = *pre_vote;
        config.check_quorum = *check_quorum;
        config.read_mode = if *lease_reads { ReadMode::Lease } else { ReadMode::Quorum };
        if let Command::Cluster {
            election_ticks,
            heartbeat_ticks,
            max_message_bytes,
            max_ready_bytes,
            max_inflight,
            ..
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
        let kinds = [
            (add, ConfChangeType::AddNode),
            (learner, ConfChangeType::AddLearnerNode),
            (remove, ConfChangeType::RemoveNode),
        ];
        for (peer, kind) in kinds {
            if let Some(node_id) = peer {
                let change = ConfChange { change_type: kind as i32, node_id, ..ConfChange::default() };
                self.raw(id)?.propose_conf_change(&change)?;
            }
        }
        self.pump(id)
    }

    fn report(
        &mut self,
        id: PeerId,
        lost: Option<PeerId>,
        snapshot: Option<PeerId>,
        failed: bool,
    ) -> Result<()> {
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
        let (taken, left) =
            std::mem::take(&mut self.network).into_iter().partition(|message| which.matches(message));
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
        let Command::Step {
            id,
            kind,
            from,
            term,
            prev,
            entries,
            commit,
            reject,
            hint,
            snapshot,
            voters,
            learners,
        } = command
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

    fn each(
        &mut self,
        ids: Option<&Ids>,
        text: impl Fn(&mut Cluster, PeerId) -> Result<String>,
    ) -> Result<()> {
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

    fn with_held(
        &mut self,
        id: PeerId,
        run: impl FnOnce(&mut Cluster, &raft::Ready) -> Result<()>,
    ) -> Result<()> {
        let ready = self.node(id)?.held.take().ok_or("no ready in hand")?;
        run(self, &ready)?;
        self.node(id)?.held = Some(ready);
        Ok(())
    }
}
