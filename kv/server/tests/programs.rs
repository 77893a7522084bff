//! The programs as people meet them: flags, configuration files, exit statuses, words.

#![allow(clippy::unwrap_used)]

mod support;

use std::io::{BufRead, BufReader};
use std::process::{Command, Output, Stdio};

use support::cluster::Cluster;
use tonic::transport::Endpoint;
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_health::pb::health_client::HealthClient;

/// Runs a program to its end.
fn run(program: &str, args: &[&str]) -> Output {
    tokio::task::block_in_place(|| {
        Command::new(program).args(args).env("RUST_BACKTRACE", "0").output().unwrap()
    })
}

fn words(output: &Output) -> String {
    String::from_utf8_lossy(&[&output.stdout[..], &output.stderr[..]].concat()).into_owned()
}

const SERVER: &str = env!("CARGO_BIN_EXE_tinykv-server");
const CTL: &str = env!("CARGO_BIN_EXE_tinykv-ctl");

#[tokio::test(flavor = "multi_thread")]
async fn ctl_reads_writes_and_looks_into_stopped_stores() {
    let mut cluster = Cluster::start(1).await;
    let scheduler = cluster.scheduler_addr();
    let ctl = |args: &[&str]| {
        let output = run(CTL, &[&["--scheduler", &scheduler], args].concat());
        (output.status.code().unwrap(), words(&output))
    };
    assert_eq!(ctl(&["put", "hello", "wor\\x00ld"]), (0, String::new()));
    assert_eq!(ctl(&["get", "hello"]), (0, "wor\\x00ld\n".to_owned()));
    assert_eq!(ctl(&["get", "none"]), (1, "there is no key \"none\"\n".to_owned()));
    assert_eq!(ctl(&["--cf", "lock", "put", "hello", "x"]).0, 0);
    assert_eq!(ctl(&["cas", "hello", "2", "--expect", "1"]).0, 1);
    assert_eq!(ctl(&["cas", "new", "1"]).0, 0);
    assert_eq!(ctl(&["scan", "--limit", "5"]), (0, "hello\twor\\x00ld\nnew\t1\n".to_owned()));
    assert_eq!(ctl(&["delete", "new"]).0, 0);
    assert_eq!(ctl(&["scan", "n"]), (0, String::new()));
    let (status, told) = ctl(&["--cf", "raft", "get", "hello"]);
    assert!(status == 2 && told.contains("choose default, lock or write"), "{told}");
    assert!(ctl(&["stores"]).1.contains("status page 127.0.0.1:"));
    assert!(ctl(&["region", "x"]).1.contains("leader"));
    let path = cluster.path(0);
    let (status, told) = ctl(&["inspect", path.to_str().unwrap()]);
    assert!(status == 2 && told.contains("in use by another process"), "{told}");
    cluster.stop_store(0).await;
    let (status, told) = ctl(&["inspect", path.to_str().unwrap()]);
    assert_eq!(status, 0, "{told}");
    for word in
        ["store 1 of cluster", "region 2", "start .. end", "log ", "default 1 keys", "snapshots  none"]
    {
        assert!(told.contains(word), "{word:?} is not in\n{told}");
    }
    let (status, told) = ctl(&["--timeout", "1", "get", "hello"]);
    assert!(status == 2 && told.contains("no answer within"), "{told}");
    cluster.stop().await;
    let (status, told) = ctl(&["get", "hello"]);
    assert!(status == 2 && told.contains("is it running?"), "{told}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_cannot_start_says_what_to_do() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("store").to_str().unwrap().to_owned();
    let file = dir.path().join("tinykv.toml");
    let refused = |args: &[&str], told: &[&str]| {
        let output = run(SERVER, args);
        assert_eq!(output.status.code(), Some(1), "{}", words(&output));
        for word in told {
            assert!(words(&output).contains(word), "{word:?} is not in\n{}", words(&output));
        }
    };
    refused(&[], &["--path", "--scheduler"]);
    refused(&["--path", &path, "--standalone", "--addr", "nowhere"], &["addr is \"nowhere\"", "host:port"]);
    refused(&["--path", &path, "--standalone", "--loglevel", "loud"], &["use error, warn, info"]);
    refused(&["--config", file.to_str().unwrap()], &["cannot read the configuration"]);
    std::fs::write(&file, "[raftstore]\nraft_election_timeout_ticks = 2\nraft_heartbeat_ticks = 0\n")
        .unwrap();
    let config = ["--config", file.to_str().unwrap(), "--path", &path, "--scheduler", "127.0.0.1:1"];
    refused(&config, &["raft_heartbeat_ticks is 0"]);
    std::fs::write(&file, "[raftstore]\nraft_election_ticks = 2\n").unwrap();
    refused(&config, &["raft_election_ticks", "line 2"]);
    std::fs::write(dir.path().join("foreign"), "not a store").unwrap();
    let foreign = dir.path().join("foreign").to_str().unwrap().to_owned();
    refused(
        &["--path", &foreign, "--standalone", "--addr", "127.0.0.1:0", "--status-addr", ""],
        &["foreign"],
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_is_told_to_stop_ends_well() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("store");
    for signal in ["-TERM", "-INT"] {
        let mut server = Command::new(SERVER)
            .args(["--standalone", "--addr", support::ANY_PORT, "--status-addr", "", "--path"])
            .arg(&path)
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(server.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let addr = line.trim().strip_prefix("store listens on ").unwrap().to_owned();
        let channel = Endpoint::from_shared(format!("http://{addr}")).unwrap().connect().await.unwrap();
        let mut health = HealthClient::new(channel);
        let request = HealthCheckRequest { service: "tikvpb.Tikv".to_owned() };
        let answer = health.check(request).await.unwrap().into_inner();
        assert_eq!(answer.status(), ServingStatus::Serving);
        drop(health);
        assert!(Command::new("kill").args([signal, &server.id().to_string()]).status().unwrap().success());
        let status = tokio::task::block_in_place(|| server.wait().unwrap());
        assert_eq!(status.code(), Some(0), "{signal}");
    }
}
