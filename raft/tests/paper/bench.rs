//! A bench to put peers on: single peers that are fed made-up messages, and small clusters whose messages all arrive.

use std::collections::BTreeMap;

use proto::eraftpb::{Entry, HardState, Message, MessageType};
use raft::{Config, LogId, MemStorage, PeerId, RawNode, Role, Storage, Term};

/// One peer, with what it has applied.
pub struct Peer {
    pub raw: RawNode<MemStorage>,
    pub applied: Vec<Entry>,
}

/// A disk with entries of the given terms, from index 1 on.
pub fn disk(voters: &[PeerId], terms: &[Term], hard_state: HardState) -> MemStorage {
    let mut disk = MemStorage::new(voters);
    disk.append(&entries(1, terms));
    disk.set_hard_state(hard_state);
    disk
}

/// Entries with the given terms, from index `first` on. Each says in its data where it stands, and whose it is.
pub fn entries(first: u64, terms: &[Term]) -> Vec<Entry> {
    let entry =
        |(index, &term)| Entry { index, term, data: format!("{index}@{term}").into(), ..Entry::default() };
    (first..).zip(terms).map(entry).collect()
}

/// A message to be given to a peer.
pub fn message(kind: MessageType, from: PeerId, term: Term) -> Message {
    Message { msg_type: kind as i32, from, term, ..Message::default() }
}

/// An append by `from`, leader of `term`.
pub fn append(from: PeerId, term: Term, prev: (u64, Term), entries: Vec<Entry>, commit: u64) -> Message {
    let (index, log_term) = prev;
    Message { index, log_term, entries, commit, ..message(MessageType::MsgAppend, from, term) }
}

/// A vote request by `from`, whose log ends with `last`, an index and a term.
pub fn vote_request(from: PeerId, term: Term, last: (u64, Term)) -> Message {
    let (index, log_term) = last;
    Message { index, log_term, ..message(MessageType::MsgRequestVote, from, term) }
}

impl Peer {
    /// A peer that starts from an empty disk.
    pub fn new(id: PeerId, voters: &[PeerId]) -> Peer {
        Peer::on(id, MemStorage::new(voters))
    }

    /// A peer that starts from `disk`.
    pub fn on(id: PeerId, disk: MemStorage) -> Peer {
        Peer::with(&Config::new(id), disk)
    }

    /// A peer with the given configuration.
    pub fn with(config: &Config, disk: MemStorage) -> Peer {
        Peer { raw: RawNode::new(config, disk).expect("a good configuration"), applied: Vec::new() }
    }

    /// A leader of the given term, alone with its voters: its campaign got all votes, and its messages are gone.
    pub fn leader(voters: &[PeerId], terms: &[Term], term: Term) -> Peer {
        let mut peer = Peer::on(1, disk(voters, terms, HardState { term: term - 1, ..HardState::default() }));
        peer.raw.campaign().expect("nothing is refused");
        for &voter in &voters[1..] {
            peer.give(message(MessageType::MsgRequestVoteResponse, voter, term));
        }
        assert_eq!(peer.raw.status().role, Role::Leader);
        peer
    }

    /// Hands a message to the peer, and returns what it sends.
    pub fn give(&mut self, message: Message) -> Vec<Message> {
        self.raw.step(message).expect("messages from peers do not fail");
        self.work()
    }

    /// Lets time pass, and returns what the peer sends.
    pub fn tick(&mut self, ticks: u32) -> Vec<Message> {
        let mut sent = Vec::new();
        for _ in 0..ticks {
            self.raw.tick();
            sent.extend(self.work());
        }
        sent
    }

    /// Does all the work there is, and returns what is sent.
    pub fn work(&mut self) -> Vec<Message> {
        let mut sent = Vec::new();
        while self.raw.has_ready() {
            let mut ready = self.raw.ready();
            let disk = self.raw.storage_mut();
            if let Some(snapshot) = &ready.snapshot {
                disk.apply_snapshot(snapshot.clone());
            }
            disk.append(&ready.entries);
            if let Some(hard_state) = ready.hard_state {
                disk.set_hard_state(hard_state);
            }
            sent.append(&mut ready.messages);
            let last = ready.committed_entries.last().map(|entry| entry.index);
            self.applied.append(&mut ready.committed_entries);
            self.raw.advance(ready);
            if let Some(last) = last {
                self.raw.advance_apply(last);
            }
        }
        sent
    }

    /// Stops the peer, and starts it again from its disk.
    pub fn restart(self) -> Peer {
        Peer::on(self.raw.status().id, self.raw.storage().clone())
    }

    /// The ids of all entries on disk.
    pub fn log(&self) -> Vec<LogId> {
        let disk = self.raw.storage();
        let (first, last) = (disk.first_index().expect("memory"), disk.last_index().expect("memory"));
        let entries = disk.entries(first, last + 1, u64::MAX).expect("all are there");
        entries.iter().map(|entry| LogId { term: entry.term, index: entry.index }).collect()
    }
}

/// The messages of one kind among `sent`.
pub fn of_kind(sent: &[Message], kind: MessageType) -> Vec<Message> {
    sent.iter().filter(|message| message.msg_type() == kind).cloned().collect()
}

/// Peers 1 to n. All messages arrive, in order, between peers that are not cut off.
pub struct Cluster {
    pub peers: BTreeMap<PeerId, Peer>,
    /// Peers that neither send nor receive.
    pub cut_off: Vec<PeerId>,
}

impl Cluster {
    pub fn new(size: u64) -> Cluster {
        let voters: Vec<PeerId> = (1..=size).collect();
        Cluster::of(voters.iter().map(|&id| Peer::new(id, &voters)).collect())
    }

    pub fn of(peers: Vec<Peer>) -> Cluster {
        Cluster {
            peers: peers.into_iter().map(|peer| (peer.raw.status().id, peer)).collect(),
            cut_off: Vec::new(),
        }
    }

    /// One peer.
    pub fn peer(&mut self, id: PeerId) -> &mut Peer {
        self.peers.get_mut(&id).expect("a peer of that id")
    }

    /// Lets a peer campaign, and everything that follows from it happen.
    pub fn campaign(&mut self, id: PeerId) {
        self.peer(id).raw.campaign().expect("nothing is refused");
        self.settle();
    }

    /// Proposes at a peer, and lets everything that follows from it happen.
    pub fn propose(&mut self, id: PeerId, data: &'static str) {
        self.peer(id).raw.propose(data.as_bytes()).expect("it leads");
        self.settle();
    }

    /// Delivers until nothing is on its way.
    pub fn settle(&mut self) {
        loop {
            let mut sent: Vec<Message> = self.peers.values_mut().flat_map(Peer::work).collect();
            sent.retain(|message| {
                !self.cut_off.contains(&message.from) && !self.cut_off.contains(&message.to)
            });
            if sent.is_empty() {
                return;
            }
            for message in sent {
                if let Some(peer) = self.peers.get_mut(&message.to) {
                    peer.raw.step(message).expect("messages from peers do not fail");
                }
            }
        }
    }

    /// The peers that lead.
    pub fn leaders(&self) -> Vec<PeerId> {
        let leads = |peer: &&Peer| peer.raw.status().role == Role::Leader;
        self.peers.values().filter(leads).map(|peer| peer.raw.status().id).collect()
    }
}
