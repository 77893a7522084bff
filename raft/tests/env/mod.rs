//! A cluster of peers on one thread, driven by the commands of a golden script, which writes down what happens.
//!
//! Peers talk through `network`, a list of messages on their way in the order in which they were sent. Nothing is
//! delivered until the script says so. After each input a peer does all the work that its [`Ready`]s ask for, in the order
//! that the crate's guide gives, unless the cluster is `manual`: then the script takes each step itself.

mod commands;
mod format;
mod safety;
pub mod syntax;

use std::collections::{BTreeMap, BTreeSet};

use prost::Message as _;
use proto::eraftpb::{
    ConfChange, ConfState, Entry, EntryType, HardState, Message, Snapshot, SnapshotMetadata,
};
use raft::{Config, Index, MemStorage, PeerId, RawNode, Ready, Storage, brief};

use safety::Safety;

/// What a command may fail with: the script shows the text.
pub type Result<T> = std::result::Result<T, Box<dyn std::error::Error>>;

/// All peers, and the network between them.
#[derive(Default)]
pub struct Cluster {
    nodes: BTreeMap<PeerId, Node>,
    network: Vec<Message>,
    /// If not empty: the peers on one side of a cut; all others are on the other side.
    side: BTreeSet<PeerId>,
    /// The script takes the steps of each `Ready` itself.
    manual: bool,
    /// Voters and learners at the very beginning.
    first_members: ConfState,
    template: Option<Config>,
    safety: Safety,
    /// The transcript of the current command.
    out: Vec<String>,
}

/// One peer, with its disk and its state machine, which survive a crash.
struct Node {
    /// `None` while it is down.
    raw: Option<RawNode<MemStorage>>,
    /// The disk while it is down.
    disk: MemStorage,
    /// Last hard state written, to tell what is new.
    written: HardState,
    /// Work handed out and not yet reported as done, for `manual` clusters.
    held: Option<Ready>,
    /// Committed entries handed out and not yet applied, for `manual` clusters.
    to_apply: Vec<Entry>,
    app: App,
}

/// A state machine: it keeps the list of commands that it was given.
#[derive(Default)]
struct App {
    applied: Index,
    commands: Vec<(Index, String)>,
}

impl App {
    fn data(&self, up_to: Index) -> String {
        let covered = self.commands.iter().filter(|(index, _)| *index <= up_to);
        covered.map(|(_, command)| command.as_str()).collect::<Vec<_>>().join(",")
    }
}

impl Cluster {
    fn say(&mut self, line: String) {
        self.out.push(line);
    }

    fn node(&mut self, id: PeerId) -> Result<&mut Node> {
        self.nodes.get_mut(&id).ok_or_else(|| format!("there is no n{id}").into())
    }

    fn raw(&mut self, id: PeerId) -> Result<&mut RawNode<MemStorage>> {
        self.node(id)?.raw.as_mut().ok_or_else(|| format!("n{id} is down").into())
    }

    /// Adds a peer that starts from `disk`.
    fn boot(&mut self, id: PeerId, disk: MemStorage, app: App) -> Result<()> {
        let template = self.template.clone().ok_or("no cluster yet")?;
        let config = Config { id, applied: app.applied, ..template };
        let raw = RawNode::new(&config, disk.clone())?;
        let written = disk.initial_state()?.hard_state;
        self.nodes.insert(id, Node { raw: Some(raw), disk, written, held: None, to_apply: Vec::new(), app });
        Ok(())
    }

    /// Stops a peer. What it has not written is lost.
    fn crash(&mut self, id: PeerId) -> Result<()> {
        let disk = self.raw(id)?.storage().clone();
        let node = self.node(id)?;
        (node.raw, node.held, node.disk) = (None, None, disk);
        node.to_apply.clear();
        self.say(format!("n{id} crashes"));
        Ok(())
    }

    fn restart(&mut self, id: PeerId) -> Result<()> {
        let node = self.nodes.remove(&id).ok_or("no such peer")?;
        self.boot(id, node.disk, node.app)?;
        let status = self.raw(id)?.status();
        self.say(format!("{status}"));
        self.pump(id)
    }

    /// Gives a message to its receiver, if it can reach it.
    fn deliver(&mut self, message: Message) -> Result<()> {
        let cut =
            !self.side.is_empty() && self.side.contains(&message.from) != self.side.contains(&message.to);
        let down = self.nodes.get(&message.to).is_none_or(|node| node.raw.is_none());
        if cut || down {
            self.say(format::lost(&message));
            return Ok(());
        }
        let to = message.to;
        if let Err(why) = self.raw(to)?.step(message) {
            self.say(format!("n{to} refuses: {why}"));
        }
        self.pump(to)
    }

    /// Does all the work that a peer has, unless the script does it itself.
    fn pump(&mut self, id: PeerId) -> Result<()> {
        if !self.manual {
            self.work(id)?;
        }
        Ok(())
    }

