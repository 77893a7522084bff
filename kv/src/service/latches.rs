//! Latches: whoever is to read a key and then write it takes its latch, and has the key to himself among the writers of this
//! store.
//!
//! Nobody waits for a latch: a command leaves its continuation here, which runs once all its latches are free, on the thread
//! that let go of the last of them. Commands take all their latches at once and in one order, that of their arrival, so none
//! ever waits for one that waits for it.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard};

use bytes::Bytes;

use crate::engine::Cf;

/// The latches of a store. A clone shares them.
#[derive(Clone, Default)]
pub struct Latches(Arc<Mutex<State>>);

/// What a command wants for itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Wanted {
    /// Some keys of a column family.
    Keys(Cf, BTreeSet<Bytes>),
    /// A column family as a whole: for what changes a range.
    Family(Cf),
}

/// Held latches; let go when this is dropped.
pub struct Held {
    latches: Latches,
    id: u64,
}

type Continuation = Box<dyn FnOnce(Held) + Send>;

/// A latch: one for each key, and one for each column family, which all commands for its keys share.
type Latch = (Cf, Option<Bytes>);

#[derive(Default)]
struct State {
    last_id: u64,
    queues: BTreeMap<Latch, Queue>,
    commands: BTreeMap<u64, Command>,
    /// Commands that have all their latches and are about to run.
    ready: VecDeque<(u64, Continuation)>,
    /// Whether somebody is running them.
    running: bool,
}

/// A command, waiting or not.
struct Command {
    latches: Vec<Latch>,
    /// Latches that it waits for.
    missing: usize,
    continuation: Option<Continuation>,
}

/// The commands that hold a latch or wait for it; ids rise in the order of arrival.
#[derive(Default)]
struct Queue {
    shared: BTreeSet<u64>,
    exclusive: BTreeSet<u64>,
}

impl Latches {
    /// No latches taken.
    pub fn new() -> Latches {
        Latches::default()
    }

    /// Runs `continuation` once everything that is `wanted` is held: at once if it is free, otherwise when the last of those
    /// before it lets go.
    pub fn acquire(&self, wanted: Wanted, continuation: impl FnOnce(Held) + Send + 'static) {
        self.lock().enqueue(wanted, Box::new(continuation));
        self.run_ready();
    }

    /// Commands that hold or want a latch: 0 once everybody has let go.
    pub fn len(&self) -> usize {
        self.lock().commands.len()
    }

    /// Whether nobody holds or wants a latch.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    fn release(&self, id: u64) {
        self.lock().remove(id);
        self.run_ready();
    }

    /// Runs what can run. A continuation may end at once, let go, and so make others ready: they are left to the loop that is
    /// already running, since a call in a call in a call would overflow the stack.
    fn run_ready(&self) {
        loop {
            let mut state = self.lock();
            if state.running {
                return;
            }
            let Some((id, continuation)) = state.ready.pop_front() else { return };
            state.running = true;
            drop(state);
            continuation(Held { latches: self.clone(), id });
            self.lock().running = false;
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().expect("nothing panics while it holds this lock")
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.latches.release(self.id);
    }
}

impl State {
    fn enqueue(&mut self, wanted: Wanted, continuation: Continuation) {
        self.last_id += 1;
        let id = self.last_id;
        let (shared, exclusive) = match wanted {
            Wanted::Keys(cf, keys) => {
                (Some((cf, None)), keys.into_iter().map(|key| (cf, Some(key))).collect::<Vec<_>>())
            }
            Wanted::Family(cf) => (None, vec![(cf, None)]),
        };
        let mut missing = 0;
        for latch in &exclusive {
            let queue = self.queues.entry(latch.clone()).or_default();
            missing += usize::from(!queue.is_empty());
            queue.exclusive.insert(id);
        }
        if let Some(latch) = &shared {
            let queue = self.queues.entry(latch.clone()).or_default();
            missing += usize::from(!queue.exclusive.is_empty());
            queue.shared.insert(id);
        }
        let latches = shared.into_iter().chain(exclusive).collect();
        let command = Command { latches, missing, continuation: Some(continuation) };
        self.commands.insert(id, command);
        self.ready_if_complete(id);
    }

    fn remove(&mut self, id: u64) {
        let Some(command) = self.commands.remove(&id) else { return };
        for latch in command.latches {
            let Some(queue) = self.queues.get_mut(&latch) else { continue };
            let admitted = queue.remove(id);
            if queue.is_empty() {
                self.queues.remove(&latch);
            }
            for id in admitted {
                if let Some(command) = self.commands.get_mut(&id) {
                    command.missing -= 1;
                }
                self.ready_if_complete(id);
            }
        }
    }

    fn ready_if_complete(&mut self, id: u64) {
        let Some(command) = self.commands.get_mut(&id) else { return };
        if command.missing == 0
            && let Some(continuation) = command.continuation.take()
        {
            self.ready.push_back((id, continuation));
        }
    }
}

impl Queue {
    fn is_empty(&self) -> bool {
        self.shared.is_empty() && self.exclusive.is_empty()
    }

    /// Removes a holder of this latch, and returns those that hold it from now on and did not before.
    fn remove(&mut self, id: u64) -> Vec<u64> {
        let was_exclusive = self.exclusive.remove(&id);
        self.shared.remove(&id);
        let next_exclusive = self.exclusive.first().copied();
        let mut admitted = Vec::new();
        if was_exclusive {
            // It stood before everybody, so nobody else held the latch.
            admitted.extend(self.shared.range(..next_exclusive.unwrap_or(u64::MAX)));
        }
        let first_shared = self.shared.first().copied().unwrap_or(u64::MAX);
        admitted.extend(next_exclusive.filter(|next| *next < first_shared));
        admitted
    }
}
