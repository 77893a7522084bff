//! Hand-written runs to draw: the story of figure 8 of the Raft paper, and a long dull one.

use verdict::{Event, EventKind, Finding, Strength, Trace};

/// Writes a trace event by event, and keeps each node's state in between.
pub struct Teller {
    trace: Trace,
    now_us: u64,
    messages: u64,
    nodes: Vec<Node>,
}

#[derive(Clone)]
struct Node {
    role: char,
    term: u64,
    commit: u64,
    durable: u64,
    /// Terms of entries 1, 2, …
    log: Vec<u64>,
}

impl Teller {
    pub fn new(title: &str, nodes: u64) -> Teller {
        let trace = Trace {
            title: title.to_owned(),
            replay: "make project2ab SEED=1 TEST=figure_8".to_owned(),
            nodes: (1..=nodes).collect(),
            events: Vec::new(),
            findings: Vec::new(),
        };
        let node = Node { role: '-', term: 0, commit: 0, durable: 0, log: Vec::new() };
        Teller { trace, now_us: 0, messages: 0, nodes: vec![node; nodes as usize] }
    }

    pub fn wait(&mut self, us: u64) -> &mut Teller {
        self.now_us += us;
        self
    }

    pub fn note(&mut self, node: u64, kind: EventKind, text: &str) -> &mut Teller {
        let quiet = Node { role: '-', term: 0, commit: 0, durable: 0, log: Vec::new() };
        let state = if node == 0 { &quiet } else { &self.nodes[node as usize - 1] };
        let first = state.log.len().saturating_sub(8);
        let cells = state.log.iter().enumerate().skip(first).map(|(k, term)| (k as u64 + 1, *term));
        self.trace.events.push(Event {
            at_us: self.now_us,
            node,
            kind,
            text: text.to_owned(),
            role: state.role,
            term: state.term,
            commit: state.commit,
            durable: state.durable,
            last: state.log.len() as u64,
            log: cells.collect(),
        });
        self
    }

    pub fn start(&mut self, node: u64) -> &mut Teller {
        self.nodes[node as usize - 1].role = 'F';
        self.note(node, EventKind::Start, "starts")
    }

    pub fn crash(&mut self, node: u64) -> &mut Teller {
        let state = &mut self.nodes[node as usize - 1];
        state.role = '-';
        state.log.truncate(state.durable as usize);
        self.note(node, EventKind::Crash, "crashes; what was not on disk is gone")
    }

    pub fn role(&mut self, node: u64, role: char, term: u64) -> &mut Teller {
        let state = &mut self.nodes[node as usize - 1];
        state.role = role;
        state.term = term;
        self
    }

    pub fn append(&mut self, node: u64, keep: usize, term: u64) -> &mut Teller {
        let state = &mut self.nodes[node as usize - 1];
        state.log.truncate(keep);
        state.durable = state.durable.min(keep as u64);
        state.log.push(term);
        self
    }

    pub fn commit(&mut self, node: u64, index: u64) -> &mut Teller {
        self.nodes[node as usize - 1].commit = index;
        self
    }

    pub fn sync(&mut self, node: u64) -> &mut Teller {
        let state = &mut self.nodes[node as usize - 1];
        state.durable = state.log.len() as u64;
        self.note(node, EventKind::Sync, "syncs its disk")
    }

    pub fn send(&mut self, from: u64, to: u64, name: &str, text: &str) -> u64 {
        self.messages += 1;
        let kind = EventKind::Send { message: self.messages, to, name: name.to_owned() };
        self.note(from, kind, &format!("sends {name} to {to}{text}"));
        self.messages
    }

    pub fn receive(&mut self, message: u64, to: u64, from: u64, name: &str, text: &str) -> &mut Teller {
        let kind = EventKind::Receive { message, from, name: name.to_owned() };
        self.note(to, kind, &format!("receives {name} from {from}{text}"))
    }

    pub fn lose(&mut self, message: u64, to: u64) -> &mut Teller {
        self.note(0, EventKind::Lose { message, to }, &format!("the network loses a message to {to}"))
    }

    pub fn finish(&mut self, findings: Vec<Finding>) -> Trace {
        self.trace.findings = findings;
        std::mem::take(&mut self.trace)
    }

    /// `node` campaigns in `term` with the vote of `voter`; the request to `third` is lost.
    fn elect(&mut self, node: u64, voter: u64, third: u64, term: u64) {
        self.wait(180_000).role(node, 'C', term).note(node, EventKind::Tick, "election timeout: campaigns");
        let wanted = self.send(node, voter, "MsgRequestVote", &format!(" (term {term})"));
        let lost = self.send(node, third, "MsgRequestVote", &format!(" (term {term})"));
        self.lose(lost, third).wait(3_000);
        self.role(voter, 'F', term);
        self.receive(wanted, voter, node, "MsgRequestVote", "; term rises, grants its vote");
        let vote = self.send(voter, node, "MsgRequestVoteResponse", " (granted)");
        self.wait(4_000).role(node, 'L', term);
        let keep = self.nodes[node as usize - 1].log.len();
        self.append(node, keep, term);
        self.receive(
            vote,
            node,
            voter,
            "MsgRequestVoteResponse",
            "; a quorum: becomes leader, appends an empty entry",
        );
        self.wait(1_000).sync(node);
    }

