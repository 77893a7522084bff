//! A cluster of three stores that exists only as what crosses its seams: a test writes the batches, messages and answers, and the
//! checks judge them. Legal by itself, so that each test spoils exactly one thing.

use std::collections::BTreeMap;

use ::kv::engine::{Cf, Engine, Engines, MemEngine, WriteBatch};
use ::kv::raftstore::meta::{keys, states};
use ::kv::raftstore::msg::{CmdResult, Dropped, RegionSnapshot};
use bytes::Bytes;
use prost::Message as _;
use proto::eraftpb::{Entry, HardState, Message, MessageType};
use proto::metapb::{Peer, Region, RegionEpoch};
use proto::raft_cmdpb::{
    CmdType, DeleteRequest, PutRequest, RaftCmdRequest, RaftCmdResponse, RaftRequestHeader, Request,
    Response, SnapRequest,
};
use proto::raft_serverpb::{
    PeerState, RaftApplyState, RaftLocalState, RaftMessage, RaftTruncatedState, RegionLocalState,
};
use std::sync::Arc;

use super::super::Checker;
use super::super::observe::{CommandId, Db, stamp};

pub const REGION: u64 = 1;
/// Index and term that the region starts with.
pub const INIT: u64 = 5;

pub struct Scene {
    pub checker: Checker,
    pub engines: BTreeMap<u64, Engines>,
    pub region: Region,
}

impl Scene {
    /// Three stores, bootstrapped and started, with an empty region.
    pub fn new() -> Scene {
        let peers = (1..=3).map(|store| Peer { id: 10 + store, store_id: store });
        let region = Region {
            id: REGION,
            region_epoch: Some(RegionEpoch { conf_ver: 1, version: 1 }),
            peers: peers.collect(),
            ..Region::default()
        };
        let mut scene = Scene { checker: Checker::new(), engines: BTreeMap::new(), region };
        for store in 1..=3 {
            let engines = Engines { raft: Arc::new(MemEngine::new()), kv: Arc::new(MemEngine::new()) };
            scene.engines.insert(store, engines);
            scene.open(store);
            let mut kv = WriteBatch::new();
            scene.put_region(&mut kv, PeerState::Normal);
            put_apply(&mut kv, INIT, (INIT, INIT));
            scene.write(store, Db::Kv, kv);
            let mut raft = WriteBatch::new();
            put_state(&mut raft, (INIT, 0, INIT), INIT);
            scene.write(store, Db::Raft, raft);
            scene.sync(store);
        }
        scene.fine();
        scene
    }

    /// The same, where the entries up to `last` (term 6) are written everywhere, and synced.
    pub fn with_entries(requests: Vec<RaftCmdRequest>) -> Scene {
        let mut scene = Scene::new();
        let entries = entries(6, INIT + 1, requests);
        for store in 1..=3 {
            scene.append(store, &entries, (6, 11));
            scene.sync(store);
        }
        scene.fine();
        scene
    }

    pub fn open(&mut self, store: u64) {
        let engines = &self.engines[&store];
        self.checker.on_open(store, &*engines.raft, &*engines.kv);
    }

    pub fn restart(&mut self, store: u64) {
        self.checker.on_stop(store);
        self.open(store);
    }

    pub fn write(&mut self, store: u64, db: Db, batch: WriteBatch) {
        let engines = &self.engines[&store];
        let engine: &Arc<dyn Engine> = if db == Db::Raft { &engines.raft } else { &engines.kv };
        engine.write(batch.clone()).unwrap();
        self.checker.on_write(store, db, &batch);
    }

    pub fn sync(&mut self, store: u64) {
        self.checker.on_sync(store, Db::Raft);
        self.checker.on_sync(store, Db::Kv);
    }

    pub fn put_region(&self, batch: &mut WriteBatch, state: PeerState) {
        let state = RegionLocalState { state: state as i32, region: Some(self.region.clone()) };
        batch.put_msg(Cf::Raft, keys::region_state_key(REGION), &state);
    }

    /// Entries, the Raft state with (term, vote), and the last index, in one batch.
    pub fn append(&mut self, store: u64, entries: &[Entry], (term, vote): (u64, u64)) {
        let mut batch = WriteBatch::new();
        put_entries(&mut batch, entries);
        let state = states::load_raft_state(&*self.engines[&store].raft, REGION).unwrap();
        let commit = state.and_then(|state| state.hard_state).map_or(INIT, |state| state.commit);
        put_state(&mut batch, (term, vote, commit), entries.last().unwrap().index);
        self.write(store, Db::Raft, batch);
    }

    /// Applies what raftdb holds of `from..=to`, in one batch, which `spoil` may change.
    pub fn apply_spoilt(&mut self, store: u64, from: u64, to: u64, spoil: impl FnOnce(&mut WriteBatch)) {
        let mut batch = WriteBatch::new();
        for index in from..=to {
            let raft = &self.engines[&store].raft;
            let entry = states::load_entry(&**raft, REGION, index).unwrap().unwrap();
            execute(&mut batch, &entry);
        }
        put_apply(&mut batch, to, (INIT, INIT));
        spoil(&mut batch);
        self.write(store, Db::Kv, batch);
    }

    pub fn apply(&mut self, store: u64, from: u64, to: u64) {
        self.apply_spoilt(store, from, to, |_| ());
    }

    pub fn send(&mut self, store: u64, message: Message) {
        let message = RaftMessage {
            region_id: REGION,
            from_peer: Some(Peer { id: 10 + store, store_id: store }),
            to_peer: Some(Peer { id: message.to, store_id: message.to - 10 }),
            message: Some(Message { from: 10 + store, ..message }),
            ..RaftMessage::default()
        };
        self.checker.on_send(store, &message);
    }

