//! The course around the code: student trees, grading, and tests of the grading.
pub mod grade;
pub mod manifest;
pub mod report;
pub mod staff;
pub mod stamp;
pub mod syntax;
pub mod trace;
