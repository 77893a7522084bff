//! The manual driver: a task is run when the caller says so, on the caller's thread.

use std::sync::Arc;

use super::queue::Tasks;
use super::{Runnable, Scheduler};

/// A worker without a thread. Dropping it drops the tasks that wait; the scheduler gives further ones back.
pub struct ManualWorker<R: Runnable> {
    runnable: R,
    tasks: Arc<Tasks<R::Task>>,
}

impl<R: Runnable> ManualWorker<R> {
    /// A worker with no tasks.
    pub fn new(runnable: R) -> ManualWorker<R> {
        ManualWorker { runnable, tasks: Arc::new(Tasks::new()) }
    }

    /// Hands tasks to this worker.
    pub fn scheduler(&self) -> Scheduler<R::Task> {
        Scheduler::new(self.tasks.clone())
    }

    /// How many tasks wait.
    pub fn pending(&self) -> usize {
        self.tasks.len()
    }

    /// Runs the oldest task; false if there is none.
    pub fn run_one(&mut self) -> bool {
        match self.tasks.take() {
            Some(task) => {
                self.runnable.run(task);
                true
            }
            None => false,
        }
    }
}

impl<R: Runnable> Drop for ManualWorker<R> {
    fn drop(&mut self) {
        self.tasks.close();
    }
}
