//! Making a snapshot: asked for once, made of exactly one moment, and of use when it is sent.

use std::collections::BTreeMap;

use prost::Message as _;
use proto::eraftpb::{Message, MessageType, Snapshot};
use proto::raft_serverpb::{RaftApplyState, RaftSnapshotData, RaftTruncatedState};
use raft::{SnapshotStatus, Storage as _};
use raft_tests::unit::msg;

use crate::unit::fixture::desk::Desk;
use crate::unit::fixture::power::Tail;
use crate::unit::fixture::snap::{Data, described, file_of};
use crate::unit::fixture::store::{Setup, Store, answer_of};
use crate::unit::fixture::words::{
    INIT, ME, REGION, THREE, TWO, command, compact_log, delete_cf, entries, hard, put, put_cf, ready, region,
};
use crate::unit::{Check, Promise, ensure, story};

/// A peer with a log of 6 to 20, all applied, truncated at 15.
fn peer() -> Check<Desk> {
    let mut desk = Desk::new()?;
    desk.saves(&ready(Some(hard(6, 0, 20)), entries(6, &[6; 15])))?;
    let truncated_state = Some(RaftTruncatedState { index: 15, term: 6 });
    desk.storage.set_applied(RaftApplyState { applied_index: 20, truncated_state }, 6);
    story::note("the log is 16 to 20, all applied; Raft asks for a snapshot".to_owned());
    Ok(desk)
}

const ONE: Promise = Promise::new(
    "2c-store.md#generate",
    "the first question for a snapshot starts one, and says that there is none yet; so do all further ones while it is being \
     made, and they start nothing",
    "each question throws away what the last one has started, and there never is one",
);

/// Five questions, and then the answer.
pub fn snapshot_is_asked_for_once() -> Check {
    let mut desk = peer()?;
    let early = desk.storage.snapshot().is_ok();
    ensure!(ONE, !early, "snapshot() gave one at the first question");
    let Some(task) = desk.storage.take_gen_snap_task() else {
        return Err(ONE.broken("snapshot() was asked, and take_gen_snap_task() has nothing".to_owned()));
    };
    ensure!(ONE, task.region_id == REGION, "the task is for region {}", task.region_id);
    for n in 2..=5 {
        let early = desk.storage.snapshot().is_ok();
        ensure!(ONE, !early, "nothing is made yet, and snapshot() gave one");
        let more = desk.storage.take_gen_snap_task().is_some();
        ensure!(ONE, !more, "one is being made; question {n} started another");
    }
    let snapshot = described(&region(3), 18, 6);
    let heard = task.notifier.try_send(snapshot.clone()).is_ok();
    ensure!(ONE, heard, "the snapshot is made, and nobody listens any more");
    let given = desk.storage.snapshot().ok();
    ensure!(ONE, given == Some(snapshot), "a snapshot at 18 was made; snapshot() gave {given:?}");
    Ok(())
}

const AGAIN: Promise = Promise::new(
    "2c-store.md#generate",
    "if an attempt fails, another is started when Raft asks again",
    "this peer never sends a snapshot again, and a follower waits for ever",
);

/// The worker drops the task, again and again.
pub fn failed_attempt_is_repeated() -> Check {
    let mut desk = peer()?;
    for attempt in 1..=3 {
        // It may notice at one question, and start anew at the next.
        let mut task = None;
        for _ in 0..3 {
            let early = desk.storage.snapshot().is_ok();
            ensure!(AGAIN, !early, "nothing was made, and snapshot() gave one");
            task = task.or_else(|| desk.storage.take_gen_snap_task());
        }
        ensure!(
            AGAIN,
            task.is_some(),
            "{} attempts failed; asked three times more, nothing was started",
            attempt - 1
        );
        story::note(format!("attempt {attempt} fails"));
    }
    Ok(())
}

const OF_USE: Promise = Promise::new(
    "2c-store.md#generate",
    "a snapshot is given to Raft only if the log goes on behind it, and if it was made by the present members",
    "a follower installs it, and then asks for entries that are gone, or does not find itself in it",
);

