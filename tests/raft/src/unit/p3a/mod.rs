//! Exact tests of part 3a: leader transfer and membership change, one peer at a time.

pub mod joint;
pub mod members;
pub mod pending;
pub mod transfer;
pub mod transfer_ends;

use super::Check;
use super::fixture::{Peer, Setup};
use super::msg;

/// The leader of term 1 in the group `1..=voters`. Everybody holds its empty entry, which is committed.
fn leader(voters: u64) -> Check<Peer> {
    let mut peer = Setup::raw(1, voters).leader()?;
    for follower in 2..=voters {
        peer.hears(msg::append_ok(follower, 1, 1, 1))?;
    }
    peer.sends();
    Ok(peer)
}
