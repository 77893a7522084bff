//! The log, with its end that is not on disk yet, against a model that is one plain list of terms.
//!
//! Each case is a list of steps drawn at random: what a leader or follower may do with its log, mixed with writes by the
//! caller that are reported late, when the log may have changed again. After every step the log must look like the model.

use proptest::prelude::*;
use proto::eraftpb::{ConfState, Entry, Snapshot, SnapshotMetadata};
use raft::{Error, LogId, MemStorage, RaftLog, Storage, StorageError};

/// What the log must look like. `terms[i]` belongs to index `base + 1 + i`.
#[derive(Clone, Debug)]
struct Model {
    /// Index and term up to which a snapshot covers the log.
    base: LogId,
    terms: Vec<u64>,
    committed: u64,
    handed_out: u64,
}

impl Model {
    fn last_index(&self) -> u64 {
        self.base.index + self.terms.len() as u64
    }

    fn term(&self, index: u64) -> Option<u64> {
        match index.checked_sub(self.base.index)? {
            0 => Some(self.base.term),
            offset => self.terms.get(offset as usize - 1).copied(),
        }
    }

    fn last_term(&self) -> u64 {
        self.terms.last().copied().unwrap_or(self.base.term)
    }

    fn truncate_from(&mut self, index: u64) {
        self.terms.truncate((index - self.base.index - 1) as usize);
    }
}

/// One step. Numbers are taken modulo what makes sense at that moment.
#[derive(Clone, Debug)]
enum Step {
    /// A leader's append: so many entries of a term that many higher than the last one.
    Append { count: usize, newer: u64 },
    /// A follower's append, behind an index at most so far back; the term of `prev` may be wrong.
    TryAppend { back: u64, wrong_term: bool, terms: Vec<u64> },
    /// Raises the commit index, by so much.
    Commit { by: u64 },
    /// A leader's commit rule, for an index so far from the last, in a term so far from the last one's.
    MaybeCommit { back: u64, term_back: u64 },
    /// Hands out committed entries, so many bytes of them.
    HandOut { bytes: u64 },
    /// The state machine reports.
    Apply { back: u64 },
    /// The caller takes what is to be written, as of now.
    TakeWrite,
    /// The caller writes what it took, and reports it.
    ReportWrite,
    /// A snapshot so far ahead of the commit index replaces the log.
    Restore { ahead: u64, newer: u64 },
    /// The caller compacts what is applied and written, so far back.
    Compact { back: u64 },
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => (1..4_usize, 0..2_u64).prop_map(|(count, newer)| Step::Append { count, newer }),
        6 => (0..6_u64, prop::bool::weighted(0.2), prop::collection::vec(0..2_u64, 0..5))
            .prop_map(|(back, wrong_term, terms)| Step::TryAppend { back, wrong_term, terms }),
        3 => (0..4_u64).prop_map(|by| Step::Commit { by }),
        2 => (0..4_u64, 0..2_u64).prop_map(|(back, term_back)| Step::MaybeCommit { back, term_back }),
        3 => (0..9_u64).prop_map(|bytes| Step::HandOut { bytes }),
        2 => (0..3_u64).prop_map(|back| Step::Apply { back }),
        4 => Just(Step::TakeWrite),
        4 => Just(Step::ReportWrite),
        1 => (1..5_u64, 0..2_u64).prop_map(|(ahead, newer)| Step::Restore { ahead, newer }),
        1 => (0..3_u64).prop_map(|back| Step::Compact { back }),
    ]
}

/// What the caller was told to write.
struct Write {
    snapshot: Option<Snapshot>,
    entries: Vec<Entry>,
}

/// A log and its model, in step.
struct Pair {
    log: RaftLog<MemStorage>,
    model: Model,
    write: Option<Write>,
    /// The highest term used so far: no entry may get two contents under one id.
    top_term: u64,
}

