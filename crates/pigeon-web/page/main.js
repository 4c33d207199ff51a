// The page: joins the session, the storage, the socket and what a person sees.
//
// - Start: opens the storage and the key, then the session, which connects at once.
// - Driver: carries out the session's outputs.
// - Events: from the session to rooms.
// - Views: status, rooms, people; the message box; search; copying a room out.

import { arrival, fragment, pages } from "./elsewhere.js";
import { escape, show } from "./escape.js";
import { openKey } from "./key.js";
import { LogView } from "./log.js";
import { hue, initial, nameError, suggest } from "./names.js";
import { Own } from "./own.js";
import { Room } from "./room.js";
import { Session, bytes, fold, outboxOf } from "./session.js";
import { Holder, openStorage, rescue, rescued } from "./storage.js";
import { preferred, translate, words as wordsOf } from "./words.js";

const $ = (id) => document.getElementById(id);
const now = () => performance.now();
const random = () => crypto.getRandomValues(new Uint32Array(1))[0];

/** After so long away a room begins with its newest messages, in place of all that was said. */
const LONG_AWAY = 3_600_000;
const FIRST = 100;
const PAGE = 100;
const MOST_DIRECT = 50;
/** A private message is not acknowledged after so long: it may be lost. */
const DIRECT_ANSWER = 5_000;
/** After so long without the hub the page names other hubs. */
const OFFER_AFTER = 3_000;
/** The most characters of a room that is copied out. */
const MOST_COPY = 100 << 20;

// ---- Start ----

const preferences = readPreferences();
let language = preferences.language ?? preferred(navigator.languages ?? [navigator.language ?? "en"]);
let words = wordsOf(language);
const locale = () => (language === "zh" ? "zh-CN" : (navigator.languages ?? []).find((it) => it.startsWith("en")) ?? "en-GB");

const storage = await openStorage();
await rescued(storage);
const kept = Object.fromEntries(await storage.read());
const sign = await openKey(storage, kept);

// From another hub's page.
const arrived = arrival(location.hash);
const brought = arrived.name && nameError(arrived.name) === undefined ? arrived.name : undefined;

const me = { name: kept.me?.name ?? brought ?? suggest(language, random()), word: kept.me?.word, isChosen: kept.me?.isChosen ?? false };
const hub = { name: "", bye: "", stores: true, isHistoryOff: false, people: undefined, senders: 0, rooms: [] };
export const rooms = new Map(); // folded name, or "@name" → Room
let current;
let isWriteFailing = false;
let isConnected = false;
let lastConnected = now();
export let otherPages = [];
let socket;
let timer;

const view = new LogView(
  { log: $("log"), rows: $("rows"), pending: $("pending"), top: $("top"), down: $("down") },
  { older: readOlder, newest: readNewest, again: sayAgain, discard: (mine) => settleRefused(mine), read: noteRead },
);

const own = new Own({
  rooms,
  open: (name) => addRoom(name),
  changed: (room, id) => room === current && view.pending(id, room.pending.get(id)),
});

const holder = new Holder((outbox) => {
  session.abandon(outbox);
  own.abandon(outbox);
});

/** Records of outboxes that no living tab holds. */
async function orphans(records) {
  const found = [];
  const others = new Set(records.map(([key]) => outboxOf(key)).filter((it) => it && !holder.held.has(it)));
  for (const outbox of others) {
    if (await holder.take(outbox)) found.push(...records.filter(([key]) => outboxOf(key) === outbox));
  }
  return found;
}

export const session = new Session({
  now: now(),
  wall: Date.now(),
  random,
  records: await orphans(Object.entries(kept)),
  config: {
    client: `page ${navigator.userAgent.slice(0, 60)}`,
    origin: location.origin,
    name: me.name,
    word: me.word,
    room: undefined,
    password: readPassword(),
    language,
  },
});
// ---- Driver ----

/** Carries out what the session puts out, and sets its timer. */
function drive() {
  for (let outputs = session.drain(); outputs.length > 0; outputs = session.drain()) {
    for (const output of outputs) carryOut(output);
  }
  clearTimeout(timer);
  const due = session.deadline();
  if (due !== undefined) {
    timer = setTimeout(() => {
      session.timeout(now());
      drive();
    }, Math.max(0, due - now()));
  }
  if (session.state === $("status").dataset.state) scheduleStatus();
  else showStatus();
}

function carryOut(output) {
  switch (output.type) {
    case "connect":
      return connect();
    case "send":
      return socket?.readyState === WebSocket.OPEN && socket.send(output.text);
    case "close":
      return close();
    case "sign":
      return sign(output.text).then((proof) => {
        session.signed(now(), output.nonce, proof);
        drive();
      });
    case "write":
      return storage.write(output.changes).then(
        () => (session.written(now(), output.id), drive()),
        () => (session.writeFailed(now(), output.id), drive()),
      );
    default:
      return on[output.kind]?.(output.event);
  }
}

function connect() {
  if (now() - lastConnected > LONG_AWAY) beginAnew();
  const it = new WebSocket(`${location.protocol === "https:" ? "wss" : "ws"}://${location.host}/ws`, "pigeon.1");
  socket = it;
  it.onopen = () => it === socket && (session.opened(now()), drive());
  it.onmessage = ({ data }) => it === socket && (session.received(now(), data), drive());
  it.onclose = () => {
    if (it !== socket) return;
    socket = undefined;
    session.closed(now());
    drive();
  };
}

