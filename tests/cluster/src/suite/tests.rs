//! The list of tests is in order, and the reference passes the exact ones.

use std::collections::BTreeSet;

use raft_tests::graded::Simulation as _;
use raft_tests::sim::Verdict;
use verdict::Layers;

use super::*;

#[test]
fn names_are_unique_and_can_be_found() {
    let names: BTreeSet<String> = all().map(Test::full_name).collect();
    assert_eq!(names.len(), all().count(), "two tests have the same name");
    for name in &names {
        let found = find(name).expect("a registered name is found");
        assert_eq!(&found.full_name(), name);
        let plain = found.name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_');
        assert!(plain, "{name} is not a name");
    }
    assert!(find("2b::no_such_test").is_none());
}

#[test]
fn every_test_belongs_to_exactly_one_part() {
    for test in all() {
        let parts = PARTS.iter().filter(|(part, _)| *part == test.part).count();
        assert_eq!(parts, 1, "{} belongs to {parts} parts", test.full_name());
    }
    let counted: usize = PARTS.iter().map(|(part, _)| tests(part).len()).sum();
    assert_eq!(counted, all().count());
}

#[test]
fn every_test_says_what_it_shows_and_where_that_is_taught() {
    for test in all() {
        assert!(!test.about.is_empty() && !test.about.ends_with('.'), "{}", test.full_name());
        let (file, anchor) = test.handout.split_once('#').expect("a file and an anchor");
        assert!(file.ends_with(".md") && !anchor.is_empty(), "{}", test.full_name());
    }
}

#[test]
fn the_reference_passes_every_exact_test() {
    for test in all() {
        let Body::Unit(body) = test.body else { continue };
        if let Err(failure) = run_exact(&test.full_name(), test.about, body) {
            let finding = &failure.findings[0];
            let story = failure.story.join("\n  ");
            panic!("{}\n  promised: {}\n  seen: {}\n  {story}", finding.rule, finding.promised, finding.seen);
        }
    }
}

#[test]
fn simulations_are_worth_their_share() {
    for (part, points) in [("2b", 110), ("2c-store", 45)] {
        let simulated = tests(part).into_iter().filter(|test| matches!(test.body, Body::Sim { .. }));
        assert_eq!(simulated.map(|test| test.points).sum::<u32>(), points, "part {part}");
    }
}

#[test]
fn the_reference_passes_some_seeds_of_every_simulation() {
    for test in all() {
        let Body::Sim { test, .. } = &test.body else { continue };
        for seed in 0..1 {
            let outcome = test.run(&test.draw_plan(seed), Layers::ALL, false, false);
            assert!(
                matches!(outcome.verdict, Verdict::Passed),
                "{} seed {seed}: {:?}",
                test.name,
                outcome.verdict
            );
        }
    }
}
