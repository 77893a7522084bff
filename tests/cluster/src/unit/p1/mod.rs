//! Part 1: standalone storage, and the raw handlers.
//!
//! | module | what |
//! |---|---|
//! | `bench.rs` | [`bench::Bench`]: storage on an engine that counts, fails and loses power as a test wishes |
//! | [`shelf`] | [`shelf::Shelf`]: a reader of our own, for handlers without any storage |
//! | the others | the tests, by topic |

pub mod bench;
pub mod course;
pub mod disk;
pub mod keys;
pub mod reading;
pub mod refusals;
pub mod scans;
pub mod shelf;
pub mod writing;
