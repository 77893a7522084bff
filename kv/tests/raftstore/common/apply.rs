//! The apply side of one region by itself: entries in, answers and reports out.

use std::collections::BTreeSet;
use std::ops::Bound;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use kv::batch::PollHandler;
use kv::clock::ManualClock;
use kv::config::RaftStoreConfig;
use kv::engine::{self, Cf, Engine, Engines, Iter, MemEngine, Op, Read, Snapshot, WriteBatch};
use kv::raftstore::context::{Fatal, Mailboxes, SendError, StoreContext, Transport};
use kv::raftstore::fsm::apply::ApplyFsm;
use kv::raftstore::fsm::handler::ApplyPoller;
use kv::raftstore::meta::keys::apply_state_key;
use kv::raftstore::meta::states::load_apply_state;
use kv::raftstore::msg::{
    ApplyMsg, ApplyRes, Callback, CmdResult, Dropped, PeerMsg, Proposal, Registration, StoreMsg,
};
use kv::raftstore::task::{RaftLogGcTask, RegionTask};
use kv::snap::{MemFiles, SnapManager};
use kv::worker::{Queue, Scheduler, Stopped};
use prost::Message as _;
use proto::eraftpb::Entry;
use proto::metapb::Region;
use proto::raft_cmdpb::{
    CmdType, DeleteRangeRequest, DeleteRequest, GetRequest, PutRequest, RaftCmdRequest, RaftRequestHeader,
    Request, SnapRequest,
};
use proto::raft_serverpb::{RaftApplyState, RaftMessage, RaftTruncatedState};

use super::{REGION, Recorder, Slot, first_region, slot};

/// An engine that checks each batch of applied data, and fails when told to.
pub struct WatchedEngine {
    engine: MemEngine,
    pub fails: AtomicBool,
    pub batches: AtomicUsize,
}

impl Read for WatchedEngine {
    fn get(&self, cf: Cf, key: &[u8]) -> engine::Result<Option<Bytes>> {
        self.engine.get(cf, key)
    }

    fn range(&self, cf: Cf, lower: Bound<&[u8]>, upper: Bound<&[u8]>) -> engine::Result<Iter<'_>> {
        self.engine.range(cf, lower, upper)
    }
}

impl Engine for WatchedEngine {
    fn write(&self, batch: WriteBatch) -> engine::Result<()> {
        if self.fails.load(Ordering::SeqCst) {
            return Err(engine::Error::Poisoned);
        }
        self.batches.fetch_add(1, Ordering::SeqCst);
        let is_state =
            |op: &Op| matches!(op, Op::Put { cf: Cf::Raft, key, .. } if *key == apply_state_key(REGION));
        assert!(batch.ops().iter().any(is_state), "data without its apply state: {batch:?}");
        self.engine.write(batch)
    }

    fn sync(&self) -> engine::Result<()> {
        self.engine.sync()
    }

    fn snapshot(&self) -> Snapshot {
        self.engine.snapshot()
    }
}

#[derive(Default)]
struct Reports(Mutex<Vec<ApplyRes>>);

impl Mailboxes for Reports {
    fn send_peer(&self, region_id: u64, message: PeerMsg) -> Result<(), SendError<PeerMsg>> {
        self.force_send_peer(region_id, message)
    }

    fn force_send_peer(&self, _: u64, message: PeerMsg) -> Result<(), SendError<PeerMsg>> {
        let PeerMsg::ApplyRes(report) = message else { panic!("{message:?}") };
        self.0.lock().unwrap().push(*report);
        Ok(())
    }

    fn force_send_apply(&self, _: u64, message: ApplyMsg) -> Result<(), SendError<ApplyMsg>> {
        Err(SendError::Disconnected(message))
    }

    fn send_store(&self, message: StoreMsg) -> Result<(), SendError<StoreMsg>> {
        Err(SendError::Disconnected(message))
    }
}

struct Nowhere;

impl Transport for Nowhere {
    fn send(&self, _: RaftMessage) {}
}

pub struct Tasks<T>(pub Mutex<Vec<T>>);

impl<T: Send> Queue<T> for Tasks<T> {
    fn push(&self, task: T) -> Result<(), Stopped<T>> {
        self.0.lock().unwrap().push(task);
        Ok(())
    }
}

/// A store of which there is only what it is given.
pub fn context(
    engines: Engines,
    mailboxes: Arc<dyn Mailboxes>,
    observer: Arc<Recorder>,
    region_tasks: Arc<Tasks<RegionTask>>,
) -> StoreContext {
    let gc_tasks: Arc<Tasks<RaftLogGcTask>> = Arc::new(Tasks(Mutex::default()));
    let config = RaftStoreConfig::default();
    let snap_manager =
        SnapManager::open(Arc::new(MemFiles::default()), config.snap_limits(), &BTreeSet::new()).unwrap();
    StoreContext {
        config,
        store_id: 1,
        engines,
        transport: Arc::new(Nowhere),
        mailboxes,
        clock: Arc::new(ManualClock::default()),
        stats: Arc::default(),
        fatal: Arc::new(Fatal::new(observer.clone())),
        observer,
        store_meta: Arc::default(),
        snap_manager,
        region_scheduler: Scheduler::new(region_tasks),
        raftlog_gc_scheduler: Scheduler::new(gc_tasks),
    }
}

