//! Exact tests of part 2ac, `RawNode`: what `Ready` hands out, and what `advance` and `advance_apply` mean.

pub mod handing;
pub mod news;
pub mod restart;

use super::fixture::Peer;
use super::{Check, Promise, ensure};
use raft::Ready;

/// The next `Ready`, of which there must be one because of `what`. Neither written nor advanced.
fn next(promise: Promise, peer: &mut Peer, what: &str) -> Check<Ready> {
    ensure!(promise, peer.core.has_ready(), "{what}, and has_ready() is false");
    Ok(peer.core.ready())
}

/// The next `Ready` if there is one, else an empty one.
fn left_over(peer: &mut Peer) -> Ready {
    if peer.core.has_ready() { peer.core.ready() } else { Ready::default() }
}

/// The host does its duty to `ready`; nothing is applied.
fn finish(peer: &mut Peer, ready: Ready) {
    peer.writes(&ready);
    peer.core.advance(ready);
}
