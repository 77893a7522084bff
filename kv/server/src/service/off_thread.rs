//! Reading on the server's threads.

use std::sync::Arc;

use kv::storage::{Callback, Modify, Reader, Storage};
use proto::kvrpcpb::Context;
use tokio::runtime::Handle;

/// A storage whose readers are used on the threads of a runtime. A store hands a reader out on the thread that applies the
/// log; were it used there, a long scan would hold up every region of that thread.
pub struct OffThread {
    storage: Arc<dyn Storage>,
    runtime: Handle,
}

impl OffThread {
    /// The same storage, read on the current runtime.
    pub fn new(storage: Arc<dyn Storage>) -> OffThread {
        OffThread { storage, runtime: Handle::current() }
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
        self.storage.async_write(context, guard_term, modifies, callback);
    }
}
