//! Simulated clusters of whole stores: virtual time, simulated disks and network, clients, checks, and the graded suites of
//! the parts that build the store.
//!
//! ```text
//!   main            takes a job from the supervisor answers with records (`harness::worker`)
//!     └── suite     which tests there are, and their points
//!          ├── unit     exact tests: one scene, one promise
//!          ├── sim      a cluster in virtual time, under faults drawn from a seed
//!          ├── check    what is legal at each seam of a store; histories of clients and their judges
//!          └── disk, files   tell what is durable from what was merely written
//! ```

pub mod check;
pub mod disk;
pub mod files;
pub mod sim;
pub mod suite;
pub mod unit;
