//! Tests of the course itself: holes are needed, bugs are caught, variants pass, checkpoints do what they should.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail, ensure};
use verdict::TestKind;

use super::zoo::{Animal, Kind, Only, Zoo};
use crate::grade::build::{self, Build};
use crate::grade::untouched::Untouched;
use crate::grade::worker::Program;
use crate::grade::{self, Options, Silent, Status, TestResult, run_part};
use crate::manifest::Part;
use crate::report::scorecard::short;
use crate::stamp::{Open, Stamper};

/// What a part says to a program: points, and the first test that did not pass.
pub struct Verdict {
    /// All tests passed.
    pub full: bool,
    /// The first that did not.
    pub first: Option<TestResult>,
    /// How many did not.
    pub failed: usize,
    /// Did every test stop at an open hole?
    pub all_open: bool,
}

/// Runs a part against a program.
pub fn judge(stamper: &Stamper, part: &Part, program: Program, options: &Options) -> Result<Verdict> {
    let (_, results) = run_part(part, program, stamper.course(), options, &Silent)?;
    let all_open = results.iter().all(|r| r.status == Status::NotImplemented);
    let failed: Vec<TestResult> = results.into_iter().filter(|r| r.status != Status::Passed).collect();
    Ok(Verdict { full: failed.is_empty(), failed: failed.len(), first: failed.into_iter().next(), all_open })
}

/// What caught it: the rule, or the exact test.
pub fn cause(result: &TestResult) -> String {
    let rule = result.failure.as_ref().and_then(|f| f.findings.first()).map(|f| f.rule.clone());
    match (&result.missing, &result.died) {
        (Some(missing), _) => format!("open: {}", missing.path),
        (_, Some(died)) => died.clone(),
        _ => rule.unwrap_or_else(|| "failed".into()),
    }
}

/// Which of `n` things belong to a shard such as `2/14`, or `today/14`.
pub fn shard(spec: &str) -> Result<impl Fn(usize) -> bool> {
    let (index, of) = spec.split_once('/').context("a shard is written 2/14, or today/14")?;
    let of: usize = of.parse()?;
    ensure!(of > 0, "there are no {of} shards");
    let index = match index {
        "today" => {
            let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH)?;
            (now.as_secs() / 86_400) as usize % of
        }
        number => number.parse::<usize>()? % of,
    };
    Ok(move |n: usize| n % of == index)
}

/// Each bug is caught by the part that claims it, at default seeds.
pub fn bugs(root: &Path, wanted: &str) -> Result<u8> {
    let stamper = Stamper::new(root)?;
    let chosen = shard(wanted)?;
    let zoo = Zoo::open(root, &stamper)?;
    let options = Options { stop_early: true, ..Options::bare() };
    let (mut missed, mut tried) = (0, 0);
    for (_, bug) in zoo.of(Kind::Bug).enumerate().filter(|(n, _)| chosen(*n)) {
        tried += 1;
        let part = stamper.course().part(&bug.part)?;
        let verdict = judge(&stamper, part, zoo.with(bug, part), &options)?;
        match &verdict.first {
            Some(by) => say('✔', &bug.id, &format!("{}  {} ({})", bug.part, short(&by.info.name), cause(by))),
            None => {
                missed += 1;
                say('✘', &bug.id, &format!("{}  NOT CAUGHT: {}", bug.part, bug.title));
            }
        }
    }
    println!("bugs: {}/{tried} caught", tried - missed);
    Ok(u8::from(missed > 0))
}

/// No legal variant is failed by any part: or only those whose ids hold `only`, or only by `part`.
pub fn variants(root: &Path, only: &str, part: Option<&str>, seeds: Option<u64>) -> Result<u8> {
    let stamper = Stamper::new(root)?;
    let zoo = Zoo::open(root, &stamper)?;
    let (mut failed, mut tried) = (0, 0);
    for variant in zoo.of(Kind::Variant).filter(|variant| variant.id.contains(only)) {
        let mut accused = Vec::new();
        let kinds = match variant.only {
            Only::All => vec![TestKind::Unit, TestKind::Simulation, TestKind::Search],
            Only::Random => vec![TestKind::Simulation, TestKind::Search],
        };
        let options = Options { seeds, kinds, ..Options::bare() };
        for part in stamper.course().parts.iter().filter(|of| part.is_none_or(|part| of.id == part)) {
            let verdict = judge(&stamper, part, zoo.with(variant, part), &options)?;
            accused.extend(verdict.first.map(|by| format!("{} ({})", by.info.name, cause(&by))));
        }
        tried += 1;
        failed += usize::from(!accused.is_empty());
        let mark = if accused.is_empty() { '✔' } else { '✘' };
        let said = if accused.is_empty() {
            variant.title.clone()
        } else {
            format!("ACCUSED by {}", accused.join(", "))
        };
        say(mark, &variant.id, &said);
    }
    println!("variants: {}/{tried} pass every part", tried - failed);
    Ok(u8::from(failed > 0))
}

