//! The end of a log, in memory: followers are fed, and committed entries applied, without reading the disk.

use std::collections::VecDeque;

use proto::eraftpb::Entry;

/// The last entries of a log, at most so many bytes of them. Volatile.
///
/// Invariant: the entries follow each other without a gap, and end with the last one that was appended.
#[derive(Debug)]
pub(super) struct EntryCache {
    entries: VecDeque<Entry>,
    bytes: usize,
    bytes_max: usize,
}

/// What an entry costs beyond its data, roughly.
const ENTRY_OVERHEAD_BYTES: usize = 48;

impl EntryCache {
    /// An empty cache for `bytes_max` bytes.
    pub(super) fn new(bytes_max: u64) -> EntryCache {
        EntryCache {
            entries: VecDeque::new(),
            bytes: 0,
            bytes_max: usize::try_from(bytes_max).unwrap_or(usize::MAX),
        }
    }

    /// Index of the first entry here; `None` if there is none.
    pub(super) fn first_index(&self) -> Option<u64> {
        self.entries.front().map(|entry| entry.index)
    }

    /// The entry at `index`, if it is here.
    pub(super) fn get(&self, index: u64) -> Option<&Entry> {
        let first = self.first_index()?;
        self.entries.get(usize::try_from(index.checked_sub(first)?).ok()?)
    }

    /// Puts `entries` at the end, in place of what stood there from the first of them on.
    pub(super) fn append(&mut self, entries: &[Entry]) {
        let Some(first) = entries.first() else { return };
        while self.entries.back().is_some_and(|last| last.index >= first.index) {
            self.forget_last();
        }
        // Behind a gap, what is here is not the end of the log any more.
        if self.entries.back().is_some_and(|last| last.index + 1 < first.index) {
            self.clear();
        }
        for entry in entries {
            self.bytes += cost(entry);
            self.entries.push_back(entry.clone());
        }
        while self.bytes > self.bytes_max {
            self.forget_first();
        }
    }

    /// Drops the entries below `index`.
    pub(super) fn compact_to(&mut self, index: u64) {
        while self.first_index().is_some_and(|first| first < index) {
            self.forget_first();
        }
    }

    /// Drops all entries.
    pub(super) fn clear(&mut self) {
        self.entries.clear();
        self.bytes = 0;
    }

    fn forget_first(&mut self) {
        if let Some(entry) = self.entries.pop_front() {
            self.bytes -= cost(&entry);
        }
    }

    fn forget_last(&mut self) {
        if let Some(entry) = self.entries.pop_back() {
            self.bytes -= cost(&entry);
        }
    }
}

fn cost(entry: &Entry) -> usize {
    entry.data.len() + ENTRY_OVERHEAD_BYTES
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(index: u64, term: u64, bytes: usize) -> Entry {
        Entry { index, term, data: vec![0; bytes].into(), ..Entry::default() }
    }

    fn ids(cache: &EntryCache) -> Vec<(u64, u64)> {
        let ids: Vec<_> = cache.entries.iter().map(|entry| (entry.index, entry.term)).collect();
        for &(index, term) in &ids {
            assert_eq!(cache.get(index).map(|entry| entry.term), Some(term));
        }
        assert_eq!(cache.bytes, cache.entries.iter().map(cost).sum::<usize>());
        ids
    }

    #[test]
    fn later_entries_replace_a_conflicting_tail() {
        let mut cache = EntryCache::new(10_000);
        cache.append(&[entry(6, 5, 1), entry(7, 5, 1), entry(8, 5, 1)]);
        cache.append(&[entry(7, 6, 1)]);
        assert_eq!(ids(&cache), [(6, 5), (7, 6)]);
        cache.append(&[entry(3, 7, 1)]);
        assert_eq!(ids(&cache), [(3, 7)], "nothing of the old tail is left");
        assert_eq!(cache.get(2), None);
        assert_eq!(cache.get(4), None);
    }

    #[test]
    fn a_gap_empties_it() {
        let mut cache = EntryCache::new(10_000);
        cache.append(&[entry(6, 5, 1)]);
        cache.append(&[entry(9, 5, 1)]);
        assert_eq!(ids(&cache), [(9, 5)]);
    }

    #[test]
    fn the_oldest_go_first_when_it_is_full() {
        let mut cache = EntryCache::new(3 * (100 + ENTRY_OVERHEAD_BYTES) as u64);
        for index in 1..=5 {
            cache.append(&[entry(index, 1, 100)]);
        }
        assert_eq!(ids(&cache), [(3, 1), (4, 1), (5, 1)]);
        cache.compact_to(5);
        assert_eq!(ids(&cache), [(5, 1)]);
        cache.append(&[entry(6, 1, 10_000)]);
        assert_eq!(ids(&cache), [], "an entry that does not fit is not kept");
        cache.append(&[entry(7, 1, 1)]);
        assert_eq!(ids(&cache), [(7, 1)]);
    }
}
