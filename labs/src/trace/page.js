// The page around the lanes: findings, list of events, state at the cursor, keys.
"use strict";

const trace = readTrace(JSON.parse(document.getElementById("trace").textContent));
const options = { idle: false, causal: trace.violations.length > 0, target: trace.violations[0] };
/** Least width of the list, with margins; least and best width of the state beside it. Narrower: the state docks below. */
const LIST_WIDTH = 320;
const ASIDE_WIDTH = [236, 320];

let shown = [];
let place = null;
let cursor = 0;
/** Rows that are in the document. */
let drawn = [0, 0];

/** An HTML element. Children that are strings become text, never markup. */
function el(name, attributes, ...children) {
  const node = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) {
    if (key === "onclick") node.addEventListener("click", value);
    else if (value !== null) node.setAttribute(key, value);
  }
  node.append(...children);
  return node;
}

const byId = (id) => document.getElementById(id);

function badge(event) {
  const role = event ? event.role : "-";
  const words = role === "-" ? "down" : role;
  return el("span", { class: `badge ${roleClass(role)}`, title: ROLE_NAMES[role] || role }, words);
}

/** The log of one node as cells, with the index above each, and words for those who cannot see it. */
function logCells(event) {
  const words = event.log.map(([index, term]) => `${index} of term ${term}`).join(", ");
  const strip = el("span", { class: "strip", role: "img", "aria-label": words === "" ? "log is empty" : `log ends with ${words}` });
  if (event.log.length > 0 && event.log[0][0] > 1) strip.append(el("span", { class: "skipped" }, "…"));
  for (const [index, term] of event.log) {
    const fresh = index > event.durable ? " fresh" : "";
    const committed = index <= event.commit ? " committed" : "";
    strip.append(el("span", { class: `slot${committed}` }, el("i", {}, String(index)), el("b", { class: `term-${term % 8}${fresh}` }, String(term))));
  }
  if (event.log.length === 0) strip.append(el("span", { class: "faint" }, event.last > 0 ? `… ${event.last}` : "empty"));
  return strip;
}

function showFindings() {
  const box = byId("findings");
  if (trace.findings.length === 0) {
    box.append(el("p", { class: "fine" }, "No promise was broken in this run."));
    return;
  }
  trace.findings.forEach((finding, k) => box.append(findingCard(finding, k)));
}

function findingCard(finding, k) {
  const event = trace.violations.find((i) => trace.events[i].data.finding === k);
  const mild = finding.strength === "Should";
  const kind = mild ? "probable cause" : `${finding.strength.toLowerCase()} broken`;
  const where = finding.node === 0 ? "" : ` by node ${finding.node}`;
  const head = el("h2", {}, el("span", { class: "rule" }, finding.rule), ` ${finding.title}`, el("small", {}, ` ${kind}${where}`));
  const rows = el("dl", {});
  const row = (name, text, extra) => text && rows.append(el("dt", {}, name), el("dd", { class: extra || "" }, text));
  row("promised", finding.promised);
  row("seen", finding.seen, "seen");
  row("why it matters", finding.why);
  row("read", finding.section);
  const card = el("article", { class: mild ? "finding mild" : "finding" }, head, rows);
  if (event !== undefined) {
    card.append(el("a", { href: `#e${event}`, class: "goto", onclick: (click) => { click.preventDefault(); goTo(event); } }, `Go to the event (${clock(trace.events[event].at_us)})`));
  }
  return card;
}

const ICONS = { Start: "▲", Crash: "✗", Tick: "◆", Send: "○", Receive: "●", Lose: "✗", Client: "▶", Sync: "■", Apply: "✓", Fault: "ϟ", Violation: "✗" };

/** What happened, in words; a loss also says of what. */
function wordsOf(event) {
  if (event.kind !== "Lose" || event.message.name === "") return event.text;
  return `${event.text}: ${shortName(event.message.name)} ${event.message.from}→${event.message.to}`;
}

