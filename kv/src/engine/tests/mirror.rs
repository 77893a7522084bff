//! The mirror: the same random history on both engines, and every answer compared.

use std::ops::Bound::{self, Excluded, Included, Unbounded};

use bytes::Bytes;
use proptest::collection::vec;
use proptest::prelude::*;

use super::super::{Cf, Engine, FjallEngine, FjallOptions, MemEngine, Read, Snapshot, WriteBatch};

#[derive(Clone, Debug)]
enum Step {
    Write(Vec<(usize, Bytes, Option<Bytes>)>),
    Get(usize, Bytes),
    Range { cf: usize, lower: Bound<Bytes>, upper: Bound<Bytes>, turns: Vec<bool> },
    Sync,
    Snapshot,
    DropSnapshot,
    Reopen,
}

/// Few and short keys, so that histories meet again and again in the same ones.
fn key() -> impl Strategy<Value = Bytes> {
    vec(prop_oneof![Just(0_u8), Just(1), Just(b'a'), Just(b'b'), Just(255)], 1..4).prop_map(Bytes::from)
}

fn value() -> impl Strategy<Value = Option<Bytes>> {
    prop_oneof![
        1 => Just(None),
        2 => vec(any::<u8>(), 0..20).prop_map(|bytes| Some(Bytes::from(bytes))),
    ]
}

fn bound() -> impl Strategy<Value = Bound<Bytes>> {
    prop_oneof![1 => Just(Unbounded), 2 => key().prop_map(Included), 2 => key().prop_map(Excluded)]
}

fn step() -> impl Strategy<Value = Step> {
    let cf = || 0..Cf::ALL.len();
    prop_oneof![
        6 => vec((cf(), key(), value()), 0..6).prop_map(Step::Write),
        4 => (cf(), key()).prop_map(|(cf, key)| Step::Get(cf, key)),
        6 => (cf(), bound(), bound(), vec(any::<bool>(), 1..40))
            .prop_map(|(cf, lower, upper, turns)| Step::Range { cf, lower, upper, turns }),
        1 => Just(Step::Sync),
        2 => Just(Step::Snapshot),
        1 => Just(Step::DropSnapshot),
        1 => Just(Step::Reopen),
    ]
}

/// Two engines, and the snapshots taken of both.
struct Pair {
    directory: tempfile::TempDir,
    memory: MemEngine,
    disk: Option<FjallEngine>,
    snapshots: Vec<(Snapshot, Snapshot)>,
}

impl Pair {
    fn new() -> Pair {
        let directory = super::directory();
        let mut pair = Pair { directory, memory: MemEngine::new(), disk: None, snapshots: Vec::new() };
        pair.open();
        pair
    }

    fn open(&mut self) {
        // Little memory, so that files are written and merged in the course of a test.
        let options = FjallOptions { memtable_bytes: 1 << 10, ..FjallOptions::default() };
        self.disk =
            Some(FjallEngine::open_with(self.directory.path().join("db"), &Cf::ALL, &options).unwrap());
    }

    fn disk(&self) -> &FjallEngine {
        self.disk.as_ref().unwrap()
    }

    fn take(&mut self, step: Step) {
        match step {
            Step::Write(changes) => {
                let mut batch = WriteBatch::new();
                for (cf, key, value) in changes {
                    match value {
                        Some(value) => batch.put(Cf::ALL[cf], key, value),
                        None => batch.delete(Cf::ALL[cf], key),
                    }
                }
                self.memory.write(batch.clone()).unwrap();
                self.disk().write(batch).unwrap();
            }
            Step::Get(cf, key) => self.compare(|read| read.get(Cf::ALL[cf], &key).unwrap()),
            Step::Range { cf, lower, upper, turns } => {
                self.compare(|read| walk(read, Cf::ALL[cf], (as_ref(&lower), as_ref(&upper)), &turns));
            }
            Step::Sync => self.disk().sync().unwrap(),
            Step::Snapshot => self.snapshots.push((self.memory.snapshot(), self.disk().snapshot())),
            Step::DropSnapshot => drop(self.snapshots.pop()),
            Step::Reopen => {
                self.snapshots.clear();
                self.disk = None;
                self.open();
            }
        }
    }

    /// Compares the engines, and each pair of snapshots.
    fn compare<T: PartialEq + std::fmt::Debug>(&self, ask: impl Fn(&dyn Read) -> T) {
        assert_eq!(ask(self.disk()), ask(&self.memory));
        for (memory, disk) in &self.snapshots {
            assert_eq!(ask(&**disk), ask(&**memory));
        }
    }
}

fn as_ref(bound: &Bound<Bytes>) -> Bound<&[u8]> {
    bound.as_ref().map(Bytes::as_ref)
}

/// The pairs of a range, taken from its front or its back as `turns` says, as long as there are turns.
fn walk(read: &dyn Read, cf: Cf, range: (Bound<&[u8]>, Bound<&[u8]>), turns: &[bool]) -> Vec<(Bytes, Bytes)> {
    let mut pairs = read.range(cf, range.0, range.1).unwrap();
    turns
        .iter()
        .map_while(|front| if *front { pairs.next() } else { pairs.next_back() })
        .map(Result::unwrap)
        .collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    #[test]
    fn both_engines_answer_alike(steps in vec(step(), 1..60)) {
        let mut pair = Pair::new();
        for step in steps {
            pair.take(step);
        }
        for cf in 0..Cf::ALL.len() {
            let all = Step::Range { cf, lower: Unbounded, upper: Unbounded, turns: vec![true; 1000] };
            pair.take(all);
        }
    }
}
