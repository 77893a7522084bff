//! What a peer answers at once, and that it answers everything exactly once.

use crate::common::apply::{command, get, put};
use crate::common::{Cluster, config, delete, first_region, slot, take};
use kv::config::ReadMode;
use kv::raftstore::context::Commands;
use kv::raftstore::msg::{Callback, RaftCommand};
use kv::storage::Error;
use proto::errorpb;
use proto::metapb::{Peer, RegionEpoch};
use proto::raft_cmdpb::{
    AdminCmdType, AdminRequest, RaftCmdRequest, StatusCmdType, StatusRequest, TransferLeaderRequest,
};

struct Fixture {
    cluster: Cluster,
    leader: u64,
}

impl Fixture {
    fn new(mode: ReadMode) -> Fixture {
        let mut cluster = Cluster::new(3, config(mode));
        let leader = cluster.elect();
        cluster.must_put(leader, "a", "1");
        Fixture { cluster, leader }
    }

    fn follower(&self) -> u64 {
        (1..=3).find(|id| *id != self.leader).unwrap()
    }

    /// A command as a client that knows everything would send it.
    fn command(&self, requests: Vec<proto::raft_cmdpb::Request>) -> RaftCmdRequest {
        let mut command = command(requests);
        let header = command.header.as_mut().unwrap();
        header.peer = Some(Peer { id: self.leader * 10, store_id: self.leader });
        command
    }

    /// What the command is told, with nothing but the stores' own work.
    fn answer(&mut self, store: u64, request: RaftCmdRequest) -> proto::raft_cmdpb::RaftCmdResponse {
        let slot = self.cluster.command(store, request);
        self.cluster.settle();
        take(&slot).unwrap()
    }

    fn refusal(&mut self, store: u64, request: RaftCmdRequest) -> errorpb::Error {
        let answer = self.answer(store, request);
        answer.header.unwrap().error.expect("refused")
    }
}

#[test]
fn a_command_that_is_not_meant_for_this_peer_is_refused_with_the_reason() {
    let mut fixture = Fixture::new(ReadMode::Log);
    let leader = fixture.leader;
    let good = fixture.command(vec![put("a", "2")]);
    let changed = |change: &dyn Fn(&mut proto::raft_cmdpb::RaftRequestHeader)| {
        let mut request = good.clone();
        change(request.header.as_mut().unwrap());
        request
    };

    let follower = fixture.follower();
    let to_follower = changed(&|header| header.peer = Some(Peer { id: follower * 10, store_id: follower }));
    let not_leader = fixture.refusal(follower, to_follower).not_leader.unwrap();
    assert_eq!(not_leader.leader.unwrap().store_id, leader);

    let wrong_store = fixture.refusal(follower, good.clone()).store_not_match.unwrap();
    assert_eq!((wrong_store.request_store_id, wrong_store.actual_store_id), (leader, follower));

    let other_peer = changed(&|header| header.peer = Some(Peer { id: 99, store_id: leader }));
    assert!(fixture.refusal(leader, other_peer).epoch_not_match.is_some());

    let other_region = changed(&|header| header.region_id = 77);
    assert_eq!(fixture.refusal(leader, other_region).region_not_found.unwrap().region_id, 77);

    for version in [0, 2] {
        let epoch = changed(&|header| header.region_epoch = Some(RegionEpoch { conf_ver: 1, version }));
        let current = fixture.refusal(leader, epoch).epoch_not_match.unwrap().current_regions;
        assert_eq!(current, [first_region(3)]);
    }
    assert!(fixture.refusal(leader, changed(&|header| header.region_epoch = None)).epoch_not_match.is_none());
    assert_eq!(fixture.answer(leader, good).header.unwrap().error, None);
}

#[test]
fn a_sender_two_terms_behind_is_stale_and_one_term_behind_is_not() {
    let mut fixture = Fixture::new(ReadMode::Log);
    let leader = fixture.leader;
    let term = fixture.cluster.status(leader).unwrap().raft.term;
    for (sent, stale) in [(0, false), (term - 2, true), (term - 1, false), (term, false), (term + 5, false)] {
        let mut request = fixture.command(vec![put("a", "2")]);
        request.header.as_mut().unwrap().term = sent;
        let error = fixture.answer(leader, request).header.unwrap().error;
        assert_eq!(error.is_some_and(|error| error.stale_command.is_some()), stale, "{sent} in {term}");
    }
}

