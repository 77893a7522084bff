//! What the checks know of one running peer: a mirror of its log, and what it has heard and said.

use proto::eraftpb::HardState;
use raft::{Index, LogId, Ready, Role, SoftState, Status, Term};

use super::peers::{Group, Peers, PerPeer};
use crate::disk::Image;

/// Nothing is waiting to be handed out.
pub const CLEAN: Index = Index::MAX;

/// Terms of a log, and digests of those of its prefixes whose contents are known.
#[derive(Clone, Debug, Default)]
pub struct Mirror {
    base: Index,
    /// `terms[i]` is the term at `base + i`.
    terms: Vec<Term>,
    /// `chains[i]` is the digest of the log up to `base + i`.
    chains: Vec<u64>,
}

impl Mirror {
    /// A log that starts behind `base`.
    pub fn new(base: LogId, chain: u64) -> Mirror {
        Mirror { base: base.index, terms: vec![base.term], chains: vec![chain] }
    }

    /// Position before the first entry.
    pub fn base(&self) -> Index {
        self.base
    }

    /// Position of the last entry.
    pub fn last(&self) -> LogId {
        let term = self.terms.last().copied().unwrap_or_default();
        LogId { term, index: self.base + self.terms.len() as u64 - 1 }
    }

    /// Term at `index`; `None` outside.
    pub fn term(&self, index: Index) -> Option<Term> {
        self.terms.get(index.checked_sub(self.base)? as usize).copied()
    }

    /// Digest of the log up to `index`, if its contents are known that far.
    pub fn chain(&self, index: Index) -> Option<u64> {
        self.chains.get(index.checked_sub(self.base)? as usize).copied()
    }

    /// Drops everything from `index` on.
    pub fn truncate(&mut self, index: Index) {
        let keep = (index.saturating_sub(self.base) as usize).max(1);
        self.terms.truncate(keep);
        self.chains.truncate(keep);
    }

    /// Adds an entry whose contents are not known yet.
    pub fn push(&mut self, term: Term) {
        self.terms.push(term);
    }

    /// The contents of the log are known up to `index` now. Those before it must be known.
    pub fn set_chain(&mut self, index: Index, chain: u64) {
        self.chains.truncate(index.saturating_sub(self.base) as usize);
        self.chains.push(chain);
    }
}

/// What is durable on a peer's disk, as of the last time that the checks looked.
#[derive(Clone, Debug, Default)]
pub struct Durable {
    /// Term, vote, commit.
    pub hard_state: HardState,
    /// Position before the first entry.
    base: Index,
    /// `terms[i]` is the term at `base + i`.
    terms: Vec<Term>,
}

impl Durable {
    /// Looks at the disk again; the log is as before below `from`.
    pub fn refresh(&mut self, image: &Image, from: Index) {
        self.hard_state = image.hard_state;
        if from == Index::MAX {
            return;
        }
        if self.terms.is_empty() || from <= self.base.max(image.base.index) || from > self.last_index() + 1 {
            self.base = image.base.index;
            self.terms.clear();
            self.terms.push(image.base.term);
            self.terms.extend(image.entries.iter().map(|entry| entry.term));
            return;
        }
        self.terms.truncate((from - self.base) as usize);
        let new = &image.entries[(from - image.base.index - 1) as usize..];
        self.terms.extend(new.iter().map(|entry| entry.term));
    }

    /// Index of the last entry.
    pub fn last_index(&self) -> Index {
        self.base + (self.terms.len() as u64).saturating_sub(1)
    }

    /// Whether the entry is durable, itself or in a snapshot.
    pub fn holds(&self, id: LogId) -> bool {
        match id.index.checked_sub(self.base) {
            None => true,
            Some(nth) => self.terms.get(nth as usize) == Some(&id.term),
        }
    }
}

/// What a peer did in one term.
#[derive(Clone, Copy, Debug, Default)]
pub struct Note {
    /// The term.
    pub term: Term,
    /// Whom it voted for.
    pub vote: u64,
    /// It was a candidate, with this last entry.
    pub campaigned: Option<LogId>,
    /// Up to here its log was proved to be that of the term's leader.
    pub proved: Index,
}