function close() {
  const it = socket;
  socket = undefined;
  it?.close();
}

/** After a long absence: shows the newest messages, in place of reading everything since. */
function beginAnew() {
  for (const room of rooms.values()) {
    if (room.isDirect) continue;
    room.restart({ isAtEnd: true });
    session.follow(room.name, { last: FIRST });
    room.add({ kind: "note", text: words.away, time: Date.now() });
  }
  if (current) view.show(current);
}

const wake = () => {
  session.hurry(now());
  drive();
};
addEventListener("online", wake);
addEventListener("offline", wake);
addEventListener("pageshow", (event) => event.persisted && wake());
document.addEventListener("visibilitychange", () => {
  if (document.visibilityState === "hidden") return saveRooms();
  wake();
  return noteRead();
});
addEventListener("focus", noteRead);
$("retry").addEventListener("click", wake);

// ---- Events ----

const on = {
  state({ state, why }) {
    const wasConnected = isConnected;
    isConnected = state === "live" || state === "catching-up";
    if (isConnected || wasConnected) lastConnected = now();
    if (state === "ended" && why === "password") askPassword();
  },

  hub({ name }) {
    hub.name = name;
    $("hub").textContent = escape(name);
    showTitle();
  },

  welcome(welcome) {
    me.author = own.author = welcome.author;
    hub.stores = welcome.stores;
    hub.isHistoryOff = false;
    hub.bye = "";
    $("password-dialog").close();
    keepPassword();
    if (welcome.name) setMe({ name: welcome.name });
    view.isMe(mine());
  },

  message(message) {
    const room = rooms.get(fold(message.room));
    if (!room) return;
    own.arrived(room, [message]);
    addEntry(room, message, message.author === me.author);
  },

  gap(gap) {
    const room = rooms.get(fold(gap.room));
    if (room) addEntry(room, gap, true);
  },

  live({ room: name }) {
    const room = rooms.get(fold(name));
    if (!room) return;
    // Nothing was ever said here.
    if (room.more === undefined && room.entries.every((it) => !it.position)) room.more = null;
    if (room === current) view.update();
    noteRead();
  },

  reset({ room: name, last, forgotten }) {
    const room = rooms.get(fold(name));
    if (!room || !forgotten) return;
    room.remove((it) => it.position > (last?.position ?? 0));
    afterDeletion(room);
  },

  forgot({ room: name, name: speaker }) {
    for (const room of rooms.values()) {
      if (room.isDirect || (name && fold(room.name) !== fold(name))) continue;
      if (room.remove((it) => it.position && (!speaker || fold(it.name ?? "") === fold(speaker)))) afterDeletion(room);
    }
  },

  status(event) {
    own.status(now(), event);
  },

  renumbered(event) {
    own.renumbered(event);
  },

  entries(answer) {
    if (answer.request.copy) copyOut.next(answer);
    else if (answer.request.words !== undefined) searching.show(answer);
    else gotOlder(answer);
  },

  here(here) {
    Object.assign(hub, here);
    showPeople();
    showRooms();
  },

  hubs({ hubs }) {
    otherPages = pages(hubs, location.origin);
  },

  notice({ line, text }) {
    notice(line, text);
  },

  bye({ reason, text }) {
    if (["kicked", "banned", "error", "full"].includes(reason)) hub.bye = escape(text);
  },

  storage({ works }) {
    isWriteFailing = !works;
  },

  broken({ why }) {
    console.warn(`the hub's words are not understood: ${why}`);
  },
};

/** A control line of the hub, and the same as a sentence. */
function notice(line, text) {
  const [kind, ...fields] = line.split(" ");
  if (kind === "name") {
    const [name, , word] = fields;
    return setMe({ name: name === "-" ? me.name : name, word: word === "-" ? me.word : word });
  }
  if (kind === "refused") return refused(fields, text);
  if (kind === "notice") {
    const room = rooms.get(fold(fields[0]));
    if (room) addNote(room, text);
    return undefined;
  }
  if (kind === "msg") return direct(fields);
  if (kind === "set") {
    if (fields[0] === "history") hub.isHistoryOff = fields[1] === "off";
    return undefined;
  }
  if (["probe", "probed", "pigeon/1", "said", "earlier", "missing"].includes(kind)) return undefined;
  return current && addNote(current, text);
}

function refused([what, reason], text) {
  if (what === "nick" || what === "resume") {
    if (!me.isChosen && reason !== "wait") {
      me.name = suggest(language, random());
      session.command(`/nick ${me.name}`);
      showMe();
      return undefined;
    }
    $("name-problem").textContent = escape(text);
    return toast(text);
  }
  if (what === "msg") {
    const room = [...rooms.values()].find((it) => it.isDirect && it.entries.some((entry) => entry.status === "sending"));
    const entry = room?.entries.find((it) => it.status === "sending");
    if (entry) return settleDirect(room, entry, { status: "refused", reason, why: text });
  }
  return toast(text);
}

function afterDeletion(room) {
  room.add({ kind: "note", text: words.forgotten, time: Date.now() });
  if (room === current) view.redraw();
}

// ---- Rooms ----

