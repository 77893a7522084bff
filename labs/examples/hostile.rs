//! A worker that misbehaves in every way that student code can: what the supervisor's own tests run.
//!
//! The name of the test says what it does.

use std::io::Write;
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;

use verdict::channel::Channel;
use verdict::{Cost, Failure, FailureKind, Finding, Job, Plan, Record, Strength, TestInfo, TestKind};

fn main() {
    let socket = UnixStream::from(std::io::stdin().as_fd().try_clone_to_owned().expect("stdin is a socket"));
    let raw = socket.try_clone().expect("a socket can be cloned");
    let mut channel = Channel::accept(socket).expect("the supervisor sends a key");
    let job: Job = channel.receive().expect("the supervisor sends a job");
    let mut send = |record: Record| drop(channel.send(&record));
    match job {
        Job::List { part } => {
            send(Record::Tests(list(&part)));
            send(Record::End);
        }
        Job::Run(run) => {
            if list("t").iter().any(|test| test.name == run.test && test.kind != TestKind::Unit) {
                send(Record::Seed(run.first));
            }
            let name = run.test.split("::").nth(1).unwrap_or_default().to_string();
            behave(&name, run.first..run.first + run.count, run.plan.as_ref(), &raw, &mut send);
            send(Record::End);
        }
        Job::Shrink { plan, .. } => {
            send(Record::Failed(Box::new(failure(None, Some(Plan { faults: vec![], ..plan })))));
            send(Record::End);
        }
    }
}

fn list(part: &str) -> Vec<TestInfo> {
    let test = |name: &str, kind, seeds| TestInfo {
        name: format!("{part}::{name}"),
        points: 10,
        about: format!("what {name} does"),
        handout: "t.md#tests".into(),
        kind,
        seeds,
        limit_ms: 1000,
    };
    let unit = [
        "passes", "open", "exit", "abort", "overflow", "drop", "loop", "sleep", "flood", "forge", "scribble",
    ];
    let mut tests: Vec<_> = unit.iter().map(|name| test(name, TestKind::Unit, 0)).collect();
    tests.push(test("seeds", TestKind::Simulation, 64));
    tests.push(test("rare", TestKind::Simulation, 64));
    tests.push(test("hang", TestKind::Simulation, 4));
    tests
}

fn behave(
    name: &str,
    seeds: std::ops::Range<u64>,
    plan: Option<&Plan>,
    mut raw: &UnixStream,
    send: &mut impl FnMut(Record),
) {
    let passed = Record::Passed { cost: Cost { runs: seeds.end - seeds.start, ..Cost::default() } };
    match name {
        "passes" => send(passed),
        "open" => send(Record::NotImplemented("t: mini::open".into())),
        "exit" => std::process::exit(0),
        "abort" => std::process::abort(),
        "overflow" => drop(recurse(0)),
        "drop" => {
            let _bomb = Bomb;
            panic!("first");
        }
        "loop" => endless(),
        "sleep" => std::thread::sleep(std::time::Duration::from_secs(1000)),
        "flood" => flood(),
        "forge" => {
            println!("{}", serde_json::to_string(&passed).expect("a record is JSON"));
            println!("t::forge ... ok\n\nproject: 10/10 points");
            std::process::exit(0);
        }
        "scribble" => {
            let body = serde_json::to_vec(&passed).expect("a record is JSON");
            let _ = raw.write_all(&(body.len() as u32).to_be_bytes());
            let _ = raw.write_all(&[0; 32]);
            let _ = raw.write_all(&body);
            endless();
        }
        "hang" if seeds.start == 0 && seeds.end > 2 => {
            send(Record::Seed(2));
            endless();
        }
        "rare" => match plan {
            Some(plan) if plan.noise % 10 == 0 => {
                send(Record::Failed(Box::new(failure(None, Some(plan.clone())))))
            }
            None if seeds.contains(&17) => {
                send(Record::Failed(Box::new(failure(Some(17), Some(a_plan())))));
            }
            _ => send(passed),
        },
        _ => {
            if seeds.start == 0 {
                send(Record::TraceHash { seed: 0, hash: "0123456789abcdef".into() });
            }
            send(passed);
        }
    }
}

struct Bomb;

impl Drop for Bomb {
    fn drop(&mut self) {
        panic!("second");
    }
}

#[expect(unconditional_recursion)]
fn recurse(n: u64) -> u64 {
    std::hint::black_box(recurse(std::hint::black_box(n + 1)) + 1)
}

fn endless() {
    loop {
        std::hint::black_box(());
    }
}

fn flood() {
    let line = [b'x'; 1 << 16];
    for _ in 0..(10_u64 << 30) / line.len() as u64 {
        let _ = std::io::stdout().write_all(&line);
    }
}

fn failure(seed: Option<u64>, plan: Option<Plan>) -> Failure {
    let finding = Finding {
        rule: "R1".into(),
        title: "one leader per term".into(),
        strength: Strength::Safety,
        layer: "invariant".into(),
        section: "§5.2".into(),
        promised: "A term has at most one leader.".into(),
        seen: "Peers 1 and 2 both lead term 3.".into(),
        why: "Both would commit different entries at the same index.".into(),
        node: 2,
    };
    Failure {
        kind: FailureKind::Broken,
        findings: vec![finding],
        story: vec![
            "0.010 s  n1  becomes leader of term 3".into(),
            "0.020 s  n2  becomes leader of term 3".into(),
        ],
        seed,
        plan,
        events: 20,
        passed_before: seed.map_or(0, |seed| seed % 8),
    }
}

fn a_plan() -> Plan {
    let text = r#"{"version":1,"test":"t::rare","noise":10,"knobs":{"nodes":3,"chaos_ms":1000,"election_ticks":10,
        "heartbeat_ticks":1,"max_message_bytes":0,"max_inflight_messages":1,"max_ready_bytes":0,"aligned_ticks":false,
        "tick_percent":[],"delay_min_us":0,"delay_max_us":0,"slow_ppm":0,"loss_ppm":0,"duplicate_ppm":0,
        "slow_disk_ppm":0,"slow_apply_ppm":0,"compact_entries":0,"compact_keep":0},
        "faults":[{"at_us":1,"what":{"Campaign":{"node":1}}}],"operations":[]}"#;
    serde_json::from_str(text).expect("the plan is valid")
}
