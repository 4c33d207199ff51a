// The operator's view: live plots, and the members with kick, ban and mute. It needs the token that
// the hub printed; docs and `README.md` describe the socket.

import uPlot from "./vendor/uplot.js";

import { escape, show } from "./escape.js";
import { fold } from "./session.js";
import { preferred, translate, words as wordsOf } from "./words.js";

const $ = (id) => document.getElementById(id);
const MOST_REASONS = 8;
const MOST_ROWS = 200;

const preferences = (() => {
  try {
    return JSON.parse(localStorage.getItem("pigeon preferences")) ?? {};
  } catch {
    return {};
  }
})();
const language = preferences.language ?? preferred(navigator.languages ?? ["en"]);
const words = wordsOf(language);
if (preferences.theme && preferences.theme !== "auto") document.documentElement.dataset.theme = preferences.theme;
translate(document.body, language);
for (const option of $("span").options) option.textContent = words.minutes(Number(option.value) / 60);
const numbers = new Intl.NumberFormat(document.documentElement.lang, { maximumFractionDigits: 1, notation: "compact" });

// ---- The token ----

let token = tokenOfAddress() ?? keptToken();

/** Takes the token out of the address bar at once, so that nobody reads it there. */
function tokenOfAddress() {
  const fragment = location.hash.slice(1);
  if (!fragment) return undefined;
  history.replaceState(null, "", location.pathname);
  return new URLSearchParams(fragment).get("token") ?? decodeURIComponent(fragment);
}

function keptToken() {
  try {
    return sessionStorage.getItem("pigeon token") ?? undefined;
  } catch {
    return undefined;
  }
}

function keepToken() {
  try {
    if (token === undefined) sessionStorage.removeItem("pigeon token");
    else sessionStorage.setItem("pigeon token", token);
  } catch {
    // It is asked again after a reload.
  }
}

addEventListener("hashchange", () => {
  token = tokenOfAddress() ?? token;
  connect();
});

// ---- Data: one point a second, for an hour ----

/** Samples are kept thinned for each span that may be shown: as many points as a plot is wide. */
const POINTS = 300;
const SPANS = [300, 900, 3_600].map((seconds) => ({ seconds, step: Math.max(1, seconds / POINTS), points: [] }));

/** The plots. A line has a word and the key of its value in a flat sample, such as `round_trip_ms.99`. */
const PLOTS = [
  { id: "deliveries", lines: [["deliveries", "deliveries"], ["received", "received"]] },
  { id: "members", lines: [["total", "members"]], byKey: "by_link." },
  { id: "drops", lines: [], byKey: "drops." },
  { id: "roundTrip", lines: [["median", "round_trip_ms.median"], ["worst", "round_trip_ms.99"]] },
  { id: "lag", lines: [["lag", "durable_lag_ms"]] },
  { id: "queues", lines: [["queues", "queues"]] },
];

/** The keys of reasons and links that had a value, with their sums. */
const sums = new Map();

/** The samples of the past hour. */
export const samples = {
  newest: 0,
  last: new Map(),

  /** Adds samples, oldest first, and draws. */
  add(more) {
    for (const sample of more) {
      if (!Number.isFinite(sample.time) || sample.time <= this.newest) continue;
      this.newest = sample.time;
      this.last = flat(sample);
      for (const span of SPANS) thin(span, sample.time / 1_000, this.last);
    }
    draw();
  },
};

/** A sample's numbers by key, those of objects in it as `object.key`. */
function flat(sample) {
  const values = new Map();
  for (const [key, value] of Object.entries(sample)) {
    if (Number.isFinite(value)) values.set(key, value);
    for (const [inner, each] of value && typeof value === "object" ? Object.entries(value) : []) {
      if (!Number.isFinite(each)) continue;
      const full = `${key}.${inner}`;
      values.set(full, each);
      if (each > 0 && (sums.has(full) || sums.size < 200)) sums.set(full, (sums.get(full) ?? 0) + each);
    }
  }
  return values;
}

/** The worst of a time, which a mean would hide. */
const isWorst = (key) => key.endsWith(".99") || key === "durable_lag_ms" || key === "queues";

/** A count by reason or link, which a sample leaves out where it is 0. */
const isCount = (key) => key.startsWith("drops.") || key.startsWith("by_link.");

/** Adds a sample to the point of its time. */
function thin(span, time, values) {
  const at = Math.floor(time / span.step) * span.step;
  let point = span.points.at(-1);
  if (point?.at !== at) {
    point = { at, count: 0, values: new Map() };
    span.points.push(point);
    if (span.points.length > POINTS) span.points.shift();
  }
  point.count += 1;
  for (const [key, value] of values) {
    const { sum = 0, count = 0, most = value } = point.values.get(key) ?? {};
    point.values.set(key, { sum: sum + value, count: count + 1, most: Math.max(most, value) });
  }
}

/** A point's value: the mean of its samples, or the worst of them. */
function valueOf(point, key) {
  const value = point.values.get(key);
  if (!value) return isCount(key) ? 0 : null;
  if (isWorst(key)) return value.most;
  return value.sum / (isCount(key) ? point.count : value.count);
}