function addRoom(name) {
  const room = new Room(name);
  const seen = kept[`seen/${fold(name)}`];
  if (seen) room.read = seen.read;
  const isRecent = seen && Date.now() - seen.time < LONG_AWAY && seen.from?.after.position > 0;
  let from = isRecent ? seen.from : { last: FIRST };
  // Anyone can write such an address: it says where to read from, not what was read, and an own place wins.
  if (arrived.after && fold(arrived.room) === fold(name) && !from.after) {
    from = { after: arrived.after };
  }
  if (!session.follow(name, from)) return undefined;
  if (from.after) room.more = from.after.position + 1;
  rooms.set(fold(name), room);
  for (const mine of session.own()) if (fold(mine.room) === fold(name)) own.note(mine);
  return room;
}

/** Shows a room, following it from now on; and is in it, for the others. */
function openRoom(name) {
  const error = nameError(name);
  if (error) return roomProblem(words.nameErrors[error]);
  const room = rooms.get(fold(name)) ?? addRoom(name);
  if (!room) return roomProblem(words.sayErrors.rooms());
  roomProblem("");
  if (!current || fold(current.name) !== fold(name) || current.isDirect) session.command(`/join ${room.name}`);
  session.configure({ room: room.name });
  hub.people = undefined;
  hub.members = [];
  session.watch(room.name);
  switchTo(room);
  const hash = `#room=${encodeURIComponent(room.name)}`;
  if (location.hash !== hash) history.pushState(null, "", hash);
  drive();
  return undefined;
}

function openDirect(name) {
  const key = `@${fold(name)}`;
  if (!rooms.has(key)) {
    const open = [...rooms].filter(([, it]) => it.isDirect);
    if (open.length >= MOST_DIRECT) rooms.delete(open[0][0]);
    const room = new Room(name, { isDirect: true });
    room.more = null;
    rooms.set(key, room);
  }
  return rooms.get(key);
}

function switchTo(room) {
  if (current) current.draft = $("text").value;
  current = room;
  $("text").value = room.draft ?? "";
  room.firstUnread = room.unread > 0 ? room.firstUnread : undefined;
  view.show(room);
  const label = escape(room.name);
  $("room").textContent = label;
  $("log").setAttribute("aria-label", words.messages(label));
  const hint = room.isDirect ? words.privateTo(label) : words.write(label);
  $("text").placeholder = hint;
  $("text").setAttribute("aria-label", hint);
  searching.close();
  fit();
  noteRead();
  showRooms();
  showPeople();
  showTitle();
}

function closeRoom(room) {
  const key = room.isDirect ? `@${fold(room.name)}` : fold(room.name);
  const others = [...rooms.values()].filter((it) => it !== room);
  rooms.delete(key);
  if (!room.isDirect) {
    session.unfollow(room.name);
    storage.write([[`seen/${key}`, undefined]]).catch(() => {});
  }
  if (room === current) {
    const next = others.find((it) => !it.isDirect);
    openRoom(next?.name ?? "lobby");
  }
  showRooms();
  drive();
}

function addEntry(room, entry, isOwn) {
  const isMention = !isOwn && me.mentions?.test(entry.text ?? "");
  const isSeen = room === current && view.isAtNewest && isLooking();
  const isNew = !isOwn && entry.position > room.read;
  if (isNew && !isSeen) {
    if (room.unread === 0) room.firstUnread = entry;
    room.unread += 1;
    room.hasMention ||= isMention;
    scheduleLists();
  }
  if (!room.add(entry)) return;
  if (isSeen) room.read = Math.max(room.read, entry.position);
  if (room === current) view.update();
}

function addNote(room, text) {
  room.add({ kind: "note", text, time: Date.now() });
  if (room === current) view.update();
}

function isLooking() {
  return document.visibilityState === "visible" && document.hasFocus();
}

/** Marks the current room as read where its newest message is in sight. */
function noteRead() {
  if (!current || !view.isAtNewest || !isLooking()) return;
  if (current.unread > 0) {
    current.markRead();
    showRooms();
    showTitle();
  }
  current.read = Math.max(current.read, current.newest);
}

function readOlder(room) {
  const before = room.more ?? room.entries.find((it) => it.position)?.position;
  if (before === undefined) return;
  if (session.read({ room: room.name, before, limit: PAGE }) === undefined) return;
  room.isLoading = true;
  drive();
}

function readNewest(room) {
  room.restart({ isAtEnd: true });
  room.markRead();
  if (session.read({ room: room.name, limit: PAGE }) === undefined) return;
  room.isLoading = true;
  drive();
}

function gotOlder({ room: name, entries, more, request }) {
  const room = rooms.get(fold(name));
  if (!room) return;
  room.isLoading = false;
  own.arrived(room, entries);
  if (request.target) {
    room.restart({ isAtEnd: false });
    room.addOlder(entries, more);
    room.missed = 0;
    if (room === current) view.toEntry(request.target);
    return;
  }
  room.addOlder(entries, more);
  if (room === current) view.update();
}

/** Keeps which rooms are open, and where each was read to. */
function saveRooms() {
  const changes = [];
  const open = [...rooms.values()].filter((it) => !it.isDirect);
  for (const room of open) {
    const from = session.leftOff(room.name);
    const key = `seen/${fold(room.name)}`;
    const state = JSON.stringify([from, room.read]);
    if (!from || room.saved === state) continue;
    room.saved = state;
    changes.push([key, { room: room.name, from, read: room.read, time: Date.now() }]);
  }
  const names = open.map((it) => it.name);
  const shown = current?.isDirect ? names[0] : current?.name;
  const state = JSON.stringify([names, shown]);
  if (state !== saveRooms.saved) changes.push(["rooms", { open: names, current: shown }]);
  saveRooms.saved = state;
  if (changes.length > 0) storage.write(changes).catch(() => {});
}

