//! The store of TinyKV: everything between a client's request and the bytes on disk, for one node of the cluster.
//!
//! | layer | modules | knows |
//! |---|---|---|
//! | data on disk | [`engine`] | column families, atomic batches, what survives a power cut |
//! | machinery | [`clock`], [`worker`], [`batch`] | how work is handed out: threads in production, one step at a time in simulation |
//! | replication | [`raftstore`], [`snap`] | regions, peers, Raft logs, snapshots |
//! | storage | [`storage`], [`service`] | reads and writes of users, on one engine or through Raft |
//!
//! Nothing in this crate opens a socket, reads a clock or sleeps: the network is a [`raftstore::context::Transport`], time
//! is ticks and a [`clock::Clock`], the disk is an [`engine::Engine`]. That is why the same code runs in the server (package
//! `tinykv-server`) and in the deterministic simulation (package `cluster-tests`).

pub mod batch;
pub mod clock;
pub mod config;
pub mod engine;
pub mod raftstore;
pub mod service;
pub mod snap;
pub mod storage;
mod sync;
pub mod worker;
