//! Regions by key range: together they cover the key space once, and newer news replace older ones.

use std::collections::BTreeMap;
use std::ops::Bound;

use bytes::Bytes;
use proto::metapb::{Peer, Region, RegionEpoch};

use crate::error::{Error, Result};

/// What is known of a region.
#[derive(Clone, Debug, PartialEq)]
pub struct RegionInfo {
    /// Range, epoch, peers. On disk.
    pub region: Region,
    /// Its leader, as of the last heartbeat. Volatile.
    pub leader: Option<Peer>,
    /// Raft term of that leader. Volatile; 0 before the first heartbeat.
    pub term: u64,
}

/// All regions, ordered by start key.
///
/// Invariant: no two overlap. There may be a gap for the moment between the heartbeats of the two halves of a split.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Regions {
    by_start: BTreeMap<Bytes, RegionInfo>,
    start_of: BTreeMap<u64, Bytes>,
}

impl Regions {
    /// The region that holds `key`.
    pub fn at(&self, key: &[u8]) -> Option<&RegionInfo> {
        let (_, info) =
            self.by_start.range::<[u8], _>((Bound::Unbounded, Bound::Included(key))).next_back()?;
        ends_after(&info.region, key).then_some(info)
    }

    /// The region before the one that holds `key`.
    pub fn before(&self, key: &[u8]) -> Option<&RegionInfo> {
        let start = &self.at(key)?.region.start_key;
        self.by_start
            .range::<[u8], _>((Bound::Unbounded, Bound::Excluded(start.as_ref())))
            .next_back()
            .map(|(_, info)| info)
    }

    /// The region with this id.
    pub fn get(&self, id: u64) -> Option<&RegionInfo> {
        self.by_start.get(self.start_of.get(&id)?)
    }

    /// Regions with any key of `start..end` (to the last, if `end` is empty), in order, at most `limit`.
    pub fn scan<'a, 'k>(
        &'a self,
        start: &'k [u8],
        end: &'k [u8],
        limit: usize,
    ) -> impl Iterator<Item = &'a RegionInfo> + use<'a, 'k> {
        let overlapping = self.by_start.values().filter(move |info| ends_after(&info.region, start));
        overlapping.take_while(move |info| end.is_empty() || info.region.start_key.as_ref() < end).take(limit)
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.by_start.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.by_start.is_empty()
    }

    /// Replaces what is known of the range of `info` by `info`. Returns the ids of the regions that are gone by that.
    ///
    /// # Errors
    /// [`Error::Stale`] if something newer is known about any part of that range: then nothing changes.
    pub fn update(&mut self, info: RegionInfo) -> Result<Vec<u64>> {
        let region = &info.region;
        let (start, end) = (region.start_key.clone(), region.end_key.clone());
        if let Some(known) = self.get(region.id) {
            check_not_older(known, &info)?;
        }
        let overlapping: Vec<&RegionInfo> = self.scan(&start, &end, usize::MAX).collect();
        for other in overlapping.iter().filter(|other| other.region.id != region.id) {
            // Whoever shares keys with another region has split or merged more often than it, or is out of date.
            if epoch(&other.region).version >= epoch(region).version {
                let what = format!("region {} holds part of its range by now", other.region.id);
                return Err(Error::Stale { region_id: region.id, what });
            }
        }
        let gone =
            overlapping.iter().map(|other| other.region.id).filter(|id| *id != region.id).collect::<Vec<_>>();
        for id in gone.iter().chain([&region.id]) {
            if let Some(start) = self.start_of.remove(id) {
                self.by_start.remove(&start);
            }
        }
        self.start_of.insert(region.id, start.clone());
        self.by_start.insert(start, info);
        Ok(gone)
    }
}

/// Whether any key from `key` on lies in `region`, or in front of it.
fn ends_after(region: &Region, key: &[u8]) -> bool {
    region.end_key.is_empty() || region.end_key.as_ref() > key
}

fn epoch(region: &Region) -> RegionEpoch {
    region.region_epoch.unwrap_or_default()
}

