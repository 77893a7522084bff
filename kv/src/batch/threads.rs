//! The thread driver: a pool of threads, each with a poller.

use super::fsm::Fsm;
use super::poller::{PollHandler, Poller};
use super::{BatchSystem, Router};
use crate::sync::thread;

/// The poll threads of a batch system. Dropping it shuts the batch system down.
///
/// A handler that panics takes its thread and the FSMs of its batch with it. The panic goes on in whoever shuts down; a
/// server should not wait for that, but end with the panic.
pub struct Threads<N: Fsm, C: Fsm> {
    router: Router<N, C>,
    threads: Vec<thread::JoinHandle<()>>,
}

impl<N: Fsm, C: Fsm> BatchSystem<N, C> {
    /// Starts the thread driver: `threads` threads called `name-0`, `name-1`, …, each with a handler of its own.
    ///
    /// # Errors
    /// If the operating system refuses a thread. Those that were started are stopped again.
    pub fn spawn<H>(
        self,
        name: &str,
        threads: usize,
        mut make_handler: impl FnMut() -> H,
    ) -> std::io::Result<Threads<N, C>>
    where
        H: PollHandler<N, C> + 'static,
    {
        let mut pool = Threads { router: self.router.clone(), threads: Vec::with_capacity(threads) };
        for i in 0..threads {
            let mut poller = Poller::new(self.router.clone(), make_handler(), self.config);
            let thread = thread::Builder::new().name(format!("{name}-{i}")).spawn(move || poller.run())?;
            pool.threads.push(thread);
        }
        Ok(pool)
    }
}

impl<N: Fsm, C: Fsm> Threads<N, C> {
    /// Shuts the batch system down: pollers finish the round that they are in, then all FSMs and all messages are dropped
    /// (so that callbacks in them run), and nobody can be reached any more. Returns when all that has happened. Must not be
    /// called on a poll thread.
    pub fn shutdown(mut self) {
        self.stop();
    }

    fn stop(&mut self) {
        self.router.shutdown();
        for thread in self.threads.drain(..) {
            let result = thread.join();
            if let Err(panic) = result
                && !std::thread::panicking()
            {
                std::panic::resume_unwind(panic);
            }
        }
    }
}

impl<N: Fsm, C: Fsm> Drop for Threads<N, C> {
    fn drop(&mut self) {
        self.stop();
    }
}
