// The review: which image is next, what the keys do, and that nothing moves on before a decision is on the disk.

import { Chooser } from "./chooser.js";
import { $, WORDS, drawEvidence, drawFacts, named, worded } from "./panel.js";
import { Loader, ask, tell } from "./server.js";
import { Radiograph, Viewer } from "./viewer.js";

const AHEAD = 3;
const ASK_EVERY = 15000;
const SHOW = { open: "to do", skipped: "skipped by you", decided: "decided by you" };

history.replaceState(null, "", location.pathname); // the token has done its work

let entries = [];
let byRow = new Map();
let readers = {};
let version = 0;
let number = 0;
let second = ""; // the first reader, where this is a second reading
let current = null;
let shown = false; // whether the current radiograph is on the screen
let upcoming = []; // entries that are loaded ahead, in order
let trail = []; // entries that were shown before the current one
let passed = new Set(); // rows left without a decision
let busy = false;
let unsent = null; // a decision that could not be saved; the same key sends the same press again
const evidence = new Map();

const viewer = new Viewer($("radiograph"), (view, scale) => {
  const { low, high } = view;
  const turned = view.turn ? ` · ${view.turn * 90}°` : "";
  $("readout").textContent = `W ${Math.round(high - low)} L ${Math.round((high + low) / 2)} · ${Math.round(100 * scale)}%${turned}`;
  document.querySelector("[data-tool=invert]").setAttribute("aria-pressed", String(view.invert));
});
const loader = new Loader((data) => {
  const radiograph = new Radiograph(data);
  viewer.prepare(radiograph);
  return radiograph;
});
const chooser = new Chooser($("chooser"), (region, event) =>
  region === current.given ? decide("keep", "", event) : decide("relabel", region, event));

// ---- the queue

async function loadQueue() {
  const queue = await ask(`api/queue?second=${encodeURIComponent(second)}`);
  entries = queue.suspects;
  byRow = new Map(entries.map((entry) => [entry.row, entry]));
  ({ version, number, readers } = queue);
  chooser.regions = queue.regions;
  $("reviewer").textContent = queue.reviewer;
  if (current && !byRow.has(current.row)) byRow.set(current.row, current);
  else if (current) current = byRow.get(current.row);
  upcoming = upcoming.map((entry) => byRow.get(entry.row)).filter(Boolean);
  trail = trail.map((entry) => byRow.get(entry.row)).filter(Boolean);
  fillFilters();
  countProgress();
}

function isOpen(entry) {
  const { own } = entry;
  const state = !own ? "open" : own.verdict === "skip" ? "skipped" : "decided";
  const wanted = $("show").value.split(":")[0];
  if (wanted === "second") return state === "open";
  return state === wanted && !(state === "open" && entry.elsewhere);
}

function isWanted(entry) {
  const issue = $("issue").value;
  const pair = $("pair").value;
  return (!issue || entry.issues.includes(issue)) && (!pair || pairOf(entry) === pair);
}

function pairOf(entry) {
  return `${named(entry.given)} → ${entry.suggested || "nothing"}`;
}

function* candidates() {
  const open = entries.filter((entry) => isWanted(entry) && isOpen(entry) && entry !== current);
  yield* open.filter((entry) => !passed.has(entry.row));
  yield* open.filter((entry) => passed.has(entry.row));
}

// What is loaded already stays next, whatever a new ranking says.
function pickUpcoming() {
  const ahead = upcoming.filter((entry) => entry !== current && isWanted(entry) && isOpen(entry) && !passed.has(entry.row));
  for (const entry of candidates()) {
    if (ahead.length >= AHEAD) break;
    if (!ahead.includes(entry)) ahead.push(entry);
  }
  upcoming = ahead.slice(0, AHEAD);
}

function loadAhead() {
  pickUpcoming();
  const near = [...upcoming, current, ...trail.slice(-1)].filter(Boolean).map((entry) => entry.row);
  loader.keep(near);
  for (const row of evidence.keys()) if (!near.includes(row)) evidence.delete(row);
  for (const entry of upcoming) {
    loader.get(entry.row).catch(() => {});
    getEvidence(entry.row).catch(() => {});
  }
}

