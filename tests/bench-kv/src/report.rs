//! Medians, the table, the last lines.

use std::collections::BTreeMap;

use clap::ValueEnum;

use crate::load::{Case, Sample};

/// Who is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, ValueEnum)]
pub enum System {
    /// Three stores of ours.
    Ours,
    /// Three members of etcd.
    Etcd,
}

impl System {
    /// As it stands in the table.
    pub fn name(self) -> &'static str {
        match self {
            System::Ours => "ours",
            System::Etcd => "etcd",
        }
    }
}

/// All that was measured.
#[derive(Default)]
pub struct Report {
    /// Samples of all turns.
    pub samples: BTreeMap<(Case, System), Vec<Sample>>,
    /// Syncs that the raw disk did in a second, before each turn.
    pub disk: Vec<f64>,
}

impl Report {
    /// Prints the table and, if both systems ran, the ratios.
    pub fn print(&self) {
        let lowest = self.disk.iter().copied().fold(f64::INFINITY, f64::min);
        let highest = self.disk.iter().copied().fold(0.0, f64::max);
        println!(
            "raw disk: {:.0} fdatasync/s (median; {lowest:.0} to {highest:.0})",
            median(self.disk.clone())
        );
        println!();
        println!(
            "{:9} {:6} {:>9} {:>9} {:>9} {:>9} {:>9}",
            "case", "system", "ops/s", "p50 ms", "p99 ms", "bytes/op", "syncs/op"
        );
        for ((case, system), samples) in &self.samples {
            let column = |value: &dyn Fn(&Sample) -> f64| median(samples.iter().map(value).collect());
            let syncs =
                samples.iter().map(|sample| Some(sample.per_op(sample.flushes?))).collect::<Option<Vec<_>>>();
            println!(
                "{:9} {:6} {:9.0} {:9.2} {:9.2} {:9.0} {:>9}",
                case.to_string(),
                system.name(),
                column(&Sample::ops_per_second),
                column(&|sample| sample.latency_ms(0.5)),
                column(&|sample| sample.latency_ms(0.99)),
                column(&|sample| sample.per_op(sample.written_bytes)),
                syncs.map_or("-".into(), |syncs| format!("{:.3}", median(syncs))),
            );
        }
        println!();
        for (case, ratio) in self.ratios() {
            println!("ratio {case} {ratio:.2}");
        }
    }

    /// How many times as many operations we do, for each case that both did.
    fn ratios(&self) -> Vec<(Case, f64)> {
        let rate = |case, system| {
            let samples = self.samples.get(&(case, system))?;
            Some(median(samples.iter().map(Sample::ops_per_second).collect()))
        };
        let cases = self.samples.keys().filter(|(_, system)| *system == System::Ours).map(|(case, _)| *case);
        cases.filter_map(|case| Some((case, rate(case, System::Ours)? / rate(case, System::Etcd)?))).collect()
    }
}

/// The middle one; of an even number, the mean of the two in the middle.
fn median(mut values: Vec<f64>) -> f64 {
    values.sort_unstable_by(f64::total_cmp);
    let middle = values.len() / 2;
    match values.len() {
        0 => f64::NAN,
        length if length % 2 == 1 => values[middle],
        _ => f64::midpoint(values[middle - 1], values[middle]),
    }
}
