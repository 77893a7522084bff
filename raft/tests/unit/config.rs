//! What `Config::validate` refuses, and what a start refuses.

use proto::eraftpb::{Entry, HardState};
use raft::{Config, Error, MemStorage, RawNode, ReadMode};

fn refusal(change: impl Fn(&mut Config)) -> String {
    let mut config = Config::new(1);
    change(&mut config);
    match (config.validate(), RawNode::new(&config, MemStorage::new(&[1]))) {
        (Err(Error::InvalidConfig(why)), Err(Error::InvalidConfig(again))) => {
            assert_eq!(why, again, "starting refuses for the same reason");
            why
        }
        other => panic!("accepted: {other:?}"),
    }
}

#[test]
fn the_default_is_good() {
    assert_eq!(Config::new(7).validate(), Ok(()));
}

#[test]
fn each_refusal_names_its_field() {
    assert!(refusal(|config| config.id = 0).contains("id"));
    assert!(refusal(|config| config.heartbeat_ticks = 0).contains("heartbeat_ticks"));
    assert!(refusal(|config| config.election_ticks = 2).contains("election_ticks"));
    assert!(refusal(|config| config.election_ticks = 1).contains("election_ticks"));
    assert!(refusal(|config| config.max_inflight_messages = 0).contains("max_inflight_messages"));
    assert!(refusal(|config| config.read_mode = ReadMode::Lease).contains("check_quorum"));
}

#[test]
fn leases_with_check_quorum_are_good() {
    let config = Config { check_quorum: true, read_mode: ReadMode::Lease, ..Config::new(1) };
    assert_eq!(config.validate(), Ok(()));
}

/// What is applied was committed: a state machine that is ahead of its log belongs to another peer.
#[test]
fn applied_beyond_the_commit_index_is_refused() {
    let mut disk = MemStorage::new(&[1]);
    disk.append(&[Entry { index: 1, term: 1, ..Entry::default() }]);
    disk.set_hard_state(HardState { term: 1, vote: 1, commit: 1 });
    let start = |applied| RawNode::new(&Config { applied, ..Config::new(1) }, disk.clone());
    assert!(start(1).is_ok());
    assert!(matches!(start(2), Err(Error::InvalidConfig(why)) if why.contains("applied 2")));
}

/// Nothing below `Config::applied` is handed out again.
#[test]
fn applied_entries_are_not_handed_out_again() {
    let mut disk = MemStorage::new(&[1]);
    let entries: Vec<Entry> = (1..=4).map(|index| Entry { index, term: 1, ..Entry::default() }).collect();
    disk.append(&entries);
    disk.set_hard_state(HardState { term: 1, vote: 1, commit: 4 });
    for applied in 0..=4 {
        let config = Config { applied, ..Config::new(1) };
        let mut node = RawNode::new(&config, disk.clone()).expect("a good configuration");
        assert_eq!(node.ready().committed_entries, entries[applied as usize..]);
    }
}