function roomOfAddress() {
  const found = arrival(location.hash).room;
  return found && nameError(found) === undefined ? found : undefined;
}

addEventListener("hashchange", () => {
  const name = roomOfAddress();
  if (name && (current?.isDirect || fold(name) !== fold(current.name))) openRoom(name);
});
addEventListener("popstate", () => {
  const name = roomOfAddress();
  if (name && (current?.isDirect || fold(name) !== fold(current.name))) openRoom(name);
});

// ---- Oneself ----

function setMe(changes) {
  const before = me.name;
  Object.assign(me, changes);
  const { name, word, isChosen } = me;
  session.configure({ name, word });
  storage.write([["me", { name, word, isChosen }]]).catch(() => {});
  $("name-problem").textContent = "";
  showMe();
  if (before !== name) view.isMe(mine());
}

function mine() {
  const literal = me.name.replace(/[.*+?^${}()|[\]\\]/g, "\\$&");
  // Where words have spaces between them, a name is a word.
  me.mentions = /^[\p{L}\p{N}_-]+$/u.test(me.name) && !/\p{Script=Han}/u.test(me.name) ? new RegExp(`(?<![\\p{L}\\p{N}])${literal}(?![\\p{L}\\p{N}])`, "iu") : new RegExp(literal, "iu");
  return me;
}

function showMe() {
  view.isMe(mine());
  if (document.activeElement !== $("name")) $("name").value = me.name;
  $("my-avatar").textContent = initial(me.name);
  $("my-avatar").style.setProperty("--hue", hue(me.name));
  $("hello-text").textContent = words.welcomeName(escape(me.name));
}

let asked;
function rename(name) {
  const error = nameError(name);
  if (error) return ($("name-problem").textContent = words.nameErrors[error]);
  $("name-problem").textContent = "";
  me.isChosen = true;
  $("hello").hidden = true;
  if (name === me.name) return setMe({});
  asked = name;
  if (!session.command(`/nick ${name}`)) setMe({ name, word: undefined });
  return drive();
}

function showHello() {
  $("hello").hidden = false;
  $("hello-name").addEventListener("click", () => {
    openSide();
    $("name").focus();
    $("name").select();
  });
  $("hello-close").addEventListener("click", closeHello);
}

function closeHello() {
  $("hello").hidden = true;
  setMe({ isChosen: true });
  $("text").focus();
}

$("rename").addEventListener("submit", (event) => {
  event.preventDefault();
  rename($("name").value.trim());
  $("name").select();
});
$("name").addEventListener("blur", () => {
  const name = $("name").value.trim();
  if (name !== me.name && name !== "" && name !== asked) return void rename(name);
  $("name").value = me.name;
  $("name-problem").textContent = "";
});

// ---- The message box ----

const isTouch = matchMedia("(hover: none) and (pointer: coarse)").matches;

$("say").addEventListener("submit", (event) => {
  event.preventDefault();
  speak();
});
$("text").addEventListener("keydown", (event) => {
  // An input method's Enter chooses a word. On a phone Enter sends, too, as its key says.
  if (event.key !== "Enter" || event.isComposing || event.keyCode === 229 || event.shiftKey || event.altKey) return;
  event.preventDefault();
  speak();
});
$("text").addEventListener("input", fit);

/** As high as its text. */
function fit() {
  const box = $("text");
  box.style.height = "auto";
  if (box.value) box.style.height = `${box.scrollHeight + 2}px`;
  $("say-problem").textContent = "";
}

function speak() {
  let typed = $("text").value;
  while (typed.endsWith("\n")) typed = typed.slice(0, -1);
  if (typed.trim() === "") return;
  if (typed.startsWith("/") || typed.startsWith("／")) {
    if (!command(`/${typed.slice(1)}`)) return;
  } else if (!say(typed)) {
    return;
  }
  $("text").value = "";
  fit();
  // Speaking under the suggested name is a choice, too.
  if (!$("hello").hidden) closeHello();
}

/** Says a text in the current room. False if it is not accepted. */
function say(text) {
  if (current.isDirect) return sayDirect(current, text);
  const result = session.say(now(), Date.now(), current.name, text);
  if (result.error) {
    $("say-problem").textContent = words.sayErrors[result.error]?.(result) ?? "";
    return false;
  }
  own.note({ ...result, room: current.name, text, time: Date.now(), status: "waiting" });
  if (!view.isAtNewest) view.toNewest();
  $("text").focus();
  drive();
  return true;
}

/** A line that begins with a slash. False: it stays in the box. */
function command(line) {
  const [word, ...rest] = line.split(" ");
  const argument = rest.join(" ").trim();
  switch (word) {
    case "/me":
      // As the terminal client says it.
      return argument !== "" && say(`*${argument}*`);
    case "/nick":
      if (argument) rename(argument);
      return true;
    case "/join":
      if (argument) openRoom(argument);
      return true;
    case "/leave":
      closeRoom(current);
      return true;
    case "/search":
      searching.open(argument);
      return true;
    case "/help":
      toast(words.helpText);
      return true;
    case "/msg": {
      const [name, ...text] = rest;
      if (!name || text.length === 0) return false;
      switchTo(openDirect(name));
      return sayDirect(current, text.join(" "));
    }
    default:
      if (line.startsWith("//")) return say(line.slice(1));
      if (session.command(line.slice(0, 1_000))) {
        drive();
        return true;
      }
      $("say-problem").textContent = words.endedElsewhere;
      return false;
  }
}

