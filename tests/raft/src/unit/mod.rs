//! Exact tests: one promise each, told as a short scene between one peer (or a few) and its surroundings.
//!
//! They accept every legal implementation. Entries may travel one by one or together, commit indexes in appends or in
//! heartbeats, rejections with good hints or poor ones; timeouts are whatever the dice say within the promised range.
//! What a test asserts, it reads from messages, from the disk, from `status()` and from what the state machine was given,
//! never from private fields, and it compares values that this package owns.
//!
//! | module | what |
//! |---|---|
//! | [`fixture`] | [`fixture::Peer`], one peer with its disk and a host that does everything right |
//! | [`mate`] | [`mate::Mate`], the other side of the wire: an honest follower of a page, obviously right |
//! | [`net`] | [`net::Net`], several peers and the network between them |
//! | [`msg`] | messages, made and described |
//! | [`story`] | what happened so far in this test, in words (`harness::story`) |
//! | `p2aa` .. `p3a` | the tests, by part and topic |

pub mod fixture;
pub mod mate;
pub mod msg;
pub mod net;
pub mod p2aa;
pub mod p2ab;
pub mod p2ac;
pub mod p2c;
pub mod p3a;

pub use harness::ensure;
pub use harness::exact::{Check, Fail, Promise};
pub use harness::story;
