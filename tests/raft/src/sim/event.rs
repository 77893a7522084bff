//! The event queue: what happens next in virtual time.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

/// Something that is going to happen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event {
    /// A peer's timer ticks. One chain of ticks per peer, which goes on while the peer is down.
    Tick {
        /// Position of the peer.
        node: usize,
    },
    /// A message arrives.
    Deliver {
        /// Slot of the message in the network.
        slot: usize,
    },
    /// A slow sync is done.
    DiskDone {
        /// Position of the peer.
        node: usize,
        /// Life of the peer that asked for it.
        life: u64,
    },
    /// A slow apply is done.
    ApplyDone {
        /// Position of the peer.
        node: usize,
        /// Life of the peer that asked for it.
        life: u64,
    },
    /// The transport tells a sender how a message fared.
    Report {
        /// Position of the sender.
        node: usize,
        /// Life of the sender.
        life: u64,
        /// Whom the message was for.
        to: u64,
        /// What became of it.
        what: Report,
    },
    /// A fault of the plan begins.
    Fault {
        /// Its place in the plan.
        index: usize,
    },
    /// A fault ends.
    End {
        /// Which.
        what: End,
    },
    /// An operation of the plan is due, for the `attempt`th time.
    Operation {
        /// Its place in the plan.
        index: usize,
        /// 0 at first.
        attempt: u32,
    },
    /// The acts look at the group.
    Watch,
    /// A peer that was removed from the group is taken away.
    Destroy {
        /// Position of the peer.
        node: usize,
    },
}

/// How a message fared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Report {
    /// The receiver could not be reached.
    Unreachable,
    /// A snapshot arrived.
    SnapshotArrived,
    /// A snapshot got lost.
    SnapshotLost,
}

/// What ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// A peer starts again.
    Crash {
        /// Position of the peer.
        node: usize,
        /// Life that ended in the crash.
        life: u64,
    },
    /// A stopped peer goes on.
    Pause {
        /// Position of the peer.
        node: usize,
    },
    /// A cut of the plan is mended.
    Cut {
        /// Place of the fault in the plan.
        index: usize,
    },
}

/// Events by time; at equal times, in the order in which they were made.
#[derive(Default)]
pub struct Queue {
    heap: BinaryHeap<Reverse<(u64, u64)>>,
    events: Vec<Event>,
    free: Vec<u32>,
    made: u64,
}

/// Low bits of a key that name the slot of its event: no run has more events in waiting.
const SLOT_BITS: u32 = 24;

impl Queue {
    /// Adds an event.
    pub fn push(&mut self, at_us: u64, event: Event) {
        let slot = match self.free.pop() {
            Some(slot) => {
                self.events[slot as usize] = event;
                slot
            }
            None => {
                self.events.push(event);
                (self.events.len() - 1) as u32
            }
        };
        self.made += 1;
        self.heap.push(Reverse((at_us, (self.made << SLOT_BITS) | u64::from(slot))));
    }

    /// Takes the next event and its time.
    pub fn pop(&mut self) -> Option<(u64, Event)> {
        let Reverse((at_us, key)) = self.heap.pop()?;
        let slot = (key & ((1 << SLOT_BITS) - 1)) as u32;
        self.free.push(slot);
        Some((at_us, self.events[slot as usize]))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_come_by_time_then_by_age() {
        let mut queue = Queue::default();
        for node in [3, 1, 2] {
            queue.push(node as u64 * 10, Event::Tick { node });
        }
        queue.push(20, Event::Watch);
        let order: Vec<_> = std::iter::from_fn(|| queue.pop()).collect();
        let tick = |node| Event::Tick { node };
        assert_eq!(order, [(10, tick(1)), (20, tick(2)), (20, Event::Watch), (30, tick(3))]);
    }
}
