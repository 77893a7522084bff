//! Exact tests: one promise each, told as a short scene between one peer (or a few) and its surroundings.
//!
//! They accept every legal implementation. Entries may travel one by one or together, commit indexes in appends or in
//! heartbeats, rejections with good hints or poor ones; timeouts are whatever the dice say within the promised range.
//! What a test asserts, it reads from messages, from the disk, from `status()` and from what the state machine was given,
//! never from private fields, and it compares values that this package owns.
//!
//! | module | what |
//! |---|---|
//! | [`fixture`] | [`fixture::Peer`], one peer with its disk and a host that does everything right |
//! | [`mate`] | [`mate::Mate`], the other side of the wire: an honest follower of a page, obviously right |
//! | [`net`] | [`net::Net`], several peers and the network between them |
//! | [`msg`] | messages, made and described |
//! | [`story`] | what happened so far in this test, in words |
//! | `p2aa` .. `p3a` | the tests, by part and topic |

pub mod fixture;
pub mod mate;
pub mod msg;
pub mod net;
pub mod p2aa;
pub mod p2ab;
pub mod p2ac;
pub mod p2c;
pub mod p3a;
pub mod story;

/// Result of an exact test, and of each step of it.
pub type Check<T = ()> = Result<T, Fail>;

/// What the paper, the thesis or the handout promises, and why it matters.
#[derive(Clone, Copy, Debug)]
pub struct Promise {
    /// Where it stands, as in `§5.2`.
    pub section: &'static str,
    /// The promise, in words.
    pub text: &'static str,
    /// What goes wrong if it is broken.
    pub why: &'static str,
}

/// A broken promise: what a student reads.
#[derive(Clone, Debug)]
pub struct Fail {
    /// What was promised.
    pub promised: String,
    /// What was seen instead.
    pub seen: String,
    /// Where the promise stands.
    pub section: &'static str,
    /// What goes wrong later.
    pub why: String,
}

impl Promise {
    /// A promise: where it stands, what it says, and what goes wrong if it is broken.
    pub const fn new(section: &'static str, text: &'static str, why: &'static str) -> Promise {
        Promise { section, text, why }
    }

    /// It was broken: this was seen instead.
    pub fn broken(&self, seen: String) -> Fail {
        Fail { promised: self.text.to_owned(), seen, section: self.section, why: self.why.to_owned() }
    }
}

/// Ends the test with a broken promise unless the condition holds: `ensure!(promise, condition, "what was seen")`.
#[macro_export]
macro_rules! ensure {
    ($promise:expr, $condition:expr, $($seen:tt)+) => {
        if !$condition {
            return Err($promise.broken(format!($($seen)+)));
        }
    };
}
pub use ensure;
