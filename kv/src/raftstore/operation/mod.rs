//! What peers do, one operation a file, each told from its beginning to its end although several state machines run its
//! parts: *propose* (peer FSM, on the leader), *apply* (apply FSM, on every replica), *after apply* (peer FSM again).
//!
//! | operation | file |
//! |---|---|
//! | the way into the log: checks, policy, proposal | [`propose`], [`check`] |
//! | put, delete, delete range | [`mod@write`] |
//! | get, snapshot of the data | [`read`] |
//! | questions to this store alone | [`status`] |
//! | messages of other peers | [`step`] |
//! | a `Ready`: write, send, hand on | [`ready`] |
//! | committed entries | [`apply_committed`] |
//! | shortening the log | [`compact_log`] |
//! | snapshots: making, receiving, installing | [`snapshot`] |
//! | handing over leadership | [`transfer_leader`] |
//! | start, base ticks, end of a peer | [`life`] |
//!
//! Each is an `impl Peer` or an `impl Apply` block: the tables in [`super::fsm`] call them and hold no logic of their own.

pub mod apply_committed;
pub mod check;
pub mod compact_log;
pub mod life;
pub mod propose;
pub mod read;
pub mod ready;
pub mod snapshot;
pub mod status;
pub mod step;
pub mod transfer_leader;
pub mod write;
