//! The simulated world: one seed decides a whole run of a group under faults, in virtual time.
//!
//! | file | what it tells |
//! |---|---|
//! | `profile.rs`, `swarm.rs` | what a test may meet, and how a seed becomes a plan |
//! | `rng.rs` | keyed draws: what decides one thing does not shift the next |
//! | `queue.rs`, `event.rs`, `world.rs`, `actions.rs` | the queue of events, and what each does |
//! | `node.rs`, `drive.rs` | one peer at its seams: input, `Ready`, disk, death |
//! | `links.rs`, `net.rs` | delay, loss, duplication, cuts; messages on their way |
//! | `client.rs` | commands, and what became of each |
//! | `acts.rs`, `laws.rs`, `budget.rs` | the three acts, and what is demanded of a healed group |
//! | `schedule.rs` | runs told step by step |
//! | `judge.rs`, `audit.rs`, `panics.rs` | from a run to a verdict; same seed, same run |
//! | `play.rs`, `record.rs`, `story.rs`, `shrink.rs` | explaining a failure |
//! | `soak.rs` | many runs, and how fast they are |
//!
//! `rng`, `queue`, `links`, `panics`, `judge`, `audit`, `record` and `shrink` know no Raft: the simulated clusters of whole stores use them too.
//!
//! Entry points: [`draw_plan`], [`run`], [`shrink()`].

mod actions;
mod acts;
mod audit;
mod budget;
mod client;
mod drive;
mod event;
pub mod judge;
pub mod laws;
pub mod links;
mod net;
mod node;
pub mod panics;
mod play;
mod profile;
pub mod queue;
pub mod record;
pub mod rng;
mod schedule;
pub mod shrink;
pub mod soak;
mod story;
mod swarm;
mod world;

pub use judge::{Outcome, Verdict, run};
pub use panics::{Panic, catch};
pub use profile::{Profile, SimTest};
pub use shrink::shrink;
pub use soak::{bench, explain, soak};
pub use story::fault_in_words as describe_fault;
pub use swarm::{calm_knobs, draw_plan};
