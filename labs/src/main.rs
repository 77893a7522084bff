//! The `lab` command: what the Makefile's targets call.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, Result};
use clap::{Args, Parser, Subcommand};

use labs::grade::{self, Options};
use labs::manifest::Course;
use labs::report::{explain, json, scorecard};
use labs::staff::Staff;

/// Grades the course's parts, and (in the reference tree) makes and tests the course.
#[derive(Parser)]
#[command(name = "lab")]
struct Lab {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Grade targets such as `2aa`, `2a` or `course`. Status 0: full points, 1: points missing, 2: does not compile,
    /// 3: the grader's own error.
    Grade(Grade),
    /// Run a saved failure under 300 other noise seeds: is the bug really gone?
    Fixcheck {
        /// The saved run.
        plan: PathBuf,
        /// How many noise seeds.
        #[arg(long, default_value_t = 300)]
        runs: u64,
    },
    /// List the parts with their points and chapters.
    Parts,
    #[command(flatten)]
    Staff(Staff),
}

#[derive(Args)]
struct Grade {
    /// What to grade.
    #[arg(required = true)]
    target: String,
    /// Seeds of each simulation, instead of the default number.
    #[arg(long, value_name = "N")]
    seeds: Option<u64>,
    /// Only this seed.
    #[arg(long, value_name = "N")]
    seed: Option<u64>,
    /// All seeds derive from this one.
    #[arg(long, value_name = "N", default_value_t = 1)]
    base: u64,
    /// Only the test of this name, or the tests whose names hold it.
    #[arg(long, value_name = "NAME")]
    test: Option<String>,
    /// Only this saved run.
    #[arg(long, value_name = "FILE")]
    plan: Option<PathBuf>,
    /// Draw failing runs (and the one asked for by --seed or --plan) as target/trace/<test>.html.
    #[arg(long)]
    trace: bool,
    /// Run every seed twice and compare.
    #[arg(long)]
    audit: bool,
    /// Write the result as JSON.
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
}

fn main() -> ExitCode {
    let lab = Lab::parse();
    let done = enter_root().and_then(|root| match lab.command {
        Command::Grade(asked) => grade(&root, &asked),
        Command::Fixcheck { plan, runs } => fixcheck(&root, &plan, runs),
        Command::Parts => parts(&root),
        Command::Staff(command) => labs::staff::run(&root, command),
    });
    done.map(ExitCode::from).unwrap_or_else(|error| {
        anstream::eprintln!("lab: {error:#}");
        ExitCode::from(3)
    })
}

/// Finds the tree that the command is run in, and goes to its root.
fn enter_root() -> Result<PathBuf> {
    let here = std::env::current_dir()?;
    let root = here.ancestors().find(|folder| folder.join("labs/parts").is_dir());
    let root = root.context("this is no TinyKV tree: no folder above has labs/parts")?.to_path_buf();
    std::env::set_current_dir(&root)?;
    Ok(root)
}

fn grade(root: &Path, asked: &Grade) -> Result<u8> {
    let course = Course::load(root)?;
    let options = Options {
        seeds: asked.seeds,
        seed: asked.seed,
        base_seed: asked.base,
        test: asked.test.clone(),
        plan: asked.plan.as_deref().map(read_plan).transpose()?,
        plan_path: asked.plan.clone(),
        trace: asked.trace,
        audit: asked.audit,
        ..Options::default()
    };
    let graded = grade::grade(root, &course, &asked.target, &options, &scorecard::Scorecard::new())?;
    if let Some(errors) = &graded.broken {
        let student = course.student_crates().contains(errors.crate_name.as_str());
        anstream::println!("{}", explain::compile_errors(errors, student));
    } else {
        anstream::println!("{}", explain::failures(&graded, &options));
    }
    for result in graded.tests.iter().filter(|result| result.failure.is_none()) {
        if let Some(file) = &result.trace_file {
            anstream::println!("the run as a picture: {}\n", file.display());
        }
    }
    if let Some(file) = &asked.json {
        std::fs::write(file, json::render(&graded))
            .with_context(|| format!("cannot write {}", file.display()))?;
    }
    println!("{}", scorecard::total(&graded));
    Ok(graded.status())
}

fn read_plan(file: &Path) -> Result<verdict::Plan> {
    let text = std::fs::read(file).with_context(|| format!("cannot read {}", file.display()))?;
    serde_json::from_slice(&text).with_context(|| format!("{} is not a saved run", file.display()))
}

fn fixcheck(root: &Path, file: &Path, runs: u64) -> Result<u8> {
    let course = Course::load(root)?;
    let plan = read_plan(file)?;
    let options = Options { plan_path: Some(file.into()), ..Options::bare() };
    let part = course.part(plan.test.split("::").next().unwrap_or_default())?;
    let program = match grade::build::build(root, &part.suite)? {
        grade::build::Build::Done { worker, .. } => grade::program(worker),
        grade::build::Build::Broken(errors) => {
            let student = course.student_crates().contains(errors.crate_name.as_str());
            anstream::println!("{}", explain::compile_errors(&errors, student));
            return Ok(2);
        }
    };
    let (failed, first) = grade::fixcheck(&course, program, part, &plan, runs, &options)?;
    if let Some(result) = first {
        anstream::println!("{}", explain::failure(&result, &options));
    }
    println!("fixcheck: {}/{runs} runs of {} passed", runs - failed, plan.test);
    Ok(u8::from(failed > 0))
}

fn parts(root: &Path) -> Result<u8> {
    let course = Course::load(root)?;
    for part in &course.parts {
        println!(
            "{:16} {:4} points  {:40} docs/src/{}",
            part.target(),
            part.points,
            part.title,
            part.handout
        );
    }
    Ok(0)
}
