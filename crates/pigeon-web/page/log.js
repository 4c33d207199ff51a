// The messages of the room that is shown. Only a window of rows is in the document, so that a long
// room and a flood of messages stay fast.

import { show, escape } from "./escape.js";
import { hue, initial } from "./names.js";

/** The most rows in the document, and how many come at once when the person scrolls. */
const WINDOW = 300;
const STEP = 60;
/** Beyond so many rows that are not drawn yet, only the newest are. */
const SKIP = 1_500;
/** Milliseconds of a frame that go into rows, and how much longer the pause after it is: a flood of
 * messages leaves the browser time for the keys. */
const BUDGET = 5;
const PAUSE = 8;
const FLOOD = 10;
const FLOOD_PAUSE = 150;
const FOLD = 2_500;
const TOGETHER = 5 * 60_000;

export class LogView {
  #el; // {log, rows, pending, top, down}
  #on; // {older, newest, again, discard, link, read}
  #words;
  #locale;
  #me;
  #room;
  #shown = []; // entries with a row, in order
  #lo = 0; // the index of the first of them
  #rowOf = new Map(); // entry → row
  #pendingRows = new Map();
  #isStuck = true;
  #lastTop = 0;
  #hushed;
  #frame;
  #late;
  #restUntil = 0;
  #days;
  #times;

