//! What both libraries are driven through, and the pump that drives them.

/// One node of either library, over its own storage in memory.
pub trait Node: Sized {
    /// What the library sends.
    type Message;

    /// How the node may differ from others of its library.
    type Tuning: Copy;

    /// A node of a fresh group of `voters`.
    fn new(id: u64, voters: &[u64], tuning: Self::Tuning) -> Self;

    /// Campaigns now.
    fn campaign(&mut self);

    /// Lets a tick pass.
    fn tick(&mut self);

    /// Proposes a command at the leader.
    fn propose(&mut self, command: Vec<u8>);

    /// Handles a message.
    fn step(&mut self, message: Self::Message);

    /// Where a message goes to: an id.
    fn receiver(message: &Self::Message) -> u64;

    /// Does all the work that waits, once: writes, puts messages into `out`, applies through `apply`, and reports back.
    /// Returns whether there was any.
    fn work(&mut self, out: &mut Vec<Self::Message>, apply: &mut dyn FnMut(&[u8])) -> bool;

    /// Drops the log but for the last `keep` entries.
    fn compact(&mut self, keep: u64);
}

/// Nodes 1, 2, …, and the network between them. Node 1 leads.
pub struct Cluster<N: Node> {
    nodes: Vec<N>,
    /// Commands applied, by node.
    applied: Vec<u64>,
    /// Bytes of the commands applied.
    applied_bytes: u64,
    /// Messages handed on so far.
    pub messages: u64,
    /// Gets no messages, if any.
    cut_off: Option<u64>,
    out: Vec<N::Message>,
}

impl<N: Node> Cluster<N> {
    /// A cluster of `size` nodes that has elected node 1.
    pub fn new(size: u64, tuning: N::Tuning) -> Cluster<N> {
        let voters: Vec<u64> = (1..=size).collect();
        let mut nodes: Vec<N> = voters.iter().map(|&id| N::new(id, &voters, tuning)).collect();
        nodes[0].campaign();
        let applied = vec![0; nodes.len()];
        let mut cluster =
            Cluster { nodes, applied, applied_bytes: 0, messages: 0, cut_off: None, out: Vec::new() };
        cluster.pump();
        cluster
    }

    /// Proposes `batch` commands at the leader, and hands messages on until nothing is left to do.
    pub fn commit(&mut self, command: &[u8], batch: usize) {
        for _ in 0..batch {
            self.nodes[0].propose(command.to_vec());
        }
        self.pump();
    }

    /// Works and hands messages on until every node has come to rest.
    pub fn pump(&mut self) {
        loop {
            let mut busy = false;
            for (node, applied) in self.nodes.iter_mut().zip(&mut self.applied) {
                let bytes = &mut self.applied_bytes;
                busy |= node.work(&mut self.out, &mut |command| {
                    *applied += u64::from(!command.is_empty());
                    *bytes += command.len() as u64;
                });
            }
            if !busy && self.out.is_empty() {
                return;
            }
            for message in self.out.drain(..) {
                let to = N::receiver(&message);
                if self.cut_off != Some(to) {
                    self.messages += 1;
                    self.nodes[to as usize - 1].step(message);
                }
            }
        }
    }

    /// Drops every log but for its last `keep` entries.
    pub fn compact(&mut self, keep: u64) {
        self.nodes.iter_mut().for_each(|node| node.compact(keep));
    }

    /// Lets no message through to node `id` from now on; `None` lets all through again.
    pub fn cut_off(&mut self, id: Option<u64>) {
        self.cut_off = id;
    }

    /// Lets time pass at the leader, so that heartbeats go out, until every node has applied `commands`.
    ///
    /// # Panics
    /// If that does not happen in reasonable time.
    pub fn catch_up(&mut self, commands: u64) {
        for _ in 0..1_000_000 {
            if self.applied.iter().all(|&applied| applied == commands) {
                return;
            }
            self.nodes[0].tick();
            self.pump();
        }
        panic!("applied {:?} of {commands}", self.applied);
    }

    /// Checks that every node has applied exactly `commands` commands.
    ///
    /// # Panics
    /// If one has not: the figures would mean nothing.
    pub fn check(&self, commands: u64) {
        assert!(self.applied.iter().all(|&applied| applied == commands), "{:?} of {commands}", self.applied);
    }
}
