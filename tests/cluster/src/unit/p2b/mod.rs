//! Part 2b, the replicated store.

pub mod apply;
pub mod log;
pub mod propose;
pub mod read;
pub mod ready;
pub mod restart;
pub mod save;
pub mod write;