function sayAgain(mine) {
  if (mine.isDirect) return say(mine.text) && undefined;
  const before = current;
  if (!settleRefused(mine)) return undefined;
  current = rooms.get(fold(mine.room)) ?? before;
  say(mine.text);
  current = before;
  return undefined;
}

/** Forgets a refused message. */
function settleRefused(mine) {
  if (mine.isDirect) return undefined;
  const discarded = session.discard(now(), mine.outbox, mine.number);
  const room = rooms.get(fold(mine.room));
  if (room) own.forget(room, `${mine.outbox}/${mine.number}`);
  drive();
  return discarded;
}

// ---- Private messages: not kept, not acknowledged but by their copy ----

function sayDirect(room, text) {
  const line = text.split("\n").map((part) => part.trim()).filter(Boolean).join(" ");
  const entry = { name: me.name, own: true, isDirect: true, text: line, time: Date.now(), status: "sending" };
  if (bytes(line) > session.maxText) {
    $("say-problem").textContent = words.sayErrors["too-long"]({ size: bytes(line), most: session.maxText });
    return false;
  }
  if (!session.command(`/msg ${room.name} ${line}`)) {
    $("say-problem").textContent = words.endedElsewhere;
    return false;
  }
  room.add(entry);
  setTimeout(() => entry.status === "sending" && settleDirect(room, entry, { status: "unsure" }), DIRECT_ANSWER);
  view.update();
  drive();
  return true;
}

function direct([way, name, ...rest]) {
  const room = openDirect(name);
  const text = rest.join(" ");
  if (way === "to") {
    const entry = room.entries.find((it) => it.own && it.status === "sending") ?? undefined;
    return entry && settleDirect(room, entry, { status: "delivered" });
  }
  const entry = { name, text, time: Date.now() };
  room.add(entry);
  if (room !== current || !view.isAtNewest || !isLooking()) {
    room.unread += 1;
    room.hasMention = true;
  }
  if (room === current) view.update();
  return scheduleLists();
}

function settleDirect(room, entry, changes) {
  Object.assign(entry, changes);
  if (room === current) view.redraw();
}

// ---- Status, rooms, people ----

let toastTimer;
function toast(text) {
  const it = $("toast");
  it.replaceChildren();
  show(it, text, { lines: true });
  clearTimeout(toastTimer);
  toastTimer = setTimeout(() => it.replaceChildren(), 12_000);
}

function showStatus() {
  const state = session.state;
  const parts = [];
  const isUp = state === "live" || state === "catching-up";
  if (!isUp && session.again !== undefined) parts.push(words.offline(Math.ceil((session.again - now()) / 1_000)));
  else if (state === "ended") parts.push(words.endedElsewhere);
  else if (state === "catching-up") parts.push(words.catchingUp);
  else if (state !== "live") parts.push(words.connecting);
  if (!isUp && hub.bye) parts.unshift(hub.bye);
  if (isUp && current && !current.isDirect && hub.people !== undefined) {
    parts.push([words.peopleHere(hub.people), hub.senders > 0 ? words.sendersHere(hub.senders) : ""].filter(Boolean).join(language === "zh" ? "，" : ", "));
  }
  if (session.waiting > 0 && (!isUp || session.waiting > 20)) parts.push(words.waitingHere(session.waiting));
  if (isUp) parts.push(words[security()]);
  if (isUp && !hub.stores) parts.push(words.noHistory);
  if (hub.isHistoryOff) parts.push(words.historyOff);
  if (isWriteFailing) parts.push(words.diskFails);
  else if (storage.kind === "memory") parts.push(words.notKept);
  const text = parts.join(" · ");
  const it = $("status");
  if (it.textContent !== text) it.textContent = text;
  const title = isUp ? words.securityTitles[security()] : "";
  if (it.title !== title) it.title = title;
  if (it.dataset.state !== state) it.dataset.state = state;
  if (it.dataset.waiting !== `${session.waiting}`) it.dataset.waiting = session.waiting;
  it.classList.toggle("warn", hub.isHistoryOff || isWriteFailing);
  showElsewhere();
  $("retry").hidden = isUp || session.again === undefined || session.again - now() < 1_500;
}
setInterval(() => (session.again !== undefined || otherPages.length > 0) && showStatus(), 1_000);

/** Links to pages of other hubs, while this one is away. */
function showElsewhere() {
  const isAway = !isConnected && session.state !== "ended" && now() - lastConnected > OFFER_AFTER;
  const room = current?.isDirect ? [...rooms.values()].find((it) => !it.isDirect) : current;
  const isOffered = isAway && room !== undefined && otherPages.length > 0;
  const box = $("elsewhere");
  box.hidden = !isOffered;
  if (!isOffered) return;
  const goesAlong = fragment({ room: room.name, name: me.name, after: session.leftOff(room.name)?.after });
  const links = otherPages.map((page) => {
    const link = document.createElement("a");
    link.href = page + goesAlong;
    link.textContent = escape(new URL(page).host);
    // This tab stays for what waits in it.
    if (session.waiting > 0) link.target = "_blank";
    link.rel = "noopener";
    return link;
  });
  const text = document.createElement("span");
  text.textContent = words.elsewhere;
  const state = links.map((link) => link.href + link.target).join(" ") + words.elsewhere;
  if (state === showElsewhere.shown) return;
  showElsewhere.shown = state;
  box.replaceChildren(text, ...links);
}

