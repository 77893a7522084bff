// What a trace says, apart from how it is drawn: who follows whom, which message is which, what belongs to the failure.
"use strict";

const ROLE_NAMES = { F: "follower", P: "pre-candidate", C: "candidate", L: "leader", "-": "down" };

/** Adds to each event its number, its predecessor at the same node, and whether it changed that node's state. */
function readTrace(raw) {
  const lastAt = new Map();
  const events = raw.events.map((event, i) => {
    const plain = typeof event.kind === "string";
    const kind = plain ? event.kind : Object.keys(event.kind)[0];
    const data = plain ? {} : kind === "Violation" ? { finding: event.kind.Violation } : event.kind[kind];
    return { ...event, i, kind, data };
  });
  for (const event of events) {
    const before = lastAt.get(event.node);
    event.prev = before === undefined ? null : before;
    const old = before === undefined ? null : events[before];
    // The last thing that a node did before a promise was found broken there.
    event.fatal = false;
    if (old && event.kind === "Violation") old.fatal = true;
    event.newRole = event.node !== 0 && (!old || old.role !== event.role || old.term !== event.term);
    event.newLog = event.node !== 0 && (!old ? event.last > 0 : !sameLog(old, event));
    event.changed = event.newRole || event.newLog;
    lastAt.set(event.node, event.i);
  }
  const trace = { ...raw, events, messages: readMessages(events) };
  trace.violations = events.filter((event) => event.kind === "Violation").map((event) => event.i);
  trace.bands = readBands(events);
  return trace;
}

function sameLog(a, b) {
  return a.commit === b.commit && a.durable === b.durable && a.last === b.last &&
    a.log.length === b.log.length && a.log.every((cell, k) => cell[0] === b.log[k][0] && cell[1] === b.log[k][1]);
}

/** Sending, arrivals and losses of each message: the network may deliver one twice, or lose one copy of two. */
function readMessages(events) {
  const messages = new Map();
  const entry = (id) => {
    if (!messages.has(id)) messages.set(id, { send: null, receives: [], losses: [], name: "", from: 0, to: 0 });
    return messages.get(id);
  };
  for (const event of events) {
    const message = event.data.message === undefined ? null : entry(event.data.message);
    event.message = message;
    if (event.kind === "Send") Object.assign(message, { send: event.i, name: event.data.name, from: event.node, to: event.data.to });
    if (event.kind === "Receive") {
      message.receives.push(event.i);
      Object.assign(message, { name: event.data.name, from: event.data.from, to: event.node });
    }
    if (event.kind === "Lose") {
      message.losses.push(event.i);
      message.to = message.to || event.data.to;
    }
  }
  return messages;
}

/**
 * Stretches of time under a fault. A cut begins with a fault in words of its own and ends with "over: " and the same
 * words; a pause names its node, and ends when that node "goes on"; "… begins" and "… ends" do for anything else.
 */
function readBands(events) {
  const open = new Map();
  const bands = [];
  const close = (key, i) => {
    if (open.has(key)) open.get(key).to = i;
    open.delete(key);
  };
  for (const event of events) {
    if (event.kind !== "Fault") continue;
    const text = event.text;
    const paused = /^n(\d+) is paused/.exec(text);
    const begins = /^(.*) begins$/s.exec(text);
    const ends = /^(.*) ends$/s.exec(text);
    const over = /^over: (.*)$/s.exec(text);
    if (/^all faults end/.test(text)) [...open.keys()].forEach((key) => close(key, event.i));
    else if (/^goes on/.test(text)) close(`pause ${event.node}`, event.i);
    else if (over || ends) close((over || ends)[1], event.i);
    else if (paused || begins || /cut off|nothing gets from/.test(text)) {
      const band = { node: paused ? Number(paused[1]) : event.node, from: event.i, to: null };
      open.set(paused ? `pause ${paused[1]}` : begins ? begins[1] : text, band);
      bands.push(band);
    }
  }
  return bands;
}

/** Whether nothing came of the event: a tick, a write, or a heartbeat and its answer, that changed nothing. */
function isIdle(trace, event) {
  if (event.kind === "Tick") return !event.changed && !event.fatal;
  if (event.kind === "Sync") return !event.changed && event.text === "writes nothing";
  const message = event.message;
  if (!message || !/Heartbeat/.test(message.name) || event.fatal) return false;
  return message.receives.every((i) => !trace.events[i].changed && !trace.events[i].fatal);
}

/**
 * Everything that can have led to event `target`: what came before at the same node, the sending of what arrived, and
 * so on backwards. Faults of the surroundings and the loss of a message sent in the past are kept, to explain it.
 */
function causalPast(trace, target) {
  const { events } = trace;
  const past = new Set();
  const todo = [target];
  if (events[target].node === 0) {
    for (const node of trace.nodes) todo.push(stateAt(trace, node, target));
  }
  while (todo.length > 0) {
    const i = todo.pop();
    if (i === null || past.has(i)) continue;
    past.add(i);
    const event = events[i];
    if (event.node !== 0) todo.push(event.prev);
    if (event.kind === "Receive") todo.push(event.message.send);
  }
  for (const event of events.slice(0, target)) {
    const { kind, message } = event;
    if (kind === "Send" && message.losses.length === 0 && !message.receives.some((i) => past.has(i))) past.delete(event.i);
    const lost = kind === "Lose" && message.send !== null && past.has(message.send);
    if (lost || (event.node === 0 && kind === "Fault")) past.add(event.i);
  }
  return past;
}

/** The last event at `node` up to event `i`, or null: it carries the state of the node at that moment. */
function stateAt(trace, node, i) {
  for (let k = i; k >= 0; k -= 1) {
    if (trace.events[k].node === node) return k;
  }
  return null;
}

/** Which events are shown. */
function visibleEvents(trace, options) {
  const past = options.causal && trace.violations.length > 0 ? causalPast(trace, options.target) : null;
  return trace.events.filter((event) => {
    if (event.kind === "Violation") return true;
    if (past && !past.has(event.i)) return false;
    return options.idle || !isIdle(trace, event);
  });
}

/** Messages that were sent up to event `i` and have neither arrived nor been lost. */
function inFlight(trace, i) {
  const open = [];
  for (const message of trace.messages.values()) {
    if (message.send === null || message.send > i) continue;
    const done = [...message.receives, ...message.losses].some((k) => k <= i);
    if (!done) open.push(message);
  }
  return open.sort((a, b) => a.send - b.send);
}

/** `12 µs`, `3.25 ms`, `1.204 s`. */
function duration(us) {
  if (us < 1000) return `${us} µs`;
  if (us < 1000000) return `${Number((us / 1000).toFixed(2))} ms`;
  return `${Number((us / 1000000).toFixed(3))} s`;
}

/** `MsgRequestVoteResponse` → `RequestVote reply`. */
function shortName(name) {
  return name.replace(/^Msg/, "").replace(/Response$/, " reply");
}

/** The same, for the little room beside an arrow. */
function briefName(name) {
  return shortName(name).replace("RequestVote", "Vote").replace("RequestPreVote", "PreVote").replace("Heartbeat reply", "Beat reply");
}

/** Family of a message kind: decides its colour. */
function family(name) {
  if (/Vote|Hup|TimeoutNow|Transfer/.test(name)) return "vote";
  if (/Append|Propose/.test(name)) return "append";
  if (/Snapshot/.test(name)) return "snapshot";
  return "other";
}
