//! Walks and searches the reference: `cargo run --release -p raft-tests --example search [walks] [base seed] [part]`. Says how
//! fast they are, and prints what goes wrong.

use std::time::Instant;

use harness::judge::Verdict;
use harness::suite::Search as _;
use raft_tests::search::SearchTest;
use verdict::Layers;

#[allow(clippy::disallowed_methods, reason = "this measures wall time")]
fn main() {
    let mut arguments = std::env::args().skip(1);
    let walks = arguments.next().and_then(|text| text.parse().ok());
    let base_seed = arguments.next().and_then(|text| text.parse().ok()).unwrap_or(1);
    let only = arguments.next();
    let tests = [
        SearchTest::election("2aa"),
        SearchTest::replication("2ab"),
        SearchTest::ready("2ac"),
        SearchTest::snapshot("2c-raft"),
        SearchTest::membership("3a"),
    ];
    for mut test in tests.into_iter().filter(|test| only.as_deref().is_none_or(|only| only == test.name)) {
        let modes = [("stories", 0, test.stories), ("walks", walks.unwrap_or(test.walks), &[] as &[_])];
        for (mode, walks, stories) in modes {
            test.walks = walks;
            test.stories = stories;
            let start = Instant::now();
            let (verdict, cost) = test.run(base_seed, Layers::ALL);
            match verdict {
                Verdict::Passed => {
                    let seconds = start.elapsed().as_secs_f64();
                    let speed = cost.events as f64 / seconds;
                    println!(
                        "{:8} {mode:8} {:>10} steps in {seconds:>6.2} s: {speed:>9.0} a second",
                        test.name, cost.events
                    );
                }
                Verdict::NotImplemented(text) => println!("{} {mode}: not implemented: {text}", test.name),
                Verdict::Failed(failure) => {
                    println!("{} {mode}: {:?}, seed {:?}", test.name, failure.kind, failure.seed);
                    failure.findings.iter().for_each(|finding| {
                        println!("  {} {}: {}", finding.rule, finding.title, finding.seen)
                    });
                    failure.story.iter().for_each(|line| println!("    {line}"));
                }
            }
        }
    }
}
