//! What a store knows about all its regions together: which keys belong to which of them.

use std::collections::BTreeMap;
use std::ops::Bound;

use bytes::Bytes;
use proto::metapb::Region;

use super::region::ranges_overlap;
use crate::clock::Micros;
use crate::raftstore::RegionId;

/// What it takes to read a region under its leader's lease, anywhere in the store.
#[derive(Clone, Debug, PartialEq)]
pub struct ReadDelegate {
    /// The region.
    pub region: Region,
    /// Raft id of its leader, which is on this store.
    pub peer_id: u64,
    /// The leader's term.
    pub term: u64,
    /// At least so much is applied.
    pub applied_index: u64,
    /// Nobody else can lead before this.
    pub lease_until: Micros,
}

/// The regions of a store. Shared by the store FSM and all peers; volatile, rebuilt at the start.
///
/// Invariants:
/// 1. every range in the index belongs to an initialised region in `regions`, and starts where that region does;
/// 2. no two ranges of the index overlap.
#[derive(Debug, Default)]
pub struct StoreMeta {
    /// Start key → region.
    ranges: BTreeMap<Bytes, RegionId>,
    /// All regions with a peer here, initialised or not.
    regions: BTreeMap<RegionId, Region>,
    /// Regions of snapshots that were accepted and are not installed yet: their ranges are spoken for as well.
    pending_snapshots: BTreeMap<RegionId, Region>,
    /// Regions with a leader here that has a lease.
    readers: BTreeMap<RegionId, ReadDelegate>,
}

impl StoreMeta {
    /// Adds a region, or replaces what was known of it.
    pub fn set_region(&mut self, region: Region) {
        self.remove_range(region.id);
        self.readers.remove(&region.id);
        if !region.peers.is_empty() {
            let replaced = self.ranges.insert(region.start_key.clone(), region.id);
            assert!(replaced.is_none(), "regions {replaced:?} and {} start at the same key", region.id);
        }
        self.regions.insert(region.id, region);
    }

    /// Forgets a region.
    pub fn remove_region(&mut self, region_id: RegionId) {
        self.remove_range(region_id);
        self.regions.remove(&region_id);
        self.pending_snapshots.remove(&region_id);
        self.readers.remove(&region_id);
    }

    /// A region, if it has a peer here.
    pub fn region(&self, region_id: RegionId) -> Option<&Region> {
        self.regions.get(&region_id)
    }

    /// All regions with a peer here, by id.
    pub fn regions(&self) -> impl Iterator<Item = &Region> {
        self.regions.values()
    }

    /// The region that holds `key`, if it is on this store.
    pub fn region_of_key(&self, key: &[u8]) -> Option<&Region> {
        let (_, region_id) =
            self.ranges.range::<[u8], _>((Bound::Unbounded, Bound::Included(key))).next_back()?;
        let region = self.regions.get(region_id)?;
        (region.end_key.is_empty() || key < &region.end_key[..]).then_some(region)
    }

    /// Another region of this store that shares keys with `region`: one that is here, or one whose snapshot was accepted.
    pub fn overlapping(&self, region: &Region) -> Option<&Region> {
        let here = self.ranges.values().filter_map(|id| self.regions.get(id));
        here.chain(self.pending_snapshots.values())
            .find(|other| other.id != region.id && ranges_overlap(other, region))
    }

    /// A leader's lease was renewed.
    pub fn set_reader(&mut self, delegate: ReadDelegate) {
        self.readers.insert(delegate.region.id, delegate);
    }

    /// A leader has lost its lease.
    pub fn remove_reader(&mut self, region_id: RegionId) {
        self.readers.remove(&region_id);
    }

    /// The delegate of a region whose leader has a lease now.
    pub fn reader(&self, region_id: RegionId, now: Micros) -> Option<&ReadDelegate> {
        self.readers.get(&region_id).filter(|delegate| now < delegate.lease_until)
    }