/** The lines of a plot: its own, and one for each reason or link that matters most. */
function linesOf({ lines, byKey }) {
  const fixed = lines.map(([word, key]) => [words[word], key]);
  if (!byKey) return fixed;
  const found = [...sums].filter(([key]) => key.startsWith(byKey)).sort((a, b) => b[1] - a[1]);
  const keys = found.slice(0, MOST_REASONS).map(([key]) => key).sort();
  const label = (name) => (byKey === "by_link." ? (words.links[name] ?? escape(name)) : escape(name));
  return [...fixed, ...keys.map((key) => [label(key.slice(byKey.length)), key])];
}

// ---- Plots ----

/** The plots that are not drawn yet. */
let left = [];
/** Draws the plots, one in a frame, so that none of them is late. */
function draw() {
  const isDrawing = left.length > 0;
  // Those that were drawn in this round already come again after the others.
  left = [...left, ...PLOTS.filter((plot) => !left.includes(plot))];
  const next = () => {
    drawPlot(left.shift());
    if (left.length > 0) requestAnimationFrame(next);
  };
  if (!isDrawing) requestAnimationFrame(next);
}

function drawPlot(plot) {
  const span = SPANS.find(({ seconds }) => seconds === Number($("span").value));
  const lines = linesOf(plot);
  const key = lines.map(([label]) => label).join("\n");
  if (plot.key !== key) build(plot, lines, key);
  const newest = (samples.newest || Date.now()) / 1_000;
  const shown = span.points.filter(({ at }) => at > newest - span.seconds);
  plot.range = [newest - span.seconds, newest];
  plot.u?.setData([shown.map(({ at }) => at), ...lines.map(([, it]) => shown.map((point) => valueOf(point, it)))]);
  lines.forEach(([, it], i) => {
    const value = samples.last.get(it);
    const text = value === undefined ? (plot.byKey ? "0" : "–") : numbers.format(value);
    if (plot.values[i].textContent !== text) plot.values[i].textContent = text;
  });
}

function build(plot, lines, key) {
  plot.key = key;
  if (!plot.figure) {
    plot.figure = document.createElement("section");
    plot.figure.className = "plot";
    plot.figure.dataset.plot = plot.id;
    const title = document.createElement("h2");
    title.textContent = words[plot.id];
    plot.legend = document.createElement("p");
    plot.legend.className = "legend";
    plot.canvas = document.createElement("div");
    plot.canvas.className = "canvas";
    plot.canvas.setAttribute("aria-hidden", "true");
    plot.figure.append(title, plot.legend, plot.canvas);
    $("plots").append(plot.figure);
    new ResizeObserver(() => plot.u?.setSize({ width: plot.canvas.clientWidth, height: 150 })).observe(plot.canvas);
  }
  const style = getComputedStyle(document.documentElement);
  const colour = (name) => style.getPropertyValue(name).trim();
  plot.values = [];
  plot.legend.replaceChildren(
    ...lines.map(([label], i) => {
      const item = document.createElement("span");
      const swatch = document.createElement("i");
      swatch.style.setProperty("--c", `var(--s${i % 8})`);
      const value = document.createElement("b");
      plot.values.push(value);
      item.append(swatch, `${label} `, value);
      return item;
    }),
  );
  plot.u?.destroy();
  plot.u = undefined;
  if (lines.length === 0) {
    plot.legend.textContent = "–";
    return;
  }
  const axis = { stroke: colour("--soft"), grid: { stroke: colour("--line"), width: 1 }, ticks: { show: false }, font: "11px system-ui" };
  plot.u = new uPlot(
    {
      width: plot.canvas.clientWidth || 300,
      height: 150,
      legend: { show: false },
      padding: [10, 18, 0, 0],
      cursor: { y: false, drag: { x: false, y: false } },
      scales: {
        x: { range: () => plot.range ?? [0, 1] },
        y: { range: (_, min, max) => [0, Math.max(1, max ?? 1) * 1.1] },
      },
      axes: [
        { ...axis, size: 26, space: 70, values: (_, ticks) => ticks.map((it) => new Date(it * 1_000).toLocaleTimeString(document.documentElement.lang, { hour: "2-digit", minute: "2-digit", hourCycle: "h23" })) },
        { ...axis, size: 46, values: (_, ticks) => ticks.map((it) => numbers.format(it)) },
      ],
      series: [{}, ...lines.map(([label], i) => ({ label, stroke: colour(`--s${i % 8}`), width: 1.5, points: { show: false } }))],
    },
    [[], ...lines.map(() => [])],
    plot.canvas,
  );
}

/** New colours: all plots are built again. */
function rebuild() {
  for (const plot of PLOTS) plot.key = undefined;
  draw();
}
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", rebuild);
$("span").addEventListener("change", draw);

// ---- Members ----

let members = [];
let more = 0;