#[test]
fn commands_of_no_sense_are_refused_and_leave_no_entry() {
    let mut fixture = Fixture::new(ReadMode::Log);
    let leader = fixture.leader;
    let before = fixture.cluster.status(leader).unwrap().raft.last;
    let long = "k".repeat(70_000);
    let bad =
        [vec![], vec![put("a", "1"), get("a")], vec![put("", "1")], vec![put(&long, "1")], vec![get("")]];
    for requests in bad {
        let request = fixture.command(requests);
        assert!(!fixture.refusal(leader, request).message.is_empty());
    }
    let mut both = fixture.command(vec![put("a", "1")]);
    both.admin_request = Some(AdminRequest::default());
    assert!(!fixture.refusal(leader, both).message.is_empty());
    assert_eq!(fixture.cluster.status(leader).unwrap().raft.last, before);
}

#[test]
fn a_command_larger_than_an_entry_may_be_is_refused() {
    let mut config = config(ReadMode::Log);
    config.raft_entry_bytes_max = 1000;
    let mut cluster = Cluster::new(1, config);
    cluster.settle();
    cluster.must_put(1, "a", &"x".repeat(800));
    let slot = cluster.put(1, "a", &"x".repeat(1000));
    cluster.settle();
    let Err(Error::Region(error)) = take(&slot) else { panic!("taken") };
    assert!(error.raft_entry_too_large.unwrap().entry_size > 1000);
}

#[test]
fn a_write_that_depends_on_a_term_is_refused_in_any_other() {
    let mut fixture = Fixture::new(ReadMode::Log);
    let leader = fixture.leader;
    let term = fixture.cluster.status(leader).unwrap().raft.term;
    for (guard_term, taken) in [(term, true), (term - 1, false), (term + 1, false)] {
        let (slot, answer) = slot();
        let callback = Callback::new(move |result: Result<kv::raftstore::msg::CmdResult, _>| {
            answer(result.unwrap().response.header.unwrap().error);
        });
        let request = fixture.command(vec![put("b", "1")]);
        let router = fixture.cluster.nodes[&leader].store.as_ref().unwrap().router();
        router.send_command(RaftCommand { request, guard_term, callback });
        fixture.cluster.settle();
        let error = take(&slot);
        assert_eq!(error.is_none(), taken);
        assert!(error.is_none_or(|error| error.stale_command.is_some()));
    }
}

#[test]
fn anybody_tells_what_the_region_is_and_who_leads() {
    let mut fixture = Fixture::new(ReadMode::Log);
    fixture.cluster.tick();
    let leader = Peer { id: fixture.leader * 10, store_id: fixture.leader };
    for store in 1..=3 {
        let status = |cmd_type: StatusCmdType| {
            let status = StatusRequest { cmd_type: cmd_type as i32, ..StatusRequest::default() };
            let mut request = command(Vec::new());
            request.header.as_mut().unwrap().peer = Some(Peer { id: store * 10, store_id: store });
            RaftCmdRequest { status_request: Some(status), ..request }
        };
        let answer = fixture.answer(store, status(StatusCmdType::RegionLeader));
        assert_eq!(answer.status_response.unwrap().region_leader.unwrap().leader, Some(leader));
        let answer = fixture.answer(store, status(StatusCmdType::RegionDetail));
        let detail = answer.status_response.unwrap().region_detail.unwrap();
        assert_eq!((detail.region, detail.leader), (Some(first_region(3)), Some(leader)));
        fixture.refusal(store, status(StatusCmdType::InvalidStatus));
    }
}

