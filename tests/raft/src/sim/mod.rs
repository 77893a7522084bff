//! The simulated world: one seed decides a whole run of a group under faults, in virtual time.
//!
//! | file | what it tells |
//! |---|---|
//! | `profile.rs`, `swarm.rs` | what a test may meet, and how a seed becomes a plan |
//! | `event.rs`, `world.rs`, `actions.rs` | the queue of events, and what each does |
//! | `node.rs`, `drive.rs` | one peer at its seams: input, `Ready`, disk, death |
//! | `net.rs` | messages on their way |
//! | `client.rs` | commands, and what became of each |
//! | `acts.rs`, `laws.rs`, `budget.rs` | the three acts, and what is demanded of a healed group |
//! | `schedule.rs` | runs told step by step |
//! | `play.rs`, `story.rs` | from a run to a verdict, and to words |
//!
//! What is not about Raft (chance, time, links, verdicts, shrinking) is in `harness`. Entry point: [`SimTest`] as a
//! [`Simulation`](harness::simulation::Simulation).

mod actions;
mod acts;
mod budget;
mod client;
mod drive;
mod event;
pub mod laws;
mod net;
mod node;
mod play;
mod profile;
mod schedule;
mod story;
mod swarm;
mod world;

pub use profile::{PROFILES, Profile, SimTest, bench};
