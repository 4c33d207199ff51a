// The operator's view: live plots, and the members with kick, ban and mute. It needs the token that
// the hub printed; docs and `README.md` describe the socket.

import uPlot from "./vendor/uplot.js";

import { escape, show } from "./escape.js";
import { fold } from "./session.js";
import { preferred, translate, words as wordsOf } from "./words.js";

const $ = (id) => document.getElementById(id);
const HOUR = 3_600;
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

/** The plots, and how a sample gives their values. */
const PLOTS = [
  { id: "deliveries", series: [["deliveries", (it) => it.deliveries], ["received", (it) => it.received]] },
  { id: "members", byKey: "by_link", series: [["total", (it) => it.members]] },
  { id: "drops", byKey: "drops", series: [] },
  { id: "roundTrip", series: [["median", (it) => it.round_trip_ms?.median], ["worst", (it) => it.round_trip_ms?.["99"]]] },
  { id: "lag", series: [["lag", (it) => it.durable_lag_ms]] },
  { id: "queues", series: [["queues", (it) => it.queues]] },
];

/** The samples of the past hour. */
export const samples = {
  all: [],

  /** Adds samples, oldest first, and draws. */
  add(more) {
    const last = this.all.at(-1)?.time ?? 0;
    for (const it of more) if (Number.isFinite(it.time) && it.time > last) this.all.push(it);
    if (this.all.length > HOUR) this.all.splice(0, this.all.length - HOUR);
    draw();
  },
};

/** The keys that a plot has a line for: reasons of drops, links. */
function keysOf(plot) {
  if (!plot.byKey) return [];
  const sums = new Map();
  for (const it of samples.all) {
    for (const [key, value] of Object.entries(it[plot.byKey] ?? {})) sums.set(key, (sums.get(key) ?? 0) + value);
  }
  const kept = [...sums].filter(([, sum]) => sum > 0).sort((a, b) => b[1] - a[1]);
  return kept.slice(0, MOST_REASONS).map(([key]) => key).sort();
}

function linesOf(plot) {
  const label = (key) => (plot.byKey === "by_link" ? (words.links[key] ?? escape(key)) : escape(key));
  const fixed = plot.series.map(([word, value]) => [words[word], value]);
  return [...fixed, ...keysOf(plot).map((key) => [label(key), (it) => it[plot.byKey]?.[key] ?? 0])];
}

// ---- Plots ----

let frame;
/** Draws all plots in the next frame, if anybody looks. */
function draw() {
  frame ??= requestAnimationFrame(() => {
    frame = undefined;
    const span = Number($("span").value);
    const newest = samples.all.at(-1)?.time ?? Date.now();
    const shown = samples.all.filter((it) => it.time > newest - span * 1_000);
    const times = shown.map((it) => it.time / 1_000);
    for (const plot of PLOTS) drawPlot(plot, shown, times, newest / 1_000, span);
  });
}

function drawPlot(plot, shown, times, newest, span) {
  const lines = linesOf(plot);
  const key = lines.map(([label]) => label).join("\n");
  if (plot.key !== key) build(plot, lines, key);
  const data = lines.map(([, value]) => shown.map((it) => value(it) ?? null));
  plot.range = [newest - span, newest];
  plot.u?.setData([times, ...data]);
  lines.forEach((_, i) => {
    const value = data[i].at(-1);
    const text = value === null || value === undefined ? "–" : numbers.format(value);
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
      padding: [10, 8, 0, 0],
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
    it.addEventListener("click", () => act(type, member.name));
    return it;
  };
  const mute = member.muted ? button("unmute", words.unmute) : button("mute", words.mute);
  cell([mute, button("kick", words.kick), button("ban", words.ban)]);
  return row;
}

const number = (value) => (Number.isFinite(value) ? numbers.format(value) : "");

function updateNumbers() {
  const byName = new Map(members.map((it) => [it.name, it]));
  for (const row of $("members").rows) {
    const member = byName.get(row.dataset.name);
    if (!member) continue;
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