#[test]
fn leadership_is_handed_over_when_asked_for() {
    let mut fixture = Fixture::new(ReadMode::Log);
    let (old, new) = (fixture.leader, fixture.follower());
    let transfer = |peer_id| {
        let transfer = TransferLeaderRequest { peer: Some(Peer { id: peer_id, store_id: peer_id / 10 }) };
        let admin = AdminRequest {
            cmd_type: AdminCmdType::TransferLeader as i32,
            transfer_leader: Some(transfer),
            ..AdminRequest::default()
        };
        RaftCmdRequest { admin_request: Some(admin), ..fixture.command(Vec::new()) }
    };
    let (stranger, mate) = (transfer(99), transfer(new * 10));
    fixture.refusal(old, stranger);
    let answer = fixture.answer(old, mate);
    assert_eq!(answer.admin_response.unwrap().cmd_type(), AdminCmdType::TransferLeader);
    assert_eq!(fixture.cluster.leader(), Some(new));
    fixture.cluster.must_put(new, "a", "2");
}

#[test]
fn reads_that_wait_for_a_quorum_end_when_the_leadership_does() {
    for mode in [ReadMode::Index, ReadMode::Lease] {
        let mut fixture = Fixture::new(mode);
        let old = fixture.leader;
        // Long enough for any lease to be over.
        fixture.cluster.cut.insert(old);
        for _ in 0..8 {
            fixture.cluster.tick();
        }
        let read = fixture.cluster.read(old);
        fixture.cluster.settle();
        assert!(read.lock().unwrap().is_none(), "{mode:?}: served without a quorum");
        let new = fixture.cluster.elect();
        assert_ne!(new, old);
        fixture.cluster.until("the read is refused", |_| read.lock().unwrap().is_some());
        let Err(Error::Region(error)) = take(&read) else { panic!("{mode:?}: served by a deposed leader") };
        assert!(error.not_leader.is_some() || error.stale_command.is_some(), "{mode:?} {error:?}");
    }
}

#[test]
fn reads_of_one_round_are_confirmed_together_and_leave_no_entry() {
    let mut fixture = Fixture::new(ReadMode::Index);
    let leader = fixture.leader;
    let before = fixture.cluster.status(leader).unwrap().raft.last;
    let reads: Vec<_> = (0..50).map(|_| fixture.cluster.read(leader)).collect();
    fixture.cluster.settle();
    for read in reads {
        take(&read).unwrap();
    }
    assert_eq!(fixture.cluster.status(leader).unwrap().raft.last, before);
}

#[test]
fn a_confirmed_read_waits_until_what_it_must_see_is_applied() {
    for mode in [ReadMode::Index, ReadMode::Lease] {
        let mut fixture = Fixture::new(mode);
        let leader = fixture.leader;
        fixture.cluster.lazy.insert(leader);
        let write = fixture.cluster.put(leader, "a", "2");
        fixture.cluster.settle();
        let read = fixture.cluster.read(leader);
        fixture.cluster.settle();
        assert!(read.lock().unwrap().is_none(), "{mode:?}");
        fixture.cluster.lazy.clear();
        fixture.cluster.settle();
        take(&write).unwrap();
        let value = take(&read).unwrap().get_cf(kv::engine::Cf::Default, b"a").unwrap();
        assert_eq!(value.unwrap(), "2", "{mode:?}");
    }
}

#[test]
fn a_leader_that_may_not_know_all_that_is_committed_reads_through_the_log() {
    let mut cluster = Cluster::new(3, config(ReadMode::Index));
    cluster.lazy.extend(1..=3);
    let leader = cluster.elect();
    let read = cluster.read(leader);
    cluster.settle();
    assert!(read.lock().unwrap().is_none());
    cluster.lazy.clear();
    cluster.settle();
    take(&read).unwrap();
}

#[test]
fn a_leader_with_a_lease_reads_without_asking_anybody() {
    let mut fixture = Fixture::new(ReadMode::Lease);
    let leader = fixture.leader;
    for _ in 0..20 {
        fixture.cluster.tick();
    }
    fixture.cluster.cut.insert(leader);
    let read = fixture.cluster.read(leader);
    fixture.cluster.run_alone(leader);
    take(&read).unwrap();
}

/// Whether a read is served at once, on the reader's thread.
fn reads_at_once(cluster: &Cluster, id: u64) -> bool {
    let read = cluster.read_locally(id);
    let at_once = read.lock().unwrap().is_some();
    at_once && take(&read).unwrap().get_cf(kv::engine::Cf::Default, b"a").unwrap().is_some()
}

