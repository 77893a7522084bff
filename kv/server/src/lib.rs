//! The store as a process: gRPC services, streams between stores, status page, configuration.
//!
//! | file | what it tells |
//! |---|---|
//! | [`config`] | what an operator can set |
//! | [`server`] | what is started in which order, and how it stops |
//! | [`backend`] | what is behind the requests: one engine, or the raftstore |
//! | [`service`] | the service `tikvpb.Tikv`: requests of clients, streams of other stores |
//! | [`transport`] | messages and snapshots to other stores |
//! | [`pd`], [`resolver`] | asking the scheduler |
//! | [`status`], [`metrics`] | looking at a store from outside |
//! | [`client`] | a client that follows regions and leaders |
//!
//! Everything that decides lies in the package `tinykv-kv`; this one only connects it to sockets, files, clocks and signals.

pub mod backend;
pub mod client;
pub mod clock;
pub mod config;
pub mod metrics;
pub mod pd;
pub mod resolver;
pub mod server;
pub mod service;
pub mod status;
pub mod transport;
