//! Things in numbered slots, such as messages on their way: an event names a slot, and stays small.

/// Things in slots. A slot that was emptied is used again, the last one first.
pub struct Slab<T> {
    slots: Vec<Option<T>>,
    free: Vec<usize>,
}

impl<T> Default for Slab<T> {
    fn default() -> Slab<T> {
        Slab { slots: Vec::new(), free: Vec::new() }
    }
}

impl<T> Slab<T> {
    /// Keeps a thing; returns its slot.
    pub fn hold(&mut self, thing: T) -> usize {
        match self.free.pop() {
            Some(slot) => {
                self.slots[slot] = Some(thing);
                slot
            }
            None => {
                self.slots.push(Some(thing));
                self.slots.len() - 1
            }
        }
    }

    /// What is in a slot.
    ///
    /// # Panics
    /// If the slot is empty: each thing is taken once.
    pub fn get(&self, slot: usize) -> &T {
        self.slots[slot].as_ref().expect("each thing is taken once")
    }

    /// Takes a thing out of its slot.
    ///
    /// # Panics
    /// If the slot is empty: each thing is taken once.
    pub fn take(&mut self, slot: usize) -> T {
        self.free.push(slot);
        self.slots[slot].take().expect("each thing is taken once")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slots_are_used_again() {
        let mut slab = Slab::default();
        let slots = ['a', 'b', 'c'].map(|thing| slab.hold(thing));
        assert_eq!((slots, *slab.get(1), slab.take(1), slab.take(0)), ([0, 1, 2], 'b', 'b', 'a'));
        assert_eq!((slab.hold('d'), slab.hold('e'), slab.hold('f')), (0, 1, 3));
        assert_eq!((slab.take(0), slab.take(1), slab.take(2)), ('d', 'e', 'c'));
    }
}
