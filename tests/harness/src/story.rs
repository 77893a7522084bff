//! What happened so far in this test, one line an event.
//!
//! Kept beside the test, not in its peers: when student code panics the peers are gone, and the story is what is left.

use std::cell::RefCell;

/// Lines kept; a test that is longer loses its beginning.
const LONGEST: usize = 200;

thread_local! {
    static LINES: RefCell<Vec<String>> = const { RefCell::new(Vec::new()) };
}

/// Adds a line.
pub fn note(line: String) {
    LINES.with_borrow_mut(|lines| {
        if lines.len() == LONGEST {
            lines.remove(0);
        }
        lines.push(line);
    });
}

/// Hands out the story so far, oldest line first, and starts a new one.
pub fn take() -> Vec<String> {
    LINES.take()
}

/// Hands out the last `most` lines of the story so far, and says how many there were; starts a new one.
pub fn take_last(most: usize) -> (Vec<String>, u64) {
    let mut lines = take();
    let count = lines.len() as u64;
    lines.drain(..lines.len().saturating_sub(most));
    (lines, count)
}
