//! Values round trip, damage is named, and a region knows its keys.

use bytes::Bytes;
use proto::eraftpb::{Entry, EntryType, Message, MessageType};
use proto::metapb::{Region, RegionEpoch};
use proto::raft_cmdpb::{AdminCmdType, AdminRequest, RaftCmdRequest, RaftRequestHeader};
use proto::raft_serverpb::{PeerState, RegionLocalState};

use super::region::*;
use super::{keys, states};
use crate::engine::{Cf, Engine, Error as EngineError, MemEngine, WriteBatch};
use crate::raftstore::Error;

fn entry() -> Entry {
    let data = Bytes::from_static(b"set x");
    Entry { entry_type: EntryType::EntryNormal as i32, term: 6, index: 1234, data }
}

#[test]
fn an_entry_comes_back_as_it_was_stored() {
    for data in [Bytes::new(), Bytes::from_static(b"x"), Bytes::from(vec![7; 100_000])] {
        let entry = Entry { data, ..entry() };
        assert_eq!(states::decode_entry(9, 1234, states::encode_entry(&entry)).unwrap(), entry);
    }
}

#[test]
fn any_damage_of_an_entry_is_named_with_region_and_index() {
    let stored = states::encode_entry(&entry());
    let check = |value: Vec<u8>, what: &str| {
        let error = states::decode_entry(9, 1234, Bytes::from(value)).expect_err(what);
        assert!(matches!(error, EngineError::Corrupt { .. }));
        let text = error.to_string();
        assert!(text.contains("region 9, entry 1234") && text.contains("rebuild this store"), "{text}");
    };
    for bit in 0..stored.len() * 8 {
        let mut value = stored.to_vec();
        value[bit / 8] ^= 1 << (bit % 8);
        check(value, "a flipped bit");
    }
    for length in 0..stored.len() {
        check(stored[..length].to_vec(), "a cut value");
    }
    check([stored.to_vec(), vec![0]].concat(), "a longer value");
    let other = Entry { index: 1235, ..entry() };
    check(states::encode_entry(&other).to_vec(), "an entry under the key of another");
}

#[test]
fn states_are_found_where_they_belong_and_damage_is_named() {
    let engine = MemEngine::new();
    let mut batch = WriteBatch::new();
    for id in [3, 1, 2] {
        let region = Region { id, ..Region::default() };
        let state = RegionLocalState { state: PeerState::Tombstone as i32, region: Some(region) };
        batch.put_msg(Cf::Raft, keys::region_state_key(id), &state);
    }
    batch.put(Cf::Raft, keys::raft_state_key(1), "no message");
    batch.put(Cf::Raft, keys::format_version_key(), states::encode_format_version(3));
    batch.put(Cf::Raft, keys::raft_gc_key(1), states::encode_raft_gc_index(77));
    engine.write(batch).unwrap();

    let ids: Vec<u64> = states::load_region_states(&engine)
        .unwrap()
        .into_iter()
        .map(|state| state.region.unwrap().id)
        .collect();
    assert_eq!(ids, [1, 2, 3]);
    assert_eq!(states::load_region_state(&engine, 2).unwrap().unwrap().state(), PeerState::Tombstone);
    assert_eq!(states::load_region_state(&engine, 4).unwrap(), None);
    assert_eq!(states::load_format_version(&engine).unwrap(), Some(3));
    assert_eq!(states::load_raft_gc_index(&engine, 1).unwrap(), 77);
    assert_eq!(states::load_raft_gc_index(&engine, 2).unwrap(), 0);
    assert_eq!(states::load_store_ident(&engine).unwrap(), None);
    let error = states::load_raft_state(&engine, 1).unwrap_err().to_string();
    assert!(error.contains("raft state of region 1"), "{error}");
}

fn region(start: &'static str, end: &'static str) -> Region {
    let epoch = RegionEpoch { conf_ver: 3, version: 5 };
    let (start_key, end_key) = (start.into(), end.into());
    Region { id: 9, start_key, end_key, region_epoch: Some(epoch), ..Region::default() }
}

