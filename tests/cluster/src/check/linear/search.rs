//! The search for an order: Wing and Gong's algorithm on a linked list, with Lowe's memory of what was tried.
//!
//! Calls and returns stand in a list in the order of time. What may come next in the order is every call before the first
//! return; an operation that is taken leaves the list with both its ends. A return at the head of the calls means that its
//! operation was not taken in time: go back. Two ways to the same set of taken operations and the same state have the same
//! future, so the second is not followed.
//!
//! Reads that fit are taken at once and never reconsidered: they change nothing, so taking them later cannot help.

use std::collections::HashSet;

use super::prepare::{Effect, Op, Task, Value};
use super::{Breakage, broken};

/// How a search ended.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Found {
    /// There is an order.
    Order,
    /// There is none.
    Stuck {
        /// The order that got furthest.
        prefix: Vec<usize>,
        /// The operation whose end it could not get past.
        stuck: usize,
    },
    /// The budget ran out.
    Exhausted {
        /// Steps that were taken.
        steps: u64,
    },
}

/// Looks for an order of the operations of `task`, in at most `budget` steps.
pub(super) fn search(task: &Task, budget: u64) -> Found {
    let mut search = Search::new(task);
    let mut cursor = search.list.first();
    loop {
        if search.waiting == 0 {
            return Found::Order;
        }
        if search.steps >= budget {
            return Found::Exhausted { steps: search.steps };
        }
        let next = search
            .free_read()
            .map(|op| (op, true))
            .or_else(|| search.candidate(cursor).map(|op| (op, false)));
        if let Some((op, is_free)) = next {
            search.take(op, is_free);
        } else {
            search.note_dead_end();
            if !search.go_back(&mut cursor) {
                return Found::Stuck { prefix: search.best.order, stuck: search.best.stuck };
            }
            continue;
        }
        cursor = search.list.first();
    }
}

/// A taken operation, and how to undo it.
struct Frame {
    op: usize,
    undo: Option<(usize, Value)>,
    is_free: bool,
}

/// The dead end that got furthest.
#[derive(Default)]
struct Best {
    position: usize,
    order: Vec<usize>,
    stuck: usize,
}

struct Search<'a> {
    ops: &'a [Op],
    list: List,
    state: Vec<Value>,
    /// Digest of the state, and of the set of taken operations.
    state_digest: u128,
    set_digest: u128,
    stack: Vec<Frame>,
    tried: HashSet<u128>,
    /// Operations with an end that are not taken yet.
    waiting: usize,
    steps: u64,
    best: Best,
}

