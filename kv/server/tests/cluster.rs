//! A whole cluster in one process, over real gRPC: serving, restarts, moves, stragglers, and what strangers send.

#![allow(clippy::unwrap_used)]

mod support;

use std::time::{Duration, Instant};

use kv::engine::{Cf, Engine, FjallEngine, Read, WriteBatch};
use kv::raftstore::meta::{keys, states};
use proto::eraftpb;
use proto::kvrpcpb::*;
use proto::metapb::{Peer, RegionEpoch};
use proto::raft_serverpb::{RaftMessage, SnapshotChunk};
use rpc::tikvpb::tikv_client::TikvClient;
use server::client::{Client, Options};
use server::inspect::inspect;
use support::Draws;
use support::cluster::Cluster;
use support::raw_codec::send_bytes;
use support::small_disk::SmallDisk;
use tonic::Code;
use tonic::transport::{Channel, Endpoint};

/// Nothing here takes longer than this, unless it never happens.
const PATIENCE: Duration = Duration::from_secs(30);

/// Waits for `is_so` to become true.
async fn eventually(what: &str, mut is_so: impl AsyncFnMut() -> bool) {
    let began = Instant::now();
    while !is_so().await {
        assert!(began.elapsed() < PATIENCE, "it never happens that {what}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// A connection to the store at `place`, and what its only region looks like from there.
async fn connect(cluster: &Cluster, place: usize) -> (TikvClient<Channel>, Context) {
    let running = cluster.stores[place].as_ref().unwrap();
    let client = TikvClient::connect(format!("http://{}", running.addr)).await.unwrap();
    let status = running.board.peers().remove(0);
    let (region_id, region_epoch) = (status.region.id, status.region.region_epoch);
    (client, Context { region_id, region_epoch, peer: Some(status.peer), ..Context::default() })
}

fn put(context: &Context, key: &str) -> RawPutRequest {
    let (key, context) = (key.to_owned().into(), Some(*context));
    RawPutRequest { context, key, value: "v".into(), ..RawPutRequest::default() }
}

/// Place of the leader, once there is one.
async fn leader(cluster: &Cluster) -> usize {
    let mut found = None;
    eventually("a store leads", async || {
        found = cluster.stores.iter().position(|store| {
            let peers = store.as_ref().map(|store| store.board.peers()).unwrap_or_default();
            peers.iter().any(|peer| peer.raft.role == raft::Role::Leader)
        });
        found.is_some()
    })
    .await;
    found.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn three_stores_elect_and_serve() {
    let cluster = Cluster::start(3).await;
    let mut client = cluster.client().await;
    client.put("", b"k", b"v").await.unwrap();
    assert_eq!(client.get("", b"k").await.unwrap().as_deref(), Some(&b"v"[..]));
    for n in 0..100 {
        client.put("", format!("n{n:03}").as_bytes(), b"x").await.unwrap();
    }
    assert_eq!(client.scan("", b"n", b"o", 1000).await.unwrap().len(), 100);
    client.delete("", b"k").await.unwrap();
    assert_eq!(client.get("", b"k").await.unwrap(), None);
    assert_eq!(client.compare_and_swap("", b"k", None, b"1").await.unwrap(), (true, None));
    assert_eq!(client.compare_and_swap("", b"k", None, b"2").await.unwrap(), (false, Some("1".into())));
    cluster.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cluster_comes_back_whole_and_a_store_may_move() {
    let mut cluster = Cluster::start(3).await;
    cluster.client().await.put("", b"k", b"v").await.unwrap();
    for place in 0..3 {
        cluster.stop_store(place).await;
    }
    // Each gets another port, which the others have to find out.
    for place in 0..3 {
        cluster.start_store(place).await;
    }
    let mut client = cluster.client().await;
    assert_eq!(client.get("", b"k").await.unwrap().as_deref(), Some(&b"v"[..]));
    client.put("", b"k", b"w").await.unwrap();
    cluster.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_scheduler_may_be_away_for_those_who_know_their_way() {
    let mut cluster = Cluster::start(3).await;
    let mut client = cluster.client().await;
    client.put("", b"k", b"1").await.unwrap();
    cluster.stop_scheduler().await;
    client.put("", b"k", b"2").await.unwrap();
    eventually("the scheduler's address and directory are free again", async || {
        cluster.start_scheduler(3).await
    })
    .await;
    // It has forgotten who leads, and is told.
    let mut newcomer = cluster.client().await;
    assert_eq!(newcomer.get("", b"k").await.unwrap().as_deref(), Some(&b"2"[..]));
    cluster.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_minority_may_be_away_and_a_straggler_gets_a_snapshot() {
    let mut cluster = Cluster::start_with(3, |config| {
        config.raftstore.raft_log_gc_ticks = 2;
        config.raftstore.raft_log_gc_count_limit = 20;
        config.raftstore.raft_log_gc_threshold = 5;
    })
    .await;
    let mut client = cluster.client().await;
    let away = (leader(&cluster).await + 1) % 3;
    cluster.stop_store(away).await;
    for n in 0..200 {
        client.put("", format!("k{n:03}").as_bytes(), &[b'v'; 1000]).await.unwrap();
    }
    let leader = leader(&cluster).await;
    eventually("the log is compacted", async || {
        cluster.stores[leader].as_ref().unwrap().board.peers()[0].raft.first_index > 100
    })
    .await;
    cluster.start_store(away).await;
    eventually("the straggler installs a snapshot", async || {
        let events = cluster.stores[away].as_ref().unwrap().board.events();
        events.iter().any(|event| event.text.contains("snapshot installed"))
    })
    .await;
    // It is needed now: only two are left.
    let other = 3 - away - leader;
    cluster.stop_store(other).await;
    client.put("", b"last", b"1").await.unwrap();
    assert_eq!(client.scan("", b"k", b"l", 1000).await.unwrap().len(), 200);
    cluster.stop_store(away).await;
    let told = inspect(&cluster.path(away), 10).unwrap();
    assert!(told.contains("default 201 keys") && told.contains("put default \"last\""), "{told}");
    cluster.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn region_errors_are_told_as_kvproto_has_them() {
    let cluster = Cluster::start(3).await;
    cluster.client().await.put("", b"k", b"v").await.unwrap();
    let leader = leader(&cluster).await;
    let (mut client, right) = connect(&cluster, leader).await;
    let told = async |client: &mut TikvClient<Channel>, context: Context| {
        client.raw_put(put(&context, "k")).await.unwrap().into_inner().region_error.unwrap()
    };
    let newer = Context { region_epoch: Some(RegionEpoch { conf_ver: 9, version: 9 }), ..right };
    let older = Context { region_epoch: Some(RegionEpoch { conf_ver: 0, version: 0 }), ..right };
    for context in [newer, older] {
        let error = told(&mut client, context).await;
        assert_eq!(error.epoch_not_match.unwrap().current_regions[0].id, right.region_id);
    }
    let error = told(&mut client, Context { region_id: 99, ..right }).await;
    assert_eq!(error.region_not_found.unwrap().region_id, 99);
    let elsewhere = Peer { store_id: 99, ..right.peer.unwrap() };
    let error = told(&mut client, Context { peer: Some(elsewhere), ..right }).await;
    assert_eq!(error.store_not_match.unwrap().request_store_id, 99);
    let (mut follower, context) = connect(&cluster, (leader + 1) % 3).await;
    let error = told(&mut follower, context).await;
    assert_eq!(error.not_leader.unwrap().leader, right.peer);
    assert!(told(&mut client, Context::default()).await.region_not_found.is_some());
    client.raw_put(put(&right, "k")).await.unwrap();
    cluster.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_command_that_fits_no_entry_is_refused() {
    let cluster = Cluster::start_with(1, |config| config.raftstore.raft_entry_bytes_max = 4096).await;
    cluster.client().await.put("", b"k", b"v").await.unwrap();
    let (mut client, context) = connect(&cluster, 0).await;
    let large = RawPutRequest { value: vec![b'x'; 5000].into(), ..put(&context, "large") };
    let error = client.raw_put(large).await.unwrap().into_inner().region_error.unwrap();
    assert_eq!(error.raft_entry_too_large.unwrap().region_id, context.region_id);
    cluster.stop().await;
}

fn message(store_id: u64) -> RaftMessage {
    RaftMessage {
        region_id: 99,
        from_peer: Some(Peer { id: 1, store_id: 77 }),
        to_peer: Some(Peer { id: 2, store_id }),
        message: Some(eraftpb::Message::default()),
        ..RaftMessage::default()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn senseless_raft_messages_end_the_stream_and_nothing_else() {
    let cluster = Cluster::start(1).await;
    cluster.client().await.put("", b"k", b"v").await.unwrap();
    let (mut client, context) = connect(&cluster, 0).await;
    let own = context.peer.unwrap().store_id;
    let senseless = [
        RaftMessage::default(),
        RaftMessage { message: None, ..message(own) },
        RaftMessage { from_peer: None, ..message(own) },
        RaftMessage { region_id: 0, ..message(own) },
    ];
    for message in senseless {
        let refused = client.raft(tokio_stream::once(message)).await.unwrap_err();
        assert_eq!(refused.code(), Code::InvalidArgument, "{refused}");
    }
    let refused = client.raft(tokio_stream::once(message(own + 1))).await.unwrap_err();
    assert_eq!(refused.code(), Code::FailedPrecondition);
    assert_eq!(refused.message(), format!("this is store {own}, and the message is for store {}", own + 1));
    // A region that is not here, a term from the future, numbers at their ends: the store must only survive them.
    let ends = eraftpb::Message {
        term: u64::MAX,
        index: u64::MAX,
        commit: u64::MAX,
        log_term: u64::MAX,
        from: u64::MAX,
        to: 2,
        ..eraftpb::Message::default()
    };
    let strangers = (0..20).map(move |kind| RaftMessage {
        region_id: 98,
        message: Some(eraftpb::Message { msg_type: kind, ..ends.clone() }),
        ..message(own)
    });
    client.raft(tokio_stream::iter(strangers.collect::<Vec<_>>())).await.unwrap();
    client.raw_put(put(&context, "k")).await.unwrap();
    cluster.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn garbage_on_the_streams_ends_them_and_nothing_else() {
    let cluster = Cluster::start(1).await;
    cluster.client().await.put("", b"k", b"v").await.unwrap();
    let (mut client, context) = connect(&cluster, 0).await;
    let addr = cluster.stores[0].as_ref().unwrap().addr;
    let mut draws = Draws(5);
    for path in ["/tikvpb.Tikv/Raft", "/tikvpb.Tikv/Snapshot", "/tikvpb.Tikv/Nothing"] {
        for length in [1, 10, 1000, 100_000] {
            let channel = Endpoint::from_shared(format!("http://{addr}")).unwrap().connect().await.unwrap();
            let garbage: Vec<u8> = (0..length).map(|_| draws.below(256) as u8).collect();
            // Whatever it is called, it is an error: no garbage is taken for a message that makes sense.
            send_bytes(channel, path, garbage.into()).await;
        }
    }
    client.raw_put(put(&context, "k")).await.unwrap();
    cluster.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn damaged_snapshots_are_refused_and_leave_nothing() {
    let cluster = Cluster::start(1).await;
    cluster.client().await.put("", b"k", b"v").await.unwrap();
    let (mut client, context) = connect(&cluster, 0).await;
    let own = context.peer.unwrap().store_id;
    let garbage = bytes::Bytes::from_static(b"\xff\xfe garbage \x00");
    let with_garbage = eraftpb::Message {
        msg_type: eraftpb::MessageType::MsgSnapshot as i32,
        snapshot: Some(eraftpb::Snapshot { data: garbage.clone(), ..eraftpb::Snapshot::default() }),
        ..eraftpb::Message::default()
    };
    let first = |message| SnapshotChunk { message: Some(message), data: bytes::Bytes::new() };
    let streams = [
        vec![],
        vec![SnapshotChunk { message: None, data: garbage.clone() }],
        vec![first(message(own))],
        vec![first(RaftMessage { message: Some(with_garbage), ..message(own) }), SnapshotChunk::default()],
    ];
    for chunks in streams {
        let refused = client.snapshot(tokio_stream::iter(chunks)).await.unwrap_err();
        assert_eq!(refused.code(), Code::InvalidArgument, "{refused}");
    }
    assert_eq!(std::fs::read_dir(cluster.path(0).join("snap")).unwrap().count(), 0);
    client.raw_put(put(&context, "k")).await.unwrap();
    cluster.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_disk_that_is_nearly_full_takes_no_writes_and_serves_reads() {
    let mut cluster = Cluster::start(1).await;
    cluster.client().await.put("", b"k", b"v").await.unwrap();
    cluster.stop_store(0).await;
    let mut config = cluster.config(0);
    config.server.reserve_bytes = u64::MAX;
    cluster.stores[0] = Some(server::server::start(config).await.unwrap());
    let mut client = cluster.client().await;
    assert_eq!(client.get("", b"k").await.unwrap().as_deref(), Some(&b"v"[..]));
    let (mut store, context) = connect(&cluster, 0).await;
    let error = store.raw_put(put(&context, "k")).await.unwrap().into_inner().region_error.unwrap();
    assert!(error.message.contains("reserve_bytes"), "{}", error.message);
    assert_eq!(error.disk_full.unwrap().store_id, [context.peer.unwrap().store_id]);
    cluster.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_of_another_cluster_is_refused() {
    let mut cluster = Cluster::start(1).await;
    let other = Cluster::start(1).await;
    cluster.stop_store(0).await;
    let mut config = cluster.config(0);
    config.server.scheduler = other.scheduler_addr();
    let refused = format!("{:#}", server::server::start(config).await.err().unwrap());
    assert!(refused.contains("belongs to cluster") && refused.contains("--scheduler"), "{refused}");
    cluster.start_store(0).await;
    cluster.stop().await;
    other.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_damaged_log_entry_keeps_the_store_from_starting_and_is_named() {
    let mut cluster = Cluster::start(1).await;
    let mut client = cluster.client().await;
    for n in 0..20 {
        client.put("", format!("k{n}").as_bytes(), b"v").await.unwrap();
    }
    let region_id = cluster.stores[0].as_ref().unwrap().board.peers()[0].region.id;
    cluster.stop_store(0).await;
    let index = damage_last_entry(&cluster.path(0).join("raft"), region_id);
    let refused = format!("{:#}", server::server::start(cluster.config(0)).await.err().unwrap());
    for named in ["corrupt", &format!("region {region_id}"), &index.to_string(), "rebuild this store"] {
        assert!(refused.contains(named), "{named:?} is not in: {refused}");
    }
    let told = inspect(&cluster.path(0), 3).unwrap();
    assert!(told.contains("BROKEN") && told.contains(&index.to_string()), "{told}");
    cluster.stop().await;
}

/// Flips a bit of the last log entry, and returns its index.
fn damage_last_entry(path: &std::path::Path, region_id: u64) -> u64 {
    let engine = FjallEngine::open(path, &[Cf::Raft]).unwrap();
    let last = states::load_raft_state(&engine, region_id).unwrap().unwrap().last_index;
    let key = keys::raft_log_key(region_id, last);
    let mut value = engine.get(Cf::Raft, &key).unwrap().unwrap().to_vec();
    *value.last_mut().unwrap() ^= 1;
    let mut batch = WriteBatch::new();
    batch.put(Cf::Raft, key, value);
    engine.write(batch).unwrap();
    engine.sync().unwrap();
    last
}

#[tokio::test(flavor = "multi_thread")]
async fn a_disk_that_is_full_stops_the_store_and_loses_nothing() {
    let mut cluster = Cluster::start(1).await;
    cluster.client().await.put("", b"first", b"v").await.unwrap();
    cluster.stop_store(0).await;
    let Some(disk) = SmallDisk::mount(&cluster.path(0)) else {
        println!("no right to mount a small disk: left out");
        return cluster.stop().await;
    };
    cluster.start_store(0).await;
    // Writes until one fails; a write whose outcome is unknown is not repeated.
    let options = Options { repeat_unknown: false, timeout: Duration::from_secs(5), ..Options::default() };
    let mut client = Client::connect(&cluster.scheduler_addr(), options).await.unwrap();
    let mut acknowledged = 0;
    while client.put("", format!("k{acknowledged:04}").as_bytes(), &[7; 100_000]).await.is_ok() {
        acknowledged += 1;
        assert!(acknowledged < 10_000, "a small disk holds a gigabyte");
    }
    let mut stopped = cluster.stores[0].take().unwrap();
    let why = format!("{:#}", stopped.failed().await.unwrap_err());
    assert!(why.contains("the store cannot go on"), "{why}");
    drop((stopped, client));
    disk.enlarge();
    eventually("the connection ends, and with it the last use of the directory", async || {
        cluster.stores[0] = server::server::start(cluster.config(0)).await.ok();
        cluster.stores[0].is_some()
    })
    .await;
    let mut client = cluster.client().await;
    for n in 0..acknowledged {
        let found = client.get("", format!("k{n:04}").as_bytes()).await.unwrap();
        assert_eq!(found.map(|value| value.len()), Some(100_000), "key {n} of {acknowledged}");
    }
    assert_eq!(client.get("", b"first").await.unwrap().as_deref(), Some(&b"v"[..]));
    cluster.stop().await;
}
