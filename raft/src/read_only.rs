//! How a leader makes sure that it still leads: reads that wait for a quorum to say so, and the lease that its last word
//! gives (thesis §6.4).

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use bytes::Bytes;

use crate::types::{Index, PeerId, Ticks};

/// One read on its way.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct PendingRead {
    /// Who asked: ourselves, or a follower that forwarded the request.
    pub from: PeerId,
    /// Names the read; unique for its asker.
    pub context: Bytes,
    /// Commit index when the read came in: what it must see.
    pub index: Index,
    /// Names the read in heartbeats; unique for this leader, which contexts are not.
    round: u64,
    /// Who has confirmed our leadership since then.
    acks: BTreeSet<PeerId>,
}

/// Reads in the order in which they came in. A confirmed read confirms all before it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct ReadQueue {
    reads: VecDeque<PendingRead>,
    /// Round of the youngest read so far.
    rounds: u64,
}

impl ReadQueue {
    /// Adds a read that sees everything up to `index`. One that waits already is not added again.
    pub fn push(&mut self, from: PeerId, context: Bytes, index: Index) {
        if self.reads.iter().all(|read| (read.from, &read.context) != (from, &context)) {
            // An answer to an earlier read of the same name says nothing about this one: hence a number of our own.
            self.rounds += 1;
            self.reads.push_back(PendingRead {
                from,
                context,
                index,
                round: self.rounds,
                acks: BTreeSet::new(),
            });
        }
    }

    /// Names the youngest read: a heartbeat that carries it confirms all reads at once.
    pub fn last_round(&self) -> Option<Bytes> {
        self.reads.back().map(|read| Bytes::copy_from_slice(&read.round.to_be_bytes()))
    }

    /// `peer` has confirmed the read named by `round`. Takes out and returns the reads that are confirmed now, given
    /// `enough`, which tells whether a set of peers, without the leader, makes a quorum.
    pub fn ack(
        &mut self,
        peer: PeerId,
        round: &[u8],
        enough: impl Fn(&BTreeSet<PeerId>) -> bool,
    ) -> Vec<PendingRead> {
        let Some(position) = self.reads.iter().position(|read| read.round.to_be_bytes() == *round) else {
            return Vec::new();
        };
        let read = &mut self.reads[position];
        read.acks.insert(peer);
        if !enough(&read.acks) {
            return Vec::new();
        }
        self.reads.drain(..=position).collect()
    }
}

/// The time for which no other leader can be elected, as far as this one knows.
///
/// A peer that answers a heartbeat votes for nobody until `election_ticks` later, so nobody else is elected for that long
/// after the *sending* of the newest heartbeat that a quorum has answered: when the answers come in says nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Lease {
    now: Ticks,
    /// For each peer, when the newest heartbeat that it has answered was sent.
    confirmed: BTreeMap<PeerId, Ticks>,
    /// We have told another peer to campaign at once, and it may do so much later: no lease any more in this term.
    over: bool,
}

impl Lease {
    /// The clock advances.
    pub fn tick(&mut self) {
        self.now.0 += 1;
    }

    /// What a heartbeat that is sent now carries, and its answer brings back.
    pub fn stamp(&self) -> u32 {
        self.now.0
    }

    /// `peer` has answered the heartbeat with this `stamp`.
    pub fn confirm(&mut self, peer: PeerId, stamp: u32) {
        let newest = self.confirmed.entry(peer).or_default();
        *newest = Ticks(stamp).max(*newest);
    }

    /// Gives up the lease for the rest of the term.
    pub fn give_up(&mut self) {
        self.over = true;
    }

    /// Whether peers that make a quorum, by `enough`, have answered heartbeats sent less than `ticks` ago.
    pub fn holds(&self, ticks: u32, enough: impl Fn(&BTreeSet<PeerId>) -> bool) -> bool {
        let fresh = |stamp: &Ticks| self.now.0 - stamp.0 < ticks;
        let peers = self.confirmed.iter().filter(|(_, stamp)| fresh(stamp)).map(|(&peer, _)| peer).collect();
        !self.over && enough(&peers)
    }
}