    /// Does all the work that a peer has.
    fn work(&mut self, id: PeerId) -> Result<()> {
        while self.raw(id)?.has_ready() {
            let ready = self.raw(id)?.ready();
            self.write(id, &ready)?;
            self.send(&ready);
            self.apply(id, &ready.committed_entries)?;
            self.read(id, &ready);
            let raw = self.raw(id)?;
            raw.advance(ready);
            let applied = self.node(id)?.app.applied;
            self.raw(id)?.advance_apply(applied);
        }
        Ok(())
    }

    /// Step 1 of a `Ready`: role for the transcript; snapshot, entries and hard state to the disk.
    fn write(&mut self, id: PeerId, ready: &Ready) -> Result<()> {
        let status = self.raw(id)?.status();
        if let Some(soft_state) = ready.soft_state {
            self.say(format::role(&status, soft_state));
        }
        if let Some(snapshot) = &ready.snapshot {
            self.install(id, snapshot)?;
        }
        if !ready.entries.is_empty() {
            self.raw(id)?.storage_mut().append(&ready.entries);
            self.say(format!("n{id} append {}", brief(ready.entries.as_slice())));
        }
        if let Some(hard_state) = ready.hard_state {
            self.raw(id)?.storage_mut().set_hard_state(hard_state);
            let before = std::mem::replace(&mut self.node(id)?.written, hard_state);
            if (before.term, before.vote) != (hard_state.term, hard_state.vote) {
                self.say(format::vote(id, hard_state));
            }
            if before.commit != hard_state.commit {
                let term = self.raw(id)?.storage().term(hard_state.commit)?;
                self.say(format!("n{id} commit {}@{term}", hard_state.commit));
            }
        }
        Ok(())
    }

    fn install(&mut self, id: PeerId, snapshot: &Snapshot) -> Result<()> {
        self.raw(id)?.storage_mut().apply_snapshot(snapshot.clone());
        let data = snapshot.data.escape_ascii().to_string();
        self.say(format!("n{id} install {} [{data}]", brief(snapshot)));
        let meta = snapshot.metadata.clone().unwrap_or_default();
        self.node(id)?.app = App { applied: meta.index, commands: vec![(meta.index, data)] };
        Ok(())
    }

    /// Step 2 of a `Ready`.
    fn send(&mut self, ready: &Ready) {
        for message in &ready.messages {
            self.say(brief(message).to_string());
            self.network.push(message.clone());
        }
    }

    /// Step 3 of a `Ready`.
    fn apply(&mut self, id: PeerId, entries: &[Entry]) -> Result<()> {
        for entry in entries {
            self.safety.on_apply(id, self.nodes.get(&id).map_or(0, |node| node.app.applied), entry)?;
            self.say(format!("n{id} apply {}", brief(entry)));
            if entry.entry_type() == EntryType::EntryConfChange {
                self.apply_conf_change(id, entry)?;
            }
            let app = &mut self.node(id)?.app;
            app.applied = entry.index;
            if entry.entry_type() == EntryType::EntryNormal && !entry.data.is_empty() {
                app.commands.push((entry.index, entry.data.escape_ascii().to_string()));
            }
        }
        Ok(())
    }

    fn read(&mut self, id: PeerId, ready: &Ready) {
        for read in &ready.read_states {
            self.say(format!("n{id} read {} at {}", read.context.escape_ascii(), read.index));
        }
    }

    fn apply_conf_change(&mut self, id: PeerId, entry: &Entry) -> Result<()> {
        let change = ConfChange::decode(entry.data.clone())?;
        let conf_state = self.raw(id)?.apply_conf_change(&change);
        self.say(format!("n{id} members {}", brief(&conf_state)));
        self.raw(id)?.storage_mut().set_conf_state(conf_state);
        Ok(())
    }

    /// Replaces a peer's log up to `index`, which is applied, by a snapshot.
    fn compact(&mut self, id: PeerId, index: Option<Index>) -> Result<()> {
        let app = &self.node(id)?.app;
        let index = index.unwrap_or(app.applied);
        let data = app.data(index);
        self.raw(id)?.storage_mut().compact(index, data.clone().into_bytes().into())?;
        self.say(format!("n{id} compact {index} [{data}]"));
        Ok(())
    }

    /// Checks what must hold at every moment, whatever the script does.
    fn check(&mut self) -> Result<()> {
        for node in self.nodes.values() {
            if let Some(raw) = &node.raw {
                self.safety.on_status(&raw.status())?;
            }
        }
        Ok(())
    }
}

/// A disk that holds entries with the given terms, from index 1 on, all with the same command.
fn disk_with(conf_state: &ConfState, terms: &[u64], fill: &str, hard_state: HardState) -> MemStorage {
    let mut disk = MemStorage::new(&conf_state.voters);
    disk.set_conf_state(conf_state.clone());
    let entry = |(index, &term)| Entry { index, term, data: fill.to_owned().into(), ..Entry::default() };
    disk.append(&(1..).zip(terms).map(entry).collect::<Vec<Entry>>());
    disk.set_hard_state(hard_state);
    disk
}

/// A snapshot that stands at `index`, of `term`.
fn snapshot_at(index: u64, term: u64, conf_state: ConfState, data: &str) -> Snapshot {
    let metadata = SnapshotMetadata { conf_state: Some(conf_state), index, term };
    Snapshot { data: data.to_owned().into(), metadata: Some(metadata) }
}
