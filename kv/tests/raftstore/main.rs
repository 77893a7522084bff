//! The raftstore as its drivers see it: real stores and apply sides on memory engines, stepped by hand.

// Everything here is test code, helpers included.
#![allow(clippy::unwrap_used)]

mod apply;
mod commands;
mod common;
mod failures;
mod life_of_a_store;
mod snapshot_path;
mod store_fsm;
mod three_stores;