    /// The ranges that no region holds, in order; an empty end is beyond all keys.
    pub fn gaps(&self) -> Vec<(Bytes, Bytes)> {
        let mut gaps = Vec::new();
        let mut covered = Bytes::new();
        for (start, region_id) in &self.ranges {
            if *start > covered {
                gaps.push((covered, start.clone()));
            }
            match self.regions.get(region_id).map(|region| region.end_key.clone()) {
                Some(end) if !end.is_empty() => covered = end,
                _ => return gaps,
            }
        }
        gaps.push((covered, Bytes::new()));
        gaps
    }

    /// A snapshot of `region` was accepted: its range is spoken for until [`StoreMeta::snapshot_done`].
    pub fn expect_snapshot(&mut self, region: Region) {
        self.pending_snapshots.insert(region.id, region);
    }

    /// The snapshot that `region_id` expected was installed, or will not be.
    pub fn snapshot_done(&mut self, region_id: RegionId) {
        self.pending_snapshots.remove(&region_id);
    }

    fn remove_range(&mut self, region_id: RegionId) {
        if let Some(known) = self.regions.get(&region_id)
            && self.ranges.get(&known.start_key[..]) == Some(&region_id)
        {
            self.ranges.remove(&known.start_key[..]);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proto::metapb::Peer;

    fn region(id: u64, start: &'static str, end: &'static str) -> Region {
        Region {
            id,
            start_key: start.into(),
            end_key: end.into(),
            peers: vec![Peer { id: id * 10, store_id: 1 }],
            ..Region::default()
        }
    }

    #[test]
    fn a_key_belongs_to_the_region_whose_range_holds_it() {
        let mut meta = StoreMeta::default();
        meta.set_region(region(1, "", "g"));
        meta.set_region(region(2, "m", ""));
        let of = |key: &str| meta.region_of_key(key.as_bytes()).map(|region| region.id);
        assert_eq!(
            [of("a"), of("fz"), of("g"), of("k"), of("m"), of("z")],
            [Some(1), Some(1), None, None, Some(2), Some(2)]
        );
    }

    #[test]
    fn a_region_that_shrinks_gives_its_keys_back() {
        let mut meta = StoreMeta::default();
        meta.set_region(region(1, "", ""));
        assert_eq!(meta.overlapping(&region(2, "m", "")).map(|region| region.id), Some(1));
        meta.set_region(region(1, "", "m"));
        assert_eq!(meta.overlapping(&region(2, "m", "")), None);
        meta.remove_region(1);
        assert_eq!(meta.region_of_key(b"a"), None);
    }

    #[test]
    fn gaps_are_what_no_region_holds() {
        let gaps = |regions: &[Region]| {
            let mut meta = StoreMeta::default();
            regions.iter().for_each(|region| meta.set_region(region.clone()));
            let text = |key: Bytes| String::from_utf8(key.to_vec()).unwrap();
            let gaps = meta.gaps().into_iter().map(|(start, end)| (text(start), text(end)));
            gaps.collect::<Vec<(String, String)>>()
        };
        let gap = |start: &str, end: &str| (start.to_owned(), end.to_owned());
        assert_eq!(gaps(&[]), [gap("", "")]);
        assert_eq!(gaps(&[region(1, "", "")]), []);
        assert_eq!(gaps(&[region(1, "", "f"), region(2, "f", "")]), []);
        assert_eq!(
            gaps(&[region(1, "c", "f"), region(2, "m", "p")]),
            [gap("", "c"), gap("f", "m"), gap("p", "")]
        );
    }

    #[test]
    fn an_accepted_snapshot_keeps_others_out_until_it_is_done() {
        let mut meta = StoreMeta::default();
        meta.expect_snapshot(region(1, "a", "m"));
        assert!(meta.overlapping(&region(1, "a", "m")).is_none(), "a region is not in its own way");
        assert_eq!(meta.overlapping(&region(2, "l", "z")).map(|region| region.id), Some(1));
        meta.snapshot_done(1);
        assert_eq!(meta.overlapping(&region(2, "l", "z")), None);
    }
}