/// An entry with one to three bytes of data.
fn entry(index: u64, term: u64) -> Entry {
    Entry { index, term, data: vec![b'x'; weight(index, term)].into(), ..Entry::default() }
}

fn weight(index: u64, term: u64) -> usize {
    1 + ((3 * index + term) % 7 % 3) as usize
}

/// How many of the entries `low..high` of the model fit into `bytes`; one always does.
fn fitting(model: &Model, low: u64, high: u64, bytes: u64) -> u64 {
    let weights = (low..high).map(|index| weight(index, model.term(index).expect("inside the log")) as u64);
    let mut sum = 0;
    let fit = weights.take_while(|weight| {
        sum += weight;
        sum <= bytes
    });
    (fit.count() as u64).max(1).min(high - low)
}

fn id(snapshot: &Snapshot) -> LogId {
    let meta = snapshot.metadata.as_ref().expect("made with it");
    LogId { term: meta.term, index: meta.index }
}

impl Pair {
    fn new() -> Pair {
        let model = Model { base: LogId::default(), terms: Vec::new(), committed: 0, handed_out: 0 };
        let log = RaftLog::new(MemStorage::new(&[1])).expect("an empty disk");
        Pair { log, model, write: None, top_term: 1 }
    }

    fn take(&mut self, step: &Step) {
        match step {
            Step::Append { count, newer } => self.append(*count, *newer),
            Step::TryAppend { back, wrong_term, terms } => self.try_append(*back, *wrong_term, terms),
            Step::Commit { by } => {
                let index = (self.model.committed + by).min(self.model.last_index());
                self.log.commit_to(index);
                self.model.committed = index;
                self.log.commit_to(index / 2);
            }
            Step::MaybeCommit { back, term_back } => self.maybe_commit(*back, *term_back),
            Step::HandOut { bytes } => self.hand_out(*bytes),
            Step::Apply { back } => {
                let index = self.model.handed_out.saturating_sub(*back).max(self.log.applied);
                self.log.applied_to(index);
                assert_eq!(self.log.applied, index);
            }
            // One `Ready` at a time.
            Step::TakeWrite if self.write.is_some() => {}
            Step::TakeWrite => {
                let snapshot = self.log.unstable_snapshot().cloned();
                self.write = Some(Write { snapshot, entries: self.log.unstable_entries().to_vec() });
            }
            Step::ReportWrite => self.report_write(),
            Step::Restore { ahead, newer } => self.restore(*ahead, *newer),
            Step::Compact { back } => self.compact(*back),
        }
    }

    fn append(&mut self, count: usize, newer: u64) {
        self.top_term = self.top_term.max(self.model.last_term()) + newer;
        let first = self.model.last_index() + 1;
        let entries = (first..).take(count).map(|index| entry(index, self.top_term)).collect();
        self.log.append(entries);
        self.model.terms.extend(vec![self.top_term; count]);
    }

    /// A leader's log that agrees with ours up to `prev`, and then has entries of which the first few may be ours, too.
    fn try_append(&mut self, back: u64, wrong_term: bool, terms: &[u64]) {
        let prev =
            self.model.last_index().saturating_sub(back).max(self.model.base.index).max(self.model.committed);
        let known = self.model.term(prev).expect("inside the log");
        let prev_term = if wrong_term { known + 1000 } else { known };
        let mut ids = Vec::new();
        let mut same = true;
        for (index, &change) in (prev + 1..).zip(terms) {
            let ours = self.model.term(index).filter(|_| same && change == 0);
            same = ours.is_some();
            if ours.is_none() && ids.last().is_none_or(|&last| last < self.top_term || change == 1) {
                self.top_term += 1;
            }
            ids.push(ours.unwrap_or(self.top_term));
        }
        let entries = (prev + 1..).zip(&ids).map(|(index, &term)| entry(index, term)).collect();
        let result = self.log.try_append(LogId { term: prev_term, index: prev }, entries);
        if wrong_term {
            assert_eq!(result, None);
            return;
        }
        assert_eq!(result, Some(prev + ids.len() as u64));
        for (index, term) in (prev + 1..).zip(ids) {
            if self.model.term(index) != Some(term) {
                self.model.truncate_from(index);
                self.model.terms.push(term);
            }
        }
    }

