//! A failed test in words: what was promised, what was seen, why it matters, where to read, how to see it again.

use verdict::{FailureKind, Finding, Strength};

use super::scorecard::short;
use super::text::{BAD, FAINT, STRONG, WIDTH, count, item, paint, tame, wrap};
use crate::grade::build::CompileErrors;
use crate::grade::{Graded, Options, Size, Status, TestResult};

/// So many failures are told in full; the others are named.
const IN_FULL: usize = 4;

/// All failures of a grading; empty if there is none.
pub fn failures(graded: &Graded, options: &Options) -> String {
    let failed: Vec<&TestResult> =
        graded.tests.iter().filter(|t| matches!(t.status, Status::Failed | Status::Crashed)).collect();
    let mut text = String::new();
    for result in failed.iter().take(IN_FULL) {
        text.push_str(&format!("\n{}", failure(result, options)));
    }
    if failed.len() > IN_FULL {
        let more: Vec<_> = failed[IN_FULL..].iter().map(|result| short(&result.info.name)).collect();
        let all =
            format!("{} failed too; TEST=name explains one:", count(more.len(), "more test", "more tests"));
        text.push_str(&format!("\n{all}\n"));
        wrap(&more.join(", "), WIDTH - 4).iter().for_each(|line| text.push_str(&format!("    {line}\n")));
    }
    text
}

/// One failure.
pub fn failure(result: &TestResult, options: &Options) -> String {
    let head = format!("{} {}", paint(BAD, "✘"), paint(STRONG, &result.info.name));
    let mut text =
        format!("{head}  {}\n", paint(FAINT, count(result.info.points as usize, "point", "points")));
    match &result.failure {
        None => text.push_str(&died(result)),
        Some(failure) => {
            match failure.kind {
                FailureKind::Harness => text.push_str(&item(
                    "",
                    "The checks ran into a bug of their own: this is not your code's fault. Please report it.",
                )),
                FailureKind::NotDeterministic => text.push_str(&item(
                    "",
                    "Your code is not deterministic: the same run, done twice, differed. Look for a HashMap that is \
                     iterated, a clock, or a random number that does not come from the seed.",
                )),
                FailureKind::Broken | FailureKind::Panicked => {}
            }
            if let Some(cause) = failure.findings.first() {
                text.push_str(&told(cause, &result.info.handout));
            }
            for other in failure.findings.iter().skip(1) {
                let label = if other.strength == Strength::Should { "perhaps" } else { "also" };
                text.push_str(&item(label, &format!("{} ({}): {}", other.title, other.section, other.seen)));
            }
            if !failure.story.is_empty() {
                text.push_str(&item("story", "what led to it, oldest first"));
                failure.story.iter().for_each(|line| text.push_str(&format!("    {}\n", tame(line))));
            }
        }
    }
    if !result.inert.is_empty() {
        let what = "these bodies are still the ones handed out, and do nothing: ";
        text.push_str(&item("note", &format!("{what}{}", result.inert.join(", "))));
    }
    text.push_str(&run(result));
    text.push_str(&commands(result, options));
    text
}

fn told(finding: &Finding, handout: &str) -> String {
    let mut text = item("promised", &tame(&finding.promised));
    text.push_str(&item("seen", &tame(&finding.seen)));
    text.push_str(&item("why", &finding.why));
    let read = [finding.section.as_str(), handout].into_iter().filter(|s| !s.is_empty());
    text.push_str(&item("read", &read.collect::<Vec<_>>().join(", ")));
    if finding.layer != "exact" && finding.layer != "panic" {
        text.push_str(&item("rule", &format!("{} {} ({})", finding.rule, finding.title, finding.layer)));
    }
    text
}

fn died(result: &TestResult) -> String {
    let how = result.died.as_deref().unwrap_or("ended without a verdict");
    let end = if how.ends_with('?') { "" } else { "." };
    let mut text = item("seen", &format!("The test's process {how}{end}"));
    if let Some(seed) = result.seed {
        text.push_str(&item("during", &format!("seed {seed}")));
    }
    let printed: Vec<&str> = result.printed.lines().filter(|line| !line.trim().is_empty()).collect();
    for (n, line) in printed[printed.len().saturating_sub(6)..].iter().enumerate() {
        let line: String = line.chars().take(160).collect();
        text.push_str(&item(if n == 0 { "printed" } else { "" }, &format!("│ {line}")));
    }
    text
}

/// Which run it was, and how it was made smaller.
fn run(result: &TestResult) -> String {
    let Some(failure) = &result.failure else { return String::new() };
    let mut text = String::new();
    if result.saved {
        text.push_str(&item("run", "a failure that an earlier grading saved; it still fails"));
    } else if let Some(seed) = result.seed {
        let passed = match failure.passed_before {
            0 => "the first to run".into(),
            n => format!("after {} that passed", count(n as usize, "seed", "seeds")),
        };
        text.push_str(&item("run", &format!("seed {seed}, {passed}")));
    }
    let size = |size: Size| {
        if size.steps > 0 {
            return format!("{} peers, {}", size.nodes, count(size.steps, "step", "steps"));
        }
        let faults = count(size.faults, "fault", "faults");
        let operations = count(size.operations, "operation", "operations");
        format!("{} peers, {faults}, {operations}", size.nodes)
    };
    if let (Some(found), Some(plan)) = (result.found, &failure.plan) {
        let now = Size::of(plan);
        let events = count(failure.events as usize, "event", "events");
        let text_of = if result.smaller && now != found {
            format!("{}, {events} (made smaller from: {})", size(now), size(found))
        } else {
            format!("{}, {events}", size(now))
        };
        text.push_str(&item("size", &text_of));
    }
    text
}

/// The commands that show it again.
fn commands(result: &TestResult, options: &Options) -> String {
    let plan = options.plan_path.as_ref().or(result.plan_file.as_ref());
    let seed = result.replay_seed(options);
    let mut text = item("replay", &result.replay(options));
    if let Some(plan) = plan {
        if let Some(seed) = &seed {
            text.push_str(&item("", &format!("{seed}   # as it was found, at its full size")));
        }
        text.push_str(&item("after a fix", &format!("make fixcheck PLAN={}", plan.display())));
    }
    match &result.trace_file {
        Some(file) => text.push_str(&item("picture", &format!("{} (open it in a browser)", file.display()))),
        None if plan.is_some() || seed.is_some() => {
            text.push_str(&item("picture", &format!("{} TRACE=1", result.replay(options))));
        }
        None => {}
    }
    text
}

/// What stands in place of a scorecard when the code does not compile.
pub fn compile_errors(errors: &CompileErrors, student: bool) -> String {
    let n = count(errors.errors.len(), "error", "errors");
    let head = if student {
        format!(
            "`{}` does not compile ({n}): fix the compile error first, nothing was graded.",
            errors.crate_name
        )
    } else {
        format!(
            "The graded suites do not fit your code ({n} in `{}`): a public item has gone or has another signature. \
             Put it back as it was handed out; nothing was graded.",
            errors.crate_name
        )
    };
    let mut text = String::new();
    for error in errors.errors.iter().take(8) {
        text.push_str(&format!("{}\n", tame(error.rendered.trim_end())));
        text.push('\n');
    }
    if errors.errors.len() > 8 {
        text.push_str(&format!("… and {} more\n\n", errors.errors.len() - 8));
    }
    format!("{text}{}\n", paint(BAD, head))
}
