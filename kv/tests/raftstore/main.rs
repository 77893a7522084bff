//! The raftstore as its drivers see it: real stores and apply sides on memory engines, stepped by hand.

mod apply;
mod commands;
mod common;
mod failures;
mod life_of_a_store;
mod snapshot_path;
mod three_stores;