    fn heartbeat(&mut self, from: u64, to: u64) {
        let beat = self.send(from, to, "MsgHeartbeat", "");
        self.wait(2_000).receive(beat, to, from, "MsgHeartbeat", "");
        let answer = self.send(to, from, "MsgHeartbeatResponse", "");
        self.wait(2_000).receive(answer, from, to, "MsgHeartbeatResponse", "");
    }
}

/// Figure 8 with three nodes, at a peer that commits an entry of an earlier term by counting replicas.
pub fn figure_8() -> Trace {
    let mut t = Teller::new("project2ab: figure_8, seed 1", 3);
    t.start(1).start(2).start(3);
    t.elect(1, 2, 3, 1);
    let first = t.send(1, 2, "MsgAppend", " (1@1, commit 0)");
    t.wait(2_000).append(2, 0, 1).receive(first, 2, 1, "MsgAppend", "; appends 1@1").sync(2);
    let ok = t.send(2, 1, "MsgAppendResponse", " (index 1)");
    t.wait(2_000).commit(1, 1).receive(ok, 1, 2, "MsgAppendResponse", "; commits 1");
    t.note(1, EventKind::Apply, "applies 1");
    t.wait(20_000).heartbeat(1, 2);
    t.wait(20_000).heartbeat(1, 2);
    t.note(1, EventKind::Client, "a client proposes \"x=1\"").append(1, 1, 1);
    t.wait(500).sync(1);
    let lost = t.send(1, 2, "MsgAppend", " (2@1, commit 1)");
    t.lose(lost, 2).wait(1_000).crash(1);
    t.note(0, EventKind::Fault, "partition 1 from 3 begins");
    let keep = t.nodes[0].log.len();
    assert_eq!(keep, 2, "the story needs 2@1 on disk");
    t.elect(3, 2, 1, 2);
    t.wait(1_000).crash(3).wait(40_000).start(1);
    t.note(0, EventKind::Fault, "partition 1 from 3 ends");
    t.elect(1, 2, 3, 3);
    let old = t.send(1, 2, "MsgAppend", " (2@1, commit 1)");
    t.wait(3_000).append(2, 1, 1).receive(old, 2, 1, "MsgAppend", "; appends 2@1").sync(2);
    let ok = t.send(2, 1, "MsgAppendResponse", " (index 2)");
    t.wait(3_000).commit(1, 2).receive(ok, 1, 2, "MsgAppendResponse", "; commits 2");
    t.note(1, EventKind::Violation(0), "R13 broken: leader 1 of term 3 commits 2@1 by counting");
    t.wait(1_000).crash(1).wait(30_000).start(3);
    t.elect(3, 2, 1, 4);
    let over = t.send(3, 2, "MsgAppend", " (1@2 2@4, commit 0)");
    t.wait(2_000).append(2, 0, 2).receive(over, 2, 3, "MsgAppend", "; replaces 1@1 by 1@2");
    t.finish(vec![finding_of_figure_8()])
}

fn finding_of_figure_8() -> Finding {
    Finding {
        rule: "R13".to_owned(),
        title: "leader counts only entries of its own term".to_owned(),
        strength: Strength::Safety,
        layer: "relation".to_owned(),
        section: "Raft paper §5.4.2, figure 8".to_owned(),
        promised: "A leader commits an entry by counting replicas only if the entry is of its own term.".to_owned(),
        seen: "Leader 1 of term 3 advanced its commit index to 2, an entry of term 1.".to_owned(),
        why: "A later leader that never saw the entry can still be elected and overwrite it: a committed write is lost."
            .to_owned(),
        node: 1,
    }
}

/// `events` events of five nodes that do little.
pub fn long(events: usize) -> Trace {
    let mut t = Teller::new("project2ac: steady, seed 7", 5);
    for node in 1..=5 {
        t.start(node);
    }
    t.elect(1, 2, 3, 1);
    while t.trace.events.len() < events {
        let to = 2 + (t.trace.events.len() as u64 / 2) % 4;
        let keep = t.nodes[0].log.len();
        t.wait(1_500).append(1, keep, 1).note(1, EventKind::Client, "a client proposes");
        let message = t.send(1, to, "MsgAppend", "");
        let keep = t.nodes[to as usize - 1].log.len();
        t.wait(1_000).append(to, keep, 1).receive(message, to, 1, "MsgAppend", "");
        t.sync(to);
    }
    t.trace.events.truncate(events);
    t.finish(Vec::new())
}