function listRow(event, k) {
  const who = event.node === 0 ? "" : String(event.node);
  const state = event.node === 0 ? "" : `; then ${ROLE_NAMES[event.role] || event.role}, term ${event.term}, last ${event.last}, commit ${event.commit}`;
  const label = `${clock(event.at_us)}, ${event.node === 0 ? "surroundings" : "node " + event.node}: ${wordsOf(event)}${state}`;
  const row = el("li", {
    role: "option", id: `e${event.i}`, class: `row kind-${event.kind.toLowerCase()}`, "aria-label": label,
    "aria-selected": String(k === cursor), "aria-setsize": String(shown.length), "aria-posinset": String(k + 1),
    title: wordsOf(event), style: `top:${place.rows[k] - 11}px`, onclick: () => select(k),
  }, el("span", { class: `who ${event.node === 0 ? "nobody" : roleClass(event.role)}` }, who), el("span", { class: "icon" }, ICONS[event.kind] || "•"), el("span", { class: "text" }, wordsOf(event)));
  return row;
}

/** Draws everything anew, and keeps the cursor on the event it was on, or the nearest one that is still shown. */
function render(keep) {
  shown = visibleEvents(trace, options);
  place = layOut(trace, shown, options, window.innerWidth - LIST_WIDTH - ASIDE_WIDTH[1]);
  const left = window.innerWidth - place.width - LIST_WIDTH;
  document.body.classList.toggle("docked", left < ASIDE_WIDTH[0]);
  document.body.style.setProperty("--aside", `${Math.max(ASIDE_WIDTH[0], Math.min(ASIDE_WIDTH[1], left))}px`);
  byId("plane").style.height = `${place.height}px`;
  byId("lanes").style.width = `${place.width}px`;
  byId("heads").style.width = `${place.width}px`;
  byId("rows").style.height = `${place.height}px`;
  byId("notice").textContent = noticeText();
  byId("idle").setAttribute("aria-pressed", String(options.idle));
  byId("causal").setAttribute("aria-pressed", String(options.causal));
  const at = shown.findIndex((event) => event.i >= keep);
  cursor = at < 0 ? shown.length - 1 : at;
  drawn = [0, 0];
  drawView();
  select(cursor);
}

/** Puts the rows near the view into the document, unless they are there. */
function drawView() {
  const top = -byId("plane").getBoundingClientRect().top;
  const wanted = rowsNear(place, top, top + window.innerHeight);
  const near = rowsNear(place, top + 1500, top + window.innerHeight - 1500);
  if (drawn[1] > 0 && drawn[0] <= near[0] && drawn[1] >= near[1]) return;
  drawn = wanted;
  byId("lanes").replaceChildren(drawLanes(trace, place, drawn));
  byId("rows").replaceChildren(...shown.slice(drawn[0], drawn[1]).map((event, k) => listRow(event, drawn[0] + k)));
}

function noticeText() {
  const hidden = trace.events.length - shown.length;
  const cut = trace.left_out > 0 ? ` ${trace.left_out} more events of this run were left out.` : "";
  return `${shown.length} of ${trace.events.length} events shown${hidden > 0 ? "" : ": all"}.${cut}`;
}

/** Moves the cursor to row `k`, and with `scroll` brings it into view: "near" the edge or in the "centre". */
function select(k, scroll) {
  if (shown.length === 0) return;
  cursor = Math.max(0, Math.min(shown.length - 1, k));
  if (scroll) scrollTo(cursor, scroll === "centre");
  const event = shown[cursor];
  const list = byId("rows");
  for (const old of list.querySelectorAll('[aria-selected="true"]')) old.setAttribute("aria-selected", "false");
  const row = byId(`e${event.i}`);
  if (row) row.setAttribute("aria-selected", "true");
  list.setAttribute("aria-activedescendant", `e${event.i}`);
  byId("cursor").style.top = `${place.rows[cursor] - 13}px`;
  for (const old of document.querySelectorAll(".msg.selected")) old.classList.remove("selected");
  if (event.message && event.message.send !== null) {
    for (const arrow of document.querySelectorAll(`.msg[data-message="${event.message.send}"]`)) arrow.classList.add("selected");
  }
  showHeads(event);
  showSide(event);
}

