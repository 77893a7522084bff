//! The event queue: what happens next in virtual time.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

/// Events by time; at equal times, in the order in which they were made.
pub struct Queue<E> {
    heap: BinaryHeap<Reverse<(u64, u64)>>,
    events: Vec<E>,
    free: Vec<u32>,
    made: u64,
}

/// Low bits of a key that name the slot of its event: no run has more events in waiting.
const SLOT_BITS: u32 = 24;

impl<E> Default for Queue<E> {
    fn default() -> Queue<E> {
        Queue { heap: BinaryHeap::new(), events: Vec::new(), free: Vec::new(), made: 0 }
    }
}

impl<E: Copy> Queue<E> {
    /// Adds an event.
    pub fn push(&mut self, at_us: u64, event: E) {
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
    pub fn pop(&mut self) -> Option<(u64, E)> {
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
        for name in ['c', 'a', 'b'] {
            queue.push(u64::from(name) * 10, name);
        }
        queue.push(u64::from('b') * 10, '!');
        let order: String = std::iter::from_fn(|| queue.pop()).map(|(_, name)| name).collect();
        assert_eq!(order, "ab!c");
    }
}
