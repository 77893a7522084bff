//! Everything that happened in one run, for the picture.

use serde::{Deserialize, Serialize};

use crate::failure::Finding;

/// A run as a space-time diagram sees it.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Trace {
    /// Title: test and seed.
    pub title: String,
    /// Command that replays the run.
    pub replay: String,
    /// Peer ids, one column each.
    pub nodes: Vec<u64>,
    /// What happened, by time. Positions in this list name events.
    pub events: Vec<Event>,
    /// What was broken, if anything.
    pub findings: Vec<Finding>,
}

/// One thing that happened at one peer.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Event {
    /// Virtual microseconds since the start.
    pub at_us: u64,
    /// Peer, or 0 for the surroundings.
    pub node: u64,
    /// What happened.
    pub kind: EventKind,
    /// One line in words.
    pub text: String,
    /// Role after the event: `F`, `P`, `C`, `L`; `-` while down.
    pub role: char,
    /// Term after the event.
    pub term: u64,
    /// Commit index after the event.
    pub commit: u64,
    /// Index up to which the log is on disk.
    pub durable: u64,
    /// Last index of the log.
    pub last: u64,
    /// The log's entries near its end, oldest first, as (index, term): at most eight.
    pub log: Vec<(u64, u64)>,
}

/// What kind of thing happened.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub enum EventKind {
    /// The peer started, or started again.
    Start,
    /// The peer died.
    Crash,
    /// A tick that changed something.
    Tick,
    /// The peer sent a message.
    Send {
        /// Names the message within the trace.
        message: u64,
        /// Receiver.
        to: u64,
        /// Kind, as in `MsgAppend`.
        name: String,
    },
    /// The peer received a message.
    Receive {
        /// The message.
        message: u64,
        /// Sender.
        from: u64,
        /// Kind, as in `MsgAppend`.
        name: String,
    },
    /// The network lost a message.
    Lose {
        /// The message.
        message: u64,
        /// Receiver that never saw it.
        to: u64,
    },
    /// A client asked for something.
    Client,
    /// The disk is synced.
    Sync,
    /// The state machine applied entries.
    Apply,
    /// A fault began or ended.
    Fault,
    /// A promise was broken here: index into [`Trace::findings`].
    Violation(usize),
}
