//! The thread driver: one thread for each worker.

use std::sync::Arc;

use super::queue::Tasks;
use super::{Runnable, Scheduler};
use crate::sync::thread;

/// A thread that works off tasks in the order in which they were scheduled. Dropping it stops it.
pub struct Worker {
    /// Closes the queue.
    close: Box<dyn Fn() + Send + Sync>,
    thread: Option<thread::JoinHandle<()>>,
}

impl Worker {
    /// Starts a worker.
    ///
    /// # Errors
    /// If the operating system refuses a thread.
    pub fn start<R>(name: &str, mut runnable: R) -> std::io::Result<(Worker, Scheduler<R::Task>)>
    where
        R: Runnable + 'static,
    {
        let tasks = Arc::new(Tasks::new());
        let queue = tasks.clone();
        let thread = thread::Builder::new().name(name.to_owned()).spawn(move || {
            while let Some(task) = queue.wait() {
                runnable.run(task);
            }
        })?;
        let closing = tasks.clone();
        let worker = Worker { close: Box::new(move || closing.close()), thread: Some(thread) };
        Ok((worker, Scheduler::new(tasks)))
    }

    /// Stops it: the task under way is finished, those behind it are dropped, and the scheduler gives further ones back.
    /// Returns when the thread has ended. A panic of the runner goes on here. Must not be called by the runner.
    pub fn stop(mut self) {
        self.end();
    }

    fn end(&mut self) {
        (self.close)();
        if let Some(thread) = self.thread.take()
            && let Err(panic) = thread.join()
            && !std::thread::panicking()
        {
            std::panic::resume_unwind(panic);
        }
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        self.end();
    }
}