/// Snapshots at several places of a log that is truncated at 15.
pub fn old_snapshot_is_not_sent() -> Check {
    let mut old_members = region(3);
    old_members.region_epoch.get_or_insert_default().conf_ver = 0;
    let cases: [(&str, Snapshot, bool); 5] = [
        ("at 10", described(&region(3), 10, 6), false),
        ("at 14", described(&region(3), 14, 6), false),
        ("at 15", described(&region(3), 15, 6), true),
        ("at 20", described(&region(3), 20, 6), true),
        ("at 18, of earlier members", described(&old_members, 18, 6), false),
    ];
    for (name, snapshot, of_use) in cases {
        let mut desk = peer()?;
        let nothing = desk.storage.snapshot().is_err();
        let Some(task) = desk.storage.take_gen_snap_task() else {
            return Err(ONE.broken(format!("asked; nothing was started (and snapshot() failed: {nothing})")));
        };
        // Nobody may listen any more: that is as good as refusing it.
        let _ = task.notifier.try_send(snapshot);
        drop(task);
        let given = desk.storage.snapshot().is_ok();
        ensure!(
            OF_USE,
            given == of_use,
            "truncated at 15, a snapshot {name} was made; given to Raft: {given}"
        );
        if !of_use {
            let mut again = desk.storage.take_gen_snap_task().is_some();
            for _ in 0..2 {
                again |= desk.storage.snapshot().is_err() && desk.storage.take_gen_snap_task().is_some();
            }
            ensure!(AGAIN, again, "a snapshot {name} was of no use, and another was not started");
        }
    }
    Ok(())
}

/// A leader, what it has written, and a follower, 103, that is too far behind.
struct Scene {
    store: Store,
    /// What the data was as of each index, and the term of the entry.
    history: BTreeMap<u64, (u64, Data)>,
    now: Data,
}

const SENDS: Promise = Promise::new(
    "2c-store.md#generate",
    "a follower whose next entry is compacted is sent a snapshot",
    "it waits for ever",
);

impl Scene {
    fn new() -> Check<Scene> {
        let mut store = Setup::new(3).leader()?;
        store.replicates_to(&[TWO])?;
        let mut scene = Scene { store, history: BTreeMap::new(), now: Data::new() };
        scene.note();
        for n in 1..=4 {
            scene.puts("default", "k", &n.to_string());
            scene.puts("lock", &format!("k{n}"), "v");
            scene.store.replicates_to(&[TWO])?;
        }
        let (last, term) = (scene.store.last_index(), scene.store.term());
        scene.store.is_asked(compact_log(last - 1, term));
        scene.store.replicates_to(&[TWO])?;
        scene.note();
        Ok(scene)
    }

    /// What the data is as of the last entry.
    fn note(&mut self) {
        self.history.insert(self.store.last_index(), (self.store.term(), self.now.clone()));
    }

    /// The leader proposes a put; nobody has answered yet.
    fn puts(&mut self, cf: &'static str, key: &str, value: &str) {
        self.store.is_asked(command(&[put_cf(cf, key, value)]));
        self.store.raft_round();
        self.now.insert((cf, key.to_owned()), value.to_owned());
        self.note();
    }

    /// 103 is heard of again, and nothing else.
    fn three_answers(&self) {
        self.store.hears(msg::heartbeat_ok(THREE, ME, self.store.term()));
    }

    /// Lets time pass until 103 is sent a snapshot. 102 answers everything, 103 answers heartbeats.
    fn until_snapshot(&mut self) -> Check<Message> {
        for _ in 0..40 {
            self.store.runs()?;
            let sent = self.store.sends();
            let to_three = |sent: &&Message| sent.to == THREE && sent.msg_type() == MessageType::MsgSnapshot;
            if let Some(snapshot) = sent.iter().find(to_three) {
                return Ok(snapshot.clone());
            }
            let answers = |sent: &&Message| sent.to == TWO || sent.msg_type() == MessageType::MsgHeartbeat;
            for answer in sent.iter().filter(answers).filter_map(answer_of) {
                self.store.hears(answer);
            }
            self.store.ticks(1)?;
        }
        Err(SENDS.broken(
            "103 needs entries that are compacted; 40 ticks passed, and it was sent no snapshot".to_owned(),
        ))
    }

