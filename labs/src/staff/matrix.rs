//! The kill matrix: for each planted bug, what catches it, how soon, and what each layer of checks would catch alone.

use std::collections::{BTreeMap, VecDeque};
use std::fmt::Write as _;
use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};
use verdict::{Layers, TestKind};

use super::selftest::{cause, judge};
use super::zoo::{Animal, Kind, Zoo};
use crate::grade::{Options, Silent, TestResult, run_part};
use crate::report::scorecard::short;
use crate::stamp::Stamper;

/// Where the table is kept; the book shows it.
pub const FILE: &str = "labs/bugs/matrix.md";

/// A bug that no exact test catches must fall to so many of [`BASES`] base seeds.
const NEEDED: u64 = 99;
const BASES: u64 = 100;

const NONE: Layers = Layers { relation: false, invariants: false, liveness: false, determinism: false };

/// The layers that are tried alone.
const ALONE: [(&str, Layers); 4] = [
    ("relation", Layers { relation: true, ..NONE }),
    ("invariants", Layers { invariants: true, ..NONE }),
    ("liveness", Layers { liveness: true, ..NONE }),
    ("determinism", Layers { determinism: true, ..NONE }),
];

/// One row.
#[derive(Clone, Serialize, Deserialize)]
struct Row {
    /// Exact tests that fail.
    exact: Vec<String>,
    /// What random runs say with all checks on.
    random: Option<Hit>,
    /// What each layer says alone, in the simulation in which all together catch it.
    alone: Vec<Option<Hit>>,
    /// What the search says.
    search: Option<Hit>,
    /// Of [`BASES`] base seeds, how many catch it; `None` if exact tests do.
    bases: Option<u64>,
}

#[derive(Clone, Serialize, Deserialize)]
struct Hit {
    test: String,
    by: String,
    runs: u64,
}

impl Hit {
    fn of(result: &TestResult) -> Hit {
        let passed = result.failure.as_ref().map_or(0, |failure| failure.passed_before);
        Hit { test: short(&result.info.name).into(), by: cause(result), runs: passed + 1 }
    }
}

impl Row {
    fn caught(&self) -> bool {
        !self.exact.is_empty() || self.random.is_some() || self.search.is_some()
    }

    fn sure(&self) -> bool {
        self.caught() && self.bases.is_none_or(|caught| caught >= NEEDED)
    }
}

/// The rows that are done, so that a stop loses none. Another build starts again.
#[derive(Default, Serialize, Deserialize)]
struct Done {
    /// Digest of the program, and whether a hundred base seeds were tried.
    build: String,
    /// By bug.
    rows: BTreeMap<String, Row>,
}

impl Done {
    fn load(file: &Path, build: String) -> Done {
        let known = std::fs::read(file).ok().and_then(|text| serde_json::from_slice::<Done>(&text).ok());
        known.filter(|done| done.build == build).unwrap_or(Done { build, rows: BTreeMap::new() })
    }

    fn save(&self, file: &Path) -> Result<()> {
        std::fs::write(file, serde_json::to_vec(self)?)
            .with_context(|| format!("cannot write {}", file.display()))
    }
}

/// Makes the table, prints it, and writes it to [`FILE`]. `sure`: also try a hundred base seeds where it matters.
pub fn run(root: &Path, only: Option<&str>, sure: bool) -> Result<u8> {
    let stamper = Stamper::new(root)?;
    let zoo = Zoo::open(root, &stamper)?;
    let bugs: Vec<&Animal> =
        zoo.of(Kind::Bug).filter(|bug| only.is_none_or(|o| bug.id.contains(o))).collect();
    let rows = all_rows(root, &stamper, &zoo, &bugs, sure)?;
    let table = render(&bugs, &rows);
    print!("{table}");
    if only.is_none() {
        std::fs::write(root.join(FILE), &table).with_context(|| format!("cannot write {FILE}"))?;
    }
    let good = rows.iter().filter(|row| row.sure()).count();
    println!("\nbugs: {good}/{} caught", rows.len());
    Ok(u8::from(good < rows.len()))
}

