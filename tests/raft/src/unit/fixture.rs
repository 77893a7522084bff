//! One peer with its disk, and a host that does everything right: after each event it writes what `Ready` hands out,
//! syncs, sends, applies, advances.

use bytes::Bytes;
use harness::panics;
use prost::Message as _;
use proto::eraftpb::{ConfChange, Entry, EntryType, HardState, Message, MessageType};
use raft::{Config, Index, LogId, PeerId, ProgressStatus, Ready, Result, Role, Status, Term};

use super::mate::Mate;
use super::msg::{self, at};
use super::{Check, Promise, ensure, story};
use crate::core::{Core, Face};
use crate::disk::{Disk, chain};

/// Election timeout of every peer here, in ticks, unless a test sets another: the default of `Config`.
pub const ELECTION: u32 = 10;
/// Heartbeat interval of every peer here, in ticks, unless a test sets another.
pub const HEARTBEAT: u32 = 3;
/// More host rounds for one event, or more messages for one exchange, than any honest peer needs.
const STORM: usize = 5_000;

const STARTS: Promise = Promise::new(
    "handout",
    "a peer starts from what its storage holds",
    "a store that restarts could not bring its peers back",
);
const QUIET: Promise = Promise::new(
    "handout",
    "after an event, has_ready() becomes false once everything that the event caused is handed out",
    "the store would spin on this peer for ever",
);
const SETTLES: Promise = Promise::new(
    "§5.3",
    "with a network that delivers everything, an exchange of messages comes to an end",
    "peers that answer each other for ever take the whole network",
);
const CAMPAIGNS: Promise = Promise::new(
    "§5.2",
    "a peer that is told to campaign raises its term by one and becomes candidate, or leader if it is alone",
    "without candidates there is never a leader",
);
const WINS: Promise = Promise::new(
    "§5.2",
    "a candidate becomes leader once a majority, itself included, has granted its vote",
    "the group would have no leader",
);
const TIMES_OUT: Promise = Promise::new(
    "§5.2",
    "a peer that hears nothing campaigns after election_ticks to 2 * election_ticks ticks",
    "a group whose leader is gone would stay without one",
);

/// How a peer starts. `Setup::bare(1, 3)` is peer 1 of the group {1, 2, 3}, at its first start.
#[derive(Clone, Debug)]
pub struct Setup {
    face: Face,
    voters: Vec<PeerId>,
    base: LogId,
    log: Vec<Term>,
    hard: HardState,
    /// Change what a test needs.
    pub config: Config,
}

impl Setup {
    fn new(face: Face, id: PeerId, voters: u64) -> Setup {
        let config = Config { heartbeat_ticks: HEARTBEAT, election_ticks: ELECTION, ..Config::new(id) };
        let voters = (1..=voters).collect();
        Setup { face, voters, base: at(0, 0), log: Vec::new(), hard: HardState::default(), config }
    }

    /// Driven below `RawNode`, as parts 2aa and 2ab are.
    pub fn bare(id: PeerId, voters: u64) -> Setup {
        Setup::new(Face::Bare, id, voters)
    }

    /// Driven through `RawNode`.
    pub fn raw(id: PeerId, voters: u64) -> Setup {
        Setup::new(Face::Raw, id, voters)
    }

    /// The members of the group, if not `1..=n`.
    pub fn voters(mut self, voters: &[PeerId]) -> Setup {
        self.voters = voters.to_vec();
        self
    }

    /// Term, vote and commit index on disk.
    pub fn hard(mut self, term: Term, vote: PeerId, commit: Index) -> Setup {
        self.hard = HardState { term, vote, commit };
        self
    }

    /// Terms of the entries on disk, the first behind the snapshot. Raises the term on disk to the last of them.
    pub fn log(mut self, terms: &[Term]) -> Setup {
        self.log = terms.to_vec();
        self.hard.term = self.hard.term.max(terms.last().copied().unwrap_or(0));
        self
    }

    /// What came before this position is in a snapshot on disk, applied.
    pub fn compacted(mut self, base: LogId) -> Setup {
        self.base = base;
        self.hard.term = self.hard.term.max(base.term);
        self.hard.commit = self.hard.commit.max(base.index);
        self.config.applied = self.config.applied.max(base.index);
        self
    }

