//! Our raft core beside the `raft` crate (raft-rs), in one process, over the same pump.
//!
//! `make bench-raft` prints a table, draws `target/bench/raft.svg`, and ends with one line for each batch size:
//! `ratio batch-64 1.7` says that we commit 1.7 entries in the time that the peer needs for one.
//!
//! # What is measured
//!
//! Three nodes in memory, each over the in-memory storage of its own library, on one thread. A client proposes a batch of
//! entries of 128 bytes at the leader; then messages are handed from node to node until nothing is left to do, and every
//! node has written and applied the batch. One sample is many such batches at a fresh cluster; the libraries take turns,
//! so that a slow minute of the machine hits all of them, and medians are compared. Time is the processor time of the
//! thread: other programs may cost it caches, but not turns.
//!
//! | file | what |
//! |---|---|
//! | `cluster.rs` | the trait that both libraries are driven through, and the pump, written once |
//! | `ours.rs`, `peer.rs` | the two libraries behind the trait |
//! | `measure.rs` | samples, rounds, medians |
//! | `allocator.rs` | counts allocations |
//! | `growth.rs` | cost by log length, cluster size, follower lag |
//! | `chart.rs` | the picture |
//!
//! # What is fair
//!
//! Both run in the same optimised build (`opt-level` 3, thin link-time optimisation), with all checks that a release build of theirs has, with the same limits (1 MiB a message,
//! 256 messages in flight, no pre-vote, no quorum check), get every command as a fresh `Vec<u8>`, and compact their logs
//! every 4,096 entries. The peer runs twice, with `batch_append` off, its default, and on; the ratio is against the better one.
//!
//! # Options
//!
//! `--rounds N`, `--entries N` (of a sample), `--no-growth`; `--profile ours|peer|peer-batched BATCH` runs one sample
//! over and over, for a profiler.

mod allocator;
mod chart;
mod cluster;
mod growth;
mod measure;
mod ours;
mod peer;

use measure::{Contender, Sample, median};

/// Entries proposed before the messages are handed on.
const BATCHES: [usize; 3] = [1, 64, 256];

struct Options {
    rounds: usize,
    entries: usize,
    growth: bool,
    profile: Option<(Contender, usize)>,
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let options = parse()?;
    if let Some((contender, batch)) = options.profile {
        let sample = measure::sample(contender, 3, batch, options.entries);
        println!("{} batch {batch}: {:.0} entries/s", contender.name(), sample.entries_per_second());
        return Ok(());
    }
    let results = BATCHES.map(|batch| measure::rounds(batch, options.entries, options.rounds));
    print_table(&results, &options);
    if options.growth {
        let panels = growth::measure();
        growth::print(&panels);
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../target/bench/raft.svg");
        std::fs::create_dir_all(concat!(env!("CARGO_MANIFEST_DIR"), "/../../target/bench"))?;
        std::fs::write(path, chart::draw(&panels))?;
        println!("\npicture: target/bench/raft.svg");
    }
    println!();
    for (batch, samples) in BATCHES.iter().zip(&results) {
        println!("ratio batch-{batch} {:.2}", ratio(samples));
    }
    Ok(())
}

fn parse() -> Result<Options, String> {
    let mut options = Options { rounds: 9, entries: 50_000, growth: true, profile: None };
    let mut args = std::env::args().skip(1);
    while let Some(arg) = args.next() {
        let mut number =
            |name| args.next().and_then(|n| n.parse().ok()).ok_or(format!("{name} needs a number"));
        match arg.as_str() {
            "--rounds" => options.rounds = number("--rounds")?,
            "--entries" => options.entries = number("--entries")?,
            "--no-growth" => options.growth = false,
            "--profile" => {
                let name = args.next().unwrap_or_default();
                let contender = Contender::ALL.into_iter().find(|c| c.flag() == name);
                let batch = args.next().and_then(|n| n.parse().ok());
                options.profile =
                    Some((contender.ok_or("--profile needs a name")?, batch.ok_or("and a batch size")?));
            }
            _ => {
                return Err(format!("{arg} is not understood; see the head of tests/bench-raft/src/main.rs"));
            }
        }
    }
    if options.rounds == 0 || options.entries == 0 {
        return Err("at least one round and one entry".to_owned());
    }
    Ok(options)
}

/// Our median speed over that of the faster variant of the peer.
fn ratio(samples: &[Vec<Sample>; 3]) -> f64 {
    let [ours, peer, batched] = samples.each_ref().map(|samples| median(samples, Sample::entries_per_second));
    ours / peer.max(batched)
}

fn print_table(results: &[[Vec<Sample>; 3]; 3], options: &Options) {
    println!(
        "three nodes in memory, entries of {} bytes, {} a sample, median of {} rounds\n",
        measure::ENTRY_BYTES,
        options.entries,
        options.rounds
    );
    println!(
        "batch  library                 entries/s   (slowest … fastest)   ns/entry   allocations/entry   messages/entry"
    );
    for (batch, samples) in BATCHES.iter().zip(results) {
        for (contender, samples) in Contender::ALL.into_iter().zip(samples) {
            let speeds = samples.iter().map(Sample::entries_per_second);
            let (low, high) =
                speeds.fold((f64::MAX, 0.0_f64), |(low, high), speed| (low.min(speed), high.max(speed)));
            println!(
                "{batch:>5}  {:<22} {:>10.0}   {:>9.0} … {:>9.0}   {:>8.0}   {:>17.2}   {:>14.3}",
                contender.name(),
                median(samples, Sample::entries_per_second),
                low,
                high,
                1e9 / median(samples, Sample::entries_per_second),
                median(samples, Sample::allocations_per_entry),
                median(samples, Sample::messages_per_entry),
            );
        }
        println!("{:>5}  ours / better peer: {:.2}\n", "", ratio(samples));
    }
}