function security() {
  if (location.protocol === "https:") return "encrypted";
  return /^(localhost|127\.|\[::1\])/.test(location.hostname) ? "local" : "readable";
}

let statusTimer;
function scheduleStatus() {
  statusTimer ??= setTimeout(() => {
    statusTimer = undefined;
    showStatus();
  }, 100);
}

let listsTimer;
/** Shows the lists again soon, once for many changes. */
function scheduleLists() {
  listsTimer ??= setTimeout(() => {
    listsTimer = undefined;
    showRooms();
    showTitle();
  }, 250);
}

function showRooms() {
  const list = $("rooms");
  const focused = document.activeElement?.closest?.("#rooms li")?.dataset.key;
  const counts = new Map(hub.rooms.map(({ room, members }) => [fold(room), members]));
  const open = [...rooms].map(([key, room]) => roomItem(key, room, counts.get(key)));
  const others = hub.rooms.filter(({ room }) => !rooms.has(fold(room))).slice(0, 50);
  list.replaceChildren(...open, ...others.map(({ room, members }) => roomItem(fold(room), { name: room }, members)));
  if (focused !== undefined) [...list.children].find((it) => it.dataset.key === focused)?.firstElementChild.focus();
  const waitsElsewhere = [...rooms.values()].some((it) => it !== current && it.unread > 0);
  $("side-badge").hidden = !waitsElsewhere;
}

function roomItem(key, room, members) {
  const item = document.createElement("li");
  item.dataset.key = key;
  item.dataset.room = room.name;
  const button = document.createElement("button");
  button.type = "button";
  const name = document.createElement("bdi");
  name.textContent = (room.isDirect ? "@" : "") + escape(room.name);
  button.append(name);
  if (room === current) button.setAttribute("aria-current", "true");
  if (room.unread > 0) {
    const unread = document.createElement("span");
    unread.className = room.hasMention ? "unread mention" : "unread";
    unread.textContent = room.unread > 999 ? "999+" : room.unread;
    unread.title = words.newMessages(room.unread);
    button.append(unread);
    item.className = "has-unread";
  } else if (members !== undefined) {
    const count = document.createElement("span");
    count.className = "count";
    count.textContent = members;
    count.title = words.peopleHere(members);
    button.append(count);
  }
  button.addEventListener("click", () => {
    if (room.isDirect) switchTo(room);
    else openRoom(room.name);
    closeSide();
    if (!isTouch) $("text").focus();
  });
  item.append(button);
  if (rooms.has(key) && rooms.size > 1) {
    const close = document.createElement("button");
    close.type = "button";
    close.className = "icon close";
    close.setAttribute("aria-label", words.leaveRoom(escape(room.name)));
    close.append($("close-side").firstElementChild.cloneNode(true));
    close.addEventListener("click", () => closeRoom(room));
    item.append(close);
  }
  return item;
}

function showPeople() {
  const list = $("people");
  const members = hub.members ?? [];
  const focused = document.activeElement?.closest?.("#people li")?.dataset.name;
  $("people-count").textContent = hub.people === undefined ? "" : hub.people + hub.senders;
  const items = members.map(personItem);
  const left = (hub.people ?? 0) + hub.senders - members.length;
  if (members.length > 0 && left > 0) {
    const more = document.createElement("li");
    more.className = "count";
    more.textContent = words.andMore(left);
    items.push(more);
  }
  list.replaceChildren(...items);
  if (focused !== undefined) [...list.children].find((it) => it.dataset.name === focused)?.firstElementChild?.focus();
  showStatus();
}

function personItem({ name, link }, index) {
  const item = document.createElement("li");
  item.dataset.name = name;
  item.dataset.link = link;
  if (index >= (hub.people ?? 0)) item.className = "sender";
  const button = document.createElement("button");
  button.type = "button";
  const avatar = document.createElement("span");
  avatar.className = "avatar";
  avatar.setAttribute("aria-hidden", "true");
  avatar.dataset.initial = initial(name);
  avatar.style.setProperty("--hue", hue(name));
  const label = document.createElement("bdi");
  label.textContent = escape(name);
  button.append(avatar, label);
  if (link && link !== "key") {
    const mark = document.createElement("span");
    mark.className = "link";
    mark.textContent = `(${words.links[link] ?? escape(link)})`;
    mark.title = words.linkTitles[link] ?? "";
    button.append(" ", mark);
  }
  button.title = words.privateTo(escape(name));
  button.addEventListener("click", () => {
    switchTo(openDirect(name));
    closeSide();
    $("text").focus();
  });
  item.append(button);
  return item;
}

function showTitle() {
  const unread = [...rooms.values()].reduce((sum, it) => sum + it.unread, 0);
  const place = [escape(current?.name ?? ""), escape(hub.name)].filter(Boolean).join(" · ");
  document.title = `${unread > 0 ? `(${unread > 999 ? "999+" : unread}) ` : ""}${place || "pigeon"}`;
}

function roomProblem(text) {
  $("room-problem").textContent = text;
}

