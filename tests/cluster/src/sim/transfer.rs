//! Snapshots on their way from store to store: the file travels in pieces, and the message is delivered when it is there.

use std::collections::VecDeque;

use bytes::Bytes;
use harness::links::Report;
use harness::rng::Stream;
use kv::snap::{SnapKey, SnapReceiver, SnapSender};
use proto::eraftpb::Snapshot;

use super::event::Event;
use super::net::Flying;
use super::story::What;
use super::world::{Stop, World};

/// Longest time between two pieces.
const PIECE_US: u64 = 1_000;

/// A snapshot on its way.
pub struct Transfer {
    flying: Flying,
    /// Keeps the file at the sender.
    _sender: SnapSender,
    pieces: VecDeque<Bytes>,
    receiver: SnapReceiver,
    /// Life of the receiver.
    life: u64,
    sent: u64,
}

impl Transfer {
    /// Position of the receiver.
    pub fn to(&self) -> usize {
        self.flying.to
    }
}

impl World<'_> {
    /// A snapshot message has arrived: its file follows.
    pub fn begin_transfer(&mut self, flying: Flying) -> Result<(), Stop> {
        let Flying { from, to, life, .. } = flying;
        let snapshot = flying.message.message.as_ref().and_then(|message| message.snapshot.clone());
        let alive = self.stores[from].life == life && self.stores[from].is_up();
        let Some(snapshot) = snapshot.filter(|_| alive) else {
            self.fail_transfer(&flying);
            return Ok(());
        };
        let Some((sender, pieces)) = self.open_sender(from, &snapshot)? else {
            self.fail_transfer(&flying);
            return Ok(());
        };
        let mut receiver = None;
        self.at(to, "a snapshot", |running| {
            receiver = running.store.snap_manager().begin_receiving(&snapshot).ok();
        })?;
        let Some(receiver) = receiver.filter(|_| self.stores[to].is_up()) else {
            self.fail_transfer(&flying);
            return Ok(());
        };
        let life = self.stores[to].life;
        let transfer = Transfer { flying, _sender: sender, pieces, receiver, life, sent: 0 };
        let number = self.transfers.len();
        self.transfers.push(Some(transfer));
        self.queue.push(self.now + 1, Event::Piece { transfer: number });
        Ok(())
    }

    fn open_sender(
        &mut self,
        from: usize,
        snapshot: &Snapshot,
    ) -> Result<Option<(SnapSender, VecDeque<Bytes>)>, Stop> {
        let Ok(key) = SnapKey::of(snapshot) else { return Ok(None) };
        let chunk = self.plan.knobs.store.chunk_bytes.max(1) as usize;
        let mut opened = None;
        self.at(from, "sending a snapshot", |running| {
            let Ok(mut sender) = running.store.snap_manager().open_for_sending(&key) else { return };
            let mut pieces = VecDeque::new();
            while let Ok(Some(piece)) = sender.next_chunk(chunk) {
                pieces.push_back(piece);
            }
            opened = Some((sender, pieces));
        })?;
        Ok(opened.filter(|_| self.stores[from].is_up()))
    }

    /// The next piece of a snapshot arrives, or the message that it belongs to.
    pub fn on_piece(&mut self, number: usize) -> Result<(), Stop> {
        let Some(mut transfer) = self.transfers[number].take() else { return Ok(()) };
        let (from, to) = (transfer.flying.from, transfer.flying.to);
        if self.stores[from].clogs > 0 || self.stores[to].clogs > 0 {
            self.transfers[number] = Some(transfer);
            self.queue.push(self.now + 20_000, Event::Piece { transfer: number });
            return Ok(());
        }
        transfer.sent += 1;
        let (id, draw) = (transfer.flying.number, transfer.sent);
        let loss = if self.acts.healed() { 0 } else { self.plan.knobs.store.snapshot_loss_ppm };
        if self.stores[to].life != transfer.life
            || !self.stores[to].is_up()
            || self.net.links.is_cut(from as u64, to as u64)
            || self.noise.chance(Stream::Fate, 1_000 + id, draw, loss)
        {
            return self.drop_transfer(transfer);
        }
        let Some(piece) = transfer.pieces.pop_front() else {
            return self.end_transfer(transfer);
        };
        let mut failed = false;
        self.at(to, "a piece of a snapshot", |_| failed = transfer.receiver.append(&piece).is_err())?;
        if failed || !self.stores[to].is_up() {
            return self.drop_transfer(transfer);
        }
        let wait = 1 + self.noise.below(Stream::Delay, 1_000 + id, draw, PIECE_US);
        self.transfers[number] = Some(transfer);
        self.queue.push(self.now + wait, Event::Piece { transfer: number });
        Ok(())
    }

    fn end_transfer(&mut self, transfer: Transfer) -> Result<(), Stop> {
        let Transfer { flying, receiver, .. } = transfer;
        let to = flying.to;
        let mut arrived = false;
        self.at(to, "the end of a snapshot", |_| arrived = receiver.finish().is_ok())?;
        if !self.stores[to].is_up() || !arrived {
            self.fail_transfer(&flying);
            return Ok(());
        }
        self.report(&flying, Report::SnapshotArrived);
        self.deliver(flying)
    }

    /// A snapshot gets lost on its way: its receiver throws away what it has.
    fn drop_transfer(&mut self, transfer: Transfer) -> Result<(), Stop> {
        let Transfer { flying, receiver, .. } = transfer;
        let to = flying.to;
        let mut receiver = Some(receiver);
        self.at(to, "the loss of a snapshot", |_| drop(receiver.take()))?;
        self.fail_transfer(&flying);
        Ok(())
    }

    fn fail_transfer(&mut self, flying: &Flying) {
        let to = flying.to as u64 + 1;
        self.told(flying.to, What::Lose { number: flying.number, to });
        self.lost(flying);
    }

    /// The process of a store has ended: what was on its way to it is lost, and what it sent breaks off.
    pub fn end_transfers(&mut self, i: usize) {
        for number in 0..self.transfers.len() {
            let ends = |transfer: &mut Transfer| transfer.flying.to == i || transfer.flying.from == i;
            if let Some(transfer) = self.transfers[number].take_if(ends) {
                self.fail_transfer(&transfer.flying);
            }
        }
    }
}