/// A leader whose lease has just been confirmed.
fn leased() -> Fixture {
    let mut fixture = Fixture::new(ReadMode::Lease);
    for _ in 0..20 {
        fixture.cluster.tick();
    }
    fixture.cluster.must_get(fixture.leader, "a");
    assert!(reads_at_once(&fixture.cluster, fixture.leader));
    fixture
}

#[test]
fn under_a_lease_reads_need_no_peer_until_the_lease_is_over() {
    let fixture = leased();
    assert!(!reads_at_once(&fixture.cluster, fixture.follower()));
    fixture.cluster.advance_clock(100);
    assert!(!reads_at_once(&fixture.cluster, fixture.leader), "the lease is over");

    let mut fixture = leased();
    let mut other_peer = fixture.command(vec![get("a")]);
    other_peer.header.as_mut().unwrap().peer.as_mut().unwrap().id = 99;
    let (told, answer) = slot();
    let callback = Callback::new(move |result: Result<kv::raftstore::msg::CmdResult, _>| {
        answer(result.unwrap().response.header.unwrap().error);
    });
    let reader = fixture.cluster.nodes[&fixture.leader].store.as_ref().unwrap().local_reader();
    reader.send_command(RaftCommand { request: other_peer, guard_term: 0, callback });
    fixture.cluster.settle();
    assert!(take(&told).unwrap().epoch_not_match.is_some(), "the peer knows what to say");
    fixture.cluster.advance_clock(10);
    assert!(reads_at_once(&fixture.cluster, fixture.leader));
    let status = fixture.cluster.status(fixture.leader).unwrap();
    fixture.cluster.must_put(fixture.leader, "a", "2");
    assert!(reads_at_once(&fixture.cluster, fixture.leader), "in term {}", status.raft.term);
}

#[test]
fn a_lease_ends_with_an_offer_of_leadership_and_with_leadership() {
    let mut fixture = leased();
    let (old, new) = (fixture.leader, fixture.follower());
    let transfer = TransferLeaderRequest { peer: Some(Peer { id: new * 10, store_id: new }) };
    let admin = AdminRequest {
        cmd_type: AdminCmdType::TransferLeader as i32,
        transfer_leader: Some(transfer),
        ..AdminRequest::default()
    };
    // The order to campaign is lost, or comes much later.
    fixture.cluster.cut.insert(new);
    let request = RaftCmdRequest { admin_request: Some(admin), ..fixture.command(Vec::new()) };
    fixture.cluster.command(old, request);
    fixture.cluster.run_raft(old);
    assert!(!reads_at_once(&fixture.cluster, old));
    for _ in 0..15 {
        fixture.cluster.tick();
    }
    let read = fixture.cluster.read(old);
    fixture.cluster.settle();
    take(&read).unwrap();
    assert!(!reads_at_once(&fixture.cluster, old), "the offer cannot be taken back in this term");
}

#[test]
fn every_command_is_answered_once_whatever_happens_to_its_leader() {
    let mut cluster = Cluster::new(3, config(ReadMode::Index));
    let mut answers = Vec::new();
    for round in 0..12 {
        let leader = cluster.elect();
        for i in 0..5 {
            answers.push(cluster.put(leader, &format!("{round}-{i}"), "x"));
            if i == 2 {
                cluster.step();
            }
        }
        answers.push(cluster.write(leader, vec![delete("none")]));
        if round % 3 == 0 {
            cluster.cut.insert(leader);
            cluster.until("another leader", |cluster| cluster.leader().is_some_and(|new| new != leader));
            cluster.cut.clear();
        } else if round % 3 == 1 {
            cluster.step();
            cluster.stop(leader);
            cluster.start(leader);
        }
    }
    let leader = cluster.elect();
    cluster.must_put(leader, "last", "x");
    for _ in 0..30 {
        cluster.tick();
    }
    // The slots themselves refuse a second answer.
    assert!(answers.iter().all(|answer| answer.lock().unwrap().is_some()));
}