/// The rows of all `bugs`, in their order: those of an earlier, stopped call, and the others now, two at a time.
fn all_rows(root: &Path, stamper: &Stamper, zoo: &Zoo, bugs: &[&Animal], sure: bool) -> Result<Vec<Row>> {
    let file = root.join("target/bugs.json");
    let done = Mutex::new(Done::load(&file, format!("{} {sure}", zoo.digest()?)));
    let open = |bug: &Animal| !lock(&done).rows.contains_key(&bug.id);
    let left = Mutex::new(bugs.iter().copied().filter(|bug| open(bug)).collect::<VecDeque<_>>());
    let work = || -> Result<()> {
        while let Some(bug) = { lock(&left).pop_front() } {
            let row = row(stamper, zoo, bug, sure).with_context(|| bug.id.clone())?;
            let mut done = lock(&done);
            done.rows.insert(bug.id.clone(), row);
            done.save(&file)?;
            eprintln!("  {}  {} to go", bug.id, lock(&left).len());
        }
        Ok(())
    };
    std::thread::scope(|scope| {
        let other = scope.spawn(work);
        work().and(other.join().expect("rows are made without panics"))
    })?;
    let done = lock(&done);
    Ok(bugs.iter().map(|bug| done.rows[&bug.id].clone()).collect())
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn row(stamper: &Stamper, zoo: &Zoo, bug: &Animal, sure: bool) -> Result<Row> {
    let part = stamper.course().part(&bug.part)?;
    let first = |kind, layers, base_seed, test| -> Result<Option<Hit>> {
        let kinds = vec![kind];
        let options = Options { kinds, layers, base_seed, test, stop_early: true, ..Options::bare() };
        Ok(judge(stamper, part, zoo.with(bug, part), &options)?.first.as_ref().map(Hit::of))
    };
    let exact = Options { kinds: vec![TestKind::Unit], ..Options::bare() };
    let (_, exact) = run_part(part, zoo.with(bug, part), stamper.course(), &exact, &Silent)?;
    let failed = exact.into_iter().filter(|result| result.points < result.info.points);
    let exact: Vec<String> = failed.map(|result| short(&result.info.name).to_string()).collect();
    let random = first(TestKind::Simulation, Layers::ALL, 1, None)?;
    let alone = |(_, layers): &(&str, Layers)| {
        // What all layers together miss, none catches alone.
        let Some(caught) = &random else { return Ok(None) };
        let hit = first(TestKind::Simulation, *layers, 1, Some(caught.test.clone()))?;
        // Panics and spent budgets end a run whatever is checked: here only the audit itself counts.
        Ok(hit.filter(|hit| !layers.determinism || hit.by == "determinism"))
    };
    let alone = ALONE.iter().map(alone).collect::<Result<_>>()?;
    let search = first(TestKind::Search, Layers::ALL, 1, None)?;
    let mut bases = None;
    if sure && exact.is_empty() {
        let mut caught = 0;
        for base in 1..=BASES {
            let hit = first(TestKind::Simulation, Layers::ALL, base, None)?;
            caught += u64::from(hit.is_some() || first(TestKind::Search, Layers::ALL, base, None)?.is_some());
        }
        bases = Some(caught);
    }
    Ok(Row { exact, random, alone, search, bases })
}

fn render(bugs: &[&Animal], rows: &[Row]) -> String {
    let mut text = String::new();
    let count = |test: &dyn Fn(&Row) -> bool| rows.iter().filter(|row| test(row)).count();
    let _ = writeln!(
        text,
        "{} bugs are planted, {} are caught by their part. Alone would catch:\n",
        rows.len(),
        count(&Row::caught)
    );
    let _ = writeln!(text, "| layer | bugs |\n|---|---|");
    let _ = writeln!(text, "| exact tests | {} |", count(&|row| !row.exact.is_empty()));
    for (n, (name, _)) in ALONE.iter().enumerate() {
        let _ = writeln!(text, "| random runs, {name} only | {} |", count(&|row| row.alone[n].is_some()));
    }
    let _ = writeln!(text, "| random runs, all checks | {} |", count(&|row| row.random.is_some()));
    let _ = writeln!(text, "| search | {} |", count(&|row| row.search.is_some()));
    let _ = writeln!(
        text,
        "\n| bug | part | what is wrong, and why somebody writes it | caught by | runs | exact tests | relation | invariants | liveness | determinism | search | base seeds |"
    );
    let _ = writeln!(text, "|---|---|---|---|---|---|---|---|---|---|---|---|");
    for (bug, row) in bugs.iter().zip(rows) {
        let cell =
            |hit: &Option<Hit>| hit.as_ref().map_or("–".into(), |hit| format!("{} ({})", hit.by, hit.runs));
        let (by, runs) = match (row.exact.first(), &row.random, &row.search) {
            (Some(test), ..) => (format!("`{test}`"), String::from("1")),
            (None, Some(hit), _) => (format!("{} in `{}`", hit.by, hit.test), hit.runs.to_string()),
            (None, None, Some(hit)) => (format!("{} in `{}`", hit.by, hit.test), hit.runs.to_string()),
            (None, None, None) => ("**nothing**".into(), String::new()),
        };
        let alone: Vec<String> = row.alone.iter().map(cell).collect();
        let bases = row.bases.map_or(String::new(), |caught| format!("{caught} of {BASES}"));
        let what = format!("{}. *{}*", bug.title, bug.misconception).replace('|', "\\|");
        let _ = writeln!(
            text,
            "| `{}` | {} | {what} | {by} | {runs} | {} | {} | {} | {bases} |",
            bug.id,
            bug.part,
            row.exact.len(),
            alone.join(" | "),
            cell(&row.search)
        );
    }
    text
}