function scrollTo(k, centre) {
  const y = byId("plane").getBoundingClientRect().top + place.rows[k];
  const top = byId("heads").getBoundingClientRect().bottom + 30;
  const docked = document.body.classList.contains("docked");
  const bottom = (docked ? document.querySelector("aside").getBoundingClientRect().top : window.innerHeight) - 40;
  if (centre && (y < top || y > bottom)) window.scrollBy(0, y - (top + bottom) / 2);
  else if (y < top) window.scrollBy(0, y - top - 60);
  else if (y > bottom) window.scrollBy(0, y - bottom + 120);
  drawView();
}

/** Moves to event `i`, and shows more if it is hidden. */
function goTo(i) {
  if (!shown.some((event) => event.i === i)) {
    Object.assign(options, { causal: false, idle: true });
    render(i);
  }
  select(shown.findIndex((event) => event.i === i), "centre");
  byId("rows").focus({ preventScroll: true });
}

/** The heads of the columns tell role and term at the cursor, and stay in sight. */
function showHeads(event) {
  const heads = trace.nodes.map((node) => {
    const i = stateAt(trace, node, event.i);
    const state = i === null ? null : trace.events[i];
    const words = state && state.role !== "-" ? `term ${state.term}` : "";
    const left = place.x.get(node) - 16;
    return el("div", { class: "head", style: `left:${left}px` }, el("strong", {}, `node ${node}`), badge(state), el("span", { class: "faint" }, words));
  });
  byId("heads").replaceChildren(...heads);
}

function showSide(event) {
  const where = event.node === 0 ? "surroundings" : `node ${event.node}`;
  const parts = [
    el("h2", {}, `Event ${cursor + 1} of ${shown.length}`, el("small", {}, ` · ${clock(event.at_us)} · ${where}`)),
    el("p", { class: "full", id: "now" }, wordsOf(event)),
  ];
  const link = messageLine(event);
  if (link) parts.push(link);
  parts.push(el("h3", {}, "All nodes at this moment"), stateTable(event), flightList(event));
  byId("state").replaceChildren(...parts);
}

function messageLine(event) {
  if (!event.message) return null;
  const { send, receives, losses, name, from, to } = event.message;
  const jump = (i, words) => el("button", { class: "link", onclick: () => goTo(i) }, words);
  const line = el("p", { class: "faint" }, `${shortName(name)} ${from}→${to}: `);
  if (send !== null) line.append(jump(send, `sent ${clock(trace.events[send].at_us)}`));
  for (const i of receives) line.append(", ", jump(i, `arrived ${clock(trace.events[i].at_us)}`));
  if (losses.length > 0) line.append(", lost");
  if (receives.length + losses.length === 0) line.append(", not arrived by the end");
  return line;
}

function stateTable(event) {
  const head = el("tr", {}, ...["node", "role", "term", "last", "disk", "commit"].map((name) => el("th", { scope: "col" }, name)));
  const body = el("tbody", {});
  for (const node of trace.nodes) {
    const i = stateAt(trace, node, event.i);
    const state = i === null ? null : trace.events[i];
    const down = state === null || state.role === "-";
    const numbers = down ? ["", "", state === null ? "" : state.durable, ""] : [state.term, state.last, state.durable, state.commit];
    const own = node === event.node ? "own" : "";
    body.append(el("tr", { class: own }, el("th", { scope: "row" }, String(node)), el("td", {}, badge(state)), ...numbers.map((n) => el("td", {}, String(n)))));
    if (state && (!down || state.log.length > 0)) body.append(el("tr", { class: `logrow ${own}` }, el("td", { colspan: "6" }, logCells(state))));
  }
  return el("table", {}, el("thead", {}, head), body);
}

