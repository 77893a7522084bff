//! Simulated Raft groups, the checks that judge them, and the graded suites of the Raft parts.

pub mod check;
pub mod core;
pub mod disk;
pub mod host;
pub mod search;
pub mod sim;
pub mod suite;
pub mod unit;
pub mod worker;
