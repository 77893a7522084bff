//! One round of work over a batch of FSMs: the same for both drivers.

use super::BatchConfig;
use super::fsm::Fsm;
use super::mailbox::BasicMailbox;
use super::ready::{Arrivals, Ready};
use super::router::Router;

/// An FSM that was polled in more rounds than this without a rest is hot.
const HOT_ROUNDS: u32 = 3;

/// What is done with FSMs that have messages. Each poller has a handler of its own, so what belongs to a round (batches of
/// writes, messages to be sent) can be kept in it.
///
/// ```text
/// loop {
///     begin
///     handle_control    if the control FSM is ready
///     handle_normal     for each normal FSM in the batch
///     end               here a round is written and synced as a whole
/// }
/// pause                 whenever there is nothing to do
/// ```
pub trait PollHandler<N: Fsm, C: Fsm>: Send {
    /// A round begins, with so many FSMs.
    fn begin(&mut self, batch_size: usize);

    /// Lets the control FSM work. The arguments and the answer are those of [`PollHandler::handle_normal`].
    fn handle_control(&mut self, control: &mut C, messages: &mut Vec<C::Message>) -> Option<usize>;

    /// Lets an FSM work on its next messages, oldest first; there may be none, if it was kept by `None`. Messages left in
    /// the vector go back to the mailbox, in front of the others; a stopped FSM's are dropped.
    ///
    /// `Some(n)`: do not poll it again before its mailbox holds more than `n` messages, those put back included. An FSM that
    /// took all its messages says `Some(0)`. `None`: it has more to do, poll it again in the next round.
    fn handle_normal(&mut self, normal: &mut N, messages: &mut Vec<N::Message>) -> Option<usize>;

    /// A round ends, with these normal FSMs; none is polled by anybody else before this returns.
    fn end(&mut self, normals: &mut [Box<N>]);

    /// The poller has nothing to do, and may sleep now.
    fn pause(&mut self) {}
}

/// The FSMs that a poller works on. It keeps them over several rounds, until it releases them.
struct Batch<N: Fsm, C: Fsm> {
    control: Option<Ready<C>>,
    /// A slice of these is what `end` gets.
    normals: Vec<Box<N>>,
    /// What belongs to the FSM at the same position in `normals`.
    slots: Vec<Slot<N>>,
}

struct Slot<N: Fsm> {
    mailbox: BasicMailbox<N>,
    /// Rounds since it came.
    rounds: u32,
}

/// What becomes of an FSM at the end of a round.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Outcome {
    /// Polled again in the next round.
    Stay,
    /// Laid down, unless more messages than these wait.
    Release(usize),
    /// Put at the end of the ready list, so that others get its place.
    Reschedule,
    /// Dropped, unless messages wait.
    Retire,
}

/// Polls FSMs in rounds.
pub(crate) struct Poller<N: Fsm, C: Fsm, H> {
    router: Router<N, C>,
    handler: H,
    config: BatchConfig,
    batch: Batch<N, C>,
    /// The messages of the FSM that is being polled; empty in between.
    normal_messages: Vec<N::Message>,
    control_messages: Vec<C::Message>,
}

impl<N: Fsm, C: Fsm, H: PollHandler<N, C>> Poller<N, C, H> {
    /// A poller with an empty batch.
    pub(crate) fn new(router: Router<N, C>, handler: H, config: BatchConfig) -> Poller<N, C, H> {
        Poller {
            router,
            handler,
            config,
            batch: Batch { control: None, normals: Vec::new(), slots: Vec::new() },
            normal_messages: Vec::new(),
            control_messages: Vec::new(),
        }
    }

    /// Works until the router is shut down.
    pub(crate) fn run(&mut self) {
        while self.fetch() {
            self.round();
        }
    }

    /// Polls just these FSMs in one round. Returns those that are not released after it.
    pub(crate) fn poll_once(&mut self, chosen: Arrivals<N, C>) -> Arrivals<N, C> {
        self.batch.extend(chosen);
        self.round();
        let normals = self.batch.normals.drain(..).zip(self.batch.slots.drain(..));
        let normals = normals.map(|(fsm, slot)| Ready { fsm, mailbox: slot.mailbox }).collect();
        Arrivals { control: self.batch.control.take(), normals }
    }

    /// Tells the handler that there is nothing to do.
    pub(crate) fn pause(&mut self) {
        self.handler.pause();
    }

    /// The handler.
    pub(crate) fn handler(&mut self) -> &mut H {
        &mut self.handler
    }

    /// Fills the batch up from the ready list; waits if there is nothing at all to do. False once the router is shut down.
    ///
    /// This happens after every round, not only when the batch is empty: those that are ready must not wait for hot ones.
    fn fetch(&mut self) -> bool {
        if !self.top_up() {
            return false;
        }
        if self.batch.len() > 0 {
            return true;
        }
        self.handler.pause();
        match self.router.ready().wait(self.config.batch_size_max) {
            Some(ready) => {
                self.batch.extend(ready);
                true
            }
            None => false,
        }
    }

    /// Fills the batch up from the ready list. False once the router is shut down.
    pub(crate) fn top_up(&mut self) -> bool {
        let room = self.config.batch_size_max.saturating_sub(self.batch.normals.len());
        match self.router.ready().take(room) {
            Some(ready) => {
                self.batch.extend(ready);
                true
            }
            None => false,
        }
    }

