//! How a peer behaves.

use crate::error::{Error, Result};
use crate::types::{Index, NONE, PeerId};

/// Configuration of one peer. Start from [`Config::new`], and change what you need.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Config {
    /// This peer; never [`NONE`].
    pub id: PeerId,
    /// A follower that hears nothing campaigns after `election_ticks..2 * election_ticks` ticks, drawn at random.
    pub election_ticks: u32,
    /// A leader sends a heartbeat every so many ticks. Less than `election_ticks`.
    pub heartbeat_ticks: u32,
    /// Decides the random election timeouts. Two peers of a group differ even with equal seeds.
    pub seed: u64,
    /// Last index that the caller's state machine has applied; 0 on the first start. `Ready` hands out later entries.
    pub applied: Index,
    /// Limit on the entries of one message, in bytes of their data; one entry always goes. 0: one entry a message.
    pub max_message_bytes: u64,
    /// Limit on the append messages on their way to one follower.
    pub max_inflight_messages: usize,
    /// Limit on the committed entries of one `Ready`, in bytes of their data; one entry always goes.
    pub max_ready_bytes: u64,
    /// Ask for votes before raising the term, so that a peer that was cut off does not disturb (thesis §9.6).
    pub pre_vote: bool,
    /// A leader that has not heard from a quorum for `election_ticks` steps down, and a follower that hears its leader
    /// ignores campaigns (thesis §6.2).
    pub check_quorum: bool,
    /// How linearizable reads are confirmed.
    pub read_mode: ReadMode,
}

/// How a leader makes sure that it still leads before it answers a read (thesis §6.4).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum ReadMode {
    /// A round of heartbeats for each batch of reads. Needs no clock.
    #[default]
    Quorum,
    /// Trusts that no other leader is elected within `election_ticks`. Needs `check_quorum`, and clocks of bounded drift.
    Lease,
}

impl Config {
    /// The default configuration for peer `id`: election after 10 to 19 ticks, a heartbeat every 2.
    pub fn new(id: PeerId) -> Config {
        Config {
            id,
            election_ticks: 10,
            heartbeat_ticks: 2,
            seed: 0,
            applied: 0,
            max_message_bytes: 1 << 20,
            max_inflight_messages: 256,
            max_ready_bytes: 16 << 20,
            pre_vote: false,
            check_quorum: false,
            read_mode: ReadMode::Quorum,
        }
    }

    /// Checks that the values make sense together.
    ///
    /// # Errors
    /// [`Error::InvalidConfig`] names the first field that does not, and why.
    pub fn validate(&self) -> Result<()> {
        let invalid = |why: &str| Err(Error::InvalidConfig(why.to_owned()));
        if self.id == NONE {
            return invalid("id must not be 0: 0 means no peer");
        }
        if self.heartbeat_ticks == 0 {
            return invalid("heartbeat_ticks must be at least 1");
        }
        if self.election_ticks <= self.heartbeat_ticks {
            return invalid(
                "election_ticks must be greater than heartbeat_ticks, or followers campaign against a live leader",
            );
        }
        if self.max_inflight_messages == 0 {
            return invalid("max_inflight_messages must be at least 1, or nothing is ever sent");
        }
        if self.read_mode == ReadMode::Lease && !self.check_quorum {
            return invalid("read_mode Lease needs check_quorum, or a deposed leader keeps its lease");
        }
        Ok(())
    }
}