    /// The state machine has applied this much, so that much is committed.
    pub fn applied(mut self, index: Index) -> Setup {
        self.config.applied = index;
        self.hard.commit = self.hard.commit.max(index);
        self
    }

    /// Seed of the election timeouts.
    pub fn seed(mut self, seed: u64) -> Setup {
        self.config.seed = seed;
        self
    }

    /// Starts the peer.
    pub fn start(self) -> Check<Peer> {
        let mut disk = Disk::new(&self.voters);
        if self.base.index > 0 {
            disk.install_snapshot(msg::snapshot_of(self.base, &self.voters));
        }
        disk.append(&msg::entries(self.base.index + 1, &self.log));
        disk.set_hard_state(self.hard);
        let applied = self.config.applied;
        if applied > self.base.index {
            disk.set_applied(at(applied, disk.view().term(applied).unwrap_or(0)), 0, None);
        }
        disk.sync();
        let log: Vec<LogId> = (self.base.index + 1..).zip(&self.log).map(|(i, &term)| at(i, term)).collect();
        story::note(format!(
            "peer {} of {:?} starts: term {}, vote {}, commit {}, log {}",
            self.config.id,
            self.voters,
            self.hard.term,
            self.hard.vote,
            self.hard.commit,
            msg::describe_log(&log)
        ));
        Peer::open(self.face, self.config, disk)
    }

    /// Starts the peer and makes it leader of the next term. What it has sent so far is forgotten.
    pub fn leader(self) -> Check<Peer> {
        let mut peer = self.start()?;
        peer.wins()?;
        peer.sends();
        Ok(peer)
    }
}

/// A peer, its disk, and its host.
pub struct Peer {
    /// The core; for tests that play the host themselves.
    pub core: Core,
    /// What the state machine was given, in order.
    pub applied: Vec<Entry>,
    /// Result of the last input.
    pub answer: Result<()>,
    face: Face,
    config: Config,
    outbox: Vec<Message>,
}

impl Peer {
    fn open(face: Face, config: Config, disk: Disk) -> Check<Peer> {
        let core = match Core::start(face, &config, disk) {
            Ok(core) => core,
            Err(error) => return Err(STARTS.broken(format!("start failed: {error}"))),
        };
        let mut peer = Peer { core, applied: Vec::new(), answer: Ok(()), face, config, outbox: Vec::new() };
        peer.round()?;
        Ok(peer)
    }

    /// This peer.
    pub fn id(&self) -> PeerId {
        self.config.id
    }

    /// What the peer says of itself.
    pub fn status(&self) -> Status {
        self.core.status()
    }

    /// What it is.
    pub fn role(&self) -> Role {
        self.status().role
    }

    /// Its term.
    pub fn term(&self) -> Term {
        self.status().term
    }

    /// Its commit index.
    pub fn commit(&self) -> Index {
        self.status().commit
    }

    /// Its log, as it stands on disk.
    pub fn log(&self) -> Vec<LogId> {
        self.disk_entries().iter().map(|entry| at(entry.index, entry.term)).collect()
    }

    /// The entries on disk.
    pub fn disk_entries(&self) -> Vec<Entry> {
        self.core.storage().durable().entries.clone()
    }

    /// Term, vote and commit index on disk.
    pub fn disk_state(&self) -> HardState {
        self.core.storage().durable().hard_state
    }

    /// What it knows of another peer's log, while it leads.
    pub fn progress(&self, peer: PeerId) -> Option<ProgressStatus> {
        self.core.progress(peer)
    }

    /// In a line, for *what was seen*.
    pub fn describe(&self) -> String {
        let Status { id, term, vote, role, leader_id, commit, .. } = self.status();
        format!("peer {id} is {role:?} in term {term}, vote {vote}, leader {leader_id}, commit {commit}")
    }

    /// A message arrives. Whether the peer accepted it is in `answer`.
    pub fn hears(&mut self, message: Message) -> Check {
        story::note(format!("peer {} hears {}", self.id(), msg::describe(&message)));
        self.answer = self.core.step(message);
        self.round()
    }