#[test]
fn a_range_includes_its_start_and_not_its_end() {
    let inside = |key: &str, region: &Region| check_key_in_region(key.as_bytes(), region).is_ok();
    let bounded = region("b", "d");
    for (key, expected) in [("a", false), ("b", true), ("c", true), ("czz", true), ("d", false), ("e", false)]
    {
        assert_eq!(inside(key, &bounded), expected, "{key}");
        assert_eq!(
            check_key_in_region_exclusive(key.as_bytes(), &bounded).is_ok(),
            expected && key != "b",
            "{key}"
        );
        assert_eq!(
            check_end_key_in_region(key.as_bytes(), &bounded).is_ok(),
            expected || key == "d",
            "{key}"
        );
    }
    let whole = region("", "");
    for key in ["", "a", "\u{ff}"] {
        assert!(inside(key, &whole) && check_end_key_in_region(key.as_bytes(), &whole).is_ok());
    }
    assert!(check_key_in_region_exclusive(b"", &whole).is_err(), "nothing would be left of it");
    assert!(check_end_key_in_region(b"", &bounded).is_ok(), "no end means the region's");
    let error = check_key_in_region(b"e", &bounded).unwrap_err();
    assert!(matches!(error, Error::KeyNotInRegion { key, region } if key == b"e" && region.id == 9));
}

#[test]
fn ranges_overlap_if_a_key_is_in_both() {
    let ranges = [("", ""), ("", "b"), ("b", ""), ("a", "b"), ("b", "c"), ("a", "c"), ("c", "d")];
    let probes = ["", "0", "a", "aa", "b", "bb", "c", "cc", "d"];
    for a in ranges.map(|(start, end)| region(start, end)) {
        for b in ranges.map(|(start, end)| region(start, end)) {
            let in_both = |key: &&str| {
                check_key_in_region(key.as_bytes(), &a).and(check_key_in_region(key.as_bytes(), &b)).is_ok()
            };
            assert_eq!(ranges_overlap(&a, &b), probes.iter().any(in_both), "{a:?} {b:?}");
        }
    }
}

fn command(admin: Option<AdminCmdType>, epoch: Option<RegionEpoch>) -> RaftCmdRequest {
    RaftCmdRequest {
        header: Some(RaftRequestHeader { region_epoch: epoch, ..RaftRequestHeader::default() }),
        admin_request: admin.map(|kind| AdminRequest { cmd_type: kind as i32, ..AdminRequest::default() }),
        ..RaftCmdRequest::default()
    }
}

#[test]
fn each_kind_of_command_depends_on_its_part_of_the_epoch() {
    use AdminCmdType::{ChangePeer, CompactLog, Split, TransferLeader};
    let region = region("", "");
    // Kind, whether another version matters, whether another conf_ver does.
    let kinds = [
        (None, true, false),
        (Some(ChangePeer), false, true),
        (Some(Split), true, true),
        (Some(TransferLeader), true, true),
        (Some(CompactLog), false, false),
    ];
    for (kind, version_matters, conf_ver_matters) in kinds {
        let fails = |conf_ver, version| {
            check_region_epoch(&command(kind, Some(RegionEpoch { conf_ver, version })), &region, true)
                .is_err()
        };
        assert!(!fails(3, 5), "{kind:?}");
        for version in [4, 6] {
            assert_eq!(fails(3, version), version_matters, "{kind:?}, version {version}");
        }
        for conf_ver in [2, 4] {
            assert_eq!(fails(conf_ver, 5), conf_ver_matters, "{kind:?}, conf_ver {conf_ver}");
        }
        let without = check_region_epoch(&command(kind, None), &region, true);
        assert_eq!(without.is_err(), version_matters || conf_ver_matters, "{kind:?} without epoch");
    }
    for (include, expected) in [(true, vec![region.clone()]), (false, Vec::new())] {
        let stale = command(None, Some(RegionEpoch { conf_ver: 3, version: 4 }));
        match check_region_epoch(&stale, &region, include) {
            Err(Error::EpochNotMatch(current)) => assert_eq!(current, expected),
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn only_vote_requests_and_ignorant_heartbeats_begin_a_peer() {
    let message = |kind: MessageType, commit| Message { msg_type: kind as i32, commit, ..Message::default() };
    assert!(is_initial_msg(&message(MessageType::MsgRequestVote, 0)));
    assert!(is_initial_msg(&message(MessageType::MsgRequestVote, 5)));
    assert!(is_initial_msg(&message(MessageType::MsgHeartbeat, 0)));
    assert!(!is_initial_msg(&message(MessageType::MsgHeartbeat, 5)));
    assert!(!is_initial_msg(&message(MessageType::MsgAppend, 0)));
    assert!(!is_initial_msg(&message(MessageType::MsgSnapshot, 0)));
}
