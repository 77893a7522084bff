//! Several peers, and the network between them: it delivers in order, unless a test cuts it or drops a kind of message.

use std::collections::{BTreeMap, BTreeSet};

use proto::eraftpb::{Message, MessageType};
use raft::{Index, PeerId, Role};

use super::fixture::{Peer, Setup};
use super::{Check, Promise, ensure};

/// More messages than any honest group needs to settle.
const STORM: usize = 20_000;

const SETTLES: Promise = Promise::new(
    "§5.2, §5.3",
    "with a network that delivers everything, an exchange of messages comes to an end",
    "peers that answer each other for ever take the whole network",
);
const LEADS: Promise = Promise::new(
    "§5.2",
    "a candidate that reaches a majority of peers with logs no newer than its own becomes leader, and the others follow it",
    "the group would have no leader",
);

/// A group of peers.
pub struct Net {
    /// By id.
    pub peers: BTreeMap<PeerId, Peer>,
    cut: BTreeSet<(PeerId, PeerId)>,
    dropped: Vec<MessageType>,
}

impl Net {
    /// The peers that these set-ups describe.
    pub fn start(setups: impl IntoIterator<Item = Setup>) -> Check<Net> {
        let started: Check<Vec<Peer>> = setups.into_iter().map(Setup::start).collect();
        let peers = started?.into_iter().map(|peer| (peer.id(), peer)).collect();
        Ok(Net { peers, cut: BTreeSet::new(), dropped: Vec::new() })
    }

    /// A fresh group of `n` peers below `RawNode`.
    pub fn bare(n: u64) -> Check<Net> {
        Net::start((1..=n).map(|id| Setup::bare(id, n).seed(id)))
    }

    /// A fresh group of `n` peers behind `RawNode`.
    pub fn raw(n: u64) -> Check<Net> {
        Net::start((1..=n).map(|id| Setup::raw(id, n).seed(id)))
    }

    /// One of the peers.
    pub fn peer(&mut self, id: PeerId) -> &mut Peer {
        self.peers.get_mut(&id).expect("a peer of this group")
    }

    /// Nothing passes between these two, in either direction.
    pub fn cut(&mut self, a: PeerId, b: PeerId) {
        self.cut.extend([(a, b), (b, a)]);
    }

    /// Nothing passes between this peer and any other.
    pub fn isolate(&mut self, id: PeerId) {
        let others: Vec<PeerId> = self.peers.keys().copied().filter(|&other| other != id).collect();
        others.into_iter().for_each(|other| self.cut(id, other));
    }

    /// Messages of this kind are lost.
    pub fn drop_kind(&mut self, kind: MessageType) {
        self.dropped.push(kind);
    }

    /// Everything passes again.
    pub fn heal(&mut self) {
        self.cut.clear();
        self.dropped.clear();
    }

    /// Delivers messages, in the order in which they were sent, until none is left.
    pub fn settle(&mut self) -> Check {
        let mut wire: std::collections::VecDeque<Message> = self.collect().into();
        for _ in 0..STORM {
            let Some(message) = wire.pop_front() else { return Ok(()) };
            if let Some(peer) = self.peers.get_mut(&message.to) {
                peer.hears(message)?;
            }
            wire.extend(self.collect());
        }
        Err(SETTLES.broken(format!("more than {STORM} messages, and the group has not settled")))
    }

    /// What all peers have sent, without what is lost.
    pub fn collect(&mut self) -> Vec<Message> {
        let sent: Vec<Message> = self.peers.values_mut().flat_map(Peer::sends).collect();
        let passes = |message: &Message| {
            !self.cut.contains(&(message.from, message.to)) && !self.dropped.contains(&message.msg_type())
        };
        sent.into_iter().filter(passes).collect()
    }

    /// One tick for every peer, all at the same instant; then delivers.
    pub fn tick(&mut self) -> Check {
        for peer in self.peers.values_mut() {
            peer.tick(1)?;
        }
        self.settle()
    }

    /// Time passes for the leader alone: so many of its heartbeats reach the others, and are answered.
    pub fn beats(&mut self, leader: PeerId, intervals: u32) -> Check {
        for _ in 0..intervals * super::fixture::HEARTBEAT {
            self.peer(leader).tick(1)?;
            self.settle()?;
        }
        Ok(())
    }

    /// This peer campaigns; messages are delivered.
    pub fn campaign(&mut self, id: PeerId) -> Check {
        self.peer(id).campaigns()?;
        self.settle()
    }

    /// This peer campaigns, and must win.
    pub fn elect(&mut self, id: PeerId) -> Check {
        self.campaign(id)?;
        let status = self.peer(id).status();
        ensure!(LEADS, status.role == Role::Leader, "after its campaign, {}", self.peer(id).describe());
        Ok(())
    }

    /// A client asks this peer for an entry; messages are delivered.
    pub fn propose(&mut self, id: PeerId, data: &str) -> Check {
        self.peer(id).proposes(data)?;
        self.settle()
    }

    /// The process of this peer dies, and starts again from its disk.
    pub fn restart(&mut self, id: PeerId) -> Check {
        let peer = self.peers.remove(&id).expect("a peer of this group");
        self.peers.insert(id, peer.restarts()?);
        Ok(())
    }

    /// Those that say they lead.
    pub fn leaders(&self) -> Vec<PeerId> {
        let leads = |peer: &&Peer| peer.role() == Role::Leader;
        self.peers.values().filter(leads).map(Peer::id).collect()
    }

    /// Everybody's commit index, by id.
    pub fn commits(&self) -> Vec<Index> {
        self.peers.values().map(Peer::commit).collect()
    }

    /// Everybody in a line, for *what was seen*.
    pub fn describe(&self) -> String {
        self.peers.values().map(Peer::describe).collect::<Vec<_>>().join("; ")
    }

    /// Data of the entries that a peer's state machine was given, without the empty ones of new leaders.
    pub fn given(&self, id: PeerId) -> Vec<String> {
        let data = self.peers[&id].applied.iter().filter(|entry| !entry.data.is_empty());
        data.map(|entry| String::from_utf8_lossy(&entry.data).into_owned()).collect()
    }
}
