//! Small sets and tables of peers, cheap to copy and to compare.

use proto::eraftpb::ConfState;

/// Peers in a simulation have ids below this.
pub const PEERS_MAX: usize = 16;

/// A set of peers, as bits.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Peers(u32);

impl Peers {
    /// The peers of a list.
    pub fn of(ids: &[u64]) -> Peers {
        ids.iter().fold(Peers::default(), |set, &id| set.with(id))
    }

    /// The same with `id`.
    #[must_use]
    pub fn with(self, id: u64) -> Peers {
        Peers(self.0 | Peers::bit(id))
    }

    /// The same without `id`.
    #[must_use]
    pub fn without(self, id: u64) -> Peers {
        Peers(self.0 & !Peers::bit(id))
    }

    /// Those that are in both.
    #[must_use]
    pub fn and(self, other: Peers) -> Peers {
        Peers(self.0 & other.0)
    }

    /// Whether `id` is in the set.
    pub fn has(self, id: u64) -> bool {
        self.0 & Peers::bit(id) != 0
    }

    /// How many there are.
    pub fn count(self) -> u32 {
        self.0.count_ones()
    }

    /// Whether there are none.
    pub fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// Whether `part` holds a majority of this set.
    pub fn has_majority(self, part: Peers) -> bool {
        self.and(part).count() * 2 > self.count()
    }

    /// The members, ascending.
    pub fn iter(self) -> impl Iterator<Item = u64> {
        (0..PEERS_MAX as u64).filter(move |&id| self.has(id))
    }

    fn bit(id: u64) -> u32 {
        if id < PEERS_MAX as u64 { 1 << id } else { 0 }
    }
}

impl std::fmt::Display for Peers {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_set().entries(self.iter()).finish()
    }
}

/// A group: voters and learners.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Group {
    /// Their votes and logs count.
    pub voters: Peers,
    /// They only receive.
    pub learners: Peers,
}

impl Group {
    /// The group that `state` describes.
    pub fn of(state: &ConfState) -> Group {
        Group { voters: Peers::of(&state.voters), learners: Peers::of(&state.learners) }
    }
}

/// A number for each peer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct PerPeer([u64; PEERS_MAX]);

impl PerPeer {
    /// Number of peer `id`.
    pub fn get(&self, id: u64) -> u64 {
        self.0.get(id as usize).copied().unwrap_or(0)
    }

    /// Raises the number of peer `id` to `value`; never lowers it.
    pub fn raise(&mut self, id: u64, value: u64) {
        if let Some(number) = self.0.get_mut(id as usize) {
            *number = (*number).max(value);
        }
    }

    /// Puts the number of peer `id` back to 0.
    pub fn clear(&mut self, id: u64) {
        if let Some(number) = self.0.get_mut(id as usize) {
            *number = 0;
        }
    }

    /// The peers of `among` whose number is at least `value`.
    pub fn at_least(&self, value: u64, among: Peers) -> Peers {
        among.iter().filter(|&id| self.get(id) >= value).fold(Peers::default(), Peers::with)
    }
}
