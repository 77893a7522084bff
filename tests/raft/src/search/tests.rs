//! The search, searched.

use harness::judge::Verdict;
use harness::suite::Search as _;
use verdict::{Cost, Layers};

use super::SearchTest;
use super::hash::Seen;

fn passes(mut test: SearchTest) -> Cost {
    test.walks = 200;
    let (verdict, cost) = test.run(1, Layers::ALL);
    assert!(matches!(verdict, Verdict::Passed), "{}: {verdict:?}", test.name);
    cost
}

#[test]
fn the_reference_passes_in_every_scope() {
    let tests = [
        SearchTest::election("e"),
        SearchTest::replication("r"),
        SearchTest::ready("y"),
        SearchTest::snapshot("s"),
        SearchTest::membership("m"),
    ];
    for test in tests {
        let cost = passes(test);
        assert!(cost.events > 10_000 && cost.messages > 1_000, "{}: {cost:?}", test.name);
    }
}

#[test]
fn the_same_seed_gives_the_same_search() {
    let test = SearchTest::membership("m");
    assert_eq!(passes(test), passes(test));
}

#[test]
fn a_state_is_new_once() {
    let mut seen = Seen::new();
    assert!((0..10_000).all(|digest| seen.insert(digest * 7 + 1)));
    assert!((0..10_000).all(|digest| !seen.insert(digest * 7 + 1)));
}