function flightList(event) {
  const open = inFlight(trace, event.i).filter((message) => options.idle || !/Heartbeat/.test(message.name));
  const box = el("div", {}, el("h3", {}, "On their way"));
  if (open.length === 0) box.append(el("p", { class: "faint" }, "no message"));
  const list = el("ul", { class: "flight" });
  for (const message of open.slice(-6)) list.append(el("li", {}, `${shortName(message.name)} ${message.from}→${message.to}`));
  if (open.length > 6) list.prepend(el("li", { class: "faint" }, `${open.length - 6} older ones`));
  if (open.length > 0) box.append(list);
  return box;
}

function toggle(name) {
  if (name === "causal" && trace.violations.length === 0) return;
  options[name] = !options[name];
  const seat = () => byId("plane").getBoundingClientRect().top + place.rows[cursor];
  const before = seat();
  render(shown.length > 0 ? shown[cursor].i : 0);
  window.scrollBy(0, seat() - before);
  drawView();
}

/** Next (or previous) broken promise; the causal past shown is then that of this one. */
function stepViolation(direction) {
  const here = shown.length > 0 ? shown[cursor].i : -1;
  const later = trace.violations.filter((i) => (direction > 0 ? i > here : i < here));
  const next = direction > 0 ? later[0] : later[later.length - 1];
  const target = next === undefined ? trace.violations[direction > 0 ? 0 : trace.violations.length - 1] : next;
  if (target === undefined) return;
  options.target = target;
  if (options.causal) render(target);
  goTo(target);
}

/** Previous or next shown event of the same node. */
function stepSameNode(direction) {
  const node = shown[cursor].node;
  for (let k = cursor + direction; k >= 0 && k < shown.length; k += direction) {
    if (shown[k].node === node) return select(k, "near");
  }
}

function followMessage() {
  const { message, i } = shown[cursor];
  if (!message) return;
  const ends = [message.send, ...message.receives].filter((k) => k !== null);
  const next = ends.find((k) => k > i);
  goTo(next === undefined ? ends[0] : next);
}

const KEYS = {
  j: () => select(cursor + 1, "near"), ArrowDown: () => select(cursor + 1, "near"),
  k: () => select(cursor - 1, "near"), ArrowUp: () => select(cursor - 1, "near"),
  ArrowRight: () => stepSameNode(1), ArrowLeft: () => stepSameNode(-1),
  PageDown: () => select(cursor + 15, "near"), PageUp: () => select(cursor - 15, "near"),
  Home: () => select(0, "near"), End: () => select(shown.length - 1, "near"),
  n: () => stepViolation(1), N: () => stepViolation(-1),
  m: followMessage, h: () => toggle("idle"), c: () => toggle("causal"), "?": () => byId("help").showModal(),
};

function onKey(event) {
  if (event.ctrlKey || event.metaKey || event.altKey || byId("help").open) return;
  const act = KEYS[event.key];
  if (!act || shown.length === 0) return;
  event.preventDefault();
  act();
}

function start() {
  byId("replay").textContent = trace.replay;
  byId("replay").parentElement.hidden = trace.replay === "";
  showFindings();
  byId("causal").disabled = trace.violations.length === 0;
  byId("next").disabled = trace.violations.length === 0;
  byId("idle").addEventListener("click", () => toggle("idle"));
  byId("causal").addEventListener("click", () => toggle("causal"));
  byId("next").addEventListener("click", () => stepViolation(1));
  byId("ask").addEventListener("click", () => byId("help").showModal());
  document.addEventListener("keydown", onKey);
  window.addEventListener("scroll", () => requestAnimationFrame(drawView), { passive: true });
  window.addEventListener("resize", () => render(shown[cursor] ? shown[cursor].i : 0));
  byId("lanes").addEventListener("click", (event) => {
    const y = event.clientY - byId("plane").getBoundingClientRect().top;
    const distance = place.rows.map((row) => Math.abs(row - y));
    select(distance.indexOf(Math.min(...distance)));
  });
  const wanted = /^#e(\d+)$/.exec(location.hash);
  render(wanted ? Number(wanted[1]) : trace.violations.length > 0 ? options.target : 0);
  if (wanted) goTo(Math.min(Number(wanted[1]), trace.events.length - 1));
}

start();