/// Each hole, open alone, makes its part fail. That no earlier part needs it is what the checkpoints show: there all later
/// holes are open, so that the inert ones keep earlier parts away from the others.
pub fn holes(root: &Path, only: Option<&str>) -> Result<u8> {
    let stamper = Stamper::new(root)?;
    let zoo = Zoo::open(root, &stamper)?;
    let stop = Options { stop_early: true, ..Options::bare() };
    let (mut failed, mut tried) = (0, 0);
    let wanted = |hole: &&Animal| only.is_none_or(|part| hole.part == part);
    for hole in zoo.of(Kind::Hole).filter(wanted) {
        let part = stamper.course().part(&hole.part)?;
        let verdict = judge(&stamper, part, zoo.with(hole, part), &stop)?;
        tried += 1;
        match &verdict.first {
            Some(by) => say('✔', &hole.id, &format!("{}  {}", hole.part, short(&by.info.name))),
            None => {
                failed += 1;
                say('✘', &hole.id, &format!("{} does not notice that it is open", hole.part));
            }
        }
    }
    println!("holes: {}/{tried} needed by their part", tried - failed);
    Ok(u8::from(failed > 0))
}

/// Which checkpoints are tried, and how hard.
pub struct Checkpoints<'a> {
    /// Only the one from this part.
    pub only: Option<&'a str>,
    /// Only some, as for [`bugs`].
    pub shard: &'a str,
    /// Seeds of each simulation.
    pub seeds: Option<u64>,
}

/// Each checkpoint builds without warnings, passes the parts before it, and fails the others.
pub fn parts(root: &Path, wanted: &Checkpoints<'_>) -> Result<u8> {
    let stamper = Stamper::new(root)?;
    let chosen = shard(wanted.shard)?;
    let mut bad = 0;
    let ids: Vec<String> = stamper.course().parts.iter().map(|part| part.id.clone()).collect();
    let checkpoint = |name: &str, open: &Open, solved: &[String]| {
        checkpoint(root, &stamper, (name, wanted.seeds), open, |part| solved.contains(&part.id))
    };
    for (n, id) in ids.iter().enumerate() {
        if chosen(n) && wanted.only.is_none_or(|only| only == id) {
            bad += checkpoint(id, &Open::From(id.clone()), &ids[..n])?;
        }
    }
    if chosen(ids.len()) && wanted.only.is_none() {
        bad += checkpoint("all solved", &Open::AllBut(ids.clone()), &ids)?;
    }
    println!(
        "checkpoints: {}",
        if bad == 0 { "all as they should be".into() } else { format!("{bad} complaints") }
    );
    Ok(u8::from(bad > 0))
}

fn checkpoint(
    root: &Path,
    stamper: &Stamper,
    (name, seeds): (&str, Option<u64>),
    open: &Open,
    solved: impl Fn(&Part) -> bool,
) -> Result<usize> {
    let out = root.join("target/stamped/tree");
    stamper.stamp(open, &out, true)?;
    let (workers, warnings) =
        build_suites(root, stamper, &out).with_context(|| format!("the tree stamped from {name}"))?;
    let mut complaints = Vec::new();
    if let Some(first) = warnings.first() {
        complaints.push(format!("{} warnings, the first: {first}", warnings.len()));
    }
    let mut said = Vec::new();
    let options = Options { untouched: Untouched::find(&out, stamper.course()), seeds, ..Options::bare() };
    for part in &stamper.course().parts {
        let verdict = judge(stamper, part, grade::program(workers[&part.suite].clone()), &options)?;
        let state = match (&verdict.first, verdict.all_open) {
            (None, _) => "full".into(),
            (Some(_), true) => "all open".into(),
            (Some(_), false) => format!("{} fail", verdict.failed),
        };
        said.push(format!("{} {state}", part.id));
        match (&verdict.first, solved(part)) {
            (Some(by), true) => {
                complaints.push(format!("{} is solved, but fails {} ({})", part.id, by.info.name, cause(by)))
            }
            (None, false) => complaints.push(format!("{} is open, but has full points", part.id)),
            (Some(by), false) if !verdict.all_open => {
                complaints.push(format!(
                    "{} does not only say `not implemented yet` ({})",
                    part.id,
                    cause(by)
                ));
            }
            _ => {}
        }
    }
    let mark = if complaints.is_empty() { '✔' } else { '✘' };
    say(mark, name, &said.join(", "));
    complaints.iter().for_each(|complaint| println!("      {complaint}"));
    Ok(complaints.len())
}

/// The workers of a stamped tree by suite, and what the compiler warned of.
fn build_suites(
    root: &Path,
    stamper: &Stamper,
    out: &Path,
) -> Result<(BTreeMap<String, PathBuf>, Vec<String>)> {
    let (mut workers, mut warned) = (BTreeMap::new(), Vec::new());
    for suite in stamper.course().suites() {
        let manifest = out.join(build::suite_manifest(suite));
        let text = std::fs::read_to_string(&manifest)?;
        std::fs::write(&manifest, build::rename_worker(&text, suite, "stamped")?)?;
        match build::build_copy(root, out, suite, "stamped")? {
            Build::Done { worker, warnings } => {
                workers.insert(suite.to_owned(), worker);
                warned.extend(warnings);
            }
            Build::Broken(errors) => {
                let first = errors.errors.first().map(|e| e.rendered.clone()).unwrap_or_default();
                bail!("does not compile:\n{first}")
            }
        }
    }
    Ok((workers, warned))
}

/// One line of a test of the course.
pub fn say(mark: char, what: &str, how: &str) {
    anstream::println!("  {mark} {what:42}  {how}");
}
