//! Exact tests.
