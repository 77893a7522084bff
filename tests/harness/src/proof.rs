//! What every package of graded suites proves of itself: its list of tests is sound, the reference passes, and the same plan gives
//! the same run. Each function panics where that is not so: a package calls them from its own tests.

use std::collections::BTreeSet;

use verdict::{Layers, Plan};

use crate::exact;
use crate::judge::{self, Verdict};
use crate::simulation::Simulation;
use crate::suite::{Body, SOAK, Suites, Test};

/// The list of tests is sound.
pub fn of_the_list(suites: &Suites) {
    let names: BTreeSet<String> = suites.all().map(Test::full_name).collect();
    assert_eq!(names.len(), suites.all().count(), "two tests have the same name");
    for test in suites.all() {
        let name = test.full_name();
        assert_eq!(suites.find(&name).expect("a registered name is found").full_name(), name);
        let plain = test.name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_');
        assert!(plain, "{name} is not a name");
        let parts = suites.parts.iter().filter(|(part, _)| *part == test.part).count();
        assert_eq!(parts, usize::from(test.part != SOAK), "{name} belongs to {parts} parts");
        assert_eq!(test.points > 0, test.part != SOAK, "{name} has {} points", test.points);
        assert!(!test.about.is_empty() && !test.about.ends_with('.'), "{name} says what it shows");
        let (page, section) = test.handout.split_once('#').expect("a page and a section");
        assert!(page.ends_with(".md") && !section.is_empty(), "{name} says where that is taught");
        match test.body {
            Body::Exact(_) => {}
            Body::Simulation(simulation, seeds) => {
                assert_eq!(simulation.name(), name);
                assert!(seeds > 0, "{name} runs no seed");
            }
            Body::Search(search) => assert_eq!(search.name(), name),
        }
    }
    for (part, points) in suites.parts {
        assert_eq!(suites.of_part(part).map(|test| test.points).sum::<u32>(), *points, "part {part}");
        let kind = |test: &Test| match test.body {
            Body::Exact(_) => 0,
            Body::Simulation(..) => 1,
            Body::Search(_) => 2,
        };
        assert!(suites.of_part(part).map(kind).is_sorted(), "part {part}: exact tests, simulation, search");
    }
    assert!(suites.find("no_such_part::no_such_test").is_none());
    assert!(suites.all().all(|test| suites.find(test.name).is_none()), "a full name has two parts");
}

/// The code at hand passes every exact test.
pub fn of_exact_tests(suites: &Suites) {
    for test in suites.all() {
        let Body::Exact(body) = test.body else { continue };
        if let Err(failure) = exact::run(&test.full_name(), test.about, body) {
            let finding = &failure.findings[0];
            let story = failure.story.join("\n  ");
            panic!("{}\n  promised: {}\n  seen: {}\n  {story}", finding.rule, finding.promised, finding.seen);
        }
    }
}

/// The code at hand passes this seed of every simulation, and the same plan gives the same run, written down or not.
pub fn of_runs(suites: &Suites, seed: u64) {
    for test in suites.all() {
        if let Body::Simulation(simulation, _) = test.body {
            of_a_run(simulation, seed);
        }
    }
}

fn of_a_run(simulation: &dyn Simulation, seed: u64) {
    let plan = simulation.draw_plan(seed);
    let outcome = judge::run(simulation, &plan, Layers::ALL, true, true);
    let name = simulation.name();
    assert!(matches!(outcome.verdict, Verdict::Passed), "{name} seed {seed}: {:#?}", outcome.verdict);
    let trace = outcome.trace.expect("a trace was asked for");
    let other = simulation.play(&Plan { noise: plan.noise + 1, ..plan }, Layers::ALL, false);
    assert_ne!(other.hash, outcome.hash, "{name} seed {seed}: other noise gives the same run");
    assert!(trace.events.len() > 50, "{name} seed {seed}: a trace of {} events", trace.events.len());
}

/// The plan of a seed, which makes sense.
pub fn of_a_plan(simulation: &dyn Simulation, seed: u64) -> Plan {
    let plan = simulation.draw_plan(seed);
    assert_eq!(plan, simulation.draw_plan(seed));
    assert!(plan.knobs.heartbeat_ticks < plan.knobs.election_ticks);
    assert!(plan.faults.is_sorted_by_key(|fault| fault.at_us));
    assert!(plan.operations.is_sorted_by_key(|operation| operation.at_us));
    plan
}