    /// Checks that a snapshot message, and its file, are of one moment.
    fn is_of_one_moment(&self, message: &Message) -> Check {
        let snapshot = message.snapshot.clone().unwrap_or_default();
        let at = snapshot.metadata.clone().unwrap_or_default();
        let Some((term, data)) = self.history.get(&at.index) else {
            return Err(MOMENT.broken(format!("it is of index {}, where nothing was applied last", at.index)));
        };
        ensure!(
            MOMENT,
            at.term == *term,
            "it is of index {}, entry of term {term}, and says term {}",
            at.index,
            at.term
        );
        let file = file_of(&self.store, &snapshot)
            .map_err(|error| MOMENT.broken(format!("its file cannot be read: {error}")))?;
        ensure!(
            MOMENT,
            file == *data,
            "it is of index {}; its file holds {file:?}, the data was {data:?}",
            at.index
        );
        let told = RaftSnapshotData::decode(&snapshot.data[..]).ok().and_then(|data| data.region);
        ensure!(MOMENT, told == Some(region(3)), "it is of the region {told:?}");
        let mut voters = at.conf_state.unwrap_or_default().voters;
        voters.sort_unstable();
        ensure!(MOMENT, voters == [ME, TWO, THREE], "its members are {voters:?}");
        Ok(())
    }
}

const MOMENT: Promise = Promise::new(
    "2c-store.md#generate",
    "a snapshot describes exactly the entry at its index: its term, its region, and the data as of it, nothing less and \
     nothing more",
    "entries are missing at the follower for ever, or applied a second time",
);

/// The wish for a snapshot and the commit of an entry reach the apply side together; the file is written much later.
pub fn snapshot_is_of_one_moment() -> Check {
    let mut scene = Scene::new()?;
    scene.puts("default", "k", "5");
    scene.store.runs()?;
    let sent = scene.store.sends();
    sent.iter()
        .filter(|sent| sent.to == TWO)
        .filter_map(answer_of)
        .for_each(|answer| scene.store.hears(answer));
    story::note("102 acknowledges a put, and 103 is heard of again, in one round".to_owned());
    scene.three_answers();
    // The region worker has its turn last: by then more is applied.
    scene.store.runs_but(|job| matches!(job, kv::raftstore::system::Job::Region))?;
    scene.store.is_asked(command(&[delete_cf("", "k"), put("later", "1")]));
    scene.store.raft_round();
    scene.now.remove(&("default", "k".to_owned()));
    scene.now.insert(("default", "later".to_owned()), "1".to_owned());
    scene.note();
    let sent = scene.store.sends();
    sent.iter()
        .filter(|sent| sent.to == TWO)
        .filter_map(answer_of)
        .for_each(|answer| scene.store.hears(answer));
    scene.store.runs_but(|job| matches!(job, kv::raftstore::system::Job::Region))?;
    let message = scene.until_snapshot()?;
    scene.is_of_one_moment(&message)
}

/// A leader that has applied nothing of its own term yet.
pub fn snapshot_bears_the_term_of_its_entry() -> Check {
    let mut scene = Scene::new()?;
    let term = scene.store.term();
    scene.store.hears(msg::heartbeat(TWO, ME, term + 3, 0));
    scene.store.runs()?;
    scene.store = scene.store.restarts(Tail::Kept, Tail::Kept)?;
    scene.store.wins()?;
    let now = scene.store.term();
    story::note(format!("the leader of term {now} has applied entries of term {term} only"));
    for _ in 0..10 {
        scene.store.runs()?;
        let sent = scene.store.sends();
        if let Some(message) = sent.iter().find(|sent| sent.msg_type() == MessageType::MsgSnapshot) {
            return scene.is_of_one_moment(message);
        }
        let to_three = |sent: &&Message| sent.to == THREE && sent.msg_type() == MessageType::MsgAppend;
        for append in sent.iter().filter(to_three) {
            // The log of 103 ends at 5@5.
            let answer = msg::append_reject(THREE, ME, now, append.index, msg::at(INIT, INIT));
            scene.store.hears(answer);
        }
        scene.three_answers();
    }
    Err(SENDS.broken(
        "103 needs entries that are compacted; it answered 10 times, and was sent no snapshot".to_owned(),
    ))
}

const REPORTED: Promise = Promise::new(
    "2c-store.md#generate",
    "a snapshot that got lost on the way is sent again, once that is reported",
    "the leader waits for an answer that nobody will give",
);

/// The transport reports a failure.
pub fn lost_snapshot_is_sent_again() -> Check {
    let mut scene = Scene::new()?;
    scene.until_snapshot()?;
    story::note("the snapshot gets lost, and the transport reports it".to_owned());
    scene.store.manual().router().report_snapshot(REGION, THREE, SnapshotStatus::Failure);
    let again = scene.until_snapshot();
    ensure!(REPORTED, again.is_ok(), "its loss was reported; 40 ticks passed, and it was not sent again");
    Ok(())
}
