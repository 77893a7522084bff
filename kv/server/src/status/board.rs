//! What is known of the store right now, for whoever looks from outside.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::SystemTime;

use kv::raftstore::context::{Observer, PeerStatus, StoreEvent};
use proto::metapb::Store;
use tokio::sync::{Notify, watch};

/// Events that are kept.
const EVENTS_MAX: usize = 200;

/// Something that happened, in words.
#[derive(Clone, Debug, PartialEq)]
pub struct Event {
    /// When.
    pub at: SystemTime,
    /// What.
    pub text: String,
}

/// Which store this is. Zeros and blanks while it starts.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Identity {
    /// This store.
    pub store: Store,
    /// Its cluster.
    pub cluster_id: u64,
}

/// Collects what the store tells. The raft threads write, the status page and the heartbeats read.
#[derive(Debug)]
pub struct Board {
    identity: Mutex<Identity>,
    peers: Mutex<BTreeMap<u64, PeerStatus>>,
    events: Mutex<VecDeque<Event>>,
    others: Mutex<Vec<Store>>,
    phase: Mutex<String>,
    leads: Notify,
    fatal: watch::Sender<Option<String>>,
}

impl Default for Board {
    fn default() -> Board {
        Board {
            identity: Mutex::default(),
            peers: Mutex::default(),
            events: Mutex::default(),
            others: Mutex::default(),
            phase: Mutex::new("starting".to_owned()),
            leads: Notify::new(),
            fatal: watch::Sender::new(None),
        }
    }
}

impl Board {
    /// Which store this is.
    pub fn identity(&self) -> Identity {
        lock(&self.identity).clone()
    }

    /// Says which store this is.
    pub fn set_identity(&self, identity: Identity) {
        *lock(&self.identity) = identity;
    }

    /// What the process is doing: starting, serving, stopping.
    pub fn phase(&self) -> String {
        lock(&self.phase).clone()
    }

    /// Says what the process is doing, and remembers it as an event.
    pub fn set_phase(&self, phase: &str) {
        let mut current = lock(&self.phase);
        if *current != phase {
            phase.clone_into(&mut current);
            drop(current);
            self.tell(phase.to_owned());
        }
    }

    /// The peers of this store, by region.
    pub fn peers(&self) -> Vec<PeerStatus> {
        lock(&self.peers).values().cloned().collect()
    }

    /// The stores of the cluster, as far as they were told.
    pub fn stores(&self) -> Vec<Store> {
        lock(&self.others).clone()
    }

    /// Says which stores there are.
    pub fn set_stores(&self, stores: Vec<Store>) {
        *lock(&self.others) = stores;
    }

    /// What happened last, newest first.
    pub fn events(&self) -> Vec<Event> {
        lock(&self.events).iter().rev().cloned().collect()
    }

    /// Remembers an event.
    pub fn tell(&self, text: String) {
        log::info!("{text}");
        let mut events = lock(&self.events);
        if events.len() == EVENTS_MAX {
            events.pop_front();
        }
        events.push_back(Event { at: SystemTime::now(), text });
    }

    /// Returns when a peer of this store has become leader since the last call, or a region that it leads has changed.
    pub async fn new_leader(&self) {
        self.leads.notified().await;
    }

    /// Says that the store cannot go on.
    pub fn fail(&self, reason: String) {
        log::error!("the store stops: {reason}");
        self.fatal.send_if_modified(|known| {
            let is_first = known.is_none();
            known.get_or_insert(reason);
            is_first
        });
    }

    /// Returns when the store cannot go on, with the reason.
    pub async fn failed(&self) -> String {
        let mut fatal = self.fatal.subscribe();
        let known = fatal.wait_for(Option::is_some).await;
        known.map_or_else(|_| String::new(), |known| known.clone().unwrap_or_default())
    }
}

impl Observer for Board {
    fn on_event(&self, event: StoreEvent) {
        match event {
            StoreEvent::Fatal { reason } => self.fail(reason),
            _ => self.tell(in_words(&event)),
        }
    }

    fn on_peer(&self, status: PeerStatus) {
        let leads = |status: &PeerStatus| status.raft.role == raft::Role::Leader;
        let (is_leader, region) = (leads(&status), status.region.clone());
        let before = lock(&self.peers).insert(status.region.id, status);
        let is_news = before.is_none_or(|before| !leads(&before) || before.region != region);
        if is_leader && is_news {
            self.leads.notify_one();
        }
    }
}

fn in_words(event: &StoreEvent) -> String {
    match event {
        StoreEvent::PeerStarted { region_id, peer_id } => {
            format!("region {region_id}: peer {peer_id} started")
        }
        StoreEvent::RoleChanged { region_id, peer_id, term, role, leader_id } => {
            let role = format!("{role:?}").to_lowercase();
            let follows = match leader_id {
                0 => String::new(),
                leader if leader == peer_id => String::new(),
                leader => format!(", led by peer {leader}"),
            };
            format!("region {region_id}: peer {peer_id} is {role} in term {term}{follows}")
        }
        StoreEvent::SnapshotGenerated { region_id, index } => {
            format!("region {region_id}: snapshot generated, up to entry {index}")
        }
        StoreEvent::SnapshotInstalled { region_id, index } => {
            format!("region {region_id}: snapshot installed, up to entry {index}")
        }
        StoreEvent::LogCompacted { region_id, index } => {
            format!("region {region_id}: log deleted up to entry {index}")
        }
        StoreEvent::Fatal { reason } => format!("the store stops: {reason}"),
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_events_make_room() {
        let board = Board::default();
        for number in 0..EVENTS_MAX + 5 {
            board.tell(number.to_string());
        }
        let events = board.events();
        assert_eq!((events.len(), events[0].text.as_str()), (EVENTS_MAX, "204"));
        assert_eq!(events.last().unwrap().text, "5");
    }

    #[test]
    fn a_phase_is_told_once() {
        let board = Board::default();
        board.set_phase("serving");
        board.set_phase("serving");
        assert_eq!(board.events().len(), 1);
    }

    #[tokio::test]
    async fn the_first_failure_is_the_reason() {
        let board = Board::default();
        board.on_event(StoreEvent::Fatal { reason: "disk full".to_owned() });
        board.on_event(StoreEvent::Fatal { reason: "later".to_owned() });
        assert_eq!(board.failed().await, "disk full");
    }
}
