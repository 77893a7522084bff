//! Histories that are known to be wrong, each with the smallest edit that makes it right: one line.
//!
//! A line is `client invoked-returned call`, with `-> answer` if it has one, `!` if it was refused without effect, and `?` if
//! its outcome is unknown. `-` stands for no value, and for an open end.

use bytes::Bytes;
use kv::engine::Cf;

use super::super::history::{Answer, Call, DataKey, History, Operation, Outcome, Range};
use super::{BUDGET, Verdict, brute, check};

/// A wrong history, and the line that must replace one of its lines.
pub struct Case {
    /// What is wrong with it.
    pub name: &'static str,
    lines: &'static [&'static str],
    fix: (usize, &'static str),
    /// What the explanation must say.
    told: &'static str,
}

impl Case {
    /// The wrong history, and the right one.
    pub fn histories(&self) -> (History, History) {
        let mut lines = self.lines.to_vec();
        let bad = parse(&lines);
        lines[self.fix.0] = self.fix.1;
        (bad, parse(&lines))
    }
}

fn parse(lines: &[&str]) -> History {
    History::new(lines.iter().map(|line| operation(line)).collect())
}

fn operation(line: &str) -> Operation {
    let (asked, answer) =
        line.split_once(" -> ").map_or((line, None), |(asked, answer)| (asked, Some(answer)));
    let (asked, outcome) = match asked.split_at(asked.len() - 2) {
        (asked, " ?") => (asked, Outcome::Unknown),
        (asked, " !") => (asked, Outcome::Failed),
        _ => (asked, Outcome::Ok(Answer::Done)),
    };
    let words: Vec<&str> = asked.split_whitespace().collect();
    let (invoked, returned) = words[1].split_once('-').expect("times");
    let key = || DataKey::new(words[3].to_owned());
    let call = match words[2] {
        "get" => Call::Get { key: key() },
        "put" => Call::Put { key: key(), value: words[4].to_owned().into() },
        "del" => Call::Delete { key: key() },
        "cas" => Call::Cas { key: key(), expected: value(words[4]), value: words[5].to_owned().into() },
        scan => Call::Scan(Range {
            cf: Cf::Default,
            start: value(words[3]).unwrap_or_default(),
            end: value(words[4]).unwrap_or_default(),
            limit: words[5].parse().expect("a limit"),
            reverse: scan == "rscan",
        }),
    };
    let outcome = answer.map_or(outcome, |answer| Outcome::Ok(parse_answer(&call, answer)));
    let number = |text: &str| text.parse().expect("a number");
    Operation {
        client: number(words[0]),
        call,
        invoked: number(invoked),
        returned: number(returned),
        outcome,
    }
}

fn value(word: &str) -> Option<Bytes> {
    (word != "-").then(|| word.to_owned().into())
}

fn parse_answer(call: &Call, answer: &str) -> Answer {
    let words = answer.split_whitespace();
    match call {
        Call::Scan(_) => Answer::Pairs(
            words
                .filter_map(|pair| pair.split_once('='))
                .map(|(key, value)| (key.to_owned().into(), value.to_owned().into()))
                .collect(),
        ),
        Call::Cas { .. } => {
            let words: Vec<&str> = words.collect();
            Answer::Swapped { done: words[0] == "yes", previous: value(words[1]) }
        }
        _ => Answer::Value(value(answer)),
    }
}

macro_rules! cases {
    ($($name:literal [$($line:literal)*] fix $at:literal $fix:literal told $told:literal;)*) => {
        /// All of them.
        pub fn cases() -> Vec<Case> {
            vec![$(Case { name: $name, lines: &[$($line),*], fix: ($at, $fix), told: $told }),*]
        }
    };
}

