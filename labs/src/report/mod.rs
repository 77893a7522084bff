//! What a grading looks like: on the terminal while it runs, in words afterwards, as JSON for programs.

pub mod explain;
pub mod json;
pub mod scorecard;
pub mod text;
