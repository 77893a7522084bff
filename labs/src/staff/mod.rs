//! Commands of the reference tree: making the course, and testing it. Student trees have none of them.

pub mod check;
pub mod matrix;
pub mod selftest;
pub mod soak;
pub mod zoo;

use std::path::{Path, PathBuf};

use anyhow::{Result, ensure};
use clap::Subcommand;

use crate::stamp::{Open, Stamper};
use selftest::Checkpoints;

/// What the makers of the course do.
#[derive(Subcommand)]
pub enum Staff {
    /// Write a student tree.
    Stamp {
        /// The parts before this one are solved; it and the later ones are open.
        #[arg(long, value_name = "PART", required_unless_present = "solved")]
        from: Option<String>,
        /// Exactly these parts are solved.
        #[arg(long, value_name = "PARTS", value_delimiter = ',', conflicts_with = "from")]
        solved: Option<Vec<String>>,
        /// Refresh an earlier stamp instead of asking for a new folder.
        #[arg(long)]
        again: bool,
        /// Where.
        out: PathBuf,
    },
    /// Check that manifest, planted bugs and variants fit the source, and that stamping changes nothing but holes.
    Check,
    /// Test the course itself.
    Selftest {
        /// What of it.
        #[command(subcommand)]
        what: Selftest,
    },
    /// The kill matrix: every planted bug, and what catches it. Written to labs/bugs/matrix.md.
    Bugs {
        /// Only bugs whose ids hold this; then nothing is written.
        #[arg(long)]
        only: Option<String>,
        /// Leave out the hundred base seeds for bugs that only random runs catch.
        #[arg(long)]
        quick: bool,
    },
    /// Simulated runs of the reference until so many have passed; goes on where it was stopped.
    Soak {
        /// Which suite's parts.
        #[arg(default_value = "raft")]
        suite: String,
        /// How many.
        #[arg(long, default_value_t = 300_000)]
        runs: u64,
    },
    /// Build the program that holds all planted bugs, variants and open holes; list them with their numbers.
    Zoo,
}

/// Tests of the course.
#[derive(Subcommand)]
pub enum Selftest {
    /// Each bug is caught by its part.
    Bugs {
        /// Only some, such as `2/14` or `today/14`.
        #[arg(long, default_value = "0/1")]
        shard: String,
    },
    /// Each hole, open alone, makes its part fail.
    Holes {
        /// Only holes of this part.
        part: Option<String>,
    },
    /// Each legal variant has full points in every part.
    Variants {
        /// Only variants whose ids hold this.
        #[arg(long, default_value = "")]
        only: String,
        /// Only in this part.
        #[arg(long)]
        part: Option<String>,
        /// Seeds of each simulation.
        #[arg(long)]
        seeds: Option<u64>,
    },
    /// Each checkpoint builds without warnings, passes the parts before it and fails the others.
    Parts {
        /// Only this checkpoint.
        part: Option<String>,
        /// Only some, such as `2/3` or `today/3`.
        #[arg(long, default_value = "0/1")]
        shard: String,
        /// Seeds of each simulation.
        #[arg(long)]
        seeds: Option<u64>,
    },
}

/// Runs one of them; returns the exit status.
pub fn run(root: &Path, command: Staff) -> Result<u8> {
    match command {
        Staff::Stamp { from, solved, again, out } => {
            let stamper = Stamper::new(root)?;
            let open = match (from, solved) {
                (Some(from), _) => Open::From(from),
                (None, solved) => Open::AllBut(solved.unwrap_or_default()),
            };
            ensure!(out != root, "a tree cannot be stamped onto itself");
            let holes = stamper.stamp(&open, &out, again)?;
            println!("{}: {holes} functions are yours to write", out.display());
            Ok(0)
        }
        Staff::Check => check::check(root),
        Staff::Selftest { what } => match what {
            Selftest::Bugs { shard } => selftest::bugs(root, &shard),
            Selftest::Holes { part } => selftest::holes(root, part.as_deref()),
            Selftest::Variants { only, part, seeds } => {
                selftest::variants(root, &only, part.as_deref(), seeds)
            }
            Selftest::Parts { part, shard, seeds } => {
                selftest::parts(root, &Checkpoints { only: part.as_deref(), shard: &shard, seeds })
            }
        },
        Staff::Bugs { only, quick } => matrix::run(root, only.as_deref(), !quick),
        Staff::Soak { suite, runs } => soak::soak(root, &suite, runs),
        Staff::Zoo => {
            let zoo = zoo::Zoo::open(root, &Stamper::new(root)?)?;
            for animal in &zoo.animals {
                println!(
                    "{:4}  {:8} {:7} {:42} {}",
                    animal.number,
                    format!("{:?}", animal.kind),
                    animal.part,
                    animal.id,
                    animal.title
                );
            }
            Ok(0)
        }
    }
}
