//! Background work of a store: one queue of tasks for each kind, worked off in order by a [`Runnable`].
//!
//! Two drivers: a thread of its own for each worker in production, and a manual one that runs one task when told to, for
//! simulation. A runner may take long (reading a whole region, say); nothing else in a store may.

pub mod manual;
mod queue;
pub mod threads;

use std::fmt::Debug;
use std::sync::Arc;

/// Works off tasks, one at a time, in order.
pub trait Runnable: Send {
    /// What it is asked to do.
    type Task: Send + Debug + 'static;

    /// Does it.
    fn run(&mut self, task: Self::Task);
}

/// The queue of a worker, as the driver provides it.
pub trait Queue<T>: Send + Sync {
    /// Adds a task, or gives it back if the worker has stopped.
    fn push(&self, task: T) -> Result<(), Stopped<T>>;
}

/// The worker takes no more tasks: the store is shutting down.
#[derive(Debug, thiserror::Error)]
#[error("the worker has stopped")]
pub struct Stopped<T>(pub T);

/// Hands tasks to a worker. Cheap to clone.
pub struct Scheduler<T>(Arc<dyn Queue<T>>);

impl<T> Clone for Scheduler<T> {
    fn clone(&self) -> Scheduler<T> {
        Scheduler(self.0.clone())
    }
}

impl<T> Scheduler<T> {
    /// A scheduler for this queue.
    pub fn new(queue: Arc<dyn Queue<T>>) -> Scheduler<T> {
        Scheduler(queue)
    }

    /// Queues a task.
    ///
    /// # Errors
    /// Gives the task back if the worker has stopped.
    pub fn schedule(&self, task: T) -> Result<(), Stopped<T>> {
        self.0.push(task)
    }
}

#[cfg(all(test, not(feature = "shuttle")))]
mod tests;
