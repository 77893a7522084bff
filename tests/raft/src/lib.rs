//! Simulated Raft groups, the checks that judge them, and the graded suites of the Raft parts.
//!
//! ```text
//!   main            takes a job from the supervisor, answers with records (`harness::worker`)
//!     └── suite     which tests there are, and their points
//!          ├── unit     exact tests: one scene, one promise
//!          ├── sim      a group in virtual time, under faults drawn from a seed
//!          └── search   a group without time: all orders of a few events, or random ones
//!               └── host     one peer at its seams; every call is judged
//!                    ├── check    what is legal: relation, invariants, ghost state
//!                    ├── core     one face for `Raft` and `RawNode`
//!                    └── disk     tells what is durable from what was merely written
//! ```
//!
//! Arrows point down only. Nothing here looks into the core: whatever is judged comes out of its public interface
//! (`status`, `log_term`, `progress`, `conf_state`, `Ready`), so students may restructure everything behind it.
//!
//! # What is promised, and where it is checked
//!
//! | property | section | rules | module |
//! |---|---|---|---|
//! | Election Safety | §5.2 | R1, R27 | `check::invariant::one_leader`, `check::relation::role` |
//! | one vote per term, to a candidate that is up to date | §5.2, §5.4.1 | R14, R15, R29, R36 | `check::invariant::one_vote`, `check::relation::vote` |
//! | terms | §5.1 | R6, R20, R28, R34 | `check::relation::term`, `check::relation::messages` |
//! | Leader Append-Only | §5.3 | R2, R32 | `check::relation::log` |
//! | Log Matching | §5.3 | R3, R18, R19 | `check::relation::{ready, log, messages}` |
//! | Leader Completeness | §5.4 | R4 | `check::invariant::leader_completeness` |
//! | State Machine Safety | §5.4.3 | R5 | `check::invariant::committed` |
//! | the commit rule | §5.3, §5.4.2 | R12, R13, R16, R17, R33, R37, R38 | `check::relation::commit`, `check::invariant::committed` |
//! | on disk before it is said | figure 2 | R9, R10, R11, R40 | `check::invariant::durable` |
//! | restart | figure 2 | R6, R8 | `check::invariant::restart` |
//! | snapshots | §7 | R21, R22 | `check::relation::snapshot` |
//! | membership change | thesis §4 | R23 | `check::invariant::conf_change` |
//! | leader transfer | thesis §3.10 | R24 | `check::relation::transfer` |
//! | the contract of `Ready` | handout | R7, R25, R39, R42 | `check::relation::ready` |
//! | timers | §5.2 | R26, R43 | `check::relation::timer`, `check::invariant::random_timer` |
//! | reads | thesis §6.4 | R41 | `check::invariant::read` |
//! | progress | §5.2, §5.3 | L1 to L5 | `sim` |

pub mod check;
pub mod core;
pub mod disk;
pub mod host;
pub mod search;
pub mod sim;
pub mod suite;
pub mod unit;
