//! What the cluster has done so far, as no single store knows it.

use std::collections::BTreeMap;

use proto::metapb::{Region, RegionEpoch};
use proto::raft_cmdpb::RaftCmdRequest;
use raft::{Index, Term};

use super::model::{Digest, Model};
use super::observe::{CommandId, Micros};

/// One committed entry: some store has applied it.
#[derive(Clone, Debug)]
pub struct Committed {
    /// Region.
    pub region_id: u64,
    /// Index.
    pub index: Index,
    /// Its term.
    pub term: Term,
    /// Digest of the log up to it.
    pub chain: Option<u64>,
    /// Digest of the region's data after it.
    pub digest: Digest,
    /// When the first store applied it.
    pub at: Micros,
    /// Term of whoever applied it first.
    pub commit_term: Term,
    /// What it says; `None` if it is empty or a membership change.
    pub request: Option<RaftCmdRequest>,
    /// Whether the command has a right to take effect.
    pub is_effective: bool,
}

/// What one region has done.
#[derive(Debug, Default)]
pub struct Group {
    /// Its history starts with this index, with no data.
    pub base: Index,
    /// Term at the base.
    pub base_term: Term,
    /// Committed entries; the first is at `base + 1`.
    log: Vec<Committed>,
    /// The data.
    pub model: Model,
    /// The region as of the last committed entry.
    pub region: Region,
    /// Digest of every log that was seen to end with this index and term.
    prefixes: BTreeMap<(Index, Term), u64>,
    /// Store that was seen to lead each term.
    leaders: BTreeMap<Term, u64>,
    /// Votes that were sent: (voter, term) to candidate.
    votes: BTreeMap<(u64, Term), u64>,
    /// The region at each epoch.
    epochs: BTreeMap<(u64, u64), Region>,
    /// Highest index that a client can know to be committed: a good answer came from there.
    pub shown: Index,
}

/// Digest of a log that starts there.
const BASE_CHAIN: u64 = 0x5163_c4b8_0e4f_13d7;

impl Group {
    /// The history of a region that starts with `base`.
    pub fn new(base: Index, base_term: Term, region: Region) -> Group {
        Group { base, base_term, region, shown: base, ..Group::default() }
    }

    /// Highest committed index.
    pub fn commit(&self) -> Index {
        self.base + self.log.len() as Index
    }

    /// All committed entries.
    pub fn log(&self) -> &[Committed] {
        &self.log
    }

    /// The committed entry at `index`.
    pub fn committed(&self, index: Index) -> Option<&Committed> {
        self.log.get(index.checked_sub(self.base + 1)? as usize)
    }

    /// Term of the committed entry at `index`, or of the base.
    pub fn term(&self, index: Index) -> Option<Term> {
        if index == self.base { Some(self.base_term) } else { self.committed(index).map(|entry| entry.term) }
    }

    /// Digest of the data as of `index`.
    pub fn digest_at(&self, index: Index) -> Option<Digest> {
        if index == self.base { Some(0) } else { self.committed(index).map(|entry| entry.digest) }
    }

    /// Highest index that was committed in a term before `term`.
    pub fn commit_before(&self, term: Term) -> Index {
        let later = self.log.iter().rev().take_while(|entry| entry.commit_term >= term).count();
        self.commit() - later as Index
    }

    /// Another entry is committed.
    pub fn push(&mut self, entry: Committed) {
        debug_assert_eq!(entry.index, self.commit() + 1);
        self.log.push(entry);
    }

    /// Digest of a log that ends with this index and term, if one was seen.
    pub fn prefix(&self, index: Index, term: Term) -> Option<u64> {
        if index == self.base {
            return Some(BASE_CHAIN);
        }
        self.prefixes.get(&(index, term)).copied()
    }

    /// Takes note of a log that ends with this index and term; returns false if another one was seen.
    pub fn note_prefix(&mut self, index: Index, term: Term, chain: u64) -> bool {
        *self.prefixes.entry((index, term)).or_insert(chain) == chain
    }

    /// Takes note of the leader of `term`; returns another one that was seen before.
    pub fn note_leader(&mut self, term: Term, store: u64) -> Option<u64> {
        Some(*self.leaders.entry(term).or_insert(store)).filter(|&other| other != store)
    }

    /// Whether that leader is new.
    pub fn is_known_leader(&self, term: Term) -> bool {
        self.leaders.contains_key(&term)
    }

    /// Takes note of a vote; returns another candidate who got it before.
    pub fn note_vote(&mut self, voter: u64, term: Term, candidate: u64) -> Option<u64> {
        Some(*self.votes.entry((voter, term)).or_insert(candidate)).filter(|&other| other != candidate)
    }

    /// Takes note of the region at its epoch; returns a different one that was seen with the same epoch.
    pub fn note_epoch(&mut self, region: &Region) -> Option<Region> {
        let RegionEpoch { conf_ver, version } = region.region_epoch.unwrap_or_default();
        let mut region = region.clone();
        region.peers.sort_unstable_by_key(|peer| peer.id);
        let known = self.epochs.entry((conf_ver, version)).or_insert_with(|| region.clone());
        (*known != region).then(|| known.clone())
    }
}

/// A command that was given to a store.
#[derive(Clone, Debug)]
pub struct Command {
    /// Store that was asked.
    pub store: u64,
    /// Its region.
    pub region_id: u64,
    /// When.
    pub at: Micros,
    /// What every read of this command must show at least.
    pub fresh: Index,
    /// Whether it only reads.
    pub reads: bool,
    /// What it asks for.
    pub request: RaftCmdRequest,
    /// How it ended, if it has.
    pub end: Option<End>,
}

/// How a command ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum End {
    /// With success.
    Done,
    /// With an error that promises that it has no effect; which.
    Refused(String),
    /// Otherwise: whether it takes effect is open.
    Open,
}

/// Facts about the whole cluster.
#[derive(Debug, Default)]
pub struct Ghost {
    /// By region.
    pub groups: BTreeMap<u64, Group>,
    /// Where commands stand in the log, once they are committed: region and index.
    pub places: BTreeMap<CommandId, (u64, Index)>,
    /// Commands, by id.
    pub commands: BTreeMap<CommandId, Command>,
    /// Peers that are gone: (store, region) to the highest id.
    pub tombstones: BTreeMap<(u64, u64), u64>,
}