    /// Polls each FSM of the batch once, and lets go of those that are done.
    pub(crate) fn round(&mut self) {
        self.handler.begin(self.batch.len());
        let control = self.handle_control();
        let normals = self.handle_normals();
        self.handler.end(&mut self.batch.normals);
        if let Some(outcome) = control {
            self.settle_control(outcome);
        }
        // Removal fills the gap with the last FSM: from the back, that is always one that is settled already.
        for (index, outcome) in normals.into_iter().enumerate().rev() {
            self.settle_normal(index, outcome);
        }
    }

    fn handle_control(&mut self) -> Option<Outcome> {
        let Ready { fsm, mailbox } = self.batch.control.as_mut()?;
        mailbox.take_messages(self.config.messages_per_round, &mut self.control_messages);
        let wish = self.handler.handle_control(fsm, &mut self.control_messages);
        Some(outcome(&**fsm, mailbox, wish, &mut self.control_messages))
    }

    /// Of the hot FSMs every second one goes back to the ready list, so that not all of them come back in one batch. If no
    /// other could come in otherwise, it begins with the first.
    fn handle_normals(&mut self) -> Vec<Outcome> {
        let mut hot = usize::from(self.batch.normals.len() >= self.config.batch_size_max);
        let mut outcomes = Vec::with_capacity(self.batch.normals.len());
        for (fsm, slot) in self.batch.normals.iter_mut().zip(&mut self.batch.slots) {
            slot.mailbox.take_messages(self.config.messages_per_round, &mut self.normal_messages);
            let wish = self.handler.handle_normal(fsm, &mut self.normal_messages);
            let mut outcome = outcome(&**fsm, &slot.mailbox, wish, &mut self.normal_messages);
            slot.rounds += 1;
            if slot.rounds > HOT_ROUNDS && outcome != Outcome::Retire {
                hot += 1;
                if hot.is_multiple_of(2) {
                    outcome = Outcome::Reschedule;
                }
            }
            outcomes.push(outcome);
        }
        outcomes
    }

    fn settle_control(&mut self, outcome: Outcome) {
        let Some(Ready { fsm, mailbox }) = self.batch.control.take() else { return };
        let kept = match outcome {
            Outcome::Stay | Outcome::Reschedule => Some(fsm),
            Outcome::Release(seen) => mailbox.release(fsm, seen),
            Outcome::Retire => mailbox.retire(fsm),
        };
        self.batch.control = kept.map(|fsm| Ready { fsm, mailbox });
    }

    fn settle_normal(&mut self, index: usize, outcome: Outcome) {
        if outcome == Outcome::Stay {
            return;
        }
        let (fsm, slot) = self.batch.remove(index);
        let mailbox = &slot.mailbox;
        let kept = match outcome {
            Outcome::Stay => Some(fsm),
            Outcome::Release(seen) => mailbox.release(fsm, seen),
            Outcome::Retire => mailbox.retire(fsm),
            Outcome::Reschedule => {
                self.router.ready().push_normal(Ready { fsm, mailbox: mailbox.clone() });
                return;
            }
        };
        match kept {
            Some(fsm) => self.batch.put(index, fsm, slot),
            None if outcome == Outcome::Retire => self.router.forget(mailbox),
            None => {}
        }
    }
}

/// What becomes of an FSM that has just been polled. Takes care of the messages that it left.
fn outcome<F: Fsm>(
    fsm: &F,
    mailbox: &BasicMailbox<F>,
    wish: Option<usize>,
    left: &mut Vec<F::Message>,
) -> Outcome {
    if fsm.is_stopped() {
        left.clear();
        return Outcome::Retire;
    }
    mailbox.put_back(left);
    match wish {
        Some(seen) => Outcome::Release(seen),
        // Nobody will ever talk to it again, so it has no reason to go on.
        None if !mailbox.is_open() => Outcome::Release(0),
        None => Outcome::Stay,
    }
}

impl<N: Fsm, C: Fsm> Batch<N, C> {
    fn len(&self) -> usize {
        self.normals.len() + usize::from(self.control.is_some())
    }

    fn extend(&mut self, Arrivals { control, normals }: Arrivals<N, C>) {
        if control.is_some() {
            assert!(self.control.is_none(), "the control FSM is in two places");
            self.control = control;
        }
        for Ready { fsm, mailbox } in normals {
            self.normals.push(fsm);
            self.slots.push(Slot { mailbox, rounds: 0 });
        }
    }

    /// Takes an FSM out; the last one takes its place.
    fn remove(&mut self, index: usize) -> (Box<N>, Slot<N>) {
        (self.normals.swap_remove(index), self.slots.swap_remove(index))
    }

    /// Undoes [`Batch::remove`].
    fn put(&mut self, index: usize, fsm: Box<N>, slot: Slot<N>) {
        self.normals.push(fsm);
        self.slots.push(slot);
        let last = self.normals.len() - 1;
        self.normals.swap(index, last);
        self.slots.swap(index, last);
    }
}

/// The poller ends, by a shutdown or by a panic: nobody will poll these any more.
impl<N: Fsm, C: Fsm> Drop for Batch<N, C> {
    fn drop(&mut self) {
        self.control.take().into_iter().for_each(Ready::discard);
        for (fsm, slot) in self.normals.drain(..).zip(self.slots.drain(..)) {
            slot.mailbox.discard(fsm);
        }
    }
}
