//! Which snapshot: region and position in its log; and the names of its files.

use prost::Message;
use proto::eraftpb::Snapshot;
use proto::raft_serverpb::RaftSnapshotData;

use super::{Error, Result};

/// Names a snapshot. Two snapshots of the same key hold the same data.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SnapKey {
    /// Region.
    pub region_id: u64,
    /// Term of the last entry in it.
    pub term: u64,
    /// Index of the last entry in it.
    pub index: u64,
}

impl SnapKey {
    /// The snapshot that a Raft message carries.
    ///
    /// # Errors
    /// [`Error::Malformed`].
    pub fn of(snapshot: &Snapshot) -> Result<SnapKey> {
        Ok(SnapKey::with_data(snapshot)?.0)
    }

    /// The same, and what the message says about the file.
    pub fn with_data(snapshot: &Snapshot) -> Result<(SnapKey, RaftSnapshotData)> {
        let malformed = |what: &str| Error::Malformed(what.to_owned());
        let meta = snapshot.metadata.as_ref().ok_or_else(|| malformed("it has no metadata"))?;
        let data =
            RaftSnapshotData::decode(&snapshot.data[..]).map_err(|error| malformed(&error.to_string()))?;
        let region = data.region.as_ref().ok_or_else(|| malformed("it has no region"))?;
        Ok((SnapKey { region_id: region.id, term: meta.term, index: meta.index }, data))
    }
}

impl std::fmt::Display for SnapKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "region {} at term {}, index {}", self.region_id, self.term, self.index)
    }
}

/// Which way a snapshot goes. A store may hold the same one twice, if it received it, and leads later.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Direction {
    /// Made here, to be sent.
    Generated,
    /// Received from another store, to be installed.
    Received,
}

/// What a name ends with while its file is not whole.
const UNFINISHED: &str = ".tmp";

/// Name of a file that is whole.
pub(super) fn file_name(direction: Direction, key: &SnapKey) -> String {
    let prefix = match direction {
        Direction::Generated => "gen",
        Direction::Received => "rev",
    };
    format!("{prefix}_{}_{}_{}.snap", key.region_id, key.term, key.index)
}

/// Name of the same file while it is being written.
pub(super) fn unfinished_name(direction: Direction, key: &SnapKey) -> String {
    file_name(direction, key) + UNFINISHED
}

/// Whose file this is.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Named {
    /// A file that is whole.
    Whole(Direction, SnapKey),
    /// A file that nobody has finished.
    Unfinished,
    /// None of ours.
    Foreign,
}

/// Reads a name.
pub(super) fn parse_name(name: &str) -> Named {
    let whole = |name: &str| {
        let (prefix, rest) = name.strip_suffix(".snap")?.split_once('_')?;
        let direction = match prefix {
            "gen" => Direction::Generated,
            "rev" => Direction::Received,
            _ => return None,
        };
        let numbers: Option<Vec<u64>> = rest.split('_').map(|number| number.parse().ok()).collect();
        let &[region_id, term, index] = numbers?.as_slice() else { return None };
        let key = SnapKey { region_id, term, index };
        // Only exactly what we would write: not `+1`, not `01`.
        (file_name(direction, &key) == name).then_some((direction, key))
    };
    if let Some((direction, key)) = whole(name) {
        return Named::Whole(direction, key);
    }
    match name.strip_suffix(UNFINISHED).and_then(whole) {
        Some(_) => Named::Unfinished,
        None => Named::Foreign,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_as_they_are_written() {
        let key = SnapKey { region_id: 1, term: u64::MAX, index: 30 };
        for direction in [Direction::Generated, Direction::Received] {
            assert_eq!(parse_name(&file_name(direction, &key)), Named::Whole(direction, key));
            assert_eq!(parse_name(&unfinished_name(direction, &key)), Named::Unfinished);
        }
        for foreign in [
            "",
            "notes.txt",
            "gen_1_2.snap",
            "gen_1_2_3_4.snap",
            "gen_+1_2_3.snap",
            "gen_01_2_3.snap",
            ".tmp",
        ] {
            assert_eq!(parse_name(foreign), Named::Foreign, "{foreign}");
        }
    }
}