/// What a leader has heard.
#[derive(Clone, Copy, Debug, Default)]
pub struct Lead {
    /// The term that it leads, or has last led.
    pub term: Term,
    /// Last index that each peer acknowledged to it.
    pub acked: PerPeer,
    /// Peers that were fully caught up while leadership was being handed to them.
    pub caught_up: Peers,
    /// Highest `matched` that it showed for each peer.
    pub matched: PerPeer,
}

/// How long things take, in ticks.
#[derive(Clone, Copy, Debug, Default)]
pub struct Timers {
    /// Since an event that restarts every correct election timer.
    pub since_reset: u32,
    /// Since an event that may restart an election timer.
    pub since_excuse: u32,
    /// Since the leader was last asked to hand over.
    pub handing_over: u32,
}

/// What comes out of the Readys of one peer.
#[derive(Clone, Debug, Default)]
pub struct Handed {
    /// The hard state that is on disk, or will be.
    pub hard_state: HardState,
    /// The soft state that the caller knows; `None` before the first Ready.
    pub soft_state: Option<SoftState>,
    /// Entries from here on have not been handed out: the lowest and the highest index at which a correct Ready may start;
    /// [`CLEAN`] if there are none.
    pub dirty: (Index, Index),
    /// First and last index of the entries in the Ready that is out.
    pub out: Option<(Index, Index)>,
    /// A Ready is out.
    pub is_out: bool,
    /// Last committed entry that was handed out.
    pub committed: Index,
    /// A snapshot was taken from the leader and must come out.
    pub snapshot: Option<LogId>,
    /// Acknowledgements in the last Ready: (term of the message, index, term of the entry).
    pub acks: Vec<(Term, Index, Term)>,
    /// Fingerprints of messages of the last Ready, kept until the peer gets new input.
    pub repeatable: Vec<u64>,
    /// The next Ready is the first of this life.
    pub first: bool,
}

/// One running peer.
#[derive(Clone, Debug, Default)]
pub struct View {
    /// The peer as it last showed itself.
    pub now: Status,
    /// The group as it sees it.
    pub group: Group,
    /// Its log.
    pub log: Mirror,
    /// Its disk.
    pub durable: Durable,
    /// What it did in each term of this life, by term.
    pub notes: Vec<Note>,
    /// Who granted it a vote in the current term.
    pub granted: Peers,
    /// What it heard as a leader.
    pub lead: Lead,
    /// Voters at the time when it last raised its commit index.
    pub commit_voters: Peers,
    /// Its clocks.
    pub timers: Timers,
    /// Its Readys.
    pub handed: Handed,
    /// Peers that it was asked to hand leadership to, or to pass the wish on for.
    pub wanted: Peers,
    /// Indexes of membership changes in its log, as far as handed out.
    pub conf_changes: Vec<Index>,
    /// Reads asked for: (context, commit index of the group at that time).
    pub reads: Vec<(Vec<u8>, Index)>,
}

impl View {
    /// What it did in `term`, if it was in that term.
    pub fn note(&self, term: Term) -> Option<&Note> {
        // Almost always the last.
        self.notes.iter().rev().find(|note| note.term <= term).filter(|note| note.term == term)
    }

    /// What it did in its current term; a new page is opened if there is none.
    pub fn note_mut(&mut self, term: Term) -> &mut Note {
        if self.notes.last().is_none_or(|note| note.term < term) {
            self.notes.push(Note { term, ..Note::default() });
        }
        let at = self.notes.iter().rposition(|note| note.term <= term).unwrap_or(0);
        &mut self.notes[at]
    }

    /// Takes note that the log changed from `from` on, and that a correct Ready may start as low as `lowest`.
    pub fn mark_dirty(&mut self, lowest: Index, from: Index) {
        let handed = &mut self.handed;
        let mut low = lowest.min(from);
        if let Some((first, last)) = handed.out.filter(|_| handed.is_out)
            && from <= last
        {
            // What is being written is replaced: the core cannot tell how much of it counts, and may begin anew.
            low = low.min(first);
            debug_assert!(first <= last);
        }
        handed.dirty = (handed.dirty.0.min(low), handed.dirty.1.min(from));
    }

    /// Whether it leads.
    pub fn leads(&self) -> bool {
        self.now.role == Role::Leader
    }

    /// Takes note that `ready` is out.
    pub fn set_out(&mut self, ready: &Ready) {
        let ends = ready.entries.first().zip(ready.entries.last());
        self.handed.out = ends.map(|(first, last)| (first.index, last.index));
        self.handed.is_out = true;
    }
}