function getEvidence(row) {
  if (!evidence.has(row)) {
    const loading = ask(`api/details/${row}`).then((details) => ({ details, parts: drawEvidence(details, lookCloser) }));
    evidence.set(row, loading);
    loading.catch(() => evidence.delete(row));
  }
  return evidence.get(row);
}

// ---- showing

async function open(entry, pressed) {
  current = entry;
  setState(entry ? "loading" : "finished");
  if (!entry) return finish();
  const late = setTimeout(() => { $("waiting").hidden = false; }, 120);
  try {
    const [radiograph, { details, parts }] = await Promise.all([loader.get(entry.row), getEvidence(entry.row)]);
    if (current !== entry && current?.row !== entry.row) return;
    viewer.show(radiograph);
    drawFacts(current, details, `${doneCount() + 1} of ${total()}`);
    $("evidence").replaceChildren(...parts);
    $("notice").hidden = !radiograph.facts.notice;
    $("notice").textContent = radiograph.facts.notice;
    $("note").value = current.own?.note ?? "";
    setState("shown");
    await painted();
    if (pressed) performance.measure("key to radiograph", { start: pressed, end: performance.now() });
  } catch (error) {
    say(`This radiograph could not be loaded: ${error.message}. PgDn goes on, PgUp and PgDn try again.`, true);
  } finally {
    clearTimeout(late);
    $("waiting").hidden = true;
    loadAhead();
  }
}

// Resolves when the frame that was just drawn is on its way to the screen.
function painted() {
  return new Promise((resolve) => requestAnimationFrame(() => {
    const channel = new MessageChannel();
    channel.port1.onmessage = resolve;
    channel.port2.postMessage(null);
  }));
}

function advance(pressed) {
  pickUpcoming();
  return open(upcoming[0] ?? null, pressed);
}

// `loading`, `shown` (only what was seen can be decided), or `finished`.
function setState(state) {
  shown = state === "shown";
  document.body.dataset.state = state;
  $("done").hidden = state !== "finished";
}

async function finish() {
  const left = entries.filter(isOpen).length;
  $("done-title").textContent = left ? "Nothing left under these filters" : "All read";
  $("done-text").textContent = left
    ? `${left} more to read: take the filters away.`
    : second ? "" : "Everything is saved. Skipped images can be shown again with the filter at the top.";
  $("done-title").focus();
  if (second) await tellAgreement();
}

function total() { return entries.filter(isWanted).length; }
function doneCount() {
  return entries.filter((entry) => isWanted(entry) && (entry.own || (!second && entry.elsewhere))).length;
}

function countProgress() {
  const [done, all] = [doneCount(), total()];
  $("progress").max = Math.max(1, all);
  $("progress").value = done;
  $("counted").textContent = `${done} of ${all} read`;
}

// ---- deciding

async function decide(verdict, region, event) {
  if (busy || !current) return;
  if (!shown) return say("Wait for the radiograph: it is still loading.");
  const entry = current;
  const wanted = { row: entry.row, verdict, region, note: $("note").value.trim() };
  const same = unsent && Object.keys(wanted).every((key) => unsent[key] === wanted[key]);
  const sent = same ? unsent : { ...wanted, press: crypto.randomUUID() };
  busy = true;
  say("Saving…");
  try {
    const answer = await tell("api/decide", { ...sent, since: number });
    unsent = null;
    entry.own = { number: answer.made, verdict, region, note: sent.note };
    say(`Saved: ${worded(entry.own)}`);
    trail.push(entry);
    if (isOpen(entry)) passed.add(entry.row); // skipped once more, among those skipped
    else passed.delete(entry.row);
    follow(answer);
    countProgress();
    await advance(event?.timeStamp);
  } catch (error) {
    unsent = sent;
    say(`Not saved: ${error.message}. You are still at the same image; press the key again.`, true);
  } finally {
    busy = false;
  }
}

