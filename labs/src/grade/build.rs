//! Building the graded suites around the student's code. A compile error is a report of its own.

use std::io::IsTerminal;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail, ensure};
use serde::{Deserialize, Serialize};

/// How a build went.
#[derive(Debug)]
pub enum Build {
    /// It is built.
    Done {
        /// The worker's executable.
        worker: PathBuf,
        /// What the compiler warned of,.
        warnings: Vec<String>,
    },
    /// The code does not compile.
    Broken(CompileErrors),
}

/// What the compiler refused.
#[derive(Clone, Debug, Default, Serialize)]
pub struct CompileErrors {
    /// Crate that did not compile.
    pub crate_name: String,
    /// The errors, in the compiler's order.
    pub errors: Vec<CompileError>,
}

/// One error of the compiler.
#[derive(Clone, Debug, Serialize)]
pub struct CompileError {
    /// File and line, as in `raft/src/log.rs:12`; empty if the error has no place.
    pub at: String,
    /// First line of the message.
    pub message: String,
    /// The whole message as the compiler prints it.
    pub rendered: String,
}

#[derive(Deserialize)]
struct Line {
    reason: String,
    target: Option<Target>,
    message: Option<Message>,
    executable: Option<PathBuf>,
}

#[derive(Deserialize)]
struct Target {
    name: String,
}

#[derive(Deserialize)]
struct Message {
    level: String,
    message: String,
    rendered: Option<String>,
    spans: Vec<Span>,
}

#[derive(Deserialize)]
struct Span {
    file_name: String,
    line_start: u64,
    is_primary: bool,
}

/// Builds the worker of a suite in the tree at `root`. An error is none of the student's doing.
pub fn build(root: &Path, suite: &str) -> Result<Build> {
    build_as(root, suite, &format!("{suite}-worker"), None)
}

/// Builds a tree that was made out of the one at `of`, in the same target folder, so that libraries are compiled once.
/// [`rename_worker`] has given its worker another name there.
pub fn build_copy(of: &Path, root: &Path, suite: &str, name: &str) -> Result<Build> {
    let target = std::env::var_os("CARGO_TARGET_DIR").map_or("target".into(), PathBuf::from);
    build_as(root, suite, &format!("{suite}-worker-{name}"), Some(of.join(target)))
}

/// Where a suite's manifest stands.
pub fn suite_manifest(suite: &str) -> PathBuf {
    format!("tests/{suite}/Cargo.toml").into()
}

/// The manifest of a suite with another name for its worker, for [`build_copy`].
pub fn rename_worker(manifest: &str, suite: &str, name: &str) -> Result<String> {
    let old = format!("name = \"{suite}-worker\"");
    ensure!(manifest.contains(&old), "the suite's Cargo.toml names no worker");
    Ok(manifest.replace(&old, &format!("name = \"{suite}-worker-{name}\"")))
}

fn build_as(root: &Path, suite: &str, worker: &str, target: Option<PathBuf>) -> Result<Build> {
    let loud = std::io::stderr().is_terminal();
    let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo.current_dir(root).args(["build", "-p", &format!("{suite}-tests"), "--bin", worker]);
    let format =
        if loud { "--message-format=json-diagnostic-rendered-ansi" } else { "--message-format=json" };
    cargo.arg(format).stdin(Stdio::null());
    // What `cargo run` set for `lab` itself is not for what it builds.
    for (name, _) in std::env::vars_os() {
        if name.to_str().is_some_and(|n| n.starts_with("CARGO_PKG_") || n.starts_with("CARGO_MANIFEST_")) {
            cargo.env_remove(name);
        }
    }
    if let Some(target) = target {
        cargo.env("CARGO_TARGET_DIR", target);
    }
    cargo.stderr(if loud { Stdio::inherit() } else { Stdio::piped() });
    let output = cargo.output().context("cannot run cargo")?;
    let lines = output.stdout.split(|b| *b == b'\n');
    let lines: Vec<Line> = lines.filter_map(|line| serde_json::from_slice(line).ok()).collect();
    if output.status.success() {
        let warning = |line: &Line| {
            Some(line.message.as_ref()?).filter(|m| m.level == "warning").map(|m| m.message.clone())
        };
        let warnings = lines.iter().filter_map(warning).collect();
        let built = |line: &Line| line.reason == "compiler-artifact" && named(line) == worker;
        let artifact = lines.into_iter().find(built).and_then(|line| line.executable);
        return Ok(Build::Done {
            worker: artifact.with_context(|| format!("cargo built no {worker}"))?,
            warnings,
        });
    }
    let errors = errors(&lines);
    if errors.errors.is_empty() {
        bail!("the build failed:\n{}", String::from_utf8_lossy(&output.stderr).trim_end());
    }
    Ok(Build::Broken(errors))
}

fn named(line: &Line) -> &str {
    line.target.as_ref().map_or("", |target| target.name.as_str())
}

fn errors(lines: &[Line]) -> CompileErrors {
    let mut found = CompileErrors::default();
    for line in lines {
        let Some(message) = &line.message else { continue };
        if line.reason != "compiler-message" || message.level != "error" {
            continue;
        }
        let at = message.spans.iter().find(|span| span.is_primary);
        // The closing "aborting due to 2 previous errors" has no place and says nothing new.
        if at.is_none() && message.message.starts_with("aborting due to") {
            continue;
        }
        found.crate_name = named(line).to_string();
        found.errors.push(CompileError {
            at: at.map(|span| format!("{}:{}", span.file_name, span.line_start)).unwrap_or_default(),
            message: message.message.clone(),
            rendered: message.rendered.clone().unwrap_or_default(),
        });
    }
    found
}