cases! {
    "a read of what was overwritten"
        ["1 0-10 put k a" "1 20-30 put k b" "2 40-50 get k -> a"]
        fix 2 "2 40-50 get k -> b" told "stale";
    "a stale read becomes right if it began earlier"
        ["1 0-10 put k a" "1 20-30 put k b" "2 31-50 get k -> a"]
        fix 2 "2 30-50 get k -> a" told "stale";
    "a write that was acknowledged and is gone"
        ["1 0-10 put k a" "2 20-30 get k -> -"]
        fix 1 "2 20-30 get k -> a" told "lost";
    "a write that was acknowledged, gone after a while"
        ["1 0-10 put k a" "2 20-30 get k -> a" "2 40-50 get k -> -"]
        fix 2 "2 40-50 get k -> a" told "lost";
    "a deleted value is back"
        ["1 0-10 put k a" "1 20-30 del k" "2 40-50 get k -> a"]
        fix 2 "2 40-50 get k -> -" told "back from the dead";
    "a delete that was refused, and happened"
        ["1 0-10 put k a" "1 20-30 del k !" "2 40-50 get k -> -"]
        fix 1 "1 20-30 del k ?" told "lost";
    "a write that was refused, and happened"
        ["1 0-10 put k a !" "2 20-30 get k -> a"]
        fix 0 "1 0-10 put k a ?" told "refused";
    "a value that nobody wrote"
        ["1 0-10 put k a" "2 20-30 get k -> b"]
        fix 1 "2 20-30 get k -> a" told "Nobody ever wrote";
    "a value of another key"
        ["1 0-10 put k a" "1 20-30 put l b" "2 40-50 get k -> b"]
        fix 2 "2 40-50 get l -> b" told "Nobody ever wrote";
    "a read from the future"
        ["2 0-10 get k -> a" "1 20-30 put k a"]
        fix 1 "1 10-30 put k a" told "future";
    "a read from the future, of a write of unknown outcome"
        ["2 0-10 get k -> a" "1 20-30 put k a ?"]
        fix 1 "1 5-30 put k a ?" told "future";
    "two readers disagree about the order of two writes"
        ["1 0-90 put k a" "2 0-90 put k b" "3 10-20 get k -> a" "3 30-40 get k -> b" "4 50-60 get k -> a"]
        fix 4 "4 50-60 get k -> b" told "No order";
    "two readers see two writes in opposite orders"
        ["1 0-90 put k a" "2 0-90 put k b" "3 10-20 get k -> a" "4 10-20 get k -> b" "3 30-40 get k -> b" "4 30-40 get k -> a"]
        fix 5 "4 30-40 get k -> b" told "No order";
    "a new value is seen, then the old one again"
        ["1 0-10 put k a" "1 20-90 put k b" "2 30-40 get k -> b" "3 50-60 get k -> a"]
        fix 3 "3 40-60 get k -> a" told "stale";
    "a new value is seen, then the old one again; the write has no answer"
        ["1 0-10 put k a" "1 20-25 put k b ?" "2 30-40 get k -> b" "3 50-60 get k -> a"]
        fix 3 "3 50-60 get k -> b" told "stale";
    "a write takes effect twice"
        ["1 0-10 put k a" "2 20-30 put k b" "3 40-50 get k -> b" "3 60-70 get k -> a"]
        fix 3 "3 60-70 get k -> b" told "stale";
    "a write of unknown outcome takes effect twice"
        ["1 0-10 put k a ?" "3 20-30 get k -> a" "2 40-50 put k b" "3 60-70 get k -> b" "3 80-90 get k -> a"]
        fix 4 "3 80-90 get k -> b" told "stale";
    "a compare-and-swap takes effect twice"
        ["1 0-10 put k a" "2 20-30 cas k a b -> yes a" "1 40-50 put k a" "3 60-70 get k -> b"]
        fix 3 "3 60-70 get k -> a" told "stale";
    "two compare-and-swaps from the same value both succeed"
        ["1 0-10 put k a" "2 20-90 cas k a b -> yes a" "3 20-90 cas k a c -> yes a"]
        fix 2 "3 20-90 cas k a c -> no b" told "No order";
    "two compare-and-swaps both create the key"
        ["2 0-10 cas k - b -> yes -" "3 5-20 cas k - c -> yes -"]
        fix 1 "3 5-20 cas k - c -> no b" told "No order";
    "a compare-and-swap saw a stale value"
        ["1 0-10 put k a" "1 20-30 put k b" "2 40-50 cas k a c -> yes a"]
        fix 2 "2 40-50 cas k b c -> yes b" told "stale";
    "a compare-and-swap was refused for a value that is gone"
        ["1 0-10 put k a" "1 20-30 put k b" "2 40-50 cas k b c -> no a"]
        fix 2 "2 40-50 cas k b c -> yes b" told "stale";
    "a compare-and-swap that was refused has an effect"
        ["1 0-10 put k a" "2 20-30 cas k b c -> no a" "3 40-50 get k -> c"]
        fix 2 "3 40-50 get k -> a" told "Nobody ever wrote";
    "a compare-and-swap of unknown outcome that cannot have had an effect"
        ["1 0-10 put k a" "2 20-30 cas k b c ?" "3 40-50 get k -> c"]
        fix 1 "2 20-30 cas k a c ?" told "No order";
    "a compare-and-swap refused although the value was the expected one"
        ["1 0-10 put k a" "2 20-30 cas k a c -> no a"]
        fix 1 "2 20-30 cas k b c -> no a" told "No order";
    "a lost update: a compare-and-swap overwrites a put that came between"
        ["1 0-10 put k a" "2 20-60 cas k a c -> yes a" "1 30-40 put k b" "3 45-50 get k -> b" "3 70-80 get k -> c"]
        fix 1 "2 20-60 cas k b c -> yes b" told "No order";
    "a torn scan"
        ["1 0-10 put k a" "1 20-30 put l a" "1 40-50 put k b" "1 60-70 put l b" "2 0-100 scan - - 9 -> k=a l=b"]
        fix 4 "2 0-100 scan - - 9 -> k=b l=b" told "torn";
    "a torn scan sees a new key and misses an older one"
        ["1 0-10 put k a" "1 20-30 put l a" "2 0-100 scan - - 9 -> l=a"]
        fix 2 "2 0-100 scan - - 9 -> k=a" told "torn";
    "a scan misses a key"
        ["1 0-10 put k a" "1 20-30 put l a" "2 40-50 scan - - 9 -> l=a"]
        fix 2 "2 40-50 scan l - 9 -> l=a" told "lost";
    "a scan finds a deleted key"
        ["1 0-10 put k a" "1 20-30 put l a" "1 40-50 del k" "2 60-70 scan - - 9 -> k=a l=a"]
        fix 2 "1 40-50 del k !" told "back from the dead";
    "a scan goes beyond its end"
        ["1 0-10 put k a" "1 20-30 put l a" "2 40-50 scan - l 9 -> k=a l=a"]
        fix 2 "2 40-50 scan - m 9 -> k=a l=a" told "No order";
    "a scan returns more than its limit"
        ["1 0-10 put k a" "1 20-30 put l a" "2 40-50 scan - - 1 -> k=a l=a"]
        fix 2 "2 40-50 scan - - 1 -> k=a" told "No order";
    "a scan skips a key before its limit"
        ["1 0-10 put k a" "1 20-30 put l a" "2 40-50 scan - - 1 -> l=a"]
        fix 2 "2 40-50 rscan - - 1 -> l=a" told "lost";
    "a scan backwards runs forwards"
        ["1 0-10 put k a" "1 20-30 put l a" "2 40-50 rscan - - 9 -> k=a l=a"]
        fix 2 "2 40-50 rscan - - 9 -> l=a k=a" told "No order";
    "two scans disagree about the order of two writes"
        ["1 0-90 put k a" "2 0-90 put l a" "3 10-20 scan - - 9 -> k=a" "4 30-40 scan - - 9 -> l=a"]
        fix 3 "4 30-40 scan - - 9 -> k=a l=a" told "No order";
    "two overlapping scans disagree about the order of two writes"
        ["1 0-90 put k a" "2 0-90 put l a" "3 10-40 scan - - 9 -> k=a" "4 10-40 scan - - 9 -> l=a"]
        fix 3 "4 10-40 scan - - 9 ->  " told "torn";
}

#[test]
fn every_known_bad_history_is_refused_and_its_edit_accepted() {
    assert!(cases().len() >= 30);
    for case in cases() {
        let (bad, good) = case.histories();
        assert!(
            !brute::is_linearizable(&bad) && brute::is_linearizable(&good),
            "{} is not what it says",
            case.name
        );
        assert_eq!(check(&good, BUDGET), Verdict::Ok, "{}", case.name);
        let Verdict::Illegal(illegal) = check(&bad, BUDGET) else { panic!("{} is accepted", case.name) };
        println!("{}: {}", case.name, illegal.told);
        assert!(illegal.told.contains(case.told), "{}: {}", case.name, illegal.told);
    }
}
