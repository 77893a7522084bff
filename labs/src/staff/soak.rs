//! Random runs of the reference for as long as it takes: resumable, counted for each build.

use std::io::{IsTerminal, Write};
use std::path::Path;

use anyhow::{Context, Result, bail, ensure};
use serde::{Deserialize, Serialize};
use verdict::TestKind;

use crate::grade::build::{self, Build};
use crate::grade::{self, Options, Silent, Status, run_part};
use crate::manifest::{Course, Part};
use crate::report::explain;

/// Part of a suite that no student is graded on: what lies beyond the course, with as many seeds as it takes to see all of it.
const BEYOND: &str = "soak";
/// Seeds of each simulation in one round.
const ROUND: u64 = 200;

/// How far this build has come.
#[derive(Debug, Default, Serialize, Deserialize)]
struct State {
    /// Digest of the worker: another build starts again.
    build: String,
    /// Runs that passed.
    runs: u64,
    /// The next round; its base seed.
    round: u64,
}

/// Runs of the parts that `suite` judges, and of what lies beyond the course, until `runs` of this build have passed, over all calls.
pub fn soak(root: &Path, suite: &str, runs: u64) -> Result<u8> {
    let course = Course::load(root)?;
    ensure!(course.suites().contains(&suite), "there is no suite `{suite}`: {}", course.suites().join(", "));
    let worker = match build::build(root, suite)? {
        Build::Done { worker, .. } => worker,
        Build::Broken(_) => bail!("the reference does not compile"),
    };
    let digest = blake3::hash(&std::fs::read(&worker)?).to_hex().to_string();
    let file = root.join(format!("target/soak-{suite}.json"));
    let known = std::fs::read(&file).ok().and_then(|text| serde_json::from_slice::<State>(&text).ok());
    let fresh = State { build: digest.clone(), runs: 0, round: 1 };
    let mut state = known.filter(|state| state.build == digest).unwrap_or(fresh);
    let started = (std::time::Instant::now(), state.runs);
    let mut parts: Vec<Part> = course.parts.iter().filter(|part| part.suite == suite).cloned().collect();
    let beyond = parts.first().map(|part| Part { id: BEYOND.to_owned(), ..part.clone() });
    parts.extend(beyond);
    while state.runs < runs {
        for part in &parts {
            let seeds = (part.id != BEYOND).then_some(ROUND);
            let kinds = vec![TestKind::Simulation];
            let options = Options { kinds, seeds, base_seed: state.round, ..Options::bare() };
            let (_, results) = run_part(part, grade::program(worker.clone()), &course, &options, &Silent)?;
            if let Some(failed) = results.iter().find(|result| result.status != Status::Passed) {
                anstream::println!("\n{}", explain::failure(failed, &options));
                return Ok(1);
            }
            state.runs += results.iter().map(|result| result.cost.runs).sum::<u64>();
        }
        state.round += 1;
        std::fs::write(&file, serde_json::to_vec(&state)?)
            .context("cannot write how far the soak has come")?;
        let rate = (state.runs - started.1) as f64 / started.0.elapsed().as_secs_f64();
        let left = runs.saturating_sub(state.runs) as f64 / rate / 60.0;
        let end = if std::io::stdout().is_terminal() { "\r" } else { "\n" };
        print!("  {} of {runs} runs, {rate:.0} a second, {left:.0} min to go   {end}", state.runs);
        std::io::stdout().flush()?;
    }
    println!("soak: {} runs of this build, none failed", state.runs);
    Ok(0)
}