    fn maybe_commit(&mut self, back: u64, term_back: u64) {
        let index = self.model.last_index().saturating_sub(back);
        let term = self.model.last_term().saturating_sub(term_back);
        let moves = index > self.model.committed && self.model.term(index) == Some(term);
        assert_eq!(self.log.maybe_commit(index, term), moves);
        if moves {
            self.model.committed = index;
        }
    }

    fn hand_out(&mut self, bytes: u64) {
        let waits = self.log.unstable_snapshot().is_some();
        let entries = self.log.next_committed_entries(bytes);
        let (next, end) = (self.model.handed_out + 1, self.model.committed + 1);
        let expected = if waits || next == end { 0 } else { fitting(&self.model, next, end, bytes) };
        assert_eq!(entries.len() as u64, expected);
        for entry in entries {
            self.model.handed_out += 1;
            assert_eq!(
                (entry.index, Some(entry.term)),
                (self.model.handed_out, self.model.term(entry.index))
            );
        }
    }

    fn report_write(&mut self) {
        let Some(write) = self.write.take() else { return };
        if let Some(snapshot) = write.snapshot {
            let index = id(&snapshot).index;
            self.log.storage_mut().apply_snapshot(snapshot);
            self.log.stable_snapshot_to(index);
            self.log.applied_to(index);
        }
        if let Some(last) = write.entries.last().map(|entry| LogId { term: entry.term, index: entry.index }) {
            self.log.storage_mut().append(&write.entries);
            self.log.stable_to(last);
        }
    }

    fn restore(&mut self, ahead: u64, newer: u64) {
        let index = self.model.committed + ahead;
        // If our log reaches that far, the snapshot is of another one, hence of a later term: else the core keeps its log.
        self.top_term += newer.max(u64::from(index <= self.model.last_index()));
        let position = LogId { term: self.top_term, index };
        let conf_state = Some(ConfState { voters: vec![1], learners: Vec::new() });
        let metadata = SnapshotMetadata { conf_state, index: position.index, term: position.term };
        self.log.restore(Snapshot { data: "state".into(), metadata: Some(metadata) });
        self.model = Model {
            base: position,
            terms: Vec::new(),
            committed: position.index,
            handed_out: position.index,
        };
    }

    fn compact(&mut self, back: u64) {
        let disk = self.log.storage();
        let limit = self.log.applied.min(disk.last_index().expect("memory"));
        let index = limit.saturating_sub(back);
        let snapshot_waits = self.log.unstable_snapshot().is_some();
        let replaced = self.log.unstable_entries().first().is_some_and(|first| first.index <= index);
        if snapshot_waits || replaced || self.write.is_some() || index <= self.model.base.index {
            return;
        }
        let term = self.model.term(index).expect("applied, so in the log");
        self.log.storage_mut().compact(index, "state".into()).expect("it is in the log");
        self.model.terms.drain(..(index - self.model.base.index) as usize);
        self.model.base = LogId { term, index };
    }

    fn check(&self) {
        let (log, model) = (&self.log, &self.model);
        log.check();
        assert_eq!(log.last_index(), model.last_index());
        assert_eq!(log.last_id(), LogId { term: model.last_term(), index: model.last_index() });
        assert_eq!((log.committed, log.applying), (model.committed, model.handed_out));
        assert_eq!(log.first_index(), model.base.index + 1);
        for index in model.base.index..=model.last_index() {
            assert_eq!(log.term(index).ok(), model.term(index), "term of {index}");
        }
        assert_eq!(log.term(model.last_index() + 1), Err(Error::Storage(StorageError::Unavailable)));
        if let Some(below) = model.base.index.checked_sub(1) {
            assert_eq!(log.term(below), Err(Error::Storage(StorageError::Compacted)));
        }
        self.check_slices();
        self.check_agreement();
    }