pub struct ApplySide {
    pub engine: Arc<WatchedEngine>,
    pub observer: Arc<Recorder>,
    pub region_tasks: Arc<Tasks<RegionTask>>,
    reports: Arc<Reports>,
    poller: ApplyPoller,
    fsm: Box<ApplyFsm>,
    /// Index of the next entry.
    pub next: u64,
    pub term: u64,
}

pub type Answer = Slot<Result<CmdResult, Dropped>>;

impl ApplySide {
    /// A region that was just bootstrapped, in term 6.
    pub fn new() -> ApplySide {
        let engine = WatchedEngine {
            engine: MemEngine::new(),
            fails: AtomicBool::new(false),
            batches: AtomicUsize::new(0),
        };
        let engine = Arc::new(engine);
        let (observer, reports) = (Arc::new(Recorder::default()), Arc::new(Reports::default()));
        let region_tasks = Arc::new(Tasks(Mutex::default()));
        let engines = Engines { raft: Arc::new(MemEngine::new()), kv: engine.clone() };
        let ctx = context(engines, reports.clone(), observer.clone(), region_tasks.clone());
        let fsm = Box::new(ApplyFsm::new(registration(5, first_region(1))));
        let poller = ApplyPoller::new(Arc::new(ctx));
        ApplySide { engine, observer, region_tasks, reports, poller, fsm, next: 6, term: 6 }
    }

    /// One round with these messages, all of which it handles.
    pub fn round(&mut self, messages: Vec<ApplyMsg>) {
        let left = self.round_with(messages);
        assert!(left.is_empty(), "{} messages are left", left.len());
    }

    /// One round with these messages; returns those that are left for the next one.
    pub fn round_with(&mut self, mut messages: Vec<ApplyMsg>) -> Vec<ApplyMsg> {
        self.poller.begin(1);
        let wish = self.poller.handle_normal(&mut self.fsm, &mut messages);
        assert_eq!(
            wish.is_none(),
            !messages.is_empty(),
            "it must be polled again exactly if there is more to do"
        );
        self.poller.end(std::slice::from_mut(&mut self.fsm));
        messages
    }

    /// A proposal for the next entry, and that entry.
    pub fn proposed(&mut self, request: &RaftCmdRequest) -> (Answer, Proposal, Entry) {
        let (answer, callback) = slot();
        let (index, term) = (self.next, self.term);
        self.next += 1;
        let entry = Entry { index, term, data: request.encode_to_vec().into(), ..Entry::default() };
        (answer, Proposal { index, term, callback: Callback::new(callback) }, entry)
    }

    /// Applies commands, all in one round, and returns their answers.
    pub fn apply(&mut self, requests: &[RaftCmdRequest]) -> Vec<Answer> {
        let mut answers = Vec::new();
        let (mut proposals, mut entries) = (Vec::new(), Vec::new());
        for request in requests {
            let (answer, proposal, entry) = self.proposed(request);
            answers.push(answer);
            proposals.push(proposal);
            entries.push(entry);
        }
        self.round(vec![ApplyMsg::Proposals(proposals), ApplyMsg::Apply { term: self.term, entries }]);
        answers
    }

    pub fn reports(&self) -> Vec<ApplyRes> {
        std::mem::take(&mut self.reports.0.lock().unwrap())
    }

    pub fn apply_state(&self) -> RaftApplyState {
        load_apply_state(&*self.engine, REGION).unwrap().unwrap_or_default()
    }

    pub fn value(&self, key: &str) -> Option<Bytes> {
        self.engine.get(Cf::Default, key.as_bytes()).unwrap()
    }
}

/// Where an apply side starts.
pub fn registration(index: u64, region: Region) -> Registration {
    let truncated_state = Some(RaftTruncatedState { index, term: 5 });
    let apply_state = RaftApplyState { applied_index: index, truncated_state };
    Registration { peer_id: 10, region, apply_state, applied_term: 5, term: 6 }
}

pub fn command(requests: Vec<Request>) -> RaftCmdRequest {
    let region = first_region(1);
    let header = RaftRequestHeader {
        region_id: REGION,
        peer: region.peers.first().copied(),
        region_epoch: region.region_epoch,
        ..RaftRequestHeader::default()
    };
    RaftCmdRequest { header: Some(header), requests, ..RaftCmdRequest::default() }
}

fn bytes(text: &str) -> Bytes {
    Bytes::copy_from_slice(text.as_bytes())
}

pub fn put(key: &str, value: &str) -> Request {
    put_in("default", key, value)
}

pub fn put_in(cf: &str, key: &str, value: &str) -> Request {
    let put = PutRequest { cf: cf.to_owned(), key: bytes(key), value: bytes(value) };
    Request { cmd_type: CmdType::Put as i32, put: Some(put), ..Request::default() }
}

pub fn delete(key: &str) -> Request {
    let delete = DeleteRequest { cf: "default".to_owned(), key: bytes(key) };
    Request { cmd_type: CmdType::Delete as i32, delete: Some(delete), ..Request::default() }
}

pub fn delete_range(start: &str, end: &str) -> Request {
    let range = DeleteRangeRequest { cf: "default".to_owned(), start_key: bytes(start), end_key: bytes(end) };
    Request { cmd_type: CmdType::DeleteRange as i32, delete_range: Some(range), ..Request::default() }
}

pub fn get(key: &str) -> Request {
    let get = GetRequest { cf: "default".to_owned(), key: bytes(key) };
    Request { cmd_type: CmdType::Get as i32, get: Some(get), ..Request::default() }
}

pub fn snap() -> Request {
    Request { cmd_type: CmdType::Snap as i32, snap: Some(SnapRequest::default()), ..Request::default() }
}