    /// A message arrives that correct peers never send. Refusing it by a panic is legal: returns whether the peer took it
    /// without one. The host has had no turn yet then.
    pub fn survives(&mut self, message: Message) -> bool {
        story::note(format!("peer {} hears {}, which cannot be", self.id(), msg::describe(&message)));
        match panics::catch(|| self.core.step(message)) {
            Ok(answer) => self.answer = answer,
            Err(panic) if panic.not_implemented().is_some() => panic!("{}", panic.message),
            Err(_) => return false,
        }
        true
    }

    /// Time passes.
    pub fn tick(&mut self, ticks: u32) -> Check {
        for _ in 0..ticks {
            let before = self.status();
            self.core.tick();
            let after = self.status();
            if (before.term, before.role) != (after.term, after.role) {
                story::note(format!(
                    "peer {} ticks, and becomes {:?} of term {}",
                    self.id(),
                    after.role,
                    after.term
                ));
            }
            self.round()?;
        }
        Ok(())
    }

    /// Lets time pass until the peer campaigns, and returns how many ticks that took.
    pub fn until_campaign(&mut self) -> Check<u32> {
        let term = self.term();
        for ticks in 1..=2 * self.config.election_ticks {
            self.tick(1)?;
            if self.term() > term {
                return Ok(ticks);
            }
        }
        Err(TIMES_OUT.broken(format!(
            "{} ticks passed without a word from anybody, and peer {} is still in term {term}",
            2 * self.config.election_ticks,
            self.id()
        )))
    }

    /// The host tells it to campaign now.
    pub fn campaigns(&mut self) -> Check {
        let before = self.status();
        story::note(format!("peer {} is told to campaign", self.id()));
        self.answer = self.core.campaign();
        self.round()?;
        let now = self.status();
        let stands = matches!(now.role, Role::Candidate | Role::Leader) && now.term == before.term + 1;
        ensure!(CAMPAIGNS, stands, "told to campaign in term {}; now {}", before.term, self.describe());
        Ok(())
    }

    /// Campaigns, and gets the votes of all others.
    pub fn wins(&mut self) -> Check {
        self.campaigns()?;
        let term = self.term();
        let others: Vec<PeerId> = self.others();
        for &other in &others {
            if self.role() != Role::Leader {
                self.hears(msg::grant(other, self.id(), term))?;
            }
        }
        let won = self.role() == Role::Leader && self.term() == term;
        ensure!(WINS, won, "peers {others:?} granted their votes for term {term}; {}", self.describe());
        Ok(())
    }

    /// The other voters, by the membership that the core reports.
    pub fn others(&self) -> Vec<PeerId> {
        self.core.conf_state().voters.into_iter().filter(|&peer| peer != self.id()).collect()
    }

    /// A client asks for an entry. Whether it was accepted is in `answer`.
    pub fn proposes(&mut self, data: &str) -> Check {
        story::note(format!("peer {} is asked to propose \"{data}\"", self.id()));
        self.answer = self.core.propose(Bytes::copy_from_slice(data.as_bytes()));
        self.round()
    }

    /// The host asks for a membership change. Whether it was accepted is in `answer`.
    pub fn proposes_change(&mut self, change: &ConfChange) -> Check {
        story::note(format!("peer {} is asked for {:?} {}", self.id(), change.change_type(), change.node_id));
        self.answer = self.core.propose_conf_change(change);
        self.round()
    }

    /// What it has sent since the last call.
    pub fn sends(&mut self) -> Vec<Message> {
        std::mem::take(&mut self.outbox)
    }

    /// Those of one kind that it has sent since the last call; the others are forgotten.
    pub fn sends_kind(&mut self, kind: MessageType) -> Vec<Message> {
        self.sends().into_iter().filter(|message| msg::is(message, kind)).collect()
    }

    /// The host drops the log up to `index`, all of which is applied.
    pub fn compacts(&mut self, index: Index) {
        story::note(format!("the log of peer {} is compacted up to {index}", self.id()));
        self.core.storage_mut().compact(index);
        self.core.storage_mut().sync();
    }

