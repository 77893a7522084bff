//! Exact tests of part 2ab, log replication: driven below `RawNode`, without snapshots.

pub mod answers;
pub mod catch_up;
pub mod commit;
pub mod flow;
pub mod follower;
pub mod group;
pub mod leader;
pub mod leaders_word;
pub mod votes;
