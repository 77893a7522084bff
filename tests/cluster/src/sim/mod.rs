//! The simulated world: one seed decides a whole run of a cluster under faults, in virtual time.
//!
//! | file | what it tells |
//! |---|---|
//! | `profile.rs`, `swarm.rs`, `script.rs` | what a test may meet, and how a seed becomes a plan |
//! | `event.rs`, `world.rs` | what happens, and when |
//! | `store.rs`, `seam.rs`, `work.rs` | one store at its seams: input, duties, effects, death |
//! | `net.rs`, `transfer.rs` | messages and snapshots on their way |
//! | `client.rs`, `request.rs` | what clients ask for, and what they make of the answers |
//! | `faults.rs` | what goes wrong |
//! | `bootstrap.rs` | what goes wrong before the cluster is one |
//! | `acts.rs`, `laws.rs`, `budget.rs` | the three acts, and what is demanded of a healed cluster |
//! | `play.rs`, `story.rs` | from a run to a verdict, and to words |
//!
//! Entry point: [`profile::StoreTest`] as a [`Simulation`](harness::simulation::Simulation).

mod acts;
pub mod bootstrap;
mod budget;
mod client;
pub mod event;
mod faults;
pub mod laws;
mod net;
mod play;
pub mod profile;
mod request;
pub mod script;
mod seam;
mod store;
mod story;
mod swarm;
mod transfer;
mod work;
mod world;
