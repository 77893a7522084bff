//! Tests of the batch system: by hand, under threads, and (feature `shuttle`) under a model checker, where nothing else
//! runs.

#[cfg_attr(feature = "shuttle", allow(dead_code))]
mod kit;
#[cfg(not(feature = "shuttle"))]
mod mailbox;
#[cfg(not(feature = "shuttle"))]
mod manual;
#[cfg(feature = "shuttle")]
mod proof;
#[cfg(not(feature = "shuttle"))]
mod rounds;
#[cfg(not(feature = "shuttle"))]
mod threads;
