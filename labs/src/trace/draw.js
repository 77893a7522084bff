// Draws the lanes: one column a node, time downwards, messages as arrows.
"use strict";

const SVG = "http://www.w3.org/2000/svg";
const TIME_WIDTH = 78;
const LABEL_WIDTH = 74;
const PILL_WIDTH = 40;
const CELL = 16;
/** Most entries of a log in a lane; the table beside shows more. */
const CELLS_MAX = 5;

/** Up to this many rows are all in the document, so that the browser finds text in them; of more, those near the view. */
const ROWS_AT_ONCE = 1500;

/** An SVG element with attributes; text, if any, goes in as text, never as markup. */
function svg(name, attributes, parent, text) {
  const node = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) node.setAttribute(key, value);
  if (text !== undefined) node.textContent = text;
  if (parent) parent.appendChild(node);
  return node;
}

/** Where everything goes: rows for the shown events, with idle stretches cut short, and lanes for the nodes. */
function layOut(trace, shown, options, roomWidth) {
  const longest = Math.max(3, ...shown.map((event) => event.log.length));
  const plain = LABEL_WIDTH + 13 + 12;
  const fitting = Math.floor(((roomWidth - TIME_WIDTH) / trace.nodes.length - plain) / CELL);
  const cells = Math.max(3, Math.min(longest, fitting, CELLS_MAX));
  const lane = plain + 8 + cells * CELL;
  const { rows, quiet, height } = layOutRows(shown);
  const at = new Array(trace.events.length).fill(null);
  shown.forEach((event, k) => { at[event.i] = rows[k]; });
  const upTo = new Array(trace.events.length);
  let next = height - 26;
  for (let i = trace.events.length - 1; i >= 0; i -= 1) {
    if (at[i] !== null) next = at[i];
    upTo[i] = next;
  }
  const x = new Map(trace.nodes.map((node, k) => [node, TIME_WIDTH + 34 + k * lane]));
  const width = TIME_WIDTH + trace.nodes.length * lane - LABEL_WIDTH + 30;
  return { lane, cells, rows, quiet, at, upTo, x, width, height, shown, causal: options.causal };
}

function layOutRows(shown) {
  const steps = shown.slice(1).map((event, k) => event.at_us - shown[k].at_us).filter((us) => us > 0).sort((a, b) => a - b);
  const usual = steps.length > 0 ? steps[steps.length >> 1] : 1000;
  const idle = Math.max(20000, usual * 6);
  const rows = [];
  const quiet = [];
  let y = 26;
  shown.forEach((event, k) => {
    const passed = k === 0 ? 0 : event.at_us - shown[k - 1].at_us;
    if (passed > idle) {
      quiet.push({ y: y + 24, us: passed });
      y += 28;
    }
    if (k > 0) {
      const room = event.changed || shown[k - 1].changed ? 26 : 20;
      const tight = passed === 0 && event.node === shown[k - 1].node;
      y += room + (tight ? 0 : Math.min(12, 3 + 2 * Math.log2(1 + passed / 500)));
    }
    rows.push(y);
  });
  return { rows, quiet, height: y + 40 };
}

/** Which rows to have in the document for a view from `top` to `bottom`. */
function rowsNear(place, top, bottom) {
  if (place.rows.length <= ROWS_AT_ONCE) return [0, place.rows.length];
  const from = place.rows.findIndex((y) => y >= top - 3000);
  const to = place.rows.findIndex((y) => y > bottom + 3000);
  return [from < 0 ? place.rows.length : from, to < 0 ? place.rows.length : to];
}

/** The picture, with the rows `from..to` of it. */
function drawLanes(trace, place, [from, to]) {
  const root = svg("svg", { width: place.width, height: place.height, "aria-hidden": "true", focusable: "false" });
  const top = from === 0 ? 0 : place.rows[from];
  const bottom = to === place.rows.length ? place.height : place.rows[to];
  const inside = (y, z) => z >= top && y <= bottom;
  const defs = svg("defs", {}, root);
  const hatch = svg("pattern", { id: "hatch", width: 6, height: 6, patternUnits: "userSpaceOnUse", patternTransform: "rotate(45)" }, defs);
  svg("line", { x1: 0, y1: 0, x2: 0, y2: 6, class: "hatch" }, hatch);
  drawBands(trace, place, root);
  for (const gap of place.quiet.filter((gap) => inside(gap.y, gap.y))) {
    svg("line", { x1: TIME_WIDTH, x2: place.width, y1: gap.y, y2: gap.y, class: "quiet" }, root);
    svg("text", { x: 6, y: gap.y + 4, class: "quiet-text" }, root, `⋮ ${duration(gap.us)}`);
  }
  for (const node of trace.nodes) drawLifeline(trace, place, node, root);
  const arrows = svg("g", {}, root);
  for (const message of trace.messages.values()) {
    const ends = [message.send, ...message.receives, ...message.losses].filter((i) => i !== null && place.at[i] !== null).map((i) => place.at[i]);
    if (ends.length > 0 && inside(Math.min(...ends), Math.max(...ends))) drawMessage(trace, place, message, arrows);
  }
  for (let k = from; k < to; k += 1) drawEvent(trace, place, place.shown[k], k, root);
  return root;
}

