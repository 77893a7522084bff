//! Column families: separate key spaces of one engine that share its batches.

/// A column family.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Cf {
    /// Raw values, and values of transactions.
    Default,
    /// Locks of transactions.
    Lock,
    /// Commit records of transactions.
    Write,
    /// What the raftstore keeps for itself; closed to users.
    Raft,
}

impl Cf {
    /// All of them, in a fixed order.
    pub const ALL: [Cf; 4] = [Cf::Default, Cf::Lock, Cf::Write, Cf::Raft];
    /// Those that hold user data: what a snapshot of a region carries.
    pub const DATA: [Cf; 3] = [Cf::Default, Cf::Lock, Cf::Write];

    /// Its name on the wire and on disk.
    pub fn name(self) -> &'static str {
        match self {
            Cf::Default => "default",
            Cf::Lock => "lock",
            Cf::Write => "write",
            Cf::Raft => "raft",
        }
    }

    /// The family that a client means by `name`; an empty name means `default`, and `raft` is not for clients.
    pub fn of_client(name: &str) -> Option<Cf> {
        if name.is_empty() {
            return Some(Cf::Default);
        }
        Cf::DATA.into_iter().find(|cf| cf.name() == name)
    }
}