$("open-room").addEventListener("submit", (event) => {
  event.preventDefault();
  const name = $("room-name").value.trim();
  if (!name) return;
  openRoom(name);
  if ($("room-problem").textContent) return;
  $("room-name").value = "";
  closeSide();
  if (!isTouch) $("text").focus();
});

// ---- The side, on a narrow screen ----

function openSide() {
  $("side").classList.add("open");
  $("shade").hidden = !matchMedia("(max-width: 760px)").matches;
  $("open-side").setAttribute("aria-expanded", "true");
  if (!$("shade").hidden) $("close-side").focus();
}

function closeSide() {
  if (!$("side").classList.contains("open")) return;
  $("side").classList.remove("open");
  $("shade").hidden = true;
  $("open-side").setAttribute("aria-expanded", "false");
  $("open-side").focus();
}

$("open-side").addEventListener("click", openSide);
$("close-side").addEventListener("click", closeSide);
$("shade").addEventListener("click", closeSide);

document.addEventListener("keydown", (event) => {
  if (event.key === "Escape") {
    if (!$("search-panel").hidden) searching.close();
    else closeSide();
  }
  if (event.key === "f" && (event.ctrlKey || event.metaKey) && event.shiftKey) {
    event.preventDefault();
    searching.open();
  }
  if ((event.key === "ArrowUp" || event.key === "ArrowDown") && event.altKey) {
    event.preventDefault();
    nextRoom(event.key === "ArrowDown" ? 1 : -1);
  }
  // Who begins to type means the message box.
  const isPlain = event.key.length === 1 && !event.ctrlKey && !event.metaKey && !event.altKey;
  if (isPlain && event.key !== " " && document.activeElement === $("log")) $("text").focus();
});

function nextRoom(step) {
  const all = [...rooms.values()];
  const next = all[(all.indexOf(current) + step + all.length) % all.length];
  if (next.isDirect) switchTo(next);
  else openRoom(next.name);
}

// ---- Search ----

const searching = {
  words: [],

  open(text = "") {
    $("search-panel").hidden = false;
    $("open-search").setAttribute("aria-expanded", "true");
    $("search").placeholder = words.searchIn(escape(current.name));
    if (text) {
      $("search").value = text;
      this.start();
    }
    $("search").focus();
  },

  close() {
    if ($("search-panel").hidden) return;
    $("search-panel").hidden = true;
    $("open-search").setAttribute("aria-expanded", "false");
    $("results").replaceChildren();
    $("search-status").textContent = "";
    $("more-results").hidden = true;
    this.id = undefined;
    $("open-search").focus();
  },

  start(before) {
    const text = $("search").value.trim();
    if (!text || current.isDirect) return;
    if (before === undefined) {
      $("results").replaceChildren();
      this.count = 0;
    }
    this.words = text.split(/\s+/);
    $("more-results").hidden = true;
    $("search-status").textContent = words.searching;
    this.id = session.read({ room: current.name, words: text, before, limit: 50 });
    drive();
  },

  show({ id, entries, more }) {
    if (id !== this.id) return;
    const hits = entries.filter((it) => it.type === "message");
    this.count += hits.length;
    this.before = more;
    // A part of the log may hold no hit: the search goes on by itself, while somebody waits for the first.
    if (this.count === 0 && more) return void this.start(more);
    $("search-status").textContent = this.count === 0 ? words.noResults : words.found(this.count);
    $("more-results").hidden = !more;
    $("results").append(...hits.reverse().map((hit) => this.item(hit)));
  },

  item(hit) {
    const item = document.createElement("li");
    const button = document.createElement("button");
    button.type = "button";
    button.className = "hit";
    button.dataset.position = hit.position;
    const name = show(document.createElement("bdi"), hit.name);
    name.className = "name";
    name.style.setProperty("--hue", hue(hit.name));
    const time = document.createElement("span");
    time.className = "count";
    time.textContent = ` ${new Date(hit.time).toLocaleString(locale(), { dateStyle: "medium", timeStyle: "short" })} (${words.links[hit.link] ?? hit.link})`;
    const text = document.createElement("div");
    text.className = "text";
    text.dir = "auto";
    show(text, around(hit.text ?? "", this.words), { words: this.words });
    button.append(name, time, text);
    button.addEventListener("click", () => {
      const room = current;
      // Positions are of all rooms: this reads some of what was said after it, too.
      if (session.read({ room: room.name, before: hit.position + 40, limit: 80, target: hit.position }) === undefined) return;
      this.close();
      drive();
    });
    item.append(button);
    return item;
  },
};

/** The part of a long text that has the first hit. */
function around(text, wanted) {
  if (text.length <= 300) return text;
  const folded = text.toLowerCase();
  const at = Math.min(...wanted.map((it) => folded.indexOf(it.toLowerCase())).filter((it) => it >= 0), text.length);
  const from = Math.max(0, (at === text.length ? 0 : at) - 60);
  return `${from > 0 ? "…" : ""}${text.slice(from, from + 300)}…`;
}

$("open-search").addEventListener("click", () => ($("search-panel").hidden ? searching.open() : searching.close()));
$("close-search").addEventListener("click", () => searching.close());
$("search-form").addEventListener("submit", (event) => {
  event.preventDefault();
  searching.start();
});
$("more-results").addEventListener("click", () => searching.start(searching.before));

// ---- Copying a room out ----

