//! Every rule of the store, in words that a student can learn from.
