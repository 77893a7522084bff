//! How the cost of an entry grows: with the log, with the cluster, with the lag of a follower.

use crate::cluster::{Cluster, Node};
use crate::measure::{Contender, ENTRY_BYTES, Job, median, processor_seconds, sample, with};

/// Entries proposed together in all of these.
const BATCH: usize = 64;

/// Repetitions of each point; the median counts.
const ROUNDS: usize = 5;

/// Lengths of the log at which the cost of more entries is measured.
const LENGTHS: [u64; 5] = [0, 1_000, 10_000, 100_000, 300_000];

/// Cluster sizes.
const SIZES: [u64; 3] = [3, 5, 7];

/// Entries that a follower has missed.
const LAGS: [u64; 4] = [100, 1_000, 10_000, 100_000];

/// One picture: a line for each contender.
pub struct Panel {
    /// What the picture shows.
    pub title: &'static str,
    /// What is varied.
    pub axis: &'static str,
    /// Names of the values along the axis.
    pub names: Vec<String>,
    /// Nanoseconds an entry, for each contender and value.
    pub lines: Vec<(Contender, Vec<f64>)>,
}

/// Measures all three.
pub fn measure() -> Vec<Panel> {
    vec![
        panel("An entry, as the log grows", "entries in the log", &LENGTHS, |who, length| {
            with(who, Longer { length })
        }),
        panel("An entry, by cluster size", "nodes", &SIZES, |who, size| {
            1e9 / sample(who, size, BATCH, 20_000).entries_per_second()
        }),
        panel("Catching up, for each missed entry", "entries missed", &LAGS, |who, lag| {
            with(who, Lag { lag })
        }),
    ]
}

fn panel(
    title: &'static str,
    axis: &'static str,
    values: &[u64],
    cost: impl Fn(Contender, u64) -> f64,
) -> Panel {
    let mut lines: Vec<(Contender, Vec<f64>)> = Contender::ALL.map(|who| (who, Vec::new())).into();
    for &value in values {
        let mut samples = [const { Vec::new() }; 3];
        for _ in 0..ROUNDS {
            for (who, samples) in Contender::ALL.into_iter().zip(&mut samples) {
                samples.push(cost(who, value));
            }
        }
        for ((_, line), samples) in lines.iter_mut().zip(&samples) {
            line.push(median(samples, |&ns| ns));
        }
    }
    Panel { title, axis, names: values.iter().map(|&value| name(value)).collect(), lines }
}

fn name(value: u64) -> String {
    if value >= 1_000 { format!("{}k", value / 1_000) } else { value.to_string() }
}

/// Prints the figures behind the pictures.
pub fn print(panels: &[Panel]) {
    for panel in panels {
        println!("{}, ns (batches of {BATCH})", panel.title);
        print!("  {:<22}", panel.axis);
        panel.names.iter().for_each(|name| print!("{name:>9}"));
        println!();
        for (who, line) in &panel.lines {
            print!("  {:<22}", who.name());
            line.iter().for_each(|ns| print!("{ns:>9.0}"));
            println!();
        }
        println!();
    }
}

/// Cost of an entry behind a log of `length`.
struct Longer {
    length: u64,
}

impl Job for Longer {
    type Output = f64;

    fn run<N: Node>(&self, tuning: N::Tuning) -> f64 {
        let command = [7; ENTRY_BYTES];
        let mut cluster = Cluster::<N>::new(3, tuning);
        for _ in 0..self.length.div_ceil(BATCH as u64) {
            cluster.commit(&command, BATCH);
        }
        let more = 150;
        let start = processor_seconds();
        for _ in 0..more {
            cluster.commit(&command, BATCH);
        }
        (processor_seconds() - start) * 1e9 / (more * BATCH) as f64
    }
}

/// Cost of each entry that a follower catches up on.
struct Lag {
    lag: u64,
}

impl Job for Lag {
    type Output = f64;

    fn run<N: Node>(&self, tuning: N::Tuning) -> f64 {
        let command = [7; ENTRY_BYTES];
        let mut cluster = Cluster::<N>::new(3, tuning);
        cluster.commit(&command, BATCH);
        cluster.cut_off(Some(3));
        let batches = self.lag.div_ceil(BATCH as u64);
        for _ in 0..batches {
            cluster.commit(&command, BATCH);
        }
        cluster.cut_off(None);
        let missed = batches * BATCH as u64;
        let start = processor_seconds();
        cluster.catch_up(BATCH as u64 + missed);
        (processor_seconds() - start) * 1e9 / missed as f64
    }
}