function showMembers() {
  // Whoever is about to press a button must not find it moved to another member.
  if ($("members").contains(document.activeElement) || $("members").matches(":hover")) {
    updateNumbers();
    return;
  }
  const wanted = fold($("filter").value.trim());
  const found = members.filter((it) => !wanted || fold(`${it.name} ${it.room ?? ""} ${it.address ?? ""}`).includes(wanted));
  $("members-count").textContent = numbers.format(members.length + more);
  $("members").replaceChildren(...found.slice(0, MOST_ROWS).map(memberRow));
}

function memberRow(member) {
  const row = document.createElement("tr");
  row.dataset.name = member.name;
  const cell = (content, className) => {
    const it = document.createElement("td");
    if (className) it.className = className;
    if (typeof content === "string") it.append(show(document.createElement("bdi"), content));
    else it.append(...content);
    row.append(it);
    return it;
  };
  cell(member.name, "who").firstChild.title = escape(member.name);
  cell(member.room ?? "");
  cell(words.links[member.link] ?? member.link ?? "");
  cell(member.address ?? "");
  cell(number(member.rate), "number");
  cell(number(member.drops), "number");
  const button = (type, label) => {
    const it = document.createElement("button");
    it.type = "button";
    it.className = type;
    it.textContent = label;
    it.setAttribute("aria-label", `${label}: ${escape(member.name)}`);
    it.addEventListener("click", () => act(it.className, member.name));
    return it;
  };
  const type = muteType(member);
  cell([button(type, words[type]), button("kick", words.kick), button("ban", words.ban)]);
  return row;
}

const muteType = (member) => (member.muted ? "unmute" : "mute");

const number = (value) => (Number.isFinite(value) ? numbers.format(value) : "");

function updateNumbers() {
  const byName = new Map(members.map((it) => [it.name, it]));
  for (const row of $("members").rows) {
    const member = byName.get(row.dataset.name);
    for (const button of row.querySelectorAll("button")) button.disabled = !member;
    if (!member) continue;
    const mute = row.querySelector("button");
    const type = muteType(member);
    if (mute.className !== type) {
      mute.className = type;
      mute.textContent = words[type];
      mute.setAttribute("aria-label", `${words[type]}: ${escape(member.name)}`);
    }
    row.cells[4].textContent = number(member.rate);
    row.cells[5].textContent = number(member.drops);
  }
}

function act(type, name) {
  if (type !== "ban") return send({ type, name });
  $("confirm-text").textContent = words.confirmBan(escape(name));
  $("confirm").returnValue = "no";
  $("confirm").showModal();
  $("confirm").onclose = () => $("confirm").returnValue === "yes" && send({ type, name });
  return undefined;
}

$("filter").addEventListener("input", showMembers);
$("members").addEventListener("mouseleave", showMembers);

// ---- The socket ----

let socket;
let attempts = 0;
let timer;
let isDenied = false;

function send(frame) {
  if (socket?.readyState === WebSocket.OPEN) socket.send(JSON.stringify(frame));
}

function status(state, text) {
  $("status").dataset.state = state;
  if ($("status").textContent !== text) $("status").textContent = text;
}

function askToken(problem = "") {
  $("view").hidden = true;
  $("token-form").hidden = false;
  $("token-problem").textContent = problem;
  status("ended", problem || words.tokenHint);
  $("token").focus();
}

function connect() {
  clearTimeout(timer);
  if (token === undefined) return askToken();
  const it = new WebSocket(`${location.protocol === "https:" ? "wss" : "ws"}://${location.host}/operator/ws`);
  socket?.close();
  socket = it;
  isDenied = false;
  status("connecting", words.connecting);
  it.onopen = () => it === socket && send({ type: "token", token });
  it.onmessage = ({ data }) => it === socket && data.split("\n").forEach((line) => line && received(JSON.parse(line)));
  it.onclose = () => {
    if (it !== socket || isDenied) return;
    status("connecting", words.operatorOffline);
    timer = setTimeout(connect, Math.min(500 * 2 ** attempts++, 10_000));
  };
  return undefined;
}

function received(frame) {
  if (frame.type === "denied") {
    isDenied = true;
    token = undefined;
    keepToken();
    socket.close();
    return askToken(words.tokenWrong);
  }
  if ($("view").hidden) {
    keepToken();
    attempts = 0;
    $("token-form").hidden = true;
    $("view").hidden = false;
  }
  status("live", words[location.protocol === "https:" ? "encrypted" : "local"]);
  switch (frame.type) {
    case "hub":
      $("hub").textContent = escape(frame.name);
      document.title = `${escape(frame.name)} · ${words.operator}`;
      return undefined;
    case "sample":
      return samples.add([frame]);
    case "samples":
      return samples.add(frame.samples);
    case "members":
      members = frame.members;
      more = frame.more ?? 0;
      return showMembers();
    case "answer":
      $("answer").replaceChildren();
      show($("answer"), frame.text, { lines: true });
      return undefined;
    default:
      return undefined;
  }
}

$("token-form").addEventListener("submit", (event) => {
  event.preventDefault();
  token = $("token").value.trim();
  $("token").value = "";
  connect();
});

connect();