    fn check_slices(&self) {
        let (log, model) = (&self.log, &self.model);
        let all = log.entries_from(model.base.index + 1, u64::MAX).expect("all of the log");
        let terms: Vec<u64> = all.iter().map(|entry| entry.term).collect();
        assert_eq!(terms, model.terms);
        for low in model.base.index + 1..=model.last_index() {
            for high in low..=model.last_index() + 1 {
                for bytes in [0, 1, 2, 4, u64::MAX] {
                    let slice = log.slice(low, high, bytes).expect("inside the log");
                    let count = if low < high { fitting(model, low, high, bytes) } else { 0 };
                    let indexes: Vec<u64> = slice.iter().map(|entry| entry.index).collect();
                    assert_eq!(
                        indexes,
                        (low..low + count).collect::<Vec<_>>(),
                        "{low}..{high}, {bytes} bytes"
                    );
                }
            }
        }
        assert_eq!(
            log.slice(model.base.index, model.base.index + 1, 9),
            Err(Error::Storage(StorageError::Compacted))
        );
    }

    /// `last_agreeable` never steps over an index at which the logs may agree.
    fn check_agreement(&self) {
        let model = &self.model;
        for index in model.base.index..=model.last_index() + 2 {
            for term in [0, 1, self.top_term / 2, self.top_term] {
                let hint = self.log.last_agreeable(index, term);
                let from = index.min(model.last_index());
                let skipped =
                    (hint.index + 1..=from).all(|skipped| model.term(skipped).is_none_or(|ours| ours > term));
                assert!(hint.index <= from && skipped, "({index}, {term}) gives {hint:?} in {model:?}");
                let fits = model.term(hint.index).is_none_or(|ours| ours <= term && ours == hint.term);
                assert!(fits, "({index}, {term}) gives {hint:?} in {model:?}");
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1500, failure_persistence: None, ..ProptestConfig::default() })]

    /// The log and its model stay in step.
    #[test]
    fn log_follows_its_model(steps in prop::collection::vec(step(), 1..60)) {
        let mut pair = Pair::new();
        for step in &steps {
            pair.take(step);
            pair.check();
        }
    }

    /// When everything is written, the disk holds exactly the log, and nothing is left to write.
    #[test]
    fn all_of_the_log_reaches_the_disk(steps in prop::collection::vec(step(), 1..60)) {
        let mut pair = Pair::new();
        for step in &steps {
            pair.take(step);
        }
        for step in [Step::ReportWrite, Step::TakeWrite, Step::ReportWrite] {
            pair.take(&step);
        }
        pair.check();
        assert!(pair.log.unstable_entries().is_empty() && pair.log.unstable_snapshot().is_none());
        let disk = pair.log.storage();
        let (first, last) = (disk.first_index().expect("memory"), disk.last_index().expect("memory"));
        let terms: Vec<u64> = disk.entries(first, last + 1, u64::MAX).expect("all").iter().map(|entry| entry.term).collect();
        assert_eq!((first, terms), (pair.model.base.index + 1, pair.model.terms));
    }

    /// §5.4.1, by its words: a higher last term is more up to date; with equal terms, the longer log is.
    #[test]
    fn up_to_date(ours in prop::collection::vec(0..4_u64, 0..6), index in 0..8_u64, term in 0..8_u64) {
        let mut pair = Pair::new();
        for newer in ours {
            pair.append(1, newer);
        }
        let (last_index, last_term) = (pair.model.last_index(), pair.model.last_term());
        let expected = if term == last_term { index >= last_index } else { term > last_term };
        assert_eq!(pair.log.is_up_to_date(LogId { term, index }), expected);
    }
}
