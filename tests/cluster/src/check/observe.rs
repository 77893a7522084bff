//! What the checks are told: the vocabulary of the calls that the simulation makes at its seams.

use bytes::Bytes;
use proto::raft_cmdpb::RaftCmdRequest;

/// Virtual time, in microseconds since the start of the run.
pub type Micros = u64;

/// A command on its way through the cluster; unique in a run, and never 0.
pub type CommandId = u64;

/// One of the two databases of a store.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Db {
    /// Raft logs and states.
    Raft,
    /// Data, and what has been applied.
    Kv,
}

impl Db {
    /// Its name, as the handouts have it.
    pub fn name(self) -> &'static str {
        match self {
            Db::Raft => "raftdb",
            Db::Kv => "kvdb",
        }
    }
}

/// A snapshot file of a store.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct SnapshotFile {
    /// Region whose data it holds.
    pub region_id: u64,
    /// Term of the last entry in it.
    pub term: u64,
    /// Index of the last entry in it.
    pub index: u64,
    /// Whether it came from another store, to be installed here; otherwise it was made here, to be sent.
    pub received: bool,
}

/// What happens to a snapshot file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FileEvent {
    /// Somebody begins to read it, to send or to install it.
    Opened,
    /// The reading has ended, well or badly.
    Closed,
    /// The store deletes it.
    Deleted,
}

/// Writes `id` into the header of a command, so that it can be recognised in the log.
///
/// # Panics
/// If the command has no header: no store accepts one.
pub fn stamp(request: &mut RaftCmdRequest, id: CommandId) {
    let header = request.header.as_mut().expect("every command has a header");
    header.uuid = Bytes::copy_from_slice(&id.to_be_bytes());
}

/// The id that [`stamp`] wrote; `None` for a command that nobody stamped, as those that a store proposes to itself.
pub fn stamped(request: &RaftCmdRequest) -> Option<CommandId> {
    let uuid = &request.header.as_ref()?.uuid;
    Some(u64::from_be_bytes(uuid.as_ref().try_into().ok()?))
}

#[cfg(test)]
mod tests {
    use proto::raft_cmdpb::RaftRequestHeader;

    use super::*;

    #[test]
    fn an_id_is_read_back_and_none_is_invented() {
        let mut request = RaftCmdRequest { header: Some(RaftRequestHeader::default()), ..Default::default() };
        assert_eq!(stamped(&request), None);
        stamp(&mut request, 258);
        assert_eq!(stamped(&request), Some(258));
        assert_eq!(stamped(&RaftCmdRequest::default()), None);
    }
}