/// A report about the same region is refused if any part of it is older than what is known: a split or a membership change
/// that it does not know of, or a later election.
fn check_not_older(known: &RegionInfo, news: &RegionInfo) -> Result<()> {
    let (old, new) = (epoch(&known.region), epoch(&news.region));
    let stale = |what| Err(Error::Stale { region_id: news.region.id, what });
    if new.version < old.version || new.conf_ver < old.conf_ver {
        return stale(format!(
            "its epoch is {}.{}, and {}.{} is known",
            new.version, new.conf_ver, old.version, old.conf_ver
        ));
    }
    if news.term != 0 && news.term < known.term {
        return stale(format!("it is of term {}, and a leader of term {} is known", news.term, known.term));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn region(id: u64, start: &str, end: &str, version: u64, conf_ver: u64) -> RegionInfo {
        let region = Region {
            id,
            start_key: start.to_owned().into(),
            end_key: end.to_owned().into(),
            region_epoch: Some(RegionEpoch { conf_ver, version }),
            peers: Vec::new(),
        };
        RegionInfo { region, leader: None, term: 0 }
    }

    fn split_at_m() -> Regions {
        let mut regions = Regions::default();
        regions.update(region(1, "", "", 1, 1)).unwrap();
        regions.update(region(1, "", "m", 2, 1)).unwrap();
        regions.update(region(2, "m", "", 2, 1)).unwrap();
        regions
    }

    #[test]
    fn looks_up_by_key_and_by_id() {
        let regions = split_at_m();
        let at = |key: &str| regions.at(key.as_bytes()).unwrap().region.id;
        assert_eq!((at(""), at("a"), at("lzzz"), at("m"), at("z")), (1, 1, 1, 2, 2));
        assert_eq!(regions.get(2).unwrap().region.start_key, "m");
        assert_eq!(regions.before(b"m").unwrap().region.id, 1);
        assert_eq!(regions.before(b"a"), None);
    }

    #[test]
    fn scans_a_range_up_to_a_limit() {
        let regions = split_at_m();
        let scan = |start: &str, end: &str, limit| {
            let found = regions.scan(start.as_bytes(), end.as_bytes(), limit);
            found.map(|info| info.region.id).collect::<Vec<_>>()
        };
        assert_eq!(scan("", "", 9), [1, 2]);
        assert_eq!(scan("", "", 1), [1]);
        assert_eq!(scan("a", "m", 9), [1]);
        assert_eq!(scan("m", "", 9), [2]);
        assert_eq!(scan("a", "n", 9), [1, 2]);
    }

    #[test]
    fn a_gap_is_not_found() {
        let mut regions = Regions::default();
        regions.update(region(1, "", "m", 2, 1)).unwrap();
        assert_eq!(regions.at(b"z"), None);
    }

    #[test]
    fn stale_epochs_are_refused_and_change_nothing() {
        let mut regions = split_at_m();
        regions.update(region(2, "m", "", 2, 5)).unwrap();
        let before = regions.clone();
        for stale in [region(1, "", "", 1, 1), region(2, "m", "", 2, 4), region(3, "a", "b", 2, 1)] {
            assert!(matches!(regions.update(stale), Err(Error::Stale { .. })));
            assert_eq!(regions, before);
        }
    }

    #[test]
    fn a_newer_region_replaces_those_it_overlaps() {
        let mut regions = split_at_m();
        assert_eq!(regions.update(region(2, "", "", 3, 1)).unwrap(), [1]);
        assert_eq!((regions.len(), regions.get(1)), (1, None));
        assert_eq!(regions.at(b"a").unwrap().region.id, 2);
    }

    #[test]
    fn a_deposed_leader_is_refused() {
        let mut regions = split_at_m();
        regions.update(RegionInfo { term: 7, ..region(1, "", "m", 2, 1) }).unwrap();
        assert!(regions.update(RegionInfo { term: 6, ..region(1, "", "m", 2, 1) }).is_err());
        regions.update(RegionInfo { term: 7, ..region(1, "", "m", 2, 1) }).unwrap();
    }
}