  constructor(elements, on) {
    this.#el = elements;
    this.#on = on;
    const { log, down } = elements;
    log.addEventListener("scroll", () => this.#scrolled(), { passive: true });
    down.addEventListener("click", () => this.toNewest());
    // A keyboard that slides in, a picture of another width: the newest stays in sight.
    new ResizeObserver(() => this.#isStuck && this.#toBottom()).observe(log);
  }

  /** Whether the newest message is in sight. */
  get isAtNewest() {
    return this.#isStuck && this.#room?.isAtEnd;
  }

  speak(words, locale) {
    this.#words = words;
    this.#locale = locale;
    this.#days = new Intl.DateTimeFormat(locale, { dateStyle: "full" });
    this.#times = new Intl.DateTimeFormat(locale, { hour: "2-digit", minute: "2-digit", hourCycle: "h23" });
    if (this.#room) this.show(this.#room);
  }

  /** The own name, for marking where it is mentioned, and the own author. */
  isMe(me) {
    this.#me = me;
  }

  /** Shows another room, at its newest message or where it was left. */
  show(room) {
    if (this.#room) this.#room.isPinned = false;
    this.#room = room;
    this.#clear();
    this.#lo = room.end;
    this.#isStuck = true;
    this.#el.pending.replaceChildren();
    this.#pendingRows.clear();
    for (const [id, mine] of room.pending) this.pending(id, mine);
    this.update();
  }

  /** Draws again what has changed: in the next frame, or a little later in a page that is hidden. */
  update() {
    if (this.#frame !== undefined) return;
    const draw = () => {
      cancelAnimationFrame(this.#frame);
      clearTimeout(this.#late);
      this.#frame = undefined;
      if (this.#room) this.#draw();
    };
    const pause = this.#restUntil - performance.now();
    if (pause > 0) {
      this.#frame = 0;
      this.#late = setTimeout(draw, pause);
      return;
    }
    this.#frame = requestAnimationFrame(draw);
    this.#late = setTimeout(draw, 300);
  }

  /** Adds or changes an own message that is not in the log yet; without `mine` removes it. */
  pending(id, mine) {
    const old = this.#pendingRows.get(id);
    if (!mine) {
      old?.remove();
      this.#pendingRows.delete(id);
      return this.update();
    }
    if (old && old.dataset.state !== "refused" && mine.status !== "refused") {
      if (old.dataset.state === mine.status) return undefined;
      old.dataset.state = mine.status;
      old.querySelector(".state").replaceChildren(...this.#state(mine));
      return undefined;
    }
    const row = this.#row({ ...mine, own: true, position: "" }, undefined, mine);
    row.dataset.id = id;
    if (old) old.replaceWith(row);
    else if (this.#pendingRows.size < WINDOW) this.#el.pending.append(row);
    this.#pendingRows.set(id, row);
    return this.update();
  }

  /** Scrolls to the newest message, reading it again if the room does not reach so far. */
  toNewest() {
    this.#isStuck = true;
    this.#room.isPinned = false;
    if (!this.#room.isAtEnd) this.#on.newest(this.#room);
    this.#clear();
    this.#lo = this.#room.end;
    this.update();
    this.#el.log.focus({ preventScroll: true });
  }

  /** Scrolls to an entry and marks it for a moment. */
  toEntry(position) {
    const index = this.#room.entries.findIndex((it) => it.position === position);
    if (index < 0) return;
    this.#clear();
    this.#isStuck = false;
    this.#room.isPinned = true;
    const from = Math.max(0, index - STEP / 2);
    this.#lo = this.#room.base + from;
    this.#append(this.#room.entries.slice(from, index + STEP));
    const row = this.#rowOf.get(this.#room.entries[index]);
    row.scrollIntoView({ block: "center" });
    row.classList.add("target");
    this.#noteEdges();
  }

  /** Draws all rows anew: a day has begun, entries were deleted. */
  redraw() {
    if (!this.#isStuck) {
      const first = this.#room.entries.indexOf(this.#shown[0]);
      this.#clear();
      this.#lo = this.#room.base + Math.max(0, first);
      this.#append(this.#room.entries.slice(Math.max(0, first), Math.max(0, first) + WINDOW));
    } else {
      this.#clear();
      this.#lo = this.#room.end;
    }
    this.update();
  }

  // ---- The window of rows ----

  get #hi() {
    return this.#lo + this.#shown.length;
  }

  #draw() {
    const room = this.#room;
    const start = performance.now();
    const before = this.#hi;
    if (room.base > this.#lo) {
      this.#removeFirst(room.base - this.#lo);
      this.#lo = Math.max(this.#lo, room.base);
    }
    if (this.#hi > room.end) this.#removeLast(this.#hi - room.end);
    if (this.#isStuck) {
      if (room.end - this.#hi > SKIP || this.#shown.length === 0) {
        this.#clear();
        this.#lo = Math.max(room.base, room.end - STEP);
      }
      while (this.#hi < room.end && performance.now() - start < BUDGET) this.#append(this.#from(this.#hi, 10));
      if (this.#shown.length > WINDOW) this.#removeFirst(this.#shown.length - WINDOW);
      this.#toBottom();
    } else if (this.#shown.length < WINDOW) {
      this.#append(this.#from(this.#hi, Math.min(STEP, WINDOW - this.#shown.length)));
    }
    this.#noteEdges();
    const isFlood = this.#hi - before > FLOOD;
    // In a flood, rows above would be gone with the next frame.
    if (!isFlood) this.#fill();
    const end = performance.now();
    this.#restUntil = isFlood ? end + Math.min(1_000, Math.max(FLOOD_PAUSE, (end - start) * PAUSE)) : 0;
    if (isFlood || (this.#isStuck && this.#hi < room.end)) this.update();
    if (this.#isStuck && this.#hi < room.end) this.update();
  }

  #from(index, count) {
    const at = index - this.#room.base;
    return this.#room.entries.slice(at, at + count);
  }

  #scrolled() {
    const { log } = this.#el;
    const below = log.scrollHeight - log.scrollTop - log.clientHeight;
    // What was added since the last frame does not count: only a person scrolls up.
    if (below < 50 && this.#room.end - this.#hi < STEP && this.#room.isAtEnd) this.#isStuck = true;
    else if (log.scrollTop < this.#lastTop - 1) this.#isStuck = false;
    this.#lastTop = log.scrollTop;
    this.#room.isPinned = !this.#isStuck;
    if (below < 800 && this.#hi < this.#room.end) {
      this.#keepInPlace(() => {
        this.#append(this.#from(this.#hi, STEP));
        if (this.#shown.length > WINDOW) this.#removeFirst(this.#shown.length - WINDOW);
      });
    }
    this.#fill();
    this.#noteEdges();
    if (this.#isStuck) this.#on.read();
  }

  /** Fetches what is above, from memory or from the hub, while its edge is near. */
  #fill() {
    const { log } = this.#el;
    const room = this.#room;
    if (log.scrollTop > 800) return;
    if (this.#lo > room.base) {
      this.#keepInPlace(() => {
        const count = Math.min(STEP, this.#lo - room.base);
        this.#prepend(this.#from(this.#lo - count, count));
        if (this.#shown.length > WINDOW && !this.#isStuck) this.#removeLast(this.#shown.length - WINDOW);
      });
      this.update();
    } else if (room.more !== null && !room.isLoading && !room.isDirect) {
      this.#on.older(room);
    }
  }

  /** Makes a change above or below while what is read stays where it is. */
  #keepInPlace(change) {
    const { log } = this.#el;
    const top = log.getBoundingClientRect().top;
    const place = (entry) => this.#rowOf.get(entry)?.getBoundingClientRect();
    const anchor = this.#shown.find((entry) => place(entry).bottom > top);
    const before = place(anchor);
    change();
    const after = place(anchor);
    if (this.#isStuck) this.#toBottom();
    // By its foot: a row above it may take over its head.
    else if (after) log.scrollTop += after.bottom - before.bottom;
    this.#lastTop = log.scrollTop;
  }

  #toBottom() {
    this.#el.log.scrollTop = this.#el.log.scrollHeight;
    this.#lastTop = this.#el.log.scrollTop;
  }

  #clear() {
    this.#el.rows.replaceChildren();
    this.#rowOf.clear();
    this.#shown = [];
  }

  #removeFirst(count) {
    for (const it of this.#shown.splice(0, count)) {
      this.#rowOf.get(it).remove();
      this.#rowOf.delete(it);
      this.#lo += 1;
    }
  }

  #removeLast(count) {
    for (const it of this.#shown.splice(Math.max(0, this.#shown.length - count))) {
      this.#rowOf.get(it).remove();
      this.#rowOf.delete(it);
    }
  }

  /** Keeps a screen reader from reading what was scrolled to, or a flood. */
  #hush() {
    this.#el.log.setAttribute("aria-busy", "true");
    clearTimeout(this.#hushed);
    this.#hushed = setTimeout(() => this.#el.log.removeAttribute("aria-busy"), 500);
  }

  #append(entries) {
    if (!this.#isStuck || entries.length > 3) this.#hush();
    for (const entry of entries) {
      const index = this.#hi - this.#room.base;
      const row = this.#entryRow(entry, this.#room.entries[index - 1]);
      this.#shown.push(entry);
      this.#el.rows.append(row);
    }
  }

  #prepend(entries) {
    this.#hush();
    const first = this.#shown[0];
    const made = entries.map((entry, i) => {
      const index = this.#lo - entries.length + i - this.#room.base;
      return this.#entryRow(entry, this.#room.entries[index - 1]);
    });
    this.#el.rows.prepend(...made);
    this.#lo -= entries.length;
    this.#shown = [...entries, ...this.#shown];
    if (first) {
      // It may now belong to the message before it.
      const old = this.#rowOf.get(first);
      old.replaceWith(this.#entryRow(first, entries.at(-1)));
    }
  }

  #noteEdges() {
    const room = this.#room;
    const { top, down } = this.#el;
    const words = this.#words;
    let [edge, text] = ["", ""];
    if (room.isDirect) [edge, text] = ["beginning", words.directNote(escape(room.name))];
    else if (room.isLoading) [edge, text] = ["loading", words.loading];
    else if (room.more === null && this.#lo === room.base) {
      [edge, text] = ["beginning", room.entries.length + room.pending.size > 0 ? words.beginning : words.empty];
    }
    if (top.textContent !== text) top.textContent = text;
    top.dataset.edge = edge;
    const unseen = room.missed + (this.#isStuck ? 0 : room.unread);
    const isDown = this.#isStuck && room.isAtEnd;
    down.hidden = isDown;
    const label = unseen > 0 ? words.newMessages(unseen) : words.newest;
    if (!isDown && down.textContent !== label) down.textContent = label;
  }

  // ---- Rows ----

  #entryRow(entry, before) {
    const row = entry.kind === "note" || entry.type === "gap" ? this.#note(entry) : this.#row(entry, before);
    if (entry === this.#room.firstUnread) row.prepend(this.#make("div", "unread-line", this.#words.newHere));
    this.#rowOf.set(entry, row);
    return row;
  }

  #make(tag, className, text) {
    const it = document.createElement(tag);
    if (className) it.className = className;
    if (text !== undefined) it.textContent = text;
    return it;
  }

  #note(entry) {
    const row = this.#make("li", entry.type === "gap" ? "note gap" : "note");
    if (entry.position) row.dataset.gap = entry.position;
    show(row, entry.type === "gap" ? this.#words.gap(entry.count) : entry.text, { lines: true });
    return row;
  }

  /** A row of a message. `mine`: one's own that is not in the log yet. */
  #row(entry, before, mine) {
    const words = this.#words;
    const row = this.#make("li", "row");
    const name = entry.name ?? this.#me?.name ?? "";
    const isOwn = mine !== undefined || entry.own === true || (entry.author !== undefined && entry.author === this.#me?.author);
    const isTogether =
      mine !== undefined
        ? false
        : before?.name === entry.name && before?.author === entry.author && before?.link === entry.link && entry.time - before.time < TOGETHER && !this.#isOtherDay(before, entry);
    row.dataset.position = entry.position ?? "";
    row.classList.toggle("cont", Boolean(isTogether));
    row.classList.toggle("own", isOwn);
    if (!before || this.#isOtherDay(before, entry)) {
      if (!mine) row.append(this.#make("div", "day", this.#days.format(entry.time)));
    }

    const avatar = this.#make("span", "avatar", initial(name));
    avatar.setAttribute("aria-hidden", "true");
    avatar.style.setProperty("--hue", hue(name));
    const body = this.#make("div", "body");
    const head = this.#make("div", "head");
    const who = show(this.#make("bdi", "name"), name);
    who.style.setProperty("--hue", hue(name));
    head.append(who);
    if (entry.link) {
      const link = this.#make("span", "link", words.links[entry.link] ?? escape(entry.link));
      link.title = words.linkTitles[entry.link] ?? "";
      head.append(link);
    }
    const time = this.#make("time", "", this.#times.format(entry.time));
    time.dateTime = new Date(entry.time).toISOString();
    time.title = new Date(entry.time).toLocaleString(this.#locale);
    (isTogether ? row : head).append(time);
    body.append(head, this.#line(entry, isOwn, mine, row));
    row.append(avatar, body);
    return row;
  }

  #line(entry, isOwn, mine, row) {
    const line = this.#make("div", "line");
    const text = this.#make("div", "text");
    text.dir = "auto";
    line.append(text);
    if (entry.base64 !== undefined) {
      text.classList.add("escape");
      text.textContent = this.#words.base64(Math.floor((entry.base64.length * 3) / 4));
    } else {
      const content = entry.text;
      row.classList.toggle("action", /^\*[^*\n]+\*$/.test(content));
      if (!isOwn && this.#me?.mentions?.test(content)) row.classList.add("mention");
      this.#fold(text, content);
    }
    if (isOwn) {
      const state = this.#make("div", "state");
      row.dataset.state = mine?.status ?? entry.status ?? "stored";
      state.append(...this.#state(mine ?? entry));
      line.append(state);
    }
    return line;
  }

  /** Shows a text, a long one in part until the person wants all of it. */
  #fold(element, content) {
    const isLong = content.length > FOLD || content.split("\n", 41).length > 40;
    show(element, isLong ? [...content.slice(0, FOLD)].slice(0, -1).join("") : content, { lines: true, withLinks: true });
    if (!isLong) return;
    element.classList.add("folded");
    const size = new Intl.NumberFormat(this.#locale, { style: "unit", unit: "kilobyte", maximumFractionDigits: 1 });
    const label = this.#words.showAll(size.format(new Blob([content]).size / 1024));
    const button = this.#make("button", "more", label);
    button.type = "button";
    button.addEventListener("click", () => {
      const isFolded = element.classList.toggle("folded");
      element.replaceChildren();
      show(element, isFolded ? content.slice(0, FOLD) : content, { lines: true, withLinks: true });
      button.textContent = isFolded ? label : this.#words.showLess;
    });
    element.after(button);
  }

  #state(mine) {
    const words = this.#words;
    const status = mine.status ?? "stored";
    const hidden = (text) => this.#make("span", "hidden", text);
    if (status === "refused") {
      const why = words.reasons[mine.reason] ?? escape(mine.why ?? mine.reason ?? "");
      const parts = [this.#make("span", "why", `${words.refused}${why ? `: ${why}` : ""}`)];
      const button = (label, act) => {
        const it = this.#make("button", "small", label);
        it.type = "button";
        it.addEventListener("click", act);
        return it;
      };
      return [...parts, button(words.sayAgain, () => this.#on.again(mine)), button(words.discard, () => this.#on.discard(mine))];
    }
    if (status === "stored" || status === "relayed" || status === "delivered") {
      const tick = this.#make("span", "tick", "✓");
      tick.setAttribute("aria-hidden", "true");
      tick.title = words[status];
      return [tick, hidden(words[status])];
    }
    const why = mine.reason && words.reasons[mine.reason];
    return [this.#make("span", "", why ? `${words.waiting}: ${why}` : words[status])];
  }

  #isOtherDay(a, b) {
    return new Date(a.time).toDateString() !== new Date(b.time).toDateString();
  }
}
