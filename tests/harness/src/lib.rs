//! What every package of graded suites stands on, whatever its suites judge: chance, time, links, verdicts, and the worker
//! process. Nothing here knows the Raft core or the store.
//!
//! ```text
//!   worker        takes a job from the supervisor, answers with records
//!    └── suite    which tests there are, and their points; proof: that the list is sound
//!         ├── exact, story       one scene, one promise, and what happened in it so far
//!         └── simulation         what a package of suites says of its simulated world
//!              ├── judge, audit, shrink, record    from a run to a verdict, and to a story that a person can follow
//!              ├── plan, rng                       what decides a run
//!              ├── queue, slab, links              virtual time, and messages on their way
//!              └── patience, budget                nothing stands still for ever, and nothing goes on for ever
//!   rule          what is promised, in words;  panics: the code under test may
//!   bench         how fast the simulations are
//! ```

pub mod audit;
pub mod bench;
pub mod budget;
pub mod exact;
pub mod judge;
pub mod links;
pub mod panics;
pub mod patience;
pub mod plan;
pub mod proof;
pub mod queue;
pub mod record;
pub mod rng;
pub mod rule;
pub mod shrink;
pub mod simulation;
pub mod slab;
pub mod story;
pub mod suite;
pub mod worker;
