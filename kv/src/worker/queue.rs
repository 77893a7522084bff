//! The queue of tasks under both drivers.

use std::collections::VecDeque;

use super::{Queue, Stopped};
use crate::sync::{Condvar, Mutex, lock};

/// Tasks in the order of their arrival.
pub(super) struct Tasks<T> {
    state: Mutex<State<T>>,
    arrived: Condvar,
}

struct State<T> {
    waiting: VecDeque<T>,
    open: bool,
}

impl<T> Tasks<T> {
    /// No tasks yet.
    pub(super) fn new() -> Tasks<T> {
        Tasks { state: Mutex::new(State { waiting: VecDeque::new(), open: true }), arrived: Condvar::new() }
    }

    /// How many tasks wait.
    pub(super) fn len(&self) -> usize {
        lock(&self.state).waiting.len()
    }

    /// The next task, if there is one.
    pub(super) fn take(&self) -> Option<T> {
        lock(&self.state).waiting.pop_front()
    }

    /// Waits for the next task. `None` once the queue is closed.
    pub(super) fn wait(&self) -> Option<T> {
        let mut state = lock(&self.state);
        while state.open && state.waiting.is_empty() {
            state = self.arrived.wait(state).expect("nothing panics while it holds this lock");
        }
        state.waiting.pop_front()
    }

    /// Takes no more tasks, and drops those that wait: outside the lock, as their destructors may schedule.
    pub(super) fn close(&self) {
        let mut state = lock(&self.state);
        state.open = false;
        let dropped = std::mem::take(&mut state.waiting);
        drop(state);
        self.arrived.notify_all();
        drop(dropped);
    }
}

impl<T: Send> Queue<T> for Tasks<T> {
    fn push(&self, task: T) -> Result<(), Stopped<T>> {
        let mut state = lock(&self.state);
        if !state.open {
            return Err(Stopped(task));
        }
        state.waiting.push_back(task);
        drop(state);
        self.arrived.notify_one();
        Ok(())
    }
}
