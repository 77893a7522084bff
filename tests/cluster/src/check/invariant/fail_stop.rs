//! S22: after a failed write or sync, nothing any more.

use ::kv::raftstore::StoreId;
use proto::raft_serverpb::RaftMessage;

use super::super::observe::Db;
use super::super::rules::FAIL_STOP;
use super::super::world::World;
use super::super::{Verdict, ensure};

/// `store` has written something.
pub fn on_write(world: &mut World, store: StoreId, db: Db) -> Verdict {
    silent(world, store, || format!("writes to {}", db.name()))
}

/// `store` sends a message.
pub fn on_send(world: &mut World, store: StoreId, message: &RaftMessage) -> Verdict {
    silent(world, store, || match &message.message {
        Some(message) => format!("sends {}", raft_tests::check::describe_message(message)),
        None => "sends a message".to_owned(),
    })
}

/// `store` reports success.
pub fn on_success(world: &mut World, store: StoreId) -> Verdict {
    silent(world, store, || "answers a command with success".to_owned())
}

fn silent(world: &mut World, store: StoreId, what: impl FnOnce() -> String) -> Verdict {
    let failed = world.store(store).failed;
    ensure(failed.is_none(), &FAIL_STOP, store, || {
        let db = failed.map_or("", Db::name);
        format!("A write or sync of the {db} of store {store} has failed, and then it {}", what())
    })
}
