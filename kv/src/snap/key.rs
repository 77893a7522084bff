//! Which snapshot: region and position in its log.

use prost::Message;
use proto::eraftpb::Snapshot;
use proto::raft_serverpb::RaftSnapshotData;

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
    /// The snapshot that a Raft message carries; `None` if it is malformed.
    pub fn of(snapshot: &Snapshot) -> Option<SnapKey> {
        let meta = snapshot.metadata.as_ref()?;
        let region = RaftSnapshotData::decode(&snapshot.data[..]).ok()?.region?;
        Some(SnapKey { region_id: region.id, term: meta.term, index: meta.index })
    }
}

impl std::fmt::Display for SnapKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}_{}_{}", self.region_id, self.term, self.index)
    }
}