    /// A command is given to `store`.
    pub fn command(&mut self, store: u64, request: &RaftCmdRequest) {
        let id = super::super::observe::stamped(request).unwrap();
        self.checker.on_command(store, id, request);
    }

    pub fn answer(&mut self, store: u64, id: CommandId) {
        let result = CmdResult { response: RaftCmdResponse::default(), snapshot: None };
        self.checker.on_answer(store, id, Ok(&result));
    }

    pub fn refuse(&mut self, store: u64, id: CommandId, error: proto::errorpb::Error) {
        let header = proto::raft_cmdpb::RaftResponseHeader { error: Some(error), ..Default::default() };
        let response = RaftCmdResponse { header: Some(header), ..RaftCmdResponse::default() };
        self.checker.on_answer(store, id, Ok(&CmdResult { response, snapshot: None }));
    }

    pub fn drop_callback(&mut self, store: u64, id: CommandId) {
        self.checker.on_answer(store, id, Err(Dropped));
    }

    /// Answers a read with what the store holds, or with what `other` holds.
    pub fn answer_snap(&mut self, store: u64, id: CommandId, other: Option<&MemEngine>) {
        let snapshot = other.map_or_else(|| self.engines[&store].kv.snapshot(), |engine| engine.snapshot());
        let snapshot = RegionSnapshot { snapshot, region: self.region.clone(), term: 6, applied_index: 0 };
        let responses = vec![Response { cmd_type: CmdType::Snap as i32, ..Response::default() }];
        let response = RaftCmdResponse { responses, ..RaftCmdResponse::default() };
        self.checker.on_answer(store, id, Ok(&CmdResult { response, snapshot: Some(snapshot) }));
    }

    /// Nothing is wrong so far.
    #[track_caller]
    pub fn fine(&self) {
        if let Some(violation) = self.checker.violation() {
            panic!("falsely accused by {}: {}", violation.rule.id, violation.seen);
        }
    }

    /// This rule has been broken, by this store.
    #[track_caller]
    pub fn broken(&self, rule: &str, store: u64) {
        let violation = self.checker.violation().expect("nothing was noticed");
        println!("{}: {}", violation.rule.id, violation.seen);
        assert_eq!((violation.rule.id, violation.node), (rule, store), "{}", violation.seen);
    }
}

pub fn header() -> RaftRequestHeader {
    RaftRequestHeader {
        region_id: REGION,
        region_epoch: Some(RegionEpoch { conf_ver: 1, version: 1 }),
        ..RaftRequestHeader::default()
    }
}

pub fn put(id: CommandId, key: &str, value: &str) -> RaftCmdRequest {
    let put = PutRequest { cf: "default".into(), key: key.to_owned().into(), value: value.to_owned().into() };
    one(id, Request { cmd_type: CmdType::Put as i32, put: Some(put), ..Request::default() })
}

pub fn delete(id: CommandId, key: &str) -> RaftCmdRequest {
    let delete = DeleteRequest { cf: String::new(), key: key.to_owned().into() };
    one(id, Request { cmd_type: CmdType::Delete as i32, delete: Some(delete), ..Request::default() })
}

pub fn snap(id: CommandId) -> RaftCmdRequest {
    one(id, Request { cmd_type: CmdType::Snap as i32, snap: Some(SnapRequest {}), ..Request::default() })
}

fn one(id: CommandId, request: Request) -> RaftCmdRequest {
    let mut command =
        RaftCmdRequest { header: Some(header()), requests: vec![request], ..RaftCmdRequest::default() };
    stamp(&mut command, id);
    command
}

pub fn entries(term: u64, first: u64, requests: Vec<RaftCmdRequest>) -> Vec<Entry> {
    let entry = |(index, request): (u64, RaftCmdRequest)| Entry {
        index,
        term,
        data: request.encode_to_vec().into(),
        ..Entry::default()
    };
    (first..).zip(requests).map(entry).collect()
}

pub fn put_entries(batch: &mut WriteBatch, entries: &[Entry]) {
    for entry in entries {
        batch.put(Cf::Raft, keys::raft_log_key(REGION, entry.index), states::encode_entry(entry));
    }
}

pub fn put_state(batch: &mut WriteBatch, (term, vote, commit): (u64, u64, u64), last_index: u64) {
    let hard_state = Some(HardState { term, vote, commit });
    batch.put_msg(Cf::Raft, keys::raft_state_key(REGION), &RaftLocalState { hard_state, last_index });
}

pub fn put_apply(batch: &mut WriteBatch, applied_index: u64, (index, term): (u64, u64)) {
    let truncated_state = Some(RaftTruncatedState { index, term });
    let state = RaftApplyState { applied_index, truncated_state };
    batch.put_msg(Cf::Raft, keys::apply_state_key(REGION), &state);
}

pub fn execute(batch: &mut WriteBatch, entry: &Entry) {
    for request in RaftCmdRequest::decode(entry.data.clone()).unwrap().requests {
        match (request.put, request.delete) {
            (Some(put), _) => batch.put(Cf::Default, put.key, put.value),
            (_, Some(delete)) => batch.delete(Cf::Default, delete.key),
            _ => {}
        }
    }
}

pub fn message(to: u64, term: u64, kind: MessageType) -> Message {
    Message { to: 10 + to, term, msg_type: kind as i32, ..Message::default() }
}

/// An engine that holds these pairs.
pub fn holding(pairs: &[(&str, &str)]) -> MemEngine {
    let engine = MemEngine::new();
    let mut batch = WriteBatch::new();
    for (key, value) in pairs {
        batch.put(
            Cf::Default,
            Bytes::copy_from_slice(key.as_bytes()),
            Bytes::copy_from_slice(value.as_bytes()),
        );
    }
    engine.write(batch).unwrap();
    engine
}