const copyOut = {
  start() {
    if (!current || current.isDirect) return;
    this.room = current.name;
    this.parts = [];
    this.count = 0;
    this.size = 0;
    this.isRunning = true;
    this.seen = new Set();
    $("copy-text").textContent = words.copying(0);
    closeSide();
    $("copy-dialog").showModal();
    this.ask();
  },

  ask(before) {
    session.read({ room: this.room, before, limit: PAGE, copy: true });
    drive();
  },

  next({ entries, more, room }) {
    if (!this.isRunning || fold(room) !== fold(this.room)) return;
    const lines = entries.filter((it) => it.type === "message").map((it) => this.line(it));
    this.parts.unshift(lines.join(""));
    this.count += lines.length;
    this.size += this.parts[0].length;
    $("copy-text").textContent = words.copying(this.count);
    if (more && this.size < MOST_COPY) this.ask(more);
    else this.finish();
  },

  line({ time, name, link, text, base64 }) {
    const date = new Date(time);
    const local = new Date(time - date.getTimezoneOffset() * 60_000).toISOString().slice(0, 19).replace("T", " ");
    return `[${local}] ${escape(name)} (${link}): ${escape(text ?? base64 ?? "")}\n`;
  },

  finish() {
    this.isRunning = false;
    $("copy-dialog").close();
    const link = document.createElement("a");
    link.href = URL.createObjectURL(new Blob(this.parts, { type: "text/plain;charset=utf-8" }));
    link.download = `${this.room.replace(/[^\p{L}\p{N}_-]+/gu, "_")}.txt`;
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
    this.parts = [];
    toast(words.copied(this.count));
  },
};

$("copy-out").addEventListener("click", () => copyOut.start());
$("copy-cancel").addEventListener("click", () => $("copy-dialog").close());
$("copy-dialog").addEventListener("close", () => (copyOut.isRunning = false));

// ---- Password ----

function askPassword() {
  const dialog = $("password-dialog");
  const wasGiven = $("password").value !== "" || readPassword() !== undefined;
  $("password-problem").textContent = wasGiven ? words.passwordWrong : "";
  try {
    sessionStorage.removeItem("pigeon password");
  } catch {
    // A private window without storage asks again after a reload.
  }
  if (!dialog.open) dialog.showModal();
  $("password").select();
}

$("password-form").addEventListener("submit", (event) => {
  event.preventDefault();
  given = $("password").value;
  session.configure({ password: given });
  wake();
});
$("password-dialog").addEventListener("cancel", (event) => event.preventDefault());

/** What was typed, kept for this tab once the hub has taken it. */
let given;
function keepPassword() {
  if (given === undefined) return;
  try {
    sessionStorage.setItem("pigeon password", given);
  } catch {
    // See above.
  }
  $("password").value = "";
}

function readPassword() {
  try {
    return sessionStorage.getItem("pigeon password") ?? undefined;
  } catch {
    return undefined;
  }
}

// ---- Preferences ----

function readPreferences() {
  try {
    return JSON.parse(localStorage.getItem("pigeon preferences")) ?? {};
  } catch {
    return {};
  }
}

function keepPreferences(changes) {
  Object.assign(preferences, changes);
  try {
    localStorage.setItem("pigeon preferences", JSON.stringify(preferences));
  } catch {
    // They hold for this page only.
  }
}

function setLanguage(chosen) {
  language = chosen;
  words = wordsOf(language);
  translate(document.body, language);
  view.speak(words, locale());
  showMe();
  if (current) switchTo(current);
}

function setTheme(theme) {
  if (theme === "auto") delete document.documentElement.dataset.theme;
  else document.documentElement.dataset.theme = theme;
}

$("language").addEventListener("change", ({ target }) => {
  keepPreferences({ language: target.value });
  setLanguage(target.value);
  session.configure({ language });
  session.command(`/language ${language}`);
  drive();
});
$("theme").addEventListener("change", ({ target }) => {
  keepPreferences({ theme: target.value });
  setTheme(target.value);
});

// ---- Begin ----

holder.hold(session.outbox);

setLanguage(language);
setTheme(preferences.theme ?? "auto");
$("language").value = language;
$("theme").value = preferences.theme ?? "auto";
showMe();

const firstRoom = roomOfAddress() ?? kept.rooms?.current ?? "lobby";
// What came along is used once.
if (location.hash) history.replaceState(null, "", `#room=${encodeURIComponent(firstRoom)}`);
session.configure({ room: firstRoom });
for (const name of kept.rooms?.open ?? []) if (fold(name) !== fold(firstRoom)) addRoom(name);
for (const mine of session.own()) own.note(mine);
openRoom(firstRoom);
if (!me.isChosen) showHello();
if (!isTouch) $("text").focus();
drive();

// A tab may have gone since, with messages that wait.
setInterval(async () => {
  await rescued(storage);
  const found = await orphans((await storage.read()).filter(([key]) => outboxOf(key)));
  if (found.length === 0) return;
  session.adopt(now(), Date.now(), found);
  for (const mine of session.own()) own.note(mine);
  drive();
}, 10_000);
setInterval(saveRooms, 2_000);
setInterval(() => own.tick(now()), 2_000);
addEventListener("pagehide", () => {
  rescue(session.outbox, session.unwritten());
  saveRooms();
});
addEventListener("pageshow", ({ persisted }) => persisted && rescue(session.outbox, []));
