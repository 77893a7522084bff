//! The invariants, checked: for each rule a stream of observations that breaks it, and legal ones that look alike.

mod answers;
mod applying;
mod disk;
mod histories;
mod messages;
mod scene;
mod snapshots;
