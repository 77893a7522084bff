//! Exact tests of part 2aa, leader election. No proposals, empty logs, nothing asserted about logs: the log is built in
//! the next part.

pub mod campaign;
pub mod group;
pub mod roles;
pub mod terms;
pub mod timers;
pub mod votes;
