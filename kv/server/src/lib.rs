//! The store as a process: gRPC services, streams between stores, status page, configuration.
//!
//! | file | what it tells |
//! |---|---|
//! | [`config`] | what an operator can set |
//! | [`server`], [`stopping`] | what is started in which order, and how it stops |
//! | [`backend`] | what is behind the requests: one engine, or the raftstore |
//! | [`node`], [`heartbeat`] | a store of a cluster: identity, first region, raftstore, news for the scheduler |
//! | [`space`] | room on the disk |
//! | [`service`] | the service `tikvpb.Tikv`: requests of clients, streams of other stores |
//! | [`transport`] | messages and snapshots to other stores |
//! | [`pd`], [`resolver`] | asking the scheduler |
//! | [`status`], [`metrics`] | looking at a store from outside |
//! | [`local`] | a cluster of processes on this machine |
//! | [`inspect`] | a stopped store's directory in words |
//! | [`client`] | a client that follows regions and leaders |
//!
//! Everything that decides lies in the package `tinykv-kv`; this one only connects it to sockets, files, clocks and signals.

pub mod backend;
pub mod client;
pub mod clock;
pub mod config;
pub mod heartbeat;
pub mod inspect;
pub mod local;
pub mod metrics;
pub mod node;
pub mod pd;
pub mod resolver;
pub mod server;
pub mod service;
pub mod space;
pub mod status;
pub mod stopping;
pub mod transport;
