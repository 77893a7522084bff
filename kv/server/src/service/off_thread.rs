//! Reading and answering on the server's threads.

use std::sync::Arc;

use kv::storage::{Callback, Modify, Reader, Storage};
use proto::kvrpcpb::Context;
use tokio::runtime::Handle;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

/// Answers that are told in one go, at the most.
const TOLD_AT_ONCE: usize = 256;

type Answer = Box<dyn FnOnce() + Send>;

/// A storage whose readers are used, and whose writes are answered, on the threads of a runtime. A store hands both out on
/// the thread that applies the log, which has other things to do: a long scan would hold up every region of that thread.
pub struct OffThread {
    storage: Arc<dyn Storage>,
    runtime: Handle,
    answers: UnboundedSender<Answer>,
}

impl OffThread {
    /// The same storage, with its callbacks on the current runtime.
    pub fn new(storage: Arc<dyn Storage>) -> OffThread {
        let (answers, waiting) = unbounded_channel();
        tokio::spawn(tell(waiting));
        OffThread { storage, runtime: Handle::current(), answers }
    }
}

/// Gives the answers of writes. A round of the store answers many writes at once, often those of one connection: told by one
/// task, they can leave together, and none of them has to wake a thread of its own.
async fn tell(mut waiting: UnboundedReceiver<Answer>) {
    let mut round = Vec::new();
    while waiting.recv_many(&mut round, TOLD_AT_ONCE).await > 0 {
        round.drain(..).for_each(|answer| answer());
    }
}

impl Storage for OffThread {
    fn async_snapshot(&self, context: &Context, callback: Callback<Box<dyn Reader>>) {
        let runtime = self.runtime.clone();
        let hand_over = move |reader| {
            // A store that could answer at once did so here, on a thread of the runtime.
            if Handle::try_current().is_ok() {
                return callback(reader);
            }
            runtime.spawn(async move { callback(reader) });
        };
        self.storage.async_snapshot(context, Box::new(hand_over));
    }

    fn async_write(&self, context: &Context, guard_term: u64, modifies: Vec<Modify>, callback: Callback<()>) {
        let answers = self.answers.clone();
        let hand_over = move |result| {
            // An error means that the runtime has ended, and all connections with it.
            let _ = answers.send(Box::new(move || callback(result)));
        };
        self.storage.async_write(context, guard_term, modifies, Box::new(hand_over));
    }
}