function drawBands(trace, place, root) {
  for (const band of trace.bands) {
    const top = place.upTo[band.from];
    const bottom = band.to === null ? place.height : place.upTo[band.to];
    const left = band.node === 0 ? TIME_WIDTH : place.x.get(band.node) - 12;
    const width = band.node === 0 ? place.width - TIME_WIDTH : 24;
    svg("rect", { x: left, y: top, width, height: Math.max(2, bottom - top), class: "band" }, root);
  }
}

/** The bar of one node: thin for followers, wide for leaders, dotted while down; a hair line where nothing is shown. */
function drawLifeline(trace, place, node, root) {
  const x = place.x.get(node);
  const bottom = place.height - 8;
  const last = place.shown.length > 0 ? place.shown[place.shown.length - 1].i : -1;
  const shownLast = place.causal ? Math.max(-1, ...place.shown.filter((event) => event.node === node).map((event) => event.i)) : last;
  const own = trace.events.filter((event) => event.node === node && event.i <= shownLast);
  const end = place.causal ? (own.length > 0 ? place.upTo[shownLast] : 8) : bottom;
  svg("line", { x1: x, x2: x, y1: end, y2: bottom, class: "life trail" }, root);
  let from = 0;
  while (from < own.length) {
    let to = from + 1;
    while (to < own.length && own[to].role === own[from].role) to += 1;
    const y1 = place.upTo[own[from].i];
    const y2 = to < own.length ? place.upTo[own[to].i] : end;
    if (y2 > y1) svg("line", { x1: x, x2: x, y1, y2, class: `life ${roleClass(own[from].role)}` }, root);
    from = to;
  }
}

function roleClass(role) {
  return { F: "role-f", P: "role-p", C: "role-c", L: "role-l" }[role] || "down";
}

function drawMessage(trace, place, message, layer) {
  const start = message.send === null ? null : place.at[message.send];
  const words = briefName(message.name);
  const link = { "data-message": String(message.send) };
  let ended = false;
  for (const i of message.receives) {
    if (place.at[i] === null) continue;
    ended = true;
    const to = { x: place.x.get(message.to), y: place.at[i] };
    const x = place.x.get(message.from);
    const from = { x, y: start === null ? Math.max(4, to.y - 18) : start };
    const stop = trace.events[i].newRole ? PILL_WIDTH / 2 + 3 : 6;
    drawArrow(from, to, words, `msg ${family(message.name)}${start === null ? " late" : ""}`, layer, link, stop);
  }
  if (start === null) return;
  const from = { x: place.x.get(message.from), y: start };
  const right = place.x.get(message.to) > from.x;
  for (const i of message.losses) {
    ended = true;
    const row = place.at[i] === null ? start + 16 : place.at[i];
    // Lost at once: a short arrow. Lost where it should have arrived: all the way.
    const atOnce = trace.events[i].at_us === trace.events[message.send].at_us;
    const far = atOnce ? (right ? place.lane - 26 : LABEL_WIDTH - 10) : Math.abs(place.x.get(message.to) - from.x) - 12;
    const y = atOnce ? Math.min(Math.max(row, start + 8), start + 44) : row;
    const to = { x: from.x + (right ? far : -far), y };
    drawArrow(from, to, `${words} →${message.to}`, `msg lost ${family(message.name)}`, layer, link, 0);
    svg("path", { d: cross(to.x, to.y, 4.5), class: "loss" }, layer);
  }
  if (!ended) {
    const to = { x: from.x + (right ? 34 : -34), y: start + 12 };
    drawArrow(from, to, "", `msg late ${family(message.name)}`, layer, link, 1);
  }
}

function cross(x, y, r) {
  return `M${x - r} ${y - r}L${x + r} ${y + r}M${x - r} ${y + r}L${x + r} ${y - r}`;
}

/** A line with a head, and its words in the free strip to the left of a lane, where no log is drawn. */
function drawArrow(from, to, words, kind, layer, link, stop) {
  const angle = Math.atan2(to.y - from.y, to.x - from.x);
  const tip = { x: to.x - stop * Math.cos(angle), y: to.y - stop * Math.sin(angle) };
  const group = svg("g", { class: kind, ...link }, layer);
  svg("line", { x1: from.x, y1: from.y, x2: tip.x, y2: tip.y }, group);
  if (stop > 0) {
    const wing = (turn) => `${tip.x - 8 * Math.cos(angle + turn)} ${tip.y - 8 * Math.sin(angle + turn)}`;
    svg("path", { d: `M${tip.x} ${tip.y}L${wing(0.42)}L${wing(-0.42)}Z` }, group);
  }
  if (words === "") return;
  const right = to.x > from.x;
  const middle = right ? to.x - LABEL_WIDTH / 2 - (stop > 0 ? 6 : 2) : from.x - LABEL_WIDTH / 2 + 2;
  const y = from.y + (to.y - from.y) * ((middle - from.x) / (to.x - from.x));
  const turn = ((right ? angle : angle - Math.PI) * 180) / Math.PI;
  svg("text", { transform: `translate(${middle} ${y - 3.5}) rotate(${turn})` }, group, words);
}

