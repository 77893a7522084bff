//! Peer storage and the workers that belong to it, on a disk that can lose its power: what is written when, what survives, and
//! what a peer makes of what it finds.

// Everything here is test code, helpers included.
#![allow(clippy::unwrap_used)]

mod disk;
mod init;
mod log;
mod model;
mod node;
mod on_fjall;
mod power;
mod snapshot;
mod worker;