function accept(event) {
  if (!current.suggested) return say("Nothing is suggested: R chooses a region.");
  if (current.suggested === current.given) return say("That is the label that it has: K keeps it.");
  return decide("relabel", current.suggested, event);
}

function keep(event) {
  if (!current.given) return say("There is no label to keep.");
  return decide("keep", "", event);
}

async function undo() {
  const own = entries.concat(trail).filter((entry) => entry.own).sort((a, b) => b.own.number - a.own.number)[0];
  if (busy || !own) return say(busy ? "Saving…" : "There is nothing to undo.");
  busy = true;
  try {
    const press = `undo ${own.own.number}`; // the same decision can be taken back but once
    await tell("api/undo", { number: own.own.number, press });
    await loadQueue();
    trail = trail.filter((entry) => entry.row !== own.row);
    if (current && current.row !== own.row) upcoming = [current, ...upcoming];
    unsent = null;
    await open(byRow.get(own.row) ?? { ...own, own: null });
    say("Taken back.");
  } catch (error) {
    say(`Not taken back: ${error.message}.`, true);
  } finally {
    busy = false;
  }
}

// What others decided meanwhile, and a new ranking.
function follow(answer) {
  for (const row of answer.elsewhere) if (byRow.has(row)) byRow.get(row).elsewhere = true;
  number = answer.number;
  if (answer.version === version) return;
  version = answer.version;
  loadQueue().then(() => { loadAhead(); say("The rest was ranked again by what you decided."); }).catch(() => {});
}

setInterval(async () => {
  if (busy) return;
  try {
    follow(await ask(`api/state?since=${number}`));
    countProgress();
    if (document.body.classList.contains("cut-off")) say("The server answers again.");
    document.body.classList.remove("cut-off");
  } catch (error) {
    document.body.classList.add("cut-off");
    say(`Decisions cannot be saved now: ${error.message}.`, true);
  }
}, ASK_EVERY);

// ---- filters and words

function fillFilters() {
  const options = (select, choices) => {
    const held = select.value;
    select.replaceChildren(...choices.map(([value, text]) => new Option(text, value)));
    select.value = choices.some(([value]) => value === held) ? held : choices[0][0];
  };
  options($("show"), [
    ...Object.entries(SHOW),
    ...Object.entries(readers).map(([name, count]) => [`second:${name}`, `second reading of ${name} (${count})`]),
  ]);
  const counted = (values) => [...values.reduce((map, value) => map.set(value, (map.get(value) ?? 0) + 1), new Map())]
    .sort((one, two) => two[1] - one[1]);
  options($("issue"), [["", "all issues"], ...counted(entries.flatMap((entry) => entry.issues)).map(([issue, count]) => [issue, `${WORDS[issue] ?? issue} (${count})`])]);
  options($("pair"), [["", "all pairs"], ...counted(entries.map(pairOf)).map(([pair, count]) => [pair, `${pair} (${count})`])]);
}

async function tellAgreement() {
  if (!second) return say("Agreement is shown in a second reading: choose one at the top.");
  const { images, agreed, kappa } = await ask(`api/agreement?with=${encodeURIComponent(second)}`);
  const beyond = kappa === null ? "" : `; Cohen's kappa ${kappa.toFixed(2)}`;
  const text = images ? `With ${second}: the same on ${agreed} of ${images} (${Math.round((100 * agreed) / images)}%)${beyond}` : `No image yet that ${second} read too`;
  $("agreement").textContent = text;
  if (!current) $("done-text").textContent = `${text}.`;
}

function say(text, wrong = false) {
  $("status").textContent = text;
  $("status").classList.toggle("wrong", wrong);
}

function lookCloser(source, title) {
  $("closer").querySelector("img").src = source;
  $("closer").querySelector("p").textContent = title;
  $("closer").showModal();
}