impl<'a> Search<'a> {
    fn new(task: &'a Task) -> Search<'a> {
        let digest =
            task.initial.iter().enumerate().fold(0, |digest, (key, &value)| digest ^ state_key(key, value));
        Search {
            ops: &task.ops,
            list: List::new(&task.ops),
            state: task.initial.clone(),
            state_digest: digest,
            set_digest: 0,
            stack: Vec::new(),
            tried: HashSet::new(),
            waiting: task.ops.iter().filter(|op| op.returned.is_some()).count(),
            steps: 0,
            best: Best::default(),
        }
    }

    /// A read that fits, among the operations that may come next.
    fn free_read(&mut self) -> Option<usize> {
        let mut at = self.list.first();
        while let Some(op) = self.list.call(at) {
            self.steps += 1;
            if matches!(self.ops[op].effect, Effect::Read(_)) && self.fits(op) {
                return Some(op);
            }
            at = self.list.after(at);
        }
        None
    }

    /// The first operation from `at` on that may come next, has an effect, and leads to something new.
    fn candidate(&mut self, mut at: usize) -> Option<usize> {
        while let Some(op) = self.list.call(at) {
            self.steps += 1;
            if !matches!(self.ops[op].effect, Effect::Read(_)) && self.fits(op) && self.is_new(op) {
                return Some(op);
            }
            at = self.list.after(at);
        }
        None
    }

    fn fits(&self, op: usize) -> bool {
        match &self.ops[op].effect {
            Effect::Read(_) if broken(Breakage::ReadsAlwaysFit) => true,
            Effect::Read(reads) => reads.iter().all(|&(key, value)| self.state[key] == value),
            // Without an end and without an effect, it may as well never happen.
            Effect::Write { key, value } => self.ops[op].returned.is_some() || self.state[*key] != *value,
            Effect::Swap { key, from, .. } => self.state[*key] == *from,
            Effect::Impossible => false,
        }
    }

    /// Remembers where taking `op` leads; false if that was tried before.
    fn is_new(&mut self, op: usize) -> bool {
        let mut set = self.set_digest ^ set_key(op);
        let mut state = self.state_digest;
        if let Some((key, value)) = self.ops[op].effect.sets() {
            state ^= state_key(key, self.state[key]) ^ state_key(key, value);
        }
        if broken(Breakage::CacheWithoutSet) {
            set = 0;
        }
        if broken(Breakage::CacheWithoutState) {
            state = 0;
        }
        self.tried.insert(set ^ state)
    }

    fn take(&mut self, op: usize, is_free: bool) {
        let undo = self.ops[op].effect.sets().map(|(key, value)| (key, self.set(key, value)));
        self.set_digest ^= set_key(op);
        self.list.lift(op);
        self.waiting -= usize::from(self.ops[op].returned.is_some());
        self.stack.push(Frame { op, undo, is_free });
    }

    fn set(&mut self, key: usize, value: Value) -> Value {
        let old = std::mem::replace(&mut self.state[key], value);
        self.state_digest ^= state_key(key, old) ^ state_key(key, value);
        old
    }

    /// Undoes the last choice, and puts `cursor` behind it; false if there is none left.
    fn go_back(&mut self, cursor: &mut usize) -> bool {
        if broken(Breakage::NoBacktracking) {
            return false;
        }
        while let Some(Frame { op, undo, is_free }) = self.stack.pop() {
            if let Some((key, old)) = undo.filter(|_| !broken(Breakage::NoUndo)) {
                self.set(key, old);
            }
            self.set_digest ^= set_key(op);
            self.list.unlift(op);
            self.waiting += usize::from(self.ops[op].returned.is_some());
            if !is_free {
                *cursor = self.list.after(List::call_of(op));
                return true;
            }
        }
        false
    }

    fn note_dead_end(&mut self) {
        let mut at = self.list.first();
        while self.list.call(at).is_some() {
            at = self.list.after(at);
        }
        let position = self.list.position[at] + 1;
        if position > self.best.position {
            let order = self.stack.iter().map(|frame| frame.op).collect();
            self.best = Best { position, order, stuck: List::op_of(at) };
        }
    }
}

/// Calls and returns in the order of time, as a doubly linked list: the call of operation `i` is node `2 * i`, its return the
/// next. The last node is head and end at once.
struct List {
    next: Vec<usize>,
    previous: Vec<usize>,
    /// Place of a node in the order of time.
    position: Vec<usize>,
    has_return: Vec<bool>,
    head: usize,
}

impl List {
    fn new(ops: &[Op]) -> List {
        let head = 2 * ops.len();
        let mut events = Vec::with_capacity(head);
        for (op, Op { invoked, returned, .. }) in ops.iter().enumerate() {
            // At the same moment calls come before returns: such operations overlap.
            let is_return = !broken(Breakage::TouchingIsLater);
            events.push((*invoked, !is_return, List::call_of(op)));
            events.extend(returned.map(|at| (at, is_return, List::call_of(op) + 1)));
        }
        events.sort_unstable();
        let mut list = List {
            next: vec![head; head + 1],
            previous: vec![head; head + 1],
            position: vec![0; head + 1],
            has_return: ops.iter().map(|op| op.returned.is_some()).collect(),
            head,
        };
        let mut last = head;
        for (position, (.., node)) in events.into_iter().enumerate() {
            list.position[node] = position;
            (list.next[last], list.previous[node]) = (node, last);
            last = node;
        }
        (list.next[last], list.previous[head]) = (head, last);
        list
    }

    fn call_of(op: usize) -> usize {
        2 * op
    }

    fn op_of(node: usize) -> usize {
        node / 2
    }

    fn first(&self) -> usize {
        self.next[self.head]
    }

    fn after(&self, node: usize) -> usize {
        self.next[node]
    }

    /// The operation whose call `node` is; `None` for a return, and at the end.
    fn call(&self, node: usize) -> Option<usize> {
        (node != self.head && node.is_multiple_of(2)).then_some(node / 2)
    }

    fn lift(&mut self, op: usize) {
        self.unlink(List::call_of(op));
        if self.has_return[op] {
            self.unlink(List::call_of(op) + 1);
        }
    }

    /// Puts back what was lifted last.
    fn unlift(&mut self, op: usize) {
        if self.has_return[op] {
            self.link(List::call_of(op) + 1);
        }
        self.link(List::call_of(op));
    }

    fn unlink(&mut self, node: usize) {
        let (previous, next) = (self.previous[node], self.next[node]);
        self.next[previous] = next;
        self.previous[next] = previous;
    }

    fn link(&mut self, node: usize) {
        let (previous, next) = (self.previous[node], self.next[node]);
        self.next[previous] = node;
        self.previous[next] = node;
    }
}

/// 128 random bits for each operation: the digest of a set is the exclusive or of its members' (Zobrist).
fn set_key(op: usize) -> u128 {
    spread(op as u64, 0)
}

/// The same for each value of each key.
fn state_key(key: usize, value: Value) -> u128 {
    spread(key as u64 + 1, u64::from(value) + 1)
}

fn spread(a: u64, b: u64) -> u128 {
    let one = mix(mix(a ^ 0x3c79_ac49_2ba7_b653) ^ b);
    let two = mix(mix(b ^ 0x1c69_b3f7_4ac4_ae35) ^ a.rotate_left(32) ^ one);
    u128::from(one) << 64 | u128::from(two)
}

fn mix(bits: u64) -> u64 {
    let bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    bits ^ (bits >> 31)
}
