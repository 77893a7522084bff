//! Not for students.