$("filters").addEventListener("change", async (event) => {
  setState("loading"); // a key that is pressed now must not decide on the image from before
  upcoming = [];
  passed = new Set();
  try {
    if (event.target.id === "show") {
      second = $("show").value.startsWith("second:") ? $("show").value.slice("second:".length) : "";
      $("agreement").textContent = "";
      await loadQueue();
    }
    countProgress();
    current = null;
    await advance();
  } catch (error) {
    say(`The list could not be loaded: ${error.message}.`, true);
  }
});
$("filters").addEventListener("submit", (event) => event.preventDefault());

// ---- keys

const VERDICTS = {
  keep, accept, choose: () => shown && chooser.open(),
  "out-of-domain": (event) => decide("out-of-domain", "", event),
  unusable: (event) => decide("unusable", "", event),
  skip: (event) => decide("skip", "", event),
};
const TOOLS = {
  invert: () => viewer.invert(), left: () => viewer.turn(-1), right: () => viewer.turn(1),
  fit: () => viewer.fit(), actual: () => viewer.actual(), reset: () => viewer.reset(),
};
const DECIDING = { k: "keep", a: "accept", r: "choose", o: "out-of-domain", u: "unusable", s: "skip" };
const VIEWING = {
  i: TOOLS.invert, ",": TOOLS.left, ".": TOOLS.right, 0: TOOLS.fit, 1: TOOLS.actual, d: TOOLS.reset,
  "+": () => viewer.zoomBy(1.25), "=": () => viewer.zoomBy(1.25), "-": () => viewer.zoomBy(0.8),
  ArrowLeft: () => viewer.move(60, 0), ArrowRight: () => viewer.move(-60, 0),
  ArrowUp: () => viewer.move(0, 60), ArrowDown: () => viewer.move(0, -60),
};
const WINDOWING = {
  ArrowLeft: () => viewer.window(-0.04, 0), ArrowRight: () => viewer.window(0.04, 0),
  ArrowUp: () => viewer.window(0, 0.04), ArrowDown: () => viewer.window(0, -0.04),
};
const GOING = {
  n: () => $("note").focus(), f: () => $("show").focus(), g: () => tellAgreement().catch((error) => say(error.message, true)),
  "?": () => $("help").showModal(), z: () => undo(),
  PageDown: () => { if (current) { passed.add(current.row); trail.push(current); } return advance(); },
  PageUp: () => {
    const entry = trail.pop();
    if (!entry) return say("There is nothing before this.");
    if (current) upcoming = [current, ...upcoming];
    passed.delete(entry.row);
    return open(entry);
  },
};

document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.altKey || event.metaKey || document.querySelector("dialog[open]")) return;
  if (event.target.closest("select, textarea")) {
    const leaves = event.key === "Escape" || (event.key === "Enter" && !event.shiftKey && event.target.id === "note");
    if (leaves) { event.preventDefault(); $("radiograph").focus(); }
    return;
  }
  const key = event.key.length === 1 ? event.key.toLowerCase() : event.key;
  const viewing = (event.shiftKey && WINDOWING[key]) || VIEWING[key];
  if (viewing) { if (shown) viewing(); }
  else if (event.repeat) return; // a key that is held down decides once
  else if (key in DECIDING) { if (current) VERDICTS[DECIDING[key]](event); }
  else if (key in GOING) GOING[key]();
  else return;
  event.preventDefault();
});
for (const button of document.querySelectorAll("[data-verdict]")) {
  button.addEventListener("click", (event) => current && VERDICTS[button.dataset.verdict](event));
}
for (const button of document.querySelectorAll("[data-tool]")) {
  button.addEventListener("click", () => shown && TOOLS[button.dataset.tool]());
}
for (const dialog of document.querySelectorAll("#help, #closer")) dialog.addEventListener("click", () => dialog.close());
$("ask").addEventListener("click", () => $("help").showModal());
$("undo").addEventListener("click", undo);

loadQueue().then(() => advance()).catch((error) => say(`The list could not be loaded: ${error.message}.`, true));
