//! Exact tests: one promise each, told as a short scene between one piece of the store and its surroundings.
//!
//! They accept every legal implementation, and assert on values that this package or `proto` owns. What a scene does, it notes
//! in [`story`], so that a failure can be told.
//!
//! ```text
//! const EMPTY: Promise = Promise::new("handout 1", "A missing key is not an error.", "Clients would retry for ever.");
//!
//! pub fn missing_key() -> Check {
//!     story::note("get of a key that nobody wrote".to_owned());
//!     ensure!(EMPTY, answer.not_found, "the answer was {answer:?}");
//!     Ok(())
//! }
//! ```

pub mod fixture;
pub mod p1;
pub mod p2b;
pub mod p2c;

pub use harness::ensure;
pub use harness::exact::{Check, Fail, Promise};
pub use harness::story;
