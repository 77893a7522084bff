//! What the group has done so far, as no single peer knows it.

use std::hash::{Hash, Hasher};

use raft::{Index, Term};

use super::peers::PerPeer;

/// One committed entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Committed {
    /// Its term.
    pub term: Term,
    /// Digest of the log up to it.
    pub chain: u64,
    /// No later than the term in which it was committed, and at least the term of whoever was first seen to rely on it.
    pub commit_term: Term,
}

/// Facts about the whole group, collected at the seams.
#[derive(Clone, Debug, Default)]
pub struct Ghost {
    /// (term, leader), by term.
    leaders: Vec<(Term, u64)>,
    /// (index, term, digest of the log up to there), by index and term: whatever was seen in any log.
    prefixes: Vec<(Index, Term, u64)>,
    /// `committed[i]` is at index `i + 1`.
    committed: Vec<Committed>,
    /// (voter, term, candidate), by voter and term: votes that were sent.
    votes: Vec<(u64, Term, u64)>,
    /// Highest term that each peer has sent a message of.
    pub spoken: PerPeer,
}

// Two states that differ only in what their past was called are the same to a search, as far as the future is concerned.
impl Hash for Ghost {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.leaders.last().hash(state);
        self.committed.hash(state);
        self.votes.hash(state);
    }
}

impl Ghost {
    /// Who was seen to lead `term`.
    pub fn leader_of(&self, term: Term) -> Option<u64> {
        self.leaders.binary_search_by_key(&term, |&(term, _)| term).ok().map(|at| self.leaders[at].1)
    }

    /// How many terms have had a leader.
    pub fn leaders(&self) -> u64 {
        self.leaders.len() as u64
    }

    /// Takes note of the leader of `term`; returns another one that was seen before.
    pub fn note_leader(&mut self, term: Term, leader: u64) -> Option<u64> {
        match self.leaders.binary_search_by_key(&term, |&(term, _)| term) {
            Ok(at) => Some(self.leaders[at].1).filter(|&other| other != leader),
            Err(at) => {
                self.leaders.insert(at, (term, leader));
                None
            }
        }
    }

    /// Digest of every log that holds an entry of this index and term, if one was seen. The empty log has digest 0.
    pub fn prefix(&self, index: Index, term: Term) -> Option<u64> {
        if index == 0 {
            return Some(0);
        }
        let found = self.prefixes.binary_search_by_key(&(index, term), |&(index, term, _)| (index, term));
        found.ok().map(|at| self.prefixes[at].2)
    }

    /// Takes note of a log that ends with this index and term; returns false if another one was seen.
    pub fn note_prefix(&mut self, index: Index, term: Term, chain: u64) -> bool {
        // Most come at the end.
        let key = (index, term);
        if self.prefixes.last().is_none_or(|&(index, term, _)| (index, term) < key) {
            self.prefixes.push((index, term, chain));
            return true;
        }
        match self.prefixes.binary_search_by_key(&key, |&(index, term, _)| (index, term)) {
            Ok(at) => self.prefixes[at].2 == chain,
            Err(at) => {
                self.prefixes.insert(at, (index, term, chain));
                true
            }
        }
    }

    /// Highest index known to be committed.
    pub fn commit(&self) -> Index {
        self.committed.len() as Index
    }

    /// The entry committed at `index`, if one is known.
    pub fn committed(&self, index: Index) -> Option<&Committed> {
        self.committed.get(index.checked_sub(1)? as usize)
    }

    /// Highest index that was committed in a term before `term`.
    pub fn commit_before(&self, term: Term) -> Index {
        let later = self.committed.iter().rev().take_while(|entry| entry.commit_term >= term).count();
        (self.committed.len() - later) as Index
    }

    /// Takes note that the entry behind the highest known one is committed too.
    pub fn note_committed(&mut self, entry: Committed) {
        self.committed.push(entry);
    }

    /// Takes note of a vote that was sent; returns another candidate who got it before.
    pub fn note_vote(&mut self, voter: u64, term: Term, candidate: u64) -> Option<u64> {
        match self.votes.binary_search_by_key(&(voter, term), |&(voter, term, _)| (voter, term)) {
            Ok(at) => Some(self.votes[at].2).filter(|&other| other != candidate),
            Err(at) => {
                self.votes.insert(at, (voter, term, candidate));
                None
            }
        }
    }
}