/** Dot, time, and what changed: role and term as a pill, the log as cells. */
function drawEvent(trace, place, event, k, root) {
  const y = place.rows[k];
  const before = k > 0 ? place.shown[k - 1] : null;
  if (!before || before.at_us !== event.at_us) {
    svg("text", { x: TIME_WIDTH - 12, y: y + 4, class: "time" }, root, clock(event.at_us));
  }
  if (event.node === 0 || !place.x.has(event.node)) {
    if (event.kind === "Fault") svg("line", { x1: TIME_WIDTH, x2: place.width, y1: y, y2: y, class: "fault-line" }, root);
    return;
  }
  const x = place.x.get(event.node);
  const pill = event.newRole && event.role !== "-";
  if (pill) drawPill(event, x - PILL_WIDTH / 2, y, root);
  if (!pill || event.kind === "Start") drawDot(event, pill ? x - PILL_WIDTH / 2 - 9 : x, y, root);
  if (!event.newLog && !(event.newRole && event.last > 0)) return;
  const headBeside = event.kind === "Receive" && place.x.get(event.data.from) > x;
  drawLog(event, place.cells, x + (pill ? (headBeside ? 35 : 25) : 15), y, root);
}

function clock(us) {
  if (us >= 1000000) return `${(us / 1000000).toFixed(4)} s`;
  return `${(us / 1000).toFixed(us % 1000 === 0 ? 0 : 2)} ms`;
}

function drawDot(event, x, y, root) {
  const shape = {
    Crash: () => svg("path", { d: cross(x, y, 6), class: "dot crash" }, root),
    Start: () => svg("path", { d: `M${x - 6} ${y + 5}L${x} ${y - 7}L${x + 6} ${y + 5}Z`, class: "dot start" }, root),
    Sync: () => svg("rect", { x: x - 4.5, y: y - 4.5, width: 9, height: 9, class: "dot" }, root),
    Tick: () => svg("path", { d: `M${x} ${y - 6}L${x + 6} ${y}L${x} ${y + 6}L${x - 6} ${y}Z`, class: "dot" }, root),
    Client: () => svg("path", { d: `M${x - 12} ${y - 5}L${x - 3} ${y}L${x - 12} ${y + 5}Z`, class: "dot client" }, root),
    Lose: () => {},
    Send: () => svg("circle", { cx: x, cy: y, r: 3, class: "dot send" }, root),
    Apply: () => svg("path", { d: `M${x - 6} ${y}L${x - 1.5} ${y + 5}L${x + 7} ${y - 6}`, class: "dot apply" }, root),
    Violation: () => {
      svg("circle", { cx: x, cy: y, r: 10, class: "broken" }, root);
      svg("path", { d: cross(x, y, 4), class: "broken-cross" }, root);
    },
  }[event.kind];
  if (shape) shape();
  else svg("circle", { cx: x, cy: y, r: 4, class: "dot" }, root);
}

function drawPill(event, x, y, root) {
  svg("rect", { x, y: y - 8, width: PILL_WIDTH, height: 16, rx: 8, class: `pill ${roleClass(event.role)}` }, root);
  svg("text", { x: x + PILL_WIDTH / 2, y: y + 4, class: `pill-text ${roleClass(event.role)}` }, root, `${event.role} · ${event.term}`);
}

/** Cells coloured by term, with the term inside: dashed while not on disk, underlined once committed. */
function drawLog(event, cells, x, y, root) {
  const group = svg("g", { class: "log" }, root);
  if (event.log.length === 0) {
    const words = event.role === "-" ? `on disk: …${event.durable}` : event.last > 0 ? `…${event.last}` : "empty";
    svg("text", { x: x + 2, y: y + 4, class: "empty" }, group, words);
    return;
  }
  const log = event.log.slice(-cells);
  if (log[0][0] > 1) {
    svg("text", { x: x + 1, y: y + 4, class: "skipped" }, group, "…");
    x += 11;
  }
  svg("rect", { x: x - 1, y: y - 9, width: log.length * CELL + 2, height: 21, class: "under" }, group);
  log.forEach(([index, term], k) => {
    const left = x + k * CELL;
    const fresh = index > event.durable ? " fresh" : "";
    svg("rect", { x: left + 0.5, y: y - 7.5, width: CELL - 1, height: 15, rx: 2, class: `cell term-${term % 8}${fresh}` }, group);
    svg("text", { x: left + CELL / 2, y: y + 4, class: `cell-text${fresh}` }, group, String(term));
    if (index <= event.commit) svg("rect", { x: left, y: y + 8.5, width: CELL, height: 3, class: "commit" }, group);
  });
}
