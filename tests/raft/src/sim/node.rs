//! One simulated process: a peer at its seams, and what it has in hand.

use bytes::Bytes;
use proto::eraftpb::Entry;
use raft::{Ready, Role, Status};

use super::event::Event;
use crate::disk::Disk;
use crate::host::Host;

/// A process that runs one peer, through all its lives.
pub struct Node {
    /// The peer.
    pub id: u64,
    /// The running peer; none while it is down.
    pub host: Option<Host>,
    /// What is left on disk; none while the peer runs (it owns its disk then).
    pub disk: Option<Disk>,
    /// How often it was started.
    pub life: u64,
    /// It was removed from the group and taken away, or it was never added.
    pub gone: bool,
    /// It is going to be taken away.
    pub leaving: bool,
    /// How many pauses hold it at the moment.
    pub paused: u32,
    /// What arrived while it was paused.
    pub backlog: Vec<Event>,
    /// When it will die, if it is to die at a seam call.
    pub fuse: Option<Fuse>,
    /// Work that is written and not yet synced.
    pub ready: Option<Box<Ready>>,
    /// Committed entries that the state machine has not applied yet.
    pub applying: Vec<Entry>,
    /// An apply is under way.
    pub apply_busy: bool,
    /// In a schedule: after so many more writes, one will wait.
    pub slow_disk_after: Option<u32>,
    /// In a schedule: after so many more applies, one will wait.
    pub slow_apply_after: Option<u32>,
    /// Length of its ticks.
    pub tick_us: u64,
    /// How many draws it has made for its disk, its applies, its ticks.
    pub draws: Draws,
}

/// Counters of keyed draws.
#[derive(Clone, Copy, Debug, Default)]
pub struct Draws {
    /// Syncs.
    pub disk: u64,
    /// Applies.
    pub apply: u64,
    /// Ticks.
    pub ticks: u64,
}

/// A crash that waits for its moment.
#[derive(Clone, Copy, Debug)]
pub struct Fuse {
    /// Seam calls that still go through.
    pub calls: u64,
    /// For how long the process will be down.
    pub down_ms: u64,
    /// How many unsynced writes survive; drawn if not given.
    pub keep: Option<u64>,
}

impl Node {
    /// A process that has not been started yet, with the disk of a fresh group.
    pub fn new(id: u64, voters: &[u64], tick_us: u64) -> Node {
        Node {
            id,
            host: None,
            disk: Some(Disk::new(voters)),
            life: 0,
            gone: false,
            leaving: false,
            paused: 0,
            backlog: Vec::new(),
            fuse: None,
            ready: None,
            applying: Vec::new(),
            apply_busy: false,
            slow_disk_after: None,
            slow_apply_after: None,
            tick_us,
            draws: Draws::default(),
        }
    }

    /// Whether the process runs, paused or not.
    pub fn is_up(&self) -> bool {
        self.host.is_some()
    }

    /// State of the peer, if it runs.
    pub fn status(&self) -> Option<Status> {
        self.host.as_ref().map(Host::status)
    }

    /// Whether it runs and believes that it leads.
    pub fn leads(&self) -> bool {
        self.status().is_some_and(|status| status.role == Role::Leader)
    }
}

/// The bytes of a command: its number, and some ballast so that commands differ in length.
pub fn command(number: u64) -> Bytes {
    let mut data = number.to_be_bytes().to_vec();
    data.resize(8 + (number % 5) as usize * 8, 0xC0);
    Bytes::from(data)
}

/// Number of the command in an entry; `None` if no client ever sent these bytes.
pub fn number_of(data: &[u8]) -> Option<u64> {
    let number = u64::from_be_bytes(data.get(..8)?.try_into().ok()?);
    (command(number) == data).then_some(number)
}
