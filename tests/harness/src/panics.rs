//! Catches panics of the code under test, with the place where they happened.

use std::any::Any;
use std::cell::{Cell, RefCell};
use std::panic::{AssertUnwindSafe, PanicHookInfo, catch_unwind};
use std::sync::Once;

/// What a body that is not written yet panics with, before the text that names it.
const UNWRITTEN: &str = "not yet implemented: ";

/// A panic, caught.
#[derive(Clone, Debug)]
pub struct Panic {
    /// Its message.
    pub message: String,
    /// Source file and line, as in `raft/src/log.rs:88`; empty if not known.
    pub place: String,
}

impl Panic {
    /// Text of the `todo!` that this panic comes from, if it comes from one.
    pub fn not_implemented(&self) -> Option<&str> {
        self.message.strip_prefix(UNWRITTEN)
    }

    /// Whether it happened in the harness and not in the code under test.
    pub fn is_ours(&self) -> bool {
        ["tests/harness/", "tests/raft/", "tests/cluster/", "tests/verdict/"]
            .iter()
            .any(|folder| self.place.contains(folder))
    }
}

thread_local! {
    static LAST: RefCell<Option<Panic>> = const { RefCell::new(None) };
    /// Whether somebody on this thread waits for a panic. Others are printed as ever.
    static CATCHING: Cell<bool> = const { Cell::new(false) };
}

/// Calls `body`, and catches a panic in it. Nothing is printed.
///
/// # Errors
/// The panic.
pub fn catch<T>(body: impl FnOnce() -> T) -> Result<T, Panic> {
    static HOOK: Once = Once::new();
    HOOK.call_once(|| {
        let usual = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |info| {
            if CATCHING.try_with(Cell::get).unwrap_or(false) { note(info) } else { usual(info) }
        }));
    });
    LAST.set(None);
    let outer = CATCHING.replace(true);
    let caught = catch_unwind(AssertUnwindSafe(body));
    CATCHING.set(outer);
    caught.map_err(|payload| {
        let noted = LAST.take();
        // A payload may be anything, and may even panic when it is dropped.
        let message = text(payload.as_ref());
        std::mem::forget(payload);
        noted.unwrap_or(Panic { message, place: String::new() })
    })
}

fn note(info: &PanicHookInfo<'_>) {
    let place = info.location().map_or(String::new(), |at| format!("{}:{}", at.file(), at.line()));
    let panic = Panic { message: text(info.payload()), place };
    // The first panic is the cause; what happens while it unwinds is not.
    let _ = LAST.try_with(|last| last.borrow_mut().get_or_insert(panic).message.len());
}

fn text(payload: &(dyn Any + Send)) -> String {
    if let Some(text) = payload.downcast_ref::<&str>() {
        (*text).to_owned()
    } else if let Some(text) = payload.downcast_ref::<String>() {
        text.clone()
    } else {
        "a panic without a message".to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_is_caught_with_its_place() {
        let caught = catch(|| panic!("boom {}", 7)).expect_err("it panics");
        assert_eq!(caught.message, "boom 7");
        assert!(caught.place.contains("panics.rs:"), "{}", caught.place);
        assert_eq!(catch(|| 5).expect("it does not panic"), 5);
    }

    #[test]
    fn an_unwritten_body_is_told_apart() {
        let panic =
            Panic { message: "not yet implemented: 2aa: raft::Raft::tick".into(), place: String::new() };
        assert_eq!(panic.not_implemented(), Some("2aa: raft::Raft::tick"));
    }
}