    /// The process dies and starts again from what is on disk; the state machine kept what it applied.
    pub fn restarts(self) -> Check<Peer> {
        let Peer { core, config, face, .. } = self;
        let mut disk = core.storage().clone();
        disk.crash(0);
        let applied = disk.view().applied.index;
        story::note(format!("peer {} crashes, and starts again from its disk", config.id));
        Peer::open(face, Config { applied, ..config }, disk)
    }

    /// Exchanges messages with honest followers until nobody has anything to say. Messages to others are lost.
    pub fn serves(&mut self, mates: &mut [Mate]) -> Check {
        for _ in 0..STORM {
            let sent = self.sends();
            if sent.is_empty() {
                return Ok(());
            }
            for message in sent {
                let Some(mate) = mates.iter_mut().find(|mate| mate.id == message.to) else { continue };
                if let Some(answer) = mate.answer(&message)? {
                    self.hears(answer)?;
                }
            }
        }
        Err(SETTLES.broken(format!("peer {} and its followers still talk after {STORM} rounds", self.id())))
    }

    /// As [`Peer::serves`], with so many heartbeat intervals in between.
    pub fn serves_for(&mut self, intervals: u32, mates: &mut [Mate]) -> Check {
        self.serves(mates)?;
        for _ in 0..intervals * self.config.heartbeat_ticks {
            self.tick(1)?;
            self.serves(mates)?;
        }
        Ok(())
    }

    /// One turn of the host: everything that `Ready` hands out, until there is nothing more.
    pub fn round(&mut self) -> Check {
        for _ in 0..STORM {
            if !self.core.has_ready() {
                return Ok(());
            }
            let ready = self.core.ready();
            let quiet = is_empty(&ready);
            self.writes(&ready);
            self.outbox.extend(ready.messages.iter().cloned());
            let applied = self.applies(&ready);
            self.core.advance(ready);
            if applied > 0 {
                self.core.advance_apply(applied);
            }
            // Below `RawNode` nobody knows beforehand whether there is anything to hand out.
            if quiet && self.face == Face::Bare {
                return Ok(());
            }
        }
        Err(QUIET.broken(format!("peer {} still has a Ready after {STORM} of them", self.id())))
    }

    /// The host's first duty: snapshot, entries and hard state to disk, synced.
    pub fn writes(&mut self, ready: &Ready) {
        let disk = self.core.storage_mut();
        if let Some(snapshot) = &ready.snapshot {
            disk.install_snapshot(snapshot.clone());
        }
        disk.append(&ready.entries);
        if let Some(hard_state) = ready.hard_state {
            disk.set_hard_state(hard_state);
        }
        disk.sync();
    }

    /// The host's last duty: gives committed entries to the state machine, and says up to which index it got; 0 if there
    /// was nothing to do.
    pub fn applies(&mut self, ready: &Ready) -> Index {
        let installed = ready.snapshot.as_ref().and_then(|snapshot| snapshot.metadata.as_ref());
        let mut last = installed.map_or(0, |meta| meta.index);
        for entry in &ready.committed_entries {
            let conf_state = (entry.entry_type() == EntryType::EntryConfChange).then(|| {
                let change = ConfChange::decode(entry.data.clone()).unwrap_or_default();
                self.core.apply_conf_change(&change)
            });
            let digest = chain(self.core.storage().view().digest, entry);
            self.core.storage_mut().set_applied(at(entry.index, entry.term), digest, conf_state);
            last = entry.index;
            self.applied.push(entry.clone());
        }
        self.core.storage_mut().sync();
        last
    }
}

/// Whether a `Ready` holds no work at all.
pub fn is_empty(ready: &Ready) -> bool {
    let nothing_to_write = ready.hard_state.is_none() && ready.snapshot.is_none() && ready.entries.is_empty();
    let nothing_to_do = ready.messages.is_empty() && ready.committed_entries.is_empty();
    nothing_to_write && nothing_to_do && ready.soft_state.is_none() && ready.read_states.is_empty()
}
