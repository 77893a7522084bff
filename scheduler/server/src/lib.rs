//! The scheduler as a process: gRPC around the pure core, and the files it keeps.
//!
//! | file | what it tells |
//! |---|---|
//! | [`disk`] | the core's changes in a fjall database, synced before anything is answered |
//! | [`service`] | the service `pdpb.PD`, one method for each request |
//! | [`server`] | binding, serving, stopping |
//!
//! There is one scheduler in a cluster. While it is down, stores and clients that know their regions go on; no store can
//! join, and clients that look for a leader wait.

pub mod disk;
pub mod server;
pub mod service;
