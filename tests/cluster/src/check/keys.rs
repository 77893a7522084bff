//! What a key of the `raft` family means. Written from the table in *data on disk*, and not with the store's own functions, so
//! that a store that mixes up its keys is noticed.

use super::observe::Db;

/// A key of the `raft` family.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LocalKey {
    /// Identity or format version: in both databases.
    Store,
    /// The region of an unfinished bootstrap.
    PrepareBootstrap,
    /// A log entry: region and index.
    Log(u64, u64),
    /// Hard state and last index of a region.
    RaftState(u64),
    /// Applied index and truncated state of a region.
    ApplyState(u64),
    /// Raft state of the snapshot that a region is installing.
    SnapshotRaftState(u64),
    /// How far the log of a region has been deleted.
    RaftGc(u64),
    /// Range, epoch, peers and state of a region.
    RegionState(u64),
}

impl LocalKey {
    /// What `key` means; `None` if nothing.
    pub fn parse(key: &[u8]) -> Option<LocalKey> {
        let number = |bytes: &[u8]| Some(u64::from_be_bytes(bytes.try_into().ok()?));
        match key {
            [1, 1] | [1, 4] => Some(LocalKey::Store),
            [1, 2] => Some(LocalKey::PrepareBootstrap),
            [1, 2, rest @ ..] if rest.len() == 17 && rest[8] == 1 => {
                Some(LocalKey::Log(number(&rest[..8])?, number(&rest[9..])?))
            }
            [1, 2, rest @ .., kind] => {
                let region_id = number(rest)?;
                match kind {
                    2 => Some(LocalKey::RaftState(region_id)),
                    3 => Some(LocalKey::ApplyState(region_id)),
                    4 => Some(LocalKey::SnapshotRaftState(region_id)),
                    5 => Some(LocalKey::RaftGc(region_id)),
                    _ => None,
                }
            }
            [1, 3, rest @ .., 1] => Some(LocalKey::RegionState(number(rest)?)),
            _ => None,
        }
    }

    /// Whether it belongs into `db`.
    pub fn belongs_to(self, db: Db) -> bool {
        match self {
            LocalKey::Store => true,
            LocalKey::Log(..) | LocalKey::RaftState(_) | LocalKey::RaftGc(_) => db == Db::Raft,
            LocalKey::PrepareBootstrap
            | LocalKey::ApplyState(_)
            | LocalKey::SnapshotRaftState(_)
            | LocalKey::RegionState(_) => db == Db::Kv,
        }
    }
}

#[cfg(test)]
mod tests {
    use kv::raftstore::meta::keys;

    use super::*;

    #[test]
    fn the_keys_of_the_store_mean_what_the_table_says() {
        for region in [1, 258, u64::MAX] {
            let parse = |key: bytes::Bytes| LocalKey::parse(&key);
            assert_eq!(parse(keys::raft_log_key(region, 7)), Some(LocalKey::Log(region, 7)));
            assert_eq!(parse(keys::raft_state_key(region)), Some(LocalKey::RaftState(region)));
            assert_eq!(parse(keys::apply_state_key(region)), Some(LocalKey::ApplyState(region)));
            assert_eq!(
                parse(keys::snapshot_raft_state_key(region)),
                Some(LocalKey::SnapshotRaftState(region))
            );
            assert_eq!(parse(keys::raft_gc_key(region)), Some(LocalKey::RaftGc(region)));
            assert_eq!(parse(keys::region_state_key(region)), Some(LocalKey::RegionState(region)));
        }
        assert_eq!(LocalKey::parse(&keys::store_ident_key()), Some(LocalKey::Store));
        assert_eq!(LocalKey::parse(&keys::format_version_key()), Some(LocalKey::Store));
        assert_eq!(LocalKey::parse(&keys::prepare_bootstrap_key()), Some(LocalKey::PrepareBootstrap));
        for other in [&b""[..], b"\x01", b"\x01\x02\x03", b"key", b"\x01\x03"] {
            assert_eq!(LocalKey::parse(other), None);
        }
    }
}
