//! The store as a process: gRPC services, streams between stores, status page, configuration.

pub mod client;
pub mod clock;
pub mod config;
pub mod metrics;
pub mod pd;
pub mod resolver;
pub mod status;
