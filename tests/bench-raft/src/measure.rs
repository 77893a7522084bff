//! Samples, rounds and medians.

use rustix::time::{ClockId, clock_gettime};

use crate::allocator;
use crate::cluster::{Cluster, Node};
use crate::ours::Ours;
use crate::peer::{Peer, Tuning};

/// Size of a command.
pub const ENTRY_BYTES: usize = 128;

/// Entries between two compactions, a multiple of every batch.
const COMPACTED: usize = 4_096;

/// Entries that a compaction leaves.
const KEPT: u64 = 1_024;

/// Who takes part.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Contender {
    /// Our core.
    Ours,
    /// raft-rs as it comes.
    Peer,
    /// raft-rs with `batch_append`.
    PeerBatched,
}

impl Contender {
    /// All, in the order in which they are shown.
    pub const ALL: [Contender; 3] = [Contender::Ours, Contender::Peer, Contender::PeerBatched];

    /// For people.
    pub fn name(self) -> &'static str {
        match self {
            Contender::Ours => "ours",
            Contender::Peer => "raft-rs",
            Contender::PeerBatched => "raft-rs, batch_append",
        }
    }

    /// For the command line.
    pub fn flag(self) -> &'static str {
        match self {
            Contender::Ours => "ours",
            Contender::Peer => "peer",
            Contender::PeerBatched => "peer-batched",
        }
    }
}

/// What one run of many batches cost.
#[derive(Clone, Copy)]
pub struct Sample {
    entries: usize,
    seconds: f64,
    allocations_per_entry: f64,
    messages_per_entry: f64,
}

impl Sample {
    /// Entries committed, and applied by every node, in a second.
    pub fn entries_per_second(&self) -> f64 {
        self.entries as f64 / self.seconds
    }

    /// Calls of the allocator for an entry, at all nodes together, with the one for the command itself.
    pub fn allocations_per_entry(&self) -> f64 {
        self.allocations_per_entry
    }

    /// Messages for an entry, between all nodes.
    pub fn messages_per_entry(&self) -> f64 {
        self.messages_per_entry
    }
}

/// `rounds` samples of each contender, taken in turns.
pub fn rounds(batch: usize, entries: usize, rounds: usize) -> [Vec<Sample>; 3] {
    let mut samples = [const { Vec::new() }; 3];
    for round in 0..rounds {
        for turn in 0..3 {
            let who = (round + turn) % 3;
            samples[who].push(sample(Contender::ALL[who], 3, batch, entries));
        }
    }
    samples
}

/// One sample, at a fresh cluster of `size` nodes.
pub fn sample(contender: Contender, size: u64, batch: usize, entries: usize) -> Sample {
    with(contender, Sampling { size, batch, entries })
}

/// Processor time of this thread in seconds.
pub fn processor_seconds() -> f64 {
    let now = clock_gettime(ClockId::ThreadCPUTime);
    now.tv_sec as f64 + now.tv_nsec as f64 / 1e9
}

/// The value in the middle.
///
/// # Panics
/// If there are no samples.
pub fn median<T>(samples: &[T], value: impl Fn(&T) -> f64) -> f64 {
    let mut values: Vec<f64> = samples.iter().map(value).collect();
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

/// Something that can be done with a cluster of either library.
pub trait Job {
    /// What comes out.
    type Output;

    /// Does it.
    fn run<N: Node>(&self, tuning: N::Tuning) -> Self::Output;
}

/// Does `job` with the contender's nodes.
pub fn with<J: Job>(contender: Contender, job: J) -> J::Output {
    match contender {
        Contender::Ours => job.run::<Ours>(()),
        Contender::Peer => job.run::<Peer>(Tuning { batch_append: false }),
        Contender::PeerBatched => job.run::<Peer>(Tuning { batch_append: true }),
    }
}

struct Sampling {
    size: u64,
    batch: usize,
    entries: usize,
}

impl Job for Sampling {
    type Output = Sample;

    fn run<N: Node>(&self, tuning: N::Tuning) -> Sample {
        let command = vec![7; ENTRY_BYTES];
        let mut cluster = Cluster::<N>::new(self.size, tuning);
        let warm_up = COMPACTED.next_multiple_of(self.batch);
        run(&mut cluster, &command, self.batch, warm_up);
        let entries = self.entries.next_multiple_of(self.batch);
        let messages = cluster.messages;
        let calls = allocator::calls();
        let start = processor_seconds();
        run(&mut cluster, &command, self.batch, entries);
        let seconds = processor_seconds() - start;
        let calls = allocator::calls() - calls;
        cluster.check((warm_up + entries) as u64);
        Sample {
            entries,
            seconds,
            allocations_per_entry: calls as f64 / entries as f64,
            messages_per_entry: (cluster.messages - messages) as f64 / entries as f64,
        }
    }
}

/// Commits `entries`. Logs are compacted now and then, as a store does it: else most of the time would go into the
/// kernel's finding of fresh memory.
fn run<N: Node>(cluster: &mut Cluster<N>, command: &[u8], batch: usize, entries: usize) {
    let between = COMPACTED / batch;
    for k in 1..=entries / batch {
        cluster.commit(command, batch);
        if k % between == 0 {
            cluster.compact(KEPT);
        }
    }
}
