//! The course around the code: student trees, grading, and tests of the grading.
//!
//! | module | what it does |
//! |---|---|
//! | [`manifest`] | `labs/parts/*.toml`: which functions students write, part by part |
//! | [`syntax`] | from an item path to byte ranges of source text |
//! | [`stamp`] | a student tree: a copy of this one in which those functions say `todo!` |
//! | [`grade`] | builds the suites around a tree's code and runs each test in processes of its own |
//! | [`report`] | the scorecard, failures in words, and JSON |
//! | [`trace`] | one run as a picture: an HTML file that opens from disk |
//! | [`staff`] | what only this tree has: planted bugs, legal variants, the kill matrix, checks of the course itself |
//!
//! This crate imports neither `raft` nor the suites: it reads source text, and talks to the suites' workers in the words
//! of `verdict`. So it builds and reports even when a student's code does not compile.
//!
//! # How a grading goes
//!
//! ```text
//! lab grade 2aa
//!   cargo build raft-worker        does not compile: that is the report (status 2)
//!   Job::List                      the worker names its tests and their points
//!   each test, as many at a time as there are processors:
//!     saved failure of an earlier grading, if there is one: Job::Run with its plan
//!     Job::Run                     a unit test: one process; a simulation: one process for each shard of its seeds
//!     Job::Shrink                  a failing run: a smaller one that breaks the same rule, saved in failures/
//!     Job::Run with trace          a picture, if wanted
//!   scorecard, failures in words, JSON; status 0 exactly when points are full
//! ```
//!
//! A verdict is a record on the worker's channel and nothing else ([`grade::worker`]): a process that ends without one
//! has failed its test, whatever it printed and whatever its exit status.

pub mod grade;
pub mod manifest;
pub mod report;
pub mod staff;
pub mod stamp;
pub mod syntax;
pub mod trace;
